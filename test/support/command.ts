/** The `sandpoll` command as a process that goes on: told by its standard error. */
import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process';

import { MAIN } from './cli.js';
import { Driven } from './driven.js';
import { driverModule } from './driver.js';
import { withFiles } from './files.js';

export interface Ended {
  /** The exit status, or null and the signal that ended it. */
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  /** When, on the clock of `performance.now()`. */
  readonly at: number;
}

export interface Command {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  /** All it has written to standard error. */
  readonly stderr: () => string;
  /** Waits until standard error has what `pattern` describes; rejects if it ends before. */
  readonly said: (pattern: RegExp) => Promise<RegExpExecArray>;
}

/** Starts `sandpoll` with `args`; standard error is always a pipe of ours. */
export function startCommand(
  args: readonly string[],
  options: Readonly<{
    stdin?: StdioOptions | number;
    stdout?: StdioOptions | number;
    cwd?: string;
  }> = {},
): Command {
  const { stdin = 'ignore', stdout = 'ignore', cwd } = options;
  const child = spawn(process.execPath, [MAIN, ...args], {
    ...(cwd === undefined ? {} : { cwd }),
    stdio: [stdin, stdout, 'pipe'] as StdioOptions,
  });
  let stderr = '';
  const heard = new Set<() => void>();
  const ended = new Promise<Ended>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (status, signal) => resolve({ status, signal, at: performance.now() }));
  });
  const closed = new Promise<void>((resolve) => {
    child.once('close', () => resolve());
  });
  child.stderr?.on('data', (chunk: Buffer) => {
    stderr += chunk.toString();
    for (const hear of heard) hear();
  });
  const said = (pattern: RegExp): Promise<RegExpExecArray> =>
    new Promise((resolve, reject) => {
      const hear = (): void => {
        const match = pattern.exec(stderr);
        if (match === null) return;
        heard.delete(hear);
        resolve(match);
      };
      const fail = (): void => {
        hear();
        reject(new Error(`it ended and never said ${pattern.source}; it said: ${stderr}`));
      };
      heard.add(hear);
      hear();
      void closed.then(fail);
    });
  return { child, ended, stderr: () => stderr, said };
}

/** Pages of the driver guests that processes of their own run: some work on 16 MiB. */
export const COMMAND_PAGES = 258;

/** Runs `body` with a driver guest in a process of its own, and waits for its end. */
export async function withCommand(
  options: readonly string[],
  stdio: Parameters<typeof startCommand>[1],
  body: (driven: Driven, command: Command) => Promise<void>,
): Promise<void> {
  await withFiles({ 'driver.wasm': driverModule('long', `${COMMAND_PAGES}`) }, async (folder) => {
    const command = startCommand(
      ['--listen', '127.0.0.1:0', ...options, `${folder}/driver.wasm`],
      stdio,
    );
    const [, port] = await command.said(/listening on tcp:\/\/127\.0\.0\.1:(\d+) /);
    const driven = new Driven({ port: Number(port), ended: command.ended }, 'long');
    try {
      await driven.call('memory.size');
      await body(driven, command);
    } catch (error) {
      command.child.kill('SIGKILL');
      throw error;
    } finally {
      await driven.end();
    }
  });
}
