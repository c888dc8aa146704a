/** What a file is, how large, and when it was changed. */

import { fd_filestat_get, path_filestat_get } from '../bindings/wasi_snapshot_preview1';
import { resolve } from './path';

/** What a name stands for. */
export const enum Filetype {
  /** FIFOs, too. */
  UNKNOWN = 0,
  BLOCK_DEVICE = 1,
  CHARACTER_DEVICE = 2,
  DIRECTORY = 3,
  REGULAR_FILE = 4,
  SOCKET_DGRAM = 5,
  SOCKET_STREAM = 6,
  SYMBOLIC_LINK = 7,
}

const SYMLINK_FOLLOW: i32 = 1;

/** What `stat` fills: make one, and use it again. */
export class FileStat {
  /** Device and inode: two names with the same ones are the same file. */
  dev: u64 = 0;
  ino: u64 = 0;
  /** A `Filetype`. */
  filetype: u8 = 0;
  /** How many names it has. */
  nlink: u64 = 0;
  /** In bytes. */
  size: i64 = 0;
  /** When it was last read, written and changed in any way, in ns since 1970. */
  atim: i64 = 0;
  mtim: i64 = 0;
  ctim: i64 = 0;
}

/** Asks about the file that a path leads to, through symbolic links: `stat(2)`. */
export function stat(path: string, result: FileStat): i32 {
  return statFlags(path, SYMLINK_FOLLOW, result);
}

/** Asks about a name itself, a symbolic link if it is one: `lstat(2)`. */
export function lstat(path: string, result: FileStat): i32 {
  return statFlags(path, 0, result);
}

/** Asks about an open descriptor: `fstat(2)`. */
export function fstat(fd: i32, result: FileStat): i32 {
  return -fd_filestat_get(fd, changetype<usize>(result));
}

function statFlags(path: string, flags: i32, result: FileStat): i32 {
  const place = resolve(path);
  if (place.fd < 0) return place.fd;
  const to = changetype<usize>(result);
  return -path_filestat_get(place.fd, flags, place.at, place.length, to);
}
