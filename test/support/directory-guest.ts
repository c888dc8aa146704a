/** A driver guest with a directory of this machine, and what it does there in a test's words. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { Dirent, Filestat } from '#host/abi/files.js';
import { Oflags, Rights } from '#host/abi/preview1.js';
import { Errno } from '#host/errno.js';
import { afterAll, beforeAll, expect } from 'vitest';

import { leakedSince, openDescriptors } from './descriptors.js';
import {
  type Call,
  type Driven,
  type DrivenOptions,
  type Local,
  iovecs,
  startDriven,
} from './driven.js';
import { opened } from './events.js';
import { type Stat, statIn } from './structs.js';

/** The guest's descriptor of the directory. */
export const ROOT = 3;
export const GUEST_NAME = '/data';
export const READ_WRITE = BigInt(Rights.FD_READ | Rights.FD_WRITE);

const PATH = 0x1_0000;
const IOVS = 0x1_1000;
const DATA = 0x1_2000;
/** Where results are written. */
export const OUT = 0x1_f000;

export interface OpenOptions {
  readonly oflags?: number;
  readonly rights?: bigint;
  readonly fdflags?: number;
  readonly directory?: number;
}

export interface Entry {
  readonly next: bigint;
  readonly ino: bigint;
  readonly type: number;
  readonly name: string;
}

function u64(view: DataView, at: number): bigint {
  return view.getBigUint64(at, true);
}

/** The whole entries in the buffer of `fd_readdir`; one that is cut off is left out. */
export function entriesIn(bytes: Uint8Array): Entry[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const entries: Entry[] = [];
  for (let at = 0; at + Dirent.SIZE <= bytes.length;) {
    const end = at + Dirent.SIZE + Dirent.namlen.get(view, at);
    if (end > bytes.length) break;
    entries.push({
      next: u64(view, at + Dirent.next.offset),
      ino: u64(view, at + Dirent.ino.offset),
      type: Dirent.type.get(view, at),
      // A character for each byte: names are bytes.
      name: Buffer.from(bytes.subarray(at + Dirent.SIZE, end)).toString('latin1'),
    });
    at = end;
  }
  return entries;
}

export class DirectoryGuest {
  readonly driven: Driven;
  readonly local: Local;
  /** The directory, by the name that Node knows it by. */
  readonly folder: string;
  #places = 0;
  #others: Readonly<Record<string, number>> | undefined;

  constructor(local: Local, folder: string) {
    this.driven = local.driven;
    this.local = local;
    this.folder = folder;
  }

  /** The name of a file in the directory that Node knows it by. */
  host(path: string): string {
    return join(this.folder, path);
  }

  /** Makes a directory in it for one test. */
  async place(): Promise<Place> {
    const name = `place-${this.#places++}`;
    mkdirSync(this.host(name));
    const fd = await this.open(name, { oflags: Oflags.DIRECTORY, rights: 0n });
    return {
      fd,
      host: (path) => this.host(join(name, path)),
      open: (path, options = {}) => this.open(path, { directory: fd, ...options }),
    };
  }

  call(name: string, ...args: (number | bigint)[]): Promise<number> {
    return this.driven.call(name, ...args);
  }

