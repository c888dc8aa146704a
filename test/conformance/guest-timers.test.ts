/** timerfd as a guest sees it: `timerfd_create(2)`. */
import { describe, expect, test } from 'vitest';

import { EPOLLIN, EPOLL_CTL_ADD, Itimerspec } from '#host/abi/epoll.js';
import { Errno } from '#host/errno.js';

import { type Driven, withDriven } from '../support/driven.js';
import { count, opened, read, write } from '../support/events.js';
import { epollCtl, epollWait, poll, reading } from '../support/structs.js';

const REALTIME = 0;
const MONOTONIC = 1;
const BOOTTIME = 7;
const NONBLOCK = 0o4000;
const ABSTIME = 1;
const NEW = 0x1_5000;
const OLD = 0x1_5040;
const NOW = 0x1_5080;
const NS = 1_000_000_000n;
const { INVAL, BADF, PERM, AGAIN } = Errno;

interface Times {
  readonly valueNs: bigint;
  readonly intervalNs?: bigint;
}

async function writeTimes(driven: Driven, { valueNs, intervalNs = 0n }: Times): Promise<void> {
  const view = new DataView(new ArrayBuffer(Itimerspec.SIZE));
  [intervalNs / NS, intervalNs % NS, valueNs / NS, valueNs % NS].forEach((word, index) => {
    view.setBigInt64(8 * index, word, true);
  });
  await driven.write(NEW, new Uint8Array(view.buffer));
}

async function readTimes(driven: Driven, at: number): Promise<Times> {
  const words = new BigInt64Array((await driven.read(at, Itimerspec.SIZE)).buffer);
  return { intervalNs: words[0] * NS + words[1], valueNs: words[2] * NS + words[3] };
}

async function arm(driven: Driven, fd: number, times: Times, flags = 0, old = 0): Promise<number> {
  await writeTimes(driven, times);
  return driven.call('timerfd_settime', fd, flags, NEW, old);
}

const timer = (driven: Driven, clock = MONOTONIC, flags = NONBLOCK): Promise<number> =>
  opened(driven, 'timerfd_create', clock, flags);

describe('a guest’s timer', () => {
  test.each([REALTIME, MONOTONIC, BOOTTIME])('of clock %d fires once', (clock) =>
    withDriven({}, async (driven) => {
      const fd = await timer(driven, clock);
      const epfd = await opened(driven, 'epoll_create1', 0);
      await epollCtl(driven, epfd, EPOLL_CTL_ADD, fd, EPOLLIN, 7n);
      expect(await count(driven, fd)).toBe(-AGAIN);
      expect(await arm(driven, fd, { valueNs: 1_000_000n })).toBe(0);
      expect(await epollWait(driven, epfd, -1)).toEqual([{ events: EPOLLIN, data: 7n }]);
      expect(await count(driven, fd)).toBe(1);
      expect(await count(driven, fd)).toBe(-AGAIN);
      expect(await epollWait(driven, epfd)).toEqual([]);
    }),
  );

  test('that is periodic counts what was missed; its time may be absolute', () =>
    withDriven({}, async (driven) => {
      const fd = await timer(driven);
      expect(await driven.call('clock_time_get', MONOTONIC, 1n, NOW)).toBe(0);
      const nowNs = new BigUint64Array((await driven.read(NOW, 8)).buffer)[0];
      const times = { valueNs: nowNs - 10n * NS, intervalNs: NS };
      expect(await arm(driven, fd, times, ABSTIME)).toBe(0);
      // Ten whole seconds since the first; and the machine may be slow.
      const fired = await count(driven, fd);
      expect(fired).toBeGreaterThanOrEqual(11);
      expect(fired).toBeLessThan(60);
    }));

  test('tells what is left, and what was set before; 0 disarms', () =>
    withDriven({}, async (driven) => {
      const fd = await timer(driven);
      const times = { valueNs: 1000n * NS, intervalNs: 3n * NS + 5n };
      expect(await arm(driven, fd, times)).toBe(0);
      expect(await driven.call('timerfd_gettime', fd, NOW)).toBe(0);
      const left = await readTimes(driven, NOW);
      expect(left.intervalNs).toBe(times.intervalNs);
      expect(left.valueNs).toBeGreaterThan(900n * NS);
      expect(left.valueNs).toBeLessThanOrEqual(times.valueNs);
      expect(await arm(driven, fd, { valueNs: 0n }, 0, OLD)).toBe(0);
      const old = await readTimes(driven, OLD);
      expect(old.intervalNs).toBe(times.intervalNs);
      expect(old.valueNs).toBeLessThanOrEqual(left.valueNs);
      expect(old.valueNs).toBeGreaterThan(900n * NS);
      await driven.call('timerfd_gettime', fd, NOW);
      expect(await readTimes(driven, NOW)).toEqual({ valueNs: 0n, intervalNs: 0n });
    }));

  test('that is blocking is waited for', () =>
    withDriven({}, async (driven) => {
      const fd = await timer(driven, MONOTONIC, 0);
      const from = performance.now();
      expect(await arm(driven, fd, { valueNs: 20_000_000n })).toBe(0);
      expect(await count(driven, fd)).toBe(1);
      expect(performance.now() - from).toBeGreaterThan(19);
    }));

  test('in poll_oneoff has 8 bytes to read', () =>
    withDriven({}, async (driven) => {
      const fd = await timer(driven);
      await arm(driven, fd, { valueNs: 1n });
      const { events } = await poll(driven, [reading(fd, 5n)]);
      expect(events).toEqual([{ userdata: 5n, error: 0, type: 1, nbytes: 8, flags: 0 }]);
    }));
});

