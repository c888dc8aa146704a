/**
 * C programs that run twice: as the machine's own compiler makes them, and as guests. The guests
 * lie beside their sources; `node guest/c/build-guests.mjs` makes them.
 */
import { execFile, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { promisify } from 'node:util';

import { startGuest } from '#host/index.js';

import { MAIN } from '../../support/cli.js';
import { readArguments } from '../../support/guest-here.js';
import { ROOT } from '../../support/sources.js';

export const FOLDER = `${ROOT}test/conformance/c/`;

/** How long a program may run, in milliseconds, unless it is told otherwise. */
const PATIENCE_MS = 60_000;

/**
 * What a command writes to standard output, with a file as its input; it must succeed. One that
 * does not end in time is killed, and what it wrote till then is given.
 */
async function outputOf(
  command: string,
  args: readonly string[],
  input: string,
  timeout: number,
): Promise<string> {
  const stdin = openSync(input, 'r');
  try {
    const stdio = [stdin, 'pipe', 'inherit'] as const;
    const child = spawn(command, args, { stdio: [...stdio], timeout, killSignal: 'SIGKILL' });
    const { stdout } = child;
    if (stdout === null) throw new Error('spawned without a pipe');
    const ended = new Promise<number | NodeJS.Signals | null>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (status, signal) => resolve(status ?? signal));
    });
    const [output, status] = await Promise.all([text(stdout), ended]);
    if (status === 0) return output;
    if (status === 'SIGKILL') return `${output}killed: it had not ended after ${timeout} ms\n`;
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

/** What a program says that runs as `command`, for at most `timeoutMs`. */
export function runNatively(
  command: string,
  input: string,
  timeoutMs = PATIENCE_MS,
): Promise<string> {
  return outputOf(command, [], input, timeoutMs);
}

/** All of loopback, and the multicast group of `delivery`. */
const GRANTS = ['--allow-net=127.0.0.0/8', '--allow-net=[::1]', '--allow-net=udp:[ff02::5a:1]'];

/** The command line of the guest of that name. */
export function guestCommand(name: string): [command: string, ...args: string[]] {
  return [process.execPath, MAIN, 'run', '--quiet', ...GRANTS, `${FOLDER}${name}.wasm`];
}

/** What the guest of that name says in at most `timeoutMs`, in a process that it may crash. */
export function runByCommand(
  name: string,
  input: string,
  timeoutMs = PATIENCE_MS,
): Promise<string> {
  const [command, ...args] = guestCommand(name);
  return outputOf(command, args, input, timeoutMs);
}

/** What the guest of that name says, run in this process. */
export async function runAsGuest(name: string, input: string): Promise<string> {
  const file = `${FOLDER}${name}.wasm`;
  const stdout = new PassThrough();
  const guest = await startGuest({
    ...readArguments([...GRANTS, file]),
    bytes: readFileSync(file),
    name,
    timeoutMs: PATIENCE_MS,
    stdio: { stdin: { file: input }, stdout },
  });
  const said = text(stdout);
  const outcome = await guest.ended;
  stdout.end();
  if (outcome.kind === 'exited' && outcome.code === 0) return said;
  throw new Error(`${name}: ${JSON.stringify(outcome)}, after ${(await said).slice(-2000)}`);
}
