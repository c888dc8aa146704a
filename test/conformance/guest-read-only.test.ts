/** Directories granted read-only: nothing changes in them, whatever is asked of what with them. */
import { linkSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';

import { describe, expect, test } from 'vitest';

import { Fdflags, Fstflags, Oflags, Rights } from '#host/abi/preview1.js';

import { leakedSince, openDescriptors } from '../support/descriptors.js';
import { type Answer, FIRST, type Paths, READ, WRITE, withPaths } from '../support/paths.js';

const { CREAT, DIRECTORY, EXCL, TRUNC } = Oflags;

/** Of the two directories, the one that may be changed and the one that may not. */
const [RW, RO] = [FIRST, FIRST + 1];

/** Everything beneath a folder that a change would change; setting a time of access is a change. */
function snapshot(folder: string): string[] {
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).toSorted();
  return ['.', ...names].map((name) => {
    const path = `${folder}/${name}`;
    const { ino, mode, nlink, size, mtimeNs, ctimeNs } = statSync(path, { bigint: true });
    const text = statSync(path).isFile() ? readFileSync(path, 'utf8') : '';
    return [name, ino, mode, nlink, size, mtimeNs, ctimeNs, text].join(' ');
  });
}

function plant(paths: Paths): void {
  for (const index of paths.folders.keys()) {
    writeFileSync(paths.host('file', index), 'some text');
    mkdirSync(paths.host('full', index));
    writeFileSync(paths.host('full/file', index), 'x');
    mkdirSync(paths.host('empty', index));
  }
}

/** Runs `body` with a directory that may be changed, and one in which nothing then has changed. */
function withBoth(body: (paths: Paths) => Promise<void>): Promise<void> {
  return withPaths({ readOnly: [false, true] }, async (paths) => {
    plant(paths);
    const before = snapshot(paths.folders[1]);
    await body(paths);
    expect(snapshot(paths.folders[1])).toEqual(before);
  });
}

/** Every way to change something through one directory. */
async function changes(paths: Paths, fd: number): Promise<Record<string, Answer>> {
  const { ATIM, ATIM_NOW, MTIM, MTIM_NOW } = Fstflags;
  const times = [1n, 2n] as const;
  const opens = (path: string, oflags: number, rights: number | bigint, fdflags = 0) =>
    paths.opens(path, { oflags, rights, fdflags }, fd);
  return {
    'makes a file': await opens('new', CREAT, 0),
    'makes a file to read': await opens('new', CREAT, READ),
    'makes a file that is there': await opens('file', CREAT, READ),
    'makes a file anew': await opens('new-too', CREAT | EXCL, READ),
    'empties a file': await opens('file', TRUNC, 0),
    'empties a file to read it': await opens('file', TRUNC, READ),
    'empties what it makes': await opens('file', CREAT | TRUNC, READ),
    'opens to write': await opens('file', 0, WRITE),
    'opens for both': await opens('file', 0, READ | WRITE),
    'opens for all': await opens('file', 0, 0xffff_ffff_ffff_ffffn),
    'opens to write at the end': await opens('file', 0, WRITE, Fdflags.APPEND),
    'opens to write beneath': await opens('full/file', 0, WRITE),
    'sets times': await paths.setTimes('file', times, ATIM | MTIM, true, fd),
    'sets times to now': await paths.setTimes('file', times, ATIM_NOW | MTIM_NOW, false, fd),
    'sets its own times': await paths.setTimes('.', times, MTIM, true, fd),
    'sets no times': await paths.setTimes('file', times, 0, true, fd),
    'makes a directory': await paths.mkdir('made', fd),
    'links symbolically': await paths.symlink('file', 'link', fd),
    'links within': await paths.link('file', 'hard', fd),
    'renames within': await paths.rename('file', 'moved', fd),
    'renames to itself': await paths.rename('full', 'full', fd),
    'removes a file': await paths.unlink('full/file', fd),
    'removes a directory': await paths.rmdir('empty', fd),
    'removes nothing': await paths.unlink('missing', fd),
  };
}

