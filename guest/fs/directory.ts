/** Directories: what is in them, and changes of it. */

import {
  fd_close,
  fd_readdir,
  path_create_directory,
  path_link,
  path_readlink,
  path_remove_directory,
  path_rename,
  path_symlink,
  path_unlink_file,
} from '../bindings/wasi_snapshot_preview1';
import { Errno } from '../errno';
import { Open, open } from './open';
import { resolve } from './path';

/** What comes before each name in the buffer of `fd_readdir`. */
@unmanaged
export class Dirent {
  next: u64;
  ino: u64;
  namlen: u32;
  type: u8;
}

/** Size in bytes of a `Dirent`. */
const DIRENT_BYTES: i32 = 24;
/** How much is read at a time: several times the longest entry there is. */
const ENTRIES_BYTES: i32 = 8192;
/** The longest path: `PATH_MAX` of Linux. */
const LINK_BYTES: i32 = 4096;
const DOT: u8 = 0x2e;

const RESULT: usize = memory.data(4, 4);

/**
 * What is in a directory, however large it is, one after the other.
 *
 *     const directory = Directory.open('/data');
 *     while (directory.next() > 0) print(directory.name + '\n');
 *     directory.close();
 */
export class Directory {
  /** The descriptor; minus an errno if it could not be opened, or is closed. */
  fd: i32;
  /** The `Filetype` of the present entry. */
  type: u8 = 0;
  /** The bytes of its name, until `next`. */
  nameAt: usize = 0;
  nameLength: i32 = 0;

  private entries: StaticArray<u8> = new StaticArray<u8>(ENTRIES_BYTES);
  /** Where in it the next entry is, and the end. */
  private offset: i32 = 0;
  private end: i32 = 0;
  /** What the directory is read on from. */
  private cookie: u64 = 0;
  /** Whether there is nothing behind what was read. */
  private isWhole: bool = false;

  /** Takes over a descriptor, or minus an errno. */
  constructor(fd: i32) {
    this.fd = fd;
  }

  /** Opens a directory: look at `isOpen`. */
  static open(path: string): Directory {
    return new Directory(open(path, Open.RDONLY | Open.DIRECTORY));
  }

  /** Whether it is open. */
  get isOpen(): bool {
    return this.fd >= 0;
  }

  /** The name of the present entry. */
  get name(): string {
    return String.UTF8.decodeUnsafe(this.nameAt, this.nameLength);
  }

  /**
   * Moves on to the next entry, `.` and `..` left out. Returns 1; 0 if there is none; or minus an
   * errno. The order is the file system's.
   */
  next(): i32 {
    do {
      while (!this.take()) {
        if (this.isWhole) return 0;
        const result = this.fill();
        if (result < 0) return result;
      }
    } while (this.isDots);
    return 1;
  }

  /** Begins again. */
  rewind(): void {
    this.cookie = 0;
    this.offset = this.end = 0;
    this.isWhole = false;
  }

  /** Closes it. */
  close(): i32 {
    if (this.fd < 0) return this.fd;
    const errno = fd_close(this.fd);
    this.fd = -Errno.BADF;
    return -errno;
  }

  private get isDots(): bool {
    const length = this.nameLength;
    if (length > 2 || load<u8>(this.nameAt) != DOT) return false;
    return length == 1 || load<u8>(this.nameAt, 1) == DOT;
  }

  /** Takes the next entry, if it was read as a whole. */
  private take(): bool {
    const left = this.end - this.offset;
    if (left < DIRENT_BYTES) return false;
    const at = changetype<usize>(this.entries) + this.offset;
    const entry = changetype<Dirent>(at);
    const length = <i32>entry.namlen;
    if (left - DIRENT_BYTES < length) return false;
    this.nameAt = at + DIRENT_BYTES;
    this.nameLength = length;
    this.type = entry.type;
    this.cookie = entry.next;
    this.offset += DIRENT_BYTES + length;
    return true;
  }

  private fill(): i32 {
    const to = changetype<usize>(this.entries);
    const errno = fd_readdir(this.fd, to, ENTRIES_BYTES, this.cookie, RESULT);
    this.offset = 0;
    this.end = errno == 0 ? load<i32>(RESULT) : 0;
    this.isWhole = this.end < ENTRIES_BYTES;
    return -errno;
  }
}

/** A name in a directory, and the `Filetype` of what it stands for. */
export class DirectoryEntry {
  name: string;
  type: u8;

  constructor(name: string, type: u8) {
    this.name = name;
    this.type = type;
  }
}

/** Appends all that is in a directory: returns how many entries, or minus an errno. */
export function readDir(path: string, into: Array<DirectoryEntry>): i32 {
  const directory = Directory.open(path);
  if (!directory.isOpen) return directory.fd;
  const before = into.length;
  let result = directory.next();
  for (; result > 0; result = directory.next()) {
    into.push(new DirectoryEntry(directory.name, directory.type));
  }
  directory.close();
  return result < 0 ? result : into.length - before;
}

/** Makes a directory: `mkdir(2)`. */
export function mkdir(path: string): i32 {
  const place = resolve(path);
  if (place.fd < 0) return place.fd;
  return -path_create_directory(place.fd, place.at, place.length);
}

/** Removes an empty directory: `rmdir(2)`. */
export function rmdir(path: string): i32 {
  const place = resolve(path);
  if (place.fd < 0) return place.fd;
  return -path_remove_directory(place.fd, place.at, place.length);
}

/** Removes a name that is not a directory's: `unlink(2)`. */
export function unlink(path: string): i32 {
  const place = resolve(path);
  if (place.fd < 0) return place.fd;
  return -path_unlink_file(place.fd, place.at, place.length);
}

/** Gives a file another name, in place of what had that: `rename(2)`. */
export function rename(from: string, to: string): i32 {
  const old = resolve(from);
  const place = resolve(to);
  if (old.fd < 0) return old.fd;
  if (place.fd < 0) return place.fd;
  return -path_rename(old.fd, old.at, old.length, place.fd, place.at, place.length);
}

/** Gives a file one more name: `link(2)`. */
export function link(from: string, to: string): i32 {
  const old = resolve(from);
  const place = resolve(to);
  if (old.fd < 0) return old.fd;
  if (place.fd < 0) return place.fd;
  return -path_link(old.fd, 0, old.at, old.length, place.fd, place.at, place.length);
}

/** Makes a symbolic link: `symlink(2)`. Its target is a relative path, as text. */
export function symlink(target: string, path: string): i32 {
  const place = resolve(path);
  if (place.fd < 0) return place.fd;
  const text = String.UTF8.encode(target);
  const at = changetype<usize>(text);
  return -path_symlink(at, text.byteLength, place.fd, place.at, place.length);
}

/** The target of a symbolic link; null if it cannot be read, or there is none: `readlink(2)`. */
export function readlink(path: string): string | null {
  const place = resolve(path);
  if (place.fd < 0) return null;
  const target = heap.alloc(LINK_BYTES);
  const errno = path_readlink(place.fd, place.at, place.length, target, LINK_BYTES, RESULT);
  let text: string | null = null;
  if (errno == 0) text = String.UTF8.decodeUnsafe(target, load<i32>(RESULT));
  heap.free(target);
  return text;
}
