/** Serving a pipeline: when it has ended, all of it is started again, over the same listeners. */
import type { Ending, Group } from '../group.js';
import type { GuestModule } from '../guest/module.js';
import type { StopOptions } from '../guest.js';
import type { Pipeline } from '../pipeline/plan.js';
import {
  type PipelineListeners,
  type PipelineOptions,
  loadPipeline,
  openPipelineListeners,
  startPipeline,
} from '../pipeline/start.js';
import type { GuestSignal } from '../signals.js';
import type { Outcome } from '../trap.js';
import { usageError } from '../usage.js';
import { DEFAULT_RESTARTS, type RestartPolicy, Restarts, isRestarted } from './restarts.js';
import type { ServiceEvent } from './service.js';

/** `ended` is told once for each life: of the instance that failed first, or else ended first. */
export type PipelineEvent = Extract<
  ServiceEvent,
  {
    readonly kind:
      | 'ended'
      | 'gave up'
      | 'reload failed'
      | 'reloaded'
      | 'reloading'
      | 'restarting'
      | 'unstartable';
  }
>;

export interface ServePipelineOptions extends Omit<PipelineOptions, 'listeners'> {
  /** Which ends are answered with a new start, and how many: `DEFAULT_RESTARTS` unless said. */
  readonly restarts?: Partial<RestartPolicy>;
  readonly onEvent?: (event: PipelineEvent) => void;
}

export interface PipelineService extends Pick<Group, 'ended' | 'listeners' | 'signal' | 'stop'> {
  /** What runs at present; the last that ran, between two lives. */
  group(): Group;
  /**
   * Replaces all of it: the pipeline that `read` gives is loaded, started over the same listeners
   * and proved ready; then the present one is asked to leave, and has its grace. One that is not
   * good changes nothing: false, and an event says why. So it is while another reload is under way.
   */
  reload(read: () => Pipeline): Promise<boolean>;
}

/** How long the instances that listen have until they wait at their listeners. */
const READY_TIMEOUT_MS = 10_000;

/** The listeners of each role, as text to compare. */
function listenersOf({ roles }: Pipeline): string {
  return JSON.stringify(roles.map(({ name, listen = [] }) => [name, listen]));
}

/** Loads each module once, for one life after the other. */
async function load(pipeline: Pipeline): Promise<Pipeline> {
  const modules = await loadPipeline(pipeline);
  const roles = pipeline.roles.map((role) => {
    return { ...role, bytes: modules.get(role.name) as GuestModule };
  });
  return { ...pipeline, roles };
}

/** Rejects unless all instances run, and those that listen wait at their listeners. */
async function provedReady({ guests }: Group): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    const error = new Error(`it was not ready within ${READY_TIMEOUT_MS}ms`);
    timer = setTimeout(() => reject(error), READY_TIMEOUT_MS);
  });
  const ended = guests.map(async ({ name, guest }): Promise<never> => {
    await guest.ended;
    throw new Error(`${name} ended before it was ready`);
  });
  const listening = guests.filter(({ guest }) => guest.listeners.length > 0);
  const ready = Promise.all(listening.map(async ({ guest }) => guest.ready));
  for (const each of ended) each.catch(() => {});
  try {
    const all = await Promise.race([ready, late, ...ended]);
    if (all.includes(false)) throw new Error('it ended before it was ready');
  } finally {
    clearTimeout(timer);
  }
}

/** Whether an instance ended as none should; those that were stopped were so because of another. */
function isFailure({ outcome }: Ending): boolean {
  if (outcome.kind === 'killed') return outcome.reason !== 'stopped';
  return outcome.kind === 'trapped' || outcome.code !== 0;
}

class PipelineSupervisor implements PipelineService {
  readonly listeners: Group['listeners'];
  readonly ended: Promise<Outcome>;
  #pipeline: Pipeline;
  readonly #open: PipelineListeners;
  readonly #options: ServePipelineOptions;
  readonly #policy: RestartPolicy;
  readonly #restarts: Restarts;
  #group: Group;
  #asked = false;
  #version = 1;
  #reloads = false;
  /** Tells that another group has come in the place of the present one. */
  #replaced: () => void = () => {};
  /** Groups that were replaced and have not ended. */
  readonly #draining = new Set<Group>();
  /** Ends the wait for the next start. */
  #hurry: () => void = () => {};

