/**
 * `sock_getsockopt` and `sock_setsockopt` of the WasmEdge family: its own numbers at SOL_SOCKET
 * (level 0), Linux's at Linux's levels (1, 6, 17, 41).
 */
import { TCP_NODELAY } from '../../abi/socket.js';
import { SockLevel, SockOpt, SockType } from '../../abi/wasmedge.js';
import { Errno, wasiErrno, wasiStatus } from '../../errno.js';
import type { Sandbox } from '../../sandbox.js';
import { type ImportRow, imported } from '../call.js';
import {
  IPPROTO_TCP,
  SOL_SOCKET,
  type SocketOption,
  findOption,
  readOption,
  setOption,
} from '../socket/options.js';
import { isSocket, notSocket } from '../socket/transfer.js';

/** wasi-go's number for TCP_NODELAY; Linux has none of its own there. */
const TCP_NODELAY_WASI_GO = 15;

/** Linux's names for WasmEdge's. BINDTODEVICE has one too, and does not pass (B44). */
const LINUX_NAMES: ReadonlyMap<number, number> = new Map([
  [SockOpt.REUSEADDR, 2],
  [SockOpt.TYPE, 3],
  [SockOpt.ERROR, 4],
  [SockOpt.DONTROUTE, 5],
  [SockOpt.BROADCAST, 6],
  [SockOpt.SNDBUF, 7],
  [SockOpt.RCVBUF, 8],
  [SockOpt.KEEPALIVE, 9],
  [SockOpt.OOBINLINE, 10],
  [SockOpt.LINGER, 13],
  [SockOpt.RCVLOWAT, 18],
  [SockOpt.RCVTIMEO, 20],
  [SockOpt.SNDTIMEO, 21],
  [SockOpt.ACCEPTCONN, 30],
]);

function find(level: number, name: number): SocketOption | undefined {
  if (level === SockLevel.SOL_SOCKET) {
    const linux = LINUX_NAMES.get(name);
    return linux === undefined ? undefined : findOption(SOL_SOCKET, linux);
  }
  const wasiGo = level === IPPROTO_TCP && name === TCP_NODELAY_WASI_GO;
  return findOption(level, wasiGo ? TCP_NODELAY : name);
}

function set(
  sandbox: Sandbox,
  fd: number,
  level: number,
  name: number,
  value: number,
  size: number,
): number {
  const { memory, descriptors } = sandbox;
  const at = value >>> 0;
  if (!memory.fits(at, size >>> 0)) return Errno.FAULT;
  const found = find(level, name);
  if (found !== undefined && size >>> 0 < found.sizeMin) return Errno.INVAL;
  const kind = descriptors.kind(fd);
  if (!isSocket(kind)) return wasiErrno(notSocket(kind));
  if (found === undefined) return Errno.NOPROTOOPT;
  return wasiStatus(setOption(sandbox, fd, found, at, size >>> 0));
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
  const { memory, descriptors, option } = sandbox;
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
  const size = readOption(sandbox, fd, found, room);
  if (size < 0) return wasiErrno(size);
  if (level === SockLevel.SOL_SOCKET && name === SockOpt.TYPE) {
    option[0] = option[0] === 1 ? SockType.STREAM : SockType.DGRAM;
  }
  memory.bytes.set(option.subarray(0, size), at);
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
