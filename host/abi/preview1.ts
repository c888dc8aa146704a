/** Structs and constants of `wasi_snapshot_preview1` (typenames.witx). */
import { struct, u16, u32, u64, u8 } from './layout.js';

export const Iovec = struct(8, 4, { buf: u32(0), len: u32(4) });

export const Fdstat = struct(24, 8, {
  filetype: u8(0),
  flags: u16(2),
  rightsBase: u64(8),
  rightsInheriting: u64(16),
});

/** A subscription; `clock*` fields hold when the tag is CLOCK, `fd` when it is not. */
export const Subscription = struct(48, 8, {
  userdata: u64(0),
  tag: u8(8),
  clockId: u32(16),
  clockTimeout: u64(24),
  clockPrecision: u64(32),
  clockFlags: u16(40),
  fd: u32(16),
});

export const Event = struct(32, 8, {
  userdata: u64(0),
  error: u16(8),
  type: u8(10),
  nbytes: u64(16),
  flags: u16(24),
});

export const Clockid = {
  REALTIME: 0,
  MONOTONIC: 1,
  PROCESS_CPUTIME: 2,
  THREAD_CPUTIME: 3,
} as const;

export const Filetype = {
  UNKNOWN: 0,
  BLOCK_DEVICE: 1,
  CHARACTER_DEVICE: 2,
  DIRECTORY: 3,
  REGULAR_FILE: 4,
  SOCKET_DGRAM: 5,
  SOCKET_STREAM: 6,
  SYMBOLIC_LINK: 7,
} as const;

export const Fdflags = { APPEND: 1, DSYNC: 2, NONBLOCK: 4, RSYNC: 8, SYNC: 16, ALL: 31 } as const;
export const Eventtype = { CLOCK: 0, FD_READ: 1, FD_WRITE: 2 } as const;
export const Eventrwflags = { HANGUP: 1 } as const;
export const Subclockflags = { ABSTIME: 1 } as const;
export const Riflags = { RECV_PEEK: 1, RECV_WAITALL: 2, ALL: 3 } as const;
export const Roflags = { DATA_TRUNCATED: 1 } as const;
export const Sdflags = { RD: 1, WR: 2, ALL: 3 } as const;

export const Whence = { SET: 0, CUR: 1, END: 2 } as const;
export const Advice = {
  NORMAL: 0,
  SEQUENTIAL: 1,
  RANDOM: 2,
  WILLNEED: 3,
  DONTNEED: 4,
  NOREUSE: 5,
} as const;
export const Fstflags = { ATIM: 1, ATIM_NOW: 2, MTIM: 4, MTIM_NOW: 8, ALL: 15 } as const;
export const Lookupflags = { SYMLINK_FOLLOW: 1, ALL: 1 } as const;
export const Oflags = { CREAT: 1, DIRECTORY: 2, EXCL: 4, TRUNC: 8, ALL: 15 } as const;

/** Rights, bits 0 to 29. Reported, never enforced (design.md §3). */
export const Rights = {
  FD_DATASYNC: 1 << 0,
  FD_READ: 1 << 1,
  FD_SEEK: 1 << 2,
  FD_FDSTAT_SET_FLAGS: 1 << 3,
  FD_SYNC: 1 << 4,
  FD_TELL: 1 << 5,
  FD_WRITE: 1 << 6,
  FD_ADVISE: 1 << 7,
  FD_ALLOCATE: 1 << 8,
  PATH_CREATE_DIRECTORY: 1 << 9,
  PATH_CREATE_FILE: 1 << 10,
  PATH_LINK_SOURCE: 1 << 11,
  PATH_LINK_TARGET: 1 << 12,
  PATH_OPEN: 1 << 13,
  FD_READDIR: 1 << 14,
  PATH_READLINK: 1 << 15,
  PATH_RENAME_SOURCE: 1 << 16,
  PATH_RENAME_TARGET: 1 << 17,
  PATH_FILESTAT_GET: 1 << 18,
  PATH_FILESTAT_SET_SIZE: 1 << 19,
  PATH_FILESTAT_SET_TIMES: 1 << 20,
  FD_FILESTAT_GET: 1 << 21,
  FD_FILESTAT_SET_SIZE: 1 << 22,
  FD_FILESTAT_SET_TIMES: 1 << 23,
  PATH_SYMLINK: 1 << 24,
  PATH_REMOVE_DIRECTORY: 1 << 25,
  PATH_UNLINK_FILE: 1 << 26,
  POLL_FD_READWRITE: 1 << 27,
  SOCK_SHUTDOWN: 1 << 28,
  SOCK_ACCEPT: 1 << 29,
} as const;

/** Writes a whole `Event` at `at`, every byte of it, padding included; `nbytes` below 2^53. */
export function writeEvent(
  view: DataView,
  at: number,
  userdataLo: number,
  userdataHi: number,
  error: number,
  type: number,
  nbytes: number,
  flags: number,
): void {
  view.setUint32(at, userdataLo, true);
  view.setUint32(at + 4, userdataHi, true);
  view.setUint32(at + 8, error | (type << 16), true);
  view.setUint32(at + 12, 0, true);
  view.setUint32(at + 16, nbytes, true);
  view.setUint32(at + 20, nbytes / 2 ** 32, true);
  view.setUint32(at + 24, flags, true);
  view.setUint32(at + 28, 0, true);
}
