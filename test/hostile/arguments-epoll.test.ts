import { describe, expect, test } from 'vitest';

import {
  EFD_NONBLOCK,
  EFD_SEMAPHORE,
  EPOLLERR,
  EPOLLET,
  EPOLLEXCLUSIVE,
  EPOLLHUP,
  EPOLLIN,
  EPOLLONESHOT,
  EPOLLOUT,
  EPOLLPRI,
  EPOLLRDHUP,
  EPOLLWAKEUP,
  EPOLL_CTL_ADD as ADD,
  EPOLL_CTL_DEL as DEL,
  EPOLL_CTL_MOD as MOD,
} from '#host/abi/epoll.js';
import { Errno } from '#host/errno.js';

import { type Driven, withDriven } from '../support/driven.js';
import { PAGE_BYTES } from '../support/driver.js';
import { MEMORY_END } from '../support/scene.js';
import { epollCtl, epollWait } from '../support/structs.js';

const OUT = PAGE_BYTES + 0xe000;
const EVENT = PAGE_BYTES + 0x7000;
const EVENTS = PAGE_BYTES + 0x8000;
const { INVAL, EXIST, NOENT, BADF, FAULT, LOOP } = Errno;

async function opened(driven: Driven, name: string, ...args: number[]): Promise<number> {
  expect([name, await driven.call(name, ...args, OUT)]).toEqual([name, 0]);
  return driven.u32(OUT);
}

const epoll = (driven: Driven): Promise<number> => opened(driven, 'epoll_create1', 0);
const eventfd = (driven: Driven, initval = 1, flags = 0): Promise<number> =>
  opened(driven, 'eventfd', initval, EFD_NONBLOCK | flags);

async function withEpoll(
  body: (driven: Driven, epfd: number, event: number) => Promise<void>,
): Promise<void> {
  await withDriven({}, async (driven) => body(driven, await epoll(driven), await eventfd(driven)));
}

