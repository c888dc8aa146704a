/** path_open of a guest over a directory of this machine; expectations as suites have them. */
import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';

import { describe, expect, test } from 'vitest';

import { Fdflags, Filetype, Oflags } from '#host/abi/preview1.js';

import { openDescriptors } from '../support/descriptors.js';
import { type Call, iovecs } from '../support/driven.js';
import { PAGE_BYTES } from '../support/driver.js';
import { FIRST, type Paths, READ, WRITE, withPaths } from '../support/paths.js';
import { MEMORY_END } from '../support/scene.js';

const { CREAT, DIRECTORY, EXCL, TRUNC } = Oflags;
const NOFOLLOW = { dirflags: 0 };

function withTree(body: (paths: Paths) => Promise<void>): Promise<void> {
  return withPaths({}, async (paths) => {
    writeFileSync(paths.host('file'), 'some text');
    mkdirSync(paths.host('full/nested'), { recursive: true });
    symlinkSync('file', paths.host('to-file'));
    symlinkSync('full', paths.host('to-full'));
    symlinkSync('nowhere', paths.host('dangling'));
    symlinkSync('loop', paths.host('loop'));
    await body(paths);
  });
}

/** Lowest first: the number that the next descriptor of the guest has. */
async function nextNumber(paths: Paths): Promise<number> {
  const fd = await paths.opened('.');
  await paths.close(fd);
  return fd;
}

