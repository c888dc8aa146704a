/** Starting a pipeline: its listeners, its channels, and a guest for each instance. */
import { basename } from 'node:path';

import type { ListenAddress } from '../address.js';
import { type ChannelEnd, createChannel } from '../channels.js';
import { NO_GRANTS } from '../grants.js';
import { type Group, type Member, groupOf } from '../group.js';
import { type GuestOptions, startGuest } from '../guest.js';
import { type GuestModule, loadModule } from '../guest/module.js';
import { LinkError } from '../link-error.js';
import { linkProblems } from '../link.js';
import { type SharedListener, releaseListener, shareListener } from '../listeners.js';
import type { Output } from '../output.js';
import {
  type Pipeline,
  type PipelineRole,
  instancesOf,
  pipelineError,
  pipelineProblems,
} from './plan.js';

/** The listeners of a pipeline, which can outlive it: give them to the next one. */
export interface PipelineListeners {
  /** Those of a role, in the order of its `listen`. */
  of(role: string): readonly SharedListener[];
  all(): readonly SharedListener[];
  /**
   * Those of a pipeline that is to take this one's place: what it has as well is the same, what it
   * has besides is opened. Throws an error of Node's shape, none left open of these.
   */
  next(pipeline: Pipeline): PipelineListeners;
  /** Leaves them to the guests: once all of these have closed one, nobody connects any more. */
  release(): void;
  /**
   * Closes them, if they are not released, and removes unix paths; but for those that are among
   * `others`.
   */
  close(others?: PipelineListeners): void;
}

/** How an instance is watched; what is said of it comes with its name, `io#1`. */
type Watching = Pick<GuestOptions, 'metered' | 'onOutput' | 'onReport'>;

export interface PipelineOptions extends Watching {
  /**
   * How long the others have to leave once one instance has ended: a pipeline is whole or not at
   * all. They are sent SIGTERM, and find its channels closed. 0 unless said: they are ended.
   */
  readonly graceMs?: number;
  /** As in `GuestOptions`, for every instance. */
  readonly metered?: boolean;
  readonly onOutput?: (output: Output) => void;
  /** From `openPipelineListeners`; they stay the caller's. Unless given, they are opened here. */
  readonly listeners?: PipelineListeners;
}

/** By what a listener is known to the next pipeline: a port that was picked is its role's. */
function keyOf(role: string, index: number, listen: ListenAddress): string {
  const { address } = listen;
  const picked = 'port' in address && address.port === 0;
  return JSON.stringify([listen, ...(picked ? [role, index] : [])]);
}

/** Opens what is not among `held`. */
function openBesides(
  held: ReadonlyMap<string, SharedListener>,
  { roles }: Pipeline,
): PipelineListeners {
  const opened = new Map<string, SharedListener>();
  const ofRoles = new Map<string, SharedListener[]>();
  try {
    for (const { name, listen = [] } of roles) {
      const listeners = listen.map((each, index) => {
        const key = keyOf(name, index, each);
        const listener = held.get(key) ?? shareListener(each);
        opened.set(key, listener);
        return listener;
      });
      ofRoles.set(name, listeners);
    }
  } catch (error) {
    for (const [key, listener] of opened) if (!held.has(key)) listener.close();
    throw error;
  }
  const all = (): SharedListener[] => [...opened.values()];
  return {
    of: (role) => ofRoles.get(role) ?? [],
    all,
    next: (pipeline) => openBesides(opened, pipeline),
    release: () => all().forEach(releaseListener),
    close: (others) => {
      const kept = new Set(others?.all());
      for (const listener of all()) if (!kept.has(listener)) listener.close();
    },
  };
}

/** Opens the listeners of a pipeline; throws an error of Node's shape, none left open. */
export function openPipelineListeners(pipeline: Pipeline): PipelineListeners {
  return openBesides(new Map(), pipeline);
}

function moduleName({ file, name }: PipelineRole): string {
  return file === undefined ? name : basename(file);
}

/**
 * Admits and compiles the module of each role; by its name. Rejects with `ModuleError`, with
 * `LinkError` for imports that nothing provides, or a `UsageError` for a pipeline that is none.
 */
export async function loadPipeline(pipeline: Pipeline): Promise<ReadonlyMap<string, GuestModule>> {
  const problems = pipelineProblems(pipeline);
  if (problems.length > 0) throw pipelineError(problems);
  const loading = pipeline.roles.map(async (role) => {
    const { bytes, grants = NO_GRANTS } = role;
    const loaded =
      bytes instanceof Uint8Array ? await loadModule(bytes, moduleName(role), grants) : bytes;
    const missing = linkProblems(loaded.info);
    if (missing.length > 0) throw new LinkError(missing);
    return [role.name, loaded] as const;
  });
  return new Map(await Promise.all(loading));
}

