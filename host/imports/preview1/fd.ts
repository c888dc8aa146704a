/**
 * `wasi_snapshot_preview1` fd_*, as far as stdio, sockets and epoll descriptors need them. What
 * only files have is in `pending.ts` until there are files.
 */
import { Fdflags, Fdstat, Filetype, Rights } from '../../abi/preview1.js';
import { Access, Kind } from '../../descriptors.js';
import { Errno, LinuxErrno, wasiErrno, wasiStatus } from '../../errno.js';
import type { Sandbox } from '../../sandbox.js';
import { type ImportRow, imported } from '../call.js';
import { isSocket, receive, transferPlain, transmit } from '../socket/transfer.js';

const S_IFMT = 0o170000;
const FILETYPE_OF_MODE: ReadonlyMap<number, number> = new Map([
  [0o020000, Filetype.CHARACTER_DEVICE],
  [0o040000, Filetype.DIRECTORY],
  [0o060000, Filetype.BLOCK_DEVICE],
  [0o100000, Filetype.REGULAR_FILE],
  [0o140000, Filetype.SOCKET_STREAM],
]);

/** FD_SEEK and FD_TELL: by them wasi-libc tells a character device from a terminal. */
const RIGHTS_SEEK = (1 << 2) | (1 << 5);

function filetype(sandbox: Sandbox, fd: number, kind: number): number {
  if (kind === Kind.DATAGRAM) return Filetype.SOCKET_DGRAM;
  if (kind === Kind.STREAM || kind === Kind.LISTENER) return Filetype.SOCKET_STREAM;
  if (kind !== Kind.STDIO) return Filetype.UNKNOWN;
  const mode = sandbox.kernel.fstat(sandbox.descriptors.handle(fd));
  return mode < 0 ? Filetype.UNKNOWN : (FILETYPE_OF_MODE.get(mode & S_IFMT) ?? Filetype.UNKNOWN);
}

/** What a descriptor's kind and access allow, before narrowing. */
function rights(sandbox: Sandbox, fd: number, kind: number, type: number): number {
  const { descriptors, kernel } = sandbox;
  const access = descriptors.access(fd);
  let mask = Rights.POLL_FD_READWRITE | Rights.FD_FDSTAT_SET_FLAGS | Rights.FD_FILESTAT_GET;
  if (kind === Kind.LISTENER) return mask | Rights.SOCK_ACCEPT;
  if ((access & Access.READ) !== 0) mask |= Rights.FD_READ;
  if ((access & Access.WRITE) !== 0) mask |= Rights.FD_WRITE;
  if (isSocket(kind)) mask |= Rights.SOCK_SHUTDOWN;
  const device = type === Filetype.CHARACTER_DEVICE;
  if (device && kernel.isatty(descriptors.handle(fd)) !== 1) mask |= RIGHTS_SEEK;
  return mask;
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
    const base = rights(sandbox, fd, kind, type) & descriptors.rightsMask(fd, false);
    // A listener hands on what its connections can do.
    const handed =
      kind === Kind.LISTENER
        ? Rights.FD_READ | Rights.FD_WRITE | Rights.POLL_FD_READWRITE | Rights.SOCK_SHUTDOWN
        : 0;
    memory.bytes.fill(0, at, at + Fdstat.SIZE);
    Fdstat.filetype.set(memory.view, at, type);
    Fdstat.flags.set(memory.view, at, descriptors.fdflags(fd));
    Fdstat.rightsBase.set(memory.view, at, base, 0);
    const inheriting = handed & descriptors.rightsMask(fd, true);
    Fdstat.rightsInheriting.set(memory.view, at, inheriting, 0);
    return Errno.SUCCESS;
  },
);

