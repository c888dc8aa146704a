/** Workers: instances of one module that serve one address (design.md §8.2; E6, E7, E29). */
import { readFileSync } from 'node:fs';

import {
  type Group,
  type Guest,
  type ListenAddress,
  type Share,
  type UsageError,
  type WorkersOptions,
  NO_GRANTS,
  loadModule,
  parseListen,
  shareListener,
  startGuest,
  startWorkers,
} from '#host/index.js';
import { WORKERS_MAX, shareAmong } from '#host/workers.js';
import { afterEach, describe, expect, test } from 'vitest';

import { Client } from '../support/client.js';
import { type Command, startCommand } from '../support/command.js';
import { leakedSince, openDescriptors } from '../support/descriptors.js';
import { withFiles } from '../support/files.js';
import { ROOT } from '../support/sources.js';
import { switchesOf } from '../support/switches.js';
import { wat } from '../wasm/wat.js';

/** Guests that wait by epoll, level- and edge-triggered, and by `poll_oneoff`. */
const POLLERS = ['worker', 'worker-et', 'worker-poll'] as const;

/** The port of a URL. */
function portOf(url: string | undefined): number {
  return Number(/\d+$/.exec(url ?? '')?.[0]);
}

function wasmOf(guest: string): string {
  return `${ROOT}test/guests/as/build/${guest}.wasm`;
}

const groups: Group[] = [];
afterEach(async () => {
  await Promise.all(groups.splice(0).map(async (group) => group.stop()));
});

/** Starts a group that ends with the test. */
async function start(
  guest: string,
  workers: number,
  options: Partial<WorkersOptions> = {},
): Promise<Group> {
  const group = await startWorkers({
    bytes: options.bytes ?? readFileSync(wasmOf(guest)),
    name: `${guest}.wasm`,
    grants: NO_GRANTS,
    listen: [parseListen('127.0.0.1:0')],
    workers,
    ...options,
  });
  groups.push(group);
  return group;
}

/** Starts a group of which each waits for connections. */
async function startReady(
  guest: (typeof POLLERS)[number],
  workers: number,
  options: Partial<WorkersOptions> = {},
): Promise<Group> {
  const group = await start(guest, workers, options);
  await Promise.all(group.guests.map(async (each) => each.guest.ready));
  return group;
}

/** A connection that a worker has accepted, and which. */
interface Served {
  readonly client: Client;
  readonly worker: number;
}

async function dial(port: number): Promise<Served> {
  const client = await Client.connect(port);
  const line = await client.take(2);
  return { client, worker: Number(line.toString()) };
}

/** Ends connections without a time-wait. */
function hangUp(served: readonly Served[]): void {
  for (const { client } of served) client.socket.resetAndDestroy();
}

/** Connects until each worker has accepted a connection: from then on all wait for more. */
async function meetAll(port: number, workers: number): Promise<void> {
  const met = new Set<number>();
  while (met.size < workers) {
    const served = await dial(port);
    hangUp([served]);
    met.add(served.worker);
  }
}

/** How many of `count` connections, one after the other, each worker gets. */
async function countShares(port: number, workers: number, count: number): Promise<number[]> {
  await meetAll(port, workers);
  const served: Served[] = [];
  while (served.length < count) served.push(await dial(port));
  hangUp(served);
  return Array.from({ length: workers }, (_each, index) => {
    return served.filter(({ worker }) => worker === index).length;
  });
}

describe('E7: connections that come one at a time, and stay', () => {
  test.each(POLLERS)('go to all workers in turn, all the same: %s', async (guest) => {
    const group = await startReady(guest, 4);
    const counts = await countShares(portOf(group.listeners[0]?.url), 4, 64);
    // Each its turn of 8, twice; who has just been served may not be back in the queue yet.
    expect(Math.min(...counts)).toBeGreaterThanOrEqual(8);
  });

  test('go to all workers with a listener each (SO_REUSEPORT)', async () => {
    const group = await startReady('worker', 4, { share: 'reuseport' });
    const counts = await countShares(portOf(group.listeners[0]?.url), 4, 128);
    // By a hash: 8 is five standard deviations below the mean of 32.
    expect(Math.min(...counts)).toBeGreaterThanOrEqual(8);
  });
});

