/**
 * `wasi_snapshot_preview1` path_*, but for path_open (`open.ts`). A path is looked up by the
 * kernel, beneath the directory that the descriptor is; nothing here judges where one leads. What
 * changes anything needs a directory that was not granted read-only, on either side (B35, B52).
 */
import { filetypeOfMode, Filestat, writeFilestat, writeTimes } from '../../abi/files.js';
import { Filetype, Lookupflags } from '../../abi/preview1.js';
import { Access, Kind } from '../../descriptors.js';
import { Errno, LinuxErrno, wasiErrno } from '../../errno.js';
import { type DirGrant, escapeText, readOnlyText } from '../../grants/dirs.js';
import { ESCAPES, type Handle, type Kernel } from '../../kernel/kernel.js';
import type { Sandbox } from '../../sandbox.js';
import { type ImportRow, imported } from '../call.js';

const AT_SYMLINK_NOFOLLOW = 0x100;
const AT_REMOVEDIR = 0x200;
/** As `mkdir(1)` has it; the umask of the host's process takes from it. */
const DIRECTORY_MODE = 0o777;
const SLASH = 0x2f;

/** The handle of a directory of the guest's, or `-EBADF`, `-ENOTDIR`. */
export function directoryHandle(sandbox: Sandbox, fd: number): Handle | number {
  const { descriptors } = sandbox;
  const kind = descriptors.kind(fd);
  if (kind === Kind.DIRECTORY) return descriptors.handle(fd);
  return kind === Kind.FREE ? -LinuxErrno.BADF : -LinuxErrno.NOTDIR;
}

/** The grant that a directory is; undefined for one that the guest has opened beneath it. */
function grantOf({ descriptors, grants }: Sandbox, fd: number): DirGrant | undefined {
  return grants.dirs[descriptors.preopen(fd) - 1];
}

/** Says what would allow a change of what a directory, or a file of one, is or has; ROFS. */
export function refuseChange(sandbox: Sandbox, fd: number): number {
  sandbox.deny(readOnlyText(grantOf(sandbox, fd)));
  return Errno.ROFS;
}

/** `directoryHandle` of one in which something is to be changed: `-EROFS` if it is read-only. */
function mutableHandle(sandbox: Sandbox, fd: number): Handle | number {
  const handle = directoryHandle(sandbox, fd);
  if (handle < 0 || (sandbox.descriptors.access(fd) & Access.MUTABLE) !== 0) return handle;
  refuseChange(sandbox, fd);
  return -LinuxErrno.ROFS;
}

/** Says what would allow a path that leads out of `dir`, or of a directory beneath one; PERM. */
function refuseEscape(sandbox: Sandbox, dir?: DirGrant): number {
  sandbox.deny(escapeText(dir));
  return Errno.PERM;
}

/** The WASI errno of a failed look-up from `fd`. */
export function pathErrno(sandbox: Sandbox, fd: number, result: number): number {
  return result === -ESCAPES ? refuseEscape(sandbox, grantOf(sandbox, fd)) : wasiErrno(result);
}

function pathStatus(sandbox: Sandbox, fd: number, result: number): number {
  return result < 0 ? pathErrno(sandbox, fd, result) : Errno.SUCCESS;
}

/** Linux's flags for a lookupflags, or `-EINVAL`. */
function lookup(flags: number): number {
  if ((flags & ~Lookupflags.ALL) !== 0) return -LinuxErrno.INVAL;
  return (flags & Lookupflags.SYMLINK_FOLLOW) !== 0 ? 0 : AT_SYMLINK_NOFOLLOW;
}

/** What changes the one name that it is given. */
type Change = (kernel: Kernel, handle: Handle, sandbox: Sandbox, at: number, n: number) => number;

function changeRow(name: string, change: Change): ImportRow {
  return imported(name, { fd: 'fd', path: 'ptr', path_len: 'size' }, (sandbox) => {
    const { kernel } = sandbox;
    return (fd: number, path: number, len: number) => {
      if (!sandbox.memory.fits(path >>> 0, len >>> 0)) return Errno.FAULT;
      const handle = mutableHandle(sandbox, fd);
      if (handle < 0) return wasiErrno(handle);
      const result = change(kernel, handle, sandbox, path >>> 0, len >>> 0);
      return pathStatus(sandbox, fd, result);
    };
  });
}

const createDirectoryRow = changeRow(
  'path_create_directory',
  (kernel, handle, { memory }, at, length) =>
    kernel.mkdirat(handle, memory.span, at, length, DIRECTORY_MODE),
);

