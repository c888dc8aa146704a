/** The options of `sandpoll run`, from text to grants. Wrong ones throw a `UsageError`. */
import { type ListenAddress, parseListen } from '../address.js';
import { FDS_MAX } from '../descriptors.js';
import {
  DEFAULT_LIMITS,
  type Grants,
  MEMORY_BYTES_MAX,
  parseNetRule,
  parseResolveRule,
} from '../grants.js';
import { TRACE_GROUPS, type TraceGroup } from '../trace-groups.js';
import { parseCount, parseDuration, parseSize, usageError } from '../usage.js';

/** The options as they were written, still text. */
export interface RunFlags {
  readonly listen: readonly string[];
  readonly allowNet: readonly string[];
  readonly denyNet: readonly string[];
  readonly allowResolve: readonly string[];
  readonly allowFastopen: boolean;
  readonly env: readonly string[];
  readonly timeout?: string;
  readonly grace?: string;
  readonly maxMemory?: string;
  readonly maxFds?: string;
  readonly trace?: string;
  readonly quiet: boolean;
}

export interface RunOptions {
  readonly grants: Grants;
  readonly listen: readonly ListenAddress[];
  readonly timeoutMs?: number;
  /** How long a guest that takes SIGTERM or SIGINT has to leave by itself. */
  readonly graceMs: number;
  readonly trace: readonly TraceGroup[];
  readonly quiet: boolean;
}

const PAGE_BYTES = 65_536;

const GRACE_MS = 10_000;

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
  const { maxMemory, maxFds, timeout, grace } = flags;
  const limits = {
    ...DEFAULT_LIMITS,
    ...(maxMemory === undefined
      ? {}
      : { memoryBytes: parseSize(maxMemory, '--max-memory', PAGE_BYTES, MEMORY_BYTES_MAX) }),
    ...(maxFds === undefined ? {} : { fds: parseCount(maxFds, '--max-fds', 3, FDS_MAX) }),
  };
  return {
    grants: {
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
    ...(timeout === undefined ? {} : { timeoutMs: parseDuration(timeout, '--timeout') }),
    graceMs: grace === undefined ? GRACE_MS : parseDuration(grace, '--grace'),
    trace: parseTrace(flags.trace),
    quiet: flags.quiet,
  };
}