/** Runs `body` with a command of `count` workers, once all have said that they are ready. */
async function withCommand(
  guest: string,
  count: number,
  body: (command: Command, port: number) => Promise<void>,
): Promise<void> {
  const listen = ['--listen', '127.0.0.1:0'];
  const command = startCommand(['--workers', String(count), ...listen, wasmOf(guest)]);
  try {
    const [, port] = await command.said(/listening on tcp:\/\/127\.0\.0\.1:(\d+)/);
    await command.said(new RegExp(`(trace: ready[^]*){${count}}`));
    await body(command, Number(port));
  } finally {
    command.child.kill('SIGKILL');
    await command.ended;
  }
}

describe('E6: no thundering herd', () => {
  const WORKERS = 8;
  const CONNECTIONS = 400;

  test.each(POLLERS)('a connection wakes one worker of eight: %s', async (guest) => {
    await withCommand(guest, WORKERS, async ({ child }, port) => {
      const { pid = -1 } = child;
      await meetAll(port, WORKERS);
      const before = switchesOf(pid);
      const served: Served[] = [];
      while (served.length < CONNECTIONS) served.push(await dial(port));
      const after = switchesOf(pid);
      hangUp(served);
      const sleeps = [...after].map(([thread, count]) => count - (before.get(thread) ?? 0));
      // The busiest threads are the workers; what V8 and Node do beside them is not theirs.
      const busiest = sleeps.toSorted((a, b) => b - a).slice(0, WORKERS);
      const wakes = busiest.reduce((sum, each) => sum + each, 0);
      expect(wakes / CONNECTIONS).toBeGreaterThan(0.5);
      expect(wakes / CONNECTIONS).toBeLessThanOrEqual(1.1);
    });
  });
});

/** Connects until a connection goes to `worker`; it, and the others. */
async function dialWorker(port: number, worker: number): Promise<[Served, readonly Served[]]> {
  const others: Served[] = [];
  for (;;) {
    const served = await dial(port);
    if (served.worker === worker) return [served, others];
    others.push(served);
  }
}

describe('E29: no queued connection is lost', () => {
  test.each(POLLERS)(
    'when the worker that was woken for it leaves before it accepts: %s',
    async (guest) => {
      const group = await startReady(guest, 2);
      const port = portOf(group.listeners[0]?.url);
      const [first, others] = await dialWorker(port, 0);
      await first.client.send('l');
      await first.client.take(1);
      const state = { isGone: false };
      void group.guests[0]?.guest.ended.then(() => (state.isGone = true));
      const served = [...others];
      // The one that wakes worker 0 finds nobody else awake.
      while (!state.isGone) served.push(await dial(port));
      served.push(await dial(port));
      expect(new Set(served.map(({ worker }) => worker))).toEqual(new Set([1]));
      hangUp(served);
    },
  );

  test.each([
    ['worker', 'exclusive'],
    ['worker-poll', 'exclusive'],
  ] as const)('when a worker drains and leaves under load: %s, %s', async (guest, share) => {
    const group = await startReady(guest, 3, { share });
    const port = portOf(group.listeners[0]?.url);
    const answered: Served[] = [];
    const dialAll = async (): Promise<void> => {
      for (let i = 0; i < 50; i++) {
        const served = await dial(port);
        answered.push(served);
        if (i === 10) await served.client.send('d');
        else hangUp([served]);
      }
    };
    await Promise.all(Array.from({ length: 2 }, dialAll));
    expect(answered).toHaveLength(100);
    hangUp(answered);
    const left = await dial(port);
    hangUp([left]);
    expect(left.worker).toBeGreaterThanOrEqual(0);
  });

  test('when all workers leave and new ones come, for whom the listener was kept', async () => {
    const listener = shareListener(parseListen('127.0.0.1:0'));
    const port = portOf(listener.url);
    try {
      const old = await startReady('worker', 2, { listen: [listener] });
      hangUp([await dial(port)]);
      await old.stop();
      // Nobody is there: they wait.
      const waiting = Array.from({ length: 10 }, async () => dial(port));
      await startReady('worker', 2, { listen: [listener] });
      const served = await Promise.all(waiting);
      expect(served).toHaveLength(10);
      hangUp(served);
    } finally {
      listener.close();
    }
  });
});

