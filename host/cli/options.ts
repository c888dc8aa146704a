/** The options of `sandpoll run`, from text to grants. Wrong ones throw a `UsageError`. */
import { type ListenAddress, parseListen } from '../address.js';
import { FDS_MAX } from '../descriptors.js';
import {
  DEFAULT_LIMITS,
  type Grants,
  MEMORY_BYTES_MAX,
  parseDirs,
  parseNetRule,
  parseResolveRule,
} from '../grants.js';
import { ISOLATIONS, type Isolation } from '../guest.js';
import type { Stdio, StreamFile } from '../guest/stdio.js';
import { THREADS_MAX } from '../threads.js';
import { TRACE_GROUPS, type TraceGroup } from '../trace-groups.js';
import { parseCount, parseDuration, parseSize, usageError } from '../usage.js';
import { SHARES, type Share, WORKERS_MAX } from '../workers.js';
import { type WatchFlags, type WatchOptions, readWatchFlags } from './watching.js';

/** The options as they were written, still text. */
export interface RunFlags extends WatchFlags {
  readonly dir: readonly string[];
  readonly listen: readonly string[];
  readonly allowNet: readonly string[];
  readonly denyNet: readonly string[];
  readonly allowResolve: readonly string[];
  readonly allowFastopen: boolean;
  readonly env: readonly string[];
  readonly stdin?: string;
  readonly stdout?: string;
  readonly stderr?: string;
  readonly isolate: string;
  readonly workers?: string;
  readonly share?: string;
  readonly timeout?: string;
  readonly grace?: string;
  readonly maxMemory?: string;
  readonly maxFds?: string;
  readonly maxThreads?: string;
  readonly maxConnections?: string;
  readonly maxCpu?: string;
  readonly maxBuffered?: string;
  readonly trace?: string;
}

export interface RunOptions extends WatchOptions {
  readonly grants: Grants;
  readonly listen: readonly ListenAddress[];
  readonly stdio: Stdio;
  readonly isolate: Isolation;
  /** How many instances, and how they share the addresses of `listen`. */
  readonly workers: number;
  readonly share?: Share;
  readonly timeoutMs?: number;
  /** How long a guest that takes SIGTERM or SIGINT has to leave by itself. */
  readonly graceMs: number;
  readonly trace: readonly TraceGroup[];
  readonly quiet: boolean;
}

const PAGE_BYTES = 65_536;

export const GRACE_MS = 10_000;

/** `NAME=VALUE`, or `NAME` for the value it has in the environment of the host. */
function parseEnv(text: string, environment: NodeJS.ProcessEnv): [string, string] {
  const at = text.indexOf('=');
  const name = at < 0 ? text : text.slice(0, at);
  if (name === '') throw usageError(`--env ${text}: the name is missing; write --env NAME=VALUE`);
  if (at >= 0) return [name, text.slice(at + 1)];
  const value = environment[name];
  if (value === undefined) {
    throw usageError(`--env ${name}: not set here; write --env ${name}=VALUE`);
  }
  return [name, value];
}

function parseTrace(text: string | undefined): readonly TraceGroup[] {
  if (text === undefined) return [];
  return text.split(',').map((group) => {
    const found = TRACE_GROUPS.find((each) => each === group);
    if (found !== undefined) return found;
    throw usageError(`--trace=${group}: no such group; choose from ${TRACE_GROUPS.join(', ')}`);
  });
}

/** The part of a stream that says to add to a file rather than empty it. */
const APPEND = ':append';

/** `inherit`, `ignore`, or a file: `./ignore` is one of that name. */
function parseStream(text: string, option: string): 'inherit' | 'ignore' | StreamFile {
  if (text === 'inherit' || text === 'ignore') return text;
  const append = option !== 'stdin' && text.endsWith(APPEND);
  const file = append ? text.slice(0, -APPEND.length) : text;
  if (file !== '') return append ? { file, append } : { file };
  throw usageError(`--${option} ${text}: the path is missing; write --${option} FILE`);
}

function parseStdio({ stdin, stdout, stderr }: RunFlags): Stdio {
  return {
    ...(stdin === undefined ? {} : { stdin: parseStream(stdin, 'stdin') }),
    ...(stdout === undefined ? {} : { stdout: parseStream(stdout, 'stdout') }),
    ...(stderr === undefined ? {} : { stderr: parseStream(stderr, 'stderr') }),
  };
}

function parseIsolate(text: string): Isolation {
  const found = ISOLATIONS.find((each) => each === text);
  if (found !== undefined) return found;
  const tiers = ISOLATIONS.join(', ');
  throw usageError(`--isolate ${text}: there is no such tier; choose from ${tiers}`);
}

function parseShare(text: string): Share {
  const found = SHARES.find((each) => each === text);
  if (found !== undefined) return found;
  throw usageError(`--share ${text}: there is no such way; choose from ${SHARES.join(', ')}`);
}

function uniqueNames(listen: readonly ListenAddress[]): void {
  const names = listen.flatMap(({ name }) => name ?? []);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) {
    throw usageError(`--listen ${twice}=…: two listeners have that name; give each its own`);
  }
}

/** Reads the flags; `args` are the guest's own, its name first. */
export function readRunFlags(
  flags: RunFlags,
  args: readonly string[],
  environment: NodeJS.ProcessEnv,
): RunOptions {
  const listen = flags.listen.map((text) => parseListen(text));
  uniqueNames(listen);
  const { maxMemory, maxFds, maxThreads, maxConnections, maxCpu, maxBuffered } = flags;
  const { timeout, grace, workers, share } = flags;
  const limits = {
    ...DEFAULT_LIMITS,
    ...(maxMemory === undefined
      ? {}
      : { memoryBytes: parseSize(maxMemory, '--max-memory', PAGE_BYTES, MEMORY_BYTES_MAX) }),
    ...(maxFds === undefined ? {} : { fds: parseCount(maxFds, '--max-fds', 3, FDS_MAX) }),
    ...(maxThreads === undefined
      ? {}
      : { threads: parseCount(maxThreads, '--max-threads', 1, THREADS_MAX) }),
    ...(maxConnections === undefined
      ? {}
      : { connections: parseCount(maxConnections, '--max-connections', 1, FDS_MAX) }),
    ...(maxCpu === undefined ? {} : { cpuMs: parseDuration(maxCpu, '--max-cpu') }),
    ...(maxBuffered === undefined
      ? {}
      : { bufferedBytes: parseSize(maxBuffered, '--max-buffered', 1) }),
  };
  return {
    grants: {
      dirs: parseDirs(flags.dir),
      args,
      env: Object.fromEntries(flags.env.map((text) => parseEnv(text, environment))),
      net: {
        allow: flags.allowNet.map((text) => parseNetRule(text, '--allow-net')),
        deny: flags.denyNet.map((text) => parseNetRule(text, '--deny-net')),
      },
      resolve: flags.allowResolve.map((text) => parseResolveRule(text)),
      fastOpen: flags.allowFastopen,
      limits,
    },
    listen,
    stdio: parseStdio(flags),
    isolate: parseIsolate(flags.isolate),
    workers: workers === undefined ? 1 : parseCount(workers, '--workers', 1, WORKERS_MAX),
    ...(share === undefined ? {} : { share: parseShare(share) }),
    ...(timeout === undefined ? {} : { timeoutMs: parseDuration(timeout, '--timeout') }),
    graceMs: grace === undefined ? GRACE_MS : parseDuration(grace, '--grace'),
    trace: parseTrace(flags.trace),
    ...readWatchFlags(flags),
    quiet: flags.quiet,
  };
}
