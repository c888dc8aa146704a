import {
  CountedEvent,
  EPOLLET,
  EPOLLHUP,
  EPOLLIN,
  EPOLLONESHOT,
  EPOLLOUT,
  EPOLLRDHUP,
  EPOLL_CTL_ADD,
  EpollEvent,
} from '#host/abi/epoll.js';
import { AF_UNIX } from '#host/address.js';
import type { Handle } from '#host/kernel/kernel.js';
import { expect, test } from 'vitest';

import { type World, everyKernel, ok, said } from './world.js';

const INT_MAX = 2 ** 31 - 1;
const CLOCK_MONOTONIC = 1;

/** Sends one byte, and waits until it can be read. */
function arrive(world: World, near: Handle, far: Handle): void {
  ok(world.send(near, 'x'));
  world.until(far, EPOLLIN);
}

/** Nanoseconds that `body` takes by the kernel's own clock. */
function elapsedNs(world: World, body: () => void): number {
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  ok(world.kernel.clockGettime(CLOCK_MONOTONIC, bytes, 0));
  body();
  ok(world.kernel.clockGettime(CLOCK_MONOTONIC, bytes, 8));
  return Number(view.getBigUint64(8, true) - view.getBigUint64(0, true));
}

everyKernel('level-triggered', (world) => {
  test('readiness is told as long as it lasts', () => {
    const { near, far } = world().pair();
    const epoll = world().epoll();
    ok(world().add(epoll, far, EPOLLIN));
    arrive(world(), near, far);
    expect(world().readyHandles(epoll)).toEqual([far]);
    expect(world().readyHandles(epoll)).toEqual([far]);
    expect(world().recv(far)).toBe('x');
    expect(world().readyHandles(epoll)).toEqual([]);
  });

  test('B69 reading and writing are one event', () => {
    const { near, far } = world().pair();
    const epoll = world().epoll();
    ok(world().add(epoll, far, EPOLLIN | EPOLLOUT, 1));
    arrive(world(), near, far);
    expect(world().ready(epoll)).toEqual([{ events: EPOLLIN | EPOLLOUT, data: 1 }]);
  });

  test('one handle in two epolls is told by both (LTP epoll_wait15)', () => {
    const { near, far } = world().pair();
    const epolls = [world().epoll(), world().epoll()];
    for (const epoll of epolls) ok(world().add(epoll, far, EPOLLIN));
    arrive(world(), near, far);
    expect(epolls.map((epoll) => world().readyHandles(epoll))).toEqual([[far], [far]]);
  });
});

everyKernel('edge-triggered', (world) => {
  test('E3 readiness is told when it begins, and again when more comes', () => {
    const { near, far } = world().pair();
    const epoll = world().epoll();
    ok(world().add(epoll, far, EPOLLIN | EPOLLET));
    arrive(world(), near, far);
    expect(world().readyHandles(epoll)).toEqual([far]);
    expect(world().readyHandles(epoll)).toEqual([]);
    arrive(world(), near, far);
    expect(world().readyHandles(epoll)).toEqual([far]);
  });

  test('E3 a read that leaves bytes behind is no event (LTP epoll_wait06)', () => {
    const { near, far } = world().pair();
    const epoll = world().epoll();
    ok(world().send(near, 'four'));
    world().until(far, EPOLLIN);
    ok(world().add(epoll, far, EPOLLIN | EPOLLET));
    expect(world().readyHandles(epoll)).toEqual([far]);
    expect(world().recv(far, 2)).toBe('fo');
    expect(world().readyHandles(epoll)).toEqual([]);
    expect(world().recv(far)).toBe('ur');
  });

  test('E3 MOD re-arms what is still ready', () => {
    const { near, far } = world().pair();
    const epoll = world().epoll();
    ok(world().add(epoll, far, EPOLLIN | EPOLLET));
    arrive(world(), near, far);
    expect(world().readyHandles(epoll)).toEqual([far]);
    ok(world().mod(epoll, far, EPOLLIN | EPOLLET));
    expect(world().readyHandles(epoll)).toEqual([far]);
  });

  test('room to write is an edge when it comes back', () => {
    const { near, far } = world().pair(AF_UNIX);
    const epoll = world().epoll();
    ok(world().add(epoll, near, EPOLLOUT | EPOLLET));
    expect(world().readyHandles(epoll)).toEqual([near]);
    world().fill(near);
    expect(world().readyHandles(epoll)).toEqual([]);
    world().drain(far);
    expect(world().readyHandles(epoll)).toEqual([near]);
  });
});