describe('path_open', () => {
  test('makes, empties and refuses as Linux does', () =>
    withTree(async (paths) => {
      const answers = {
        file: await paths.opens('file'),
        missing: await paths.opens('missing'),
        'made with no rights': await paths.opens('made', { oflags: CREAT, rights: 0 }),
        'made again': await paths.opens('made', { oflags: CREAT | EXCL }),
        'made beneath nothing': await paths.opens('missing/made', { oflags: CREAT }),
        'made with a slash': await paths.opens('slashed/', { oflags: CREAT }),
        'made by a dangling link': await paths.opens('dangling', { oflags: CREAT, rights: WRITE }),
        'file with a slash': await paths.opens('file/'),
        'file in a file': await paths.opens('file/x'),
        'file as a directory': await paths.opens('file', { oflags: DIRECTORY }),
        directory: await paths.opens('full', { rights: 0 }),
        'directory with slashes': await paths.opens('full///', { rights: 0 }),
        'directory as one': await paths.opens('full', { oflags: DIRECTORY }),
        'directory to write': await paths.opens('full', { rights: READ | WRITE }),
        'directory as one to write': await paths.opens('full', {
          oflags: DIRECTORY,
          rights: READ | WRITE,
        }),
        'file as a directory to write': await paths.opens('file', {
          oflags: DIRECTORY,
          rights: WRITE,
        }),
        'directory made': await paths.opens('full', { oflags: CREAT, rights: 0 }),
        'directory emptied': await paths.opens('full', { oflags: TRUNC, rights: 0 }),
        'new directory': await paths.opens('new', { oflags: CREAT | DIRECTORY }),
        'no name': await paths.opens(''),
        '.': await paths.opens('.', { rights: 0, fdflags: Fdflags.NONBLOCK }),
        'beneath a file': await paths.opens('x', { oflags: CREAT }, await paths.opened('file')),
        'beneath stdin': await paths.opens('x', {}, 0),
        'beneath nothing': await paths.opens('x', {}, 99),
      };
      expect(answers).toEqual({
        file: 'SUCCESS',
        missing: 'ENOENT',
        'made with no rights': 'SUCCESS',
        'made again': 'EEXIST',
        'made beneath nothing': 'ENOENT',
        'made with a slash': 'EISDIR',
        'made by a dangling link': 'SUCCESS',
        'file with a slash': 'ENOTDIR',
        'file in a file': 'ENOTDIR',
        'file as a directory': 'ENOTDIR',
        directory: 'SUCCESS',
        'directory with slashes': 'SUCCESS',
        'directory as one': 'SUCCESS',
        'directory to write': 'EISDIR',
        'directory as one to write': 'EISDIR',
        'file as a directory to write': 'ENOTDIR',
        'directory made': 'EISDIR',
        'directory emptied': 'EISDIR',
        'new directory': 'EINVAL',
        'no name': 'ENOENT',
        '.': 'SUCCESS',
        'beneath a file': 'ENOTDIR',
        'beneath stdin': 'ENOTDIR',
        'beneath nothing': 'EBADF',
      });
      expect(readdirSync(paths.host('.')).toSorted()).toEqual(
        ['dangling', 'file', 'full', 'loop', 'made', 'nowhere', 'to-file', 'to-full'].toSorted(),
      );
      expect(readFileSync(paths.host('file'), 'utf8')).toBe('some text');
    }));

  test('B46: follows a last link only if it is told to', () =>
    withTree(async (paths) => {
      const directory = { oflags: DIRECTORY };
      const answers = {
        'link to a file': await paths.opens('to-file'),
        'link to a file, as a directory': await paths.opens('to-file', directory),
        'link to a directory': await paths.opens('to-full', directory),
        'link to nothing': await paths.opens('dangling'),
        'link to itself': await paths.opens('loop'),
        'not followed: to a file': await paths.opens('to-file', NOFOLLOW),
        'not followed: to a directory': await paths.opens('to-full', NOFOLLOW),
        'not followed: as one': await paths.opens('to-full', { ...directory, ...NOFOLLOW }),
        'not followed: to itself': await paths.opens('loop', NOFOLLOW),
        'not followed: made': await paths.opens('dangling', { oflags: CREAT, ...NOFOLLOW }),
        'not followed: made anew': await paths.opens('dangling', {
          oflags: CREAT | EXCL,
          ...NOFOLLOW,
        }),
        'not followed: a link on the way': await paths.opens('to-full/nested', NOFOLLOW),
      };
      expect(answers).toEqual({
        'link to a file': 'SUCCESS',
        'link to a file, as a directory': 'ENOTDIR',
        'link to a directory': 'SUCCESS',
        'link to nothing': 'ENOENT',
        'link to itself': 'ELOOP',
        'not followed: to a file': 'ELOOP',
        'not followed: to a directory': 'ELOOP',
        'not followed: as one': 'ENOTDIR',
        'not followed: to itself': 'ELOOP',
        'not followed: made': 'ELOOP',
        'not followed: made anew': 'EEXIST',
        'not followed: a link on the way': 'SUCCESS',
      });
      expect(existsSync(paths.host('nowhere'))).toBe(false);
    }));

  test('unknown bits are INVAL', () =>
    withTree(async (paths) => {
      for (const bit of [32, 0x100, 0x8000, 2 ** 16, 2 ** 31]) {
        const answers = [
          await paths.opens('new', { oflags: CREAT | bit }),
          await paths.opens('new', { oflags: CREAT, fdflags: bit }),
          await paths.opens('new', { oflags: CREAT, dirflags: bit }),
        ];
        expect([bit, answers]).toEqual([bit, ['EINVAL', 'EINVAL', 'EINVAL']]);
      }
      expect(existsSync(paths.host('new'))).toBe(false);
    }));

  test('B7, B8: a result outside memory opens, makes and empties nothing', () =>
    withTree(async (paths) => {
      await paths.driven.write(PAGE_BYTES, new TextEncoder().encode('newfile'));
      const before = openDescriptors().length;
      for (const out of [MEMORY_END - 3, 2 ** 31, 2 ** 32 - 1]) {
        const open = (at: number, length: number, oflags: number): Promise<string> =>
          paths.call('path_open', FIRST, 0, at, length, oflags, BigInt(WRITE), 0n, 0, out);
        expect(await open(PAGE_BYTES, 3, CREAT)).toBe('EFAULT');
        expect(await open(PAGE_BYTES + 3, 4, TRUNC)).toBe('EFAULT');
      }
      expect(existsSync(paths.host('new'))).toBe(false);
      expect(readFileSync(paths.host('file'), 'utf8')).toBe('some text');
      expect(openDescriptors().length).toBe(before);
    }));

  test('B26, B30: failures and 2,000 openings leave nothing open; a full table makes no file', () =>
    withPaths({ limits: { fds: 12 } }, async (paths) => {
      const lowest = await nextNumber(paths);
      const before = openDescriptors().length;
      for (const [path, oflags] of [
        ['missing', 0],
        ['..', 0],
        ['made\0', CREAT],
        ['.', CREAT],
      ] as const) {
        expect(await paths.opens(path, { oflags })).not.toBe('SUCCESS');
      }
      expect(await nextNumber(paths)).toBe(lowest);
      const path = PAGE_BYTES + 64;
      await paths.driven.write(path, new TextEncoder().encode('lots'));
      const opening: Call = ['path_open', FIRST, 0, path, 4, CREAT, 0n, 0n, 0, PAGE_BYTES];
      const calls = Array.from({ length: 2000 }, (): Call[] => [opening, ['fd_close', lowest]]);
      const answers = await paths.driven.calls(calls.flat());
      expect(new Set(answers)).toEqual(new Set([0]));
      expect(openDescriptors().length).toBe(before);
      for (let fd = lowest; fd < 12; fd++) await paths.opened('lots');
      expect(await paths.open('one-more', { oflags: CREAT })).toBe('EMFILE');
      expect(existsSync(paths.host('one-more'))).toBe(false);
    }));

  test('B36: with a directory moved or closed, what was opened beneath it lives on', () =>
    withTree(async (paths) => {
      const nested = await paths.opened('full/nested', { oflags: DIRECTORY });
      expect(await paths.rename('full', 'moved')).toBe('SUCCESS');
      expect(await paths.call('fd_renumber', nested, FIRST)).toBe('SUCCESS');
      expect(await paths.opens('here', { oflags: CREAT })).toBe('SUCCESS');
      expect(existsSync(paths.host('moved/nested/here'))).toBe(true);
      expect(await paths.opens('..')).toBe('EPERM');
      expect(await paths.close(FIRST)).toBe('SUCCESS');
      expect(await paths.opens('here')).toBe('EBADF');
    }));
});

