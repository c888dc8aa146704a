import { describe, expect, test } from 'vitest';

import { EFD_NONBLOCK } from '#host/abi/epoll.js';
import { Errno } from '#host/errno.js';

import { type Driven, LISTENER, withDriven } from '../support/driven.js';
import { PAGE_BYTES, type Shape } from '../support/driver.js';
import { MEMORY_END } from '../support/scene.js';
import { clock, poll, reading, subscriptionBytes, writing } from '../support/structs.js';

const OUT = PAGE_BYTES + 0xf000;
const U64_MAX = 2n ** 64n - 1n;
const MS = 1_000_000n;
const ABSTIME = 1;

async function eventfd(driven: Driven, initval: number): Promise<number> {
  expect(await driven.call('eventfd', initval, EFD_NONBLOCK, OUT)).toBe(0);
  return driven.u32(OUT);
}

const fine = (userdata: bigint, type: number, nbytes = 0, flags = 0) => ({
  userdata,
  error: 0,
  type,
  nbytes,
  flags,
});
const failed = (userdata: bigint, type: number, error: number) => ({
  userdata,
  error,
  type,
  nbytes: 0,
  flags: 0,
});

describe('counts', () => {
  test.each<[Shape, number]>([
    ['long', 48],
    ['unstable', 56],
  ])('B5, B6: none is INVAL; what wraps or does not fit is FAULT (%s)', async (shape, bytes) => {
    await withDriven({ shape }, async (driven) => {
      // So many are just above 4 GiB, or above memory, which has two pages behind the first.
      const wrapping = [1, 2, 4].map((times) => Math.ceil((times * 2 ** 32) / bytes));
      const fitting = Math.floor((2 * PAGE_BYTES) / bytes);
      const counts = [fitting + 1, ...wrapping, 2 ** 28, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1];
      await driven.call('memory.fill', PAGE_BYTES, 0xa5, 2 * PAGE_BYTES);
      const results = await driven.calls([
        ['poll_oneoff', PAGE_BYTES, PAGE_BYTES, 0, OUT],
        ...counts.map((n) => ['poll_oneoff', PAGE_BYTES, PAGE_BYTES, n, OUT] as const),
        ['dirty', PAGE_BYTES, MEMORY_END, 0xa5],
      ]);
      expect(results).toEqual([Errno.INVAL, ...counts.map(() => Errno.FAULT), -1]);
    });
  });
});

describe('subscriptions that are wrong by themselves', () => {
  test('B57: unknown tags are an INVAL event each, whatever stands beside them', async () => {
    await withDriven({}, async (driven) => {
      const event = await eventfd(driven, 1);
      for (const tag of [3, 9, 255]) {
        const wrong = { tag, fd: event, userdata: U64_MAX };
        expect(await poll(driven, [wrong])).toEqual({
          errno: 0,
          events: [failed(U64_MAX, tag, Errno.INVAL)],
        });
        const { events } = await poll(driven, [wrong, reading(event, 7n), clock(1000n * MS)]);
        expect(events).toEqual([fine(7n, 1, 8), failed(U64_MAX, tag, Errno.INVAL)]);
      }
    });
  });

  test('B58: unknown clocks are INVAL, CPU clocks NOTSUP, each in its event', async () => {
    await withDriven({}, async (driven) => {
      for (const id of [4, 99, 2 ** 31, 2 ** 32 - 1]) {
        expect((await poll(driven, [clock(0n, { id })])).events).toEqual([
          failed(0n, 0, Errno.INVAL),
        ]);
      }
      for (const id of [2, 3]) {
        expect((await poll(driven, [clock(0n, { id })])).events).toEqual([
          failed(0n, 0, Errno.NOTSUP),
        ]);
      }
    });
  });

  test('B61: a bad descriptor first or last is its own event, and hides no other', async () => {
    await withDriven({}, async (driven) => {
      const event = await eventfd(driven, 1);
      for (const fd of [99, 1024, 2 ** 31, 2 ** 32 - 1]) {
        const good = reading(event, 1n);
        const bad = writing(fd, 2n);
        const expected = { errno: 0, events: [fine(1n, 1, 8), failed(2n, 2, Errno.BADF)] };
        expect(await poll(driven, [bad, good])).toEqual(expected);
        expect(await poll(driven, [good, bad])).toEqual(expected);
        expect(await poll(driven, [bad, good, bad])).toMatchObject({ events: { length: 3 } });
        expect(await poll(driven, [bad, bad])).toMatchObject({ events: { length: 2 } });
      }
    });
  });

  test('B61: a descriptor closed between two calls with the same bytes is BADF', async () => {
    await withDriven({}, async (driven) => {
      const event = await eventfd(driven, 1);
      const list = [reading(event, 1n), clock(1000n * MS, { userdata: 2n })];
      expect((await poll(driven, list)).events).toEqual([fine(1n, 1, 8)]);
      await driven.call('fd_close', event);
      expect((await poll(driven, list)).events).toEqual([failed(1n, 1, Errno.BADF)]);
      // Its number taken by another, which is not ready; and then by one that is.
      expect(await eventfd(driven, 0)).toBe(event);
      expect((await poll(driven, [list[0], clock(0n, { userdata: 2n })])).events).toEqual([
        fine(2n, 0),
      ]);
      expect(await eventfd(driven, 3)).toBe(event + 1);
      await driven.call('fd_renumber', event + 1, event);
      expect((await poll(driven, list)).events).toEqual([fine(1n, 1, 8)]);
    });
  });
});

