/** A pipeline as plain data: roles, the channels between them, and what is wrong with it. */
import { type ListenAddress, formatUrl } from '../address.js';
import { type Grants, NO_GRANTS, checkDirs } from '../grants.js';
import type { GuestOptions } from '../guest.js';
import { tryDirectories } from '../guest/directories.js';
import { openNativeKernel } from '../kernel/native.js';
import { type UsageError, usageError } from '../usage.js';

/** What the pipeline itself decides about each instance. */
type Decided =
  | 'channels'
  | 'grants'
  | 'instance'
  | 'listen'
  | 'metered'
  | 'name'
  | 'onOutput'
  | 'onReport'
  | 'stdio'
  | 'thread';

/** One stage: a module, of which there can be many instances. */
export interface PipelineRole extends Omit<GuestOptions, Decided> {
  /** A letter, then letters, digits and `_`; no two names differ by case alone. */
  readonly name: string;
  /** Where the module comes from: messages call it so. */
  readonly file?: string;
  /** From 1 (unless said) to `INSTANCES_MAX`. */
  readonly instances?: number;
  /** Those of each instance; none unless said. */
  readonly grants?: Grants;
  /** Each is opened once, and shared by the instances of the role. */
  readonly listen?: readonly ListenAddress[];
  /**
   * A path that the role must answer by HTTP, at its first listener of streams and with a status
   * below 400, before what serves the pipeline calls it ready.
   */
  readonly probePath?: string;
}

/** Every instance of the one role has a channel of its own to every instance of the other. */
export interface PipelineChannel {
  /** The role that asks. Answers come back by the same channel. */
  readonly from: string;
  readonly to: string;
}

export interface Pipeline {
  readonly roles: readonly PipelineRole[];
  readonly channels: readonly PipelineChannel[];
}

/** The most instances of one role: each is a thread. */
export const INSTANCES_MAX = 256;

/** What is wrong, and where: a role or channel by its index, and perhaps the key in it. */
export interface Problem {
  readonly at: readonly (string | number)[];
  readonly sentence: string;
}

const NAME = /^[A-Za-z][A-Za-z0-9_]*$/;
/** Variables by which a guest finds what it was given. */
const RESERVED = /^(SANDPOLL_|LISTEN_FD(S|NAMES)$)/;
/** What can stand in a request line as it is (RFC 9112 §3.2.1). */
const PROBE_PATH = /^\/[!-~]*$/;
/** Standard input, output and error. */
const STDIO_FDS = 3;

export function instancesOf({ instances = 1 }: PipelineRole): number {
  return instances;
}

/** How many channels each instance of a role has. */
function channelCount({ roles, channels }: Pipeline, name: string): number {
  const others = channels.flatMap(({ from, to }) =>
    from === name ? [to] : to === name ? [from] : [],
  );
  const counts = others.map((other) => roles.find((role) => role.name === other));
  return counts.reduce((sum, role) => sum + (role === undefined ? 0 : instancesOf(role)), 0);
}

function nameProblems({ roles }: Pipeline): Problem[] {
  return roles.flatMap(({ name }, index) => {
    const at = ['role', index, 'name'];
    if (!NAME.test(name)) {
      const form = 'a letter, then letters, digits and _';
      return [{ at, sentence: `'${name}' is not a name: write ${form}, as in io` }];
    }
    const lower = name.toLowerCase();
    const first = roles.findIndex((role) => role.name.toLowerCase() === lower);
    if (first === index) return [];
    return [{ at, sentence: `another role has the name ${name}; give each its own` }];
  });
}

function instanceProblems({ roles }: Pipeline): Problem[] {
  return roles.flatMap((role, index) => {
    const count = instancesOf(role);
    if (Number.isInteger(count) && count >= 1 && count <= INSTANCES_MAX) return [];
    const sentence = `instances = ${count}: must be a whole number from 1 to ${INSTANCES_MAX}`;
    return [{ at: ['role', index, 'instances'], sentence }];
  });
}

/** Looked for before any role starts: an instance that lacks one would end those that run. */
function directoryProblems({ roles }: Pipeline): Problem[] {
  return roles.flatMap(({ grants = NO_GRANTS }, index) => {
    try {
      checkDirs(grants.dirs);
      tryDirectories(openNativeKernel(), grants.dirs);
      return [];
    } catch (error) {
      return [{ at: ['role', index, 'dir'], sentence: (error as Error).message }];
    }
  });
}

function grantProblems(pipeline: Pipeline): Problem[] {
  return pipeline.roles.flatMap((role, index): Problem[] => {
    const { env, limits, dirs } = role.grants ?? NO_GRANTS;
    const problems = Object.keys(env)
      .filter((name) => RESERVED.test(name))
      .map((name) => ({
        at: ['role', index, 'env'],
        sentence: `env ${name}: a role may not have it, the pipeline sets it; choose another name`,
      }));
    const given = dirs.length + (role.listen?.length ?? 0);
    const needed = STDIO_FDS + given + channelCount(pipeline, role.name);
    if (needed <= limits.fds) return problems;
    const sentence =
      `max-fds ${limits.fds}: an instance of ${role.name} starts with ${needed} descriptors, ` +
      'its directories, listeners and channels among them; raise max-fds';
    return [...problems, { at: ['role', index, 'max-fds'], sentence }];
  });
}

