/**
 * `wasi_snapshot_preview1` fd_*, as far as it is about what is on disk: positions, sizes, times.
 * A directory has none of the former two: BADF, as for a number that is not open; what is neither
 * has no position either, and answers SPIPE.
 */
import { AT_EMPTY_PATH, Filestat, writeFilestat, writeTimes } from '../../abi/files.js';
import { highWord, lowWord } from '../../abi/layout.js';
import { Advice, Filetype, Whence } from '../../abi/preview1.js';
import { Access, Kind } from '../../descriptors.js';
import { Errno, LinuxErrno, wasiErrno, wasiStatus } from '../../errno.js';
import type { Handle, Kernel } from '../../kernel/kernel.js';
import type { Sandbox } from '../../sandbox.js';
import { type ImportRow, imported } from '../call.js';
import { CALL_BYTES, filetype, transferPieces } from './fd.js';
import { refuseChange } from './path.js';

/** Linux's advice for each of WASI's, which has SEQUENTIAL before RANDOM. */
const LINUX_ADVICE = [0, 2, 1, 3, 4, 5];

/** The handle of a file, or `-EBADF`, `-ESPIPE`. */
function fileHandle(sandbox: Sandbox, fd: number): Handle {
  const kind = sandbox.descriptors.kind(fd);
  if (kind === Kind.FILE) return sandbox.descriptors.handle(fd);
  return kind === Kind.FREE || kind === Kind.DIRECTORY ? -LinuxErrno.BADF : -LinuxErrno.SPIPE;
}

/** `fileHandle` of what has a position: also a standard stream that is a file of the host's. */
function positionedHandle(sandbox: Sandbox, fd: number): Handle {
  const handle = fileHandle(sandbox, fd);
  if (handle !== -LinuxErrno.SPIPE || sandbox.descriptors.seenKind(fd) !== Kind.STDIO)
    return handle;
  const file = filetype(sandbox, fd, Kind.STDIO) === Filetype.REGULAR_FILE;
  return file ? sandbox.descriptors.handle(fd) : handle;
}

/** One system call for one buffer at a position: bytes, or minus a Linux errno. */
function moveOne(
  { memory, kernel }: Sandbox,
  writing: boolean,
  handle: Handle,
  from: number,
  length: number,
  offset: bigint,
): number {
  const lo = lowWord(offset);
  const hi = highWord(offset);
  return writing
    ? kernel.pwrite(handle, memory.span, from, length, lo, hi)
    : kernel.pread(handle, memory.span, from, length, lo, hi);
}

/** Apart from its caller, where a closure would have its variables allocated at every call. */
function movePieces(
  sandbox: Sandbox,
  writing: boolean,
  handle: Handle,
  count: number,
  offset: bigint,
): number {
  return transferPieces(sandbox.memory, count, (from, length, done) =>
    moveOne(sandbox, writing, handle, from, length, offset + BigInt(done)),
  );
}

/** Moves all that `readIovecs` has read, by one system call where it is not too much for one. */
function moveAll(
  sandbox: Sandbox,
  writing: boolean,
  handle: Handle,
  count: number,
  offset: bigint,
): number {
  const { memory, kernel } = sandbox;
  const { iovs, span } = memory;
  if (memory.iovecBytes(count) > CALL_BYTES) {
    return movePieces(sandbox, writing, handle, count, offset);
  }
  if (count === 1) return moveOne(sandbox, writing, handle, iovs[0], iovs[1], offset);
  const lo = lowWord(offset);
  const hi = highWord(offset);
  return writing
    ? kernel.pwritev(handle, span, iovs, count, lo, hi)
    : kernel.preadv(handle, span, iovs, count, lo, hi);
}

