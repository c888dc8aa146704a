/** `sandpoll run`: runs one guest as a command, and ends with its status. */
import { existsSync, readFileSync, writeSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import type { Worker } from 'node:worker_threads';

import { startGuest } from '../guest.js';
import { mapFrames } from '../source-map.js';
import type { Outcome } from '../trap.js';
import { escapeControls } from '../wasm/text.js';
import type { RunOptions } from './options.js';
import { readModuleFile } from './files.js';
import { forwardSignals } from './signals.js';

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

/** What a guest wrote stands in some of these lines: its control characters do not pass. */
function say(line: string): void {
  writeSync(2, `${escapeControls(line)}\n`);
}

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

async function sayTrap(outcome: Outcome & { kind: 'trapped' }, file: string): Promise<void> {
  const map = sourceMapOf(file);
  let { frames } = outcome;
  if (map !== undefined) {
    frames = await mapFrames(frames, map).catch((error: unknown) => {
      say(`sandpoll: ${file}.map is not a source map: ${(error as Error).message}`);
      return outcome.frames;
    });
  }
  say(`sandpoll: ${basename(file)} trapped: ${outcome.message}`);
  for (const { name, offset, source } of frames) {
    const where = source === undefined ? undefined : sourceText(file, source);
    say(`    at ${name} (${where ?? `${basename(file)}:0x${offset.toString(16)}`})`);
  }
}

async function status(outcome: Outcome, file: string, options: RunOptions): Promise<number> {
  if (outcome.kind === 'exited') return Math.min(outcome.code, CODE_MAX);
  if (outcome.kind === 'trapped') {
    await sayTrap(outcome, file);
    return Status.TRAPPED;
  }
  if (outcome.reason === 'timeout' && !options.quiet) {
    say(`sandpoll: stopped after --timeout ${options.timeoutMs}ms`);
  }
  return Status.TIMEOUT;
}

/** Runs `file` to its end; returns the exit status. Start-up errors are thrown. */
export async function run(
  file: string,
  options: RunOptions,
  thread: Worker | undefined,
): Promise<number> {
  const sayUnlessQuiet = (line: string): void => {
    if (!options.quiet) say(`sandpoll: ${line}`);
  };
  const guest = await startGuest({
    ...options,
    ...(thread === undefined ? {} : { thread }),
    bytes: readModuleFile(file),
    name: basename(file),
    onReport: sayUnlessQuiet,
  });
  const signalled = forwardSignals(guest, { graceMs: options.graceMs, say: sayUnlessQuiet });
  for (const { url, fd } of guest.listeners) {
    if (!options.quiet) say(`listening on ${url} (fd ${fd})`);
  }
  const outcome = await guest.ended;
  return signalled() ?? (await status(outcome, file, options));
}
