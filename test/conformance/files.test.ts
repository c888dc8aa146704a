/** Files by their handles: what `openat(2)` opens, and what is done with that. */
import { execFileSync } from 'node:child_process';
import { constants, statSync } from 'node:fs';

import { expect, test } from 'vitest';

import {
  AT_EMPTY_PATH,
  AT_SYMLINK_NOFOLLOW,
  SEEK_CUR,
  SEEK_END,
  type Status,
  UTIME_NOW,
  UTIME_OMIT,
  halves,
  named,
} from '../support/tree.js';
import { everyTree } from './trees.js';
import { ok } from './world.js';

const { O_RDONLY, O_WRONLY, O_RDWR, O_CREAT, O_EXCL, O_TRUNC, O_APPEND } = constants;
const { O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK, O_DIRECT } = constants;
const FAR = 5n << 32n;

everyTree('openat', (tree) => {
  test('makes a file with the bits of its mode that a guest may set', () => {
    const { kernel, root, room } = tree();
    ok(kernel.openat(root, room, ...tree().range('made'), O_RDWR | O_CREAT, 0o7751));
    expect(statSync(tree().host('made')).mode & 0o7777).toBe(0o751 & ~process.umask());
  });

  test('says why not, in the words of open(2)', () => {
    tree().file('f', 'text');
    tree().mkdir('d');
    tree().symlink('f', 'link');
    expect(tree().open('missing')).toBe('ENOENT');
    expect(tree().open('f', O_CREAT | O_EXCL)).toBe('EEXIST');
    expect(tree().open('f', O_DIRECTORY)).toBe('ENOTDIR');
    expect(tree().open('f/')).toBe('ENOTDIR');
    expect(tree().open('f/x')).toBe('ENOTDIR');
    expect(tree().open('d', O_RDWR)).toBe('EISDIR');
    expect(tree().open('link', O_NOFOLLOW)).toBe('ELOOP');
    expect(tree().open('n'.repeat(256))).toBe('ENAMETOOLONG');
    expect([O_DIRECT, O_NONBLOCK, 1 << 30].map((flag) => tree().open('f', flag))).toEqual([
      'EINVAL',
      'EINVAL',
      'EINVAL',
    ]);
  });

  test('gives the access that was asked for, and no other', () => {
    tree().file('f', 'text');
    expect(tree().write(tree().opened('f'), 'x')).toBe('EBADF');
    expect(tree().read(tree().opened('f', O_WRONLY), 1)).toBe('EBADF');
    expect(tree().read(tree().opened('f', O_RDWR | O_TRUNC), 4)).toBe('');
  });

  test('goes on from a directory that was opened so', () => {
    tree().mkdir('d');
    const directory = tree().opened('d', O_DIRECTORY);
    expect(tree().open('f', O_RDWR | O_CREAT, directory)).toBeGreaterThan(0);
    expect(tree().status('d/f').size).toBe(0n);
    expect(tree().open('f', O_RDONLY, tree().file('g'))).toBe('ENOTDIR');
    expect(tree().open('../d/f', O_RDONLY, directory)).toBe('ESCAPES');
  });

  test('of a FIFO never waits, and a write that nobody reads is EPIPE', () => {
    execFileSync('mkfifo', [tree().host('fifo')]);
    expect(tree().open('fifo', O_WRONLY)).toBe('ENXIO');
    const reader = tree().opened('fifo');
    expect(tree().read(reader, 4)).toBe('');
    const writer = tree().opened('fifo', O_WRONLY);
    expect(tree().read(reader, 4)).toBe('EAGAIN');
    expect(tree().write(writer, 'text')).toBe(4);
    expect(tree().read(reader, 9)).toBe('text');
    expect(tree().pread(reader, 4, 0n)).toBe('ESPIPE');
    expect(tree().seek(reader, 0n)).toBe('ESPIPE');
    ok(tree().kernel.close(reader));
    expect(tree().write(writer, 'text')).toBe('EPIPE');
  });
});

