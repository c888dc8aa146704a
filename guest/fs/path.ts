/** Paths: with which of the granted directories one begins, and what is left of it. */

import {
  fd_fdstat_get,
  fd_prestat_dir_name,
  fd_prestat_get,
} from '../bindings/wasi_snapshot_preview1';
import { Errno } from '../errno';

/** What a granted directory is told by: a name of `nameLen` bytes, without a NUL. */
@unmanaged
export class Prestat {
  tag: u8;
  nameLen: u32;
}

/** Where the granted directories begin: after stdin, stdout and stderr. */
const FIRST_FD: i32 = 3;
const DOT: i32 = 0x2e;
const SLASH: i32 = 0x2f;

const PRESTAT: usize = memory.data(8, 4);
const FDSTAT: usize = memory.data(24, 8);
/** Where in a `fdstat` the rights are that what is opened in a directory can have. */
const RIGHTS_INHERITING: usize = 16;

/** A directory that the host has granted. */
class Preopen {
  fd: i32;
  /** Its name, without what means the root: empty for `/` and for `.`. */
  prefix: string;
  /** What the host lets be asked for when something is opened in it. */
  rights: i64;

  constructor(fd: i32, name: string) {
    this.fd = fd;
    this.prefix = name.slice(afterRoot(name), beforeSlashes(name));
    fd_fdstat_get(fd, FDSTAT);
    this.rights = load<i64>(FDSTAT, RIGHTS_INHERITING);
  }
}

/** Where a path leads: a granted directory, and what system calls look up in it. */
export class Place {
  /** The directory; `-Errno.NOTCAPABLE` if none is granted, `-Errno.NOENT` for an empty path. */
  fd: i32;
  rights: i64 = 0;
  private bytes: ArrayBuffer;

  constructor(fd: i32, rest: string) {
    this.fd = fd;
    this.bytes = String.UTF8.encode(rest);
  }

  /** The address of the rest of the path. */
  get at(): usize {
    return changetype<usize>(this.bytes);
  }

  /** Its length in bytes, at least 1. */
  get length(): i32 {
    return this.bytes.byteLength;
  }
}

let granted: Array<Preopen> | null = null;

/**
 * Finds the granted directory whose name is the longest beginning of a path; of two with the same
 * name, the later one. The root is the working directory: `/data/a`, `data/a` and `./data/a` are
 * the same. Nothing is looked up yet, and `..` is left for the host to judge.
 */
export function resolve(path: string): Place {
  if (path.length == 0) return new Place(-Errno.NOENT, path);
  const preopens = findPreopens();
  const start = afterRoot(path);
  let best: Preopen | null = null;
  for (let i = preopens.length - 1; i >= 0; i--) {
    const preopen = preopens[i];
    const isLonger = best === null || preopen.prefix.length > best.prefix.length;
    if (isLonger && isBeginning(preopen.prefix, path, start)) best = preopen;
  }
  if (best === null) return new Place(-Errno.NOTCAPABLE, path);
  const rest = afterRoot(path, start + best.prefix.length);
  const place = new Place(best.fd, rest < path.length ? path.substring(rest) : '.');
  place.rights = best.rights;
  return place;
}

function findPreopens(): Array<Preopen> {
  const known = granted;
  if (known !== null) return known;
  const found = new Array<Preopen>();
  for (let fd = FIRST_FD; fd_prestat_get(fd, PRESTAT) == 0; fd++) {
    const name = new ArrayBuffer(changetype<Prestat>(PRESTAT).nameLen);
    if (fd_prestat_dir_name(fd, changetype<usize>(name), name.byteLength) != 0) break;
    found.push(new Preopen(fd, String.UTF8.decode(name)));
  }
  granted = found;
  return found;
}

/** Whether names from `start` on begin with those of `prefix`. */
function isBeginning(prefix: string, path: string, start: i32): bool {
  const end = start + prefix.length;
  if (!path.startsWith(prefix, start)) return false;
  return prefix.length == 0 || end == path.length || path.charCodeAt(end) == SLASH;
}

/** The first place from `start` on that is behind every `/` and `./`, and a `.` at the end. */
function afterRoot(path: string, start: i32 = 0): i32 {
  let at = start;
  while (at < path.length) {
    const code = path.charCodeAt(at);
    if (code != SLASH && (code != DOT || !endsName(path, at + 1))) break;
    at += 1;
  }
  return at;
}

function endsName(path: string, at: i32): bool {
  return at == path.length || path.charCodeAt(at) == SLASH;
}

function beforeSlashes(path: string): i32 {
  let end = path.length;
  while (end > 0 && path.charCodeAt(end - 1) == SLASH) end--;
  return end;
}
