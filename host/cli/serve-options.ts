/** The options of `sandpoll serve` that `run` does not have, from text to those of `serve`. */
import { type RestartPolicy, RESTART_KINDS } from '../serve/restarts.js';
import type { ServeOptions } from '../serve/serve.js';
import { parseCount, parseDuration, usageError } from '../usage.js';

/** The options as they were written, still text. */
export interface ServeFlags {
  readonly restart?: string;
  readonly restartLimit?: string;
  readonly readyTimeout?: string;
  readonly probe?: string;
}

function parseRestart(text: string): Pick<RestartPolicy, 'kind'> {
  const kind = RESTART_KINDS.find((each) => each === text);
  if (kind !== undefined) return { kind };
  const kinds = RESTART_KINDS.join(', ');
  throw usageError(`--restart ${text}: there is no such kind; choose from ${kinds}`);
}

/** `10/60s`: so many restarts within so long. */
function parseLimit(text: string): Pick<RestartPolicy, 'count' | 'windowMs'> {
  const [count, window, ...more] = text.split('/');
  if (window === undefined || more.length > 0) {
    throw usageError(`--restart-limit ${text}: write it as in --restart-limit 10/60s`);
  }
  return {
    count: parseCount(count, '--restart-limit', 0),
    windowMs: parseDuration(window, '--restart-limit'),
  };
}

function parseProbe(text: string): string {
  if (text.startsWith('/')) return text;
  throw usageError(`--probe ${text}: a path that the guest answers, as in --probe /health`);
}

/** Reads the flags; wrong ones throw a `UsageError`. */
export function readServeFlags(
  flags: ServeFlags,
): Pick<ServeOptions, 'restarts' | 'readyTimeoutMs' | 'probePath'> {
  const { restart, restartLimit, readyTimeout, probe } = flags;
  return {
    restarts: {
      ...(restart === undefined ? {} : parseRestart(restart)),
      ...(restartLimit === undefined ? {} : parseLimit(restartLimit)),
    },
    ...(readyTimeout === undefined
      ? {}
      : { readyTimeoutMs: parseDuration(readyTimeout, '--ready-timeout') }),
    ...(probe === undefined ? {} : { probePath: parseProbe(probe) }),
  };
}
