/** Paths that lead where a guest has no business, by every call that takes one: B45–B47. */
import { existsSync, lstatSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, test } from 'vitest';

import type { DrivenOptions } from '../support/driven.js';
import {
  ESCAPE_TEXT,
  type Grounds,
  LOOKS,
  type Way,
  WAYS,
  everyWay,
  grounds,
  snapshot,
} from '../support/grounds.js';

/** Paths of `..` that lead out. */
const CLIMBING = [
  '..',
  '../',
  '../.',
  '../outside',
  '../outside/secret',
  '../inside',
  '../inside/file',
  './..',
  './/.././outside',
  'a/../..',
  'a/../../outside/secret',
  'a/b/../../..',
  'a/b/../../../outside/new',
];

/** Paths through symbolic links that lead out. */
const BEYOND = [
  'out/secret',
  'out/new',
  'out/folder',
  'out/folder/secret',
  'out/folder/..',
  'out/link',
  'out/..',
  'out/../inside/file',
  'out/.',
  'out-abs/secret',
  'out-abs/.',
  'chain/secret',
  'chain/folder/empty',
  'here/here/out/secret',
  'to-dir/upup/outside/secret',
  'a/upup/inside/file',
  'home/file',
  'home/a/b/deep',
];

/** Paths that lead to what is this machine's. */
const FOREIGN = [
  '../..',
  '../'.repeat(60),
  '/',
  '//',
  '/.',
  '/..',
  '/file',
  '/etc/passwd',
  '/dev/null',
  '/proc/self/cwd',
  'root/',
  'root/.',
  'root/etc/passwd',
];

/** Every answer to these paths that is not PERM. */
async function unrefused(
  the: Grounds,
  paths: readonly string[],
  ways: readonly Way[] = WAYS,
): Promise<string[]> {
  const found: string[] = [];
  for (const path of paths) {
    const answers = Object.entries(await the.answers(path, ways));
    const others = answers.filter(([, answer]) => answer !== 'EPERM');
    found.push(...others.map(([way, answer]) => `${way} ${path}: ${answer}`));
  }
  return found;
}

describe('B45: a path that leads out', () => {
  const the = grounds();

  test('by `..` is PERM to every call, whether it comes back or not', () =>
    the().unchanged(async () => expect(await unrefused(the(), CLIMBING)).toEqual([])));

  test('by a slash at its beginning is PERM to every call, wherever it leads', () =>
    the().unchanged(async () => {
      const { inside, outside } = the();
      const paths = [inside, `${inside}/file`, `${inside}/new`, outside, `${outside}/secret`];
      const odd = [`/${outside}/new`, `${inside}/../outside/secret`];
      expect(await unrefused(the(), [...paths, ...odd])).toEqual([]);
    }));

  test('to what is this machine’s is PERM', () =>
    the().unchanged(async () => expect(await unrefused(the(), FOREIGN, LOOKS)).toEqual([])));

  test('is told once', () => expect(the().denials).toEqual([ESCAPE_TEXT]));

  test('of a directory that was opened beneath is PERM, though it stays in what is granted', () =>
    the().unchanged(() =>
      the().withDirectory('a', async (a) => {
        for (const path of ['..', '../file', 'b/../..', 'b/../../file', 'up/file', 'upup/x']) {
          expect([path, await the().answers(path, WAYS, a)]).toEqual([path, everyWay('EPERM')]);
        }
      }),
    ));
});

