/** `poll_oneoff` as a guest sees it: the rules of abi.md §1.3, each by its number. */
import { openSync } from 'node:fs';

import { EFD_NONBLOCK } from '#host/abi/epoll.js';
import { Eventrwflags, Eventtype, Filetype } from '#host/abi/preview1.js';
import { Errno } from '#host/errno.js';
import { describe, expect, test } from 'vitest';

import { type Driven, LISTENER, LOOPBACK, withDriven } from '../support/driven.js';
import { type Subscribed, clock, poll, reading, writing } from '../support/structs.js';
import { sandpoll } from '../support/cli.js';
import { withFiles } from '../support/files.js';
import { wat } from '../wasm/wat.js';

const OUT = 0x1_f000;
const MS = 1_000_000n;
const LONG = clock(60_000n * MS, { userdata: 99n });
const AT_ONCE = clock(0n, { userdata: 99n });
const ABSTIME = 1;
const SHUT_WR = 2;

async function opened(driven: Driven, name: string, ...args: number[]): Promise<number> {
  expect(await driven.call(name, ...args, OUT)).toBe(Errno.SUCCESS);
  return driven.u32(OUT);
}

const eventfd = (driven: Driven, initval: number): Promise<number> =>
  opened(driven, 'eventfd', initval, EFD_NONBLOCK);

async function eventfds(driven: Driven, values: readonly number[]): Promise<number[]> {
  const fds: number[] = [];
  for (const value of values) fds.push(await eventfd(driven, value));
  return fds;
}

/** Userdata of the events of one call that must succeed. */
async function told(driven: Driven, list: readonly Subscribed[]): Promise<bigint[]> {
  const { errno, events } = await poll(driven, list);
  expect(errno).toBe(Errno.SUCCESS);
  return events.map(({ userdata }) => userdata);
}

/** A guest that polls descriptor 0 for reading, and leaves with 64 × events + 8 × error. */
const POLL_STDIN = wat(`(module
  (import "wasi_snapshot_preview1" "poll_oneoff"
    (func $poll (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (data (i32.const 8) "\\01")
  (func (export "_start")
    (if (call $poll (i32.const 0) (i32.const 64) (i32.const 1) (i32.const 128))
      (then (call $exit (i32.const 1))))
    (call $exit (i32.add
      (i32.mul (i32.const 64) (i32.load (i32.const 128)))
      (i32.mul (i32.const 8) (i32.load16_u (i32.const 72)))))))`);

