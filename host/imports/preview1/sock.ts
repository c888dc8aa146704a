/**
 * `wasi_snapshot_preview1` sock_*: accept, recv, send, shutdown. Servers on preopened listeners
 * need no more; the WasmEdge family adds sockets of the guest's own.
 */
import { Fdflags, Riflags, Roflags, Sdflags } from '../../abi/preview1.js';
import { Kind } from '../../descriptors.js';
import { Errno, wasiErrno } from '../../errno.js';
import type { Sandbox } from '../../sandbox.js';
import { type ImportRow, imported } from '../call.js';
import { acceptSocket } from '../socket/operations.js';
import {
  MSG_PEEK,
  MSG_TRUNC,
  MSG_WAITALL,
  isSocket,
  keepsMessages,
  notSocket,
  receive,
  transmit,
} from '../socket/transfer.js';

/** Linux's MSG_* for riflags. */
export function receiveFlags(riflags: number): number {
  return (
    ((riflags & Riflags.RECV_PEEK) !== 0 ? MSG_PEEK : 0) |
    ((riflags & Riflags.RECV_WAITALL) !== 0 ? MSG_WAITALL : 0)
  );
}

/** `sock_accept`, both shapes: `flags` is an fdflags, of which NONBLOCK means something. */
function sockAccept(sandbox: Sandbox, fd: number, flags: number, result: number): number {
  const { memory } = sandbox;
  const at = result >>> 0;
  if (!memory.fits(at, 4)) return Errno.FAULT;
  if ((flags & ~Fdflags.ALL) !== 0) return Errno.INVAL;
  const accepted = acceptSocket(sandbox, fd, flags & Fdflags.NONBLOCK);
  if (accepted < 0) return wasiErrno(accepted);
  memory.view.setUint32(at, accepted, true);
  return Errno.SUCCESS;
}

const sockAcceptRow = imported(
  'sock_accept',
  { fd: 'fd', flags: 'u32', 'result.fd': '*u32' },
  (sandbox) => (fd: number, flags: number, result: number) =>
    sockAccept(sandbox, fd, flags, result),
);

/** WasmEdge v1: no flags. */
const sockAcceptV1Row = imported(
  'sock_accept',
  { fd: 'fd', 'result.fd': '*u32' },
  (sandbox) => (fd: number, result: number) => sockAccept(sandbox, fd, 0, result),
);

/** Every case of `sock_recv` but the busiest. */
function receiveAny(
  sandbox: Sandbox,
  fd: number,
  data: number,
  len: number,
  riflags: number,
  sizeAt: number,
  roflagsAt: number,
): number {
  const { memory, descriptors } = sandbox;
  const count = memory.readIovecs(data >>> 0, len >>> 0);
  if (count < 0) return wasiErrno(count);
  if ((riflags & ~Riflags.ALL) !== 0) return Errno.INVAL;
  const kind = descriptors.kind(fd);
  if (!isSocket(kind)) return wasiErrno(notSocket(kind));
  const room = memory.iovecBytes(count);
  const flags = receiveFlags(riflags) | (keepsMessages(kind) ? MSG_TRUNC : 0);
  const n = receive(sandbox, fd, count, flags, false);
  if (n < 0) return wasiErrno(n);
  memory.view.setUint32(sizeAt, Math.min(n, room), true);
  memory.view.setUint16(roflagsAt, n > room ? Roflags.DATA_TRUNCATED : 0, true);
  return Errno.SUCCESS;
}

const sockRecvRow = imported(
  'sock_recv',
  {
    fd: 'fd',
    ri_data: 'ptr',
    ri_data_len: 'size',
    ri_flags: 'u32',
    'result.size': '*u32',
    'result.ro_flags': '*u16',
  },
  (sandbox) => {
    const { descriptors, kernel } = sandbox;
    return (
      fd: number,
      data: number,
      len: number,
      riflags: number,
      size: number,
      flags: number,
    ) => {
      const { memory } = sandbox;
      const sizeAt = size >>> 0;
      const roflagsAt = flags >>> 0;
      if (!memory.fits(sizeAt, 4) || !memory.fits(roflagsAt, 2)) return Errno.FAULT;
      const handle = len === 1 && riflags === 0 ? descriptors.eager(fd, Kind.STREAM) : -1;
      if (handle < 0) return receiveAny(sandbox, fd, data, len, riflags, sizeAt, roflagsAt);
      if (!memory.readIovec(data >>> 0)) return Errno.FAULT;
      const { iovs } = memory;
      const n = kernel.recv(handle, memory.span, iovs[0], iovs[1], 0);
      if (n < 0) return wasiErrno(n);
      memory.view.setUint32(sizeAt, n, true);
      memory.view.setUint16(roflagsAt, 0, true);
      return Errno.SUCCESS;
    };
  },
);

/** Every case of `sock_send` but the busiest. */
function sendAny(
  sandbox: Sandbox,
  fd: number,
  data: number,
  len: number,
  siflags: number,
  sizeAt: number,
): number {
  const { memory, descriptors } = sandbox;
  const count = memory.readIovecs(data >>> 0, len >>> 0);
  if (count < 0) return wasiErrno(count);
  if (siflags !== 0) return Errno.INVAL;
  const kind = descriptors.kind(fd);
  if (!isSocket(kind)) return wasiErrno(notSocket(kind));
  const n = transmit(sandbox, fd, count, 0, false);
  if (n < 0) return wasiErrno(n);
  memory.view.setUint32(sizeAt, n, true);
  return Errno.SUCCESS;
}

const sockSendRow = imported(
  'sock_send',
  { fd: 'fd', si_data: 'ptr', si_data_len: 'size', si_flags: 'u32', 'result.size': '*u32' },
  (sandbox) => {
    const { descriptors, kernel } = sandbox;
    return (fd: number, data: number, len: number, siflags: number, size: number) => {
      const { memory } = sandbox;
      const sizeAt = size >>> 0;
      if (!memory.fits(sizeAt, 4)) return Errno.FAULT;
      const handle = len === 1 && siflags === 0 ? descriptors.eager(fd, Kind.STREAM) : -1;
      if (handle < 0) return sendAny(sandbox, fd, data, len, siflags, sizeAt);
      if (!memory.readIovec(data >>> 0)) return Errno.FAULT;
      const { iovs } = memory;
      const n = kernel.send(handle, memory.span, iovs[0], iovs[1], 0);
      if (n < 0) return wasiErrno(n);
      memory.view.setUint32(sizeAt, n, true);
      return Errno.SUCCESS;
    };
  },
);

/** `shutdown(2)`; sdflags RD 1, WR 2 or both are Linux's SHUT_RD 0, SHUT_WR 1, SHUT_RDWR 2. */
const sockShutdownRow = imported('sock_shutdown', { fd: 'fd', how: 'u32' }, (sandbox) => {
  const { kernel, descriptors } = sandbox;
  return (fd: number, how: number) => {
    if (how === 0 || (how & ~Sdflags.ALL) !== 0) return Errno.INVAL;
    const kind = descriptors.kind(fd);
    if (!isSocket(kind)) return wasiErrno(notSocket(kind));
    const result = kernel.shutdown(descriptors.handle(fd), how - 1);
    return result < 0 ? wasiErrno(result) : Errno.SUCCESS;
  };
});

export const SOCK_ROWS: readonly ImportRow[] = [
  sockAcceptRow,
  sockAcceptV1Row,
  sockRecvRow,
  sockSendRow,
  sockShutdownRow,
];
