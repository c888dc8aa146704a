/** The example tutorial-workqueue, its guests joined by channels as its README has them. */
import { crc32 } from 'node:zlib';

import {
  type ChannelEnd,
  type Group,
  type Guest,
  type GuestModule,
  createChannel,
  parseListen,
} from '#host/index.js';
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';

import { Client } from '../support/client.js';
import { leakedSince, openDescriptors } from '../support/descriptors.js';
import { ports, readExample, withPipeline } from '../support/pipeline.js';
import { type LocalOptions, loadLocal, portOf, startLocal } from '../support/local-guest.js';

const BUILD = 'examples/tutorial-workqueue/build';
const WORKERS = 4;

let loopModule: GuestModule;
let workerModule: GuestModule;
let before: string[];
const running: Guest[] = [];

beforeAll(async () => {
  loopModule = await loadLocal(`${BUILD}/tutorial-workqueue-loop.wasm`);
  workerModule = await loadLocal(`${BUILD}/tutorial-workqueue-worker.wasm`);
});

beforeEach(() => {
  before = openDescriptors();
});

afterEach(async () => {
  await Promise.all(running.splice(0).map(async (guest) => guest.stop()));
  const leaked = await leakedSince(before);
  if (leaked.length !== 0) throw new Error(`left open: ${leaked.join(', ')}`);
});

/** The server: its guests. */
class Server {
  readonly loop: Guest;
  readonly workers: readonly Guest[];

  constructor(loop: Guest, workers: readonly Guest[]) {
    this.loop = loop;
    this.workers = workers;
  }

  static async start(count = WORKERS, workerOptions: LocalOptions = {}): Promise<Server> {
    const channels: Record<string, ChannelEnd> = {};
    const workers: Guest[] = [];
    for (let index = 0; index < count; index++) {
      const [near, far] = createChannel();
      channels[`WORKER_${index}`] = near;
      const grants = { env: { SANDPOLL_WORKER: String(index) } };
      const options = { grants, channels: { LOOP_0: far }, ...workerOptions };
      workers.push(await startLocal(workerModule, options));
      running.push(...workers.slice(-1));
    }
    const listen = [parseListen('127.0.0.1:0')];
    const loop = await startLocal(loopModule, { listen, channels });
    running.push(loop);
    return new Server(loop, workers);
  }

  async connect(): Promise<Client> {
    return Client.connect(portOf(this.loop));
  }

  async connectMany(count: number): Promise<Client[]> {
    return Promise.all(Array.from({ length: count }, async () => this.connect()));
  }
}

const hex = (sum: number): string => sum.toString(16).padStart(8, '0');

/** The answer to a line but for the worker's name: the line's number, and its sum. */
function answer(number: number, line: string): string {
  const bytes = Buffer.alloc(4);
  let sum = crc32(line);
  for (let round = Number(/^\d*/.exec(line)?.[0] ?? 0); round > 0; round--) {
    bytes.writeUInt32LE(sum);
    sum = crc32(bytes);
  }
  return `${number} ${hex(sum)} worker `;
}

/** Sends lines and takes their answers: the worker that gave each. */
async function ask(client: Client, lines: readonly string[], from = 1): Promise<string[]> {
  await client.send(lines.map((line) => `${line}\n`).join(''));
  const workers: string[] = [];
  for (const [index, line] of lines.entries()) {
    const expected = answer(from + index, line);
    const got = (await client.take(expected.length + 2)).toString();
    expect(got).toMatch(new RegExp(`^${expected}[0-9]\n$`));
    workers.push(got.at(-2) ?? '');
  }
  return workers;
}

describe('lines', () => {
  test('of many clients are answered in their order, each client by one worker', async () => {
    const server = await Server.start();
    const clients = await server.connectMany(100);
    const asked = clients.map(async (client, i) => {
      const names = new Set<string>();
      for (let round = 0; round < 5; round++) {
        const lines = [`${round * 10} of client ${i}`, '', 'the same', 'the same'];
        for (const name of await ask(client, lines, round * 4 + 1)) names.add(name);
      }
      return [...names];
    });
    const names = await Promise.all(asked);
    expect(names.every((each) => each.length === 1)).toBe(true);
    // In turn, but for those who find a queue full.
    for (const name of ['0', '1', '2', '3']) {
      expect(names.filter(([each]) => each === name).length).toBeGreaterThan(10);
    }
    for (const client of clients) client.close();
  });

  test('that come in pieces are put together, and what follows the last is none', async () => {
    const server = await Server.start(1);
    const client = await server.connect();
    for (const piece of ['1', '2 in ', 'pieces\n', 'no line']) await client.send(piece);
    client.end();
    expect((await client.takeAll()).toString()).toBe(`${answer(1, '12 in pieces')}0\n`);
  });

  test('by the thousand are answered though nobody reads; others are served meanwhile', async () => {
    // Not enough to keep what is asked (E5: OUT is armed alone, and IN again after it; B73).
    const server = await Server.start(1, { limits: { memoryBytes: 2 << 20 } });
    const slow = await server.connect();
    slow.socket.pause();
    const lines = Array.from({ length: 300_000 }, (_, i) => `x${i % 10}`);
    const asked = slow.send(lines.map((line) => `${line}\n`).join(''));
    const other = await server.connect();
    for (let i = 1; i <= 100; i++) await ask(other, ['5 are fine'], i);
    slow.socket.resume();
    await asked;
    slow.end();
    const sums = Array.from({ length: 10 }, (_, i) => hex(crc32(`x${i}`)));
    const expected = lines.map((_, i) => `${i + 1} ${sums[i % 10]} worker 0\n`).join('');
    expect((await slow.takeAll()).toString() === expected).toBe(true);
    other.close();
  });
});