describe('epoll_ctl', () => {
  test('B64: unknown operations are INVAL', () =>
    withEpoll(async (driven, epfd, event) => {
      for (const op of [0, 4, -1, 2 ** 31, 2 ** 32 - 1, 0x101]) {
        expect([op, await epollCtl(driven, epfd, op, event, EPOLLIN)]).toEqual([op, INVAL]);
      }
      expect(await epollWait(driven, epfd)).toEqual([]);
    }));

  test('B64, E24: unknown event bits are INVAL, all bits too; nothing is registered', () =>
    withEpoll(async (driven, epfd, event) => {
      for (const events of [2 ** 32 - 1, 0x20, 0x800, 0x1000, 0x4000, 1 << 26, 1 << 27]) {
        expect([events, await epollCtl(driven, epfd, ADD, event, events)]).toEqual([events, INVAL]);
      }
      expect(await epollCtl(driven, epfd, DEL, event)).toBe(NOENT);
    }));

  test('B64: no event bits register, and report nothing of what was not asked for', () =>
    withEpoll(async (driven, epfd, event) => {
      expect(await epollCtl(driven, epfd, ADD, event, 0)).toBe(0);
      expect(await epollWait(driven, epfd)).toEqual([]);
      expect(await epollCtl(driven, epfd, MOD, event, EPOLLIN, 5n)).toBe(0);
      expect(await epollWait(driven, epfd)).toEqual([{ events: EPOLLIN, data: 5n }]);
    }));

  test.each([
    ['IN', EPOLLIN, 0],
    ['IN|OUT|ERR|HUP', EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP, 0],
    ['ET', EPOLLIN | EPOLLET, 0],
    ['WAKEUP', EPOLLIN | EPOLLWAKEUP, 0],
    ['ONESHOT', EPOLLIN | EPOLLONESHOT, INVAL],
    ['RDHUP', EPOLLIN | EPOLLRDHUP, INVAL],
    ['PRI', EPOLLIN | EPOLLPRI, INVAL],
  ])('B64, E4: ADD with EXCLUSIVE and %s', (_name, events, expected) =>
    withEpoll(async (driven, epfd, event) => {
      expect(await epollCtl(driven, epfd, ADD, event, EPOLLEXCLUSIVE | events)).toBe(expected);
      if (expected !== 0) return;
      // Such a registration can be deleted, never modified.
      expect(await epollCtl(driven, epfd, MOD, event, EPOLLIN)).toBe(INVAL);
      expect(await epollCtl(driven, epfd, DEL, event)).toBe(0);
      expect(await epollCtl(driven, epfd, ADD, event, EPOLLIN)).toBe(0);
      expect(await epollCtl(driven, epfd, MOD, event, EPOLLIN | EPOLLEXCLUSIVE)).toBe(INVAL);
    }),
  );

  test('B64, E4: EXCLUSIVE on an epoll is INVAL', () =>
    withEpoll(async (driven, epfd) => {
      const inner = await epoll(driven);
      expect(await epollCtl(driven, epfd, ADD, inner, EPOLLIN | EPOLLEXCLUSIVE)).toBe(INVAL);
      expect(await epollCtl(driven, epfd, ADD, inner, EPOLLIN)).toBe(0);
    }));

  test('B64: WAKEUP is accepted and ignored', () =>
    withEpoll(async (driven, epfd, event) => {
      expect(await epollCtl(driven, epfd, ADD, event, EPOLLIN | EPOLLWAKEUP, 9n)).toBe(0);
      expect(await epollWait(driven, epfd)).toEqual([{ events: EPOLLIN, data: 9n }]);
    }));

  test('B65, E14: itself is INVAL, a circle of two or three is LOOP', () =>
    withEpoll(async (driven, epfd) => {
      expect(await epollCtl(driven, epfd, ADD, epfd, EPOLLIN)).toBe(INVAL);
      const second = await epoll(driven);
      const third = await epoll(driven);
      expect(await epollCtl(driven, epfd, ADD, second, EPOLLIN)).toBe(0);
      expect(await epollCtl(driven, second, ADD, epfd, EPOLLIN)).toBe(LOOP);
      expect(await epollCtl(driven, second, ADD, third, EPOLLIN)).toBe(0);
      expect(await epollCtl(driven, third, ADD, epfd, EPOLLIN)).toBe(LOOP);
      expect(await epollWait(driven, epfd)).toEqual([]);
    }));

  test('B65, E14: epolls in epolls report, and end at the depth that Linux has', () =>
    withEpoll(async (driven, epfd, event) => {
      expect(await epollCtl(driven, epfd, ADD, event, EPOLLIN)).toBe(0);
      let inner = epfd;
      const answers: number[] = [];
      for (let depth = 0; depth < 6; depth++) {
        const outer = await epoll(driven);
        answers.push(await epollCtl(driven, outer, ADD, inner, EPOLLIN, BigInt(depth)));
        if (answers.at(-1) !== 0) break;
        expect(await epollWait(driven, outer)).toEqual([{ events: EPOLLIN, data: BigInt(depth) }]);
        inner = outer;
      }
      expect(answers.at(-1)).toBe(LOOP);
      expect(answers.length).toBeGreaterThan(3);
    }));

  test('B67: ADD twice, MOD and DEL of what is not there, and of what is closed', () =>
    withEpoll(async (driven, epfd, event) => {
      expect(await epollCtl(driven, epfd, MOD, event, EPOLLIN)).toBe(NOENT);
      expect(await epollCtl(driven, epfd, DEL, event)).toBe(NOENT);
      expect(await epollCtl(driven, epfd, ADD, event, EPOLLIN, 1n)).toBe(0);
      expect(await epollCtl(driven, epfd, ADD, event, EPOLLOUT, 2n)).toBe(EXIST);
      expect(await epollWait(driven, epfd)).toEqual([{ events: EPOLLIN, data: 1n }]);
      expect(await driven.call('fd_close', event)).toBe(0);
      expect(await epollWait(driven, epfd)).toEqual([]);
      for (const op of [ADD, MOD, DEL]) {
        expect(await epollCtl(driven, epfd, op, event, EPOLLIN)).toBe(BADF);
      }
    }));

  test('B67, B29, E1: a number taken again has no registration and no old event', () =>
    withEpoll(async (driven, epfd, event) => {
      expect(await epollCtl(driven, epfd, ADD, event, EPOLLIN, 1n)).toBe(0);
      expect(await driven.call('fd_close', event)).toBe(0);
      expect(await eventfd(driven, 1)).toBe(event);
      expect(await epollWait(driven, epfd)).toEqual([]);
      expect(await epollCtl(driven, epfd, MOD, event, EPOLLIN, 2n)).toBe(NOENT);
      expect(await epollCtl(driven, epfd, ADD, event, EPOLLIN, 3n)).toBe(0);
      expect(await epollWait(driven, epfd)).toEqual([{ events: EPOLLIN, data: 3n }]);
    }));

  test('B67: a registration moves with its descriptor; what is renumbered over is gone', () =>
    withEpoll(async (driven, epfd, event) => {
      const other = await eventfd(driven, 1);
      expect(await epollCtl(driven, epfd, ADD, event, EPOLLIN, 1n)).toBe(0);
      expect(await epollCtl(driven, epfd, ADD, other, EPOLLIN, 2n)).toBe(0);
      expect(await driven.call('fd_renumber', event, other)).toBe(0);
      expect(await epollWait(driven, epfd)).toEqual([{ events: EPOLLIN, data: 1n }]);
      expect(await epollCtl(driven, epfd, MOD, event, EPOLLIN)).toBe(BADF);
      expect(await epollCtl(driven, epfd, MOD, other, EPOLLIN, 4n)).toBe(0);
      expect(await epollWait(driven, epfd)).toEqual([{ events: EPOLLIN, data: 4n }]);
      // And the epoll itself.
      const target = await eventfd(driven, 0);
      expect(await driven.call('fd_renumber', epfd, target)).toBe(0);
      expect(await epollWait(driven, target)).toEqual([{ events: EPOLLIN, data: 4n }]);
      expect(await epollCtl(driven, epfd, DEL, other)).toBe(BADF);
    }));

  test('DEL reads no event: its pointer may be anything', () =>
    withEpoll(async (driven, epfd, event) => {
      for (const pointer of [0, MEMORY_END, 2 ** 31, -1]) {
        expect(await epollCtl(driven, epfd, ADD, event, EPOLLIN)).toBe(0);
        expect(await driven.call('epoll_ctl', epfd, DEL, event, pointer)).toBe(0);
      }
      expect(await driven.call('epoll_ctl', epfd, ADD, event, -1)).toBe(FAULT);
    }));
});

