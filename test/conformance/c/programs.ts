/**
 * C programs that run twice: as the machine's own compiler makes them, and as guests. The guests
 * lie beside their sources; `node guest/c/build-guests.mjs` makes them.
 */
import { execFile, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { promisify } from 'node:util';

import { MAIN } from '../../support/cli.js';
import { ROOT } from '../../support/sources.js';

export const FOLDER = `${ROOT}test/conformance/c/`;

/** What a command writes to standard output, with a file as its input; it must succeed. */
async function outputOf(command: string, args: readonly string[], input: string): Promise<string> {
  const stdin = openSync(input, 'r');
  try {
    const child = spawn(command, args, { stdio: [stdin, 'pipe', 'inherit'] });
    const { stdout } = child;
    if (stdout === null) throw new Error('spawned without a pipe');
    const ended = new Promise<number | null>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', resolve);
    });
    const [output, status] = await Promise.all([text(stdout), ended]);
    if (status === 0) return output;
    throw new Error(`${command} ${args.join(' ')}: status ${status}, after ${output.slice(-2000)}`);
  } finally {
    closeSync(stdin);
  }
}

/** Compiles a program for this machine, into `folder`; the promise is of its path. */
export async function compile(name: string, folder: string): Promise<string> {
  const path = `${folder}/${name}`;
  await promisify(execFile)('cc', ['-std=gnu11', `${FOLDER}${name}.c`, '-o', path]);
  return path;
}

/** What a program says that runs as `command`. */
export function runNatively(command: string, input: string): Promise<string> {
  return outputOf(command, [], input);
}

/** What the guest of that name says, with all of loopback granted. */
export function runAsGuest(name: string, input: string): Promise<string> {
  const grants = ['--quiet', '--allow-net=127.0.0.0/8', '--allow-net=[::1]'];
  const args = [MAIN, 'run', ...grants, `${FOLDER}${name}.wasm`];
  return outputOf(process.execPath, args, input);
}