describe('time', () => {
  /** Nanoseconds that one poll took, by the guest's own clock. */
  async function measured(driven: Driven, list: Parameters<typeof poll>[1]): Promise<bigint> {
    await driven.write(PAGE_BYTES, subscriptionBytes(list));
    const [, before, , , after] = await driven.calls([
      ['clock_time_get', 1, 0, OUT],
      ['load64', OUT],
      ['poll_oneoff', PAGE_BYTES, PAGE_BYTES + 0x8000, list.length, OUT],
      ['clock_time_get', 1, 0, OUT],
      ['load64', OUT],
    ]);
    return BigInt(after) - BigInt(before);
  }

  test('B59, E12: 0, 1 ns, 999,999 ns and 20 ms end, and none too early', async () => {
    await withDriven({}, async (driven) => {
      for (const timeout of [0n, 1n, 999_999n, MS, 20n * MS]) {
        const took = await measured(driven, [clock(timeout, { precision: U64_MAX })]);
        expect(took).toBeGreaterThanOrEqual(timeout);
        expect(took).toBeLessThan(timeout + 2000n * MS);
        expect(await driven.call('load32', PAGE_BYTES + 0x8000 + 8)).toBe(0);
      }
    });
  });

  test.each([
    ['2^32 ms + 5 ms', (2n ** 32n + 5n) * MS],
    ['2^31 ms + 5 ms', (2n ** 31n + 5n) * MS],
    ['2^63 ns', 2n ** 63n],
    ['2^64 − 1 ns', U64_MAX],
  ])(
    'B59: %s is not a short time: a clock of 10 ms fires first, and alone',
    async (_text, long) => {
      await withDriven({}, async (driven) => {
        const list = [clock(long, { userdata: 1n }), clock(10n * MS, { userdata: 2n })];
        expect((await poll(driven, list)).events).toEqual([fine(2n, 0)]);
        expect((await poll(driven, list.toReversed())).events).toEqual([fine(2n, 0)]);
        const event = await eventfd(driven, 1);
        const ready = [clock(long, { userdata: 1n }), reading(event, 3n)];
        expect((await poll(driven, ready)).events).toEqual([fine(3n, 1, 8)]);
      });
    },
  );

  test.each([
    ['monotonic', 1],
    ['realtime', 0],
  ])(
    'B59: ABSTIME of the %s clock: past, now, a little ahead, and the end of time',
    async (_name, id) => {
      await withDriven({}, async (driven) => {
        const now = async (): Promise<bigint> => {
          await driven.call('clock_time_get', id, 0, OUT);
          return new DataView((await driven.read(OUT, 8)).buffer).getBigUint64(0, true);
        };
        for (const past of [0n, 1n, await now()]) {
          const list = [clock(past, { id, flags: ABSTIME, userdata: 1n })];
          expect((await poll(driven, list)).events).toEqual([fine(1n, 0)]);
        }
        const ahead = (await now()) + 15n * MS;
        await poll(driven, [clock(ahead, { id, flags: ABSTIME })]);
        expect(await now()).toBeGreaterThanOrEqual(ahead);
        const never = clock(U64_MAX, { id, flags: ABSTIME, userdata: 1n });
        const soon = clock(5n * MS, { userdata: 2n });
        expect((await poll(driven, [never, soon])).events).toEqual([fine(2n, 0)]);
      });
    },
  );

  test('B63: only clocks: those that are due, and no other', async () => {
    await withDriven({}, async (driven) => {
      const list = [3000n, 0n, 3000n, 0n].map((ms, index) =>
        clock(ms * MS, { userdata: BigInt(index) }),
      );
      expect((await poll(driven, list)).events).toEqual([fine(1n, 0), fine(3n, 0)]);
    });
  });
});

