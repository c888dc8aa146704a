/** `wasi_snapshot_preview1` fd_readdir, and what finds granted directories: fd_prestat_*. */
import {
  AT_EMPTY_PATH,
  Dirent,
  LinuxDirent64,
  Prestat,
  Status,
  filetypeOfMode,
} from '../../abi/files.js';
import { highWord, lowWord } from '../../abi/layout.js';
import { Kind } from '../../descriptors.js';
import { Errno, wasiErrno } from '../../errno.js';
import type { Handle } from '../../kernel/kernel.js';
import type { Sandbox } from '../../sandbox.js';
import { type ImportRow, imported } from '../call.js';
import { directoryHandle } from './path.js';

/** The longest record of any file system of Linux: FUSE has names of 1,024 bytes. */
const RECORD_BYTES_MAX = 1048;
/** Bytes that are read at a time: what libraries ask for at most. */
const ENTRIES_BYTES = 32_768;

/** A `d_type` is the type in an `st_mode`, this many bits lower. */
const TYPE_SHIFT = 12;
const DOT = 0x2e;

/** Reads directories for one thread of a guest; the cookie of an entry is Linux's `d_off`. */
class Reader {
  readonly #sandbox: Sandbox;
  /** Linux's entries; empty until there is a directory to read. */
  #entries = new ArrayBuffer(0);
  #bytes = new Uint8Array(this.#entries);
  #view = new DataView(this.#entries);
  /** The head of an entry of which the guest gets only a part. */
  readonly #head = new DataView(new ArrayBuffer(Dirent.SIZE));
  #handle: Handle = -1;
  /** Where in guest memory the next entry goes, and where the guest's buffer ends. */
  #to = 0;
  #end = 0;
  /** The cookie of the last entry that was handed on. */
  #nextLo = 0;
  #nextHi = 0;

  constructor(sandbox: Sandbox) {
    this.#sandbox = sandbox;
  }

  /**
   * Fills `length` bytes of guest memory at `at`, which fit, with the entries after the one whose
   * cookie is (`lo`, `hi`), all of them after 0; the last may be cut off. Returns how many bytes it
   * wrote, less than `length` only where the directory ends, or minus a Linux errno.
   */
  read(handle: Handle, at: number, length: number, lo: number, hi: number): number {
    this.#handle = handle;
    this.#to = at;
    this.#end = at + length;
    this.#nextLo = lo;
    this.#nextHi = hi;
    while (this.#to < this.#end) {
      const filled = this.#fill();
      if (filled < 0) return filled;
      if (filled === 0) break;
      this.#handOn(filled);
    }
    return this.#to - at;
  }

  /** Reads Linux's entries from the cookie on: bytes, 0 at the end, or minus a Linux errno. */
  #fill(): number {
    if (this.#entries.byteLength === 0) {
      this.#entries = new ArrayBuffer(ENTRIES_BYTES);
      this.#bytes = new Uint8Array(this.#entries);
      this.#view = new DataView(this.#entries);
    }
    // As much as the guest has room for, the entry that is cut off and all: a record of Linux is an
    // eighth longer than the guest's, at most.
    const wanted = Math.ceil((this.#end - this.#to) * 1.125) + RECORD_BYTES_MAX;
    const length = Math.min(wanted, ENTRIES_BYTES);
    const { kernel } = this.#sandbox;
    return kernel.getdents64(this.#handle, this.#entries, 0, length, this.#nextLo, this.#nextHi);
  }

  /** Hands on the entries in `filled` bytes, as far as there is room. */
  #handOn(filled: number): void {
    const view = this.#view;
    for (let from = 0; from < filled && this.#to < this.#end;) {
      const reclen = LinuxDirent64.reclen.get(view, from);
      this.#handOnOne(from, this.#nameBytes(from, reclen));
      this.#nextLo = LinuxDirent64.off.lo(view, from);
      this.#nextHi = LinuxDirent64.off.hi(view, from);
      from += reclen;
    }
  }

  /** The length of a name: its NUL is among the last 8 bytes of the record. */
  #nameBytes(from: number, reclen: number): number {
    const begin = from + LinuxDirent64.name.offset;
    let end = Math.max(begin, from + reclen - 8);
    while (this.#bytes[end] !== 0) end++;
    return end - begin;
  }

  #handOnOne(from: number, namlen: number): void {
    const { memory } = this.#sandbox;
    const room = this.#end - this.#to;
    if (room < Dirent.SIZE) {
      this.#writeHead(this.#head, 0, from, namlen);
      for (let i = 0; i < room; i++) memory.bytes[this.#to + i] = this.#head.getUint8(i);
      this.#to = this.#end;
      return;
    }
    this.#writeHead(memory.view, this.#to, from, namlen);
    const to = this.#to + Dirent.SIZE;
    const name = from + LinuxDirent64.name.offset;
    const copied = Math.min(namlen, room - Dirent.SIZE);
    const { bytes } = memory;
    // Byte by byte: most names are short, and a view would cost more than the copy.
    for (let i = 0; i < copied; i++) bytes[to + i] = this.#bytes[name + i];
    this.#to = to + copied;
  }

  #writeHead(to: DataView, at: number, from: number, namlen: number): void {
    const view = this.#view;
    const { off, ino, type } = LinuxDirent64;
    Dirent.next.set(to, at, off.lo(view, from), off.hi(view, from));
    if (this.#isParent(from, namlen)) this.#writeOwnInode(to, at);
    else Dirent.ino.set(to, at, ino.lo(view, from), ino.hi(view, from));
    Dirent.namlen.set(to, at, namlen);
    const filetype = filetypeOfMode(type.get(view, from) << TYPE_SHIFT);
    // With the bytes after it.
    to.setUint32(at + Dirent.type.offset, filetype, true);
  }

  #isParent(from: number, namlen: number): boolean {
    const name = from + LinuxDirent64.name.offset;
    return namlen === 2 && this.#bytes[name] === DOT && this.#bytes[name + 1] === DOT;
  }

