/**
 * `sock_getsockopt` and `sock_setsockopt` of the WasmEdge family: its own numbers at SOL_SOCKET
 * (level 0), Linux's at IPPROTO_TCP (level 6). What is not in the table does not pass.
 */
import { Linger, SockLevel, SockOpt, SockType, TCP_NODELAY, Timeval } from '../../abi/wasmedge.js';
import { Errno, wasiErrno, wasiStatus } from '../../errno.js';
import type { Handle, Kernel } from '../../kernel/kernel.js';
import type { Sandbox } from '../../sandbox.js';
import { type ImportRow, imported } from '../call.js';
import { isSocket, notSocket } from './transfer.js';

const SOL_SOCKET = 1;
const IPPROTO_TCP = 6;
const INT_BYTES = 4;
/** wasi-go's number for TCP_NODELAY; Linux has none of its own there. */
const TCP_NODELAY_WASI_GO = 15;

interface Option {
  /** The level and name in Linux's numbers. */
  readonly level: number;
  readonly name: number;
  /** Size of the value in bytes. */
  readonly size: number;
  readonly settable: boolean;
}

function option(name: number, settable = true, size = INT_BYTES): Option {
  return { level: SOL_SOCKET, name, size, settable };
}

/** SO_BINDTODEVICE is left out: it would carry a socket past the address rules (B44). */
const OPTIONS: ReadonlyMap<number, Option> = new Map([
  [SockOpt.REUSEADDR, option(2)],
  [SockOpt.TYPE, option(3, false)],
  [SockOpt.ERROR, option(4, false)],
  [SockOpt.DONTROUTE, option(5)],
  [SockOpt.BROADCAST, option(6)],
  [SockOpt.SNDBUF, option(7)],
  [SockOpt.RCVBUF, option(8)],
  [SockOpt.KEEPALIVE, option(9)],
  [SockOpt.OOBINLINE, option(10)],
  [SockOpt.LINGER, option(13, true, Linger.SIZE)],
  [SockOpt.RCVLOWAT, option(18)],
  [SockOpt.RCVTIMEO, option(20, true, Timeval.SIZE)],
  [SockOpt.SNDTIMEO, option(21, true, Timeval.SIZE)],
  [SockOpt.ACCEPTCONN, option(30, false)],
]);

function find(level: number, name: number): Option | undefined {
  if (level === SockLevel.SOL_SOCKET) return OPTIONS.get(name);
  const nodelayName = name === TCP_NODELAY || name === TCP_NODELAY_WASI_GO;
  if (level !== SockLevel.TCP || !nodelayName) return undefined;
  return { level: IPPROTO_TCP, name: TCP_NODELAY, size: INT_BYTES, settable: true };
}

const ONE = new Uint8Array([1, 0, 0, 0]);

/** Turns Nagle's delay off: what servers want, and what a guest may turn back on. */
export function nodelay(kernel: Kernel, handle: Handle): void {
  kernel.setsockopt(handle, IPPROTO_TCP, TCP_NODELAY, ONE, 0, INT_BYTES);
}

const isTimeout = (level: number, name: number): boolean =>
  level === SockLevel.SOL_SOCKET && (name === SockOpt.RCVTIMEO || name === SockOpt.SNDTIMEO);

const TIMEOUT_MAX_MS = 2 ** 31 - 1;

/** Milliseconds of a `struct timeval`, rounded up; −1 if it is not one (`socket(7)`). */
function timevalMs(view: DataView): number {
  const usec = Timeval.microseconds.lo(view, 0);
  if (Timeval.microseconds.hi(view, 0) !== 0 || usec >= 1_000_000) return -1;
  const high = Timeval.seconds.hi(view, 0);
  if (high >= 2 ** 31) return -1;
  const seconds = high * 2 ** 32 + Timeval.seconds.lo(view, 0);
  return Math.min(seconds * 1000 + Math.ceil(usec / 1000), TIMEOUT_MAX_MS);
}

/**
 * Time-outs live in the descriptor: kernel sockets never block, the host waits on their behalf.
 * Zero is none, as in `socket(7)`.
 */
function setTimeoutOption(sandbox: Sandbox, fd: number, name: number): number {
  const timeoutMs = timevalMs(new DataView(sandbox.option.buffer));
  if (timeoutMs < 0) return Errno.DOM;
  sandbox.descriptors.setTimeoutMs(fd, name === SockOpt.SNDTIMEO, timeoutMs);
  return Errno.SUCCESS;
}

