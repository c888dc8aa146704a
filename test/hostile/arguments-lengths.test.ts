import { once } from 'node:events';

import { describe, expect, test } from 'vitest';

import { EFD_NONBLOCK } from '#host/abi/epoll.js';
import { Errno } from '#host/errno.js';

import { type Call, type Driven, LOOPBACK, iovecs, withDriven } from '../support/driven.js';
import { PAGE_BYTES } from '../support/driver.js';
import {
  FILL_MARKERS,
  LOOK_AT_MARKERS,
  MEMORY_END,
  UNREAD,
  hostileRows,
  validArguments,
  withScene,
} from '../support/scene.js';

const IOVS = PAGE_BYTES;
const DATA = PAGE_BYTES + 0x8000;
const SIZE = PAGE_BYTES + 0xf000;
const ROFLAGS = SIZE + 8;

/** A connection of the guest's, and bytes the peer has sent that are there to be read. */
async function streamWith(driven: Driven, text: string): Promise<number> {
  const { fd, peer } = await driven.accept(0);
  if (text === '') return fd;
  peer.write(text);
  await driven.calls(iovecs(IOVS, [[DATA, 1]]));
  // Blocks until there is something, and leaves it there.
  expect(await driven.call('sock_recv', fd, IOVS, 1, 1, SIZE, ROFLAGS)).toBe(0);
  return fd;
}

async function readText(driven: Driven, at: number, length: number): Promise<string> {
  return Buffer.from(await driven.read(at, length)).toString('latin1');
}

