/**
 * fd_filestat_*, fd_allocate, fd_advise, fd_sync and fd_datasync, as a guest sees them. Node's own
 * view of the same files is the judge.
 */
import {
  closeSync,
  ftruncateSync,
  linkSync,
  openSync,
  readFileSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';

import { Advice, Fdflags, Filetype, Fstflags, Oflags, Rights } from '#host/abi/preview1.js';
import { Errno } from '#host/errno.js';
import { describe, expect, test } from 'vitest';

import { GUEST_NAME, ONLY_FILES, ROOT, directoryGuest } from '../support/directory-guest.js';
import type { Stat } from '../support/structs.js';

const { BADF, FAULT, FBIG, INVAL, ROFS } = Errno;
const BUF = 0x3_0000;
const MEMORY_END = 8 * 65_536;
const MARKER = 0xa5;
const FAR = 5n * 2n ** 30n;
const TOO_FAR = 2n ** 63n;
const READ = BigInt(Rights.FD_READ);
const { CREAT } = Oflags;

const the = directoryGuest();

/** What Node says of a file, as a filestat has it. */
function statOf(path: string, filetype: number): Stat {
  const stat = statSync(path, { bigint: true });
  const { dev, ino, nlink, size, atimeNs: atim, mtimeNs: mtim, ctimeNs: ctim } = stat;
  return { dev, ino, filetype, nlink, size, atim, mtim, ctim };
}

describe('fd_filestat_get', () => {
  test('says of files and directories what Node says', async () => {
    const guest = the();
    const { fd, open, host } = await guest.place();
    writeFileSync(host('f'), 'four');
    linkSync(host('f'), host('second'));
    const file = await open('f', { rights: READ });
    expect(await guest.filestat(file)).toEqual(statOf(host('f'), Filetype.REGULAR_FILE));
    expect((await guest.filestat(file)).nlink).toBe(2n);
    expect(await guest.filestat(fd)).toEqual(statOf(host('.'), Filetype.DIRECTORY));
    expect(await guest.filestat(ROOT)).toEqual(statOf(guest.folder, Filetype.DIRECTORY));
    const sparse = await open('sparse', { oflags: CREAT });
    expect(await guest.call('fd_filestat_set_size', sparse, FAR)).toBe(0);
    expect((await guest.filestat(sparse)).size).toBe(FAR);
  });

  test('gives every descriptor the filetype that fd_fdstat_get gives it', async () => {
    const guest = the();
    const others = await guest.others();
    for (const [kind, fd] of Object.entries({ ...others, root: ROOT })) {
      expect(await guest.call('fd_fdstat_get', fd, BUF)).toBe(0);
      const [filetype] = await guest.driven.read(BUF, 1);
      expect([kind, (await guest.filestat(fd)).filetype]).toEqual([kind, filetype]);
    }
    expect((await guest.filestat(others['datagram'])).filetype).toBe(Filetype.SOCKET_DGRAM);
    expect((await guest.filestat(others['socket'])).filetype).toBe(Filetype.SOCKET_STREAM);
  });

  test('has times before 1970 as 0', async () => {
    const guest = the();
    const { open, host } = await guest.place();
    writeFileSync(host('old'), '');
    utimesSync(host('old'), new Date(-5000), new Date(-5000));
    const { atim, mtim } = await guest.filestat(await open('old'));
    expect([atim, mtim]).toEqual([0n, 0n]);
  });

  test('B8: writes all of a record, or nothing', async () => {
    const guest = the();
    await guest.call('memory.fill', BUF, MARKER, MEMORY_END - BUF);
    expect(await guest.call('fd_filestat_get', ROOT, MEMORY_END - 63)).toBe(FAULT);
    expect(await guest.call('fd_filestat_get', ROOT, -64)).toBe(FAULT);
    expect(await guest.call('fd_filestat_get', 999, BUF)).toBe(BADF);
    expect(await guest.call('fd_filestat_get', -1, BUF)).toBe(BADF);
    expect(await guest.call('dirty', BUF, MEMORY_END, MARKER)).toBe(-1);
    // The last that fits, and one off its alignment.
    expect(await guest.call('fd_filestat_get', ROOT, MEMORY_END - 64)).toBe(0);
    expect(await guest.call('fd_filestat_get', ROOT, BUF + 3)).toBe(0);
    const aligned = await guest.driven.read(MEMORY_END - 64, 64);
    expect(await guest.driven.read(BUF + 3, 64)).toEqual(aligned);
  });
});

describe('fd_filestat_set_size and fd_allocate', () => {
  test('change the size as ftruncate(2) and fallocate(2) do', async () => {
    const guest = the();
    const { open, host } = await guest.place();
    const fd = await open('f', { oflags: CREAT });
    const size = (): number => statSync(host('f')).size;
    expect([await guest.call('fd_filestat_set_size', fd, 100n), size()]).toEqual([0, 100]);
    expect([await guest.call('fd_filestat_set_size', fd, 10n), size()]).toEqual([0, 10]);
    expect([await guest.call('fd_allocate', fd, 0n, 5n), size()]).toEqual([0, 10]);
    expect([await guest.call('fd_allocate', fd, 90n, 20n), size()]).toEqual([0, 110]);
    expect([await guest.call('fd_filestat_set_size', fd, FAR), size()]).toEqual([0, Number(FAR)]);
    expect([await guest.call('fd_filestat_set_size', fd, 0n), size()]).toEqual([0, 0]);
    expect(await guest.tell(fd)).toBe(0n);
  });

  test('B55: refuse what is no size', async () => {
    const guest = the();
    const { open, host } = await guest.place();
    const fd = await open('f', { oflags: CREAT });
    for (const size of [TOO_FAR, -1n]) {
      expect(await guest.call('fd_filestat_set_size', fd, size)).toBe(INVAL);
      expect(await guest.call('fd_allocate', fd, size, 1n)).toBe(INVAL);
      expect(await guest.call('fd_allocate', fd, 0n, size)).toBe(INVAL);
    }
    expect(await guest.call('fd_allocate', fd, 0n, 0n)).toBe(INVAL);
    expect(await guest.call('fd_allocate', fd, 2n ** 62n, 2n ** 62n)).toBe(FBIG);
    // What this file system has as its largest is for it to say.
    const descriptor = openSync(host('other'), 'w');
    const largest = errnoOf(() => ftruncateSync(descriptor, 2 ** 53 - 1));
    closeSync(descriptor);
    expect(await guest.call('fd_filestat_set_size', fd, 2n ** 53n - 1n)).toBe(largest);
    await guest.call('fd_filestat_set_size', fd, 0n);
    expect(statSync(host('f')).size).toBe(0);
  });

  test('need a file that was opened to be written', async () => {
    const guest = the();
    const { open, host } = await guest.place();
    writeFileSync(host('f'), 'text');
    const reader = await open('f', { rights: READ });
    expect(await guest.call('fd_filestat_set_size', reader, 1n)).toBe(INVAL);
    expect(await guest.call('fd_allocate', reader, 0n, 100n)).toBe(BADF);
    expect(readFileSync(host('f'), 'latin1')).toBe('text');
    const sized = await guest.answers((fd) => ['fd_filestat_set_size', fd, 1n]);
    expect(sized).toEqual({ ...ONLY_FILES, others: [INVAL] });
    expect(await guest.answers((fd) => ['fd_allocate', fd, 0n, 1n])).toEqual(ONLY_FILES);
  });
});

/** The WASI errno that a call of Node's fails with, 0 if it does not. */
function errnoOf(act: () => void): number {
  try {
    act();
    return 0;
  } catch (error) {
    const name = String((error as NodeJS.ErrnoException).code).slice(1);
    return Errno[name as keyof typeof Errno];
  }
}

describe('fd_filestat_set_times', () => {
  const { ATIM, ATIM_NOW, MTIM, MTIM_NOW } = Fstflags;
  const [ACCESSED, MODIFIED] = [1_234_567_890_123_456_789n, 987_654_321_987_654_321n];

  test('sets what is asked for, to the nanosecond, and leaves the rest', async () => {
    const guest = the();
    const { fd: directory, open, host } = await guest.place();
    writeFileSync(host('f'), '');
    const file = await open('f', { rights: READ });
    for (const [fd, path] of [
      [file, host('f')],
      [directory, host('.')],
    ] as const) {
      const times = (): bigint[] => {
        const { atimeNs, mtimeNs } = statSync(path, { bigint: true });
        return [atimeNs, mtimeNs];
      };
      const set = (atim: bigint, mtim: bigint, flags: number): Promise<number> =>
        guest.call('fd_filestat_set_times', fd, atim, mtim, flags);
      expect([await set(ACCESSED, MODIFIED, ATIM | MTIM), times()]).toEqual([
        0,
        [ACCESSED, MODIFIED],
      ]);
      expect([await set(5n, 7n, MTIM), times()]).toEqual([0, [ACCESSED, 7n]]);
      expect([await set(5n, 9n, ATIM), times()]).toEqual([0, [5n, 7n]]);
      expect([await set(1n, 1n, 0), times()]).toEqual([0, [5n, 7n]]);
      for (const flags of [ATIM | ATIM_NOW, MTIM | MTIM_NOW, 15, 16, -1]) {
        expect([await set(1n, 1n, flags), times()]).toEqual([INVAL, [5n, 7n]]);
      }
      const before = BigInt(Date.now() - 1000) * 1_000_000n;
      expect(await set(1n, 1n, ATIM_NOW | MTIM)).toBe(0);
      expect(times()[0]).toBeGreaterThan(before);
      expect(times()[1]).toBe(1n);
    }
  });

  test('B55: takes any 64 bits, as far as the file system goes', async () => {
    const guest = the();
    const { open, host } = await guest.place();
    writeFileSync(host('f'), '');
    const fd = await open('f');
    for (const time of [0n, 2n ** 32n * 10n ** 9n, 2n ** 63n - 1n, 2n ** 63n, 2n ** 64n - 1n]) {
      expect(await guest.call('fd_filestat_set_times', fd, time, time, ATIM | MTIM)).toBe(0);
      const { atim, mtim } = await guest.filestat(fd);
      const { atimeNs, mtimeNs } = statSync(host('f'), { bigint: true });
      expect([atim, mtim]).toEqual([atimeNs, mtimeNs]);
      expect(mtim).toBeLessThanOrEqual(time);
    }
  });

  test('needs something on disk', async () => {
    const guest = the();
    const timed = await guest.answers((fd) => ['fd_filestat_set_times', fd, 1n, 1n, MTIM]);
    expect(timed).toEqual({ ...ONLY_FILES, directory: 0, others: [INVAL] });
  });
});

describe('fd_advise', () => {
  test('takes all six kinds of advice for any part of a file', async () => {
    const guest = the();
    const { open, host } = await guest.place();
    writeFileSync(host('f'), 'text');
    const fd = await open('f', { rights: READ });
    for (const advice of Object.values(Advice)) {
      expect(await guest.call('fd_advise', fd, 0n, 0n, advice)).toBe(0);
      expect(await guest.call('fd_advise', fd, FAR, TOO_FAR - 1n, advice)).toBe(0);
    }
    for (const [offset, length, advice] of [
      [0n, 0n, 6],
      [0n, 0n, -1],
      [TOO_FAR, 0n, 0],
      [0n, -1n, 0],
    ] as const) {
      expect(await guest.call('fd_advise', fd, offset, length, advice)).toBe(INVAL);
    }
    expect(readFileSync(host('f'), 'latin1')).toBe('text');
    expect(await guest.answers((each) => ['fd_advise', each, 0n, 0n, 0])).toEqual(ONLY_FILES);
  });
});

describe('fd_sync and fd_datasync', () => {
  test.each(['fd_sync', 'fd_datasync'])('%s: files and directories', async (name) => {
    const guest = the();
    const { open } = await guest.place();
    const fd = await open('f', { oflags: CREAT, fdflags: Fdflags.APPEND });
    expect(await guest.call(name, fd)).toBe(0);
    expect(await guest.call(name, ROOT)).toBe(0);
    for (const unopened of [999, -1]) expect(await guest.call(name, unopened)).toBe(BADF);
    const others = await guest.others();
    for (const kind of ['reader', 'socket', 'listener', 'epoll', 'event']) {
      expect([kind, await guest.call(name, others[kind])]).toEqual([kind, INVAL]);
    }
  });
});

describe('a directory that was granted read-only', () => {
  const only = directoryGuest({ readOnly: true });

  test('B35: keeps its sizes and times, and says once what would let them change', async () => {
    const guest = only();
    writeFileSync(guest.host('f'), 'text');
    utimesSync(guest.host('f'), 5, 5);
    utimesSync(guest.folder, 5, 5);
    const fd = await guest.open('f', { rights: READ });
    const before = statOf(guest.host('f'), Filetype.REGULAR_FILE);
    expect(await guest.call('fd_filestat_set_size', fd, 1n)).toBe(ROFS);
    expect(await guest.call('fd_allocate', fd, 0n, 100n)).toBe(ROFS);
    expect(await guest.call('fd_filestat_set_times', fd, 1n, 1n, Fstflags.MTIM)).toBe(ROFS);
    expect(await guest.call('fd_filestat_set_times', ROOT, 1n, 1n, Fstflags.MTIM)).toBe(ROFS);
    expect(await guest.pwrite(fd, 'x', 0n)).toEqual([BADF, -1]);
    // What is wrong in itself is no matter of grants.
    expect(await guest.call('fd_filestat_set_size', fd, -1n)).toBe(INVAL);
    expect(await guest.pread(fd, 9, 0n)).toBe('text');
    expect(await guest.call('fd_sync', fd)).toBe(0);
    expect(await guest.call('fd_advise', fd, 0n, 0n, 0)).toBe(0);
    const after = statOf(guest.host('f'), Filetype.REGULAR_FILE);
    expect({ ...after, atim: 0n }).toEqual({ ...before, atim: 0n });
    expect(statSync(guest.folder).mtimeMs).toBe(5000);
    const { reports } = guest.local;
    expect(new Set(reports).size).toBe(reports.length);
    expect(reports).toContainEqual(expect.stringContaining(`--dir HOST::${GUEST_NAME}`));
  });
});