describe('what timerfd refuses', () => {
  test('B24: unknown clocks and flags; clocks that wake a machine are EPERM', () =>
    withDriven({}, async (driven) => {
      const create = (clock: number, flags: number) =>
        driven.call('timerfd_create', clock, flags, NOW);
      for (const clock of [2, 3, 4, 11, 99, -1]) expect(await create(clock, 0)).toBe(INVAL);
      for (const clock of [8, 9]) expect(await create(clock, 0)).toBe(PERM);
      for (const flags of [1, 2, 0o10000, -1]) expect(await create(8, flags)).toBe(INVAL);
      expect(await timer(driven)).toBe(5);
    }));

  test('times that are none, before it looks at the descriptor; and then nothing is set', () =>
    withDriven({}, async (driven) => {
      const fd = await timer(driven);
      await arm(driven, fd, { valueNs: 1000n * NS });
      for (const at of [8, 24]) {
        for (const nanoseconds of [NS, -1n, 2n ** 32n]) {
          await writeTimes(driven, { valueNs: 5n });
          await driven.call('store64', NEW + at, nanoseconds);
          expect(await driven.call('timerfd_settime', fd, 0, NEW, 0)).toBe(INVAL);
          expect(await driven.call('timerfd_settime', 99, 0, NEW, 0)).toBe(INVAL);
        }
        await writeTimes(driven, { valueNs: 5n });
        await driven.call('store64', NEW + at - 8, -1n);
        expect(await driven.call('timerfd_settime', fd, 0, NEW, 0)).toBe(INVAL);
      }
      for (const flags of [4, 8, -1])
        expect(await arm(driven, fd, { valueNs: 5n }, flags)).toBe(INVAL);
      expect(await arm(driven, 99, { valueNs: 5n })).toBe(BADF);
      await driven.call('timerfd_gettime', fd, NOW);
      expect((await readTimes(driven, NOW)).valueNs).toBeGreaterThan(900n * NS);
    }));

  test('B24: other descriptors; writing; less room than 8 bytes', () =>
    withDriven({}, async (driven) => {
      const event = await opened(driven, 'eventfd', 1, NONBLOCK);
      expect(await arm(driven, event, { valueNs: 5n })).toBe(INVAL);
      expect(await driven.call('timerfd_gettime', event, NOW)).toBe(INVAL);
      expect(await driven.call('timerfd_gettime', 99, NOW)).toBe(BADF);
      const fd = await timer(driven);
      await arm(driven, fd, { valueNs: 1n });
      expect((await write(driven, fd, new Uint8Array(8))).errno).toBe(INVAL);
      expect((await read(driven, fd, 7)).errno).toBe(INVAL);
      expect(await count(driven, fd)).toBe(1);
    }));
});
