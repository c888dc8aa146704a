/** A directory of this machine for the time of a test, and the port's file calls on paths in it. */
import { constants, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { linuxName } from '#host/errno.js';
import { ESCAPES, type Handle, type Kernel, STATUS_BYTES } from '#host/kernel/kernel.js';

import type { Stat } from './structs.js';

export const AT_SYMLINK_NOFOLLOW = 0x100;
export const AT_REMOVEDIR = 0x200;
export const AT_EMPTY_PATH = 0x1000;
export const [SEEK_SET, SEEK_CUR, SEEK_END] = [0, 1, 2];
/** Instead of nanoseconds, in the times of `utimensat(2)`. */
export const [UTIME_NOW, UTIME_OMIT] = [(1n << 30n) - 1n, (1n << 30n) - 2n];

const ROOM_BYTES = 1 << 16;
/** Where in the room a second path lies, and what a call writes. */
const [SECOND, OUT] = [1 << 14, 1 << 15];

/** What a call answers, as a person reads it. */
export type Answer = number | string;

/** What a status says, in the words of `stat(2)`. */
export interface Status extends Omit<Stat, 'filetype'> {
  readonly mode: number;
}

export interface Entry {
  readonly ino: bigint;
  /** Where the entry after this one is found. */
  readonly off: bigint;
  readonly type: number;
  readonly name: string;
}

export function named(result: number): Answer {
  if (result === -ESCAPES) return 'ESCAPES';
  return result < 0 ? linuxName(-result) : result;
}

/** An offset as the port takes it: two u32. */
export function halves(offset: bigint): [lo: number, hi: number] {
  return [Number(BigInt.asUintN(32, offset)), Number(BigInt.asUintN(32, offset >> 32n))];
}

export class Tree {
  readonly kernel: Kernel;
  /** The directory, by the name that Node knows it by. */
  readonly folder = mkdtempSync(join(tmpdir(), 'sandpoll-tree-'));
  readonly room = new Uint8Array(ROOM_BYTES);
  readonly #view = new DataView(this.room.buffer);
  readonly root: Handle;

  constructor(kernel: Kernel) {
    this.kernel = kernel;
    this.root = kernel.openDirectory(new TextEncoder().encode(this.folder));
    if (this.root < 0) throw new Error(`openDirectory: ${named(this.root)}`);
  }

  end(): void {
    this.kernel.close(this.root);
    rmSync(this.folder, { recursive: true });
  }

  /** The name of a file in the tree that Node knows it by. */
  host(path: string): string {
    return join(this.folder, path);
  }

  /** A path in the room: what every call takes for it. */
  range(path: string, at = 0): [offset: number, length: number] {
    const { written } = new TextEncoder().encodeInto(path, this.room.subarray(at));
    return [at, written];
  }

  open(path: string, flags: number = constants.O_RDONLY, directory: Handle = this.root): Answer {
    return named(this.kernel.openat(directory, this.room, ...this.range(path), flags, 0o640));
  }

  /** A handle: the call must not fail. */
  opened(path: string, flags: number = constants.O_RDONLY): Handle {
    const handle = this.open(path, flags);
    if (typeof handle === 'string') throw new Error(`openat ${path}: ${handle}`);
    return handle;
  }

  /** A new file with a text in it, open for both. */
  file(path: string, text = ''): Handle {
    const handle = this.opened(path, constants.O_RDWR | constants.O_CREAT);
    if (this.write(handle, text) !== text.length) throw new Error(`${path} was not written`);
    return handle;
  }

  write(handle: Handle, text: string): Answer {
    return named(this.kernel.write(handle, this.room, ...this.range(text)));
  }

  pwrite(handle: Handle, text: string, offset: bigint): Answer {
    return named(this.kernel.pwrite(handle, this.room, ...this.range(text), ...halves(offset)));
  }

  /** The text that is there, or the error. */
  pread(handle: Handle, length: number, offset: bigint): string {
    const result = this.kernel.pread(handle, this.room, OUT, length, ...halves(offset));
    return result < 0 ? String(named(result)) : this.#text(OUT, result);
  }

  read(handle: Handle, length: number): string {
    const result = this.kernel.read(handle, this.room, OUT, length);
    return result < 0 ? String(named(result)) : this.#text(OUT, result);
  }

  /** The position then, or the error. */
  seek(handle: Handle, offset: bigint, whence: number = SEEK_SET): bigint | Answer {
    const result = this.kernel.lseek(handle, ...halves(offset), whence, this.room, OUT);
    return result < 0 ? named(result) : this.#view.getBigUint64(OUT, true);
  }

  mkdir(path: string, mode = 0o755, directory: Handle = this.root): Answer {
    return named(this.kernel.mkdirat(directory, this.room, ...this.range(path), mode));
  }

  unlink(path: string, flags = 0, directory: Handle = this.root): Answer {
    return named(this.kernel.unlinkat(directory, this.room, ...this.range(path), flags));
  }

  rmdir(path: string): Answer {
    return this.unlink(path, AT_REMOVEDIR);
  }

  rename(from: string, to: string): Answer {
    const { kernel, root, room } = this;
    const target = this.range(to, SECOND);
    return named(kernel.renameat(root, room, ...this.range(from), root, ...target));
  }

  link(from: string, to: string): Answer {
    const { kernel, root, room } = this;
    const target = this.range(to, SECOND);
    return named(kernel.linkat(root, room, ...this.range(from), root, ...target));
  }

  symlink(target: string, path: string): Answer {
    const { kernel, root, room } = this;
    return named(kernel.symlinkat(room, ...this.range(target), root, ...this.range(path, SECOND)));
  }

  /** The text of the link, as much as there is room for, or the error. */
  readlink(path: string, roomBytes = 4096): string {
    const range = this.range(path);
    const result = this.kernel.readlinkat(this.root, this.room, ...range, OUT, roomBytes);
    return result < 0 ? String(named(result)) : this.#text(OUT, result);
  }

  stat(path: string, flags = 0, directory: Handle = this.root): Status | Answer {
    const record = new Uint8Array(STATUS_BYTES);
    const { room } = this;
    const result = this.kernel.statx(directory, room, ...this.range(path), flags, record);
    if (result < 0) return named(result);
    const view = new DataView(record.buffer);
    const [dev, ino, nlink, size, atim, mtim, ctim] = [0, 8, 24, 32, 40, 48, 56].map((at) =>
      view.getBigUint64(at, true),
    );
    return { dev, ino, mode: view.getUint32(16, true), nlink, size, atim, mtim, ctim };
  }

  /** The status of what must be there. */
  status(path: string, flags = 0, directory: Handle = this.root): Status {
    const status = this.stat(path, flags, directory);
    if (typeof status !== 'object') throw new Error(`statx ${path}: ${status}`);
    return status;
  }

  /** `times`: seconds and nanoseconds of access, then of modification. */
  utimes(path: string, times: readonly bigint[], flags = 0, directory: Handle = this.root): Answer {
    const record = new Uint8Array(BigInt64Array.from(times).buffer);
    const range = this.range(path);
    return named(this.kernel.utimensat(directory, this.room, ...range, flags, record));
  }

  /** What one `getdents64` finds from a cookie on with so much room, or the error. */
  entries(directory: Handle, cookie = 0n, roomBytes = ROOM_BYTES - OUT): Entry[] | Answer {
    const range = [OUT, roomBytes] as const;
    const result = this.kernel.getdents64(directory, this.room, ...range, ...halves(cookie));
    if (result < 0) return named(result);
    const found: Entry[] = [];
    for (let at = OUT; at < OUT + result; at += this.#view.getUint16(at + 16, true)) {
      found.push({
        ino: this.#view.getBigUint64(at, true),
        off: this.#view.getBigUint64(at + 8, true),
        type: this.room[at + 18],
        name: this.#text(at + 19, this.room.indexOf(0, at + 19) - at - 19),
      });
    }
    return found;
  }

  #text(at: number, length: number): string {
    return new TextDecoder().decode(this.room.subarray(at, at + length));
  }
}
