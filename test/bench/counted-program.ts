import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import type { Readable, Writable } from 'node:stream';
import { BenchError, type Core } from './processes.js';
import { program } from './servers.js';

type Child = ChildProcessByStdio<Writable, Readable, Readable>;

/** Asks a child; its answer, which has one `end` for each byte that it was asked. */
const ask = (child: Child, asked: string, end: string): Promise<string> =>
  new Promise((resolve, reject) => {
    let answer = '';
    const take = (chunk: Buffer): void => {
      answer += chunk.toString();
      if (answer.split(end).length > asked.length) settle(() => resolve(answer));
    };
    const fail = (): void => settle(() => reject(new BenchError(`no answer to "${asked}"`)));
    const settle = (how: () => void): void => {
      child.stdout.off('data', take);
      child.off('close', fail);
      how();
    };
    child.stdout.on('data', take);
    child.once('close', fail);
    child.stdin.write(asked);
  });

/** Ends when we do, however that happens: pin.c; its own words go to our stderr. */
const start = (core: Core, command: readonly string[]): Child => {
  const child = spawn(program('pin'), [core === undefined ? '-' : `${core}`, ...command], {
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  child.stderr.pipe(process.stderr, { end: false });
  // A child that has ended is told of by the answer that does not come.
  child.stdin.on('error', () => {});
  return child;
};

/** A program that does what single bytes ask for, one at a time, and sleeps in between. */
export class CountedProgram {
  readonly #child: Child;
  readonly #meter: Child;

  constructor(command: readonly string[], core: Core) {
    this.#child = start(core, command);
    this.#meter = start(undefined, [program('meter'), `${this.#child.pid}`]);
  }

  /** Carries out jobs, one a byte; the CPU time of all its threads that they took, in µs. */
  async run(jobs: string): Promise<number> {
    const before = await this.#cpuUs();
    await ask(this.#child, jobs, '.');
    return (await this.#cpuUs()) - before;
  }

  async #cpuUs(): Promise<number> {
    return Number(await ask(this.#meter, '?', '\n')) / 1e3;
  }

  /** It ends because nobody asks any more. */
  async stop(): Promise<void> {
    for (const child of [this.#child, this.#meter]) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const closed = once(child, 'close');
      child.stdin.end();
      await closed;
    }
  }
}
