/**
 * What further instances of one module cost: to start from the compiled module, and to keep.
 *
 *     npm run build && tsc -b test/bench && node test/bench/build/js/workers.js [--quick] [--json]
 */
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import {
  type Guest,
  type GuestModule,
  NO_GRANTS,
  keepThreads,
  loadModule,
  parseListen,
  startGuest,
  startWorkers,
} from 'sandpoll';
import { chooseCores, describeMachine } from './machine.js';
import { parseOptions } from './options.js';
import { BenchError, dial, memoryKib } from './processes.js';
import { benchFile, exampleFile } from './servers.js';
import { median } from './stats.js';

const STARTS = 40;
const QUICK_STARTS = 10;
const TOGETHER = 8;
const IDLE = 100;
/** Time for instances to fall asleep, before their memory is read. */
const REST_MS = 500;
const REQUEST = 'GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n';

interface Memory {
  /** As `VmRSS` counts: a page of Node's text that V8 maps for each thread counts each time. */
  readonly residentBytes: number;
  /** As `Pss` counts: such a page counts once. */
  readonly ownBytes: number;
}

const LISTEN = [parseListen('127.0.0.1:0')];
const portOf = (url: string): number => Number(/\d+$/.exec(url)?.[0]);

/** Until the first byte of the first answer. */
const answer = async ({ listeners }: Pick<Guest, 'listeners'>): Promise<void> => {
  const [listener] = listeners;
  if (!listener) throw new BenchError('the guest has no listener');
  const socket = await dial(portOf(listener.url));
  socket.write(REQUEST);
  await once(socket, 'data');
  socket.destroy();
};

/**
 * Milliseconds from the call to the first answer, of one instance after the other; `restMs` is
 * from one answer to the next call.
 */
const startEach = async (module: GuestModule, starts: number, restMs: number) => {
  const guests: Guest[] = [];
  const took: number[] = [];
  for (let i = 0; i < starts; i++) {
    await delay(restMs);
    const before = performance.now();
    const options = { bytes: module, name: module.name, grants: NO_GRANTS, listen: LISTEN };
    const guest = await startGuest(options);
    await answer(guest);
    took.push(performance.now() - before);
    guests.push(guest);
  }
  await Promise.all(guests.map(async (guest) => guest.stop()));
  return took;
};

/** Milliseconds for each of several that start together, until all have linked the module. */
const startTogether = async (module: GuestModule): Promise<number> => {
  const before = performance.now();
  const options = { bytes: module, name: module.name, grants: NO_GRANTS, listen: LISTEN };
  const group = await startWorkers({ ...options, workers: TOGETHER });
  const tookMs = performance.now() - before;
  await group.stop();
  return tookMs / TOGETHER;
};

/** What of this process is in memory, and of that what is there once however often it is mapped. */
const memory = (): Memory => ({
  residentBytes: memoryKib(process.pid, 'VmRSS') * 1024,
  ownBytes: memoryKib(process.pid, 'Pss', 'smaps_rollup') * 1024,
});

/** By how many bytes this process grows for each of many that wait. */
const idleBytes = async (module: GuestModule): Promise<Memory> => {
  const before = memory();
  const options = { bytes: module, name: module.name, grants: NO_GRANTS, listen: LISTEN };
  const group = await startWorkers({ ...options, workers: IDLE });
  await delay(REST_MS);
  const { residentBytes, ownBytes } = memory();
  await group.stop();
  return {
    residentBytes: (residentBytes - before.residentBytes) / IDLE,
    ownBytes: (ownBytes - before.ownBytes) / IDLE,
  };
};

/** What as many threads of Node's cost by themselves, in a process of their own. */
const emptyThreadBytes = (): Memory => {
  const command = [benchFile('node-threads.mjs'), String(IDLE), String(REST_MS)];
  return JSON.parse(spawnSync(process.execPath, command, { encoding: 'utf8' }).stdout);
};

const main = async (): Promise<void> => {
  const { quick, json } = parseOptions(process.argv.slice(2));
  const file = exampleFile('http/build/http.wasm');
  const module = await loadModule(readFileSync(file), 'http.wasm', NO_GRANTS);
  const idle = await idleBytes(module);
  const empty = emptyThreadBytes();
  const starts = quick ? QUICK_STARTS : STARTS;
  // The program's first guest was one of those that wait: from here on a thread is kept.
  const resting = await startEach(module, QUICK_STARTS, REST_MS);
  const atOnce = await startEach(module, starts, 0);
  keepThreads(TOGETHER);
  await delay(REST_MS);
  const keptAtOnce = await startEach(module, TOGETHER, 0);
  keepThreads(0);
  const without = await startEach(module, starts, 0);
  const rows = {
    furtherStartMs: median(resting.slice(1)),
    slowestStartMs: Math.max(...resting.slice(1)),
    atOnceStartMs: median(atOnce.slice(1)),
    keptAtOnceStartMs: median(keptAtOnce.slice(1)),
    slowestKeptAtOnceStartMs: Math.max(...keptAtOnce.slice(1)),
    nothingKeptStartMs: median(without.slice(1)),
    startTogetherMs: await startTogether(module),
    idleResidentBytes: idle.residentBytes,
    idleOwnBytes: idle.ownBytes,
    emptyThreadResidentBytes: empty.residentBytes,
    emptyThreadOwnBytes: empty.ownBytes,
  };
  if (json) process.stdout.write(`${JSON.stringify(rows, null, 2)}\n`);
  else {
    process.stdout.write(`${describeMachine(chooseCores())}\n`);
    for (const [name, value] of Object.entries(rows)) {
      process.stdout.write(`${name.padEnd(24)} ${value?.toFixed(1)}\n`);
    }
  }
};

try {
  await main();
} catch (error) {
  if (!(error instanceof BenchError)) throw error;
  process.stderr.write(`bench: ${error.message}\n`);
  process.exitCode = 1;
}