describe('B45: a path', () => {
  const the = grounds();

  test('with nothing in it is NOENT to every call', () =>
    the().unchanged(async () => {
      expect(await the().answers('')).toEqual(everyWay('ENOENT'));
    }));

  const DOTS = {
    'open to read': 'SUCCESS',
    'open to write': 'EISDIR',
    'open for nothing': 'SUCCESS',
    'open as a directory': 'SUCCESS',
    'open and make': 'EISDIR',
    'open and make anew': 'EEXIST',
    'open and empty': 'EISDIR',
    'open and make and empty': 'EISDIR',
    'open unfollowed': 'SUCCESS',
    'open and make unfollowed': 'EISDIR',
    stat: 'SUCCESS',
    'stat unfollowed': 'SUCCESS',
    mkdir: 'EEXIST',
    rmdir: 'EINVAL',
    unlink: 'EISDIR',
    'rename from': 'EBUSY',
    'rename to': 'EBUSY',
    'link from': 'EPERM',
    'link to': 'EEXIST',
    symlink: 'EEXIST',
    readlink: 'EINVAL',
  };

  test.each(['.', './', './/.', 'a/..', 'a/b/../..', 'a/up/.', 'here/.'])(
    'of dots that stays inside is the directory itself: %s',
    (path) =>
      the().unchanged(async () => {
        expect(await the().answers(path, Object.keys(DOTS) as Way[])).toEqual(DOTS);
      }),
  );
});

describe.each<DrivenOptions>([{ shape: 'unstable' }, { isolate: 'process' }])(
  'B45, B46: a path that leads out: %o',
  (options) => {
    const the = grounds(options);

    test('is PERM to every call', () =>
      the().unchanged(async () => {
        const ours = [...CLIMBING, ...BEYOND, `${the().outside}/secret`];
        expect(await unrefused(the(), ours)).toEqual([]);
        expect(await unrefused(the(), FOREIGN, LOOKS)).toEqual([]);
      }));

    test('is told once', () => expect(the().denials).toEqual([ESCAPE_TEXT]));
  },
);

describe('B46: a symbolic link that leads out', () => {
  const the = grounds();

  test('on the way is PERM to every call, whether the way comes back or not', () =>
    the().unchanged(async () => expect(await unrefused(the(), BEYOND)).toEqual([])));

  const LINKS = [
    'out',
    'out-abs',
    'secret',
    'secret-abs',
    'new-out',
    'new-out-abs',
    'chain',
    'home',
    'file-abs',
    'a/upup',
    'a/up/here/out',
  ];

  test('at the end is PERM to what follows it, and a name to the rest', () =>
    the().unchanged(async () => {
      const expected = {
        'open to read': 'EPERM',
        'open to write': 'EPERM',
        'open for nothing': 'EPERM',
        'open as a directory': 'EPERM',
        'open and make': 'EPERM',
        'open and make anew': 'EEXIST',
        'open and empty': 'EPERM',
        'open and make and empty': 'EPERM',
        'open unfollowed': 'ELOOP',
        'open and make unfollowed': 'ELOOP',
        stat: 'EPERM',
        'stat unfollowed': 'SUCCESS',
        'set times': 'EPERM',
        mkdir: 'EEXIST',
        rmdir: 'ENOTDIR',
        'link to': 'EEXIST',
        symlink: 'EEXIST',
        readlink: 'SUCCESS',
      };
      for (const path of LINKS) {
        const answers = await the().answers(path, Object.keys(expected) as Way[]);
        expect([path, answers]).toEqual([path, expected]);
      }
    }));

  test.each(['secret', 'secret-abs', 'new-out', 'out', 'out-abs'])(
    'is what is touched, linked, moved, replaced and removed, and not what it leads to: %s',
    async (link) => {
      const { inside, outside } = the();
      const before = snapshot(outside);
      const rest = ['file', 'a', 'to-file', 'loop'];
      const others = (): string[] => rest.flatMap((name) => snapshot(inside, name));
      const ours = others();
      const target = readlinkSync(join(inside, link));
      expect(await the().answer('set times unfollowed', link)).toBe('SUCCESS');
      expect(lstatSync(join(inside, link), { bigint: true }).mtimeNs).toBe(1n);
      expect(await the().answer('link from', link)).toBe('SUCCESS');
      expect(readlinkSync(join(inside, 'new'))).toBe(target);
      // Onto another name of the same link: nothing.
      expect(await the().answer('rename from', link)).toBe('SUCCESS');
      expect(await the().answer('unlink', link)).toBe('SUCCESS');
      expect(await the().answer('unlink', 'new')).toBe('SUCCESS');
      expect(existsSync(join(inside, 'new'))).toBe(false);
      expect(snapshot(outside)).toEqual(before);
      expect(others()).toEqual(ours);
    },
  );
});