test('E29: a listener of SO_REUSEPORT that is kept for a successor loses nobody', async () => {
  const shares = shareAmong([parseListen('127.0.0.1:0')], 2, 'reuseport');
  const port = portOf(shares.urls[0]);
  const module = await loadModule(readFileSync(wasmOf('worker')), 'worker.wasm', NO_GRANTS);
  const run = async (index: number): Promise<Guest> => {
    const env = { SANDPOLL_WORKER: String(index) };
    const grants = { ...NO_GRANTS, env };
    return startGuest({ bytes: module, name: module.name, grants, listen: shares.of(index) });
  };
  const guests = [await run(0), await run(1)];
  try {
    await Promise.all(guests.map(async ({ ready }) => ready));
    await guests[1]?.stop();
    // Half of them, by a hash, wait in the queue of the one that is gone.
    const dialled = Array.from({ length: 40 }, async () => dial(port));
    guests.push(await run(1));
    const served = await Promise.all(dialled);
    expect(new Set(served.map(({ worker }) => worker))).toEqual(new Set([0, 1]));
    hangUp(served);
  } finally {
    await Promise.all(guests.map(async (guest) => guest.stop()));
    shares.close();
  }
});

describe('listeners of workers', () => {
  test('are shared among all, each its own, or one each as the transport has it', async () => {
    await withFiles({}, async (folder) => {
      const before = openDescriptors();
      const texts = ['127.0.0.1:0', 'udp://127.0.0.1:0', `unix:${folder}/socket`];
      const listen = texts.map((text): ListenAddress => parseListen(text));
      const instances = (share: Share): number[] => {
        const shared = shareAmong(listen, 3, share);
        const all = [0, 1, 2].map((index) => shared.of(index));
        const different = texts.map((_each, at) => new Set(all.map((one) => one[at])).size);
        const urls = texts.map((_each, at) => new Set(all.map((one) => one[at]?.url)).size);
        expect(urls).toEqual([1, 1, 1]);
        expect(shared.of(4)).toEqual(shared.of(1));
        shared.close();
        return different;
      };
      expect(instances('exclusive')).toEqual([1, 3, 1]);
      expect(instances('reuseport')).toEqual([3, 3, 1]);
      expect(await leakedSince(before)).toEqual([]);
    });
  });

  test('end when the last worker has closed them; a unix path goes with the group', async () => {
    await withFiles({}, async (folder) => {
      const listen = [parseListen('127.0.0.1:0'), parseListen(`unix:${folder}/socket`)];
      const group = await startReady('worker', 2, { listen });
      const port = portOf(group.listeners[0]?.url);
      const [first] = await dialWorker(port, 0);
      const [second] = await dialWorker(port, 1);
      await first.client.send('d');
      await second.client.send('d');
      // Both have closed it while they wait for their connections: who comes now is refused.
      const refused = async (): Promise<string | undefined> => {
        for (;;) {
          try {
            hangUp([await dial(port)]);
          } catch (error) {
            const { code } = error as NodeJS.ErrnoException;
            // Who was in the queue when it was closed.
            if (code !== 'ECONNRESET') return code;
          }
        }
      };
      expect(await refused()).toBe('ECONNREFUSED');
      hangUp([first, second]);
      await group.stop();
      // The name is free again.
      shareListener(parseListen(`unix:${folder}/socket`)).close();
    });
  });

  test('that were closed or released are no longer to be had', async () => {
    const shares = shareAmong([parseListen('127.0.0.1:0')], 2);
    const bytes = readFileSync(wasmOf('worker'));
    const options = { bytes, name: 'worker.wasm', grants: NO_GRANTS, listen: shares.of(0) };
    shares.release();
    await expect(startGuest(options)).rejects.toThrow(/was released; share another/);
    shares.close();
    await expect(startGuest(options)).rejects.toThrow(/is closed; share another/);
  });
});