function transferAt(
  sandbox: Sandbox,
  writing: boolean,
  fd: number,
  data: number,
  len: number,
  offset: bigint,
  result: number,
): number {
  const { memory, descriptors } = sandbox;
  const at = result >>> 0;
  if (!memory.fits(at, 4)) return Errno.FAULT;
  const count = memory.readIovecs(data >>> 0, len >>> 0);
  if (count < 0) return wasiErrno(count);
  if (highWord(offset) < 0) return Errno.INVAL;
  const handle = positionedHandle(sandbox, fd);
  if (handle < 0) return wasiErrno(handle);
  const needed = writing ? Access.WRITE : Access.READ;
  if ((descriptors.access(fd) & needed) === 0) return Errno.BADF;
  const n = moveAll(sandbox, writing, handle, count, offset);
  if (n < 0) return wasiErrno(n);
  memory.view.setUint32(at, n, true);
  return Errno.SUCCESS;
}

const POSITIONED = {
  fd: 'fd',
  iovs: 'ptr',
  iovs_len: 'size',
  offset: 'u64',
  'result.size': '*u32',
} as const;

const preadRow = imported(
  'fd_pread',
  POSITIONED,
  (sandbox) => (fd: number, data: number, len: number, offset: bigint, result: number) =>
    transferAt(sandbox, false, fd, data, len, offset, result),
);

const pwriteRow = imported(
  'fd_pwrite',
  POSITIONED,
  (sandbox) => (fd: number, data: number, len: number, offset: bigint, result: number) =>
    transferAt(sandbox, true, fd, data, len, offset, result),
);

function seek(
  sandbox: Sandbox,
  fd: number,
  offset: bigint,
  whence: number,
  result: number,
): number {
  const { memory, kernel } = sandbox;
  const at = result >>> 0;
  if (!memory.fits(at, 8)) return Errno.FAULT;
  if (whence >>> 0 > Whence.END) return Errno.INVAL;
  const handle = positionedHandle(sandbox, fd);
  if (handle < 0) return wasiErrno(handle);
  const { span } = memory;
  return wasiStatus(kernel.lseek(handle, lowWord(offset), highWord(offset), whence, span, at));
}

/** WASI's `whence` are Linux's. */
export const seekRow = imported(
  'fd_seek',
  { fd: 'fd', offset: 'i64', whence: 'u32', 'result.newoffset': '*u64' },
  (sandbox) => (fd: number, offset: bigint, whence: number, result: number) =>
    seek(sandbox, fd, offset, whence, result),
);

const tellRow = imported(
  'fd_tell',
  { fd: 'fd', 'result.offset': '*u64' },
  (sandbox) => (fd: number, result: number) => seek(sandbox, fd, 0n, Whence.CUR, result),
);

const adviseRow = imported(
  'fd_advise',
  { fd: 'fd', offset: 'u64', len: 'u64', advice: 'u32' },
  (sandbox) => (fd: number, offset: bigint, len: bigint, advice: number) => {
    if (offset < 0n || len < 0n || advice >>> 0 > Advice.NOREUSE) return Errno.INVAL;
    const handle = fileHandle(sandbox, fd);
    if (handle < 0) return wasiErrno(handle);
    return wasiStatus(
      sandbox.kernel.fadvise(
        handle,
        lowWord(offset),
        highWord(offset),
        lowWord(len),
        highWord(len),
        LINUX_ADVICE[advice],
      ),
    );
  },
);

const allocateRow = imported(
  'fd_allocate',
  { fd: 'fd', offset: 'u64', len: 'u64' },
  (sandbox) => (fd: number, offset: bigint, len: bigint) => {
    const { descriptors, kernel } = sandbox;
    const handle = fileHandle(sandbox, fd);
    if (handle < 0) return wasiErrno(handle);
    // After the descriptor, as in Linux: of a directory no size is asked, suites say.
    if (offset < 0n || len <= 0n) return Errno.INVAL;
    const access = descriptors.access(fd);
    if ((access & Access.MUTABLE) === 0) return refuseChange(sandbox, fd);
    if ((access & Access.WRITE) === 0) return Errno.BADF;
    const [offsetLo, offsetHi] = [lowWord(offset), highWord(offset)];
    return wasiStatus(kernel.fallocate(handle, offsetLo, offsetHi, lowWord(len), highWord(len)));
  },
);

