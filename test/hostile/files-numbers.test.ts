/** Numbers that no file has: cookies, offsets, sizes and times at the edge of 64 bits: B54, B55. */
import { statSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';

import { describe, expect, test } from 'vitest';

import { Filestat } from '#host/abi/files.js';
import { Advice, Fstflags, Whence } from '#host/abi/preview1.js';
import { Errno } from '#host/errno.js';

import { type Entry, OUT, ROOT, directoryGuest } from '../support/directory-guest.js';
import { type Call, type Driven, iovecs, withDriven } from '../support/driven.js';
import { PAGE_BYTES } from '../support/driver.js';
import { withFiles } from '../support/files.js';
import { snapshot } from '../support/grounds.js';

const BUF = 3 * PAGE_BYTES;
const IOVS = 4 * PAGE_BYTES;
const MARKER = 0x5a;
const { FBIG, INVAL, SUCCESS } = Errno;

describe('B54: fd_readdir', () => {
  const the = directoryGuest();

  /** Calls fd_readdir; how many bytes it used, or −1 where it wrote beyond its buffer. */
  async function used(driven: Driven, fd: number, length: number, cookie: bigint): Promise<number> {
    const [, errno, bytes, beyond] = await driven.calls([
      ['memory.fill', BUF, MARKER, length + 64],
      ['fd_readdir', fd, BUF, length, cookie, OUT],
      ['load32', OUT],
      ['dirty', BUF + length, BUF + length + 64, MARKER],
    ]);
    expect([length, cookie, errno]).toEqual([length, cookie, SUCCESS]);
    return beyond === -1 ? bytes : -1;
  }

  test('with room for 0 to 40 bytes, from every cookie, and from ones that were never told', async () => {
    const guest = the();
    const place = await guest.place();
    for (let i = 0; i < 5; i++) writeFileSync(place.host(`name-${i}`), '');
    const all = await guest.list(place.fd, 4096);
    const told = all.map(({ next }: Entry) => next);
    const odd = [
      1n,
      2n ** 31n,
      2n ** 32n + 1n,
      2n ** 62n,
      2n ** 63n - 1n,
      2n ** 63n,
      2n ** 64n - 1n,
    ];
    for (let i = 1n; i < 40n; i++) odd.push((i * 0x9e37_79b9_7f4a_7c15n) & (2n ** 64n - 1n));
    for (const cookie of [0n, ...told, ...odd]) {
      for (const length of [0, 1, 7, 8, 23, 24, 25, 40]) {
        const bytes = await used(guest.driven, place.fd, length, cookie);
        expect([cookie, bytes >= 0 && bytes <= length]).toEqual([cookie, true]);
        // No less than there is room for, unless it is the end.
        if (cookie === 0n) expect(bytes).toBe(length);
        if (cookie === told.at(-1)) expect(bytes).toBe(0);
      }
    }
    // All of that has left no position behind.
    expect(await guest.list(place.fd, 4096)).toEqual(all);
  });
});

describe('B55: numbers at the edge', () => {
  const the = directoryGuest();
  const [MOST, SIGN] = [2n ** 63n - 1n, 2n ** 63n];
  const HOSTILE = [SIGN, SIGN + 1n, 2n ** 64n - 1n, -1n, -SIGN];

  test('offsets and sizes with the sign bit are INVAL, and change nothing', async () => {
    const guest = the();
    const { driven } = guest;
    const place = await guest.place();
    writeFileSync(place.host('text'), 'abcdefgh');
    const fd = await place.open('text');
    expect(await guest.seek(fd, 5n, Whence.SET)).toBe(5n);
    await driven.calls(iovecs(IOVS, [[BUF, 4]]));
    const before = snapshot(place.host('.'));
    for (const offset of HOSTILE) {
      const calls: Call[] = [
        ['fd_pread', fd, IOVS, 1, offset, OUT],
        ['fd_pwrite', fd, IOVS, 1, offset, OUT],
        ['fd_pread', fd, IOVS, 0, offset, OUT],
        ['fd_pwrite', fd, IOVS, 0, offset, OUT],
        ['fd_seek', fd, offset, Whence.SET, OUT],
        ['fd_advise', fd, offset, 0n, Advice.NORMAL],
        ['fd_advise', fd, 0n, offset, Advice.DONTNEED],
        ['fd_allocate', fd, offset, 1n],
        ['fd_allocate', fd, 0n, offset],
        ['fd_filestat_set_size', fd, offset],
      ];
      expect([offset, await driven.calls(calls)]).toEqual([offset, calls.map(() => INVAL)]);
    }
    expect(await guest.tell(fd)).toBe(5n);
    expect(snapshot(place.host('.'))).toEqual(before);
  });

  test('positions before the beginning and beyond 2^63 are INVAL or OVERFLOW', async () => {
    const guest = the();
    const place = await guest.place();
    writeFileSync(place.host('text'), 'abcdefgh');
    const fd = await place.open('text');
    expect(await guest.seek(fd, 5n, Whence.SET)).toBe(5n);
    const answers = {
      'before the beginning': await guest.seek(fd, -6n, Whence.CUR),
      'before the end’s beginning': await guest.seek(fd, -9n, Whence.END),
      'far before': await guest.seek(fd, -SIGN, Whence.CUR),
      'far before the end': await guest.seek(fd, -SIGN, Whence.END),
    };
    for (const [what, answer] of Object.entries(answers)) {
      expect([what, answer]).toEqual([what, -BigInt(INVAL)]);
    }
    for (const whence of [Whence.CUR, Whence.END]) {
      const beyond = await guest.seek(fd, MOST, whence);
      expect([-BigInt(INVAL), -BigInt(Errno.OVERFLOW)]).toContain(beyond);
    }
    expect(await guest.call('fd_seek', fd, 0n, 3, OUT)).toBe(INVAL);
    expect(await guest.call('fd_seek', fd, 0n, -1, OUT)).toBe(INVAL);
    expect(await guest.tell(fd)).toBe(5n);
  });

  test('sums that overflow are FBIG, and make no file longer', async () => {
    const guest = the();
    const { driven } = guest;
    const place = await guest.place();
    writeFileSync(place.host('text'), 'abcdefgh');
    const fd = await place.open('text');
    await driven.calls(iovecs(IOVS, [[BUF, 4]]));
    const before = snapshot(place.host('.'));
    expect(await driven.call('fd_allocate', fd, MOST, 1n)).toBe(FBIG);
    expect(await driven.call('fd_allocate', fd, MOST, MOST)).toBe(FBIG);
    expect(await driven.call('fd_allocate', fd, 1n, MOST)).toBe(FBIG);
    for (const offset of [MOST, MOST - 1n, MOST - 3n]) {
      const errno = await driven.call('fd_pwrite', fd, IOVS, 1, offset, OUT);
      expect([FBIG, INVAL, Errno.OVERFLOW]).toContain(errno);
    }
    for (const advice of Object.values(Advice)) {
      expect(await driven.call('fd_advise', fd, MOST, MOST, advice)).toBe(SUCCESS);
    }
    expect(snapshot(place.host('.'))).toEqual(before);
  });

  /** Times before 1970, and ones that no 64 bits of nanoseconds hold, where a disk has them. */
  test.each([tmpdir(), '/dev/shm'])(
    'times that a filestat cannot hold are the nearest: %s',
    (parent) =>
      withFiles(
        { file: '' },
        (folder) =>
          withDriven({ dirs: [{ host: folder, guest: '/', readOnly: false }] }, async (driven) => {
            await driven.write(PAGE_BYTES, Buffer.from('file'));
            const most = 2n ** 64n - 1n;
            for (const seconds of [-1, -0.25, -(2 ** 31), 0, 0.5, 2 ** 33, 2 ** 35, 2 ** 40]) {
              utimesSync(`${folder}/file`, seconds, seconds);
              const { mtimeNs } = statSync(`${folder}/file`, { bigint: true });
              const results = await driven.calls([
                ['path_filestat_get', ROOT, 1, PAGE_BYTES, 4, OUT],
                ['load64', OUT + Filestat.mtim.offset],
              ]);
              const kept = mtimeNs < 0n ? 0n : mtimeNs > most ? most : mtimeNs;
              const read = await driven.read(OUT + Filestat.mtim.offset, 8);
              expect([seconds, results[0], Buffer.from(read).readBigUInt64LE()]).toEqual([
                seconds,
                0,
                kept,
              ]);
            }
            // All that a guest can say fits: nothing wraps to before 1970.
            for (const time of [0n, 1n, MOST, SIGN, most]) {
              const set: Call = ['path_filestat_set_times', ROOT, 1, PAGE_BYTES, 4, time, time];
              expect(await driven.call(...set, Fstflags.ATIM | Fstflags.MTIM)).toBe(SUCCESS);
              const { mtimeNs } = statSync(`${folder}/file`, { bigint: true });
              expect(mtimeNs >= 0n && mtimeNs <= time).toBe(true);
            }
          }),
        parent,
      ),
  );
});
