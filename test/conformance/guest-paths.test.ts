/** path_* of a guest over a directory of this machine; expectations as public suites have them. */
import {
  linkSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';

import { describe, expect, test } from 'vitest';

import { Filetype, Fstflags } from '#host/abi/preview1.js';

import { PAGE_BYTES } from '../support/driver.js';
import { FIRST, type Paths, withPaths } from '../support/paths.js';
import type { Stat } from '../support/structs.js';

const { ATIM, ATIM_NOW, MTIM, MTIM_NOW } = Fstflags;

/** A status: the call must not fail. */
async function statOf(paths: Paths, path: string, follow = true): Promise<Stat> {
  const found = await paths.stat(path, follow);
  if (typeof found === 'string') throw new Error(`path_filestat_get ${path}: ${found}`);
  return found;
}

/** A tree that most of these need: a file, a full directory, an empty one, links to both kinds. */
function plant(paths: Paths): void {
  writeFileSync(paths.host('file'), 'some text');
  mkdirSync(paths.host('full/nested'), { recursive: true });
  writeFileSync(paths.host('full/nested/file'), 'x');
  mkdirSync(paths.host('empty'));
  symlinkSync('file', paths.host('to-file'));
  symlinkSync('full', paths.host('to-full'));
  symlinkSync('nowhere', paths.host('dangling'));
  symlinkSync('loop', paths.host('loop'));
  symlinkSync('/etc', paths.host('absolute'));
  symlinkSync('../..', paths.host('climbing'));
}

/** Runs `body` with such a tree. */
function withTree(body: (paths: Paths) => Promise<void>): Promise<void> {
  return withPaths({}, async (paths) => {
    plant(paths);
    await body(paths);
  });
}

test('path_create_directory, path_remove_directory, path_unlink_file', () =>
  withTree(async (paths) => {
    const answers = {
      mkdir: await paths.mkdir('new'),
      'mkdir with a slash': await paths.mkdir('slashed/'),
      'mkdir of what is there': await paths.mkdir('full'),
      'mkdir over a file': await paths.mkdir('file'),
      'mkdir over a dangling link': await paths.mkdir('dangling'),
      'mkdir in what is not there': await paths.mkdir('missing/new'),
      'mkdir in a file': await paths.mkdir('file/new'),
      'mkdir with no name': await paths.mkdir(''),
      rmdir: await paths.rmdir('new'),
      'rmdir with a slash': await paths.rmdir('slashed/'),
      'rmdir of what is not empty': await paths.rmdir('full'),
      'rmdir of a file': await paths.rmdir('file'),
      'rmdir of a file with a slash': await paths.rmdir('file/'),
      'rmdir of a link to a directory': await paths.rmdir('to-full'),
      'rmdir of nothing': await paths.rmdir('new'),
      'rmdir of .': await paths.rmdir('.'),
      'unlink of a directory': await paths.unlink('empty'),
      'unlink of a directory with a slash': await paths.unlink('empty/'),
      'unlink of a file with a slash': await paths.unlink('file/'),
      'unlink of a link': await paths.unlink('to-full'),
      unlink: await paths.unlink('full/nested/file'),
      'unlink of nothing': await paths.unlink('full/nested/file'),
    };
    expect(answers).toEqual({
      mkdir: 'SUCCESS',
      'mkdir with a slash': 'SUCCESS',
      'mkdir of what is there': 'EEXIST',
      'mkdir over a file': 'EEXIST',
      'mkdir over a dangling link': 'EEXIST',
      'mkdir in what is not there': 'ENOENT',
      'mkdir in a file': 'ENOTDIR',
      'mkdir with no name': 'ENOENT',
      rmdir: 'SUCCESS',
      'rmdir with a slash': 'SUCCESS',
      'rmdir of what is not empty': 'ENOTEMPTY',
      'rmdir of a file': 'ENOTDIR',
      'rmdir of a file with a slash': 'ENOTDIR',
      'rmdir of a link to a directory': 'ENOTDIR',
      'rmdir of nothing': 'ENOENT',
      'rmdir of .': 'EINVAL',
      'unlink of a directory': 'EISDIR',
      'unlink of a directory with a slash': 'EISDIR',
      'unlink of a file with a slash': 'ENOTDIR',
      'unlink of a link': 'SUCCESS',
      unlink: 'SUCCESS',
      'unlink of nothing': 'ENOENT',
    });
    expect(statSync(paths.host('full')).isDirectory()).toBe(true);
  }));

describe('path_rename', () => {
  test('moves over what gives way', () =>
    withTree(async (paths) => {
      mkdirSync(paths.host('gives-way'));
      const answers = [
        await paths.rename('file', 'moved'),
        await paths.rename('moved', 'full/nested/file'),
        await paths.rename('full/', 'gives-way/'),
        await paths.rename('gives-way', 'slashed/'),
        await paths.rename('to-file', 'still-a-link'),
      ];
      expect(answers).toEqual(answers.map(() => 'SUCCESS'));
      expect(readFileSync(paths.host('slashed/nested/file'), 'utf8')).toBe('some text');
      expect(readlinkSync(paths.host('still-a-link'))).toBe('file');
      expect(await paths.stat('file')).toBe('ENOENT');
    }));

  test('answers as Linux where it cannot', () =>
    withTree(async (paths) => {
      const answers = {
        'directory over a full one': await paths.rename('empty', 'full'),
        'directory over a file': await paths.rename('empty', 'file'),
        'file over a directory': await paths.rename('file', 'empty'),
        'directory into itself': await paths.rename('full', 'full/nested/own'),
        'file with a slash': await paths.rename('file/', 'elsewhere'),
        'file to a name with a slash': await paths.rename('file', 'elsewhere/'),
        nothing: await paths.rename('missing', 'elsewhere'),
        'from a descriptor of no directory': await paths.rename('file', 'x', 0, FIRST),
        'to one': await paths.rename('file', 'x', FIRST, 0),
        'from no descriptor': await paths.rename('file', 'x', 99, FIRST),
        'to none': await paths.rename('file', 'x', FIRST, 99),
      };
      expect(answers).toEqual({
        'directory over a full one': 'ENOTEMPTY',
        'directory over a file': 'ENOTDIR',
        'file over a directory': 'EISDIR',
        'directory into itself': 'EINVAL',
        'file with a slash': 'ENOTDIR',
        'file to a name with a slash': 'ENOTDIR',
        nothing: 'ENOENT',
        'from a descriptor of no directory': 'ENOTDIR',
        'to one': 'ENOTDIR',
        'from no descriptor': 'EBADF',
        'to none': 'EBADF',
      });
    }));
});

test('path_link', () =>
  withTree(async (paths) => {
    const answers = {
      file: await paths.link('file', 'full/hard'),
      'dangling link': await paths.link('dangling', 'dangling-too'),
      'link that loops': await paths.link('loop', 'loop-too'),
      'over what is there': await paths.link('file', 'full/hard'),
      'over itself': await paths.link('file', 'file'),
      'over a directory': await paths.link('file', 'empty'),
      'over a dangling link': await paths.link('file', 'dangling'),
      'of a directory': await paths.link('empty', 'elsewhere'),
      'of nothing': await paths.link('missing', 'elsewhere'),
      'to a name with a slash': await paths.link('file', 'elsewhere/'),
      'following a link': await paths.link('to-file', 'elsewhere', FIRST, FIRST, 1),
      'with unknown flags': await paths.link('file', 'elsewhere', FIRST, FIRST, 2),
    };
    expect(answers).toEqual({
      file: 'SUCCESS',
      'dangling link': 'SUCCESS',
      'link that loops': 'SUCCESS',
      'over what is there': 'EEXIST',
      'over itself': 'EEXIST',
      'over a directory': 'EEXIST',
      'over a dangling link': 'EEXIST',
      'of a directory': 'EPERM',
      'of nothing': 'ENOENT',
      'to a name with a slash': 'ENOENT',
      'following a link': 'EINVAL',
      'with unknown flags': 'EINVAL',
    });
    expect(await statOf(paths, 'full/hard')).toEqual(await statOf(paths, 'file'));
    expect((await statOf(paths, 'file')).nlink).toBe(2n);
    expect(readlinkSync(paths.host('dangling-too'))).toBe('nowhere');
  }));

test('path_symlink and path_readlink', () =>
  withTree(async (paths) => {
    const answers = {
      symlink: await paths.symlink('full/nested', 'link'),
      'that would climb': await paths.symlink('../../x', 'climbs'),
      'to an absolute path': await paths.symlink('/etc/passwd', 'elsewhere'),
      'to nothing': await paths.symlink('', 'elsewhere'),
      'with a slash': await paths.symlink('file', 'elsewhere/'),
      'over a file': await paths.symlink('x', 'file'),
      'over a file, with a slash': await paths.symlink('x', 'file/'),
      'over a directory': await paths.symlink('x', 'empty'),
      'over a directory, with a slash': await paths.symlink('x', 'empty/'),
      readlink: await paths.readlink('to-file'),
      'readlink of a new one': await paths.readlink('link'),
      'readlink that leads out': await paths.readlink('climbing'),
      'readlink into little room': await paths.readlink('absolute', 3),
      'readlink into none': await paths.readlink('absolute', 0),
      'readlink of a file': await paths.readlink('file'),
      'readlink of a file into none': await paths.readlink('file', 0),
      'readlink of a directory': await paths.readlink('empty'),
      'readlink of nothing': await paths.readlink('missing', 0),
    };
    expect(answers).toEqual({
      symlink: 'SUCCESS',
      'that would climb': 'SUCCESS',
      'to an absolute path': 'EPERM',
      'to nothing': 'ENOENT',
      'with a slash': 'ENOENT',
      'over a file': 'EEXIST',
      'over a file, with a slash': 'ENOTDIR',
      'over a directory': 'EEXIST',
      'over a directory, with a slash': 'EEXIST',
      readlink: '"file"',
      'readlink of a new one': '"full/nested"',
      'readlink that leads out': '"../.."',
      'readlink into little room': '"/et"',
      'readlink into none': '""',
      'readlink of a file': 'EINVAL',
      'readlink of a file into none': 'EINVAL',
      'readlink of a directory': 'EINVAL',
      'readlink of nothing': 'ENOENT',
    });
  }));

test('path_filestat_get', () =>
  withTree(async (paths) => {
    linkSync(paths.host('file'), paths.host('again'));
    const told = lstatSync(paths.host('file'), { bigint: true });
    const expected: Stat = {
      dev: told.dev,
      ino: told.ino,
      filetype: Filetype.REGULAR_FILE,
      nlink: 2n,
      size: 9n,
      atim: told.atimeNs,
      mtim: told.mtimeNs,
      ctim: told.ctimeNs,
    };
    expect(await paths.stat('file')).toEqual(expected);
    expect(await paths.stat('to-file')).toEqual(expected);
    expect((await statOf(paths, 'to-file', false)).filetype).toBe(Filetype.SYMBOLIC_LINK);
    expect((await statOf(paths, 'to-full', false)).size).toBe(4n);
    expect((await statOf(paths, 'to-full')).filetype).toBe(Filetype.DIRECTORY);
    expect((await statOf(paths, '.')).ino).toBe(lstatSync(paths.host('.'), { bigint: true }).ino);
    expect([
      await paths.stat('missing'),
      await paths.stat(''),
      await paths.stat('file/'),
      await paths.stat('dangling'),
      await paths.stat('loop'),
      await paths.stat('file', true, 0),
      await paths.stat('file', true, 99),
    ]).toEqual(['ENOENT', 'ENOENT', 'ENOTDIR', 'ENOENT', 'ELOOP', 'ENOTDIR', 'EBADF']);
  }));

test('path_filestat_set_times', () =>
  withTree(async (paths) => {
    for (const name of ['file', 'empty']) utimesSync(paths.host(name), 1, 2);
    const second = 1_000_000_000n;
    const set = (path: string, fstflags: number, follow = true): Promise<string> =>
      paths.setTimes(path, [5n * second + 123n, 7n * second + 456n], fstflags, follow);
    expect(await set('file', MTIM)).toBe('SUCCESS');
    expect(await statOf(paths, 'file')).toMatchObject({
      atim: second,
      mtim: 7n * second + 456n,
    });
    expect(await set('to-file', ATIM)).toBe('SUCCESS');
    expect(await statOf(paths, 'file')).toMatchObject({
      atim: 5n * second + 123n,
      mtim: 7n * second + 456n,
    });
    // The link's own, which leave those of what it leads to as they are.
    expect(await set('to-file', ATIM | MTIM, false)).toBe('SUCCESS');
    expect(await statOf(paths, 'to-file', false)).toMatchObject({ mtim: 7n * second + 456n });
    const before = await statOf(paths, 'file');
    expect(await set('file', 0)).toBe('SUCCESS');
    expect(await set('file', MTIM | MTIM_NOW)).toBe('EINVAL');
    expect(await set('file', ATIM | ATIM_NOW)).toBe('EINVAL');
    expect(await set('file', 16)).toBe('EINVAL');
    expect(await statOf(paths, 'file')).toMatchObject({ atim: before.atim, mtim: before.mtim });
    expect(await set('empty', ATIM_NOW | MTIM_NOW)).toBe('SUCCESS');
    expect((await statOf(paths, 'empty')).mtim).toBeGreaterThan(1_700_000_000n * second);
    expect(await set('missing', MTIM)).toBe('ENOENT');
    expect(await set('climbing', MTIM)).toBe('EPERM');
  }));

test('unknown lookupflags are INVAL', () =>
  withTree(async (paths) => {
    const at = PAGE_BYTES;
    await paths.driven.write(at, new TextEncoder().encode('file'));
    for (const flags of [2, 3, 2 ** 31]) {
      const path = [flags, at, 4] as const;
      expect([
        await paths.call('path_filestat_get', FIRST, ...path, at + 64),
        await paths.call('path_filestat_set_times', FIRST, ...path, 0n, 0n, 0),
        await paths.call('path_open', FIRST, ...path, 0, 0n, 0n, 0, at + 64),
      ]).toEqual(['EINVAL', 'EINVAL', 'EINVAL']);
    }
  }));

describe('paths that lead out of their directory', () => {
  test('B45, B46, B48: are PERM to every call, and told once', () =>
    withTree(async (paths) => {
      const away = ['..', '../x', 'full/../../x', '/etc/passwd', 'absolute/x', 'climbing/x'];
      for (const path of away) {
        const answers = [
          await paths.opens(path),
          await paths.stat(path),
          await paths.setTimes(path, [0n, 0n], MTIM),
          await paths.mkdir(`${path}/new`),
          await paths.rmdir(`${path}/new`),
          await paths.unlink(`${path}/new`),
          await paths.rename(`${path}/new`, 'x'),
          await paths.rename('file', `${path}/new`),
          await paths.link(`${path}/new`, 'x'),
          await paths.link('file', `${path}/new`),
          await paths.symlink('x', `${path}/new`),
          await paths.readlink(`${path}/new`),
        ];
        expect([path, answers]).toEqual([path, answers.map(() => 'EPERM')]);
      }
      expect(paths.local.reports).toEqual([
        'denied: a path that leads out of /0; grant what it leads to with --dir HOST::GUEST',
      ]);
    }));

  test('B45: not those that stay in it', () =>
    withTree(async (paths) => {
      const within = 'full/.//nested/../../full/nested/../nested///./file';
      expect(await paths.opens(within)).toBe('SUCCESS');
      expect(await paths.opens('to-full/nested/')).toBe('SUCCESS');
      expect(await paths.opens('to-full/nested/../..')).toBe('SUCCESS');
    }));

  test('B50: with a NUL are INVAL, too long NAMETOOLONG, of any other bytes as they are', () =>
    withTree(async (paths) => {
      const bytes = Uint8Array.from([0xff, 0xfe, 0x41, 0xc3]);
      const answers = [
        await paths.opens('file\0'),
        await paths.opens('file\0/x'),
        await paths.mkdir('x'.repeat(255)),
        await paths.mkdir('x'.repeat(256)),
        await paths.opens('./'.repeat(2047)),
        await paths.opens('./'.repeat(2048)),
        await paths.opens('./'.repeat(8000)),
        await paths.mkdir(bytes),
        await paths.opens(bytes),
      ];
      expect(answers).toEqual([
        'EINVAL',
        'EINVAL',
        'SUCCESS',
        'ENAMETOOLONG',
        'SUCCESS',
        'ENAMETOOLONG',
        'ENAMETOOLONG',
        'SUCCESS',
        'SUCCESS',
      ]);
    }));
});