const removeDirectoryRow = changeRow(
  'path_remove_directory',
  (kernel, handle, { memory }, at, length) =>
    kernel.unlinkat(handle, memory.span, at, length, AT_REMOVEDIR),
);

const unlinkFileRow = changeRow('path_unlink_file', (kernel, handle, { memory }, at, length) =>
  kernel.unlinkat(handle, memory.span, at, length, 0),
);

/** The row of a version whose filestat has `size` bytes, and is written by `write`. */
export function pathFilestatGetRow(size: number, write: typeof writeFilestat): ImportRow {
  return imported(
    'path_filestat_get',
    { fd: 'fd', flags: 'u32', path: 'ptr', path_len: 'size', 'result.buf': 'ptr' },
    (sandbox) => {
      const { kernel, status, statusView } = sandbox;
      return (fd: number, flags: number, path: number, len: number, result: number) => {
        const { memory } = sandbox;
        const at = result >>> 0;
        if (!memory.fits(at, size) || !memory.fits(path >>> 0, len >>> 0)) {
          return Errno.FAULT;
        }
        const follow = lookup(flags);
        if (follow < 0) return Errno.INVAL;
        const handle = directoryHandle(sandbox, fd);
        if (handle < 0) return wasiErrno(handle);
        const mode = kernel.statx(handle, memory.span, path >>> 0, len >>> 0, follow, status);
        if (mode < 0) return pathErrno(sandbox, fd, mode);
        write(memory.view, at, statusView);
        return Errno.SUCCESS;
      };
    },
  );
}

const filestatSetTimesRow = imported(
  'path_filestat_set_times',
  {
    fd: 'fd',
    flags: 'u32',
    path: 'ptr',
    path_len: 'size',
    atim: 'u64',
    mtim: 'u64',
    fst_flags: 'u32',
  },
  (sandbox) => {
    const { kernel, times, timesView } = sandbox;
    return (
      fd: number,
      flags: number,
      path: number,
      len: number,
      atim: bigint,
      mtim: bigint,
      fstflags: number,
    ) => {
      const { memory } = sandbox;
      if (!memory.fits(path >>> 0, len >>> 0)) return Errno.FAULT;
      const follow = lookup(flags);
      if (follow < 0 || writeTimes(timesView, atim, mtim, fstflags) < 0) return Errno.INVAL;
      const handle = mutableHandle(sandbox, fd);
      if (handle < 0) return wasiErrno(handle);
      const result = kernel.utimensat(handle, memory.span, path >>> 0, len >>> 0, follow, times);
      return pathStatus(sandbox, fd, result);
    };
  },
);

/**
 * What moves or links a name, between two directories that must both be there to be changed.
 * `flags` are those of the old name, and none may be set.
 */
function twoNames(
  sandbox: Sandbox,
  call: 'renameat' | 'linkat',
  oldFd: number,
  flags: number,
  oldPath: number,
  oldLen: number,
  newFd: number,
  newPath: number,
  newLen: number,
): number {
  const { memory, descriptors, kernel } = sandbox;
  const oldAt = oldPath >>> 0;
  const newAt = newPath >>> 0;
  if (!memory.fits(oldAt, oldLen >>> 0) || !memory.fits(newAt, newLen >>> 0)) return Errno.FAULT;
  if (flags !== 0) return Errno.INVAL;
  const from = directoryHandle(sandbox, oldFd);
  const fromAccess = from < 0 ? 0 : descriptors.access(oldFd);
  const to = directoryHandle(sandbox, newFd);
  if (from < 0 || to < 0) return wasiErrno(from < 0 ? from : to);
  // A link to what is read-only would be a name to write it by.
  if ((fromAccess & Access.MUTABLE) === 0) return refuseChange(sandbox, oldFd);
  if ((descriptors.access(newFd) & Access.MUTABLE) === 0) {
    return refuseChange(sandbox, newFd);
  }
  const { span } = memory;
  const result = kernel[call](from, span, oldAt, oldLen >>> 0, to, newAt, newLen >>> 0);
  // Which of the two leads out is not known.
  if (result === -ESCAPES && oldFd !== newFd) return refuseEscape(sandbox);
  return pathStatus(sandbox, oldFd, result);
}

