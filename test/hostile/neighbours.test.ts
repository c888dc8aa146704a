/**
 * Noisy neighbours: a guest in each bad state of B75–B81 beside one that serves, in one host. Each
 * is ended by its limit, and the other answers every request meanwhile. How long its answers take
 * is measured by test/bench/neighbours.ts.
 */
import { readFileSync, readdirSync } from 'node:fs';
import { setImmediate, setTimeout as pause } from 'node:timers/promises';

import {
  DEFAULT_LIMITS,
  type Guest,
  ModuleError,
  NO_GRANTS,
  parseListen,
  startGuest,
} from '#host/index.js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { Client } from '../support/client.js';
import { leakedSince, openDescriptors } from '../support/descriptors.js';
import { portOf, startLocal } from '../support/local-guest.js';
import { oneFunction } from '../wasm/build.js';
import { wat } from '../wasm/wat.js';

const folder = new URL('bad-guests/', import.meta.url);
const guests = readdirSync(folder).map((file) => file.replace('.wat', ''));

/** Of CPU time. */
const CPU_MS = 100;
/** Of wall time: its thread has been started by then, however much else goes on. */
const TIMEOUT_MS = 1000;
const CLIENTS = 4;

/** How those end that do not end by the limit of CPU time. */
const ENDS: Readonly<Record<string, object>> = {
  'atomic-wait': { kind: 'killed', reason: 'timeout' },
  recursion: { kind: 'trapped', message: 'Maximum call stack size exceeded' },
};

let server: Guest;
let clients: readonly Client[];

beforeAll(async () => {
  server = await startLocal('examples/echo/build/echo-lt.wasm', {
    listen: [parseListen('127.0.0.1:0')],
  });
  const port = portOf(server);
  clients = await Promise.all(Array.from({ length: CLIENTS }, async () => Client.connect(port)));
  for (const client of clients) await client.exchange('hello');
});

afterAll(async () => {
  for (const client of clients) client.close();
  await server.stop();
});

/** Asks one client's requests until `ended`: how many were answered, at least one after it. */
async function askUntil(client: Client, ended: Promise<unknown>): Promise<number> {
  let isOver = false;
  void ended.then(() => (isOver = true));
  for (let count = 1; ; count++) {
    const last = isOver;
    const request = `request ${count}\n`;
    if ((await client.exchange(request)) !== request) throw new Error('a wrong answer');
    if (last) return count;
    // Four that never rest would take more of the processor than the neighbour.
    await pause(2);
  }
}

/** A bad guest, with as much as it needs to be bad. */
async function startBad(name: string, isolate: 'thread' | 'process' = 'thread'): Promise<Guest> {
  return startGuest({
    isolate,
    bytes: wat(readFileSync(new URL(`${name}.wat`, folder), 'utf8')),
    name: `${name}.wasm`,
    grants: { ...NO_GRANTS, limits: { ...DEFAULT_LIMITS, memoryBytes: 2 ** 26, cpuMs: CPU_MS } },
    ...(name === 'atomic-wait' ? { timeoutMs: TIMEOUT_MS } : {}),
  });
}

describe('B75–B78, B80, B81: beside a bad guest, every request is answered', () => {
  test.each(guests)('%s is ended by its limit', async (name) => {
    const before = openDescriptors();
    const bad = await startBad(name);
    const answered = await Promise.all(clients.map(async (each) => askUntil(each, bad.ended)));
    expect(Math.min(...answered)).toBeGreaterThan(0);
    expect(await bad.ended).toMatchObject(ENDS[name] ?? { kind: 'killed', reason: 'cpu' });
    expect(await leakedSince(before)).toEqual([]);
  });

  test('all of them at once', async () => {
    const before = openDescriptors();
    const all = await Promise.all(guests.map(async (name) => startBad(name)));
    const ended = Promise.all(all.map(async (bad) => bad.ended));
    await Promise.all(clients.map(async (each) => askUntil(each, ended)));
    for (const [index, outcome] of (await ended).entries()) {
      const name = guests[index] ?? '';
      expect([name, outcome]).toMatchObject([
        name,
        ENDS[name] ?? { kind: 'killed', reason: 'cpu' },
      ]);
    }
    expect(await leakedSince(before)).toEqual([]);
  });

  test.each(['memory-copy', 'random-get', 'start-function'])(
    '%s is ended by its limit in a process of its own',
    async (name) => {
      const bad = await startBad(name, 'process');
      await Promise.all(clients.map(async (each) => askUntil(each, bad.ended)));
      expect(await bad.ended).toMatchObject({ kind: 'killed', reason: 'cpu' });
    },
  );
});

test('B79: beside modules that would compile for ever, every request is answered', async () => {
  const refusals = (async () => {
    for (let i = 0; i < 50; i++) {
      const bytes = oneFunction(50_000, []);
      const starting = startGuest({ bytes, name: 'bomb.wasm', grants: NO_GRANTS });
      await expect(starting).rejects.toBeInstanceOf(ModuleError);
      await setImmediate();
    }
  })();
  const answered = await Promise.all(clients.map(async (each) => askUntil(each, refusals)));
  expect(Math.min(...answered)).toBeGreaterThan(0);
});
