/**
 * Workers in processes of their own, killed one after the other: each takes its own connections
 * with it, and nothing else. `SANDPOLL_CONNECTIONS=8000 SANDPOLL_KILLS=60` is the long run.
 */
import { readFileSync } from 'node:fs';

import { DEFAULT_LIMITS, NO_GRANTS } from '#host/index.js';
import { expect, test } from 'vitest';

import { Client } from '../support/client.js';
import { leakedSince, openDescriptors } from '../support/descriptors.js';
import { type Watched, startService } from '../support/services.js';
import { ROOT } from '../support/sources.js';

const ECHO = readFileSync(`${ROOT}examples/echo/build/echo-lt.wasm`);
const CONNECTIONS = Number(process.env['SANDPOLL_CONNECTIONS'] ?? 100);
const KILLS = Number(process.env['SANDPOLL_KILLS'] ?? 3);
const WORKERS = 2;
const TIMEOUT_MS = 30_000 + KILLS * 5000;
/** At once: fewer than a queue holds. */
const BATCH = 500;

/** Connects `count` clients, each of which an instance has answered. */
async function connectAll(port: number, count: number): Promise<Client[]> {
  const clients: Client[] = [];
  while (clients.length < count) {
    const batch = Math.min(BATCH, count - clients.length);
    const connected = Array.from({ length: batch }, async () => {
      const client = await Client.connect(port);
      expect(await client.exchange('hello')).toBe('hello');
      return client;
    });
    clients.push(...(await Promise.all(connected)));
  }
  return clients;
}

/** How many connections each worker has, once they have all. */
async function connectionsOf({ service }: Watched): Promise<number[]> {
  const counts = (): number[] =>
    service.describe().members.map(({ guest }) => guest?.usage().connections ?? 0);
  const sum = (): number => counts().reduce((all, each) => all + each, 0);
  await expect.poll(sum, { timeout: 10_000 }).toBe(CONNECTIONS);
  return counts();
}

/** The process of a worker: the last that was told of. */
function processOf({ events }: Watched, name: string): number {
  const lines = events.flatMap((each) =>
    each.kind === 'report' && each.name === name ? [each.line] : [],
  );
  return Number(/in process (\d+)/.exec(lines.at(-1) ?? '')?.[1]);
}

test(
  `of ${CONNECTIONS} connections a killed worker's are lost, the others answer, ${KILLS} times`,
  async () => {
    const before = openDescriptors();
    const limits = { ...DEFAULT_LIMITS, fds: CONNECTIONS + 64 };
    const watched = await startService({
      module: () => ECHO,
      name: 'echo.wasm',
      workers: WORKERS,
      isolate: 'process',
      grants: { ...NO_GRANTS, limits },
      restarts: { count: KILLS },
    });
    const { service, port, saw } = watched;
    await saw('ready', WORKERS);
    let clients = await connectAll(port, CONNECTIONS);
    for (let kill = 1; kill <= KILLS; kill++) {
      const victim = kill % WORKERS;
      const owned = (await connectionsOf(watched))[victim];
      process.kill(processOf(watched, `echo.wasm#${victim}`), 'SIGKILL');
      await saw('ended', kill);
      const lost = (): number => clients.filter(({ hasEnded }) => hasEnded).length;
      await expect.poll(lost).toBe(owned);
      for (const client of clients) if (client.hasEnded) client.close();
      clients = clients.filter(({ hasEnded }) => !hasEnded);
      const words = `still here ${kill}`;
      const answers = await Promise.all(clients.map(async (client) => client.exchange(words)));
      expect(answers).toEqual(clients.map(() => words));
      // In its place comes another.
      await saw('ready', WORKERS + kill);
      clients.push(...(await connectAll(port, owned)));
    }
    for (const client of clients) client.close();
    await service.stop();
    expect(await leakedSince(before)).toEqual([]);
  },
  TIMEOUT_MS,
);