describe('B46: a symbolic link that leads out, and a file that takes its name', () => {
  const the = grounds();

  test('is replaced by it, and what it led to stays', async () => {
    const { inside, outside } = the();
    const before = snapshot(outside);
    expect(await the().answer('rename to', 'secret')).toBe('SUCCESS');
    expect(readFileSync(join(inside, 'secret'), 'utf8')).toBe('the guest’s own');
    expect(snapshot(outside)).toEqual(before);
  });
});

describe('B47: slashes at the end', () => {
  const the = grounds();

  /** What each answers to a name that is no directory, with a slash behind it. */
  const NO_DIRECTORY = {
    ...everyWay('ENOTDIR'),
    // Linux makes nothing that ends in a slash, before it looks.
    'open and make': 'EISDIR',
    'open and make anew': 'EISDIR',
    'open and make and empty': 'EISDIR',
    'open and make unfollowed': 'EISDIR',
    mkdir: 'EEXIST',
    'link to': 'EEXIST',
  };

  test.each(['file/', 'file//', 'a/b/deep/', './/file///'])('of a file: %s', (path) =>
    the().unchanged(async () => {
      expect(await the().answers(path)).toEqual(NO_DIRECTORY);
    }),
  );

  test.each(['to-file/', 'to-file//', 'here/to-file/'])('of a link to a file: %s', (path) =>
    the().unchanged(async () => {
      expect(await the().answers(path)).toEqual(NO_DIRECTORY);
    }),
  );

  test.each(['file/.', 'file/..', 'file/new', 'file/../file', 'to-file/.', 'to-file/../file'])(
    'and more, of what is no directory: %s',
    (path) =>
      the().unchanged(async () => {
        expect(await the().answers(path)).toEqual(everyWay('ENOTDIR'));
      }),
  );

  /** What calls that never follow the last link answer to one with a slash behind it. */
  const UNFOLLOWED = {
    'open and make': 'EISDIR',
    'open and make anew': 'EISDIR',
    'open and make and empty': 'EISDIR',
    'open and make unfollowed': 'EISDIR',
    mkdir: 'EEXIST',
    rmdir: 'ENOTDIR',
    unlink: 'ENOTDIR',
    'rename from': 'ENOTDIR',
    'rename to': 'ENOTDIR',
    'link to': 'EEXIST',
    symlink: 'EEXIST',
  };

  test.each(['dangling/', 'dangling//', 'here/dangling/'])(
    'of a link to nothing, which is not made: %s',
    (path) =>
      the().unchanged(async () => {
        expect(await the().answers(path)).toEqual({ ...everyWay('ENOENT'), ...UNFOLLOWED });
      }),
  );

  test.each(['dangling/.', 'dangling/..', 'dangling/new', 'dangling/../../outside'])(
    'and more, of a link to nothing: %s',
    (path) =>
      the().unchanged(async () => {
        expect(await the().answers(path)).toEqual(everyWay('ENOENT'));
      }),
  );

  test.each(['out/', 'out//', 'out-abs/', 'chain/', 'home/', 'secret/', 'new-out/'])(
    'of a link that leads out are PERM even to what does not follow links: %s',
    (path) =>
      the().unchanged(async () => {
        expect(await the().answers(path)).toEqual({ ...everyWay('EPERM'), ...UNFOLLOWED });
      }),
  );

  test.each(['to-dir/', 'to-dir//', 'a/../to-dir/'])(
    'of a link to a directory that stays inside: %s',
    (path) =>
      the().unchanged(async () => {
        const followed = {
          'open to read': 'SUCCESS',
          'open to write': 'EISDIR',
          'open for nothing': 'SUCCESS',
          'open as a directory': 'SUCCESS',
          'open and empty': 'EISDIR',
          'open unfollowed': 'SUCCESS',
          stat: 'SUCCESS',
          'stat unfollowed': 'SUCCESS',
          'link from': 'EPERM',
          readlink: 'EINVAL',
        };
        const ways = WAYS.filter((way) => !way.startsWith('set times'));
        expect(await the().answers(path, ways)).toEqual({ ...followed, ...UNFOLLOWED });
      }),
  );
});