describe('clients that leave', () => {
  test('E5: with RST between their event and its re-arming are let go, once', async () => {
    const server = await Server.start(1);
    const busy = await server.connect();
    await ask(busy, ['hello']);
    const base = openDescriptors();
    const long = '1000000';
    const sum = `${answer(0, long).slice(1)}0\n`;
    for (let round = 0; round < 5; round++) {
      const clients = await server.connectMany(50);
      for (const [i, client] of clients.entries()) await ask(client, [`${i}`]);
      // While the worker is at this one, the others are fired, and wait in its queue.
      await busy.send(`${long}\n`);
      await Promise.all(clients.map(async (client) => client.send('a line\nand another\n')));
      for (const client of clients) client.socket.resetAndDestroy();
      await busy.take(`${2 + 2 * round}`.length + sum.length);
      await ask(busy, ['still there'], 3 + 2 * round);
      expect(await leakedSince(base)).toEqual([]);
    }
    busy.close();
  });

  test('while they are sent to are let go too', async () => {
    const server = await Server.start(1);
    const other = await server.connect();
    await ask(other, ['hello']);
    const base = openDescriptors();
    const client = await server.connect();
    client.socket.pause();
    const sent = client.send('x\n'.repeat(3_000_000)).catch(() => {});
    for (let i = 2; i < 50; i++) await ask(other, ['.'], i);
    client.socket.resetAndDestroy();
    await sent;
    expect(await leakedSince(base)).toEqual([]);
    other.close();
  });
});

describe('guests that leave', () => {
  test('a worker takes its own connections with it, and no others', async () => {
    const server = await Server.start();
    const clients = await server.connectMany(8);
    const workers = await Promise.all(clients.map(async (client) => (await ask(client, ['x']))[0]));
    await server.workers[2]?.stop();
    for (const [i, client] of clients.entries()) {
      if (workers[i] === '2') expect((await client.takeAll()).toString()).toBe('');
      else expect(await ask(client, ['y'], 2)).toEqual([workers[i]]);
    }
    const others = await server.connectMany(12);
    const names = await Promise.all(others.map(async (client) => (await ask(client, ['z']))[0]));
    expect(new Set(names)).toEqual(new Set(['0', '1', '3']));
    for (const client of [...clients, ...others]) client.close();
  });

  test('the last worker ends the loop', async () => {
    const server = await Server.start(2);
    await Promise.all(server.workers.map(async (worker) => worker.stop()));
    expect(await server.loop.ended).toEqual({ kind: 'exited', code: 1 });
  });

  test('the loop, on SIGTERM, ends the workers', async () => {
    const server = await Server.start();
    const client = await server.connect();
    await ask(client, ['x']);
    expect(server.loop.signal('SIGTERM')).toBe(true);
    for (const guest of [server.loop, ...server.workers]) {
      expect(await guest.ended).toEqual({ kind: 'exited', code: 0 });
    }
    expect((await client.takeAll()).toString()).toBe('');
    client.close();
  });
});

test('the pipeline of its README has four workers, and ends at SIGTERM', async () => {
  const pipeline = readExample('examples/tutorial-workqueue/pipeline.toml');
  const serve = async (group: Group): Promise<void> => {
    const [port = 0] = ports(group);
    const clients = await Promise.all([1, 2, 3, 4].map(async () => Client.connect(port)));
    const names = await Promise.all(clients.map(async (client) => ask(client, ['12 monkeys'])));
    expect(new Set(names.flat())).toEqual(new Set(['0', '1', '2', '3']));
    expect(group.signal('SIGTERM')).toBe(true);
    expect(await group.ended).toEqual({ kind: 'exited', code: 0 });
    for (const client of clients) client.close();
  };
  await withPipeline(pipeline, serve, { graceMs: 10_000 });
});

test('a worker without descriptors refuses a connection and serves the others (E16)', async () => {
  // Stdio, the queue, the epoll, the reserve: two are left.
  const server = await Server.start(1, { limits: { fds: 8 } });
  const [first, second] = [await server.connect(), await server.connect()];
  for (const client of [first, second]) await ask(client, ['x']);
  const refused = await server.connect();
  expect((await refused.takeAll()).toString()).toBe('');
  for (const client of [first, second]) await ask(client, ['y'], 2);
  second.end();
  expect((await second.takeAll()).toString()).toBe('');
  const third = await server.connect();
  await ask(third, ['z']);
  for (const client of [first, second, refused, third]) client.close();
});

test.each(['loop', 'worker'])('a %s that is joined to nobody says so', async (role) => {
  const guest = await startLocal(role === 'loop' ? loopModule : workerModule);
  expect(await guest.ended).toEqual({ kind: 'exited', code: 2 });
});
