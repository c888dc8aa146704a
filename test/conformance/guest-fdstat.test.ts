/** What a descriptor of a file or directory may, and what it says of itself; as suites have it. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';

import { describe, expect, test } from 'vitest';

import { Fdflags, Filetype, Oflags, Rights } from '#host/abi/preview1.js';

import { PAGE_BYTES } from '../support/driver.js';
import { FIRST, type Paths, READ, WRITE, withPaths } from '../support/paths.js';

const { CREAT, DIRECTORY, TRUNC } = Oflags;

function withTree(body: (paths: Paths) => Promise<void>): Promise<void> {
  return withPaths({}, async (paths) => {
    writeFileSync(paths.host('file'), 'some text');
    mkdirSync(paths.host('full'));
    await body(paths);
  });
}

describe('access', () => {
  test('is what FD_READ and FD_WRITE ask for', () =>
    withTree(async (paths) => {
      const reading = await paths.opened('file', { rights: READ | Rights.FD_FILESTAT_SET_SIZE });
      const writing = await paths.opened('file', { rights: WRITE });
      const both = await paths.opened('file', { rights: READ | WRITE });
      const neither = await paths.opened('file', { rights: 0 });
      expect([
        await paths.write(reading, 'x'),
        await paths.write(reading, ''),
        await paths.read(reading, 4),
        await paths.write(writing, 'SOME'),
        await paths.read(writing),
        await paths.read(both),
        await paths.write(both, '!'),
        await paths.read(neither),
        await paths.write(neither, 'x'),
      ]).toEqual([
        'EBADF',
        'EBADF',
        '"some"',
        4,
        'EBADF',
        '"SOME text"',
        1,
        '"SOME text!"',
        'EBADF',
      ]);
      const bits = READ | WRITE;
      const masks: number[] = [];
      for (const fd of [reading, writing, both, neither]) {
        masks.push((await paths.fdstat(fd)).base & bits);
      }
      expect(masks).toEqual([READ, WRITE, bits, READ]);
    }));

  test('is both for what is made with no word about it, as far as the file lets that be', () =>
    withTree(async (paths) => {
      const made = await paths.opened('made', { oflags: CREAT, rights: 0 });
      expect(await paths.write(made, 'text')).toBe(4);
      const seek = await paths.call('fd_seek', made, 0n, 0, PAGE_BYTES);
      expect([seek, await paths.read(made)]).toEqual(['SUCCESS', '"text"']);
      const emptied = await paths.opened('made', { oflags: TRUNC, rights: 0 });
      expect([await paths.read(emptied), await paths.write(emptied, 'x')]).toEqual(['""', 1]);
      const readable = await paths.opened('readable', { oflags: CREAT, rights: READ });
      expect(await paths.write(readable, 'x')).toBe('EBADF');
    }));

  test('to a directory is to what is in it: reading and writing it are BADF', () =>
    withTree(async (paths) => {
      for (const fd of [FIRST, await paths.opened('full', { rights: 0 })]) {
        expect([await paths.read(fd), await paths.write(fd, 'x')]).toEqual(['EBADF', 'EBADF']);
        expect(await paths.write(fd, '')).toBe('EBADF');
      }
    }));

  test('given up by fd_fdstat_set_rights is no longer told of, and that is all', () =>
    withTree(async (paths) => {
      const fd = await paths.opened('file', { rights: READ | WRITE });
      const { base, inheriting } = await paths.fdstat(fd);
      const set = (rights: number, inherited = 0): Promise<string> =>
        paths.call('fd_fdstat_set_rights', fd, BigInt(rights), BigInt(inherited));
      expect(inheriting).toBe(0);
      expect(await set(base)).toBe('SUCCESS');
      expect(await set(base | Rights.PATH_OPEN)).toBe('ENOTCAPABLE');
      expect(await set(base, READ)).toBe('ENOTCAPABLE');
      expect(await set(base & ~Rights.FD_ADVISE)).toBe('SUCCESS');
      expect(await paths.call('fd_advise', fd, 0n, 0n, 0)).toBe('SUCCESS');
      const { FD_ADVISE, FD_ALLOCATE, FD_FILESTAT_SET_SIZE } = Rights;
      const less = base & ~(FD_ADVISE | READ | WRITE | FD_ALLOCATE | FD_FILESTAT_SET_SIZE);
      expect(await set(less)).toBe('SUCCESS');
      expect((await paths.fdstat(fd)).base).toBe(less);
      expect(await paths.write(fd, 'x')).toBe(1);
      expect(await paths.call('fd_seek', fd, 0n, 0, PAGE_BYTES)).toBe('SUCCESS');
      expect(await paths.read(fd)).toMatch(/^"x/);
      expect(await set(base)).toBe('ENOTCAPABLE');
      expect(await paths.call('fd_fdstat_set_rights', 99, 0n, 0n)).toBe('EBADF');
    }));
});

describe('fd_fdstat_get (B37)', () => {
  const DIRECTORY_BASE =
    Rights.PATH_CREATE_DIRECTORY |
    Rights.PATH_CREATE_FILE |
    Rights.PATH_LINK_SOURCE |
    Rights.PATH_LINK_TARGET |
    Rights.PATH_OPEN |
    Rights.FD_READDIR |
    Rights.PATH_READLINK |
    Rights.PATH_RENAME_SOURCE |
    Rights.PATH_RENAME_TARGET |
    Rights.PATH_SYMLINK |
    Rights.PATH_REMOVE_DIRECTORY |
    Rights.PATH_UNLINK_FILE |
    Rights.PATH_FILESTAT_GET |
    Rights.PATH_FILESTAT_SET_TIMES |
    Rights.FD_FILESTAT_GET |
    Rights.FD_FILESTAT_SET_TIMES;
  const FILE_BASE =
    Rights.FD_DATASYNC |
    Rights.FD_READ |
    Rights.FD_SEEK |
    Rights.FD_FDSTAT_SET_FLAGS |
    Rights.FD_SYNC |
    Rights.FD_TELL |
    Rights.FD_WRITE |
    Rights.FD_ADVISE |
    Rights.FD_ALLOCATE |
    Rights.FD_FILESTAT_GET |
    Rights.FD_FILESTAT_SET_SIZE |
    Rights.FD_FILESTAT_SET_TIMES |
    Rights.POLL_FD_READWRITE;
  /** Bits that would say what is not so: C2 and C3 of what suites look at. */
  const NOT_A_DIRECTORYS =
    Rights.FD_SEEK | Rights.FD_WRITE | Rights.FD_FILESTAT_SET_SIZE | Rights.PATH_FILESTAT_SET_SIZE;

  test('of directories and files', () =>
    withTree(async (paths) => {
      const preopened = await paths.fdstat(FIRST);
      const { base, inheriting } = preopened;
      expect(preopened).toMatchObject({ filetype: Filetype.DIRECTORY, flags: 0 });
      expect([base & DIRECTORY_BASE, base & NOT_A_DIRECTORYS]).toEqual([DIRECTORY_BASE, 0]);
      const all = DIRECTORY_BASE | FILE_BASE;
      expect(inheriting & all).toBe(all);
      // Opened again with what it says, and with nothing.
      for (const rights of [base, 0]) {
        const again = await paths.opened('.', { oflags: DIRECTORY, rights });
        expect(await paths.fdstat(again)).toEqual(preopened);
      }
      const file = await paths.fdstat(await paths.opened('file', { rights: READ | WRITE }));
      expect(file).toEqual({
        filetype: Filetype.REGULAR_FILE,
        flags: 0,
        base: FILE_BASE,
        inheriting: 0,
      });
    }));

  test('of a read-only directory: what changes it is missing, but not what may be asked for', () =>
    withPaths({ readOnly: [true] }, async (paths) => {
      mkdirSync(paths.host('directory'));
      writeFileSync(paths.host('file'), '');
      const changing =
        DIRECTORY_BASE &
        ~(Rights.PATH_OPEN | Rights.FD_READDIR | Rights.PATH_READLINK) &
        ~(Rights.PATH_FILESTAT_GET | Rights.FD_FILESTAT_GET);
      for (const fd of [FIRST, await paths.opened('directory', { rights: 0 })]) {
        const { base, inheriting } = await paths.fdstat(fd);
        expect([base & changing, inheriting & changing]).toEqual([0, 0]);
        expect(base & DIRECTORY_BASE).toBe(DIRECTORY_BASE & ~changing);
        // Else libraries would open for reading what a program wants to write.
        expect(inheriting & (READ | WRITE)).toBe(READ | WRITE);
      }
      const { base } = await paths.fdstat(await paths.opened('file'));
      const { FD_WRITE, FD_ALLOCATE, FD_FILESTAT_SET_SIZE, FD_FILESTAT_SET_TIMES } = Rights;
      const written = FD_WRITE | FD_ALLOCATE | FD_FILESTAT_SET_SIZE | FD_FILESTAT_SET_TIMES;
      expect(base).toBe(FILE_BASE & ~written);
    }));
});

