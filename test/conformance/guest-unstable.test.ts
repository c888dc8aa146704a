/** `wasi_unstable`, preview0, as its guests see it: what differs from preview1 (abi.md §1.2). */
import { linkSync, statSync } from 'node:fs';

import { Status } from '#host/abi/files.js';
import { Event, Eventtype } from '#host/abi/preview1.js';
import {
  UnstableFilestat,
  UnstableSubscription,
  writeUnstableFilestat,
} from '#host/abi/unstable.js';
import { Errno } from '#host/errno.js';
import { IMPORT_MODULES } from '#host/imports/index.js';
import { expect, test } from 'vitest';

import { type Driven, type Local, withDriven } from '../support/driven.js';
import { PAGE_BYTES, rowsOf } from '../support/driver.js';
import { withFiles } from '../support/files.js';
import { happened } from '../support/structs.js';

const OUT = PAGE_BYTES + 0x100;
const PATH = PAGE_BYTES + 0x200;
const IN = PAGE_BYTES + 0x1000;
const STAT = PAGE_BYTES + 0x4000;
const END = 3 * PAGE_BYTES;
const CONTENTS = 'twenty bytes of text';
const [FD_READ, FD_SEEK] = [1n << 1n, 1n << 2n];
const [DIR, NAME] = [3, 'file'];

type Body = (driven: Driven, fd: number, path: string, local: Local) => Promise<void>;

/** A guest of preview0 with a directory, in which it has opened a file of 20 bytes. */
async function withFile(body: Body): Promise<void> {
  await withFiles({ [NAME]: CONTENTS }, async (folder) => {
    const dirs = [{ host: folder, guest: '/', readOnly: false }];
    await withDriven({ shape: 'unstable', dirs }, async (driven, local) => {
      await driven.write(PATH, Buffer.from(NAME));
      const rights = FD_READ | FD_SEEK;
      expect(await driven.call('path_open', DIR, 0, PATH, NAME.length, 0, rights, 0n, 0, OUT)).toBe(
        Errno.SUCCESS,
      );
      await body(driven, await driven.u32(OUT), `${folder}/${NAME}`, local);
    });
  });
}

test('all that preview1 has links by its name, but sock_accept', async () => {
  const names = (module: string): string[] =>
    (IMPORT_MODULES.get(module) ?? []).map(({ name }) => name);
  const linked = [...rowsOf('unstable')].filter(([, { module }]) => module === 'wasi_unstable');
  expect(linked.map(([name]) => name).toSorted()).toEqual(names('wasi_unstable').toSorted());
  expect(linked).toHaveLength(45);
  expect(names('wasi_unstable')).not.toContain('sock_accept');
  await withDriven({ shape: 'unstable' }, async (driven) => {
    expect(await driven.call('proc_raise', 6)).toBe(Errno.NOSYS);
  });
});

test('whence is CUR 0, END 1, SET 2, and nothing else', async () => {
  await withFile(async (driven, fd) => {
    const seek = async (offset: number, whence: number): Promise<number[]> => {
      const errno = await driven.call('fd_seek', fd, offset, whence, OUT);
      return [errno, errno === 0 ? await driven.call('load64', OUT) : -1];
    };
    expect(await seek(7, 2)).toEqual([0, 7]);
    expect(await seek(5, 0)).toEqual([0, 12]);
    expect(await seek(-1, 1)).toEqual([0, CONTENTS.length - 1]);
    for (const whence of [3, 4, -1]) expect(await seek(0, whence)).toEqual([Errno.INVAL, -1]);
    expect(await driven.call('fd_tell', fd, OUT)).toBe(0);
    expect(await driven.call('load64', OUT)).toBe(CONTENTS.length - 1);
  });
});

test('a filestat has 56 bytes, with nlink in 32 bits', async () => {
  await withFile(async (driven, fd, path) => {
    linkSync(path, `${path}2`);
    const { ino, dev, mtimeNs } = statSync(path, { bigint: true });
    for (const call of [
      ['fd_filestat_get', fd],
      ['path_filestat_get', DIR, 0, PATH, NAME.length],
    ] as const) {
      const [name, ...args] = call;
      const SIZE = UnstableFilestat.SIZE;
      await driven.call('memory.fill', STAT, 0xee, SIZE + 8);
      expect(await driven.call(name, ...args, STAT)).toBe(Errno.SUCCESS);
      const bytes = await driven.read(STAT, SIZE + 8);
      const view = new DataView(bytes.buffer);
      expect(view.getBigUint64(UnstableFilestat.dev.offset, true)).toBe(dev);
      expect(view.getBigUint64(UnstableFilestat.ino.offset, true)).toBe(ino);
      expect(view.getBigUint64(UnstableFilestat.filetype.offset, true)).toBe(4n | (2n << 32n));
      expect(view.getBigUint64(UnstableFilestat.size.offset, true)).toBe(20n);
      expect(view.getBigUint64(UnstableFilestat.mtim.offset, true)).toBe(mtimeNs);
      expect(view.getBigUint64(SIZE, true)).toBe(0xeeee_eeee_eeee_eeeen);
      // At the end of memory: what preview1 would write does not fit, this does.
      expect(await driven.call(name, ...args, END - SIZE)).toBe(Errno.SUCCESS);
      expect(await driven.call(name, ...args, END - SIZE + 1)).toBe(Errno.FAULT);
    }
  });
});

