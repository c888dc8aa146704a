/**
 * `wasi_snapshot_preview1` fd_*, as far as all descriptors have them. What only files have is in
 * `file.ts`, what only directories have in `directory.ts`.
 */
import { filetypeOfMode } from '../../abi/files.js';
import { lowWord } from '../../abi/layout.js';
import type { GuestMemory } from '../../abi/memory.js';
import { Fdflags, Fdstat, Filetype, Rights } from '../../abi/preview1.js';
import { Access, Kind } from '../../descriptors.js';
import { Errno, LinuxErrno, wasiErrno, wasiStatus } from '../../errno.js';
import { O_APPEND } from '../../kernel/flags.js';
import type { Handle } from '../../kernel/kernel.js';
import type { Sandbox } from '../../sandbox.js';
import { type ImportRow, imported } from '../call.js';
import { isSocket, receive, transferPlain, transmit } from '../socket/transfer.js';

/** FD_SEEK and FD_TELL: by them wasi-libc tells a character device from a terminal. */
const POSITION_RIGHTS = Rights.FD_SEEK | Rights.FD_TELL;

const STREAM_RIGHTS =
  Rights.POLL_FD_READWRITE | Rights.FD_FDSTAT_SET_FLAGS | Rights.FD_FILESTAT_GET;
/** Of every file; then of one that can be written, and of one that may be changed. */
const FILE_RIGHTS =
  STREAM_RIGHTS | POSITION_RIGHTS | Rights.FD_SYNC | Rights.FD_DATASYNC | Rights.FD_ADVISE;
const WRITE_RIGHTS = Rights.FD_WRITE | Rights.FD_ALLOCATE | Rights.FD_FILESTAT_SET_SIZE;
const CHANGE_RIGHTS = Rights.FD_FILESTAT_SET_TIMES;

/**
 * Of every directory, and of one that may be changed. Not PATH_FILESTAT_SET_SIZE: who has it must
 * be refused O_TRUNC without it. Not FD_WRITE: some open `.` with the rights they find.
 */
const DIRECTORY_RIGHTS =
  Rights.PATH_OPEN |
  Rights.FD_READDIR |
  Rights.PATH_READLINK |
  Rights.PATH_FILESTAT_GET |
  Rights.FD_FILESTAT_GET |
  Rights.FD_FDSTAT_SET_FLAGS |
  Rights.FD_SYNC |
  Rights.FD_DATASYNC;
const DIRECTORY_CHANGE_RIGHTS =
  Rights.PATH_CREATE_DIRECTORY |
  Rights.PATH_CREATE_FILE |
  Rights.PATH_LINK_SOURCE |
  Rights.PATH_LINK_TARGET |
  Rights.PATH_RENAME_SOURCE |
  Rights.PATH_RENAME_TARGET |
  Rights.PATH_FILESTAT_SET_TIMES |
  Rights.FD_FILESTAT_SET_TIMES |
  Rights.PATH_SYMLINK |
  Rights.PATH_REMOVE_DIRECTORY |
  Rights.PATH_UNLINK_FILE;

/** A descriptor's filetype; of a file and a directory without asking the kernel. */
export function filetype(sandbox: Sandbox, fd: number, kind: number): number {
  if (kind === Kind.FILE) return Filetype.REGULAR_FILE;
  if (kind === Kind.DIRECTORY) return Filetype.DIRECTORY;
  if (kind === Kind.DATAGRAM) return Filetype.SOCKET_DGRAM;
  if (kind === Kind.STREAM || kind === Kind.LISTENER) return Filetype.SOCKET_STREAM;
  if (kind !== Kind.STDIO) return Filetype.UNKNOWN;
  const mode = sandbox.kernel.fstat(sandbox.descriptors.handle(fd));
  return mode < 0 ? Filetype.UNKNOWN : filetypeOfMode(mode);
}

/** What a descriptor's kind and access allow, before narrowing. */
function rights(sandbox: Sandbox, fd: number, kind: number, type: number): number {
  const { descriptors, kernel } = sandbox;
  const access = descriptors.access(fd);
  const mutable = (access & Access.MUTABLE) !== 0;
  if (kind === Kind.DIRECTORY) {
    return mutable ? DIRECTORY_RIGHTS | DIRECTORY_CHANGE_RIGHTS : DIRECTORY_RIGHTS;
  }
  if (kind === Kind.LISTENER) return STREAM_RIGHTS | Rights.SOCK_ACCEPT;
  const file = kind === Kind.FILE;
  let mask = file ? FILE_RIGHTS : STREAM_RIGHTS;
  if ((access & Access.READ) !== 0) mask |= Rights.FD_READ;
  if ((access & Access.WRITE) !== 0) mask |= file ? WRITE_RIGHTS : Rights.FD_WRITE;
  if (file && mutable) mask |= CHANGE_RIGHTS;
  if (isSocket(kind)) mask |= Rights.SOCK_SHUTDOWN;
  const device = type === Filetype.CHARACTER_DEVICE;
  const seekable = device && kernel.isatty(descriptors.handle(fd)) !== 1;
  if (seekable || type === Filetype.REGULAR_FILE) mask |= POSITION_RIGHTS;
  return mask;
}

