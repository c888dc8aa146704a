/**
 * Guests run as a user runs them: the built command line, as a process of its own. For what does
 * not need one, `guest-here.ts` has the same at a quarter of the CPU time.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** A guest that serves one listener on 127.0.0.1. */
export class GuestProcess {
  readonly port: number;
  readonly #child: ChildProcess;
  readonly #output: Output;

  constructor(port: number, child: ChildProcess, output: Output) {
    this.port = port;
    this.#child = child;
    this.#output = output;
  }

  /** What it has written to standard output until now. */
  get stdout(): string {
    return this.#output.stdout;
  }

  /** What it has written to standard error until now. */
  get stderr(): string {
    return this.#output.stderr;
  }

  /** Waits until standard output has what `pattern` describes: true; false if it ends before. */
  async printed(pattern: RegExp): Promise<boolean> {
    return this.#output.has('stdout', pattern);
  }

  /** The same of standard error: a traced call is told of when its effect is there already. */
  async said(pattern: RegExp): Promise<boolean> {
    return this.#output.has('stderr', pattern);
  }

  /** The names of the calls that `--trace` has told of. */
  calls(): readonly string[] {
    return this.stderr.match(/^\w+(?=\()/gmu) ?? [];
  }

  /** How many descriptors its process has open, and that of the guest if it has its own. */
  countDescriptors(): number {
    const { pid } = this.#child;
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ');
    const pids = [String(pid), ...children.filter(Boolean)];
    return pids.reduce((count, each) => count + readdirSync(`/proc/${each}/fd`).length, 0);
  }

  /** Ends it with a signal, if it has not ended by itself; the promise is of its exit status. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    this.#child.kill(signal);
    return this.#output.status;
  }
}

class Output {
  stdout = '';
  stderr = '';
  readonly status: Promise<number | null>;
  readonly #child: ChildProcess;

  constructor(child: ChildProcess) {
    this.#child = child;
    child.stdout?.on('data', (chunk) => (this.stdout += String(chunk)));
    child.stderr?.on('data', (chunk) => (this.stderr += String(chunk)));
    this.status = once(child, 'close').then(([status]) => status as number | null);
  }

  async has(stream: 'stdout' | 'stderr', pattern: RegExp): Promise<boolean> {
    return new Promise((resolve) => {
      const look = (): void => {
        if (!pattern.test(this[stream])) return;
        this.#child[stream]?.off('data', look);
        resolve(true);
      };
      this.#child[stream]?.on('data', look);
      look();
      void this.status.then(() => resolve(pattern.test(this[stream])));
    });
  }
}

/**
 * `SANDPOLL_TEST_ISOLATE=process npx vitest run test/examples` runs the examples in the other tier
 * of isolation.
 */
const { SANDPOLL_TEST_ISOLATE: tier } = process.env;
export const ISOLATE = tier === undefined ? [] : [`--isolate=${tier}`];

function start(args: readonly string[]): ChildProcess {
  const command = ['dist/cli/main.cjs', 'run', ...ISOLATE, ...args];
  return spawn(process.execPath, command, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
}

/**
 * Starts a guest, given from the root of the repository, on a port that the system picks; with
 * options for the host, and arguments of the guest's own.
 */
export async function startGuestProcess(
  wasm: string,
  options: readonly string[] = [],
  args: readonly string[] = [],
): Promise<GuestProcess> {
  const child = start(['--listen', '127.0.0.1:0', ...options, wasm, ...args]);
  const output = new Output(child);
  const port = await new Promise<number>((resolve, reject) => {
    child.stderr?.on('data', () => {
      const ready = /listening on tcp:\/\/127\.0\.0\.1:(\d+)/.exec(output.stderr);
      if (ready !== null) resolve(Number(ready[1]));
    });
    void output.status.then((status) =>
      reject(new Error(`${wasm} ended with status ${status}: ${output.stderr}`)),
    );
  });
  return new GuestProcess(port, child, output);
}