describe('flags', () => {
  const { APPEND, DSYNC, NONBLOCK, RSYNC, SYNC } = Fdflags;

  test('APPEND can be set and cleared, and the kernel is told', () =>
    withTree(async (paths) => {
      const opening = { rights: READ | WRITE, fdflags: APPEND };
      const fd = await paths.opened('file', opening);
      expect(await paths.write(fd, '!')).toBe(1);
      const set = (flags: number): Promise<string> => paths.call('fd_fdstat_set_flags', fd, flags);
      const begin = (): Promise<string> => paths.call('fd_seek', fd, 0n, 0, PAGE_BYTES);
      expect([await set(0), await begin(), await paths.write(fd, 'S')]).toEqual([
        'SUCCESS',
        'SUCCESS',
        1,
      ]);
      expect((await paths.fdstat(fd)).flags).toBe(0);
      expect([await set(APPEND), await begin(), await paths.write(fd, '?')]).toEqual([
        'SUCCESS',
        'SUCCESS',
        1,
      ]);
      expect((await paths.fdstat(fd)).flags).toBe(APPEND);
      expect(readFileSync(paths.host('file'), 'utf8')).toBe('Some text!?');
    }));

  test('B33: those of path_open are told of; the synchronous ones stay as they are', () =>
    withTree(async (paths) => {
      const all = APPEND | DSYNC | RSYNC | SYNC | NONBLOCK;
      for (const fdflags of [DSYNC, RSYNC, SYNC, APPEND | SYNC, all]) {
        const fd = await paths.opened('file', { rights: READ | WRITE, fdflags });
        expect((await paths.fdstat(fd)).flags).toBe(fdflags);
        const answers: string[] = [];
        for (const bit of [APPEND, SYNC, DSYNC, RSYNC, 32]) {
          answers.push(await paths.call('fd_fdstat_set_flags', fd, fdflags ^ bit));
        }
        expect([fdflags, answers]).toEqual([
          fdflags,
          ['SUCCESS', 'ENOTSUP', 'ENOTSUP', 'ENOTSUP', 'EINVAL'],
        ]);
        expect((await paths.fdstat(fd)).flags).toBe(fdflags ^ APPEND);
        expect(await paths.write(fd, 'x')).toBe(1);
      }
    }));

  test('of a directory are its own', () =>
    withTree(async (paths) => {
      expect(await paths.call('fd_fdstat_set_flags', FIRST, NONBLOCK)).toBe('SUCCESS');
      expect((await paths.fdstat(FIRST)).flags).toBe(NONBLOCK);
      expect(await paths.opens('file')).toBe('SUCCESS');
    }));
});
