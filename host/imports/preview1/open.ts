/** `wasi_snapshot_preview1` path_open. */
import { filetypeOfMode } from '../../abi/files.js';
import { lowWord } from '../../abi/layout.js';
import { Fdflags, Filetype, Lookupflags, Oflags, Rights } from '../../abi/preview1.js';
import { Access, Kind } from '../../descriptors.js';
import { Errno, LinuxErrno } from '../../errno.js';
import {
  O_ACCMODE,
  O_APPEND,
  O_CREAT,
  O_DIRECTORY,
  O_DSYNC,
  O_EXCL,
  O_NOFOLLOW,
  O_RDONLY,
  O_RDWR,
  O_SYNC,
  O_TRUNC,
  O_WRONLY,
} from '../../kernel/flags.js';
import type { Handle } from '../../kernel/kernel.js';
import type { Sandbox } from '../../sandbox.js';
import { type ImportRow, imported } from '../call.js';
import { directoryHandle, pathErrno, refuseChange } from './path.js';

/** What `open(2)` is given everywhere; the umask of the host's process takes from it. */
const FILE_MODE = 0o666;

const S_IFMT = 0o170000;
const S_IFIFO = 0o010000;

/** The rights that say what a file is opened for. */
const ACCESS_RIGHTS = Rights.FD_READ | Rights.FD_READDIR | Rights.FD_WRITE;
/** Opening never makes a directory. */
const MAKE_DIRECTORY = Oflags.CREAT | Oflags.DIRECTORY;

/** Linux's flags for a dirflags, an oflags and a fdflags, which have no unknown bits. */
function openFlags(dirflags: number, oflags: number, fdflags: number): number {
  let flags = (dirflags & Lookupflags.SYMLINK_FOLLOW) === 0 ? O_NOFOLLOW : 0;
  if ((oflags & Oflags.CREAT) !== 0) flags |= O_CREAT;
  if ((oflags & Oflags.DIRECTORY) !== 0) flags |= O_DIRECTORY;
  if ((oflags & Oflags.EXCL) !== 0) flags |= O_EXCL;
  if ((oflags & Oflags.TRUNC) !== 0) flags |= O_TRUNC;
  if ((fdflags & Fdflags.APPEND) !== 0) flags |= O_APPEND;
  if ((fdflags & Fdflags.DSYNC) !== 0) flags |= O_DSYNC;
  // Linux has one flag for both.
  if ((fdflags & (Fdflags.RSYNC | Fdflags.SYNC)) !== 0) flags |= O_SYNC;
  return flags;
}

/**
 * The access mode that rights ask for: FD_READ and FD_WRITE alone say it. Go asks for
 * FD_FILESTAT_SET_SIZE of all that it only reads.
 */
function accessMode(rights: number): number {
  if ((rights & Rights.FD_WRITE) === 0) return O_RDONLY;
  return (rights & (Rights.FD_READ | Rights.FD_READDIR)) === 0 ? O_WRONLY : O_RDWR;
}

/** Whether opening with these flags changes something, or lets it be changed. */
function changes(flags: number): boolean {
  if ((flags & (O_CREAT | O_TRUNC)) !== 0) return true;
  // No directory can be opened to be written, and the kernel says which error that is.
  return (flags & O_ACCMODE) !== O_RDONLY && (flags & O_DIRECTORY) === 0;
}

/** Why a file that nobody said they would write cannot be opened to be written. */
function isUnwritable(result: number): boolean {
  return (
    result === -LinuxErrno.ACCES ||
    result === -LinuxErrno.PERM ||
    result === -LinuxErrno.ROFS ||
    result === -LinuxErrno.TXTBSY
  );
}

/** What an open file is, by its `st_mode`. */
function kindOfMode(mode: number): number {
  if ((mode & S_IFMT) === S_IFIFO) return Kind.PIPE;
  const type = filetypeOfMode(mode);
  if (type === Filetype.DIRECTORY) return Kind.DIRECTORY;
  return type === Filetype.CHARACTER_DEVICE ? Kind.STDIO : Kind.FILE;
}

/**
 * What may be done with a new descriptor: a directory's own access is to what is in it. Whether
 * that may change, it has from the directory that it was opened in.
 */