/**
 * What a listener's connections can do, and what can be done with what is in a directory. That
 * what is in a read-only one can be written is among it: libraries ask for no more than this, and
 * opening to write is to fail (ROFS), not to succeed for reading only.
 */
function inheritedRights(sandbox: Sandbox, fd: number, kind: number, base: number): number {
  if (kind === Kind.LISTENER) {
    return Rights.FD_READ | Rights.FD_WRITE | Rights.POLL_FD_READWRITE | Rights.SOCK_SHUTDOWN;
  }
  if (kind !== Kind.DIRECTORY) return 0;
  const mutable = (sandbox.descriptors.access(fd) & Access.MUTABLE) !== 0;
  const files = FILE_RIGHTS | Rights.FD_READ | WRITE_RIGHTS;
  return base | (mutable ? files | CHANGE_RIGHTS : files);
}

const closeRow = imported('fd_close', { fd: 'fd' }, (sandbox) => (fd: number) => {
  return wasiStatus(sandbox.closeDescriptor(fd));
});

const fdstatGetRow = imported(
  'fd_fdstat_get',
  { fd: 'fd', 'result.stat': 'ptr' },
  (sandbox) => (fd: number, result: number) => {
    const { memory, descriptors } = sandbox;
    const at = result >>> 0;
    if (!memory.fits(at, Fdstat.SIZE)) return Errno.FAULT;
    const kind = descriptors.kind(fd);
    if (kind === Kind.FREE) return Errno.BADF;
    const type = filetype(sandbox, fd, kind);
    const all = rights(sandbox, fd, kind, type);
    const base = all & descriptors.rightsMask(fd, false);
    const inherited = inheritedRights(sandbox, fd, kind, all);
    memory.bytes.fill(0, at, at + Fdstat.SIZE);
    Fdstat.filetype.set(memory.view, at, type);
    Fdstat.flags.set(memory.view, at, descriptors.fdflags(fd));
    Fdstat.rightsBase.set(memory.view, at, base, 0);
    const inheriting = inherited & descriptors.rightsMask(fd, true);
    Fdstat.rightsInheriting.set(memory.view, at, inheriting, 0);
    return Errno.SUCCESS;
  },
);

/** What is to be on disk before a write returns: said when a file is opened, and not changed. */
const SYNC_FLAGS = Fdflags.DSYNC | Fdflags.RSYNC | Fdflags.SYNC;

/** NONBLOCK is the guest's alone: kernel sockets never block, a terminal's flags stay (B34). */
const fdstatSetFlagsRow = imported(
  'fd_fdstat_set_flags',
  { fd: 'fd', flags: 'u32' },
  (sandbox) => (fd: number, flags: number) => {
    const { descriptors, kernel } = sandbox;
    if ((flags & ~Fdflags.ALL) !== 0) return Errno.INVAL;
    const kind = descriptors.kind(fd);
    if (kind === Kind.FREE) return Errno.BADF;
    const changed = flags ^ descriptors.fdflags(fd);
    // Linux changes them for no open file, and no stream of bytes can promise to be on disk.
    if ((changed & SYNC_FLAGS) !== 0) return Errno.NOTSUP;
    if (kind === Kind.FILE && (changed & Fdflags.APPEND) !== 0) {
      const append = (flags & Fdflags.APPEND) === 0 ? 0 : O_APPEND;
      const result = kernel.setfl(descriptors.handle(fd), append);
      if (result < 0) return wasiErrno(result);
    }
    descriptors.setFdflags(fd, flags);
    return Errno.SUCCESS;
  },
);

/** Whether a rights value names one that is not among `held`. */
function widens(asked: bigint, held: number): boolean {
  return (BigInt.asUintN(64, asked) & ~BigInt(held)) !== 0n;
}

/** Rights are reported, and no call looks at them; but they cannot be widened (design.md §3). */
const fdstatSetRightsRow = imported(
  'fd_fdstat_set_rights',
  { fd: 'fd', fs_rights_base: 'u64', fs_rights_inheriting: 'u64' },
  (sandbox) => (fd: number, base: bigint, inheriting: bigint) => {
    const { descriptors } = sandbox;
    const kind = descriptors.kind(fd);
    if (kind === Kind.FREE) return Errno.BADF;
    const all = rights(sandbox, fd, kind, filetype(sandbox, fd, kind));
    const inherited = inheritedRights(sandbox, fd, kind, all);
    if (widens(base, all & descriptors.rightsMask(fd, false))) return Errno.NOTCAPABLE;
    if (widens(inheriting, inherited & descriptors.rightsMask(fd, true))) return Errno.NOTCAPABLE;
    descriptors.narrowRights(fd, lowWord(base), lowWord(inheriting));
    return Errno.SUCCESS;
  },
);