describe('B35: all that changes something', () => {
  test('is ROFS, and told of with the flag that would allow it', () =>
    withBoth(async (paths) => {
      const answers = await changes(paths, RO);
      expect(new Set(Object.values(answers))).toEqual(new Set(['EROFS']));
      expect(paths.local.reports).toEqual([
        'denied: /1 is read-only; grant --dir HOST::/1 without :ro',
      ]);
    }));

  test('works where it may: none of these calls is refused for another reason', () =>
    withBoth(async (paths) => {
      const answers = await changes(paths, RW);
      const failed = Object.entries(answers).filter(([, answer]) => answer !== 'SUCCESS');
      expect(failed).toEqual([['removes nothing', 'ENOENT']]);
      expect(paths.local.reports).toEqual([]);
    }));

  test('is ROFS beneath what is opened in it, at any depth', () =>
    withBoth(async (paths) => {
      mkdirSync(paths.host('outer'));
      const opening = { oflags: DIRECTORY, rights: 0 };
      const again = await paths.opened('.', opening, RO);
      const nested = await paths.opened('full', opening, again);
      for (const fd of [again, nested]) {
        expect([
          await paths.opens('file', { rights: WRITE }, fd),
          await paths.opens('file', { oflags: TRUNC, rights: 0 }, fd),
          await paths.mkdir('made', fd),
          await paths.unlink('file', fd),
        ]).toEqual(['EROFS', 'EROFS', 'EROFS', 'EROFS']);
      }
      expect(paths.local.reports).toHaveLength(1);
    }));

  test('is refused through a file’s own descriptor', () =>
    withBoth(async (paths) => {
      for (const rights of [READ, READ | Rights.FD_FILESTAT_SET_SIZE | Rights.FD_ALLOCATE, 0]) {
        const fd = await paths.opened('file', { rights }, RO);
        expect([
          await paths.write(fd, 'x'),
          await paths.call('fd_filestat_set_size', fd, 0n),
          await paths.call('fd_allocate', fd, 0n, 100n),
          await paths.call('fd_filestat_set_times', fd, 0n, 0n, Fstflags.MTIM),
        ]).toEqual(['EBADF', 'EROFS', 'EROFS', 'EROFS']);
      }
      expect(await paths.call('fd_filestat_set_times', RO, 0n, 0n, Fstflags.MTIM)).toBe('EROFS');
    }));
});

test('what only reads works', () =>
  withBoth(async (paths) => {
    const fd = await paths.opened('file', { rights: READ }, RO);
    expect([
      await paths.read(fd),
      await paths.opens('full/file', { rights: 0 }, RO),
      await paths.opens('full', { oflags: DIRECTORY, rights: 0 }, RO),
      await paths.opens('file', { fdflags: Fdflags.APPEND | Fdflags.SYNC }, RO),
      await paths.opens('missing', {}, RO),
      await paths.opens('full', { oflags: DIRECTORY, rights: WRITE }, RO),
      await paths.opens('..', {}, RO),
    ]).toEqual([
      '"some text"',
      'SUCCESS',
      'SUCCESS',
      'SUCCESS',
      'ENOENT',
      // Not of this directory's making: no directory is opened to write.
      'EISDIR',
      'EPERM',
    ]);
  }));

describe('B36, B52: two directories, one of them read-only', () => {
  /** Every pair of directories between which a name is to move. */
  const PAIRS = [
    [RW, RO],
    [RO, RW],
    [RO, RO],
  ] as const;

  test('neither links nor renames to, from or within the read-only one', () =>
    withBoth(async (paths) => {
      const answers: Answer[] = [];
      for (const [from, to] of PAIRS) {
        for (const [old, name] of [
          ['file', 'new'],
          ['file', 'file'],
          ['full/file', 'full/new'],
          ['missing', 'new'],
          ['empty', 'empty'],
        ]) {
          answers.push(await paths.link(old, name, from, to));
          answers.push(await paths.rename(old, name, from, to));
        }
      }
      expect(new Set(answers)).toEqual(new Set(['EROFS']));
      expect(snapshot(paths.folders[0])).toHaveLength(5);
    }));

  test('between two that may be changed both work', () =>
    withPaths({ readOnly: [false, false] }, async (paths) => {
      plant(paths);
      expect(await paths.link('file', 'hard', RW, RW + 1)).toBe('SUCCESS');
      expect(await paths.rename('full', 'moved', RW, RW + 1)).toBe('SUCCESS');
      expect(readFileSync(paths.host('moved/file', 1), 'utf8')).toBe('x');
      expect(statSync(paths.host('file')).ino).toBe(statSync(paths.host('hard', 1)).ino);
    }));

  test('a number that moves keeps what it may', () =>
    withBoth(async (paths) => {
      const file = await paths.opened('file', { rights: READ }, RO);
      const writable = await paths.opened('file', { rights: READ | WRITE }, RW);
      expect(await paths.call('fd_renumber', file, writable)).toBe('SUCCESS');
      expect(await paths.write(writable, 'x')).toBe('EBADF');
      expect(await paths.call('fd_filestat_set_size', writable, 0n)).toBe('EROFS');
      // The read-only directory under the number of the other.
      expect(await paths.call('fd_renumber', RO, RW)).toBe('SUCCESS');
      expect(new Set(Object.values(await changes(paths, RW)))).toEqual(new Set(['EROFS']));
      expect(paths.local.reports).toContain(
        'denied: /1 is read-only; grant --dir HOST::/1 without :ro',
      );
    }));

  test('a file of both is what each of them says', () =>
    withPaths({ readOnly: [false, true] }, async (paths) => {
      writeFileSync(paths.host('file'), 'some text');
      linkSync(paths.host('file'), paths.host('file', 1));
      const before = openDescriptors();
      const reading = await paths.opened('file', { rights: READ }, RO);
      const writing = await paths.opened('file', { rights: READ | WRITE }, RW);
      expect(await paths.write(writing, 'SOME')).toBe(4);
      expect(await paths.read(reading)).toBe('"SOME text"');
      expect(await paths.call('fd_filestat_set_size', reading, 0n)).toBe('EROFS');
      expect([await paths.close(reading), await paths.close(writing)]).toEqual([
        'SUCCESS',
        'SUCCESS',
      ]);
      expect(await leakedSince(before)).toEqual([]);
    }));
});
