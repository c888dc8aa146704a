/** timerfd, as `timerfd_create(2)` has it. */
import { EPOLLIN, EPOLLOUT, Itimerspec, TFD_TIMER_ABSTIME } from '#host/abi/epoll.js';
import type { Handle } from '#host/kernel/kernel.js';
import { expect, test } from 'vitest';

import { type World, everyKernel, ok, said } from './world.js';

const CLOCK_REALTIME = 0;
const CLOCK_MONOTONIC = 1;
const MILLISECOND = 1_000_000;

/** Seconds and nanoseconds. */
type Time = readonly [seconds: number, nanoseconds: number];

const NEVER: Time = [0, 0];

/** An `itimerspec`. */
function spec(value: Time, interval: Time = NEVER): Uint8Array {
  const bytes = new Uint8Array(Itimerspec.SIZE);
  const fields = new BigInt64Array(bytes.buffer);
  fields.set([...interval, ...value].map((field) => BigInt(field)));
  return bytes;
}

function timer(world: World, clock = CLOCK_MONOTONIC): Handle {
  return ok(world.kernel.timerfdCreate(clock));
}

function set(world: World, handle: Handle, bytes: Uint8Array, flags = 0): number | string {
  return said(world.kernel.timerfdSettime(handle, flags, bytes, 0, -1));
}

/** How often it has expired since the last reading, or the name of the error. */
function taken(world: World, handle: Handle): bigint | string {
  const bytes = new Uint8Array(8);
  const result = said(world.kernel.read(handle, bytes, 0, 8));
  return result === 8 ? new BigUint64Array(bytes.buffer)[0] : String(result);
}

/** Interval and value, in seconds and nanoseconds, as numbers. */
function current(world: World, handle: Handle): number[] {
  const bytes = new Uint8Array(Itimerspec.SIZE);
  ok(world.kernel.timerfdGettime(handle, bytes, 0));
  return Array.from(new BigInt64Array(bytes.buffer), Number);
}

/** So many seconds before now. */
function ago(world: World, clock: number, seconds: number): Time {
  const bytes = new Uint8Array(8);
  ok(world.kernel.clockGettime(clock, bytes, 0));
  const [now] = new BigUint64Array(bytes.buffer);
  return [Number(now / 1_000_000_000n) - seconds, Number(now % 1_000_000_000n)];
}

