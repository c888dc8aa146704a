import {
  EPOLLERR,
  EPOLLET,
  EPOLLEXCLUSIVE,
  EPOLLHUP,
  EPOLLIN,
  EPOLLONESHOT,
  EPOLLOUT,
  EPOLLPRI,
  EPOLLRDHUP,
  EPOLL_CTL_ADD,
  EPOLL_CTL_DEL,
  EPOLL_CTL_MOD,
} from '#host/abi/epoll.js';
import { AF_INET } from '#host/address.js';
import { expect, test } from 'vitest';

import { SOCK_DGRAM, everyKernel, ok, said } from './world.js';

/** No handle of any kernel. */
const NO_HANDLE = 0;

everyKernel('epoll_ctl', (world) => {
  test('registers, changes and forgets; what is forgotten is told no more', () => {
    const { near, far } = world().pair();
    const epoll = world().epoll();
    expect(said(world().add(epoll, far, EPOLLIN, 7))).toBe(0);
    expect(world().ready(epoll)).toEqual([]);
    ok(world().send(near, 'x'));
    world().until(far, EPOLLIN);
    expect(world().ready(epoll)).toEqual([{ events: EPOLLIN, data: 7 }]);
    expect(said(world().mod(epoll, far, EPOLLOUT, 8))).toBe(0);
    expect(world().ready(epoll)).toEqual([{ events: EPOLLOUT, data: 8 }]);
    expect(said(world().del(epoll, far))).toBe(0);
    expect(world().ready(epoll)).toEqual([]);
  });

  test('B67 EEXIST for a second ADD, ENOENT for MOD or DEL of what was never added', () => {
    const { near, far } = world().pair();
    const epoll = world().epoll();
    ok(world().add(epoll, near, EPOLLIN));
    expect(said(world().add(epoll, near, EPOLLOUT))).toBe('EEXIST');
    expect(said(world().mod(epoll, far, EPOLLIN))).toBe('ENOENT');
    expect(said(world().del(epoll, far))).toBe('ENOENT');
    ok(world().del(epoll, near));
    expect(said(world().del(epoll, near))).toBe('ENOENT');
    expect(said(world().add(epoll, near, EPOLLIN))).toBe(0);
  });

  test('B64 an operation that is none is EINVAL', () => {
    const { near } = world().pair();
    const epoll = world().epoll();
    for (const op of [0, 4, -1]) {
      expect(said(world().kernel.epollCtl(epoll, op, near, EPOLLIN, 0, 0))).toBe('EINVAL');
    }
  });

  test('B24 a handle that is no epoll is EINVAL, one that is nothing EBADF', () => {
    const { near, far } = world().pair();
    const epoll = world().epoll();
    for (const op of [EPOLL_CTL_ADD, EPOLL_CTL_MOD, EPOLL_CTL_DEL]) {
      const results = [
        world().kernel.epollCtl(near, op, far, EPOLLIN, 0, 0),
        world().kernel.epollCtl(NO_HANDLE, op, far, EPOLLIN, 0, 0),
        world().kernel.epollCtl(epoll, op, NO_HANDLE, EPOLLIN, 0, 0),
      ];
      expect(results.map(said)).toEqual(['EINVAL', 'EBADF', 'EBADF']);
    }
  });

  test('MOD takes each of the 256 combinations of eight flags (LTP epoll_ctl03)', () => {
    const flags = [
      EPOLLIN,
      EPOLLOUT,
      EPOLLPRI,
      EPOLLERR,
      EPOLLHUP,
      EPOLLET,
      EPOLLONESHOT,
      EPOLLRDHUP,
    ];
    const { near } = world().pair();
    const epoll = world().epoll();
    ok(world().add(epoll, near, EPOLLIN));
    for (let set = 0; set < 2 ** flags.length; set++) {
      const events = flags.reduce((sum, flag, bit) => ((set >> bit) & 1 ? sum | flag : sum), 0);
      expect([set, said(world().mod(epoll, near, events))]).toEqual([set, 0]);
    }
  });

  test('E15 sockets of every kind, eventfds and epolls can be watched', () => {
    const { near } = world().pair();
    const watched = [
      near,
      world().listener(),
      world().bound(AF_INET, SOCK_DGRAM),
      ok(world().kernel.eventfd(0, 0)),
      world().epoll(),
    ];
    const epoll = world().epoll();
    expect(watched.map((handle) => said(world().add(epoll, handle, EPOLLIN)))).toEqual([
      0, 0, 0, 0, 0,
    ]);
  });
});