  constructor(
    pipeline: Pipeline,
    open: PipelineListeners,
    first: Group,
    options: ServePipelineOptions,
  ) {
    this.#pipeline = pipeline;
    this.#open = open;
    this.#options = options;
    this.#policy = { ...DEFAULT_RESTARTS, ...options.restarts };
    this.#restarts = new Restarts(this.#policy);
    this.#group = first;
    this.listeners = first.listeners;
    // Those that nobody starts again end as listeners of one process do.
    if (this.#policy.kind === 'temporary') open.release();
    this.ended = this.#live();
  }

  group(): Group {
    return this.#group;
  }

  signal(name: GuestSignal): boolean {
    const taken = this.#group.signal(name);
    if (taken && (name === 'SIGTERM' || name === 'SIGINT')) this.#leave();
    return taken;
  }

  async stop(options?: StopOptions): Promise<Outcome> {
    this.#leave();
    await Promise.all([this.#group, ...this.#draining].map(async (group) => group.stop(options)));
    return this.ended;
  }

  async reload(read: () => Pipeline): Promise<boolean> {
    if (this.#reloads || this.#asked) return false;
    this.#reloads = true;
    const version = this.#version + 1;
    this.#tell({ kind: 'reloading', version });
    try {
      const old = this.#group;
      await this.#replace(await load(read()));
      this.#version = version;
      this.#tell({ kind: 'reloaded', version });
      void this.#drain(old);
      return true;
    } catch (error) {
      this.#tell({ kind: 'reload failed', version, error: error as Error });
      return false;
    } finally {
      this.#reloads = false;
    }
  }

  async #replace(pipeline: Pipeline): Promise<void> {
    if (listenersOf(pipeline) !== listenersOf(this.#pipeline)) {
      throw usageError('what its roles listen on has changed; stop it, and start it anew');
    }
    const next = await startPipeline(pipeline, this.#starting());
    try {
      await provedReady(next);
      if (this.#asked) throw new Error('it is to stop');
    } catch (error) {
      await next.stop();
      throw error;
    }
    this.#draining.add(this.#group);
    this.#pipeline = pipeline;
    this.#group = next;
    this.#replaced();
  }

  /** Asks a group that was replaced to leave; its own grace begins with the first that does. */
  async #drain(group: Group): Promise<void> {
    const { graceMs = 0 } = this.#options;
    if (graceMs === 0 || !group.signal('SIGTERM')) void group.stop();
    const timer = setTimeout(() => void group.stop(), graceMs);
    await group.ended;
    clearTimeout(timer);
    this.#draining.delete(group);
  }

  #leave(): void {
    this.#asked = true;
    this.#open.release();
    this.#hurry();
  }

  #tell(event: PipelineEvent): void {
    this.#options.onEvent?.(event);
  }

  /** One life after the other; closes the listeners behind the last. */
  async #live(): Promise<Outcome> {
    for (;;) {
      const group = this.#group;
      const replaced = new Promise<undefined>((resolve) => {
        this.#replaced = () => resolve(undefined);
      });
      const cause = await Promise.race([this.#cause(group), replaced]);
      if (cause === undefined || group !== this.#group) continue;
      if (isRestarted(this.#policy.kind, cause.outcome) && (await this.#restart(cause.name)))
        continue;
      await Promise.all([...this.#draining].map(async (each) => each.ended));
      this.#open.close();
      return cause.outcome;
    }
  }

  /** Waits for the end of all instances; which of them began it, told as soon as it is known. */
  async #cause(group: Group): Promise<Ending> {
    const endings: Ending[] = [];
    let told: Ending | undefined;
    const tell = (ending: Ending): void => {
      told = ending;
      const asked = this.#asked || group !== this.#group;
      this.#tell({ kind: 'ended', ...ending, asked });
    };
    const watched = group.guests.map(async ({ name, guest }) => {
      const ending = { name, outcome: await guest.ended };
      endings.push(ending);
      if (told === undefined && isFailure(ending)) tell(ending);
    });
    await Promise.all(watched);
    await group.ended;
    if (told === undefined) tell(endings[0]);
    return told ?? endings[0];
  }

  /** Starts it anew, perhaps after several attempts; false if it is not to be. */
  async #restart(name: string): Promise<boolean> {
    const before = this.#group;
    while (!this.#asked) {
      const restart = this.#restarts.next(name, performance.now());
      const { count, windowMs } = this.#policy;
      if (restart === undefined) {
        this.#tell({ kind: 'gave up', name, count, windowMs });
        return false;
      }
      this.#tell({ kind: 'restarting', name, windowMs, ...restart });
      await this.#wait(restart.delayMs);
      // Meanwhile a reload may have put another in its place.
      if (this.#asked || this.#group !== before) return !this.#asked;
      try {
        const next = await startPipeline(this.#pipeline, this.#starting());
        // Asked while it started, it has heard of no signal.
        if (this.#asked || this.#group !== before) await next.stop();
        else this.#group = next;
        return !this.#asked;
      } catch (error) {
        this.#tell({ kind: 'unstartable', name, error: error as Error });
      }
    }
    return false;
  }

  #starting(): PipelineOptions {
    const { restarts: _, onEvent: __, ...options } = this.#options;
    return { ...options, listeners: this.#open };
  }

  async #wait(delayMs: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, delayMs);
      this.#hurry = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

/**
 * Starts a pipeline, and starts all of it again when it has ended, as `restarts` says; its
 * modules are compiled once, and its listeners stay open: who connects in between is served.
 * `signal` and `stop` ask it to leave for good. `ended` settles when nothing runs and nothing will,
 * with the outcome that decided that. Rejects as `startPipeline` does.
 */
export async function servePipeline(
  pipeline: Pipeline,
  options: ServePipelineOptions = {},
): Promise<PipelineService> {
  const loaded = await load(pipeline);
  const listeners = openPipelineListeners(loaded);
  try {
    const { restarts: _, onEvent: __, ...starting } = options;
    const first = await startPipeline(loaded, { ...starting, listeners });
    return new PipelineSupervisor(loaded, listeners, first, options);
  } catch (error) {
    listeners.close();
    throw error;
  }
}
