/** eventfd, socket options, clocks, chance and stdio. */
import { EPOLLIN, EPOLLOUT } from '#host/abi/epoll.js';
import { AF_INET } from '#host/address.js';
import { expect, test } from 'vitest';

import {
  SOCK_DGRAM,
  SOCK_STREAM,
  SOL_SOCKET,
  SO_ERROR,
  SO_LINGER,
  SO_SNDBUF,
  type World,
  everyKernel,
  ok,
  said,
} from './world.js';

const EFD_SEMAPHORE = 1;
const U64_MAX = 2n ** 64n - 1n;

/** Adds to an eventfd. */
function add(world: World, event: number, value: bigint): number | string {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, value, true);
  return said(world.kernel.write(event, bytes, 0, 8));
}

/** Takes from an eventfd: the value, or the name of the error. */
function take(world: World, event: number): bigint | string {
  const bytes = new Uint8Array(8);
  const result = said(world.kernel.read(event, bytes, 0, 8));
  return result === 8 ? new DataView(bytes.buffer).getBigUint64(0, true) : String(result);
}

everyKernel('eventfd', (world) => {
  test('adds up what is written; a read takes all, then there is nothing', () => {
    const event = ok(world().kernel.eventfd(3, 0));
    expect([add(world(), event, 4n), add(world(), event, 0n)]).toEqual([8, 8]);
    expect([take(world(), event), take(world(), event)]).toEqual([7n, 'EAGAIN']);
  });

  test('as a semaphore gives one at a time', () => {
    const event = ok(world().kernel.eventfd(2, EFD_SEMAPHORE));
    const taken = [1, 2, 3].map(() => take(world(), event));
    expect(taken).toEqual([1n, 1n, 'EAGAIN']);
  });

  test('holds 2^64 - 2: what would be more waits, and is not writable', () => {
    const event = ok(world().kernel.eventfd(0, 0));
    expect(add(world(), event, U64_MAX)).toBe('EINVAL');
    expect(add(world(), event, U64_MAX - 1n)).toBe(8);
    expect(add(world(), event, 1n)).toBe('EAGAIN');
    expect(world().eventsOf(event, EPOLLIN | EPOLLOUT)).toBe(EPOLLIN);
    expect(take(world(), event)).toBe(U64_MAX - 1n);
    expect(add(world(), event, 1n)).toBe(8);
  });

  test('is read and written 8 bytes at a time, no fewer', () => {
    const { kernel, room } = world();
    const event = ok(kernel.eventfd(1, 0));
    expect(said(kernel.read(event, room, 0, 7))).toBe('EINVAL');
    expect(said(kernel.write(event, room, 0, 7))).toBe('EINVAL');
    expect(said(kernel.recv(event, room, 0, 8, 0))).toBe('ENOTSOCK');
  });

  test('starts with any number of 32 bits, and knows no other flags', () => {
    const event = ok(world().kernel.eventfd(0xffff_ffff, 0));
    expect(take(world(), event)).toBe(0xffff_ffffn);
    expect(said(world().kernel.eventfd(0, 0x40))).toBe('EINVAL');
  });
});

/** Reads an integer option; an error by its name. */
function option(world: World, handle: number, level: number, name: number): number | string {
  const bytes = new Uint8Array(4);
  const size = said(world.kernel.getsockopt(handle, level, name, bytes, 0, 4));
  return size === 4 ? new DataView(bytes.buffer).getInt32(0, true) : size;
}

/** Sets an integer option. */
function set(
  world: World,
  handle: number,
  level: number,
  name: number,
  value: number,
): number | string {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setInt32(0, value, true);
  return said(world.kernel.setsockopt(handle, level, name, bytes, 0, 4));
}

const SO_REUSEADDR = 2;
const SO_TYPE = 3;
const SO_ACCEPTCONN = 30;
const IPPROTO_TCP = 6;
const TCP_NODELAY = 1;