function set(
  sandbox: Sandbox,
  fd: number,
  level: number,
  name: number,
  value: number,
  size: number,
): number {
  const { memory, descriptors, kernel } = sandbox;
  const at = value >>> 0;
  if (!memory.fits(at, size >>> 0)) return Errno.FAULT;
  const found = find(level, name);
  if (found !== undefined && size >>> 0 < found.size) return Errno.INVAL;
  const kind = descriptors.kind(fd);
  if (!isSocket(kind)) return wasiErrno(notSocket(kind));
  if (found === undefined || !found.settable) return Errno.NOPROTOOPT;
  const scratch = sandbox.option;
  scratch.set(memory.bytes.subarray(at, at + found.size));
  if (isTimeout(level, name)) return setTimeoutOption(sandbox, fd, name);
  // More than one byte of low-water mark makes readiness and FIONREAD disagree (E30).
  const int = new DataView(scratch.buffer).getInt32(0, true);
  if (level === SockLevel.SOL_SOCKET && name === SockOpt.RCVLOWAT && int > 1) return Errno.NOTSUP;
  const handle = descriptors.handle(fd);
  return wasiStatus(kernel.setsockopt(handle, found.level, found.name, scratch, 0, found.size));
}

/** Reads an option into the sandbox's scratch, in WASI's terms; its size, or minus an errno. */
function read(sandbox: Sandbox, fd: number, level: number, name: number, found: Option): number {
  const { descriptors, kernel, option: scratch } = sandbox;
  const view = new DataView(scratch.buffer);
  scratch.fill(0);
  if (isTimeout(level, name)) {
    const timeoutMs = descriptors.timeoutMs(fd, name === SockOpt.SNDTIMEO);
    Timeval.seconds.set(view, 0, Math.floor(timeoutMs / 1000), 0);
    Timeval.microseconds.set(view, 0, (timeoutMs % 1000) * 1000, 0);
    return found.size;
  }
  const handle = descriptors.handle(fd);
  const size = kernel.getsockopt(handle, found.level, found.name, scratch, 0, found.size);
  if (size < 0) return size;
  const int = view.getInt32(0, true);
  if (found.level === SOL_SOCKET && name === SockOpt.TYPE) {
    view.setInt32(0, int === 1 ? SockType.STREAM : SockType.DGRAM, true);
  } else if (found.level === SOL_SOCKET && name === SockOpt.ERROR) {
    view.setInt32(0, int === 0 ? 0 : wasiErrno(-int), true);
  }
  return size;
}

/** Below this a fifth argument of getsockopt is the length itself, as wasi-go's guests send it. */
const LENGTH_BY_VALUE_MAX = 255;

function get(
  sandbox: Sandbox,
  fd: number,
  level: number,
  name: number,
  value: number,
  sizeOrPointer: number,
): number {
  const { memory, descriptors } = sandbox;
  const sizeAt = sizeOrPointer >>> 0;
  const byValue = sizeAt <= LENGTH_BY_VALUE_MAX;
  if (!byValue && !memory.fits(sizeAt, 4)) return Errno.FAULT;
  const room = byValue ? sizeAt : memory.view.getUint32(sizeAt, true);
  const at = value >>> 0;
  if (!memory.fits(at, room)) return Errno.FAULT;
  const found = find(level, name);
  if (found !== undefined && room < found.size) return Errno.INVAL;
  const kind = descriptors.kind(fd);
  if (!isSocket(kind)) return wasiErrno(notSocket(kind));
  if (found === undefined) return Errno.NOPROTOOPT;
  const size = read(sandbox, fd, level, name, found);
  if (size < 0) return wasiErrno(size);
  memory.bytes.set(sandbox.option.subarray(0, size), at);
  if (!byValue) memory.view.setUint32(sizeAt, size, true);
  return Errno.SUCCESS;
}

export const SOCKOPT_ROWS: readonly ImportRow[] = [
  imported(
    'sock_getsockopt',
    { fd: 'fd', level: 'i32', name: 'i32', 'result.value': 'ptr', value_len: 'ptr' },
    (sandbox) => (fd: number, level: number, name: number, value: number, size: number) =>
      get(sandbox, fd, level, name, value, size),
  ),
  imported(
    'sock_setsockopt',
    { fd: 'fd', level: 'i32', name: 'i32', value: 'ptr', value_len: 'size' },
    (sandbox) => (fd: number, level: number, name: number, value: number, size: number) =>
      set(sandbox, fd, level, name, value, size),
  ),
];