/** NONBLOCK is the guest's alone: kernel sockets never block, a terminal's flags stay (B34). */
const fdstatSetFlagsRow = imported(
  'fd_fdstat_set_flags',
  { fd: 'fd', flags: 'u32' },
  (sandbox) => (fd: number, flags: number) => {
    const { descriptors } = sandbox;
    if ((flags & ~Fdflags.ALL) !== 0) return Errno.INVAL;
    if (descriptors.kind(fd) === Kind.FREE) return Errno.BADF;
    // No stream of bytes can promise to be on disk.
    if ((flags & (Fdflags.DSYNC | Fdflags.RSYNC | Fdflags.SYNC)) !== 0) return Errno.NOTSUP;
    descriptors.setFdflags(fd, flags);
    return Errno.SUCCESS;
  },
);

/** The low 32 bits of an i64, signed: where all rights are. */
function lowWord(value: bigint): number {
  return Number(BigInt.asIntN(32, value));
}

const fdstatSetRightsRow = imported(
  'fd_fdstat_set_rights',
  { fd: 'fd', fs_rights_base: 'u64', fs_rights_inheriting: 'u64' },
  (sandbox) => (fd: number, base: bigint, inheriting: bigint) => {
    const { descriptors } = sandbox;
    const kind = descriptors.kind(fd);
    if (kind === Kind.FREE) return Errno.BADF;
    const all = BigInt(rights(sandbox, fd, kind, filetype(sandbox, fd, kind)));
    const held = all & BigInt.asUintN(32, BigInt(descriptors.rightsMask(fd, false)));
    // Rights are reported, never enforced; but they cannot be widened.
    if ((BigInt.asUintN(64, base) & ~held) !== 0n) return Errno.NOTCAPABLE;
    descriptors.narrowRights(fd, lowWord(base), lowWord(inheriting));
    return Errno.SUCCESS;
  },
);

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
  if (kind === Kind.FREE) return Errno.BADF;
  // Its messages have a header, which only channel_send writes.
  if (kind === Kind.CHANNEL) return Errno.INVAL;
  const needed = writing ? Access.WRITE : Access.READ;
  if ((descriptors.access(fd) & needed) === 0) return Errno.BADF;
  let n;
  if (!isSocket(kind)) n = transferPlain(sandbox, fd, count, writing);
  else if (writing) n = transmit(sandbox, fd, count, 0, false);
  else n = receive(sandbox, fd, count, 0, false);
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
    return wasiStatus(replaced < 0 ? replaced : kernel.close(replaced));
  };
});

/** No directories yet: libc's scan for preopens ends at the first BADF. */
const prestatGetRow = imported(
  'fd_prestat_get',
  { fd: 'fd', 'result.prestat': 'ptr' },
  () => () => Errno.BADF,
);

const prestatDirNameRow = imported(
  'fd_prestat_dir_name',
  { fd: 'fd', path: 'ptr', path_len: 'size' },
  () => () => Errno.BADF,
);

/** Stdio, sockets and event descriptors have no position: ESPIPE, as `lseek(2)` has it. */
function unseekable(sandbox: Sandbox, fd: number, result: number): number {
  if (!sandbox.memory.fits(result >>> 0, 8)) return Errno.FAULT;
  const free = sandbox.descriptors.kind(fd) === Kind.FREE;
  return wasiErrno(free ? -LinuxErrno.BADF : -LinuxErrno.SPIPE);
}

const seekRow = imported(
  'fd_seek',
  { fd: 'fd', offset: 'i64', whence: 'u32', 'result.newoffset': '*u64' },
  (sandbox) => (fd: number, _offset: bigint, _whence: number, result: number) =>
    unseekable(sandbox, fd, result),
);

const tellRow = imported(
  'fd_tell',
  { fd: 'fd', 'result.offset': '*u64' },
  (sandbox) => (fd: number, result: number) => unseekable(sandbox, fd, result),
);

export const FD_ROWS: readonly ImportRow[] = [
  closeRow,
  fdstatGetRow,
  fdstatSetFlagsRow,
  fdstatSetRightsRow,
  readRow,
  writeRow,
  renumberRow,
  prestatGetRow,
  prestatDirNameRow,
  seekRow,
  tellRow,
];
