/** Files: opened, read and written in the caller's memory. */

import {
  fd_close,
  fd_datasync,
  fd_filestat_get,
  fd_filestat_set_size,
  fd_pread,
  fd_pwrite,
  fd_read,
  fd_seek,
  fd_sync,
  fd_write,
} from '../bindings/wasi_snapshot_preview1';
import { ByteBuffer } from '../bytes';
import { Errno } from '../errno';
import { Open, open } from './open';
import { FileStat, fstat } from './stat';

/** What the offset of `seek` is counted from. */
export const enum Whence {
  SET = 0,
  CUR = 1,
  END = 2,
}

/** How many bytes `readFile` makes room for at a time, at least. */
const READ_BYTES: i32 = 4096;
/** The largest file that is read in one go: a buffer grows by doubling. */
const READ_FILE_MAX: i64 = 1 << 29;

const IOV: usize = memory.data(8, 4);
const RESULT: usize = memory.data(8, 8);
const STAT: usize = memory.data(64, 8);

/**
 * An open file. Opening never throws: look at `isOpen`.
 *
 *     const file = File.open('/data/log', Open.WRONLY | Open.CREAT | Open.APPEND);
 *     if (!file.isOpen) printError(errnoName(-file.fd));
 *
 * It is not closed by itself: close it.
 */
export class File {
  /** The descriptor; minus an errno if it could not be opened, or is closed. */
  fd: i32;

  /** Takes over a descriptor, or minus an errno. */
  constructor(fd: i32) {
    this.fd = fd;
  }

  /** Opens a path with `Open` flags: `open(2)`. */
  static open(path: string, flags: i32 = Open.RDONLY): File {
    return new File(open(path, flags));
  }

  /** Whether it is open. */
  get isOpen(): bool {
    return this.fd >= 0;
  }

  /** Reads at most `length` bytes at the file's position, 0 at the end: `read(2)`. */
  read(to: usize, length: i32): i32 {
    store<usize>(IOV, to);
    store<i32>(IOV, length, 4);
    return outcome(fd_read(this.fd, IOV, 1, RESULT));
  }

  /** Writes what the kernel takes of `length` bytes at the file's position: `write(2)`. */
  write(from: usize, length: i32): i32 {
    store<usize>(IOV, from);
    store<i32>(IOV, length, 4);
    return outcome(fd_write(this.fd, IOV, 1, RESULT));
  }

  /** Reads at an offset, and leaves the file's position alone: `pread(2)`. */
  pread(to: usize, length: i32, offset: i64): i32 {
    store<usize>(IOV, to);
    store<i32>(IOV, length, 4);
    return outcome(fd_pread(this.fd, IOV, 1, offset, RESULT));
  }

  /** Writes at an offset, and leaves the file's position alone: `pwrite(2)`. */
  pwrite(from: usize, length: i32, offset: i64): i32 {
    store<usize>(IOV, from);
    store<i32>(IOV, length, 4);
    return outcome(fd_pwrite(this.fd, IOV, 1, offset, RESULT));
  }

  /** Writes all of `length` bytes: returns `length`, or minus an errno. */
  writeAll(from: usize, length: i32): i32 {
    for (let written = 0; written < length;) {
      const result = this.write(from + written, length - written);
      if (result < 0) return result;
      written += result;
    }
    return length;
  }

  /** Moves the file's position, and returns it: `lseek(2)`. */
  seek(offset: i64, whence: Whence = Whence.SET): i64 {
    const errno = fd_seek(this.fd, offset, whence, RESULT);
    return errno == 0 ? load<i64>(RESULT) : -errno;
  }

  /** How many bytes it has, or minus an errno. */
  size(): i64 {
    const errno = fd_filestat_get(this.fd, STAT);
    return errno == 0 ? load<i64>(STAT, offsetof<FileStat>('size')) : -errno;
  }

  /** What it is, how large, and when it was changed: `fstat(2)`. */
  stat(result: FileStat): i32 {
    return fstat(this.fd, result);
  }

  /** Cuts it off, or lengthens it by zeros: `ftruncate(2)`. */
  truncate(size: i64): i32 {
    return -fd_filestat_set_size(this.fd, size);
  }

  /** Returns when all that was written is on the disk: `fsync(2)`. */
  sync(): i32 {
    return -fd_sync(this.fd);
  }

  /** As `sync`, for the bytes alone: `fdatasync(2)`. */
  datasync(): i32 {
    return -fd_datasync(this.fd);
  }

  /** Closes it. */
  close(): i32 {
    if (this.fd < 0) return this.fd;
    const errno = fd_close(this.fd);
    this.fd = -Errno.BADF;
    return -errno;
  }
}

/** Appends all of a file to a buffer: returns how many bytes, or minus an errno. */
export function readFile(path: string, into: ByteBuffer): i32 {
  const file = File.open(path);
  if (!file.isOpen) return file.fd;
  const size = file.size();
  let result = size < 0 ? <i32>size : -Errno.FBIG;
  // One byte more than its size: then the end is found with no more room made.
  if (size >= 0 && size <= READ_FILE_MAX) {
    result = readToEnd(file, into, max(READ_BYTES, <i32>size + 1));
  }
  file.close();
  return result;
}

/**
 * Makes a file of these bytes, or makes them all that is in it. Returns `length`, or minus an
 * errno. Who reads meanwhile sees a part: write another file, and `rename` it, if that matters.
 */
export function writeFile(path: string, data: usize, length: i32): i32 {
  const file = File.open(path, Open.WRONLY | Open.CREAT | Open.TRUNC);
  if (!file.isOpen) return file.fd;
  const result = file.writeAll(data, length);
  const closed = file.close();
  return result < 0 || closed == 0 ? result : closed;
}

/** A file of UTF-8 as a text; null if it cannot be read: `readFile` tells why. */
export function readText(path: string): string | null {
  const bytes = new ByteBuffer();
  const length = readFile(path, bytes);
  let text: string | null = null;
  if (length >= 0) text = String.UTF8.decodeUnsafe(bytes.at, length);
  bytes.free();
  return text;
}

/** As `writeFile`, of a text as UTF-8: returns how many bytes it has, or minus an errno. */
export function writeText(path: string, text: string): i32 {
  const bytes = String.UTF8.encode(text);
  return writeFile(path, changetype<usize>(bytes), bytes.byteLength);
}

/** How many bytes a call has moved, or minus its errno. */
function outcome(errno: i32): i32 {
  return errno == 0 ? load<i32>(RESULT) : -errno;
}

function readToEnd(file: File, into: ByteBuffer, expected: i32): i32 {
  let total = 0;
  let result = file.read(into.reserve(expected), expected);
  while (result > 0) {
    into.commit(result);
    total += result;
    if (total > <i32>READ_FILE_MAX) return -Errno.FBIG;
    result = file.read(into.reserve(READ_BYTES), READ_BYTES);
  }
  return result < 0 ? result : total;
}
