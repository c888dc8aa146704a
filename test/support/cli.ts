/** The `sandpoll` command, run as a person runs it. */
import { type SpawnOptions, spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';

import { ROOT } from './sources.js';

export const MAIN = `${ROOT}dist/cli/main.cjs`;

export interface Run {
  /** The exit status; null if a signal ended it. */
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions extends Omit<SpawnOptions, 'stdio'> {
  /** A descriptor to be its standard input; none for `/dev/null`. */
  readonly stdin?: number;
}

/** Runs `sandpoll` with `args` to its end. */
export function sandpoll(args: readonly string[], options: RunOptions = {}): Promise<Run> {
  return runCommand([process.execPath, MAIN, ...args], options);
}

/** Runs a command, its file first, to its end. */
export async function runCommand(
  command: readonly string[],
  options: RunOptions = {},
): Promise<Run> {
  const { stdin = 'ignore', ...others } = options;
  const [file = '', ...args] = command;
  const child = spawn(file, args, { ...others, stdio: [stdin, 'pipe', 'pipe'] });
  const { stdout: out, stderr: err } = child;
  if (out === null || err === null) throw new Error('spawned without pipes');
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  const [stdout, stderr, status] = await Promise.all([text(out), text(err), ended]);
  return { status, stdout, stderr };
}
