/** C programs that are run twice: as the machine's own compiler makes them, and as guests. */
import { spawn, spawnSync } from 'node:child_process';

import { MAIN } from './cli.js';
import { LOOPBACK, startListening } from './guest-here.js';
import { ROOT } from './sources.js';

/** Compiles sources, named from the root of the repository, for this machine. */
export function compileC(sources: readonly string[], output: string): void {
  const args = ['-std=gnu11', '-O1', ...sources, '-o', output];
  const { status, stderr } = spawnSync('cc', args, { cwd: ROOT, encoding: 'utf8' });
  if (status !== 0) throw new Error(`cc cannot compile ${sources.join(' ')}: ${stderr}`);
}

/** The command line that runs a guest which opens its own listener, or connects to one. */
export function guestCommand(wasm: string, ...args: string[]): readonly string[] {
  return [process.execPath, MAIN, 'run', LOOPBACK, wasm, ...args];
}

export interface CServer {
  /** The port of 127.0.0.1 that it said it listens on. */
  readonly port: number;
  readonly stdout: () => string;
  /** Waits until standard output has what `pattern` describes; rejects if it ends before. */
  readonly printed: (pattern: RegExp) => Promise<void>;
  /** Ends it, and waits for its end. */
  readonly stop: () => Promise<void>;
}

/** Starts a server as a guest of this process. */
export async function startGuestServer(wasm: string, ...args: string[]): Promise<CServer> {
  const guest = await startListening(wasm, ...args);
  return {
    port: guest.port,
    stdout: () => guest.stdout,
    printed: async (pattern) => {
      if (!(await guest.printed(pattern))) throw new Error(`it ended; it said: ${guest.stderr}`);
    },
    stop: async () => void (await guest.stop()),
  };
}

/** Starts a server as a command, which tells its port on standard error. */
export async function startServer([file = '', ...args]: readonly string[]): Promise<CServer> {
  const child = spawn(file, args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] });
  const output = { stdout: '', stderr: '' };
  const heard = new Set<() => void>();
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].on('data', (chunk: Buffer) => {
      output[name] += chunk.toString();
      for (const hear of heard) hear();
    });
  }
  const ended = new Promise<void>((resolve) => {
    child.once('error', () => resolve());
    child.once('close', () => resolve());
  });
  const said = async (name: 'stdout' | 'stderr', pattern: RegExp): Promise<RegExpExecArray> =>
    new Promise((resolve, reject) => {
      const hear = (): void => {
        const match = pattern.exec(output[name]);
        if (match === null) return;
        heard.delete(hear);
        resolve(match);
      };
      heard.add(hear);
      hear();
      void ended.then(() => reject(new Error(`${file} ended; it said: ${output.stderr}`)));
    });
  const [, port] = await said('stderr', /listening on tcp:\/\/127\.0\.0\.1:(\d+)/);
  return {
    port: Number(port),
    stdout: () => output.stdout,
    printed: async (pattern) => void (await said('stdout', pattern)),
    stop: async () => {
      child.kill('SIGKILL');
      await ended;
    },
  };
}
