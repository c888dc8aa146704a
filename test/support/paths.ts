/** A driver guest with directories of this machine, and its calls on paths in them. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { Filestat } from '#host/abi/files.js';
import { Fdstat, Lookupflags, Rights } from '#host/abi/preview1.js';
import { wasiName } from '#host/errno.js';

import {
  type Call,
  type Driven,
  type DrivenOptions,
  type Local,
  stores,
  withDriven,
} from './driven.js';
import { PAGE_BYTES } from './driver.js';
import { type Stat, statIn } from './structs.js';

/** The descriptor of the first directory. */
export const FIRST = 3;

/** Where paths lie, one after the other, and what calls write; tests have page 2. */
const PATH = PAGE_BYTES;
const PATH_BYTES = 0x4000;
const OUT = PATH + 2 * PATH_BYTES;
const IOV = OUT + 0x1000;
const DATA = OUT + 0x2000;

/** What a call answers, as a person reads it: `SUCCESS`, `ENOENT`. */
export type Answer = string;

export interface Opening {
  readonly oflags?: number;
  readonly fdflags?: number;
  readonly dirflags?: number;
  readonly rights?: number | bigint;
}

/** What a descriptor says of itself; rights as numbers, which have 30 bits. */
export interface Stated {
  readonly filetype: number;
  readonly flags: number;
  readonly base: number;
  readonly inheriting: number;
}

export const READ = Rights.FD_READ;
export const WRITE = Rights.FD_WRITE;

function bytesOf(text: string | Uint8Array): Uint8Array {
  return typeof text === 'string' ? new TextEncoder().encode(text) : text;
}

