/**
 * fd_pread, fd_pwrite, fd_seek and fd_tell, as a guest sees them. Node's own view of the same files
 * is the judge.
 */
import { readFileSync, statSync, writeFileSync } from 'node:fs';

import { Oflags, Rights } from '#host/abi/preview1.js';
import { Errno } from '#host/errno.js';
import { describe, expect, test } from 'vitest';

import { ONLY_FILES, OUT, directoryGuest } from '../support/directory-guest.js';
import { iovecs } from '../support/driven.js';

const { BADF, FAULT, FBIG, INVAL } = Errno;
const [SET, CUR, END] = [0, 1, 2];
const BUF = 0x3_0000;
const IOVS = 0x4_0000;
const MEMORY_END = 8 * 65_536;
const MARKER = 0xa5;
const FAR = 5n * 2n ** 30n;
const TOO_FAR = 2n ** 63n;
const READ = BigInt(Rights.FD_READ);
const WRITE = BigInt(Rights.FD_WRITE);
const { CREAT } = Oflags;

const the = directoryGuest();

describe('fd_pread and fd_pwrite', () => {
  test('move bytes at an offset, and leave the position where it is', async () => {
    const guest = the();
    const { open, host } = await guest.place();
    const fd = await open('f', { oflags: CREAT });
    expect(await guest.pwrite(fd, 'hello', 3n)).toEqual([0, 5]);
    expect(readFileSync(host('f'), 'latin1')).toBe('\0\0\0hello');
    expect(await guest.tell(fd)).toBe(0n);
    expect(await guest.pread(fd, 100, 5n)).toBe('llo');
    expect(await guest.pread(fd, 100, 8n)).toBe('');
    expect(await guest.pread(fd, 100, FAR)).toBe('');
    expect(await guest.pread(fd, 0, 0n)).toBe('');
    expect(await guest.tell(fd)).toBe(0n);
  });

  test('fill and take several buffers in order', async () => {
    const guest = the();
    const { driven } = guest;
    const { open, host } = await guest.place();
    const fd = await open('f', { oflags: CREAT });
    await driven.write(BUF, Buffer.from('abcdef'));
    const pairs = [
      [BUF + 4, 2],
      [BUF, 0],
      [BUF, 3],
    ] as const;
    await driven.calls(iovecs(IOVS, pairs));
    expect(await guest.call('fd_pwrite', fd, IOVS, 3, 1n, OUT)).toBe(0);
    expect(readFileSync(host('f'), 'latin1')).toBe('\0efabc');
    expect(await guest.call('fd_pread', fd, IOVS, 3, 2n, OUT)).toBe(0);
    expect(await driven.u32(OUT)).toBe(4);
    expect(Buffer.from(await driven.read(BUF, 6)).toString()).toBe('bccdfa');
  });

  test('B55: reach beyond 4 GiB, and refuse what no file reaches', async () => {
    const guest = the();
    const { open, host } = await guest.place();
    const fd = await open('sparse', { oflags: CREAT });
    expect(await guest.pwrite(fd, 'far', FAR)).toEqual([0, 3]);
    expect(statSync(host('sparse'), { bigint: true }).size).toBe(FAR + 3n);
    expect(statSync(host('sparse')).blocks).toBeLessThan(1000);
    expect(await guest.pread(fd, 8, FAR - 1n)).toBe('\0far');
    for (const offset of [TOO_FAR, 2n ** 64n - 1n, -1n]) {
      expect(await guest.pread(fd, 8, offset)).toBe(-INVAL);
      expect(await guest.pwrite(fd, 'x', offset)).toEqual([INVAL, -1]);
    }
    expect(await guest.pwrite(fd, 'x', TOO_FAR - 2n)).toEqual([FBIG, -1]);
    expect(statSync(host('sparse'), { bigint: true }).size).toBe(FAR + 3n);
  });

  test('need the access that the file was opened with, and a file', async () => {
    const guest = the();
    const { open, host } = await guest.place();
    writeFileSync(host('f'), 'text');
    const reader = await open('f', { rights: READ });
    const writer = await open('f', { rights: WRITE });
    expect(await guest.pread(reader, 9, 0n)).toBe('text');
    expect(await guest.pwrite(reader, 'x', 0n)).toEqual([BADF, -1]);
    expect(await guest.pread(writer, 9, 0n)).toBe(-BADF);
    expect(await guest.pwrite(writer, 'T', 0n)).toEqual([0, 1]);
    await guest.driven.calls(iovecs(IOVS, [[BUF, 1]]));
    for (const name of ['fd_pread', 'fd_pwrite']) {
      expect(await guest.answers((fd) => [name, fd, IOVS, 1, 0n, OUT])).toEqual(ONLY_FILES);
    }
    expect(readFileSync(host('f'), 'latin1')).toBe('Text');
  });

  test('B7: move nothing where an argument is wrong', async () => {
    const guest = the();
    const { open, host } = await guest.place();
    writeFileSync(host('f'), 'text');
    const fd = await open('f');
    await guest.call('memory.fill', BUF, MARKER, MEMORY_END - BUF);
    await guest.driven.calls(iovecs(IOVS, [[BUF, 4]]));
    await guest.driven.calls(iovecs(OUT - 8, [[MEMORY_END - 3, 4]]));
    for (const name of ['fd_pread', 'fd_pwrite']) {
      expect(await guest.call(name, fd, IOVS, 1, 0n, MEMORY_END - 3)).toBe(FAULT);
      expect(await guest.call(name, fd, MEMORY_END - 7, 1, 0n, OUT)).toBe(FAULT);
      expect(await guest.call(name, fd, OUT - 8, 1, 0n, OUT)).toBe(FAULT);
      expect(await guest.call(name, fd, IOVS, 2 ** 29, 0n, OUT)).toBe(INVAL);
      expect(await guest.call(name, fd, IOVS, 1025, 0n, OUT)).toBe(INVAL);
    }
    expect(await guest.call('dirty', BUF, IOVS, MARKER)).toBe(-1);
    expect(readFileSync(host('f'), 'latin1')).toBe('text');
  });
});