describe('what is neither file nor directory', () => {
  test('a FIFO without a peer never hangs, and reads as a pipe does', () =>
    withTree(async (paths) => {
      execFileSync('mkfifo', [paths.host('fifo')]);
      expect(await paths.opens('fifo', { rights: WRITE })).toBe('ENXIO');
      const reader = await paths.opened('fifo');
      const writer = await paths.opened('fifo', { rights: WRITE });
      expect((await paths.fdstat(reader)).filetype).toBe(Filetype.UNKNOWN);
      expect(await paths.write(writer, 'through')).toBe(7);
      expect(await paths.read(reader)).toBe('"through"');
      expect(await paths.call('fd_seek', reader, 0n, 0, PAGE_BYTES)).toBe('ESPIPE');
      expect([await paths.close(writer), await paths.read(reader)]).toEqual(['SUCCESS', '""']);
    }));

  test('a socket’s file cannot be opened', () =>
    withTree(async (paths) => {
      const server = createServer();
      await new Promise<void>((resolve) => {
        server.listen(paths.host('socket'), resolve);
      });
      expect(await paths.opens('socket')).toBe('ENXIO');
      expect(await paths.stat('socket')).toMatchObject({ filetype: Filetype.SOCKET_STREAM });
      await new Promise((resolve) => {
        server.close(resolve);
      });
    }));
});

test('what is made has the mode that the umask leaves', () =>
  withTree(async (paths) => {
    const umask = process.umask();
    expect(await paths.opens('new', { oflags: CREAT })).toBe('SUCCESS');
    expect(await paths.mkdir('directory')).toBe('SUCCESS');
    const mode = (path: string): number => statSync(paths.host(path)).mode & 0o7777;
    expect([mode('new'), mode('directory')]).toEqual([0o666 & ~umask, 0o777 & ~umask]);
  }));