describe('epoll_wait and epoll_pwait2', () => {
  const wait = (driven: Driven, epfd: number, maxevents: number) =>
    driven.calls([
      ['epoll_wait', epfd, EVENTS, maxevents, 0, OUT],
      ['epoll_pwait2', epfd, EVENTS, maxevents, EVENT, OUT],
    ]);

  test('B5, B66: maxevents 0, −1, 2^31 and what wraps', () =>
    withEpoll(async (driven, epfd, event) => {
      await epollCtl(driven, epfd, ADD, event, EPOLLIN);
      await driven.call('memory.fill', EVENT, 0, 16);
      await driven.call('memory.fill', EVENTS, 0xa5, 0x1000);
      for (const maxevents of [0, -1, -2, 2 ** 31, 2 ** 31 - 1, 0x1000_0000]) {
        expect([maxevents, ...(await wait(driven, epfd, maxevents))]).toEqual([
          maxevents,
          INVAL,
          INVAL,
        ]);
      }
      for (const maxevents of [178_956_970, 0x0800_0000, 0x0100_0001, PAGE_BYTES]) {
        expect([maxevents, ...(await wait(driven, epfd, maxevents))]).toEqual([
          maxevents,
          FAULT,
          FAULT,
        ]);
      }
      // Of two errors Linux tells of the descriptor.
      for (const maxevents of [0, -1, PAGE_BYTES]) {
        expect([maxevents, ...(await wait(driven, -1, maxevents))]).toEqual([
          maxevents,
          BADF,
          BADF,
        ]);
      }
      expect(await driven.call('dirty', EVENTS, EVENTS + 0x1000, 0xa5)).toBe(-1);
      expect(await epollWait(driven, epfd)).toHaveLength(1);
    }));

  test('B66: as many as fit into memory, and one event of them: the rest stays as it was', () =>
    withEpoll(async (driven, epfd, event) => {
      await epollCtl(driven, epfd, ADD, event, EPOLLIN);
      await driven.call('memory.fill', EVENTS, 0xa5, MEMORY_END - EVENTS);
      const all = (MEMORY_END - EVENTS) / 16;
      const n = PAGE_BYTES;
      expect(await driven.call('epoll_wait', epfd, EVENTS, all, 0, n)).toBe(0);
      expect(await driven.u32(n)).toBe(1);
      expect(await driven.call('dirty', EVENTS + 16, MEMORY_END, 0xa5)).toBe(-1);
      expect(await driven.call('epoll_wait', epfd, EVENTS, all + 1, 0, n)).toBe(FAULT);
    }));

  test('B59, E12: timespecs that are none are INVAL; 0, 1 ns and a long one', () =>
    withEpoll(async (driven, epfd, event) => {
      const wait2 = async (seconds: bigint, nanoseconds: bigint): Promise<number> => {
        await driven.calls([
          ['store64', EVENT, seconds],
          ['store64', EVENT + 8, nanoseconds],
        ]);
        return driven.call('epoll_pwait2', epfd, EVENTS, 8, EVENT, OUT);
      };
      for (const nanoseconds of [10n ** 9n, 2n ** 32n, -1n, 2n ** 63n]) {
        expect(await wait2(0n, nanoseconds)).toBe(INVAL);
      }
      for (const seconds of [-1n, 2n ** 63n]) expect(await wait2(seconds, 0n)).toBe(INVAL);
      for (const nanoseconds of [0n, 1n, 999_999n]) {
        expect(await wait2(0n, nanoseconds)).toBe(0);
        expect(await driven.u32(OUT)).toBe(0);
      }
      await epollCtl(driven, epfd, ADD, event, EPOLLIN);
      for (const seconds of [1n, 4_294_968n, 2n ** 31n, 2n ** 32n, 2n ** 63n - 1n]) {
        expect([seconds, await wait2(seconds, 999_999_999n)]).toEqual([seconds, 0]);
        expect(await driven.u32(OUT)).toBe(1);
      }
    }));

  test('B59: 2^32 ms + 5 ms is not 5 ms; negative time-outs are for ever', async () => {
    await withDriven({}, async (driven) => {
      const epfd = await epoll(driven);
      const { fd, peer } = await driven.accept();
      await epollCtl(driven, epfd, ADD, fd, EPOLLIN | EPOLLET);
      await driven.calls([
        ['store64', EVENT, 4_294_967n],
        ['store64', EVENT + 8, 301_000_000n],
      ]);
      const waits = [
        ['epoll_pwait2', epfd, EVENTS, 8, EVENT, OUT],
        ['epoll_pwait2', epfd, EVENTS, 8, 0, OUT],
        ['epoll_wait', epfd, EVENTS, 8, -1, OUT],
        ['epoll_wait', epfd, EVENTS, 8, -5, OUT],
        ['epoll_wait', epfd, EVENTS, 8, 2 ** 31 - 1, OUT],
      ] as const;
      for (const [name, ...args] of waits) {
        const waited = driven.start(name, ...args);
        // Longer than what a wrong conversion makes of it; it is the answer that tells.
        setTimeout(() => peer.write('x'), 15);
        expect(await waited).toBe(0);
        expect(await driven.u32(OUT)).toBe(1);
      }
    });
  });

  test('B68: all 64 bits of data come back', () =>
    withEpoll(async (driven, epfd, event) => {
      expect(await epollCtl(driven, epfd, ADD, event, EPOLLIN)).toBe(0);
      for (const data of [2n ** 64n - 1n, 2n ** 63n, 2n ** 53n + 1n, 2n ** 32n, 1n, 0n]) {
        expect(await epollCtl(driven, epfd, MOD, event, EPOLLIN, data)).toBe(0);
        expect(await epollWait(driven, epfd)).toEqual([{ events: EPOLLIN, data }]);
      }
    }));

  test('B69: IN and OUT of one registration are one event', () =>
    withEpoll(async (driven, epfd, event) => {
      expect(await epollCtl(driven, epfd, ADD, event, EPOLLIN | EPOLLOUT, 7n)).toBe(0);
      expect(await epollWait(driven, epfd)).toEqual([{ events: EPOLLIN | EPOLLOUT, data: 7n }]);
    }));

  test('B10: the count may stand in the events: it is written last', () =>
    withEpoll(async (driven, epfd, event) => {
      await epollCtl(driven, epfd, ADD, event, EPOLLIN, 2n ** 64n - 1n);
      for (const n of [EVENTS, EVENTS + 2, EVENTS + 8]) {
        expect(await driven.call('epoll_wait', epfd, EVENTS, 4, 0, n)).toBe(0);
        expect(await driven.u32(n)).toBe(1);
      }
    }));

  test.each([
    ['ONESHOT', EPOLLONESHOT],
    ['ET', EPOLLET],
  ])('B7: a call with a bad pointer takes no %s event', (_name, flag) =>
    withEpoll(async (driven, epfd, event) => {
      await epollCtl(driven, epfd, ADD, event, EPOLLIN | flag, 3n);
      await driven.call('memory.fill', EVENT, 0, 16);
      expect(
        await driven.calls([
          ['epoll_wait', epfd, EVENTS, 8, 0, MEMORY_END - 3],
          ['epoll_wait', epfd, MEMORY_END - 15, 1, 0, OUT],
          ['epoll_wait', epfd, EVENTS, 0, 0, OUT],
          ['epoll_pwait2', epfd, EVENTS, 8, EVENT, -1],
          ['epoll_pwait2', epfd, EVENTS, 8, MEMORY_END - 8, OUT],
          ['poll_oneoff', PAGE_BYTES, MEMORY_END - 31, 1, OUT],
        ]),
      ).toEqual([FAULT, FAULT, INVAL, FAULT, FAULT, FAULT]);
      expect(await epollWait(driven, epfd)).toEqual([{ events: EPOLLIN, data: 3n }]);
      expect(await epollWait(driven, epfd)).toEqual([]);
    }),
  );
});

