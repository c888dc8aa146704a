/**
 * Structs of files: those of `wasi_snapshot_preview1` (typenames.witx), Linux's own, and the
 * `status` of the kernel port.
 */
import { LinuxErrno } from '../errno.js';
import { Timespec } from './epoll.js';
import { struct, u16, u32, u64, u8 } from './layout.js';
import { Filetype, Fstflags } from './preview1.js';

/** Times are nanoseconds since 1970. */
export const Filestat = struct(64, 8, {
  dev: u64(0),
  ino: u64(8),
  filetype: u8(16),
  nlink: u64(24),
  size: u64(32),
  atim: u64(40),
  mtim: u64(48),
  ctim: u64(56),
});

/** What comes before each name in the buffer of `fd_readdir`; `next` is a cookie. */
export const Dirent = struct(24, 8, { next: u64(0), ino: u64(8), namlen: u32(16), type: u8(20) });

/** `tag` is 0, a directory: there is no other. */
export const Prestat = struct(8, 4, { tag: u8(0), nameLen: u32(4) });

/** `linux_dirent64` of `getdents64(2)`; the name ends with a NUL. */
export const LinuxDirent64 = struct(24, 8, {
  ino: u64(0),
  off: u64(8),
  reclen: u16(16),
  type: u8(18),
  name: u8(19),
});

/** What `statx` of the kernel port writes (STATUS_BYTES). */
export const Status = struct(64, 8, {
  dev: u64(0),
  ino: u64(8),
  mode: u32(16),
  zero: u32(20),
  nlink: u64(24),
  size: u64(32),
  atim: u64(40),
  mtim: u64(48),
  ctim: u64(56),
});

/** Size in bytes of the `timespec[2]` that `utimensat` of the kernel port takes. */
export const TIMES_BYTES = 2 * Timespec.SIZE;

/** A flag of the kernel port's calls with paths: the handle itself is asked. */
export const AT_EMPTY_PATH = 0x1000;

/** In place of nanoseconds, `utimensat(2)`: the time that it is now, the time that it was. */
const UTIME_NOW = 0x3fffffff;
const UTIME_OMIT = 0x3ffffffe;

const S_IFMT = 0o170000;
const FILETYPE_OF_MODE: ReadonlyMap<number, number> = new Map([
  [0o020000, Filetype.CHARACTER_DEVICE],
  [0o040000, Filetype.DIRECTORY],
  [0o060000, Filetype.BLOCK_DEVICE],
  [0o100000, Filetype.REGULAR_FILE],
  [0o120000, Filetype.SYMBOLIC_LINK],
  [0o140000, Filetype.SOCKET_STREAM],
]);

/** The filetype of an `st_mode`; UNKNOWN for a FIFO, for which WASI has no word. */
export function filetypeOfMode(mode: number): number {
  return FILETYPE_OF_MODE.get(mode & S_IFMT) ?? Filetype.UNKNOWN;
}

const SAME_FIELDS = ['dev', 'ino', 'nlink', 'size', 'atim', 'mtim', 'ctim'] as const;

/**
 * Writes a whole `Filestat` at `at`, padding included, from the `Status` that begins `status`;
 * the filetype is the mode's.
 */
export function writeFilestat(view: DataView, at: number, status: DataView): void {
  // The filetype and the bytes up to the next field.
  view.setUint32(at + Filestat.filetype.offset, filetypeOfMode(Status.mode.get(status, 0)), true);
  view.setUint32(at + Filestat.filetype.offset + 4, 0, true);
  for (const name of SAME_FIELDS) {
    Filestat[name].set(view, at, Status[name].lo(status, 0), Status[name].hi(status, 0));
  }
}

function setTime(times: DataView, at: number, time: bigint, set: boolean, now: boolean): void {
  if (!set) {
    Timespec.seconds.set(times, at, 0, 0);
    Timespec.nanoseconds.set(times, at, now ? UTIME_NOW : UTIME_OMIT, 0);
    return;
  }
  const timeNs = BigInt.asUintN(64, time);
  // Below 2^35, and below 10^9.
  const seconds = Number(timeNs / 1_000_000_000n);
  Timespec.seconds.set(times, at, seconds, Math.floor(seconds / 2 ** 32));
  Timespec.nanoseconds.set(times, at, Number(timeNs % 1_000_000_000n), 0);
}

/**
 * Writes the `timespec[2]` that `utimensat(2)` takes to the beginning of `times`: `atim` and `mtim`
 * in nanoseconds since 1970, u64, as `fstflags` have them. Returns 0, or `-EINVAL` for unknown
 * flags and for a time that is to be both given and now.
 */
export function writeTimes(times: DataView, atim: bigint, mtim: bigint, fstflags: number): number {
  const { ATIM, ATIM_NOW, MTIM, MTIM_NOW, ALL } = Fstflags;
  const both = (mask: number): boolean => (fstflags & mask) === mask;
  if ((fstflags & ~ALL) !== 0) return -LinuxErrno.INVAL;
  if (both(ATIM | ATIM_NOW) || both(MTIM | MTIM_NOW)) return -LinuxErrno.INVAL;
  setTime(times, 0, atim, both(ATIM), both(ATIM_NOW));
  setTime(times, Timespec.SIZE, mtim, both(MTIM), both(MTIM_NOW));
  return 0;
}