/** Masks with EPOLLEXCLUSIVE, and what ADD answers (E4; B64). */
const EXCLUSIVE = [
  ['IN', EPOLLIN, 0],
  ['OUT', EPOLLOUT, 0],
  ['IN and ET', EPOLLIN | EPOLLET, 0],
  ['ERR and HUP', EPOLLERR | EPOLLHUP, 0],
  ['ONESHOT', EPOLLIN | EPOLLONESHOT, 'EINVAL'],
  ['RDHUP', EPOLLIN | EPOLLRDHUP, 'EINVAL'],
  ['PRI', EPOLLIN | EPOLLPRI, 'EINVAL'],
] as const;

everyKernel('EPOLLEXCLUSIVE', (world) => {
  test.each(EXCLUSIVE)('E4 ADD with %s', (_what, events, expected) => {
    const { near } = world().pair();
    expect(said(world().add(world().epoll(), near, events | EPOLLEXCLUSIVE))).toBe(expected);
  });

  test('E4 MOD of an exclusive entry, or to one, is EINVAL; DEL is well', () => {
    const { near, far } = world().pair();
    const epoll = world().epoll();
    ok(world().add(epoll, near, EPOLLIN | EPOLLEXCLUSIVE));
    ok(world().add(epoll, far, EPOLLIN));
    expect(said(world().mod(epoll, near, EPOLLOUT))).toBe('EINVAL');
    expect(said(world().mod(epoll, far, EPOLLIN | EPOLLEXCLUSIVE))).toBe('EINVAL');
    expect(said(world().del(epoll, near))).toBe(0);
  });

  test('E4 an epoll in an epoll cannot be exclusive', () => {
    const epoll = world().epoll();
    expect(said(world().add(epoll, world().epoll(), EPOLLIN | EPOLLEXCLUSIVE))).toBe('EINVAL');
  });
});

everyKernel('epolls in epolls', (world) => {
  test('E14 B65 not in itself: EINVAL; not in a circle: ELOOP', () => {
    const [one, two, three] = [world().epoll(), world().epoll(), world().epoll()];
    expect(said(world().add(one, one, EPOLLIN))).toBe('EINVAL');
    ok(world().add(one, two, EPOLLIN));
    expect(said(world().add(two, one, EPOLLIN))).toBe('ELOOP');
    ok(world().add(two, three, EPOLLIN));
    expect(said(world().add(three, one, EPOLLIN))).toBe('ELOOP');
  });

  test('E14 five deep and no deeper', () => {
    let inner = world().epoll();
    const results = Array.from({ length: 5 }, () => {
      const outer = world().epoll();
      const result = world().add(outer, inner, EPOLLIN);
      inner = outer;
      return said(result);
    });
    expect(results.slice(0, 4)).toEqual([0, 0, 0, 0]);
    expect(['EINVAL', 'ELOOP']).toContain(results[4]);
  });

  test('an event shows at every level (LTP epoll_wait09)', () => {
    const event = ok(world().kernel.eventfd(0, 0));
    let inner = event;
    const levels = Array.from({ length: 4 }, () => {
      const outer = world().epoll();
      ok(world().add(outer, inner, EPOLLIN));
      inner = outer;
      return outer;
    });
    expect(levels.map((epoll) => world().ready(epoll).length)).toEqual([0, 0, 0, 0]);
    ok(world().kernel.write(event, Uint8Array.from([1, 0, 0, 0, 0, 0, 0, 0]), 0, 8));
    expect(levels.map((epoll) => world().ready(epoll).length)).toEqual([1, 1, 1, 1]);
  });

  /** Outer and inner flag, and what two waits on the outer one report (selftests 17 to 20). */
  test.each([
    ['level over level', 0, 0, [1, 1]],
    ['level over edge', 0, EPOLLET, [1, 1]],
    ['edge over level', EPOLLET, 0, [1, 0]],
    ['edge over edge', EPOLLET, EPOLLET, [1, 0]],
  ])('%s: the outer flag decides', (_what, outerFlag, innerFlag, expected) => {
    const { near, far } = world().pair();
    const [outer, inner] = [world().epoll(), world().epoll()];
    ok(world().add(inner, far, EPOLLIN | innerFlag));
    ok(world().add(outer, inner, EPOLLIN | outerFlag));
    ok(world().send(near, 'x'));
    world().until(far, EPOLLIN);
    expect([world().ready(outer).length, world().ready(outer).length]).toEqual(expected);
  });
});