describe('eventfd', () => {
  test('values: full is AGAIN, all ones INVAL, a short buffer INVAL; a semaphore gives ones', async () => {
    await withDriven({}, async (driven) => {
      const plain = await eventfd(driven, 2 ** 32 - 1);
      const semaphore = await eventfd(driven, 2, EFD_SEMAPHORE);
      const iovs = PAGE_BYTES;
      const data = PAGE_BYTES + 0x100;
      const buffer = (length: number): Promise<number[]> =>
        driven.calls([['store64', iovs, (BigInt(length) << 32n) | BigInt(data)]]);
      await buffer(8);
      const value = async (fd: number): Promise<number[]> =>
        driven.calls([
          ['fd_read', fd, iovs, 1, OUT],
          ['load64', data],
        ]);
      expect(await value(plain)).toEqual([0, 2 ** 32 - 1]);
      expect((await value(plain))[0]).toBe(Errno.AGAIN);
      for (const expected of [1, 1]) expect(await value(semaphore)).toEqual([0, expected]);
      expect((await value(semaphore))[0]).toBe(Errno.AGAIN);
      const write = async (number: bigint): Promise<number> => {
        await driven.call('store64', data, number);
        return driven.call('fd_write', plain, iovs, 1, OUT);
      };
      expect(await write(-1n)).toBe(INVAL);
      expect(await write(2n ** 64n - 2n)).toBe(0);
      expect(await write(1n)).toBe(Errno.AGAIN);
      await buffer(7);
      expect(await write(0n)).toBe(INVAL);
      expect((await value(plain))[0]).toBe(INVAL);
    });
  });
});
