/** Opening a path: what `File` and `Directory` have in common. */

import { path_open } from '../bindings/wasi_snapshot_preview1';
import { resolve } from './path';

/** How a file is opened, with Linux's numbers: `open(2)`. */
export const enum Open {
  RDONLY = 0,
  WRONLY = 0x1,
  RDWR = 0x2,
  /** Makes it if there is none. */
  CREAT = 0x40,
  /** With CREAT: it must not be there yet. */
  EXCL = 0x80,
  /** Empties it. */
  TRUNC = 0x200,
  /** Every write goes to the end. */
  APPEND = 0x400,
  /** A FIFO does not wait for its other end. */
  NONBLOCK = 0x800,
  /** A write returns when its bytes are on the disk. */
  DSYNC = 0x1000,
  /** It must be a directory. */
  DIRECTORY = 0x10000,
  /** A symbolic link at the end of the path is not followed: `-Errno.LOOP`. */
  NOFOLLOW = 0x20000,
  /** A write returns when its bytes, and all that is known of the file, are on the disk. */
  SYNC = 0x101000,
}

const ACCMODE: i32 = 3;

const SYMLINK_FOLLOW: i32 = 1;

const OFLAGS_CREAT: i32 = 1;
const OFLAGS_DIRECTORY: i32 = 2;
const OFLAGS_EXCL: i32 = 4;
const OFLAGS_TRUNC: i32 = 8;

const FDFLAGS_APPEND: i32 = 1;
const FDFLAGS_DSYNC: i32 = 2;
const FDFLAGS_NONBLOCK: i32 = 4;
const FDFLAGS_SYNC: i32 = 16;

const RIGHT_READ: i64 = 1 << 1;
const RIGHT_WRITE: i64 = 1 << 6;
const RIGHT_READDIR: i64 = 1 << 14;

const RESULT: usize = memory.data(4, 4);

/** Opens a path with `Open` flags: a descriptor, or minus an errno. */
export function open(path: string, flags: i32): i32 {
  const place = resolve(path);
  if (place.fd < 0) return place.fd;
  const errno = path_open(
    place.fd,
    (flags & Open.NOFOLLOW) == 0 ? SYMLINK_FOLLOW : 0,
    place.at,
    place.length,
    oflagsOf(flags),
    rightsOf(flags, place.rights),
    place.rights,
    fdflagsOf(flags),
    RESULT,
  );
  return errno == 0 ? load<i32>(RESULT) : -errno;
}

function oflagsOf(flags: i32): i32 {
  let oflags = 0;
  if ((flags & Open.CREAT) != 0) oflags |= OFLAGS_CREAT;
  if ((flags & Open.DIRECTORY) != 0) oflags |= OFLAGS_DIRECTORY;
  if ((flags & Open.EXCL) != 0) oflags |= OFLAGS_EXCL;
  if ((flags & Open.TRUNC) != 0) oflags |= OFLAGS_TRUNC;
  return oflags;
}

function fdflagsOf(flags: i32): i32 {
  let fdflags = 0;
  if ((flags & Open.APPEND) != 0) fdflags |= FDFLAGS_APPEND;
  if ((flags & Open.NONBLOCK) != 0) fdflags |= FDFLAGS_NONBLOCK;
  if ((flags & Open.SYNC) == Open.SYNC) fdflags |= FDFLAGS_SYNC;
  else if ((flags & Open.DSYNC) != 0) fdflags |= FDFLAGS_DSYNC;
  return fdflags;
}

/**
 * The rights to ask for. They say what is opened for reading and writing, so that those are asked
 * for whether they can be had or not; all others as far as the directory passes them on.
 */
function rightsOf(flags: i32, inheriting: i64): i64 {
  const access = flags & ACCMODE;
  let rights = inheriting & ~(RIGHT_READ | RIGHT_WRITE | RIGHT_READDIR);
  if (access != Open.WRONLY) rights |= RIGHT_READ | (inheriting & RIGHT_READDIR);
  if (access != Open.RDONLY) rights |= RIGHT_WRITE;
  return rights;
}