describe('fd_seek and fd_tell', () => {
  test('go where they are told, and nowhere before the beginning', async () => {
    const guest = the();
    const { open, host } = await guest.place();
    writeFileSync(host('f'), '0123456789');
    const fd = await open('f');
    expect(await guest.seek(fd, 4n, SET)).toBe(4n);
    expect(await guest.seek(fd, -1n, CUR)).toBe(3n);
    expect(await guest.seek(fd, -2n, END)).toBe(8n);
    expect(await guest.seek(fd, 0n, CUR)).toBe(8n);
    for (const [offset, whence] of [
      [-1n, SET],
      [-9n, CUR],
      [-11n, END],
      [-TOO_FAR, CUR],
      [0n, 3],
      [0n, 255],
      [0n, -1],
    ] as const) {
      expect(await guest.seek(fd, offset, whence)).toBe(-BigInt(INVAL));
    }
    expect(await guest.tell(fd)).toBe(8n);
    expect(await guest.seek(fd, FAR, CUR)).toBe(FAR + 8n);
    expect(await guest.tell(fd)).toBe(FAR + 8n);
    expect(statSync(host('f')).size).toBe(10);
  });

  test('B7: move nothing where the result has no place', async () => {
    const guest = the();
    const { open } = await guest.place();
    const fd = await open('f', { oflags: CREAT });
    await guest.seek(fd, 5n, SET);
    expect(await guest.call('fd_seek', fd, 1n, SET, MEMORY_END - 7)).toBe(FAULT);
    expect(await guest.call('fd_seek', fd, 1n, SET, -8)).toBe(FAULT);
    expect(await guest.call('fd_tell', fd, MEMORY_END - 7)).toBe(FAULT);
    expect(await guest.tell(fd)).toBe(5n);
  });

  test('need a file', async () => {
    const guest = the();
    expect(await guest.answers((fd) => ['fd_seek', fd, 0n, CUR, OUT])).toEqual(ONLY_FILES);
    expect(await guest.answers((fd) => ['fd_tell', fd, OUT])).toEqual(ONLY_FILES);
  });
});
