/** A service: started again, anew, within limits; stopped in peace. */
import { readFileSync } from 'node:fs';

import { Errno } from '#host/errno.js';
import {
  DEFAULT_LIMITS,
  NO_GRANTS,
  type Outcome,
  parseListen,
  shareListener,
} from '#host/index.js';
import { describe, expect, test } from 'vitest';

import { Client } from '../support/client.js';
import { leakedSince, openDescriptors } from '../support/descriptors.js';
import { drainingGuest } from '../support/draining.js';
import { CONTROL, Driven } from '../support/driven.js';
import { PAGE_BYTES, driverModule } from '../support/driver.js';
import { type Watched, startService, withService } from '../support/services.js';
import { ROOT } from '../support/sources.js';
import { wat } from '../wasm/wat.js';

const HTTP = readFileSync(`${ROOT}examples/http/build/http.wasm`);
const PAGES = 3;
const DRIVER = driverModule('long', `${PAGES} 100`);
const TRAPS = wat('(module (memory (export "memory") 1) (func (export "_start") unreachable))');

/** A guest that leaves with `code`. */
const leaving = (code: number): Uint8Array =>
  wat(`(module
    (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
    (memory (export "memory") 1)
    (func (export "_start") (call $exit (i32.const ${code}))))`);

/** A connection that the instance that takes it is driven by. */
function drive({ port, service }: Watched): Driven {
  return new Driven({ port, ended: service.ended }, 'long');
}

describe('an instance that has ended is started again', () => {
  test('at once, with what its stack was; who waited in the queue is served (issue 4)', () =>
    withService({ module: () => DRIVER }, async (watched) => {
      const { service, saw } = watched;
      const first = drive(watched);
      await first.call('memory.size');
      // The driver takes one connection: these wait until there is another driver.
      const waiting = [drive(watched), drive(watched)];
      for (const [index, next] of waiting.entries()) {
        const answer = next.start('memory.size');
        void (index === 0 ? first : waiting[index - 1]).start('unreachable');
        expect(await answer).toBe(PAGES);
        expect(await saw('ended', index + 1)).toMatchObject({
          name: 'guest.wasm#0',
          asked: false,
          outcome: { kind: 'trapped', message: 'unreachable' },
        });
        const { outcome } = await saw('ended', index + 1);
        expect((outcome as Outcome & { kind: 'trapped' }).frames.length).toBeGreaterThan(1);
      }
      expect(service.describe().members).toMatchObject([{ restarts: 2, generation: 3 }]);
      expect(await saw('restarting')).toMatchObject({ count: 1, delayMs: 0 });
    }));

  test('B88 with no byte, page, table entry, descriptor, timer or signal of the one before', () =>
    withService({ module: () => DRIVER }, async (watched) => {
      const { service, saw } = watched;
      const [OUT, MASK, SPEC] = [PAGE_BYTES, PAGE_BYTES + 64, PAGE_BYTES + 128];
      const [SIGHUP, NONBLOCK, EPOLLIN, ADD] = [1, 0o4000, 1, 1];
      const before = drive(watched);
      await before.call('memory.size');
      const open = openDescriptors();
      await before.calls([
        ['memory.grow', 5],
        ['store64', MASK, 1n << BigInt(SIGHUP - 1)],
        ['signalfd', MASK, NONBLOCK, OUT],
        ['eventfd', 5, 0, OUT + 4],
        ['timerfd_create', 1, 0, OUT + 8],
        ['epoll_create1', 0, OUT + 12],
        // Fires every nanosecond.
        ['store64', SPEC, 0],
        ['store64', SPEC + 8, 1],
        ['store64', SPEC + 16, 0],
        ['store64', SPEC + 24, 1],
        ['timerfd_settime', CONTROL + 3, 0, SPEC, 0],
        ['store64', SPEC + 32, EPOLLIN],
        ['epoll_ctl', CONTROL + 4, ADD, CONTROL + 2, SPEC + 32],
        ['epoll_ctl', CONTROL + 4, ADD, CONTROL + 3, SPEC + 32],
      ]);
      expect(await before.u32(OUT + 12)).toBe(CONTROL + 4);
      expect(service.signal('SIGHUP')).toBe(true);
      await before.call('memory.fill', PAGE_BYTES, 0xa5, 7 * PAGE_BYTES);
      await before.call('table.fill', 0, 1000);
      void before.start('unreachable');
      await saw('ended');

      const after = drive(watched);
      expect(await after.call('memory.size')).toBe(PAGES);
      expect(await after.call('dirty', PAGE_BYTES, PAGES * PAGE_BYTES, 0)).toBe(-1);
      await after.call('memory.grow', 5);
      expect(await after.call('dirty', PAGE_BYTES, 8 * PAGE_BYTES, 0)).toBe(-1);
      const states = Array.from({ length: 16 }, (_none, index) => CONTROL + 1 + index);
      const closed = await after.calls(states.map((fd) => ['fd_fdstat_get', fd, OUT]));
      expect(new Set(closed)).toEqual(new Set([Errno.BADF]));
      await after.calls([
        ['store64', MASK, 1n << BigInt(SIGHUP - 1)],
        ['signalfd', MASK, NONBLOCK, OUT],
        ['store64', SPEC, BigInt(SPEC + 256) | (128n << 32n)],
      ]);
      expect(await after.u32(OUT)).toBe(CONTROL + 1);
      expect(await after.call('fd_read', CONTROL + 1, SPEC, 1, OUT)).toBe(Errno.AGAIN);
      await after.call('fd_close', CONTROL + 1);
      // Nor has the host kept any of it.
      await expect.poll(() => openDescriptors().length).toBeLessThanOrEqual(open.length);
    }));

  test('B88 nor with a global or a table entry of it', () => {
    const guest = wat(`(module
      (import "env" "trace" (func $trace (param i32 i32 f64 f64 f64 f64 f64)))
      (memory (export "memory") 1)
      (global $global (mut i32) (i32.const 1))
      (table $table 2 funcref)
      (elem declare func $entry)
      (func $entry)
      (func (export "_start")
        (call $trace (i32.const 8) (i32.const 4)
          (f64.convert_i32_s (global.get $global))
          (f64.convert_i32_s (ref.is_null (table.get $table (i32.const 1))))
          (f64.convert_i32_s (table.size $table))
          (f64.convert_i32_s (i32.load8_u (i32.const 65535)))
          (f64.const 0))
        (global.set $global (i32.const 7))
        (table.set $table (i32.const 1) (ref.func $entry))
        (drop (table.grow $table (ref.func $entry) (i32.const 3)))
        (i32.store8 (i32.const 65535) (i32.const 9))
        unreachable))`);
    return withService({ module: () => guest }, async ({ saw }) => {
      const { line } = await saw('report', 1);
      expect(line).toMatch(/ 1,? 1,? 2,? 0$/);
      expect((await saw('report', 2)).line).toBe(line);
    });
  });

  test('also after an exit with 0, unless restarts are transient', async () => {
    await withService({ module: () => leaving(0) }, async ({ saw }) => {
      expect(await saw('ended', 2)).toMatchObject({ outcome: { kind: 'exited', code: 0 } });
    });
    const restarts = { kind: 'transient' } as const;
    const { service, events } = await startService({ module: () => leaving(0), restarts });
    expect(await service.ended).toEqual({ kind: 'exited', code: 0 });
    expect(events.filter(({ kind }) => kind === 'restarting')).toEqual([]);
  });

  test('never if restarts are temporary: the outcome is the first that was no success', async () => {
    const restarts = { kind: 'temporary' } as const;
    const { service } = await startService({ module: () => leaving(3), restarts, workers: 2 });
    expect(await service.ended).toEqual({ kind: 'exited', code: 3 });
  });

  test('after a limit, of which each instance has its own', () => {
    const grants = { ...NO_GRANTS, limits: { ...DEFAULT_LIMITS, cpuMs: 60 } };
    return withService({ module: () => DRIVER, grants }, async (watched) => {
      for (const count of [1, 2]) {
        void drive(watched).start('spin');
        expect((await watched.saw('ended', count)).outcome).toEqual({
          kind: 'killed',
          reason: 'cpu',
          rung: 'terminate',
        });
      }
    });
  });
});