describe('a group of workers', () => {
  test('is of one compiled module; each knows its number, and is named by it', async () => {
    const module = await loadModule(readFileSync(wasmOf('worker')), 'worker.wasm', NO_GRANTS);
    const group = await startReady('worker', 3, { bytes: module });
    expect(group.guests.map(({ name }) => name)).toEqual([
      'worker.wasm#0',
      'worker.wasm#1',
      'worker.wasm#2',
    ]);
    expect(group.listeners).toHaveLength(1);
    await meetAll(portOf(group.listeners[0]?.url), 3);
  });

  test('goes on when one of it ends, and ends with the first that failed', async () => {
    const group = await startReady('worker', 3);
    const port = portOf(group.listeners[0]?.url);
    const [first, others] = await dialWorker(port, 1);
    await first.client.send('t');
    expect(await group.guests[1]?.guest.ended).toMatchObject({ kind: 'trapped' });
    const served = await dial(port);
    expect(served.worker).not.toBe(1);
    await served.client.send('x');
    expect(await group.guests[served.worker]?.guest.ended).toMatchObject({ code: 3 });
    const last = await dial(port);
    await last.client.send('d');
    hangUp([last, first, ...others]);
    expect(await group.ended).toMatchObject({ kind: 'trapped' });
  });

  test('names each in what the host says of it', async () => {
    const bytes = wat(`(module
      (import "sandpoll" "socket" (func $socket (param i32 i32 i32 i32) (result i32)))
      (import "sandpoll" "bind" (func $bind (param i32 i32 i32) (result i32)))
      (memory (export "memory") 1)
      (data (i32.const 16) "\\02\\00\\00\\00\\7f\\00\\00\\01")
      (func (export "_start")
        (drop (call $socket (i32.const 2) (i32.const 1) (i32.const 0) (i32.const 0)))
        (drop (call $bind (i32.load (i32.const 0)) (i32.const 16) (i32.const 16)))))`);
    const lines: string[] = [];
    const onReport = (line: string): void => void lines.push(line);
    const group = await start('bind', 2, { bytes, listen: [], onReport });
    expect(await group.ended).toEqual({ kind: 'exited', code: 0 });
    const named = lines.filter((line) => line.includes('--allow-net')).toSorted();
    expect(named.map((line) => line.split(':')[0])).toEqual(['bind.wasm#0', 'bind.wasm#1']);
  });

  test.each([0, -1, 1.5, WORKERS_MAX + 1, 10_000, Number.NaN])(
    'of %d is wrong usage, and nothing is left open',
    async (workers) => {
      const before = openDescriptors();
      const started = start('worker', workers);
      await expect(started).rejects.toThrow(/^workers .*: must be a whole number from 1 to 256$/);
      await expect(started).rejects.toMatchObject({
        code: 'ERR_SANDPOLL_USAGE',
      } satisfies Partial<UsageError>);
      expect(await leakedSince(before)).toEqual([]);
    },
  );

  test('that cannot start leaves nothing open', async () => {
    const unlinkable = wat(`(module (import "nowhere" "f" (func))
      (memory (export "memory") 1) (func (export "_start")))`);
    const before = openDescriptors();
    await expect(start('empty', 3, { bytes: Uint8Array.of(0) })).rejects.toThrow(/cut off/);
    await expect(start('odd', 3, { bytes: unlinkable })).rejects.toThrow(/nowhere/);
    const listen = [parseListen('127.0.0.1:0'), parseListen('unix:/nonexistent/socket')];
    await expect(start('worker', 3, { listen })).rejects.toMatchObject({ code: 'ENOENT' });
    expect(await leakedSince(before)).toEqual([]);
  });
});