everyKernel('timerfd', (world) => {
  test('a relative timer expires once, and reading it says so once', () => {
    const handle = timer(world());
    expect(taken(world(), handle)).toBe('EAGAIN');
    expect(set(world(), handle, spec([0, MILLISECOND]))).toBe(0);
    expect(world().until(handle, EPOLLIN)).toBe(EPOLLIN);
    expect([taken(world(), handle), taken(world(), handle)]).toEqual([1n, 'EAGAIN']);
    expect(current(world(), handle)).toEqual([0, 0, 0, 0]);
  });

  test('a relative timer does not expire before its time', () => {
    const handle = timer(world());
    const start = process.hrtime.bigint();
    set(world(), handle, spec([0, 5 * MILLISECOND]));
    world().until(handle, EPOLLIN);
    expect(Number(process.hrtime.bigint() - start)).toBeGreaterThanOrEqual(5 * MILLISECOND);
  });

  test('an absolute time that has passed expires at once', () => {
    for (const clock of [CLOCK_REALTIME, CLOCK_MONOTONIC]) {
      const handle = timer(world(), clock);
      expect(set(world(), handle, spec(ago(world(), clock, 0)), TFD_TIMER_ABSTIME)).toBe(0);
      world().until(handle, EPOLLIN);
      expect(taken(world(), handle)).toBe(1n);
    }
  });

  test('an absolute time to come is a time to wait', () => {
    const handle = timer(world());
    const later = ago(world(), CLOCK_MONOTONIC, -1000);
    expect(set(world(), handle, spec(later), TFD_TIMER_ABSTIME)).toBe(0);
    expect(taken(world(), handle)).toBe('EAGAIN');
    const [, , seconds] = current(world(), handle);
    expect(seconds).toBeGreaterThan(900);
    expect(seconds).toBeLessThanOrEqual(1000);
  });

  test('reading counts every expiration since the last', () => {
    const handle = timer(world(), CLOCK_REALTIME);
    const start = ago(world(), CLOCK_REALTIME, 55);
    expect(set(world(), handle, spec(start, [10, 0]), TFD_TIMER_ABSTIME)).toBe(0);
    world().until(handle, EPOLLIN);
    expect([taken(world(), handle), taken(world(), handle)]).toEqual([6n, 'EAGAIN']);
  });

  test('a periodic timer comes again and again', () => {
    const handle = timer(world());
    set(world(), handle, spec([0, 1], [0, MILLISECOND]));
    for (let round = 0; round < 3; round++) {
      world().until(handle, EPOLLIN);
      expect(taken(world(), handle)).toBeGreaterThanOrEqual(1n);
    }
    expect(current(world(), handle).slice(0, 2)).toEqual([0, MILLISECOND]);
  });

  test('a value of 0 disarms it, and what had expired is forgotten', () => {
    const handle = timer(world());
    set(world(), handle, spec([0, 1], [100, 0]));
    world().until(handle, EPOLLIN);
    expect(set(world(), handle, spec(NEVER, [100, 0]))).toBe(0);
    expect(world().eventsOf(handle, EPOLLIN)).toBe(0);
    expect(taken(world(), handle)).toBe('EAGAIN');
    expect(current(world(), handle).slice(2)).toEqual([0, 0]);
  });

  test('gettime and the old value tell what is left, not what was set', () => {
    const { kernel } = world();
    const handle = timer(world());
    set(world(), handle, spec([1000, 0], [7, 8]));
    const bytes = new Uint8Array(2 * Itimerspec.SIZE);
    bytes.set(spec([5, 6]));
    expect(said(kernel.timerfdSettime(handle, 0, bytes, 0, Itimerspec.SIZE))).toBe(0);
    const [seconds, nanoseconds, left] = new BigInt64Array(bytes.buffer, Itimerspec.SIZE);
    expect([seconds, nanoseconds]).toEqual([7n, 8n]);
    expect(left).toBeGreaterThan(900n);
    expect(left).toBeLessThan(1000n);
    expect(current(world(), handle)[2]).toBeLessThanOrEqual(5);
  });

  test('B8 an old value that has no room is EFAULT, and nothing is set', () => {
    const { kernel } = world();
    const handle = timer(world());
    const bytes = spec([1000, 0]);
    for (const [offset, oldOffset] of [
      [0, 1],
      [0, -2],
      [1, -1],
      [-1, -1],
    ] as const) {
      expect(said(kernel.timerfdSettime(handle, 0, bytes, offset, oldOffset))).toBe('EFAULT');
    }
    expect(said(kernel.timerfdGettime(handle, bytes, 1))).toBe('EFAULT');
    expect(current(world(), handle)).toEqual([0, 0, 0, 0]);
  });

  test('times, flags and clocks that Linux refuses are EINVAL', () => {
    const handle = timer(world());
    expect(set(world(), handle, spec([0, 1_000_000_000]))).toBe('EINVAL');
    expect(set(world(), handle, spec([-1, 0]))).toBe('EINVAL');
    expect(set(world(), handle, spec([1, 0], [0, -1]))).toBe('EINVAL');
    expect(set(world(), handle, spec([1, 0]), 4)).toBe('EINVAL');
    expect(said(world().kernel.timerfdCreate(2))).toBe('EINVAL');
    expect(current(world(), handle)).toEqual([0, 0, 0, 0]);
  });

  test('only a timer is a timer, and it is read 8 bytes at a time', () => {
    const { kernel, room } = world();
    const event = ok(kernel.eventfd(0, 0));
    expect(set(world(), event, spec([1, 0]))).toBe('EINVAL');
    expect(said(kernel.timerfdGettime(event, room, 0))).toBe('EINVAL');
    const handle = timer(world());
    expect(said(kernel.read(handle, room, 0, 7))).toBe('EINVAL');
    expect(said(kernel.write(handle, room, 0, 8))).toBe('EINVAL');
  });

  test('a timer is readable once it has expired, and never writable', () => {
    const handle = timer(world());
    expect(world().eventsOf(handle, EPOLLIN | EPOLLOUT)).toBe(0);
    set(world(), handle, spec([0, 1]));
    world().until(handle, EPOLLIN);
    expect(world().eventsOf(handle, EPOLLIN | EPOLLOUT)).toBe(EPOLLIN);
  });
});