function accessOf(kind: number, accmode: number, mutable: number): number {
  if (kind === Kind.DIRECTORY) {
    return mutable === 0 ? Access.READ : Access.READ | Access.WRITE | mutable;
  }
  if (accmode === O_RDONLY) return Access.READ | mutable;
  return (accmode === O_WRONLY ? Access.WRITE : Access.READ | Access.WRITE) | mutable;
}

/** Puts an open handle in a claimed number; closes it if nothing can be learnt of it. */
function place(
  sandbox: Sandbox,
  claimed: number,
  handle: Handle,
  flags: number,
  mutable: number,
  fdflags: number,
): number {
  const { kernel, descriptors } = sandbox;
  let kind: number = Kind.DIRECTORY;
  if ((flags & O_DIRECTORY) === 0) {
    const mode = kernel.fstat(handle);
    if (mode < 0) {
      kernel.close(handle);
      descriptors.abandon(claimed);
      return mode;
    }
    kind = kindOfMode(mode);
  }
  const access = accessOf(kind, flags & O_ACCMODE, mutable);
  descriptors.open(claimed, handle, kind, access, fdflags);
  return claimed;
}

/**
 * Opens a path beneath `fd` into a new descriptor, and returns its number. The number is claimed
 * first: a full table makes and empties no file. What is made or emptied with no word about access
 * can be read and written, if the file lets that be.
 */
function openPath(
  sandbox: Sandbox,
  fd: number,
  path: number,
  len: number,
  flags: number,
  rights: number,
  fdflags: number,
): number {
  const { kernel, memory, descriptors } = sandbox;
  const directory = directoryHandle(sandbox, fd);
  if (directory < 0) return directory;
  const mutable = descriptors.access(fd) & Access.MUTABLE;
  const asked = flags | accessMode(rights);
  if (mutable === 0 && changes(asked)) {
    refuseChange(sandbox, fd);
    return -LinuxErrno.ROFS;
  }
  const claimed = sandbox.claimDescriptor();
  if (claimed < 0) return claimed;
  const mode = (flags & O_CREAT) !== 0 ? FILE_MODE : 0;
  const silent = (rights & ACCESS_RIGHTS) === 0 && (flags & (O_CREAT | O_TRUNC)) !== 0;
  let opened = silent ? asked | O_RDWR : asked;
  let handle = kernel.openat(directory, memory.span, path, len, opened, mode);
  if (silent && isUnwritable(handle)) {
    opened = asked;
    handle = kernel.openat(directory, memory.span, path, len, opened, mode);
  }
  if (handle >= 0) return place(sandbox, claimed, handle, opened, mutable, fdflags);
  descriptors.abandon(claimed);
  return handle;
}

const openRow = imported(
  'path_open',
  {
    fd: 'fd',
    dirflags: 'u32',
    path: 'ptr',
    path_len: 'size',
    oflags: 'u32',
    fs_rights_base: 'u64',
    fs_rights_inheriting: 'u64',
    fdflags: 'u32',
    'result.opened_fd': '*u32',
  },
  (sandbox) =>
    (
      fd: number,
      dirflags: number,
      path: number,
      len: number,
      oflags: number,
      base: bigint,
      _inheriting: bigint,
      fdflags: number,
      result: number,
    ) => {
      const { memory } = sandbox;
      const at = result >>> 0;
      if (!memory.fits(at, 4) || !memory.fits(path >>> 0, len >>> 0)) return Errno.FAULT;
      const unknown =
        (dirflags & ~Lookupflags.ALL) | (oflags & ~Oflags.ALL) | (fdflags & ~Fdflags.ALL);
      // As Linux has it from 6.4 on; before, it made a file.
      if (unknown !== 0 || (oflags & MAKE_DIRECTORY) === MAKE_DIRECTORY) return Errno.INVAL;
      const flags = openFlags(dirflags, oflags, fdflags);
      const rights = lowWord(base);
      const opened = openPath(sandbox, fd, path >>> 0, len >>> 0, flags, rights, fdflags);
      if (opened < 0) return pathErrno(sandbox, fd, opened);
      memory.view.setUint32(at, opened, true);
      return Errno.SUCCESS;
    },
);

export const OPEN_ROWS: readonly ImportRow[] = [openRow];