everyTree('a file', (tree) => {
  test('has one position, that reading, writing and lseek move', () => {
    const file = tree().file('f', 'some text');
    expect(tree().seek(file, 5n)).toBe(5n);
    expect(tree().read(file, 2)).toBe('te');
    expect(tree().seek(file, -3n, SEEK_CUR)).toBe(4n);
    expect(tree().seek(file, FAR, SEEK_END)).toBe(FAR + 9n);
    expect(tree().seek(file, -1n)).toBe('EINVAL');
    expect(tree().seek(file, 0n, 77)).toBe('EINVAL');
    expect(tree().seek(file, 0n, SEEK_CUR)).toBe(FAR + 9n);
    expect(tree().write(file, 'end')).toBe(3);
    expect(tree().status('f').size).toBe(FAR + 12n);
  });

  test('is read and written anywhere without moving it', () => {
    const file = tree().file('f', 'some text');
    expect(tree().pread(file, 4, 5n)).toBe('text');
    expect(tree().pread(file, 4, 9n)).toBe('');
    expect(tree().pwrite(file, 'far', FAR)).toBe(3);
    expect(tree().pread(file, 9, FAR)).toBe('far');
    expect(tree().pread(file, 4, -1n)).toBe('EINVAL');
    expect(tree().pwrite(file, 'x', -(1n << 63n))).toBe('EINVAL');
    expect(tree().seek(file, 0n, SEEK_CUR)).toBe(9n);
  });

  test('takes what several buffers hold, and fills several', () => {
    const { kernel, room } = tree();
    const file = tree().file('f');
    tree().range('some text');
    const iovs = new Uint32Array([5, 4, 0, 0, 0, 4]);
    expect(kernel.pwritev(file, room, iovs, 3, 1, 0)).toBe(8);
    expect(tree().pread(file, 20, 0n)).toBe('\0textsome');
    expect(kernel.preadv(file, room, new Uint32Array([100, 3, 200, 9]), 2, 1, 0)).toBe(8);
    expect(new TextDecoder().decode(room.subarray(200, 205))).toBe('tsome');
  });

  test('appends from when it is told to, until it is told not to', () => {
    const { kernel } = tree();
    const file = tree().file('f', 'one');
    ok(kernel.setfl(file, O_APPEND));
    tree().seek(file, 0n);
    expect(tree().write(file, 'two')).toBe(3);
    ok(kernel.setfl(file, 0));
    tree().seek(file, 0n);
    expect(tree().write(file, 'O')).toBe(1);
    expect(tree().pread(file, 9, 0n)).toBe('Onetwo');
    expect(tree().write(tree().opened('f', O_WRONLY | O_APPEND), '!')).toBe(1);
    expect(tree().pread(file, 9, 0n)).toBe('Onetwo!');
  });
});

everyTree('the whole of a file', (tree) => {
  test('has the size that it is given, and room that is kept for it', () => {
    const { kernel } = tree();
    const file = tree().file('f', 'some text');
    ok(kernel.ftruncate(file, 4, 0));
    expect(tree().pread(file, 9, 0n)).toBe('some');
    ok(kernel.ftruncate(file, ...halves(FAR)));
    expect(tree().status('f').size).toBe(FAR);
    expect(named(kernel.ftruncate(file, ...halves(-1n)))).toBe('EINVAL');
    expect(named(kernel.ftruncate(tree().opened('f'), 0, 0))).toBe('EINVAL');
    const other = tree().file('g', 'text');
    const allocate = (offset: bigint, length: bigint) =>
      named(kernel.fallocate(other, ...halves(offset), ...halves(length)));
    expect(allocate(2n, 1n)).toBe(0);
    expect(tree().status('g').size).toBe(4n);
    expect(allocate(90n, 20n)).toBe(0);
    expect(tree().status('g').size).toBe(110n);
    expect([allocate(0n, 0n), allocate(-1n, 1n), allocate(0n, -1n)]).toEqual(
      Array.from({ length: 3 }, () => 'EINVAL'),
    );
    expect(allocate(0n, (1n << 63n) - 1n)).toBe('EFBIG');
  });

  test('is written through, and takes advice that makes sense', () => {
    const { kernel } = tree();
    const file = tree().file('f', 'some text');
    expect([kernel.fsync(file), kernel.fdatasync(file)]).toEqual([0, 0]);
    for (let advice = 0; advice < 6; advice++) {
      expect(kernel.fadvise(file, 0, 0, 4, 0, advice)).toBe(0);
    }
    expect(named(kernel.fadvise(file, 0, 0, 4, 0, 6))).toBe('EINVAL');
    expect(named(kernel.fadvise(file, 0, 0, ...halves(-1n), 0))).toBe('EINVAL');
    ok(kernel.pipe2(tree().room, 0));
    const [end] = new Int32Array(tree().room.buffer, 0, 1);
    expect(named(kernel.fadvise(end, 0, 0, 0, 0, 0))).toBe('ESPIPE');
    expect(named(kernel.fsync(end))).toBe('EINVAL');
  });
});