function textOf(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

export class Paths {
  readonly driven: Driven;
  readonly local: Local;
  /** The directories, by the names that Node knows them by; the first is descriptor 3. */
  readonly folders: readonly string[];

  constructor(local: Local, folders: readonly string[]) {
    this.driven = local.driven;
    this.local = local;
    this.folders = folders;
  }

  /** The name of a file in the first directory that Node knows it by. */
  host(path: string, index = 0): string {
    return join(this.folders[index], path);
  }

  mkdir(path: string | Uint8Array, fd = FIRST): Promise<Answer> {
    return this.#simple('path_create_directory', path, fd);
  }

  rmdir(path: string, fd = FIRST): Promise<Answer> {
    return this.#simple('path_remove_directory', path, fd);
  }

  unlink(path: string, fd = FIRST): Promise<Answer> {
    return this.#simple('path_unlink_file', path, fd);
  }

  rename(from: string, to: string, fd = FIRST, newFd = fd): Promise<Answer> {
    return this.#answer([from, to], (a, b) => ['path_rename', fd, ...a, newFd, ...b]);
  }

  link(from: string, to: string, fd = FIRST, newFd = fd, flags = 0): Promise<Answer> {
    return this.#answer([from, to], (a, b) => ['path_link', fd, flags, ...a, newFd, ...b]);
  }

  symlink(target: string, path: string, fd = FIRST): Promise<Answer> {
    return this.#answer([target, path], (a, b) => ['path_symlink', ...a, fd, ...b]);
  }

  /** The text of a link, as much as there is room for, in quotes; or the error. */
  async readlink(path: string, roomBytes = 64, fd = FIRST): Promise<Answer> {
    await this.driven.call('memory.fill', DATA, 0x23, roomBytes + 8);
    const answer = await this.#answer([path], (a) => [
      'path_readlink',
      fd,
      ...a,
      DATA,
      roomBytes,
      OUT,
    ]);
    if (answer !== 'SUCCESS') return answer;
    const used = await this.driven.u32(OUT);
    const bytes = await this.driven.read(DATA, roomBytes + 8);
    const beyond = bytes.subarray(used).some((byte) => byte !== 0x23);
    return beyond ? 'written beyond its end' : `"${textOf(bytes.subarray(0, used))}"`;
  }

  async stat(path: string, follow = true, fd = FIRST): Promise<Stat | Answer> {
    const flags = follow ? Lookupflags.SYMLINK_FOLLOW : 0;
    const answer = await this.#answer([path], (a) => ['path_filestat_get', fd, flags, ...a, OUT]);
    return answer === 'SUCCESS' ? this.#filestat() : answer;
  }

  async fstat(fd: number): Promise<Stat | Answer> {
    const answer = await this.call('fd_filestat_get', fd, OUT);
    return answer === 'SUCCESS' ? this.#filestat() : answer;
  }

  setTimes(
    path: string,
    [atim, mtim]: readonly [bigint, bigint],
    fstflags: number,
    follow = true,
    fd = FIRST,
  ): Promise<Answer> {
    const flags = follow ? Lookupflags.SYMLINK_FOLLOW : 0;
    return this.#answer([path], (a) => [
      'path_filestat_set_times',
      fd,
      flags,
      ...a,
      atim,
      mtim,
      fstflags,
    ]);
  }

  /** The new descriptor, or the error. Symbolic links are followed, unless it says otherwise. */
  async open(
    path: string | Uint8Array,
    opening: Opening = {},
    fd = FIRST,
  ): Promise<number | Answer> {
    const { oflags = 0, fdflags = 0, dirflags = 1, rights = READ } = opening;
    const answer = await this.#answer([path], (a) => [
      'path_open',
      fd,
      dirflags,
      ...a,
      oflags,
      rights,
      0n,
      fdflags,
      OUT,
    ]);
    return answer === 'SUCCESS' ? this.driven.u32(OUT) : answer;
  }

  /** A descriptor: the call must not fail. */
  async opened(path: string, opening: Opening = {}, fd = FIRST): Promise<number> {
    const found = await this.open(path, opening, fd);
    if (typeof found === 'string') throw new Error(`path_open ${path}: ${found}`);
    return found;
  }

  /** `SUCCESS` for what opens, which is closed again; or the error. */
  async opens(path: string | Uint8Array, opening: Opening = {}, fd = FIRST): Promise<Answer> {
    const found = await this.open(path, opening, fd);
    return typeof found === 'string' ? found : this.call('fd_close', found);
  }

  /** Writes a text to a descriptor: how many bytes were written, or the error. */
  async write(fd: number, text: string): Promise<number | Answer> {
    const bytes = bytesOf(text);
    await this.driven.calls(stores(DATA, bytes));
    await this.driven.call('store64', IOV, (BigInt(bytes.length) << 32n) | BigInt(DATA));
    const answer = await this.call('fd_write', fd, IOV, 1, OUT);
    return answer === 'SUCCESS' ? this.driven.u32(OUT) : answer;
  }

  /** The text that a descriptor has next, in quotes; or the error. */
  async read(fd: number, lengthMax = 64): Promise<Answer> {
    await this.driven.call('store64', IOV, (BigInt(lengthMax) << 32n) | BigInt(DATA));
    const answer = await this.call('fd_read', fd, IOV, 1, OUT);
    if (answer !== 'SUCCESS') return answer;
    const used = await this.driven.u32(OUT);
    return `"${textOf(await this.driven.read(DATA, used))}"`;
  }

  async fdstat(fd: number): Promise<Stated> {
    const answer = await this.call('fd_fdstat_get', fd, OUT);
    if (answer !== 'SUCCESS') throw new Error(`fd_fdstat_get ${fd}: ${answer}`);
    const bytes = await this.driven.read(OUT, Fdstat.SIZE);
    const view = new DataView(bytes.buffer);
    return {
      filetype: Fdstat.filetype.get(view, 0),
      flags: Fdstat.flags.get(view, 0),
      base: Fdstat.rightsBase.lo(view, 0),
      inheriting: Fdstat.rightsInheriting.lo(view, 0),
    };
  }

  async call(name: string, ...args: (number | bigint)[]): Promise<Answer> {
    return wasiName(await this.driven.call(name, ...args));
  }

  close(fd: number): Promise<Answer> {
    return this.call('fd_close', fd);
  }

  #simple(name: string, path: string | Uint8Array, fd: number): Promise<Answer> {
    return this.#answer([path], (a) => [name, fd, ...a]);
  }

  async #filestat(): Promise<Stat> {
    return statIn(await this.driven.read(OUT, Filestat.SIZE));
  }

  /** Writes paths to guest memory, and makes the call that `make` says, in one batch. */
  async #answer(
    paths: readonly (string | Uint8Array)[],
    make: (...ranges: [number, number][]) => Call,
  ): Promise<Answer> {
    const texts = paths.map(bytesOf);
    const ranges = texts.map((bytes, index): [number, number] => {
      return [PATH + index * PATH_BYTES, bytes.length];
    });
    const before = texts.flatMap((bytes, index) => stores(ranges[index][0], bytes));
    const results = await this.driven.calls([...before, make(...ranges)]);
    return wasiName(results.at(-1) ?? -1);
  }
}

export interface PathsOptions extends Omit<DrivenOptions, 'dirs'> {
  /** A directory for each, `:ro` or not, which the guest finds as `/0`, `/1`. */
  readonly readOnly?: readonly boolean[];
}

/** Runs `body` with a driver guest that has new directories, which are removed with all in them. */
export async function withPaths(
  { readOnly = [false], ...options }: PathsOptions,
  body: (paths: Paths) => Promise<void>,
): Promise<void> {
  const folders = readOnly.map(() => mkdtempSync(join(tmpdir(), 'sandpoll-paths-')));
  const dirs = folders.map((host, index) => {
    return { host, guest: `/${index}`, readOnly: readOnly[index] };
  });
  try {
    await withDriven({ ...options, dirs }, (_driven, local) => body(new Paths(local, folders)));
  } finally {
    for (const folder of folders) rmSync(folder, { recursive: true });
  }
}
