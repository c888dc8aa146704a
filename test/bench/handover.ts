/**
 * How long an accepted socket is on its way from one guest to another that waits for it, beside
 * two threads of a C program that do the same, in turns: first on a machine that does nothing else,
 * where the taker's core must wake up first, then where every core has work of least priority.
 *
 *     npm run build && tsc -b test/bench && node test/bench/build/js/handover.js
 */
import { spawn, spawnSync } from 'node:child_process';
import { availableParallelism, constants, setPriority } from 'node:os';
import { text } from 'node:stream/consumers';
import { buildC } from './build.js';
import { describeMachine } from './machine.js';
import { ANY_CORE, BenchError, dial } from './processes.js';
import { HOST, benchFile, program } from './servers.js';
import { median } from './stats.js';

const ROUNDS = 3;
const COUNT = 20_000;
/** The first ones wait for the compiler. */
const HEAT = 5_000;

/** The times in order, without the first ones. */
const sorted = (output: string): readonly number[] => {
  const timesNs = output.trim().split('\n').map(Number);
  if (timesNs.length !== COUNT) throw new BenchError('the taker ended early');
  return timesNs.slice(HEAT).toSorted((a, b) => a - b);
};

const measureGuests = async (): Promise<readonly number[]> => {
  const command = [HOST, 'pipeline', benchFile('handover.toml')];
  const child = spawn(process.execPath, command, { stdio: ['ignore', 'pipe', 'pipe'] });
  let stderr = '';
  const stdout = text(child.stdout);
  for await (const chunk of child.stderr) {
    stderr += String(chunk);
    const found = /listening on tcp:\/\/127\.0\.0\.1:(\d+)/.exec(stderr);
    // It is the guests' from here on: its end is theirs, and a reset is one way.
    if (found) (await dial(Number(found[1]))).once('error', () => {});
  }
  return sorted(await stdout);
};

const measureThreads = (): readonly number[] => {
  return sorted(spawnSync(program('handover'), [String(COUNT)], { encoding: 'utf8' }).stdout);
};

const measure = async (name: string): Promise<void> => {
  const guests: (readonly number[])[] = [];
  const threads: (readonly number[])[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    threads.push(measureThreads());
    guests.push(await measureGuests());
  }
  const at = (rounds: readonly (readonly number[])[], share: number): number => {
    return median(rounds.map((timesNs) => timesNs[Math.floor(share * timesNs.length)] ?? NaN));
  };
  process.stdout.write(`${name.padEnd(35)}guests     C  ratio\n`);
  for (const [row, share] of [
    ['p50', 0.5],
    ['p90', 0.9],
    ['p99', 0.99],
  ] as const) {
    const [ours, c] = [at(guests, share) / 1000, at(threads, share) / 1000];
    const cells = [ours.toFixed(1).padStart(10), c.toFixed(1).padStart(6)];
    process.stdout.write(`${row.padEnd(31)}${cells.join('')}  ${(ours / c).toFixed(2)}\n`);
  }
};

/** Work for every core that anything else goes before; returns what ends it. */
const keepAwake = (): (() => void) => {
  const busy = Array.from({ length: availableParallelism() }, () => {
    const child = spawn(process.execPath, ['-e', 'for (;;);'], { stdio: 'ignore' });
    if (child.pid !== undefined) setPriority(child.pid, constants.priority.PRIORITY_LOW);
    return child;
  });
  const end = (): void => busy.forEach((child) => void child.kill('SIGKILL'));
  process.once('exit', end);
  return end;
};

const main = async (): Promise<void> => {
  buildC(false);
  process.stdout.write(describeMachine(ANY_CORE));
  process.stdout.write('hand-over of an accepted socket, µs\n');
  await measure('nothing else runs');
  const end = keepAwake();
  await measure('every core is awake');
  end();
};

try {
  await main();
} catch (error) {
  if (!(error instanceof BenchError)) throw error;
  process.stderr.write(`bench: ${error.message}\n`);
  process.exitCode = 1;
}