const renameRow = imported(
  'path_rename',
  {
    fd: 'fd',
    old_path: 'ptr',
    old_path_len: 'size',
    new_fd: 'fd',
    new_path: 'ptr',
    new_path_len: 'size',
  },
  (sandbox) =>
    (fd: number, oldPath: number, oldLen: number, newFd: number, newPath: number, newLen: number) =>
      twoNames(sandbox, 'renameat', fd, 0, oldPath, oldLen, newFd, newPath, newLen),
);

/** With SYMLINK_FOLLOW, what a symbolic link leads to: suites want it refused, as wasmtime does. */
const linkRow = imported(
  'path_link',
  {
    old_fd: 'fd',
    old_flags: 'u32',
    old_path: 'ptr',
    old_path_len: 'size',
    new_fd: 'fd',
    new_path: 'ptr',
    new_path_len: 'size',
  },
  (sandbox) =>
    (
      oldFd: number,
      oldFlags: number,
      oldPath: number,
      oldLen: number,
      newFd: number,
      newPath: number,
      newLen: number,
    ) =>
      twoNames(sandbox, 'linkat', oldFd, oldFlags, oldPath, oldLen, newFd, newPath, newLen),
);

/** `symlinkat(2)`, but for the errno of a name that is a file's, and has a slash behind it. */
function symlink(
  sandbox: Sandbox,
  target: number,
  targetLen: number,
  fd: number,
  path: number,
  len: number,
): number {
  const { memory, kernel, status } = sandbox;
  if (!memory.fits(target, targetLen) || !memory.fits(path, len)) return Errno.FAULT;
  const handle = mutableHandle(sandbox, fd);
  if (handle < 0) return wasiErrno(handle);
  const { bytes, span } = memory;
  const result = kernel.symlinkat(span, target, targetLen, handle, path, len);
  // That a file is no directory, Linux says of any other call.
  if (result === -LinuxErrno.EXIST && bytes[path + len - 1] === SLASH) {
    const found = kernel.statx(handle, span, path, len, 0, status);
    if (found === -LinuxErrno.NOTDIR) return Errno.NOTDIR;
  }
  return pathStatus(sandbox, fd, result);
}

const symlinkRow = imported(
  'path_symlink',
  {
    old_path: 'ptr',
    old_path_len: 'size',
    fd: 'fd',
    new_path: 'ptr',
    new_path_len: 'size',
  },
  (sandbox) => (oldPath: number, oldLen: number, fd: number, newPath: number, newLen: number) =>
    symlink(sandbox, oldPath >>> 0, oldLen >>> 0, fd, newPath >>> 0, newLen >>> 0),
);

/** Nothing of a link's text, where Linux has it that no room is a mistake: 0 or minus an errno. */
function readNothing(sandbox: Sandbox, handle: Handle, path: number, len: number): number {
  const { kernel, memory, status } = sandbox;
  const mode = kernel.statx(handle, memory.span, path, len, AT_SYMLINK_NOFOLLOW, status);
  if (mode < 0) return mode;
  return filetypeOfMode(mode) === Filetype.SYMBOLIC_LINK ? 0 : -LinuxErrno.INVAL;
}

const readlinkRow = imported(
  'path_readlink',
  {
    fd: 'fd',
    path: 'ptr',
    path_len: 'size',
    buf: 'ptr',
    buf_len: 'size',
    'result.bufused': '*u32',
  },
  (sandbox) =>
    (fd: number, path: number, len: number, buf: number, bufLen: number, result: number) => {
      const { memory, kernel } = sandbox;
      const from = path >>> 0;
      const fromBytes = len >>> 0;
      const room = buf >>> 0;
      const roomBytes = bufLen >>> 0;
      if (!memory.fits(result >>> 0, 4) || !memory.fits(from, fromBytes)) return Errno.FAULT;
      if (!memory.fits(room, roomBytes)) return Errno.FAULT;
      const handle = directoryHandle(sandbox, fd);
      if (handle < 0) return wasiErrno(handle);
      const n =
        roomBytes === 0
          ? readNothing(sandbox, handle, from, fromBytes)
          : kernel.readlinkat(handle, memory.span, from, fromBytes, room, roomBytes);
      if (n < 0) return pathErrno(sandbox, fd, n);
      memory.view.setUint32(result >>> 0, n, true);
      return Errno.SUCCESS;
    },
);

export const PATH_ROWS: readonly ImportRow[] = [
  createDirectoryRow,
  pathFilestatGetRow(Filestat.SIZE, writeFilestat),
  filestatSetTimesRow,
  linkRow,
  readlinkRow,
  removeDirectoryRow,
  renameRow,
  symlinkRow,
  unlinkFileRow,
];
