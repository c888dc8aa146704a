/** Paths that lead where a guest has no business, by every call that takes one: B45–B47. */
import { describe, expect, test } from 'vitest';

import { ESCAPE_TEXT, type Way, WAYS, everyWay, grounds } from './grounds.js';

describe('B45: a path that leads out', () => {
  const the = grounds();

  const CLIMBING = [
    '..',
    '../',
    '../.',
    '../..',
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
    '../'.repeat(60),
  ];
  const ABSOLUTE = ['/', '//', '/.', '/..', '/etc/passwd', '/dev/null', '/proc/self/cwd', '/file'];

  test('by `..` is PERM to every call, whether it comes back or not', () =>
    the().unchanged(async () => {
      for (const path of CLIMBING) {
        expect([path, await the().answers(path)]).toEqual([path, everyWay('EPERM')]);
      }
    }));

  test('by a slash at its beginning is PERM to every call, wherever it leads', () =>
    the().unchanged(async () => {
      const { inside, outside } = the();
      for (const path of [...ABSOLUTE, inside, `${inside}/file`, outside, `${outside}/secret`]) {
        expect([path, await the().answers(path)]).toEqual([path, everyWay('EPERM')]);
      }
    }));

  test('of a directory that was opened beneath is PERM, though it stays in what is granted', () =>
    the().unchanged(async () => {
      const a = await the().directory('a');
      for (const path of ['..', '../file', 'b/../..', 'b/../../file', 'up', 'up/file', 'upup/x']) {
        const ways = path === 'up' ? (['open to read', 'stat'] as const) : WAYS;
        const answers = await the().answers(path, ways, a);
        expect([path, new Set(Object.values(answers))]).toEqual([path, new Set(['EPERM'])]);
      }
    }));

  test('is told once', () => expect(the().reports).toEqual([ESCAPE_TEXT]));
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

  test.each(['.', './', './/.', 'a/..', 'a/b/../..', 'a/up/.', 'here/.', 'a/up/here/../inside/..'])(
    'of dots that stays inside is the directory itself: %s',
    (path) =>
      the().unchanged(async () => {
        const expected = path.includes('inside') ? everyWay('EPERM') : DOTS;
        expect(await the().answers(path, Object.keys(expected) as Way[])).toEqual(expected);
      }),
  );
});