test('files move as much as their buffers say, by one call or by several buffers', () =>
  withTree(async (paths) => {
    const { driven } = paths;
    const fd = await paths.opened('large', { oflags: CREAT, rights: READ | WRITE });
    const [iovs, out, data] = [PAGE_BYTES, PAGE_BYTES + 64, 2 * PAGE_BYTES];
    await driven.call('memory.fill', data, 0x61, PAGE_BYTES);
    await driven.calls(iovecs(iovs, [[data, PAGE_BYTES]]));
    expect(await paths.call('fd_write', fd, iovs, 1, out)).toBe('SUCCESS');
    expect(await driven.u32(out)).toBe(PAGE_BYTES);
    await driven.calls(
      iovecs(iovs, [
        [data, 5],
        [data, 0],
        [data, 7],
      ]),
    );
    expect(await paths.call('fd_write', fd, iovs, 3, out)).toBe('SUCCESS');
    expect(await driven.u32(out)).toBe(12);
    expect(readFileSync(paths.host('large')).length).toBe(PAGE_BYTES + 12);
    expect(await paths.call('fd_seek', fd, BigInt(PAGE_BYTES), 0, out)).toBe('SUCCESS');
    expect(await paths.call('fd_read', fd, iovs, 3, out)).toBe('SUCCESS');
    expect(await driven.u32(out)).toBe(12);
    expect(await paths.call('fd_read', fd, iovs, 0, out)).toBe('SUCCESS');
    expect(await driven.u32(out)).toBe(0);
  }));

test('B72: what takes long is moved piece by piece, and all of it', () =>
  withPaths({ memory: '560' }, async (paths) => {
    const { driven } = paths;
    const fd = await paths.opened('large', { oflags: CREAT, rights: READ | WRITE });
    const [iovs, out, data] = [PAGE_BYTES, PAGE_BYTES + 64, 2 * PAGE_BYTES];
    const [piece, more] = [1 << 24, 5];
    await driven.call('memory.fill', data, 0x61, piece);
    await driven.call('memory.fill', data + piece, 0x62, more);
    const move = async (
      name: string,
      pairs: [number, number][],
      ...offset: bigint[]
    ): Promise<[string, number]> => {
      await driven.calls(iovecs(iovs, pairs));
      const answer = await paths.call(name, fd, iovs, pairs.length, ...offset, out);
      return [answer, await driven.u32(out)];
    };
    expect(await move('fd_write', [[data, piece + more]])).toEqual(['SUCCESS', piece + more]);
    const both: [number, number][] = [
      [data, 7],
      [data + 7, piece],
    ];
    expect(await move('fd_write', both)).toEqual(['SUCCESS', piece + 7]);
    const written = readFileSync(paths.host('large'));
    expect(written.length).toBe(2 * piece + more + 7);
    expect(written.subarray(piece - 1, piece + more + 1).toString()).toBe('abbbbba');
    expect(await paths.call('fd_seek', fd, BigInt(piece - 1), 0, out)).toBe('SUCCESS');
    // To the end of the file, which comes before that of the buffers.
    expect(await move('fd_read', [[data, 2 * piece]])).toEqual(['SUCCESS', piece + more + 8]);
    expect(String.fromCharCode(...(await driven.read(data, 8)))).toBe('abbbbbaa');
    expect(await move('fd_read', [[data, 2 * piece]])).toEqual(['SUCCESS', 0]);
    // And at a place that is said.
    await driven.call('memory.fill', data, 0x63, piece);
    await driven.call('memory.fill', data + piece, 0x64, 7);
    const at = BigInt(piece);
    expect(await move('fd_pwrite', both, at)).toEqual(['SUCCESS', piece + 7]);
    const rewritten = readFileSync(paths.host('large'));
    expect(rewritten.subarray(piece - 1, piece + 7).toString()).toBe('accccccc');
    expect(rewritten.subarray(2 * piece - 1).toString()).toBe('cdddddddbbb\0\0');
    await driven.call('memory.fill', data, 0, piece + 7);
    expect(await move('fd_pread', [[data, 2 * piece]], at)).toEqual(['SUCCESS', piece + 12]);
    expect(await driven.call('dirty', data, data + piece + 7, 0x63)).toBe(data + piece);
    expect(await driven.call('dirty', data + piece, data + piece + 12, 0x64)).toBe(
      data + piece + 7,
    );
  }));
