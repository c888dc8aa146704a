/** The `sandpoll` command, run as a person runs it. */
import { type SpawnOptions, spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';

import { ROOT } from './sources.js';

export const MAIN = `${ROOT}dist/cli/main.js`;

export interface Run {
  /** The exit status; null if a signal ended it. */
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs `sandpoll` with `args` to its end, by itself if nothing else is said. */
export async function sandpoll(args: readonly string[], options: SpawnOptions = {}): Promise<Run> {
  const child = spawn(process.execPath, [MAIN, ...args], {
    ...options,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  const [stdout, stderr, status] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    ended,
  ]);
  return { status, stdout, stderr };
}
