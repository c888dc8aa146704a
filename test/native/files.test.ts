/** Files through the addon: what the port promises of paths, and what no guest may be given. */
import { constants, mkdirSync, symlinkSync } from 'node:fs';
import net from 'node:net';

import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import { STATUS_BYTES } from '#host/kernel/kernel.js';
import { openNativeKernel } from '#host/kernel/native.js';

import { leakedSince, openDescriptors } from '../support/descriptors.js';
import { AT_EMPTY_PATH, AT_SYMLINK_NOFOLLOW, Tree, named } from '../support/tree.js';
import { ok } from './sockets.js';

const { O_RDONLY, O_RDWR, O_CREAT, O_NOFOLLOW } = constants;
/** Node has no name for it; it is the same on every machine. */
const O_PATH = 0o10000000;
const PAGE = 65_536;

const kernel = openNativeKernel();
let tree: Tree;

beforeEach(() => {
  tree = new Tree(kernel);
});

afterEach(() => tree.end());

/** Every call that takes a path, on the same range of the room: what they answer. */
function answers(offset: number, length: number, directory = tree.root): unknown[] {
  const { room } = tree;
  const range = [offset, length] as const;
  const good = tree.range('good', PAGE - 64);
  const status = new Uint8Array(STATUS_BYTES);
  return [
    kernel.openat(directory, room, ...range, O_RDWR | O_CREAT, 0o600),
    kernel.statx(directory, room, ...range, 0, status),
    kernel.statx(directory, room, ...range, AT_SYMLINK_NOFOLLOW, status),
    kernel.utimensat(directory, room, ...range, 0, new Uint8Array(32)),
    kernel.mkdirat(directory, room, ...range, 0o700),
    kernel.unlinkat(directory, room, ...range, 0),
    kernel.renameat(directory, room, ...range, directory, ...good),
    kernel.renameat(directory, room, ...good, directory, ...range),
    kernel.linkat(directory, room, ...range, directory, ...good),
    kernel.linkat(directory, room, ...good, directory, ...range),
    kernel.symlinkat(room, ...good, directory, ...range),
    kernel.symlinkat(room, ...range, directory, ...good),
    kernel.readlinkat(directory, room, ...range, 0, 64),
  ].map(named);
}

const everyOne = (answer: string): unknown[] => Array.from({ length: 13 }, () => answer);

describe('a path', () => {
  test.each([
    ['B1', PAGE, 1],
    ['B2', PAGE - 8, 9],
    ['B3', -1, 1],
    ['B3', 0, -1],
    ['B3', 2 ** 31, 1],
    ['B4', 2 ** 32 - 4, 8],
    ['B4', 1, 2 ** 32 - 1],
    ['B4', 2 ** 53, 2 ** 53],
  ])('%s outside the memory is EFAULT: offset %d, length %d', (_number, offset, length) => {
    expect(answers(offset, length)).toEqual(everyOne('EFAULT'));
  });

  test('B50 with a NUL anywhere is EINVAL, and nothing is done', () => {
    tree.file('name');
    for (const path of ['\0', 'name\0', 'na\0me', '\0name', 'name/\0', `${'n'.repeat(4094)}\0`]) {
      expect(answers(...tree.range(path))).toEqual(everyOne('EINVAL'));
    }
    expect(tree.unlink('name')).toBe(0);
    expect(tree.stat('good')).toBe('ENOENT');
  });

  test('B50 has 4,095 bytes at most', () => {
    const file = tree.file('f');
    const padded = (length: number) => `${'./'.repeat((length - 1) >> 1)}f`;
    expect(padded(4095).length).toBe(4095);
    const { ino } = tree.status(padded(4095));
    expect(ino).toBe(tree.status('', AT_EMPTY_PATH, file).ino);
    expect(tree.rename(padded(4095), `${'./'.repeat(2047)}g`)).toBe(0);
    expect(answers(...tree.range(`${'./'.repeat(2047)}.f`))).toEqual(everyOne('ENAMETOOLONG'));
    expect(answers(0, PAGE)).toEqual(everyOne('ENAMETOOLONG'));
  });

  test('B50 is bytes: what is no UTF-8 is a name like any other', () => {
    tree.room.set([0xff, 0xfe, 0x80]);
    expect(kernel.mkdirat(tree.root, tree.room, 0, 3, 0o700)).toBe(0);
    const found = tree.entries(tree.opened('.'));
    expect(found).toContainEqual(expect.objectContaining({ type: 4, name: '\ufffd'.repeat(3) }));
  });

  test('may end where the memory ends', () => {
    tree.range('f', PAGE - 1);
    expect(kernel.mkdirat(tree.root, tree.room, PAGE - 1, 1, 0o700)).toBe(0);
    expect(tree.rmdir('f')).toBe(0);
  });
});