function listenProblems({ roles }: Pipeline): Problem[] {
  const holders = new Map<string, string>();
  return roles.flatMap(({ name, listen = [] }, index) =>
    listen.flatMap(({ transport, address }) => {
      // Port 0 picks a free one each time.
      if ('port' in address && address.port === 0) return [];
      const url = formatUrl(transport, address);
      const holder = holders.get(url);
      holders.set(url, name);
      if (holder === undefined) return [];
      const sentence = `${url}: role ${holder} listens there already; choose another address`;
      return [{ at: ['role', index, 'listen'], sentence }];
    }),
  );
}

function probeProblems({ roles }: Pipeline): Problem[] {
  return roles.flatMap(({ name, probePath, listen = [] }, index) => {
    if (probePath === undefined) return [];
    const at = ['role', index, 'probe'];
    if (!PROBE_PATH.test(probePath)) {
      const form = `a path that ${name} answers by HTTP, as in /health`;
      return [{ at, sentence: `probe '${probePath}': write ${form}` }];
    }
    if (listen.some(({ transport }) => transport !== 'udp')) return [];
    const sentence = `probe ${probePath}: ${name} listens nowhere to be asked; give it a listen`;
    return [{ at, sentence }];
  });
}

function channelProblems({ roles, channels }: Pipeline): Problem[] {
  const names = new Set(roles.map(({ name }) => name));
  const pairs = new Set<string>();
  return channels.flatMap(({ from, to }, index): Problem[] => {
    const unknown = (['from', 'to'] as const).flatMap((key) => {
      const name = key === 'from' ? from : to;
      if (names.has(name)) return [];
      const known = names.size === 0 ? '' : `; the roles are ${[...names].join(', ')}`;
      return [{ at: ['channel', index, key], sentence: `there is no role '${name}'${known}` }];
    });
    const at = ['channel', index];
    if (from === to) {
      const why = 'its instances would wait for each other; name two roles';
      return [...unknown, { at, sentence: `a channel from ${from} to itself: ${why}` }];
    }
    const pair = `${from} ${to}`;
    if (pairs.has(pair)) {
      const sentence = `${from} and ${to} are joined already; leave this one out`;
      return [...unknown, { at, sentence }];
    }
    pairs.add(pair);
    return unknown;
  });
}

/** The roles from `name` back to it, along the channels; undefined if there is no such way. */
function cycleThrough(channels: readonly PipelineChannel[], name: string): string[] | undefined {
  const before = new Map<string, string>();
  const reached = [name];
  for (const role of reached) {
    for (const { from, to } of channels) {
      if (from !== role || before.has(to)) continue;
      before.set(to, from);
      if (to !== name) {
        reached.push(to);
        continue;
      }
      const way = [name];
      do way.unshift(before.get(way[0]) as string);
      while (way[0] !== name);
      return way;
    }
  }
  return undefined;
}

function cycleProblems({ channels }: Pipeline): Problem[] {
  const told = new Set<string>();
  return channels.flatMap(({ from, to }, index) => {
    const cycle = from === to ? undefined : cycleThrough(channels, from);
    if (cycle === undefined || cycle.some((role) => told.has(role))) return [];
    for (const role of cycle) told.add(role);
    const sentence =
      `the channels make a cycle: ${cycle.join(' -> ')}; when every channel of it is full, all ` +
      'wait for ever; leave one out: answers come back by the channel that brought the question';
    return [{ at: ['channel', index], sentence }];
  });
}

/** All that is wrong with a pipeline, in the order in which a reader would look. */
export function pipelineProblems(pipeline: Pipeline): readonly Problem[] {
  const empty = { at: [], sentence: 'there is no role; write [[role]] with name and module' };
  return [
    ...(pipeline.roles.length === 0 ? [empty] : []),
    ...nameProblems(pipeline),
    ...instanceProblems(pipeline),
    ...grantProblems(pipeline),
    ...directoryProblems(pipeline),
    ...listenProblems(pipeline),
    ...probeProblems(pipeline),
    ...channelProblems(pipeline),
    ...cycleProblems(pipeline),
  ];
}

/** The problems of plain data in one error, a line each. */
export function pipelineError(problems: readonly Problem[]): UsageError {
  const lines = problems.map(({ at: [list, index], sentence }) =>
    list === undefined ? `pipeline: ${sentence}` : `pipeline: ${list} ${index}: ${sentence}`,
  );
  return usageError(lines.join('\n'));
}