test('more links than 32 bits count are as many as they do', () => {
  const status = new DataView(new ArrayBuffer(Status.SIZE));
  const view = new DataView(new ArrayBuffer(UnstableFilestat.SIZE));
  for (const [hi, expected] of [
    [0, 7],
    [1, 0xffff_ffff],
  ]) {
    Status.nlink.set(status, 0, 7, hi);
    writeUnstableFilestat(view, 0, status);
    expect(UnstableFilestat.nlink.get(view, 0)).toBe(expected);
  }
});

interface Wanted {
  readonly userdata: bigint;
  readonly tag: number;
  readonly fd?: number;
  readonly timeout?: bigint;
}

/** Subscriptions of 56 bytes; every byte that says nothing is 0xee. */
function subscriptions(list: readonly Wanted[]): Uint8Array {
  const { SIZE, clockId, clockTimeout, clockFlags, tag, fd } = UnstableSubscription;
  const bytes = new Uint8Array(list.length * SIZE).fill(0xee);
  const view = new DataView(bytes.buffer);
  list.forEach((each, index) => {
    const at = index * SIZE;
    view.setBigUint64(at, each.userdata, true);
    tag.set(view, at, each.tag);
    if (each.fd !== undefined) fd.set(view, at, each.fd);
    if (each.timeout === undefined) return;
    clockId.set(view, at, 1);
    view.setBigUint64(at + clockTimeout.offset, each.timeout, true);
    clockFlags.set(view, at, 0);
  });
  return bytes;
}

test('a subscription has 56 bytes, with an identifier before the clock', async () => {
  await withFile(async (driven, fd) => {
    const polled = async (list: readonly Wanted[], at = IN, out = IN + 0x800) => {
      await driven.write(at, subscriptions(list));
      const errno = await driven.call('poll_oneoff', at, out, list.length, OUT);
      expect(errno).toBe(Errno.SUCCESS);
      const events = happened(await driven.read(out, (await driven.u32(OUT)) * Event.SIZE));
      return events.map(({ userdata, error, nbytes }) => [userdata, error, nbytes]);
    };
    const { CLOCK, FD_READ: READ, FD_WRITE: WRITE } = Eventtype;
    const long = { userdata: 9n, tag: CLOCK, timeout: 2n ** 62n };
    const file = { userdata: 1n, tag: READ, fd };
    expect(await polled([long, file])).toEqual([[1n, 0, CONTENTS.length]]);
    // In one place with the events, and at an odd address.
    expect(await polled([long, file, { ...file, userdata: 2n }], IN + 1, IN + 1)).toEqual([
      [2n, 0, CONTENTS.length],
      [1n, 0, CONTENTS.length],
    ]);
    expect(await polled([{ userdata: 5n, tag: CLOCK, timeout: 1000n }])).toEqual([[5n, 0, 0]]);
    expect(await polled([{ userdata: 6n, tag: WRITE, fd: 99 }, long])).toEqual([
      [6n, Errno.BADF, 0],
    ]);
    expect(await polled([{ userdata: 7n, tag: 3 }])).toEqual([[7n, Errno.INVAL, 0]]);
  });
});

test('B5, B6 its lists are measured by 56 bytes', async () => {
  await withDriven({ shape: 'unstable' }, async (driven) => {
    const call = (at: number, count: number): Promise<number> =>
      driven.call('poll_oneoff', at, IN, count, OUT);
    expect(await call(IN, 0)).toBe(Errno.INVAL);
    for (const count of [2 ** 32 - 1, 76_695_845, 0x1000_0000]) {
      expect([count, await call(IN, count)]).toEqual([count, Errno.FAULT]);
    }
    await driven.write(END - 56, subscriptions([{ userdata: 1n, tag: 0, timeout: 0n }]));
    expect(await call(END - 56, 1)).toBe(Errno.SUCCESS);
    expect(await call(END - 55, 1)).toBe(Errno.FAULT);
    expect(await call(END - 56, 2)).toBe(Errno.FAULT);
  });
});