describe('a directory', () => {
  test.each([
    ['a file', () => tree.file('f')],
    ['a socket', () => ok(kernel.socket(2, 1, 0))],
    ['an epoll', () => ok(kernel.epollCreate1(0))],
    ['an eventfd', () => ok(kernel.eventfd(0, 0))],
  ])('is none if it is %s: ENOTDIR', (_name, open) => {
    const handle = open();
    expect(answers(...tree.range('x'), handle)).toEqual(everyOne('ENOTDIR'));
    expect(answers(...tree.range('x/y'), handle)).toEqual(everyOne('ENOTDIR'));
    expect(answers(...tree.range('.'), handle)).toEqual(everyOne('ENOTDIR'));
    kernel.close(handle);
  });

  test('B28 that is closed is EBADF, on either side', () => {
    const closed = tree.opened('.');
    kernel.close(closed);
    expect(answers(...tree.range('x'), closed)).toEqual(everyOne('EBADF'));
    const { root, room } = tree;
    expect(named(kernel.renameat(root, room, 0, 1, closed, 0, 1))).toBe('EBADF');
    expect(named(kernel.linkat(root, room, 0, 1, closed, 0, 1))).toBe('EBADF');
  });

  test('is opened by the name that the host has for it', () => {
    const open = (path: string) => named(kernel.openDirectory(new TextEncoder().encode(path)));
    tree.file('f');
    expect(open('')).toBe('ENOENT');
    expect(open(`${tree.folder}\0`)).toBe('EINVAL');
    expect(open('/'.repeat(4096))).toBe('ENAMETOOLONG');
    expect(open(tree.host('missing'))).toBe('ENOENT');
    expect(open(tree.host('f'))).toBe('ENOTDIR');
    const slashes = open('/'.repeat(4095));
    expect(slashes).toBeGreaterThan(0);
    kernel.close(Number(slashes));
  });

  test('B51 of magic links has none that can be gone through', () => {
    const magic = ok(kernel.openDirectory(new TextEncoder().encode('/proc/self')));
    const number = openDescriptors()[0]?.split(' ')[0] ?? '0';
    for (const path of ['cwd', 'root', 'exe', `fd/${number}`, 'cwd/x', 'root/etc/passwd']) {
      expect(tree.open(path, O_RDONLY, magic)).toMatch(/^(ELOOP|ESCAPES)$/);
      expect(tree.stat(path, 0, magic)).toMatch(/^(ELOOP|ESCAPES)$/);
    }
    expect(tree.mkdir('cwd/x', 0o700, magic)).toBe('ELOOP');
    expect(tree.mkdir('cwd/.', 0o700, magic)).toBe('ELOOP');
    expect(tree.unlink('root/nowhere/x', 0, magic)).toBe('ELOOP');
    kernel.close(magic);
  });
});

describe('a record', () => {
  test('of a status or of times must have its size', () => {
    const { root, room } = tree;
    const range = tree.range('.');
    const short = new Uint8Array(STATUS_BYTES - 1);
    expect(named(kernel.statx(root, room, ...range, 0, short))).toBe('EFAULT');
    expect(short).toEqual(new Uint8Array(STATUS_BYTES - 1));
    expect(named(kernel.utimensat(root, room, ...range, 0, new Uint8Array(31)))).toBe('EFAULT');
  });

  test('is written only where there is something to tell', () => {
    const status = new Uint8Array(STATUS_BYTES).fill(0xee);
    const range = tree.range('missing');
    expect(named(kernel.statx(tree.root, tree.room, ...range, 0, status))).toBe('ENOENT');
    expect(status.every((byte) => byte === 0xee)).toBe(true);
  });

  test('B8 of a position, a name or entries must be inside the memory', () => {
    const { root, room } = tree;
    tree.symlink('target', 'link');
    const file = tree.file('f', 'text');
    const range = tree.range('link');
    for (const [at, length] of [
      [PAGE - 7, 8],
      [-1, 8],
    ]) {
      expect(named(kernel.lseek(file, 0, 0, 0, room, at))).toBe('EFAULT');
      expect(named(kernel.readlinkat(root, room, ...range, at, length))).toBe('EFAULT');
      expect(named(kernel.getdents64(root, room, at, length, 0, 0))).toBe('EFAULT');
      const iovs = new Uint32Array([at, length]);
      expect(named(kernel.pread(file, room, at, length, 0, 0))).toBe('EFAULT');
      expect(named(kernel.pwrite(file, room, at, length, 0, 0))).toBe('EFAULT');
      expect(named(kernel.preadv(file, room, iovs, 1, 0, 0))).toBe('EFAULT');
      expect(named(kernel.pwritev(file, room, iovs, 1, 0, 0))).toBe('EFAULT');
    }
    expect(named(kernel.lseek(file, 0, 0, 0, room, 2 ** 32))).toBe('EFAULT');
    expect(named(kernel.readlinkat(root, room, ...range, 2 ** 32, 8))).toBe('EFAULT');
    expect(named(kernel.getdents64(root, room, 2 ** 32, 8, 0, 0))).toBe('EFAULT');
    expect(kernel.lseek(file, 0, 0, 1, room, PAGE - 8)).toBe(0);
    expect(room[PAGE - 8]).toBe(4);
  });
});