describe('poll_oneoff', () => {
  test('1: no subscriptions are INVAL', async () => {
    await withDriven({}, async (driven) => {
      expect((await poll(driven, [])).errno).toBe(Errno.INVAL);
    });
  });

  test('2: at least one event, no more than subscriptions, told apart by userdata', async () => {
    await withDriven({}, async (driven) => {
      const events = await eventfds(driven, [1, 0, 1]);
      const list = events.map((fd, index) => reading(fd, BigInt(index)));
      expect(await told(driven, [...list, LONG])).toEqual([0n, 2n]);
    });
  });

  test('2: read, write and clock of one descriptor may share their userdata', async () => {
    await withDriven({}, async (driven) => {
      const fd = await eventfd(driven, 1);
      const { events } = await poll(driven, [
        reading(fd, 5n),
        writing(fd, 5n),
        clock(0n, { userdata: 5n }),
      ]);
      expect(events.map(({ userdata, type }) => [userdata, type])).toEqual([
        [5n, Eventtype.CLOCK],
        [5n, Eventtype.FD_READ],
        [5n, Eventtype.FD_WRITE],
      ]);
    });
  });

  test('3: readiness is told as long as it lasts, and no longer', async () => {
    await withDriven({}, async (driven) => {
      const fd = await eventfd(driven, 1);
      const list = [reading(fd, 1n), AT_ONCE];
      expect(await told(driven, list)).toEqual([1n, 99n]);
      expect(await told(driven, list)).toEqual([1n, 99n]);
      await driven.calls([
        ['store64', 0x1_0100, 0x1_0110n | (8n << 32n)],
        ['fd_read', fd, 0x1_0100, 1, OUT],
      ]);
      expect(await told(driven, list)).toEqual([99n]);
    });
  });

  test('3: a wait may follow others for more or fewer, with no trace of them', async () => {
    await withDriven({}, async (driven) => {
      const fds = await eventfds(driven, [1, 1, 1, 1]);
      const all = fds.map((fd, index) => reading(fd, BigInt(index)));
      expect(await told(driven, all)).toEqual([0n, 1n, 2n, 3n]);
      expect(await told(driven, [all[3], AT_ONCE])).toEqual([3n, 99n]);
      expect(await told(driven, [writing(fds[0], 7n), AT_ONCE])).toEqual([7n, 99n]);
      expect(await told(driven, all)).toEqual([0n, 1n, 2n, 3n]);
    });
  });

  test('4: relative 0 is at once; only clocks that are due are told', async () => {
    await withDriven({}, async (driven) => {
      const fd = await eventfd(driven, 0);
      expect(await told(driven, [reading(fd, 1n), AT_ONCE, LONG])).toEqual([99n]);
      const soon = clock(5n * MS, { userdata: 1n });
      expect(await told(driven, [soon, LONG])).toEqual([1n]);
    });
  });

  test.each([
    ['real', 0],
    ['monotonic', 1],
  ])('4: an absolute time is one of its own clock (%s)', async (_name, id) => {
    await withDriven({}, async (driven) => {
      await driven.call('clock_time_get', id, 0, OUT);
      const now = BigInt(await driven.call('load64', OUT));
      const at = (time: bigint, userdata: bigint): Subscribed =>
        clock(time, { id, flags: ABSTIME, userdata });
      expect(await told(driven, [at(now + 60_000n * MS, 1n), at(now - 1n, 2n)])).toEqual([2n]);
      expect(await told(driven, [at(now + 60_000n * MS, 1n), at(now + 10n * MS, 2n)])).toEqual([
        2n,
      ]);
      await driven.call('clock_time_get', id, 0, OUT);
      // The driver passes results as numbers: a real time loses its last hundred nanoseconds.
      expect(BigInt(await driven.call('load64', OUT)) + 1000n).toBeGreaterThanOrEqual(
        now + 10n * MS,
      );
    });
  });

  test('5: an error of one subscription is in its event, and the call succeeds', async () => {
    await withDriven({}, async (driven) => {
      const { errno, events } = await poll(driven, [reading(77, 1n), LONG]);
      expect([errno, events.length]).toEqual([Errno.SUCCESS, 1]);
      expect(events[0]).toMatchObject({ userdata: 1n, error: Errno.BADF });
    });
  });

  test('6: with an error or a clock that is due, all that is ready comes in the same call', async () => {
    await withDriven({}, async (driven) => {
      const fds = await eventfds(driven, [1, 0, 1]);
      const list = fds.map((fd, index) => reading(fd, BigInt(index)));
      expect(await told(driven, [reading(77, 50n), ...list, LONG])).toEqual([0n, 2n, 50n]);
      expect(await told(driven, [...list, AT_ONCE])).toEqual([0n, 2n, 99n]);
    });
  });

  test('6: not even many that were watched before can hide what is ready now', async () => {
    await withDriven({}, async (driven) => {
      const fds = await eventfds(driven, [1, 1, 1, 1, 1, 1, 1, 1]);
      const all = fds.map((fd, index) => reading(fd, BigInt(index)));
      for (const index of [0n, 7n]) {
        expect(await told(driven, all)).toHaveLength(8);
        // All eight fire, and nobody asks for seven of them any more.
        expect(await told(driven, [reading(fds[Number(index)], index), AT_ONCE])).toEqual([
          index,
          99n,
        ]);
      }
    });
  });

  test('7: a file is always ready; a directory, too', async () => {
    await withFiles({ 'poll.wasm': POLL_STDIN }, async (folder) => {
      for (const path of [`${folder}/poll.wasm`, folder]) {
        const run = await sandpoll([`${folder}/poll.wasm`], { stdin: openSync(path, 'r') });
        expect([path, run]).toEqual([path, { status: 64, stdout: '', stderr: '' }]);
      }
    });
  });

  test('8: nbytes is what can be read, of a listener 1', async () => {
    await withDriven({}, async (driven) => {
      const { fd, peer } = await driven.accept();
      peer.write('seven b');
      await driven.dial();
      const read = await poll(driven, [reading(fd, 1n)]);
      expect(read.events).toMatchObject([{ nbytes: 7 }]);
      const waiting = await poll(driven, [reading(LISTENER, 1n)]);
      expect(waiting.events).toMatchObject([{ nbytes: 1 }]);
    });
  });

  test('9: a half-closed peer is readable with 0 bytes and no HANGUP; both ends closed, HANGUP', async () => {
    await withDriven({}, async (driven) => {
      const { fd, peer } = await driven.accept();
      peer.end();
      const half = await poll(driven, [reading(fd, 1n), LONG]);
      expect(half.events).toMatchObject([{ userdata: 1n, nbytes: 0, flags: 0, error: 0 }]);
      expect((await poll(driven, [writing(fd, 2n)])).events).toMatchObject([{ flags: 0 }]);
      await driven.call('sock_shutdown', fd, SHUT_WR);
      const both = await poll(driven, [reading(fd, 1n), writing(fd, 2n), LONG]);
      expect(both.events.map(({ flags }) => flags)).toEqual([
        Eventrwflags.HANGUP,
        Eventrwflags.HANGUP,
      ]);
    });
  });

  test('10, 12: HUP without IN is an event of each kind: a new TCP socket, as Linux has it', async () => {
    await withDriven({ net: LOOPBACK }, async (driven) => {
      const fd = await opened(driven, 'sock_open', 1, 2);
      const { events } = await poll(driven, [reading(fd, 1n), writing(fd, 2n), LONG]);
      expect(events).toMatchObject([
        { userdata: 1n, type: Eventtype.FD_READ, flags: Eventrwflags.HANGUP, error: 0 },
        { userdata: 2n, type: Eventtype.FD_WRITE, flags: Eventrwflags.HANGUP, error: 0 },
      ]);
    });
  });

  test('11: the same descriptor and kind twice are two events', async () => {
    await withDriven({}, async (driven) => {
      const fd = await eventfd(driven, 1);
      const list = [reading(fd, 1n), reading(fd, 2n), reading(fd, 1n), writing(fd, 3n)];
      expect(await told(driven, list)).toEqual([1n, 1n, 2n, 3n]);
    });
  });

  test('13: subscriptions and events may lie in one place, at any address', async () => {
    await withDriven({}, async (driven) => {
      const fd = await eventfd(driven, 1);
      const at = { in: 0x1_0001, out: 0x1_0001, nevents: 0x1_ff01 };
      const { errno, events } = await poll(driven, [reading(fd, 1n), writing(fd, 2n)], at);
      expect(errno).toBe(Errno.SUCCESS);
      expect(events).toMatchObject([{ userdata: 1n, nbytes: 8 }, { userdata: 2n }]);
    });
  });

  test('14: a guest that waits for ever ends when it is stopped', async () => {
    const killed = { kind: 'killed', reason: 'stopped' } as const;
    await withDriven(
      {},
      async (driven, { guest }) => {
        const waiting = poll(driven, [reading(await eventfd(driven, 0), 1n)]);
        await Promise.all([expect(waiting).rejects.toThrow('ended'), guest.stop()]);
      },
      killed,
    );
  });
});

describe('fd_fdstat_get', () => {
  test('tells sockets from each other and from the rest (§1.4)', async () => {
    await withDriven({ net: LOOPBACK }, async (driven) => {
      const { fd: stream } = await driven.accept();
      const datagram = await opened(driven, 'sock_open', 1, 1);
      const event = await eventfd(driven, 0);
      const types: number[] = [];
      for (const fd of [LISTENER, stream, datagram, event]) {
        expect(await driven.call('fd_fdstat_get', fd, OUT)).toBe(Errno.SUCCESS);
        types.push(await driven.call('load8', OUT));
      }
      const { SOCKET_STREAM, SOCKET_DGRAM, UNKNOWN } = Filetype;
      expect(types).toEqual([SOCKET_STREAM, SOCKET_STREAM, SOCKET_DGRAM, UNKNOWN]);
    });
  });
});
