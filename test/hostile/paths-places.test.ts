/** Directories that are more than names on one disk: B51–B53. */
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { describe, expect, test } from 'vitest';

import { Fdflags, Oflags } from '#host/abi/preview1.js';

import { withDriven } from '../support/driven.js';
import { PAGE_BYTES } from '../support/driver.js';
import { FIRST, Paths, READ, WRITE } from '../support/paths.js';
import { LOOKS, type Way, everyWay, grounds, snapshot } from '../support/grounds.js';

const { CREAT, DIRECTORY } = Oflags;

/** Runs `body` with a guest that has these directories, the first as descriptor 3. */
function withDirs(
  hosts: readonly string[],
  body: (paths: Paths) => Promise<void>,
  readOnly = false,
): Promise<void> {
  const dirs = hosts.map((host, index) => ({ host, guest: `/${index}`, readOnly }));
  return withDriven({ dirs }, (_driven, local) => body(new Paths(local, hosts)));
}

/** Runs `body` with a new folder in `parent`, and removes it. */
async function withFolder(parent: string, body: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(parent, 'sandpoll-places-'));
  try {
    await body(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

describe('B51: with /proc/self granted, what is magic about its links', () => {
  const the = grounds({ dirs: [{ host: '/proc/self', guest: '/self', readOnly: false }] });

  /** Runs `body` with the number of the host's descriptor of `outside`. */
  async function withOutside(body: (fd: number) => Promise<void>): Promise<void> {
    const fd = openSync(the().outside, 'r');
    await body(fd).finally(() => closeSync(fd));
  }

  test('leads nowhere: what is behind one is LOOP to every call', () =>
    the().unchanged(() =>
      withOutside(async (fd) => {
        expect(readFileSync(`/proc/self/fd/${fd}/secret`, 'utf8')).toBe('a secret');
        const { outside } = the();
        for (const path of [
          `fd/${fd}/secret`,
          `fd/${fd}/new`,
          `fd/${fd}/folder`,
          `fd/${fd}/.`,
          `fd/${fd}/..`,
          `fd/../fd/${fd}/secret`,
          `task/${process.pid}/fd/${fd}/secret`,
          `root${outside}/secret`,
          `task/${process.pid}/root${outside}/new`,
        ]) {
          expect([path, await the().answers(path)]).toEqual([path, everyWay('ELOOP')]);
        }
        const foreign = ['root/etc/passwd', 'root/.', 'cwd/package.json', 'cwd/..', 'cwd/new'];
        for (const path of foreign) {
          const answers = await the().answers(path, LOOKS);
          expect([path, answers]).toEqual([path, everyWay('ELOOP', LOOKS)]);
        }
      }),
    ));

  test('is not followed at the end either, with a slash or without', () =>
    the().unchanged(() =>
      withOutside(async (fd) => {
        const follow: Way[] = [
          'open to read',
          'open to write',
          'open for nothing',
          'open as a directory',
          'open and empty',
          'open and make',
          'open unfollowed',
          'stat',
          'set times',
        ];
        const expected = (ways: readonly Way[]) => everyWay('ELOOP', ways);
        expect(await the().answers(`fd/${fd}`, follow)).toEqual(expected(follow));
        const slashed = follow.filter((way) => way !== 'open and make');
        expect(await the().answers(`fd/${fd}/`, slashed)).toEqual(expected(slashed));
        const looks = LOOKS.filter((way) => follow.includes(way));
        for (const path of ['fd/0', 'root', 'cwd', 'exe', 'ns/net', 'root/', 'cwd/', 'exe/']) {
          expect([path, await the().answers(path, looks)]).toEqual([path, expected(looks)]);
        }
      }),
    ));

  test('does not keep what is granted from being read', async () => {
    expect(await the().answer('open to read', 'stat')).toBe('SUCCESS');
    expect(await the().answer('open as a directory', 'fd')).toBe('SUCCESS');
    expect(await the().answer('stat unfollowed', 'exe')).toBe('SUCCESS');
    expect(await the().answer('open to read', '../version')).toBe('EPERM');
    expect(await the().answer('open to read', `../${process.pid}/stat`)).toBe('EPERM');
  });
});

test('B51: a link in a directory to /proc/self leads out', () =>
  withFolder(tmpdir(), (folder) =>
    withDirs([folder], async (paths) => {
      for (const [name, target] of Object.entries({
        fds: '/proc/self/fd',
        magic: '/proc/self/cwd',
        root: '/proc/1/root',
        far: `${'../'.repeat(20)}proc/self/fd`,
      })) {
        symlinkSync(target, paths.host(name));
        expect(await paths.opens(name)).toBe('EPERM');
        expect(await paths.opens(`${name}/0`)).toBe('EPERM');
        expect(await paths.stat(`${name}/1`)).toBe('EPERM');
      }
    }),
  ));

describe('B52: links and moves between directories', () => {
  test('on two file systems are XDEV, which is not said of a path that leads out', ({ skip }) =>
    withFolder(tmpdir(), (one) =>
      withFolder('/dev/shm', async (other) => {
        if (statSync(one).dev === statSync(other).dev) skip('/tmp and /dev/shm are one');
        writeFileSync(join(one, 'file'), 'x');
        mkdirSync(join(one, 'full'));
        writeFileSync(join(one, 'full/file'), 'x');
        const before = [...snapshot(one), ...snapshot(other)];
        await withDirs([one, other], async (paths) => {
          for (const name of ['file', 'full/file', 'full']) {
            expect(await paths.rename(name, 'new', FIRST, FIRST + 1)).toBe('EXDEV');
          }
          expect(await paths.link('file', 'new', FIRST, FIRST + 1)).toBe('EXDEV');
          expect(paths.local.reports).toEqual([]);
        });
        expect([...snapshot(one), ...snapshot(other)]).toEqual(before);
      }),
    ));

  test('go by no path with `..` or a slash at its beginning', () =>
    withFolder(tmpdir(), (folder) => {
      const [one, other] = [join(folder, 'one'), join(folder, 'other')];
      for (const each of [join(one, 'sub'), other]) mkdirSync(each, { recursive: true });
      for (const each of [one, other]) writeFileSync(join(each, 'file'), each);
      const before = snapshot(folder);
      return withDirs([one, other], async (paths) => {
        const sub = await paths.opened('sub', { oflags: DIRECTORY, rights: 0 });
        for (const call of ['link', 'rename'] as const) {
          const answers = [
            await paths[call]('../file', 'new', sub, FIRST),
            await paths[call]('file', '../new', FIRST, sub),
            await paths[call]('../one/file', 'new', FIRST + 1, FIRST),
            await paths[call]('file', '../new', FIRST, FIRST + 1),
            await paths[call]('file', `${other}/new`, FIRST, FIRST + 1),
            await paths[call](`${one}/file`, 'new', FIRST, FIRST + 1),
          ];
          expect(answers).toEqual(answers.map(() => 'EPERM'));
        }
        expect(snapshot(folder)).toEqual(before);
      });
    }));
});

describe('B53: what is mounted below a directory', () => {
  test('is part of it: /proc below /', () =>
    withDirs(
      ['/'],
      async (paths) => {
        const fd = await paths.opened('proc/version', { rights: READ });
        expect(await paths.read(fd, 5)).toBe('"Linux"');
        const answers = {
          'etc/../proc/version': await paths.opens('etc/../proc/version'),
          'proc/sys/../version': await paths.opens('proc/sys/../version'),
          'proc/..': await paths.opens('proc/..'),
          'proc/../..': await paths.opens('proc/../..'),
          '..': await paths.opens('..'),
          '/proc/version': await paths.opens('/proc/version'),
          'proc/self/stat': await paths.opens('proc/self/stat'),
          'proc/self/root/etc': await paths.opens('proc/self/root/etc'),
          'proc/self/fd/0': await paths.opens('proc/self/fd/0'),
          'to write': await paths.opens('proc/self/comm', { rights: WRITE }),
        };
        expect(answers).toEqual({
          'etc/../proc/version': 'SUCCESS',
          'proc/sys/../version': 'SUCCESS',
          'proc/..': 'SUCCESS',
          'proc/../..': 'EPERM',
          '..': 'EPERM',
          '/proc/version': 'EPERM',
          'proc/self/stat': 'SUCCESS',
          'proc/self/root/etc': 'ELOOP',
          'proc/self/fd/0': 'ELOOP',
          'to write': 'EROFS',
        });
      },
      true,
    ));

  test('is made and written in, and nothing moves across its edge: /dev/shm below /dev', ({
    skip,
  }) =>
    withFolder('/dev/shm', async (folder) => {
      if (statSync('/dev').dev === statSync('/dev/shm').dev) skip('/dev/shm is no mount');
      const path = folder.slice('/dev/'.length);
      const beside = readdirSync('/dev');
      await withDirs(['/dev'], async (paths) => {
        const fd = await paths.opened(`${path}/new`, { oflags: CREAT, rights: WRITE });
        expect(await paths.write(fd, 'text')).toBe(4);
        expect([
          await paths.rename(`${path}/new`, 'sandpoll-moved'),
          await paths.link(`${path}/new`, 'sandpoll-linked'),
          await paths.opens(`${path}/../../null`),
          await paths.opens(`${path}/../../..`),
        ]).toEqual(['EXDEV', 'EXDEV', 'SUCCESS', 'EPERM']);
      });
      expect(readdirSync(folder)).toEqual(['new']);
      expect(readFileSync(join(folder, 'new'), 'utf8')).toBe('text');
      expect(readdirSync('/dev')).toEqual(beside);
    }));

  test('may be a device, which answers at once, and has no position', () =>
    withDirs(['/dev'], async (paths) => {
      const read: Record<string, string> = { null: '""', zero: '"\0\0\0\0"', full: '"\0\0\0\0"' };
      for (const [name, text] of Object.entries(read)) {
        const fd = await paths.opened(name, { rights: READ | WRITE });
        for (const flags of [0, Fdflags.NONBLOCK]) {
          await paths.call('fd_fdstat_set_flags', fd, flags);
          expect(await paths.write(fd, 'text')).toBe(name === 'full' ? 'ENOSPC' : 4);
          expect(await paths.read(fd, 4)).toBe(text);
        }
        expect(await paths.call('fd_seek', fd, 0n, 0, PAGE_BYTES)).toBe('ESPIPE');
        expect(await paths.call('fd_filestat_set_size', fd, 0n)).toBe('EINVAL');
        expect(await paths.call('fd_allocate', fd, 0n, 1n)).toBe('ESPIPE');
      }
      // Links of /dev, to /proc by an absolute path.
      for (const name of ['stdin', 'stdout', 'fd', 'fd/0']) {
        expect([name, await paths.opens(name)]).toEqual([name, 'EPERM']);
      }
    }));
});