describe('arrays of buffers', () => {
  const VECTORED = [
    'fd_read',
    'fd_write',
    'fd_pread',
    'fd_pwrite',
    'sock_recv',
    'sock_send',
    'sock_recv_from',
    'sock_send_to',
    'channel_send',
    'channel_recv',
  ];
  const LENGTHS = new Set(['iovs_len', 'ri_data_len', 'si_data_len']);

  test('B5, B6, B13: more than IOV_MAX of them are INVAL, whatever their bytes come to', async () => {
    const counts = [1025, 10_000, 0x2000_0000, 0x2000_0001, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1];
    await withScene({}, async (driven, scene) => {
      const seen: string[] = [];
      for (const named of hostileRows('long')) {
        const { name, parameters } = named.row;
        const position = Object.keys(parameters).findIndex((each) => LENGTHS.has(each));
        if (position < 0 || UNREAD.includes(name)) continue;
        seen.push(name);
        for (const count of counts) {
          const args = validArguments(scene, named).with(position, count);
          const results = await driven.calls([[name, ...args], ...LOOK_AT_MARKERS]);
          expect([name, count, ...results]).toEqual([name, count, Errno.INVAL, -1, -1]);
        }
      }
      expect(seen).toEqual(VECTORED);
    });
  });

  test('B5: 1,024 of them straddling the end of memory are FAULT', async () => {
    await withDriven({ net: LOOPBACK }, async (driven) => {
      const fd = await streamWith(driven, '');
      const at = MEMORY_END - 1024 * 8 + 1;
      expect(await driven.call('sock_send', fd, at, 1024, 0, SIZE)).toBe(Errno.FAULT);
      expect(await driven.call('sock_recv', fd, at, 1024, 0, SIZE, ROFLAGS)).toBe(Errno.FAULT);
    });
  });

  test('B6: none of them move 0 bytes', async () => {
    await withDriven({ net: LOOPBACK }, async (driven) => {
      const fd = await streamWith(driven, 'x');
      await driven.call('store64', SIZE, -1);
      expect(await driven.call('sock_send', fd, IOVS, 0, 0, SIZE)).toBe(0);
      expect(await driven.u32(SIZE)).toBe(0);
      await driven.call('store64', SIZE, -1);
      expect(await driven.call('sock_recv', fd, IOVS, 0, 0, SIZE, ROFLAGS)).toBe(0);
      expect(await driven.u32(SIZE)).toBe(0);
    });
  });

  test.each([
    ['past the end', MEMORY_END - 7, 8],
    ['of 2^31 bytes', DATA, 2 ** 31],
    ['of 2^32 − 1 bytes', DATA, 2 ** 32 - 1],
    ['that wraps', 2 ** 32 - 8, 16],
  ])('B12: an empty buffer before one %s is FAULT, and nothing moves', async (_what, buf, len) => {
    await withDriven({ net: LOOPBACK }, async (driven) => {
      const fd = await streamWith(driven, 'abc');
      await driven.calls(FILL_MARKERS);
      await driven.calls(
        iovecs(IOVS, [
          [DATA, 0],
          [DATA, 4],
          [buf, len],
        ]),
      );
      const calls: Call[] = [
        ['sock_recv', fd, IOVS, 3, 0, SIZE, ROFLAGS],
        ['sock_send', fd, IOVS, 3, 0, SIZE],
        ['fd_read', fd, IOVS, 3, SIZE],
        ['fd_write', fd, IOVS, 3, SIZE],
      ];
      expect(await driven.calls(calls)).toEqual(calls.map(() => Errno.FAULT));
      expect(await driven.call('dirty', DATA, DATA + 0x100, 0)).toBe(DATA);
      await driven.calls(
        iovecs(IOVS, [
          [DATA, 0],
          [DATA, 16],
        ]),
      );
      expect(await driven.call('sock_recv', fd, IOVS, 2, 0, SIZE, ROFLAGS)).toBe(0);
      expect(await readText(driven, DATA, await driven.u32(SIZE))).toBe('abc');
    });
  });

  test('B12: an empty address outside memory is FAULT only beyond its end', async () => {
    await withDriven({ net: LOOPBACK }, async (driven) => {
      const fd = await streamWith(driven, '');
      await driven.calls(iovecs(IOVS, [[MEMORY_END, 0]]));
      expect(await driven.call('sock_send', fd, IOVS, 1, 0, SIZE)).toBe(0);
      await driven.calls(iovecs(IOVS, [[MEMORY_END + 1, 0]]));
      expect(await driven.call('sock_send', fd, IOVS, 1, 0, SIZE)).toBe(Errno.FAULT);
    });
  });

  test('B13: 1,024 of them work, to the last byte', async () => {
    await withDriven({ net: LOOPBACK }, async (driven) => {
      const { fd, peer } = await driven.accept(0);
      const bytes = Array.from({ length: 1024 }, (_each, index) => index % 251);
      await driven.write(DATA, Uint8Array.from(bytes));
      // The last buffer first.
      await driven.calls(
        iovecs(
          IOVS,
          bytes.map((_byte, index) => [DATA + 1023 - index, 1] as const),
        ),
      );
      expect(await driven.call('sock_send', fd, IOVS, 1024, 0, SIZE)).toBe(0);
      expect(await driven.u32(SIZE)).toBe(1024);
      const received: Buffer[] = [];
      while (Buffer.concat(received).length < 1024) {
        const [chunk] = (await once(peer, 'data')) as [Buffer];
        received.push(chunk);
      }
      expect(Buffer.concat(received)).toEqual(Buffer.from(bytes.toReversed()));
    });
  });

  test('B14: 1,024 of 4 MiB each, 2^32 bytes, move no more than Linux does in one call', async () => {
    await withDriven({ net: LOOPBACK, memory: '70' }, async (driven) => {
      const { fd } = await driven.accept();
      const huge = Array.from({ length: 1024 }, () => [2 * PAGE_BYTES, 4 * 2 ** 20] as const);
      await driven.calls(iovecs(IOVS, huge));
      expect(await driven.call('sock_send', fd, IOVS, 1024, 0, SIZE)).toBe(0);
      const sent = await driven.u32(SIZE);
      expect(sent).toBeGreaterThan(0);
      expect(sent).toBeLessThan(2 ** 31);
      const out = DATA;
      expect(await driven.call('eventfd', 7, EFD_NONBLOCK, out)).toBe(0);
      const event = await driven.u32(out);
      expect(await driven.call('fd_read', event, IOVS, 1024, SIZE)).toBe(0);
      expect(await driven.u32(SIZE)).toBe(8);
    });
  });

  test('B11: buffers may overlap each other, the array and the result word', async () => {
    await withDriven({ net: LOOPBACK }, async (driven) => {
      const fd = await streamWith(driven, 'abcdefgh');
      // The second buffer takes over the first one's last half: later bytes win.
      await driven.calls(
        iovecs(IOVS, [
          [DATA, 4],
          [DATA + 2, 2],
        ]),
      );
      expect(await driven.call('sock_recv', fd, IOVS, 2, 1, SIZE, ROFLAGS)).toBe(0);
      expect(await readText(driven, DATA, 4)).toBe('abef');
      // Into the array itself: it was read once, before.
      await driven.calls(
        iovecs(IOVS, [
          [IOVS + 8, 4],
          [DATA, 4],
        ]),
      );
      expect(await driven.call('sock_recv', fd, IOVS, 2, 1, SIZE, ROFLAGS)).toBe(0);
      expect([await readText(driven, IOVS + 8, 4), await readText(driven, DATA, 4)]).toEqual([
        'abcd',
        'efgh',
      ]);
      // Over the result word: the result is written last.
      await driven.calls(iovecs(IOVS, [[SIZE - 2, 8]]));
      expect(await driven.call('sock_recv', fd, IOVS, 1, 0, SIZE, ROFLAGS)).toBe(0);
      expect([await readText(driven, SIZE - 2, 2), await driven.u32(SIZE)]).toEqual(['ab', 8]);
    });
  });
});

