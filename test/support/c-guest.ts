/** C guests that are started through the API, and what they say. */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { text } from 'node:stream/consumers';

import { type GuestOptions, startGuest } from '#host/guest.js';
import { type Grants, NO_GRANTS } from '#host/index.js';
import type { Outcome } from '#host/trap.js';

import { ROOT } from './sources.js';

/** Where the C guests are, each beside its source. */
const FOLDER = 'test/guests/c';

export function cSource(name: string): string {
  return `${FOLDER}/${name}.c`;
}

export function cModule(name: string): string {
  return `${ROOT}${FOLDER}/${name}.wasm`;
}

export interface Said {
  /** Lines of standard output. */
  readonly lines: readonly string[];
  /** Lines of standard error, and what the host reported. */
  readonly complaints: readonly string[];
  readonly outcome: Outcome;
}

/** Runs a C guest to its end; `args` are without its own name. */
export async function runCGuest(
  name: string,
  grants: Partial<Grants>,
  options: Pick<GuestOptions, 'isolate'> = {},
): Promise<Said> {
  const lines: string[] = [];
  const complaints: string[] = [];
  const guest = await startGuest({
    ...options,
    bytes: readFileSync(cModule(name)),
    name: `${name}.wasm`,
    grants: { ...NO_GRANTS, ...grants, args: [`${name}.wasm`, ...(grants.args ?? [])] },
    onOutput: (output) => {
      if (output.kind === 'dropped') throw new Error(`${name} says too much`);
      (output.stream === 'stdout' ? lines : complaints).push(output.text);
    },
    onReport: (line) => complaints.push(line),
  });
  return { outcome: await guest.ended, lines, complaints };
}

/** Runs a native program in `folder` to its end; its lines. */
export async function runNative(
  program: string,
  folder: string,
  args: readonly string[] = [],
): Promise<readonly string[]> {
  const child = spawn(program, args, { cwd: folder, stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = new Promise((resolve) => {
    child.once('close', resolve);
  });
  const output = await text(child.stdout);
  if ((await ended) !== 0) throw new Error(`${program} failed`);
  return output.trimEnd().split('\n');
}