everyKernel('one-shot', (world) => {
  test('E5 told once; then nothing, not even the end, until MOD re-arms it', () => {
    const { near, far } = world().pair();
    const epoll = world().epoll();
    ok(world().add(epoll, far, EPOLLIN | EPOLLOUT | EPOLLONESHOT, 1));
    expect(world().ready(epoll)).toEqual([{ events: EPOLLOUT, data: 1 }]);
    arrive(world(), near, far);
    expect(world().ready(epoll)).toEqual([]);
    world().reset(near);
    world().until(far, EPOLLHUP);
    expect(world().ready(epoll)).toEqual([]);
    ok(world().mod(epoll, far, EPOLLIN | EPOLLONESHOT, 2));
    const [ready] = world().ready(epoll);
    expect([ready.data, ready.events & (EPOLLIN | EPOLLHUP)]).toEqual([2, EPOLLIN | EPOLLHUP]);
    expect(world().ready(epoll)).toEqual([]);
  });

  test('E5 re-armed with MOD, what is pending is told at once', () => {
    const { near, far } = world().pair();
    const epoll = world().epoll();
    ok(world().add(epoll, far, EPOLLIN | EPOLLONESHOT));
    for (let round = 0; round < 3; round++) {
      arrive(world(), near, far);
      expect(world().readyHandles(epoll)).toEqual([far]);
      expect(world().readyHandles(epoll)).toEqual([]);
      ok(world().mod(epoll, far, EPOLLIN | EPOLLONESHOT));
    }
  });
});

everyKernel('a wait', (world) => {
  test('B68 carries data to the last bit', () => {
    const { kernel } = world();
    const epoll = world().epoll();
    const event = ok(kernel.eventfd(1, 0));
    ok(kernel.epollCtl(epoll, EPOLL_CTL_ADD, event, EPOLLIN, 0xfedc_ba98, 0x8765_4321));
    const bytes = new Uint8Array(EpollEvent.SIZE).fill(0xff);
    expect(said(kernel.epollPwait(epoll, bytes, 0, 1, 0))).toBe(1);
    const view = new DataView(bytes.buffer);
    expect(view.getBigUint64(8, true)).toBe(0x8765_4321_fedc_ba98n);
    expect(view.getBigUint64(0, true)).toBe(BigInt(EPOLLIN));
  });

  test('of a counting epoll tells FIONREAD of the handle that data names, whatever it waits by', () => {
    const { kernel } = world();
    const epoll = ok(kernel.epollCreate1(1));
    const { near, far } = world().pair();
    const { near: open } = world().pair();
    const event = ok(kernel.eventfd(1, 0));
    const gone = ok(kernel.eventfd(1, 0));
    ok(kernel.close(gone));
    ok(world().send(near, 'seven b'));
    world().until(far, EPOLLIN);
    const watched = [
      [far, EPOLLIN, far],
      // Not readable; of no kind that FIONREAD knows; a handle that is closed.
      [open, EPOLLIN | EPOLLOUT, far],
      [event, EPOLLIN, event],
      [near, EPOLLOUT, far],
      [ok(kernel.dup(event)), EPOLLIN, gone],
    ];
    watched.forEach(([handle, events, named], index) =>
      ok(kernel.epollCtl(epoll, EPOLL_CTL_ADD, handle, events, index, named)),
    );
    const bytes = new ArrayBuffer(CountedEvent.SIZE * watched.length);
    const view = new DataView(bytes);
    const waits = [
      () => kernel.epollPwait(epoll, bytes, 0, watched.length, -1),
      () => kernel.epollPwait2(epoll, bytes, 0, watched.length, 0, 1),
    ];
    for (const wait of waits) {
      new Uint8Array(bytes).fill(0xff);
      expect(said(wait())).toBe(watched.length);
      const counted = watched.map((): number => -1);
      for (let at = 0; at < bytes.byteLength; at += CountedEvent.SIZE) {
        counted[CountedEvent.data.lo(view, at)] = CountedEvent.readableBytes.get(view, at);
      }
      expect(counted).toEqual([7, 0, 0, 0, 0]);
    }
  });

  test('B66 needs room: 0, fewer, and more than Linux takes are EINVAL', () => {
    const { kernel, room } = world();
    const epoll = world().epoll();
    for (const maxevents of [0, -1, INT_MAX, 2 ** 31]) {
      expect(said(kernel.epollPwait(epoll, room, 0, maxevents, 0))).toBe('EINVAL');
      expect(said(kernel.epollPwait2(epoll, room, 0, maxevents, 0, 0))).toBe('EINVAL');
    }
  });

  test('on what is no epoll is EINVAL, on nothing EBADF (LTP epoll_wait03)', () => {
    const { kernel, room } = world();
    const { near } = world().pair();
    expect(said(kernel.epollPwait(near, room, 0, 1, 0))).toBe('EINVAL');
    expect(said(kernel.epollPwait(0, room, 0, 1, 0))).toBe('EBADF');
  });

  test('E12 B59 never ends early, however short (epoll_pwait2: to the nanosecond)', () => {
    const { kernel, room } = world();
    const epoll = world().epoll();
    const waits: (readonly [atLeastNs: number, wait: () => number])[] = [
      [0, () => kernel.epollPwait(epoll, room, 0, 1, 0)],
      [1e6, () => kernel.epollPwait(epoll, room, 0, 1, 1)],
      [20e6, () => kernel.epollPwait(epoll, room, 0, 1, 20)],
      [1, () => kernel.epollPwait2(epoll, room, 0, 1, 0, 1)],
      [999_999, () => kernel.epollPwait2(epoll, room, 0, 1, 0, 999_999)],
      [10e6, () => kernel.epollPwait2(epoll, room, 0, 1, 0, 10_000_000)],
    ];
    for (const [atLeastNs, wait] of waits) {
      let result = -1;
      const tookNs = elapsedNs(world(), () => {
        result = wait();
      });
      expect(result).toBe(0);
      expect(tookNs).toBeGreaterThanOrEqual(atLeastNs);
    }
  });

  test('E12 a time that is none is EINVAL', () => {
    const { kernel, room } = world();
    const epoll = world().epoll();
    for (const [seconds, nanoseconds] of [
      [0, 1e9],
      [0, -1],
      [-2, 0],
    ] as const) {
      const result = kernel.epollPwait2(epoll, room, 0, 1, seconds, nanoseconds);
      expect([seconds, nanoseconds, said(result)]).toEqual([seconds, nanoseconds, 'EINVAL']);
    }
  });

  test('E12 a wait of 2^32 + 5 ms is no wait of 5', () => {
    const { kernel, room } = world();
    const epoll = world().epoll();
    ok(world().add(epoll, ok(kernel.eventfd(1, 0)), EPOLLIN));
    expect(said(kernel.epollPwait(epoll, room, 0, 1, 2 ** 32 + 5))).toBe(1);
  });

  test('tells no more than asked for, all in turn, the quiet never (LTP epoll_wait13)', () => {
    const epoll = world().epoll();
    const loud = Array.from({ length: 13 }, () => ok(world().kernel.eventfd(1, 0)));
    const quiet = Array.from({ length: 5 }, () => ok(world().kernel.eventfd(0, 0)));
    for (const event of [...loud, ...quiet]) ok(world().add(epoll, event, EPOLLIN));
    const counts = new Map<Handle, number>();
    for (let round = 0; round < 13; round++) {
      const ready = world().ready(epoll, 3);
      expect(ready).toHaveLength(3);
      for (const { data } of ready) counts.set(data, (counts.get(data) ?? 0) + 1);
    }
    // E23: 39 reports over 13 handles that are always ready: three each.
    expect([...counts.entries()].toSorted(([a], [b]) => a - b)).toEqual(
      loud.toSorted((a, b) => a - b).map((handle) => [handle, 3]),
    );
  });
});