/** As `ftruncate(2)`: INVAL for what has no size, and for a file that was not opened to write. */
const setSizeRow = imported(
  'fd_filestat_set_size',
  { fd: 'fd', size: 'u64' },
  (sandbox) => (fd: number, size: bigint) => {
    const { descriptors, kernel } = sandbox;
    if (size < 0n) return Errno.INVAL;
    const handle = fileHandle(sandbox, fd);
    if (handle < 0) return handle === -LinuxErrno.SPIPE ? Errno.INVAL : wasiErrno(handle);
    const access = descriptors.access(fd);
    if ((access & Access.MUTABLE) === 0) return refuseChange(sandbox, fd);
    if ((access & Access.WRITE) === 0) return Errno.INVAL;
    return wasiStatus(kernel.ftruncate(handle, lowWord(size), highWord(size)));
  },
);

/** The row of a version whose filestat has `size` bytes, and is written by `write`. */
export function fdFilestatGetRow(size: number, write: typeof writeFilestat): ImportRow {
  return imported(
    'fd_filestat_get',
    { fd: 'fd', 'result.buf': 'ptr' },
    (sandbox) => (fd: number, result: number) => {
      const { memory, descriptors, kernel, status } = sandbox;
      const at = result >>> 0;
      if (!memory.fits(at, size)) return Errno.FAULT;
      const kind = descriptors.kind(fd);
      if (kind === Kind.FREE) return Errno.BADF;
      const handle = descriptors.handle(fd);
      const mode = kernel.statx(handle, memory.span, 0, 0, AT_EMPTY_PATH, status);
      if (mode < 0) return wasiErrno(mode);
      write(memory.view, at, sandbox.statusView);
      // Of a socket the mode says less than the kind.
      if (kind !== Kind.FILE && kind !== Kind.DIRECTORY) {
        Filestat.filetype.set(memory.view, at, filetype(sandbox, fd, kind));
      }
      return Errno.SUCCESS;
    },
  );
}

/** A file's times may be set by whoever may change it, however it was opened. */
const setTimesRow = imported(
  'fd_filestat_set_times',
  { fd: 'fd', atim: 'u64', mtim: 'u64', fst_flags: 'u32' },
  (sandbox) => (fd: number, atim: bigint, mtim: bigint, fstflags: number) => {
    const { memory, descriptors, kernel, times } = sandbox;
    const written = writeTimes(sandbox.timesView, atim, mtim, fstflags);
    if (written < 0) return wasiErrno(written);
    const kind = descriptors.kind(fd);
    if (kind === Kind.FREE) return Errno.BADF;
    if ((descriptors.access(fd) & Access.MUTABLE) === 0) {
      const onDisk = kind === Kind.FILE || kind === Kind.DIRECTORY;
      return onDisk ? refuseChange(sandbox, fd) : Errno.INVAL;
    }
    const handle = descriptors.handle(fd);
    return wasiStatus(kernel.utimensat(handle, memory.span, 0, 0, AT_EMPTY_PATH, times));
  },
);

/** What cannot be synchronised answers INVAL, as in Linux. */
function syncRow(name: string, sync: (kernel: Kernel, handle: Handle) => number): ImportRow {
  return imported(name, { fd: 'fd' }, ({ descriptors, kernel }) => (fd: number) => {
    if (descriptors.kind(fd) === Kind.FREE) return Errno.BADF;
    return wasiStatus(sync(kernel, descriptors.handle(fd)));
  });
}

export const FILE_ROWS: readonly ImportRow[] = [
  adviseRow,
  allocateRow,
  syncRow('fd_datasync', (kernel, handle) => kernel.fdatasync(handle)),
  fdFilestatGetRow(Filestat.SIZE, writeFilestat),
  setSizeRow,
  setTimesRow,
  preadRow,
  pwriteRow,
  seekRow,
  syncRow('fd_sync', (kernel, handle) => kernel.fsync(handle)),
  tellRow,
];