  /** A call that must succeed. */
  async #succeed(name: string, ...args: (number | bigint)[]): Promise<void> {
    const errno = await this.call(name, ...args);
    if (errno !== 0) throw new Error(`${name} failed with ${errno}`);
  }

  async u64(at: number): Promise<bigint> {
    return u64(new DataView((await this.driven.read(at, 8)).buffer), 0);
  }

  /** Opens a path, which must succeed; the guest's descriptor. */
  async open(path: string, options: OpenOptions = {}): Promise<number> {
    const { oflags = 0, rights = READ_WRITE, fdflags = 0, directory = ROOT } = options;
    const bytes = Buffer.from(path);
    await this.driven.write(PATH, bytes);
    const args = [directory, 0, PATH, bytes.length, oflags, rights, -1n, fdflags, OUT];
    await this.#succeed('path_open', ...args);
    return this.driven.u32(OUT);
  }

  /** One descriptor of each kind that is not on disk: the same ones each time. */
  async others(): Promise<Readonly<Record<string, number>>> {
    if (this.#others !== undefined) return this.#others;
    const { driven } = this;
    const reader = await opened(driven, 'pipe2', 0);
    this.#others = {
      stdin: 0,
      stdout: 1,
      listener: driven.listener,
      connection: driven.listener + 1,
      reader,
      writer: reader + 1,
      socket: await opened(driven, 'socketpair', 1, 1, 0),
      datagram: await opened(driven, 'socketpair', 1, 2, 0),
      epoll: await opened(driven, 'epoll_create1', 0),
      event: await opened(driven, 'eventfd', 0, 0),
    };
    return this.#others;
  }

  /** What a call answers for a directory, for what is not open, and for all other kinds. */
  async answers(call: (fd: number) => Call): Promise<Answers> {
    const others = Object.values(await this.others());
    const fds = [ROOT, 999, -1, 2 ** 31, ...others];
    const [directory, first, second, third, ...rest] = await this.driven.calls(fds.map(call));
    return { directory, unopened: [first, second, third], others: [...new Set(rest)] };
  }

  /** The errno, or how many bytes were written, below zero for none of both. */
  async pwrite(fd: number, text: string, offset: bigint): Promise<readonly [number, number]> {
    await this.driven.write(DATA, Buffer.from(text));
    await this.driven.calls(iovecs(IOVS, [[DATA, text.length]]));
    const errno = await this.call('fd_pwrite', fd, IOVS, 1, offset, OUT);
    return [errno, errno === 0 ? await this.driven.u32(OUT) : -1];
  }

  /** The text in up to `room` bytes there, or minus the errno. */
  async pread(fd: number, room: number, offset: bigint): Promise<string | number> {
    await this.driven.calls(iovecs(IOVS, [[DATA, room]]));
    const errno = await this.call('fd_pread', fd, IOVS, 1, offset, OUT);
    if (errno !== 0) return -errno;
    return Buffer.from(await this.driven.read(DATA, await this.driven.u32(OUT))).toString();
  }

  /** The position after `fd_seek`, or minus the errno. */
  async seek(fd: number, offset: bigint, whence: number): Promise<bigint> {
    const errno = await this.call('fd_seek', fd, offset, whence, OUT);
    return errno === 0 ? this.u64(OUT) : -BigInt(errno);
  }

  async tell(fd: number): Promise<bigint> {
    const errno = await this.call('fd_tell', fd, OUT);
    return errno === 0 ? this.u64(OUT) : -BigInt(errno);
  }

  async filestat(fd: number): Promise<Stat> {
    await this.#succeed('fd_filestat_get', fd, OUT);
    return statIn(await this.driven.read(OUT, Filestat.SIZE));
  }

  /** What `fd_readdir` wrote into a buffer of so many bytes at DATA, which must succeed. */
  async readdir(fd: number, length: number, cookie = 0n): Promise<Uint8Array> {
    await this.#succeed('fd_readdir', fd, DATA, length, cookie, OUT);
    return this.driven.read(DATA, await this.driven.u32(OUT));
  }

  /** All entries of a directory, through a buffer of so many bytes, from a cookie on. */
  async list(fd: number, length: number, cookie = 0n): Promise<Entry[]> {
    const all: Entry[] = [];
    for (let next = cookie; ;) {
      const bytes = await this.readdir(fd, length, next);
      const entries = entriesIn(bytes);
      all.push(...entries);
      if (bytes.length < length) return all;
      if (entries.length === 0) throw new Error(`${length} bytes have room for no entry`);
      next = entries[entries.length - 1].next;
    }
  }
}

/** What a call answers for every descriptor that is no file. */
export interface Answers {
  readonly directory: number;
  readonly unopened: readonly number[];
  /** Each answer once. */
  readonly others: readonly number[];
}

/** What most answer that only files can do. */
export const ONLY_FILES: Answers = {
  directory: Errno.BADF,
  unopened: [Errno.BADF, Errno.BADF, Errno.BADF],
  others: [Errno.SPIPE],
};

/** A directory in the guest's, for one test. */
export interface Place {
  /** The guest's descriptor of it. */
  readonly fd: number;
  /** The name of a file in it that Node knows it by. */
  readonly host: (path: string) => string;
  /** Opens a path in it, which must succeed. */
  readonly open: (path: string, options?: OpenOptions) => Promise<number>;
}

/**
 * One guest for all tests of a `describe`, whose descriptor 3 is a new directory; nothing may be
 * open after them that was not open before.
 */
export function directoryGuest(
  options: DrivenOptions & { readonly readOnly?: boolean } = {},
): () => DirectoryGuest {
  const folder = mkdtempSync(join(tmpdir(), 'sandpoll-files-'));
  const dirs = [{ host: folder, guest: GUEST_NAME, readOnly: options.readOnly ?? false }];
  let before: ReturnType<typeof openDescriptors>;
  let guest: DirectoryGuest;
  beforeAll(async () => {
    before = openDescriptors();
    guest = new DirectoryGuest(await startDriven({ memory: '8', ...options, dirs }), folder);
  });
  afterAll(async () => {
    await guest.driven.end();
    rmSync(folder, { recursive: true });
    expect(await leakedSince(before)).toEqual([]);
  });
  return () => guest;
}