describe('a handle', () => {
  test('has positions only if it is no more than its descriptor', () => {
    const { room } = tree;
    const iovs = new Uint32Array([0, 8]);
    const session = kernel.sessionOpen();
    ok(kernel.sessionEnter(session));
    const signals = ok(kernel.signalfd(1));
    expect(named(kernel.pread(signals, room, 0, 8, 0, 0))).toBe('ESPIPE');
    expect(named(kernel.pwrite(signals, room, 0, 8, 0, 0))).toBe('ESPIPE');
    expect(named(kernel.preadv(signals, room, iovs, 1, 0, 0))).toBe('ESPIPE');
    expect(named(kernel.pwritev(signals, room, iovs, 1, 0, 0))).toBe('ESPIPE');
    expect(kernel.sessionClose(session)).toBe(1);
  });

  test('of a place (O_PATH) is asked what it is, and nothing else', () => {
    tree.symlink('f', 'link');
    tree.file('f', 'text');
    const place = tree.opened('link', O_PATH | O_NOFOLLOW);
    expect(tree.status('', AT_EMPTY_PATH, place).mode & constants.S_IFMT).toBe(constants.S_IFLNK);
    expect(tree.read(place, 1)).toBe('EBADF');
    expect(tree.utimes('', [0n, 0n, 0n, 0n], AT_EMPTY_PATH, place)).toBe('EBADF');
    expect(tree.open('f', O_PATH | O_RDWR)).toBe('EINVAL');
    expect(tree.open('f', O_PATH | O_CREAT)).toBe('EINVAL');
    kernel.close(place);
  });

  test('of a socket file is none', async () => {
    const server = net.createServer().listen(tree.host('socket'));
    await new Promise((resolve) => server.once('listening', resolve));
    expect(tree.open('socket')).toBe('ENXIO');
    await new Promise((resolve) => server.close(resolve));
  });

  test('belongs to the session of its thread, and ends with it', async () => {
    const before = openDescriptors();
    const session = kernel.sessionOpen();
    ok(kernel.sessionEnter(session));
    const [directory, file] = [tree.opened('.'), tree.file('f', 'text')];
    const folder = ok(kernel.openDirectory(new TextEncoder().encode(tree.folder)));
    expect(kernel.sessionClose(session)).toBe(3);
    for (const handle of [directory, file, folder]) {
      expect(named(kernel.fstat(handle))).toBe('EBADF');
      expect(named(kernel.fsync(handle))).toBe('EBADF');
      expect(tree.stat('.', 0, handle)).toBe('EBADF');
      expect(tree.stat('', AT_EMPTY_PATH, handle)).toBe('EBADF');
    }
    expect(await leakedSince(before)).toEqual([]);
  });
});

test('no call leaves a descriptor behind, whatever it answers', async () => {
  mkdirSync(tree.host('d'));
  symlinkSync('..', tree.host('up'));
  symlinkSync('/', tree.host('d/slash'));
  const before = openDescriptors();
  const paths = ['d/x', 'd/missing/x', 'up/x', 'd/slash/x', 'd/slash', 'd/..', 'd/slash/', '/'];
  for (const path of paths) {
    for (const answer of answers(...tree.range(path))) {
      if (typeof answer === 'number' && answer > 0xffff) kernel.close(answer);
    }
    tree.open(path, O_RDONLY, -1);
  }
  expect(await leakedSince(before)).toEqual([]);
});
