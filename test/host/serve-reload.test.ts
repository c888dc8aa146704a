/**
 * Replacing what serves: no request is lost, whatever the load, and a module that is no good
 * leaves the old one serving. `SANDPOLL_RELOADS=20 SANDPOLL_LOAD=2000` is the long run.
 */
import { mkdirSync, readFileSync, readdirSync, renameSync } from 'node:fs';

import { NO_GRANTS, parseDir } from '#host/index.js';
import { describe, expect, test } from 'vitest';

import { Client } from '../support/client.js';
import { leakedSince, openDescriptors } from '../support/descriptors.js';
import { withFiles } from '../support/files.js';
import { makerModule } from '../support/maker.js';
import { Load } from '../support/request-load.js';
import { startService, withService } from '../support/services.js';
import { ROOT } from '../support/sources.js';
import { wat } from '../wasm/wat.js';

const HTTP = readFileSync(`${ROOT}examples/http/build/http.wasm`);
const RELOADS = Number(process.env['SANDPOLL_RELOADS'] ?? 5);
const PER_SECOND = Number(process.env['SANDPOLL_LOAD'] ?? 200);
/** Requests from one reload to the next. */
const BETWEEN = PER_SECOND / 5;
/** Under load a machine that is busy drains slowly. */
const TIMEOUT_MS = 20_000 + RELOADS * 3000;

/** Answers whether the service still serves, by one request. */
async function serves(port: number): Promise<boolean> {
  const load = new Load(port, 1);
  await load.stop();
  return load.sent === 1 && load.failures.length === 0;
}

describe.each([
  [1, 'exclusive'],
  [2, 'exclusive'],
  [2, 'reuseport'],
] as const)('%d workers, %s', (workers, share) => {
  test(
    `${RELOADS} reloads under ${PER_SECOND} new connections a second: no request fails (B90)`,
    async () => {
      await withService({ module: () => HTTP, workers, share }, async (watched) => {
        const { service, port, saw, events } = watched;
        await saw('ready', workers);
        const load = new Load(port, PER_SECOND);
        const from = performance.now();
        for (let reload = 1; reload <= RELOADS; reload++) {
          expect(await service.reload()).toBe(true);
          await load.answered(BETWEEN);
        }
        const perSecond = (load.sent / (performance.now() - from)) * 1000;
        await load.stop();
        expect(load.failures).toEqual([]);
        expect(service.describe()).toMatchObject({ ready: true, version: RELOADS + 1 });
        // Those that were replaced have left by themselves.
        await saw('ended', RELOADS * workers);
        for (const event of events) {
          if (event.kind === 'ended') expect(event.outcome).toEqual({ kind: 'exited', code: 0 });
        }
        const rate = `${load.sent} requests, ${perSecond.toFixed(0)} a second`;
        console.info(`${RELOADS} reloads of ${workers}: ${rate}, ${load.failures.length} failed`);
      });
    },
    TIMEOUT_MS,
  );
});

/** Waits at nothing, for ever. */
const SPIN = wat(`(module (memory (export "memory") 1)
  (func (export "_start") (loop $for_ever (br $for_ever))))`);
const TRAPS = wat('(module (memory (export "memory") 1) (func (export "_start") unreachable))');
const LEAVES = wat('(module (memory (export "memory") 1) (func (export "_start")))');
const UNLINKABLE = wat(`(module (import "env" "unknown" (func)) (memory (export "memory") 1)
  (func (export "_start")))`);
const HUNGRY = wat('(module (memory (export "memory") 60000) (func (export "_start")))');

describe('a module that is no good leaves the old one serving, and the reason is told', () => {
  test.each([
    ['garbage', Buffer.from('not a module'), /^guest\.wasm is not WebAssembly/],
    ['half a module', HTTP.subarray(0, HTTP.length / 2), /guest\.wasm/],
    ['one that imports what nobody has', UNLINKABLE, /env\.unknown/],
    ['one that wants more memory than it may have', HUNGRY, /memory/],
    ['one that traps', TRAPS, /^it trapped: unreachable before it waited at its listeners$/],
    ['one that just leaves', LEAVES, /^it left with 0 before it waited at its listeners$/],
    ['one that never waits', SPIN, /^it did not wait at its listeners within 300ms$/],
  ])('%s', async (_what, bad, reason) => {
    let bytes: Uint8Array = HTTP;
    const module = (): Uint8Array => bytes;
    await withService({ module, readyTimeoutMs: 300, workers: 2 }, async (watched) => {
      const { service, port, saw } = watched;
      await saw('ready', 2);
      const { members } = service.describe();
      bytes = bad;
      expect(await service.reload()).toBe(false);
      expect((await saw('reload failed')).error.message).toMatch(reason);
      const after = service.describe();
      expect(after).toMatchObject({ ready: true, version: 1 });
      // The same instances, not new ones of the old module.
      expect(after.members.map(({ guest }) => guest)).toEqual(members.map(({ guest }) => guest));
      expect(await serves(port)).toBe(true);
      bytes = HTTP;
      expect(await service.reload()).toBe(true);
      expect(await serves(port)).toBe(true);
    });
  });

  test('a file that cannot be read', async () => {
    let isThere = true;
    const module = (): Uint8Array => {
      if (isThere) return HTTP;
      throw new Error('cannot read guest.wasm: there is no such file');
    };
    await withService({ module }, async ({ service, port, saw }) => {
      await saw('ready');
      isThere = false;
      expect(await service.reload()).toBe(false);
      expect((await saw('reload failed')).error.message).toContain('there is no such file');
      expect(await serves(port)).toBe(true);
    });
  });
});