everyKernel('socket options', (world) => {
  test('are read as they were set', () => {
    const socket = ok(world().kernel.socket(AF_INET, SOCK_STREAM, 0));
    for (const [level, name] of [
      [SOL_SOCKET, SO_REUSEADDR],
      [IPPROTO_TCP, TCP_NODELAY],
    ] as const) {
      expect(option(world(), socket, level, name)).toBe(0);
      expect(set(world(), socket, level, name, 1)).toBe(0);
      expect(option(world(), socket, level, name)).toBe(1);
    }
  });

  test('tell the type, an error, and whether a socket listens', () => {
    const listener = world().listener();
    const datagram = world().bound(AF_INET, SOCK_DGRAM);
    expect(option(world(), listener, SOL_SOCKET, SO_TYPE)).toBe(SOCK_STREAM);
    expect(option(world(), datagram, SOL_SOCKET, SO_TYPE)).toBe(SOCK_DGRAM);
    expect(option(world(), listener, SOL_SOCKET, SO_ACCEPTCONN)).toBe(1);
    expect(option(world(), datagram, SOL_SOCKET, SO_ACCEPTCONN)).toBe(0);
    expect(option(world(), datagram, SOL_SOCKET, SO_ERROR)).toBe(0);
  });

  test('Linux doubles a buffer size, and keeps it within its bounds', () => {
    const socket = ok(world().kernel.socket(AF_INET, SOCK_STREAM, 0));
    expect(set(world(), socket, SOL_SOCKET, SO_SNDBUF, 16_384)).toBe(0);
    expect(option(world(), socket, SOL_SOCKET, SO_SNDBUF)).toBe(32_768);
    expect(set(world(), socket, SOL_SOCKET, SO_SNDBUF, 2 ** 31 - 1)).toBe(0);
    expect(option(world(), socket, SOL_SOCKET, SO_SNDBUF)).toBeLessThan(2 ** 31 - 1);
  });

  test('accepted sockets have their listener’s TCP_NODELAY', () => {
    const listener = world().listener();
    expect(set(world(), listener, IPPROTO_TCP, TCP_NODELAY, 1)).toBe(0);
    const { far } = world().pair(AF_INET, listener);
    expect(option(world(), far, IPPROTO_TCP, TCP_NODELAY)).toBe(1);
  });

  test('B44 unknown levels and names are refused, short values EINVAL', () => {
    const { kernel, room } = world();
    const socket = ok(kernel.socket(AF_INET, SOCK_STREAM, 0));
    expect(option(world(), socket, SOL_SOCKET, 9999)).toBe('ENOPROTOOPT');
    expect(set(world(), socket, SOL_SOCKET, 9999, 1)).toBe('ENOPROTOOPT');
    expect(option(world(), socket, 9999, 1)).toBe('EOPNOTSUPP');
    expect(said(kernel.setsockopt(socket, SOL_SOCKET, SO_LINGER, room, 0, 4))).toBe('EINVAL');
    expect(said(kernel.setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, room, 0, 1))).toBe('EINVAL');
  });
});

const CLOCK_REALTIME = 0;
const CLOCK_MONOTONIC = 1;
const CLOCK_THREAD_CPUTIME_ID = 3;

function nanoseconds(world: World, clock: number): bigint {
  const bytes = new Uint8Array(8);
  ok(world.kernel.clockGettime(clock, bytes, 0));
  return new DataView(bytes.buffer).getBigUint64(0, true);
}

everyKernel('clocks', (world) => {
  test('the real one agrees with the calendar, within seconds', () => {
    const offNs = nanoseconds(world(), CLOCK_REALTIME) - BigInt(Date.now()) * 1_000_000n;
    expect(Math.abs(Number(offNs))).toBeLessThan(5e9);
  });

  test.each([CLOCK_MONOTONIC, CLOCK_THREAD_CPUTIME_ID])('clock %i never goes back', (clock) => {
    const times = Array.from({ length: 1000 }, () => nanoseconds(world(), clock));
    expect(times).toEqual(times.toSorted((a, b) => Number(a - b)));
    expect(times.at(-1)).toBeGreaterThan(times[0]);
  });

  test('have a resolution; what is no clock is EINVAL', () => {
    const { kernel } = world();
    const bytes = new Uint8Array(8);
    ok(kernel.clockGetres(CLOCK_MONOTONIC, bytes, 0));
    expect(new DataView(bytes.buffer).getBigUint64(0, true)).toBeGreaterThan(0n);
    expect(said(kernel.clockGettime(99, bytes, 0))).toBe('EINVAL');
    expect(said(kernel.clockGetres(99, bytes, 0))).toBe('EINVAL');
  });
});

everyKernel('chance', (world) => {
  test('fills the range and no byte more', () => {
    const bytes = new Uint8Array(4096);
    expect(said(world().kernel.getrandom(bytes, 1024, 2048))).toBe(0);
    expect(bytes.subarray(0, 1024).every((byte) => byte === 0)).toBe(true);
    expect(bytes.subarray(3072).every((byte) => byte === 0)).toBe(true);
    // 2,048 random bytes with fewer than 200 different values: less likely than 1 in 10^100.
    expect(new Set(bytes.subarray(1024, 3072)).size).toBeGreaterThan(200);
  });

  test('does not repeat itself', () => {
    const draws = Array.from({ length: 100 }, () => {
      const bytes = new Uint8Array(16);
      ok(world().kernel.getrandom(bytes, 0, 16));
      return Buffer.from(bytes).toString('hex');
    });
    expect(new Set(draws).size).toBe(100);
  });
});

everyKernel('the rest', (world) => {
  test('giving way is no error', () => {
    expect(said(world().kernel.schedYield())).toBe(0);
  });

  test('stdio is 0, 1 and 2, and says what it is', () => {
    const { kernel } = world();
    const err = ok(kernel.stdio(2));
    expect(kernel.fstat(err)).toBeGreaterThan(0);
    expect([0, 1]).toContain(kernel.isatty(err));
    expect(said(kernel.stdio(3))).toBe('EBADF');
    expect(said(kernel.stdio(-1))).toBe('EBADF');
  });

  test('a closed handle is closed once', () => {
    const event = ok(world().kernel.eventfd(0, 0));
    const results = [world().kernel.close(event), world().kernel.close(event)];
    expect(results.map(said)).toEqual([0, 'EBADF']);
  });
});