  /** `..` may be outside, of which a guest learns nothing: it has the directory's own inode. */
  #writeOwnInode(to: DataView, at: number): void {
    const { kernel, status, statusView } = this.#sandbox;
    kernel.statx(this.#handle, this.#entries, 0, 0, AT_EMPTY_PATH, status);
    Dirent.ino.set(to, at, Status.ino.lo(statusView, 0), Status.ino.hi(statusView, 0));
  }
}

const readdirRow = imported(
  'fd_readdir',
  { fd: 'fd', buf: 'ptr', buf_len: 'size', cookie: 'u64', 'result.bufused': '*u32' },
  (sandbox) => {
    const reader = new Reader(sandbox);
    return (fd: number, buf: number, bufLen: number, cookie: bigint, result: number) => {
      const { memory } = sandbox;
      const at = result >>> 0;
      const length = bufLen >>> 0;
      if (!memory.fits(at, 4) || !memory.fits(buf >>> 0, length)) return Errno.FAULT;
      const handle = directoryHandle(sandbox, fd);
      if (handle < 0) return wasiErrno(handle);
      const used = reader.read(handle, buf >>> 0, length, lowWord(cookie), highWord(cookie));
      if (used < 0) return wasiErrno(used);
      memory.view.setUint32(at, used, true);
      return Errno.SUCCESS;
    };
  },
);

/** The names of granted directories, in bytes of UTF-8. */
function guestNames({ grants }: Sandbox): Uint8Array[] {
  const encoder = new TextEncoder();
  return grants.dirs.map(({ guest }) => encoder.encode(guest));
}

/** The name of a granted directory; nothing for any other number, which libc takes for the end. */
function nameOf(sandbox: Sandbox, names: Uint8Array[], fd: number): Uint8Array | undefined {
  const { descriptors } = sandbox;
  if (descriptors.kind(fd) !== Kind.DIRECTORY) return undefined;
  const preopen = descriptors.preopen(fd);
  return preopen === 0 ? undefined : names[preopen - 1];
}

const prestatGetRow = imported(
  'fd_prestat_get',
  { fd: 'fd', 'result.prestat': 'ptr' },
  (sandbox) => {
    const names = guestNames(sandbox);
    return (fd: number, result: number) => {
      const { memory } = sandbox;
      const at = result >>> 0;
      if (!memory.fits(at, Prestat.SIZE)) return Errno.FAULT;
      const name = nameOf(sandbox, names, fd);
      if (name === undefined) return Errno.BADF;
      memory.clear(at, Prestat.SIZE);
      Prestat.nameLen.set(memory.view, at, name.length);
      return Errno.SUCCESS;
    };
  },
);

const prestatDirNameRow = imported(
  'fd_prestat_dir_name',
  { fd: 'fd', path: 'ptr', path_len: 'size' },
  (sandbox) => {
    const names = guestNames(sandbox);
    return (fd: number, path: number, pathLen: number) => {
      const { memory } = sandbox;
      if (!memory.fits(path >>> 0, pathLen >>> 0)) return Errno.FAULT;
      const name = nameOf(sandbox, names, fd);
      if (name === undefined) return Errno.BADF;
      if (pathLen >>> 0 < name.length) return Errno.NAMETOOLONG;
      memory.bytes.set(name, path >>> 0);
      return Errno.SUCCESS;
    };
  },
);

export const DIRECTORY_ROWS: readonly ImportRow[] = [readdirRow, prestatGetRow, prestatDirNameRow];
