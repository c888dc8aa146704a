/**
 * The part of the Kernel port that is about files, in Linux's own terms.
 *
 * A path is a range of guest memory, read once: 1 (`-ENOENT`) to 4,095 bytes (`-ENAMETOOLONG`),
 * none of them NUL (`-EINVAL`). It is looked up by `openat2(2)` with RESOLVE_BENEATH and
 * RESOLVE_NO_MAGICLINKS; `-ESCAPES` where that would leave `directory`, `-EAGAIN` where others
 * went on renaming all the time that `..` was looked up in 128 attempts. What acts on a name
 * (mkdirat, unlinkat, renameat, linkat, symlinkat, readlinkat) finds the name's parent so, and
 * then acts on one plain name in it; for `.` and `..` as the last part, on `.` in the directory
 * that the whole path leads to. Flags that a call on a path does not name are `-EINVAL`.
 */
import type { Bytes, Handle, Result } from './values.js';

export interface Files {
  /**
   * `open(2)` of a directory of this machine, O_RDONLY and O_DIRECTORY, by the host's own path
   * (a path as above). `-ENOSYS` where there is no `openat2(2)`, or a filter forbids it.
   */
  openDirectory(path: Uint8Array): Handle | Result;
  /**
   * `openat2(2)`, always with O_CLOEXEC, O_NOCTTY and O_NONBLOCK (a FIFO without a writer, or one
   * without a reader, is not waited for); `flags` as in `open(2)`, this machine's own numbers:
   * O_ACCMODE, O_CREAT, O_EXCL, O_TRUNC, O_APPEND, O_DSYNC, O_SYNC, O_DIRECTORY, O_NOFOLLOW,
   * O_PATH. Of `mode`, 0777 counts.
   */
  openat(
    directory: Handle,
    bytes: Bytes,
    offset: number,
    length: number,
    flags: number,
    mode: number,
  ): Handle | Result;
  /**
   * `statx(2)`: writes a `status` (STATUS_BYTES) and returns its mode. `flags` is 0,
   * AT_SYMLINK_NOFOLLOW, or AT_EMPTY_PATH: then the handle itself is asked, and no path is read.
   */
  statx(
    directory: Handle,
    bytes: Bytes,
    offset: number,
    length: number,
    flags: number,
    status: Uint8Array,
  ): Result;
  /** `utimensat(2)`; `times` is a `struct timespec[2]`, 32 bytes; `flags` as in `statx`. */
  utimensat(
    directory: Handle,
    bytes: Bytes,
    offset: number,
    length: number,
    flags: number,
    times: Uint8Array,
  ): Result;
  /** `mkdirat(2)`; of `mode`, 0777 counts. */
  mkdirat(directory: Handle, bytes: Bytes, offset: number, length: number, mode: number): Result;
  /** `unlinkat(2)`; `flags` is 0 or AT_REMOVEDIR. */
  unlinkat(directory: Handle, bytes: Bytes, offset: number, length: number, flags: number): Result;
  /** `renameat(2)`. */
  renameat(
    from: Handle,
    bytes: Bytes,
    fromOffset: number,
    fromLength: number,
    to: Handle,
    toOffset: number,
    toLength: number,
  ): Result;
  /** `linkat(2)`; a symbolic link as the last part of `from` is itself linked. */
  linkat(
    from: Handle,
    bytes: Bytes,
    fromOffset: number,
    fromLength: number,
    to: Handle,
    toOffset: number,
    toLength: number,
  ): Result;
  /**
   * `symlinkat(2)`; the target is text like any other, and not looked up. `-ESCAPES` for one that
   * begins with a slash: it leads out wherever the link stands.
   */
  symlinkat(
    bytes: Bytes,
    targetOffset: number,
    targetLength: number,
    directory: Handle,
    offset: number,
    length: number,
  ): Result;
  /**
   * `readlinkat(2)`: writes at most `roomBytes` at `room`, and returns how many; `-EINVAL` for
   * none, and for what is no link.
   */
  readlinkat(
    directory: Handle,
    bytes: Bytes,
    offset: number,
    length: number,
    room: number,
    roomBytes: number,
  ): Result;
  /**
   * `getdents64(2)` from a cookie on (`d_off` as two u32, 0 for the begin), whatever position
   * others have left: whole `struct linux_dirent64` records. Bytes written; 0 at the end, and for a
   * cookie that no entry can have.
   */
  getdents64(
    directory: Handle,
    bytes: Bytes,
    offset: number,
    length: number,
    cookieLo: number,
    cookieHi: number,
  ): Result;
  /** `lseek(2)`, the offset as two u32; the position then is written at `at`, a u64. */
  lseek(
    handle: Handle,
    offsetLo: number,
    offsetHi: number,
    whence: number,
    bytes: Bytes,
    at: number,
  ): Result;
  /** `pread(2)` at a position as two u32; one that is negative as an i64 is `-EINVAL`. */
  pread(
    handle: Handle,
    bytes: Bytes,
    offset: number,
    length: number,
    positionLo: number,
    positionHi: number,
  ): Result;
  /** `pwrite(2)`. */
  pwrite(
    handle: Handle,
    bytes: Bytes,
    offset: number,
    length: number,
    positionLo: number,
    positionHi: number,
  ): Result;
  /** `preadv(2)`, for several buffers: it costs 100 ns more than `pread`. */
  preadv(
    handle: Handle,
    bytes: Bytes,
    iovs: Uint32Array,
    count: number,
    offsetLo: number,
    offsetHi: number,
  ): Result;
  /** `pwritev(2)`. */
  pwritev(
    handle: Handle,
    bytes: Bytes,
    iovs: Uint32Array,
    count: number,
    offsetLo: number,
    offsetHi: number,
  ): Result;
  /** `ftruncate(2)`. */
  ftruncate(handle: Handle, sizeLo: number, sizeHi: number): Result;
  /** `fallocate(2)` with mode 0. */
  fallocate(
    handle: Handle,
    offsetLo: number,
    offsetHi: number,
    lengthLo: number,
    lengthHi: number,
  ): Result;
  /** `posix_fadvise(2)`. */
  fadvise(
    handle: Handle,
    offsetLo: number,
    offsetHi: number,
    lengthLo: number,
    lengthHi: number,
    advice: number,
  ): Result;
  /** `fsync(2)`. */
  fsync(handle: Handle): Result;
  /** `fdatasync(2)`. */
  fdatasync(handle: Handle): Result;
  /** `fcntl(2)` F_SETFL: O_APPEND is set or cleared, O_NONBLOCK stays as it is. */
  setfl(handle: Handle, flags: number): Result;
}