test('a process that is killed takes its own connections with it; those in the queue are served', () =>
  withService({ module: () => DRIVER, isolate: 'process' }, async (watched) => {
    const { line } = await watched.saw('report');
    const first = drive(watched);
    await first.call('memory.size');
    const waiting = drive(watched);
    const answer = waiting.start('memory.size');
    process.kill(Number(/in process (\d+)/.exec(line)?.[1]), 'SIGKILL');
    expect(await answer).toBe(PAGES);
    expect((await watched.saw('ended')).asked).toBe(false);
    await expect(first.call('memory.size')).rejects.toThrow('ended');
  }));

describe('a service gives up', () => {
  test('also when it cannot start an instance any more: that counts as an end', async () => {
    const listener = shareListener(parseListen('127.0.0.1:0'));
    const restarts = { count: 2 };
    const options = { module: () => DRIVER, listen: [listener], restarts };
    const watched = await startService(options);
    const driver = drive(watched);
    await driver.call('memory.size');
    listener.close();
    void driver.start('unreachable');
    expect(await watched.service.ended).toMatchObject({ kind: 'trapped' });
    const { error } = await watched.saw('unstartable', 2);
    expect(error.message).toContain(`the shared listener of ${listener.url} is closed`);
    expect(watched.events.at(-1)?.kind).toBe('gave up');
  });

  test('after as many restarts as its limit says, with the last end', async () => {
    const restarts = { count: 3, windowMs: 60_000 };
    const { service, events, saw } = await startService({ module: () => TRAPS, restarts });
    expect(await service.ended).toMatchObject({ kind: 'trapped', message: 'unreachable' });
    const delays = events.flatMap((each) => (each.kind === 'restarting' ? [each.delayMs] : []));
    expect(delays).toEqual([0, 100, 200]);
    expect(await saw('gave up')).toMatchObject({ name: 'guest.wasm#0', ...restarts });
    expect(service.ready()).toBe(false);
  });

  test('and asks those to leave that run well: its outcome is no success', async () => {
    const restarts = { count: 0 };
    const watched = await startService({ module: () => DRIVER, restarts, workers: 2 });
    const [one, other] = [drive(watched), drive(watched)];
    await Promise.all([one.call('memory.size'), other.call('memory.size')]);
    void one.start('proc_exit', 0);
    expect(await watched.service.ended).toEqual({ kind: 'exited', code: 1 });
    expect((await watched.saw('ended', 2)).asked).toBe(true);
    await other.end();
  });
});