describe('--probe', () => {
  test('a module that answers it serves', () =>
    withService({ module: () => HTTP, probePath: '/health' }, async ({ service, port, saw }) => {
      await saw('ready');
      expect(await service.reload()).toBe(true);
      expect(await serves(port)).toBe(true);
    }));

  test('one that answers with an error never gets a connection', () =>
    withService({ module: () => HTTP, probePath: '/nowhere' }, async ({ service, saw, events }) => {
      await saw('ready');
      expect(await service.reload()).toBe(false);
      const { error } = await saw('reload failed');
      expect(error.message).toBe('the probe GET /nowhere failed: it answered with 404');
      expect(events.filter(({ kind }) => kind === 'started')).toHaveLength(1);
    }));

  test('one that listens nowhere cannot be asked', () =>
    withService({ module: () => SPIN, probePath: '/', listen: [] }, async ({ service, saw }) => {
      expect(await service.reload()).toBe(false);
      const { error } = await saw('reload failed');
      expect(error.message).toBe('the probe GET / failed: it has no listener to be asked at');
    }));

  test('one that does not answer is late', async () => {
    let bytes: Uint8Array = HTTP;
    const options = { module: () => bytes, probePath: '/', readyTimeoutMs: 200 };
    await withService(options, async ({ service, port, saw }) => {
      await saw('ready');
      bytes = SPIN;
      expect(await service.reload()).toBe(false);
      const { error } = await saw('reload failed');
      expect(error.message).toBe('the probe GET / failed: no answer within 200ms');
      expect(await serves(port)).toBe(true);
    });
  });
});

test('an old instance keeps its connections until its grace is over', () =>
  withService({ module: () => HTTP, graceMs: 300 }, async ({ service, port, saw }) => {
    await saw('ready');
    const busy = await Client.connect(port);
    await busy.send('POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\nabc');
    const held = await Client.connect(port);
    await held.send('POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\nabc');
    // Their instance has both once it answers one that came later.
    expect(await serves(port)).toBe(true);
    expect(await service.reload()).toBe(true);
    expect(service.describe().draining).toHaveLength(1);
    await busy.send('def');
    expect((await busy.takeAll()).toString()).toContain('Connection: close\r\n\r\nabcdef');
    expect(await saw('ended')).toMatchObject({
      asked: true,
      outcome: { kind: 'killed', reason: 'stopped' },
    });
    expect(service.describe().draining).toEqual([]);
    expect(await serves(port)).toBe(true);
    busy.close();
    held.close();
  }));

/** Waits at its listener, if it could make one. */
const MAKER = makerModule(`(if (local.get $errno) (then unreachable))
  (drop (call $accept (i32.const 4) (i32.const 0) (i32.const 8)))`);

test('directories are opened again: those that have their names by then', () =>
  withFiles({ 'data/x': '' }, async (folder) => {
    const [data, old] = [`${folder}/data`, `${folder}/old`];
    const before = openDescriptors();
    const grants = { ...NO_GRANTS, dirs: [parseDir(`${data}::/data`)] };
    await withService({ module: () => MAKER, grants }, async ({ service, saw }) => {
      await saw('ready');
      renameSync(data, old);
      expect(await service.reload()).toBe(false);
      expect((await saw('reload failed')).error.message).toMatch(/there is no such directory/);
      expect(service.describe()).toMatchObject({ ready: true, version: 1 });
      mkdirSync(data);
      expect(await service.reload()).toBe(true);
      expect([readdirSync(old), readdirSync(data)]).toEqual([['a', 'x'], ['a']]);
    });
    expect(await leakedSince(before)).toEqual([]);
  }));

test('reloads that are asked for at once are made one after the other', () =>
  withService({ module: () => HTTP }, async ({ service, saw }) => {
    await saw('ready');
    expect(await Promise.all([service.reload(), service.reload()])).toEqual([true, true]);
    expect(service.describe()).toMatchObject({ version: 3, ready: true });
  }));

test('stop() ends a reload that is under way', async () => {
  let bytes: Uint8Array = HTTP;
  const { service, saw, events } = await startService({ module: () => bytes });
  await saw('ready');
  bytes = SPIN;
  const reloaded = service.reload();
  await saw('started', 2);
  expect(await service.stop()).toEqual({ kind: 'exited', code: 0 });
  expect(await reloaded).toBe(false);
  expect(events.filter(({ kind }) => kind === 'ended')).toHaveLength(2);
});

test('a service that is asked to stop is not reloaded', async () => {
  const { service, saw } = await startService({ module: () => HTTP });
  await saw('ready');
  const stopped = service.stop();
  expect(await service.reload()).toBe(false);
  expect(await stopped).toEqual({ kind: 'exited', code: 0 });
});