type Ends = Record<string, ChannelEnd>;

/** Makes every channel; the ends of each instance, by the names that it finds them by. */
function joinAll({ roles, channels }: Pipeline): ReadonlyMap<string, Ends> {
  const instances = new Map(
    roles.flatMap((role) =>
      Array.from({ length: instancesOf(role) }, (_, k): [string, Ends] => [
        `${role.name}#${k}`,
        {},
      ]),
    ),
  );
  const named = (name: string): PipelineRole =>
    roles.find((role) => role.name === name) as PipelineRole;
  const give = (instance: string, to: string, k: number, end: ChannelEnd): void => {
    (instances.get(instance) as Ends)[`${to.toUpperCase()}_${k}`] = end;
  };
  try {
    for (const { from, to } of channels) {
      for (let i = 0; i < instancesOf(named(from)); i++) {
        for (let k = 0; k < instancesOf(named(to)); k++) {
          const [one, other] = createChannel();
          give(`${from}#${i}`, to, k, one);
          give(`${to}#${k}`, from, i, other);
        }
      }
    }
  } catch (error) {
    closeEnds(instances);
    throw error;
  }
  return instances;
}

function closeEnds(instances: ReadonlyMap<string, Ends>): void {
  for (const ends of instances.values()) for (const end of Object.values(ends)) end.close();
}

/** What the instances of one pipeline have in common. */
interface Making {
  readonly modules: ReadonlyMap<string, GuestModule>;
  readonly listeners: PipelineListeners;
  readonly channels: ReadonlyMap<string, Ends>;
  readonly options: PipelineOptions;
}

async function startInstance(role: PipelineRole, k: number, making: Making): Promise<Member> {
  const { modules, listeners, channels, options } = making;
  const { graceMs: _, listeners: __, ...watching } = options;
  const name = `${role.name}#${k}`;
  const grants = role.grants ?? NO_GRANTS;
  const env = {
    ...grants.env,
    SANDPOLL_WORKER: String(k),
    SANDPOLL_WORKERS: String(instancesOf(role)),
  };
  const guest = await startGuest({
    ...role,
    ...watching,
    bytes: modules.get(role.name) as GuestModule,
    name: moduleName(role),
    instance: name,
    grants: { ...grants, env },
    listen: listeners.of(role.name),
    channels: channels.get(name) ?? {},
  });
  return { name, guest };
}

/** Starts all instances, or none. */
async function startAll({ roles }: Pipeline, making: Making): Promise<readonly Member[]> {
  const starting = roles.flatMap((role) =>
    Array.from({ length: instancesOf(role) }, async (_, k) => startInstance(role, k, making)),
  );
  const settled = await Promise.allSettled(starting);
  const failed = settled.find((each) => each.status === 'rejected');
  const started = settled.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
  if (failed === undefined) return started;
  await Promise.all(started.map(async ({ guest }) => guest.stop()));
  throw failed.reason;
}

/** Once one has ended, by itself or not, the others are asked to leave, and then ended. */
async function endWithFirst(group: Group, graceMs: number): Promise<void> {
  await Promise.race(group.guests.map(async ({ guest }) => guest.ended));
  if (graceMs > 0) group.signal('SIGTERM');
  const timer = setTimeout(() => void group.stop(), graceMs);
  await group.ended;
  clearTimeout(timer);
}

/**
 * Starts every instance of a pipeline, named `role#k`. Each finds its channels by
 * `SANDPOLL_CHANNEL_FD_<ROLE>_<k>`, the role in upper case, and itself by `SANDPOLL_WORKER` (k)
 * among `SANDPOLL_WORKERS`. When one ends, all end.
 *
 * Rejects as `loadPipeline`, `openPipelineListeners` and `startGuest` do; nothing is left then.
 */
export async function startPipeline(
  pipeline: Pipeline,
  options: PipelineOptions = {},
): Promise<Group> {
  const modules = await loadPipeline(pipeline);
  const listeners = options.listeners ?? openPipelineListeners(pipeline);
  const closeOwn = (): void => {
    if (options.listeners === undefined) listeners.close();
  };
  let channels: ReadonlyMap<string, Ends> = new Map();
  try {
    channels = joinAll(pipeline);
    const guests = await startAll(pipeline, { modules, listeners, channels, options });
    // From here on they end as listeners of one process do.
    if (options.listeners === undefined) listeners.release();
    const urls = pipeline.roles.flatMap(({ name }) => listeners.of(name));
    const group = groupOf(guests, urls, closeOwn);
    void endWithFirst(group, options.graceMs ?? 0);
    return group;
  } catch (error) {
    closeEnds(channels);
    closeOwn();
    throw error;
  }
}