everyTree('statx', (tree) => {
  test('tells what Node is told', () => {
    tree().file('f', 'some text');
    tree().link('f', 'g');
    const seen = statSync(tree().host('f'), { bigint: true });
    const { dev, ino, mode, nlink, size, atimeNs: atim, mtimeNs: mtim, ctimeNs: ctim } = seen;
    const status: Status = { dev, ino, mode: Number(mode), nlink, size, atim, mtim, ctim };
    expect(tree().stat('f')).toEqual(status);
    expect(nlink).toBe(2n);
    expect(tree().stat('', AT_EMPTY_PATH, tree().opened('g'))).toEqual(status);
  });

  test('follows links or tells of the link, and tells a directory apart', () => {
    tree().file('f', 'some text');
    tree().symlink('f', 'link');
    expect(tree().status('link').size).toBe(9n);
    const link = tree().status('link', AT_SYMLINK_NOFOLLOW);
    expect(link.mode).toBe(constants.S_IFLNK | 0o777);
    expect(link.size).toBe(1n);
    expect(tree().status('.').mode & constants.S_IFMT).toBe(constants.S_IFDIR);
    expect(tree().stat('missing')).toBe('ENOENT');
    expect(tree().stat('f/')).toBe('ENOTDIR');
    expect(tree().stat('f', 1)).toBe('EINVAL');
    expect(tree().stat('f', AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW)).toBe('EINVAL');
  });
});

everyTree('utimensat', (tree) => {
  test('sets times to the nanosecond, before 1970 and long after', () => {
    tree().file('f');
    expect(tree().utimes('f', [1n, 2n, 3n, 999_999_999n])).toBe(0);
    expect(tree().status('f')).toMatchObject({ atim: 1_000_000_002n, mtim: 3_999_999_999n });
    expect(tree().utimes('f', [-5n, 0n, 10_000_000_000n, 1n])).toBe(0);
    const { atim, mtim } = tree().status('f');
    const seen = statSync(tree().host('f'), { bigint: true });
    expect(atim).toBe(0n);
    expect(seen.atimeMs).toBeLessThan(0n);
    expect(mtim).toBe(seen.mtimeNs);
  });

  test('leaves a time alone, or sets it to now', () => {
    tree().file('f');
    tree().utimes('f', [1n, 0n, 1n, 0n]);
    expect(tree().utimes('f', [7n, 0n, 7n, UTIME_OMIT])).toBe(0);
    expect(tree().status('f')).toMatchObject({ atim: 7_000_000_000n, mtim: 1_000_000_000n });
    expect(tree().utimes('f', [7n, UTIME_OMIT, 7n, UTIME_NOW])).toBe(0);
    const { atim, mtim } = tree().status('f');
    expect(atim).toBe(7_000_000_000n);
    expect(mtim).toBeGreaterThan(1_700_000_000_000_000_000n);
    expect(tree().utimes('f', [0n, 1_000_000_000n, 0n, 0n])).toBe('EINVAL');
  });

  test('sets those of a link, of what it leads to, or of what a handle names', () => {
    tree().file('f');
    tree().symlink('f', 'link');
    tree().mkdir('d');
    const times = (seconds: bigint) => [seconds, 0n, seconds, 0n];
    expect(tree().utimes('link', times(1n), AT_SYMLINK_NOFOLLOW)).toBe(0);
    expect(tree().utimes('link', times(2n))).toBe(0);
    expect(tree().status('link', AT_SYMLINK_NOFOLLOW).mtim).toBe(1_000_000_000n);
    expect(tree().status('f').mtim).toBe(2_000_000_000n);
    for (const name of ['f', 'd']) {
      expect(tree().utimes('', times(3n), AT_EMPTY_PATH, tree().opened(name))).toBe(0);
      expect(tree().status(name).mtim).toBe(3_000_000_000n);
    }
    expect(tree().utimes('missing', times(1n))).toBe('ENOENT');
    expect(tree().utimes('f', times(1n), 1)).toBe('EINVAL');
  });
});