test('a module that cannot be started at first is the caller’s to hear of; nothing stays open', async () => {
  const before = openDescriptors();
  const unlinkable = wat(`(module (import "env" "unknown" (func)) (memory (export "memory") 1)
    (func (export "_start")))`);
  await expect(startService({ module: () => unlinkable, workers: 2 })).rejects.toMatchObject({
    code: 'ERR_SANDPOLL_LINK',
  });
  await expect(startService({ module: () => HTTP, workers: 0 })).rejects.toThrow('workers 0: ');
  expect(await leakedSince(before)).toEqual([]);
});

describe('stop()', () => {
  test('lets requests be answered, takes no new ones, and ends with 0', async () => {
    const before = openDescriptors();
    const { service, port, saw } = await startService({ module: () => HTTP, workers: 2 });
    await saw('ready', 2);
    expect(service.ready()).toBe(true);
    const busy = await Client.connect(port);
    await busy.send('POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\nabc');
    const queued = await Client.connect(port);
    const ended = service.stop();
    expect(service.ready()).toBe(false);
    expect(service.describe().members.map(({ phase }) => phase)).toEqual(['draining', 'draining']);
    // It had connected before: it is answered, though its request comes late.
    await queued.send('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    expect((await queued.takeAll()).toString()).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    // Each instance closes its listener when it comes to it; a guest that is gone keeps none.
    const refused = async (): Promise<unknown> =>
      Client.connect(port).then(
        (client) => client.close(),
        (error: unknown) => error,
      );
    await expect.poll(refused).toMatchObject({ code: 'ECONNREFUSED' });
    await busy.send('def');
    expect((await busy.takeAll()).toString()).toContain('Connection: close\r\n\r\nabcdef');
    expect(await ended).toEqual({ kind: 'exited', code: 0 });
    for (const client of [busy, queued]) client.close();
    expect(await leakedSince(before)).toEqual([]);
  });

  test('kills what has not left when the grace is over', async () => {
    const module = (): Uint8Array => drainingGuest({ leaves: false });
    const { service, saw } = await startService({ module, graceMs: 60, listen: [] });
    await saw('ready');
    expect(await service.stop()).toEqual({ kind: 'killed', reason: 'stopped' });
  });

  test('a second one without grace is at once', async () => {
    const module = (): Uint8Array => drainingGuest({ leaves: false });
    const { service, saw } = await startService({ module, listen: [] });
    await saw('ready');
    void service.stop();
    expect(await service.stop({ graceMs: 0 })).toEqual({ kind: 'killed', reason: 'stopped' });
  });

  test('ends a service that waits for its next start', async () => {
    const { service, saw } = await startService({ module: () => TRAPS });
    // After the second crash it waits.
    await saw('restarting', 2);
    expect(service.describe().members).toMatchObject([{ phase: 'waiting' }]);
    expect(await service.stop()).toEqual({ kind: 'exited', code: 0 });
  });
});

test('ready: at the listener, or at the first wait of a guest that has none', async () => {
  const early = wat(`(module
    (import "wasi_snapshot_preview1" "poll_oneoff"
      (func $poll (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "sock_accept" (func $accept (param i32 i32) (result i32)))
    (import "env" "trace" (func $trace (param i32 i32 f64 f64 f64 f64 f64)))
    (memory (export "memory") 1)
    (func (export "_start")
      ;; A clock, of 1 ns.
      (i32.store (i32.const 16) (i32.const 1))
      (i64.store (i32.const 24) (i64.const 1))
      (drop (call $poll (i32.const 0) (i32.const 64) (i32.const 1) (i32.const 128)))
      (call $trace (i32.const 0) (i32.const 0) (f64.const 0) (f64.const 0) (f64.const 0)
        (f64.const 0) (f64.const 0))
      (drop (call $accept (i32.const 3) (i32.const 132)))))`);
  for (const [listen, kinds] of [
    [[parseListen('127.0.0.1:0')], ['started', 'report', 'ready']],
    [[parseListen('udp://127.0.0.1:0')], ['started', 'ready', 'report']],
    [[], ['started', 'ready', 'report']],
  ] as const) {
    await withService({ module: () => early, listen }, async ({ events, saw }) => {
      await Promise.all([saw('ready'), saw('report')]);
      expect(events.slice(0, 3).map(({ kind }) => kind)).toEqual(kinds);
    });
  }
});
