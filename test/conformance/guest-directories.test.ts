/** fd_readdir, fd_prestat_get and fd_prestat_dir_name, as a guest sees them. */
import { spawnSync } from 'node:child_process';
import { lstatSync, mkdirSync, rmSync, rmdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';

import { Filetype, Oflags } from '#host/abi/preview1.js';
import { Errno } from '#host/errno.js';
import { describe, expect, test } from 'vitest';

import {
  type Entry,
  GUEST_NAME,
  OUT,
  type Place,
  ROOT,
  directoryGuest,
  entriesIn,
} from '../support/directory-guest.js';
import { withDriven } from '../support/driven.js';

const { BADF, FAULT, NAMETOOLONG, NOENT, NOTDIR } = Errno;
const BUF = 0x3_0000;
const MEMORY_END = 8 * 65_536;
const MARKER = 0xa5;

const the = directoryGuest();

/** The entries' names in order, but for the two that every directory has. */
function names(entries: readonly Entry[]): string[] {
  return entries.map(({ name }) => name).filter((name) => name !== '.' && name !== '..');
}

function makeFiles(place: Place, prefix: string, count: number): string[] {
  const made = Array.from({ length: count }, (_each, index) => `${prefix}${index}`);
  for (const name of made) writeFileSync(place.host(name), '');
  return made.toSorted();
}

describe('fd_prestat_get and fd_prestat_dir_name', () => {
  test('tell of granted directories, and of nothing else', async () => {
    const guests = ['/', '/données', '/x y'];
    const dirs = guests.map((guest) => ({ host: '/', guest, readOnly: true }));
    await withDriven({ dirs }, async (driven) => {
      const buf = 0x1_8000;
      for (const [index, name] of guests.entries()) {
        const bytes = Buffer.from(name);
        await driven.call('memory.fill', buf, MARKER, 64);
        expect(await driven.call('fd_prestat_get', ROOT + index, buf)).toBe(0);
        const prestat = await driven.read(buf, 9);
        expect([...prestat]).toEqual([0, 0, 0, 0, bytes.length, 0, 0, 0, MARKER]);
        // More room than there is name: the rest stays as it is.
        expect(await driven.call('fd_prestat_dir_name', ROOT + index, buf + 8, 32)).toBe(0);
        const written = await driven.read(buf + 8, bytes.length + 1);
        expect(Buffer.from(written)).toEqual(Buffer.concat([bytes, Buffer.of(MARKER)]));
      }
      for (const fd of [0, 1, 2, driven.listener, driven.listener + 1, 99, -1, 2 ** 31]) {
        expect(await driven.call('fd_prestat_get', fd, buf)).toBe(BADF);
        expect(await driven.call('fd_prestat_dir_name', fd, buf, 32)).toBe(BADF);
      }
    });
  });

  test('write nothing where the name or the record has no room', async () => {
    const { driven } = the();
    await driven.call('memory.fill', BUF, MARKER, MEMORY_END - BUF);
    const short = GUEST_NAME.length - 1;
    expect(await driven.call('fd_prestat_dir_name', ROOT, BUF, short)).toBe(NAMETOOLONG);
    expect(await driven.call('fd_prestat_dir_name', ROOT, BUF, 0)).toBe(NAMETOOLONG);
    expect(await driven.call('fd_prestat_dir_name', ROOT, 2 ** 31, 5)).toBe(FAULT);
    expect(await driven.call('fd_prestat_dir_name', ROOT, BUF, -1)).toBe(FAULT);
    expect(await driven.call('fd_prestat_get', ROOT, MEMORY_END - 7)).toBe(FAULT);
    expect(await driven.call('dirty', BUF, MEMORY_END, MARKER)).toBe(-1);
  });

  test('follow a directory to another number, and end when it is closed', async () => {
    const guest = the();
    const { fd, open } = await guest.place();
    const other = await open('.', { oflags: Oflags.DIRECTORY, rights: 0n });
    expect(await guest.call('fd_prestat_get', other, BUF)).toBe(BADF);
    // Back and forth: other tests need it where it was.
    expect(await guest.call('fd_renumber', ROOT, other)).toBe(0);
    expect(await guest.call('fd_prestat_get', ROOT, BUF)).toBe(BADF);
    expect(await guest.call('fd_prestat_get', other, BUF)).toBe(0);
    const again = await guest.open('.', { directory: other, rights: 0n });
    expect(again).toBe(ROOT);
    expect(await guest.call('fd_renumber', other, ROOT)).toBe(0);
    expect(await guest.call('fd_prestat_get', ROOT, BUF)).toBe(0);
    expect(await guest.call('fd_close', fd)).toBe(0);
    expect(await guest.call('fd_prestat_get', fd, BUF)).toBe(BADF);
  });
});

describe('fd_readdir', () => {
  test('lists what is there: names, inodes and types, `.` and `..` too', async () => {
    const guest = the();
    const { fd, host } = await guest.place();
    writeFileSync(host('file'), '');
    mkdirSync(host('directory'));
    symlinkSync('nowhere', host('link'));
    expect(spawnSync('mkfifo', [host('fifo')]).status).toBe(0);
    const server = createServer();
    await new Promise<void>((resolve) => {
      server.listen(host('socket'), resolve);
    });
    const entries = await guest.list(fd, 4096);
    expect(Object.fromEntries(entries.map(({ name, type }) => [name, type]))).toEqual({
      '.': Filetype.DIRECTORY,
      '..': Filetype.DIRECTORY,
      directory: Filetype.DIRECTORY,
      fifo: Filetype.UNKNOWN,
      file: Filetype.REGULAR_FILE,
      link: Filetype.SYMBOLIC_LINK,
      socket: Filetype.SOCKET_STREAM,
    });
    // What may be outside a guest learns nothing of: `..` has the directory's own number.
    const inode = (name: string): bigint => lstatSync(host(name), { bigint: true }).ino;
    expect(entries.map(({ name, ino }) => [name, ino])).toEqual(
      entries.map(({ name }) => [name, inode(name === '..' ? '.' : name)]),
    );
    await new Promise((resolve) => {
      server.close(resolve);
    });
  });

  test('hands on names as they are: bytes, however odd and long', async () => {
    const guest = the();
    const { fd, host } = await guest.place();
    const odd = ['a\nb', ' ', '-', '\x1b[31m', 'ÿþ', 'n'.repeat(255), '...'];
    for (const name of odd) {
      writeFileSync(Buffer.concat([Buffer.from(host('/')), Buffer.from(name, 'latin1')]), '');
    }
    expect(names(await guest.list(fd, 512)).toSorted()).toEqual(odd.toSorted());
  });

  test('B54: cuts the last entry off at any length, and says so by a full buffer', async () => {
    const guest = the();
    const place = await guest.place();
    makeFiles(place, 'name', 3);
    const whole = await guest.readdir(place.fd, 1000);
    expect(entriesIn(whole).length).toBe(5);
    for (let length = 0; length <= whole.length + 1; length++) {
      const used = Math.min(length, whole.length);
      const [, errno, size] = await guest.driven.calls([
        ['memory.fill', BUF, MARKER, whole.length + 2],
        ['fd_readdir', place.fd, BUF, length, 0n, OUT],
        ['load32', OUT],
      ]);
      expect([errno, size]).toEqual([0, used]);
      const written = await guest.driven.read(BUF, used + 1);
      expect(Buffer.from(written)).toEqual(Buffer.of(...whole.subarray(0, used), MARKER));
    }
  });

  test('goes on behind any entry by its cookie, forwards and backwards', async () => {
    const guest = the();
    const place = await guest.place();
    makeFiles(place, 'f', 30);
    const all = await guest.list(place.fd, 100);
    expect(all.length).toBe(32);
    expect(new Set(all.map(({ next }) => next)).size).toBe(32);
    for (const at of [31, 0, 30, 7, 16, 15]) {
      expect(await guest.list(place.fd, 200, all[at].next)).toEqual(all.slice(at + 1));
    }
  });

  test('B54: a cookie that no entry has is the end, or an entry; never an error', async () => {
    const guest = the();
    const place = await guest.place();
    makeFiles(place, 'f', 10);
    const all = await guest.list(place.fd, 4096);
    for (const cookie of [all[11].next + 1n, 2n ** 64n - 1n, 2n ** 63n, 2n ** 63n + 5n]) {
      expect(await guest.list(place.fd, 4096, cookie)).toEqual([]);
    }
    for (const cookie of [1n, 2n ** 31n, 2n ** 32n, 2n ** 62n, 2n ** 63n - 1n]) {
      const found = await guest.list(place.fd, 4096, cookie);
      expect(all).toEqual(expect.arrayContaining(found));
    }
  });

  test('B54: lists once what is there all the time, whatever else comes and goes', async () => {
    const guest = the();
    const place = await guest.place();
    const stable = makeFiles(place, 'stable-', 40);
    makeFiles(place, 'early-', 40);
    const found: string[] = [];
    const [length, changed] = [400, 8];
    for (let cookie = 0n, round = 0; ; round++) {
      const bytes = await guest.readdir(place.fd, length, cookie);
      const entries = entriesIn(bytes);
      found.push(...names(entries));
      if (bytes.length < length) break;
      cookie = entries[entries.length - 1].next;
      for (let i = changed * round; i < changed * (round + 1); i++) {
        writeFileSync(place.host(`late-${i}`), '');
        rmSync(place.host(`early-${i}`), { force: true });
      }
    }
    const listed = found.filter((name) => name.startsWith('stable-'));
    expect(listed.toSorted()).toEqual(stable);
    expect(new Set(found).size).toBe(found.length);
  });

  test('answers NOENT for a directory that was removed, NOTDIR or BADF for none', async () => {
    const guest = the();
    const { open, host } = await guest.place();
    mkdirSync(host('gone'));
    const gone = await open('gone', { rights: 0n });
    rmdirSync(host('gone'));
    expect(await guest.call('fd_readdir', gone, BUF, 100, 0n, OUT)).toBe(NOENT);
    const file = await open('file', { oflags: Oflags.CREAT });
    for (const fd of [0, 1, guest.driven.listener, file]) {
      expect(await guest.call('fd_readdir', fd, BUF, 100, 0n, OUT)).toBe(NOTDIR);
    }
    for (const fd of [99, -1]) {
      expect(await guest.call('fd_readdir', fd, BUF, 100, 0n, OUT)).toBe(BADF);
    }
  });

  test('B7, B8: writes nothing where buffer or result lie outside memory', async () => {
    const { driven } = the();
    await driven.call('memory.fill', BUF, MARKER, MEMORY_END - BUF);
    expect(await driven.call('fd_readdir', ROOT, BUF, 100, 0n, MEMORY_END - 3)).toBe(FAULT);
    expect(await driven.call('fd_readdir', ROOT, BUF, 100, 0n, -4)).toBe(FAULT);
    expect(await driven.call('fd_readdir', ROOT, MEMORY_END - 99, 100, 0n, OUT)).toBe(FAULT);
    expect(await driven.call('fd_readdir', ROOT, BUF, -1, 0n, OUT)).toBe(FAULT);
    expect(await driven.call('dirty', BUF, MEMORY_END, MARKER)).toBe(-1);
    expect(await driven.call('fd_readdir', ROOT, MEMORY_END, 0, 0n, OUT)).toBe(0);
  });
});
