/** What a guest makes to get out by it, and names that are only odd: B48, B50, B56. */
import {
  mkdirSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';

import { describe, expect, test } from 'vitest';

import { Oflags } from '#host/abi/preview1.js';
import { wasiName } from '#host/errno.js';

import { PAGE_BYTES } from '../support/driver.js';
import { FIRST, type Paths, READ, WRITE, withPaths } from '../support/paths.js';
import { ESCAPE_TEXT, PATH, everyWay, grounds, snapshot } from '../support/grounds.js';

const { CREAT } = Oflags;

describe('B48: symbolic links that the guest makes', () => {
  const the = grounds();

  /** path_symlink: its errno, by name. */
  async function link(target: string | Uint8Array, path: string): Promise<string> {
    const { driven } = the();
    const [from, to] = [Buffer.from(target), Buffer.from(path)];
    const [targetAt, pathAt] = [PATH + 2 * PAGE_BYTES, PATH + 3 * PAGE_BYTES];
    await driven.write(targetAt, from);
    await driven.write(pathAt, to);
    return wasiName(
      await driven.call('path_symlink', targetAt, from.length, FIRST, pathAt, to.length),
    );
  }

  test('with a target that begins with a slash are refused, and not made', () =>
    the().unchanged(async () => {
      const { inside, outside } = the();
      for (const target of ['/', '//', '/etc/passwd', '/file', inside, `${outside}/secret`]) {
        expect([target, await link(target, 'made')]).toEqual([target, 'EPERM']);
      }
      expect(await link('', 'made')).toBe('ENOENT');
      expect(await link('fi\0le', 'made')).toBe('EINVAL');
      expect(await link('x'.repeat(4096), 'made')).toBe('ENAMETOOLONG');
    }));

  test('that climb are text, and lead nowhere', async () => {
    const { inside, outside } = the();
    const before = snapshot(outside);
    const targets = {
      climb: '../outside',
      'climb-a': 'a/../../outside',
      'climb-links': 'a/up/../outside',
      'a/climb': '../../outside',
      'a/b/climb': '../up/../outside',
    };
    for (const [path, target] of Object.entries(targets)) {
      expect([path, await link(target, path)]).toEqual([path, 'SUCCESS']);
      expect(readlinkSync(join(inside, path))).toBe(target);
      for (const beyond of ['secret', 'new', 'folder', 'folder/..', '.', '..']) {
        const answers = await the().answers(`${path}/${beyond}`);
        expect([path, beyond, answers]).toEqual([path, beyond, everyWay('EPERM')]);
      }
      expect(await the().answer('open to read', path)).toBe('EPERM');
      expect(await the().answer('open and make', path)).toBe('EPERM');
    }
    expect(await link('climb/secret', 'by-link')).toBe('SUCCESS');
    expect(await the().answer('open to write', 'by-link')).toBe('EPERM');
    expect(snapshot(outside)).toEqual(before);
  });

  test('to `.` and `..`, and `..` behind them', () =>
    the().unchanged(async () => {
      // `here` and `a/up` are links to `.` and to `..`.
      for (const path of [
        'here/..',
        'here/../outside/secret',
        'here/here/here/..',
        'here/a/../..',
        'a/../here/../outside',
        'a/up/..',
        'a/up/../outside/secret',
        'a/up/here/..',
        'a/b/../up/..',
        'here/a/up/a/up/..',
      ]) {
        expect([path, await the().answers(path)]).toEqual([path, everyWay('EPERM')]);
      }
      const within = ['here/file', 'a/up/file', 'a/up/a/up/here/file', 'here/a/../file'];
      for (const path of within) {
        expect([path, await the().answer('open to read', path)]).toEqual([path, 'SUCCESS']);
      }
    }));

  test('moved or hard-linked to where they lead out', async () => {
    const { inside, outside } = the();
    const before = snapshot(outside);
    // In `a/b` its target is in `inside`; one level up it is outside.
    expect(await link('../../file', 'a/b/deep-link')).toBe('SUCCESS');
    expect(await the().answer('open to read', 'a/b/deep-link')).toBe('SUCCESS');
    renameSync(join(inside, 'a/b/deep-link'), join(inside, 'moved'));
    expect(await the().answer('open to read', 'moved')).toBe('EPERM');
    expect(await link('../outside', 'a/outside-link')).toBe('SUCCESS');
    mkdirSync(join(inside, 'outside'));
    expect(await the().answer('open as a directory', 'a/outside-link')).toBe('SUCCESS');
    renameSync(join(inside, 'a/outside-link'), join(inside, 'outside-link'));
    expect(await the().answer('open as a directory', 'outside-link')).toBe('EPERM');
    expect(snapshot(outside)).toEqual(before);
  });

  test('below a directory that is moved out while it is open: `..` stays PERM', async () => {
    const { inside, outside } = the();
    mkdirSync(join(inside, 'taken'));
    await the().withDirectory('taken', async (fd) => {
      renameSync(join(inside, 'taken'), join(outside, 'taken'));
      const before = snapshot(outside);
      for (const path of ['..', '../secret', '../folder/..', '../../inside/file']) {
        expect([path, await the().answers(path, undefined, fd)]).toEqual([path, everyWay('EPERM')]);
      }
      expect(snapshot(outside)).toEqual(before);
    });
  });

  test('are told of once', () =>
    expect(the().denials.filter((line) => line === ESCAPE_TEXT)).toHaveLength(1));
});

/** Runs `body` with one guest and an empty directory. */
const withOne = (body: (paths: Paths) => Promise<void>): Promise<void> =>
  withPaths({ memory: '8' }, body);

describe('B50: bytes that are no name', () => {
  const the = grounds();

  test.each(['\0', 'file\0', '\0file', 'file\0/x', 'a/\0/b', 'a/b\0/../../file', '../\0'])(
    'a NUL is INVAL to every call: %j',
    (path) =>
      the().unchanged(async () => {
        expect(await the().answers(path)).toEqual(everyWay('EINVAL'));
      }),
  );

  test('more of them than a path has are NAMETOOLONG to every call, whatever they are', () =>
    the().unchanged(async () => {
      for (const path of ['x'.repeat(256), `a/${'y'.repeat(256)}`, 'z'.repeat(4095)]) {
        expect(await the().answers(path)).toEqual(everyWay('ENAMETOOLONG'));
      }
      for (const length of [4096, 4097, 5000]) {
        for (const text of ['./', 'a/../', '../', '/', 'ab', '\0\0']) {
          const path = text.repeat(length / text.length + 1).slice(0, length);
          expect([text, await the().answers(path)]).toEqual([text, everyWay('ENAMETOOLONG')]);
        }
      }
    }));

  test('110,000 of them, and all of memory', () =>
    the().unchanged(async () => {
      const { driven } = the();
      const at = 2 * PAGE_BYTES;
      const both = (bytes: number) => [at, bytes] as const;
      await driven.call('memory.fill', at, 0x61, 6 * PAGE_BYTES);
      for (const bytes of [110_000, 6 * PAGE_BYTES]) {
        const errnos = await driven.calls([
          ['path_create_directory', FIRST, ...both(bytes)],
          ['path_symlink', ...both(bytes), FIRST, ...both(bytes)],
          ['path_rename', FIRST, ...both(bytes), FIRST, ...both(bytes)],
          ['path_link', FIRST, 0, ...both(bytes), FIRST, ...both(bytes)],
          ['path_open', FIRST, 1, ...both(bytes), CREAT, BigInt(WRITE), 0n, 0, PATH],
          ['path_filestat_get', FIRST, 1, ...both(bytes), PATH],
        ]);
        expect(errnos.map((each) => wasiName(each))).toEqual(errnos.map(() => 'ENAMETOOLONG'));
      }
    }));

  test('4,095 are a path', () =>
    the().unchanged(async () => {
      const path = `${'./'.repeat(2045)}/file`;
      expect(Buffer.byteLength(path)).toBe(4095);
      expect(await the().answer('open to read', path)).toBe('SUCCESS');
      expect(await the().answer('open and make anew', path)).toBe('EEXIST');
      expect(await the().answer('open to read', '../'.repeat(1365))).toBe('EPERM');
    }));

  test('that are no UTF-8 are names, and the same bytes on disk', () =>
    withOne(async (paths) => {
      const names = [
        [0xff],
        [0xc3, 0x28],
        [0xed, 0xa0, 0x80],
        [0xf8, 0x88, 0x80, 0x80, 0x80],
        [0x80, 0xbf, 0x01],
        [0xef, 0xbb, 0xbf, 0x61],
      ].map((bytes) => Buffer.from(bytes));
      for (const name of names) {
        expect(await paths.opens(name, { oflags: CREAT, rights: WRITE })).toBe('SUCCESS');
      }
      const found = readdirSync(paths.folders[0], { encoding: 'buffer' });
      const hex = (list: readonly Buffer[]): string[] => list.map((name) => name.toString('hex'));
      expect(hex(found).toSorted()).toEqual(hex(names).toSorted());
    }));

  test('forty links are followed, and no more', () =>
    withOne(async (paths) => {
      writeFileSync(paths.host('link-0'), '');
      for (let at = 1; at <= 41; at++) symlinkSync(`link-${at - 1}`, paths.host(`link-${at}`));
      symlinkSync('../'.repeat(41), paths.host('up-41'));
      const before = snapshot(paths.folders[0]);
      expect(await paths.opens('link-40')).toBe('SUCCESS');
      expect(await paths.opens('link-41')).toBe('ELOOP');
      expect(await paths.opens('link-41', { oflags: CREAT, rights: WRITE })).toBe('ELOOP');
      expect(await paths.stat('link-41')).toBe('ELOOP');
      expect(await paths.mkdir('link-41/x')).toBe('ELOOP');
      expect(await paths.opens('up-41')).toBe('EPERM');
      expect(snapshot(paths.folders[0])).toEqual(before);
    }));
});

test('B56: names that mean something elsewhere are ordinary here', () =>
  withOne(async (paths) => {
    const names = [
      'C:',
      'C:\\Windows',
      '\\',
      '\\\\?\\C:\\x',
      '..\\..\\outside',
      'a\\..\\..',
      'CON',
      'NUL',
      'aux.txt',
      'file:stream',
      'file::$DATA',
      'ends.',
      'ends ',
      ' begins',
      '...',
      '~',
      '-rf',
      '*?"<>|',
      '%2e%2e%2f',
      'line\nbreak',
      '\u202etxt.exe',
    ];
    for (const name of names) {
      const fd = await paths.opened(name, { oflags: CREAT, rights: READ | WRITE });
      expect(await paths.write(fd, name)).toBe(Buffer.byteLength(name));
      expect(await paths.close(fd)).toBe('SUCCESS');
    }
    expect(readdirSync(paths.folders[0]).toSorted()).toEqual(names.toSorted());
    for (const name of names) expect(readFileSync(paths.host(name), 'utf8')).toBe(name);
  }));