everyKernel('a closed handle', (world) => {
  test('E1 leaves no registration behind', () => {
    const { near, far } = world().pair();
    const epoll = world().epoll();
    ok(world().add(epoll, far, EPOLLIN | EPOLLRDHUP));
    ok(world().send(near, 'x'));
    world().until(far, EPOLLIN);
    ok(world().kernel.close(far));
    expect(world().ready(epoll)).toEqual([]);
    expect(said(world().del(epoll, far))).toBe('EBADF');
  });

  test('E2 is not told in the place of the one that took its number', () => {
    const epoll = world().epoll();
    const listener = world().listener();
    for (let round = 0; round < 20; round++) {
      const old = world().pair(undefined, listener);
      ok(world().add(epoll, old.far, EPOLLIN, round));
      ok(world().send(old.near, 'x'));
      world().until(old.far, EPOLLIN);
      ok(world().kernel.close(old.far));
      const next = world().pair(undefined, listener);
      ok(world().add(epoll, next.far, EPOLLIN, 1000 + round));
      expect(world().ready(epoll)).toEqual([]);
      ok(world().kernel.close(next.far));
    }
  });

  test('an epoll that is closed forgets all, and the handles live on', () => {
    const { near, far } = world().pair();
    const epoll = world().epoll();
    ok(world().add(epoll, far, EPOLLIN));
    ok(world().kernel.close(epoll));
    expect(said(world().add(epoll, near, EPOLLIN))).toBe('EBADF');
    const again = world().epoll();
    expect(said(world().add(again, far, EPOLLIN))).toBe(0);
  });
});