describe('memory as large as it gets', () => {
  const PAGES = 65_536;
  const END = PAGES * PAGE_BYTES;
  const OPTIONS = { net: LOOPBACK, memory: `${PAGES}`, limits: { memoryBytes: END } };

  test('B15: in 65,536 pages the last byte works, and nothing wraps behind it', async () => {
    await withDriven(OPTIONS, async (driven) => {
      expect(await driven.call('memory.size')).toBe(PAGES);
      const { fd, peer } = await driven.accept(0);
      await driven.calls(iovecs(END - 8, [[END - 12, 4]]));
      await driven.call('memory.fill', END - 12, 0x61, 4);
      expect(await driven.call('sock_send', fd, END - 8, 1, 0, END - 4)).toBe(0);
      expect(await driven.u32(END - 4)).toBe(4);
      expect(String((await once(peer, 'data'))[0])).toBe('aaaa');
      peer.write('bcde');
      await driven.calls(iovecs(IOVS, [[END - 4, 4]]));
      expect(await driven.call('sock_recv', fd, IOVS, 1, 0, SIZE, ROFLAGS)).toBe(0);
      expect(await readText(driven, END - 4, 4)).toBe('bcde');
      await driven.calls(iovecs(IOVS, [[END - 4, 5]]));
      const calls: Call[] = [
        ['sock_recv', fd, IOVS, 1, 0, SIZE, ROFLAGS],
        ['sock_send', fd, IOVS, 1, 0, END - 3],
        ['random_get', END - 8, 9],
        ['clock_time_get', 1, 0, END - 7],
      ];
      expect(await driven.calls(calls)).toEqual(calls.map(() => Errno.FAULT));
      expect(await driven.call('random_get', END - 8, 8)).toBe(0);
      expect(await driven.call('clock_time_get', 1, 0, END - 8)).toBe(0);
    });
  });

  test('B5, B15: 89,478,485 subscriptions fit into it, and are INVAL', async () => {
    await withDriven(OPTIONS, async (driven) => {
      const poll = (n: number) => driven.call('poll_oneoff', 0, 0, n, SIZE);
      expect(await poll(89_478_485)).toBe(Errno.INVAL);
      expect(await poll(89_478_486)).toBe(Errno.FAULT);
      // Twice the same, so that both the first look and the remembered one see all of it.
      await driven.call('memory.fill', END - 48, 0, 48);
      for (let i = 0; i < 2; i++) {
        expect(await driven.call('poll_oneoff', END - 48, END - 32, 1, SIZE)).toBe(0);
        expect(await driven.u32(SIZE)).toBe(1);
        await driven.call('memory.fill', END - 48, 0, 48);
      }
    });
  });
});

describe('memory that grows', () => {
  test.each([[1], [0]])(
    'B18: after growth by %d pages results go to the new memory',
    async (by) => {
      await withDriven({ net: LOOPBACK }, async (driven) => {
        const fd = await streamWith(driven, 'abcd');
        await driven.calls(iovecs(IOVS, [[DATA, 4]]));
        const results = await driven.calls([
          ['memory.grow', by],
          ['sock_recv', fd, IOVS, 1, 0, SIZE, ROFLAGS],
          ['load32', SIZE],
          ['load8', DATA],
        ]);
        expect(results).toEqual([3, 0, 4, 'a'.charCodeAt(0)]);
      });
    },
  );

  test('B18: what was outside is inside after growth', async () => {
    await withDriven({}, async (driven) => {
      const results = await driven.calls([
        ['random_get', MEMORY_END, 8],
        ['memory.grow', 1],
        ['random_get', MEMORY_END, 8],
        ['clock_time_get', 1, 0, MEMORY_END + PAGE_BYTES - 8],
        ['clock_time_get', 1, 0, MEMORY_END + PAGE_BYTES - 7],
      ]);
      expect(results).toEqual([Errno.FAULT, 3, 0, 0, Errno.FAULT]);
    });
  });

  test('B76: growth ends at the limit, with −1', async () => {
    const limits = { memoryBytes: 5 * PAGE_BYTES };
    await withDriven({ limits }, async (driven) => {
      const results = await driven.calls([
        ['memory.grow', 2],
        ['memory.grow', 1],
        ['memory.grow', 65_536],
        ['memory.size'],
      ]);
      expect(results).toEqual([3, -1, -1, 5]);
    });
  });
});

test('B72: random_get of all memory, and again', async () => {
  await withDriven({ memory: '400' }, async (driven) => {
    const bytes = 300 * PAGE_BYTES;
    const calls = Array.from({ length: 3 }, (): Call => ['random_get', PAGE_BYTES, bytes]);
    expect(await driven.calls(calls)).toEqual([0, 0, 0]);
    expect(await driven.call('dirty', PAGE_BYTES + bytes - 64, PAGE_BYTES + bytes, 0)).not.toBe(-1);
    expect(await driven.call('dirty', PAGE_BYTES + bytes, PAGE_BYTES + bytes + 4096, 0)).toBe(-1);
  });
});