/** Bytes of one system call on a file: between two of them a stop can take hold (B72). */
export const CALL_BYTES = 1 << 24;

/**
 * What is more than one system call is to move: piece by piece, until one is short. `move` moves a
 * piece that is `done` bytes after the first.
 */
export function transferPieces(
  { iovs }: GuestMemory,
  count: number,
  move: (offset: number, length: number, done: number) => number,
): number {
  let done = 0;
  for (let i = 0; i < 2 * count; i += 2) {
    for (let from = 0; from < iovs[i + 1];) {
      const length = Math.min(iovs[i + 1] - from, CALL_BYTES);
      const n = move(iovs[i] + from, length, done);
      if (n < 0) return done > 0 ? done : n;
      done += n;
      from += n;
      if (n < length) return done;
    }
  }
  return done;
}

/** Apart from its caller, where a closure would have its variables allocated at every call. */
function transferFilePieces(sandbox: Sandbox, handle: Handle, count: number, writing: boolean) {
  const { memory, kernel } = sandbox;
  const { span } = memory;
  return transferPieces(memory, count, (offset, length) =>
    writing
      ? kernel.write(handle, span, offset, length)
      : kernel.read(handle, span, offset, length),
  );
}

/** A file answers at once: one system call, however its descriptor is flagged. */
function transferFile(sandbox: Sandbox, handle: Handle, count: number, writing: boolean): number {
  const { memory, kernel } = sandbox;
  const { iovs, span } = memory;
  if (memory.iovecBytes(count) > CALL_BYTES) {
    return transferFilePieces(sandbox, handle, count, writing);
  }
  if (count === 1) {
    return writing
      ? kernel.write(handle, span, iovs[0], iovs[1])
      : kernel.read(handle, span, iovs[0], iovs[1]);
  }
  return writing
    ? kernel.writev(handle, span, iovs, count)
    : kernel.readv(handle, span, iovs, count);
}

/** What is neither free nor a file, a directory or a channel. */
function transferStream(
  sandbox: Sandbox,
  fd: number,
  kind: number,
  count: number,
  writing: boolean,
): number {
  if (!isSocket(kind)) return transferPlain(sandbox, fd, count, writing);
  return writing ? transmit(sandbox, fd, count, 0, false) : receive(sandbox, fd, count, 0, false);
}

function transfer(
  sandbox: Sandbox,
  writing: boolean,
  fd: number,
  data: number,
  len: number,
  result: number,
): number {
  const { memory, descriptors } = sandbox;
  const at = result >>> 0;
  if (!memory.fits(at, 4)) return Errno.FAULT;
  const count = memory.readIovecs(data >>> 0, len >>> 0);
  if (count < 0) return wasiErrno(count);
  const kind = descriptors.kind(fd);
  if (kind === Kind.FREE || kind === Kind.DIRECTORY) return Errno.BADF;
  // Its messages have a header, which only channel_send writes.
  if (kind === Kind.CHANNEL) return Errno.INVAL;
  const needed = writing ? Access.WRITE : Access.READ;
  if ((descriptors.access(fd) & needed) === 0) return Errno.BADF;
  const n =
    kind === Kind.FILE
      ? transferFile(sandbox, descriptors.handle(fd), count, writing)
      : transferStream(sandbox, fd, kind, count, writing);
  if (n < 0) return wasiErrno(n);
  memory.view.setUint32(at, n, true);
  return Errno.SUCCESS;
}

const readRow = imported(
  'fd_read',
  { fd: 'fd', iovs: 'ptr', iovs_len: 'size', 'result.size': '*u32' },
  (sandbox) => (fd: number, data: number, len: number, result: number) =>
    transfer(sandbox, false, fd, data, len, result),
);

const writeRow = imported(
  'fd_write',
  { fd: 'fd', iovs: 'ptr', iovs_len: 'size', 'result.size': '*u32' },
  (sandbox) => (fd: number, data: number, len: number, result: number) =>
    transfer(sandbox, true, fd, data, len, result),
);

const renumberRow = imported('fd_renumber', { from: 'fd', to: 'fd' }, (sandbox) => {
  const { descriptors, kernel } = sandbox;
  return (from: number, to: number) => {
    if (from === to) return descriptors.kind(from) === Kind.FREE ? Errno.BADF : Errno.SUCCESS;
    const replaced = descriptors.renumber(from, to);
    if (replaced === -LinuxErrno.BADF) return Errno.BADF;
    // As dup2(2) has it, which says nothing of how that went.
    kernel.close(replaced);
    return Errno.SUCCESS;
  };
});

export const FD_ROWS: readonly ImportRow[] = [
  closeRow,
  fdstatGetRow,
  fdstatSetFlagsRow,
  fdstatSetRightsRow,
  readRow,
  writeRow,
  renumberRow,
];
