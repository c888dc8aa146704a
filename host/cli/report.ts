/** What the command line says of guests and their ends, and the statuses that follow. */
import { existsSync, readFileSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';

import type { Ending } from '../group.js';
import { mapFrames } from '../source-map.js';
import type { Outcome } from '../trap.js';
import { say } from './log.js';
import type { RunOptions } from './options.js';

/** Exit statuses besides the guest's own. */
export const Status = {
  LOAD_FAILED: 1,
  USAGE: 2,
  TIMEOUT: 124,
  SIGHUP: 129,
  SIGINT: 130,
  TRAPPED: 134,
  SIGTERM: 143,
} as const;

/** A process status has 8 bits: a larger code must not look like success. */
const CODE_MAX = 255;

/** A source map beside the module, if there is one that can be read. */
function sourceMapOf(file: string): string | undefined {
  try {
    return readFileSync(`${file}.map`, 'utf8');
  } catch {
    // Without one the trap is still reported, by function and offset.
    return undefined;
  }
}

/** A source of a map as it can be opened from here; what is no file, as the map has it. */
function sourceText(file: string, source: string): string {
  const [path, position] = source.split(/:(?=\d+:\d+$)/);
  const beside = join(dirname(file), path);
  return existsSync(beside) ? `${relative('', beside)}:${position}` : source;
}

/** Says how a guest trapped, and where: in its source, if there is a map beside the module. */
export async function sayTrap(
  name: string,
  outcome: Outcome & { kind: 'trapped' },
  file: string,
): Promise<void> {
  const map = sourceMapOf(file);
  let { frames } = outcome;
  if (map !== undefined) {
    frames = await mapFrames(frames, map).catch((error: unknown) => {
      const why = (error as Error).message;
      say(`sandpoll: ${file}.map is not a source map: ${why}`, { level: 'warn' });
      return outcome.frames;
    });
  }
  const stack = frames.map(({ name: of, offset, source }) => {
    const where = source === undefined ? undefined : sourceText(file, source);
    return `at ${of} (${where ?? `${basename(file)}:0x${offset.toString(16)}`})`;
  });
  const line = `sandpoll: ${name} trapped: ${outcome.message}`;
  say(line, { level: 'error', guest: name, stack });
}

type LimitOptions = Pick<RunOptions, 'timeoutMs'> & { readonly grants?: RunOptions['grants'] };

/** Which limit ended a guest, as the option that set it; undefined if none did. */
export function limitText(outcome: Outcome, options: LimitOptions): string | undefined {
  if (outcome.kind !== 'killed' || outcome.reason === 'stopped') return undefined;
  if (outcome.reason === 'timeout') return `--timeout ${options.timeoutMs}ms`;
  return `--max-cpu ${options.grants?.limits.cpuMs}ms`;
}

/** The status for how a guest of `file` ended, and what there is to say of it. */
export async function endingStatus(
  { name, outcome }: Ending,
  file: string,
  options: LimitOptions,
): Promise<number> {
  if (outcome.kind === 'exited') return Math.min(outcome.code, CODE_MAX);
  if (outcome.kind === 'trapped') {
    await sayTrap(name, outcome, file);
    return Status.TRAPPED;
  }
  const limit = limitText(outcome, options);
  if (limit !== undefined) {
    say(`sandpoll: stopped after ${limit}`, { level: 'warn', guest: name });
  }
  return Status.TIMEOUT;
}