describe('descriptors', () => {
  test('B60, E22: one descriptor many times: each subscription has its own event', async () => {
    await withDriven({}, async (driven) => {
      const event = await eventfd(driven, 1);
      const list = [reading(event, 1n), writing(event, 2n), reading(event, 3n), writing(event, 4n)];
      const { events } = await poll(driven, list);
      expect(events).toEqual([fine(1n, 1, 8), fine(2n, 2, 1), fine(3n, 1, 8), fine(4n, 2, 1)]);
      const same = [reading(event, 5n), reading(event, 5n)];
      expect((await poll(driven, same)).events).toEqual([fine(5n, 1, 8), fine(5n, 1, 8)]);
    });
  });

  test('B60: 1,000 subscriptions of one descriptor', async () => {
    await withDriven({ memory: '8' }, async (driven) => {
      const event = await eventfd(driven, 1);
      const list = Array.from({ length: 1000 }, (_each, index) => reading(event, BigInt(index)));
      const places = { in: 2 * PAGE_BYTES, out: 4 * PAGE_BYTES, nevents: OUT };
      const { events } = await poll(driven, list, places);
      expect(events.map(({ userdata }) => userdata)).toEqual(list.map(({ userdata }) => userdata));
    });
  });

  test('B63: none ready: it waits until one is', async () => {
    await withDriven({}, async (driven) => {
      const { fd, peer } = await driven.accept();
      await driven.write(PAGE_BYTES, subscriptionBytes([reading(LISTENER, 1n), reading(fd, 2n)]));
      const polled = driven.start('poll_oneoff', PAGE_BYTES, PAGE_BYTES + 0x8000, 2, OUT);
      peer.write('x');
      expect(await polled).toBe(0);
      expect(await driven.u32(OUT)).toBe(1);
      expect(await driven.u32(PAGE_BYTES + 0x8000)).toBe(2);
      expect(await driven.u32(PAGE_BYTES + 0x8000 + 16)).toBe(1);
    });
  });

  test('B68: all 64 bits of userdata come back', async () => {
    await withDriven({}, async (driven) => {
      const event = await eventfd(driven, 1);
      const values = [U64_MAX, 2n ** 63n, 2n ** 53n + 1n, 0x0123_4567_89ab_cdefn, 0n];
      for (const userdata of values) {
        expect((await poll(driven, [reading(event, userdata)])).events).toEqual([
          fine(userdata, 1, 8),
        ]);
        expect((await poll(driven, [clock(0n, { userdata })])).events).toEqual([fine(userdata, 0)]);
      }
    });
  });

  test('an epoll descriptor can be polled, and an epoll in an epoll reports through it', async () => {
    await withDriven({}, async (driven) => {
      expect(await driven.call('epoll_create1', 0, OUT)).toBe(0);
      const epfd = await driven.u32(OUT);
      const list = [reading(epfd, 1n), clock(0n, { userdata: 2n })];
      expect((await poll(driven, list)).events).toEqual([fine(2n, 0)]);
      const event = await eventfd(driven, 1);
      await driven.write(
        PAGE_BYTES + 0x7000,
        Uint8Array.from([1, ...Array.from({ length: 15 }, () => 0)]),
      );
      expect(await driven.call('epoll_ctl', epfd, 1, event, PAGE_BYTES + 0x7000)).toBe(0);
      const { events } = await poll(driven, list);
      expect(events).toEqual([fine(1n, 1, 1), fine(2n, 0)]);
    });
  });
});

describe('memory', () => {
  test('B10: events over the subscriptions, and the count over either', async () => {
    await withDriven({}, async (driven) => {
      const event = await eventfd(driven, 1);
      const list = Array.from({ length: 8 }, (_each, index) => reading(event, BigInt(index)));
      const at = PAGE_BYTES;
      for (const out of [at, at + 8, at + 48, at - 16]) {
        const { errno, events } = await poll(driven, list, { in: at, out, nevents: OUT });
        expect([errno, events.map(({ userdata }) => Number(userdata))]).toEqual([
          0,
          [0, 1, 2, 3, 4, 5, 6, 7],
        ]);
      }
      // The count is written last: it stands, wherever it is.
      for (const nevents of [at, at + 0x8000, at + 0x8000 + 20]) {
        await driven.write(at, subscriptionBytes(list));
        expect(await driven.call('poll_oneoff', at, at + 0x8000, 8, nevents)).toBe(0);
        expect(await driven.u32(nevents)).toBe(8);
      }
    });
  });

  test('B8: nothing is written behind the events there are', async () => {
    await withDriven({}, async (driven) => {
      const event = await eventfd(driven, 1);
      const out = MEMORY_END - 4 * 32;
      await driven.call('memory.fill', MEMORY_END - PAGE_BYTES, 0xa5, PAGE_BYTES);
      const list = [reading(event, 1n), clock(U64_MAX), clock(U64_MAX), clock(U64_MAX)];
      const { events } = await poll(driven, list, { in: PAGE_BYTES, out, nevents: OUT });
      expect(events).toHaveLength(1);
      expect(await driven.call('dirty', MEMORY_END - PAGE_BYTES, out, 0xa5)).toBe(-1);
      expect(await driven.call('dirty', out + 32, MEMORY_END, 0xa5)).toBe(-1);
    });
  });
});
