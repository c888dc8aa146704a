/** Module `sandpoll`: `recv(2)` and `send(2)` in all their forms. */
import { MSG_CMSG_CLOEXEC, MSG_KNOWN, MSG_NOSIGNAL, Msghdr } from '../../abi/socket.js';
import { AF_UNSPEC } from '../../address.js';
import { Kind } from '../../descriptors.js';
import { Errno, LinuxErrno, wasiErrno } from '../../errno.js';
import { IOV_MAX } from '../../kernel/kernel.js';
import type { Sandbox } from '../../sandbox.js';
import { type ImportRow, imported } from '../call.js';
import {
  MSG_DONTWAIT,
  MSG_TRUNC,
  isSocket,
  keepsMessages,
  notSocket,
  permitSend,
  receive,
  transmit,
} from '../socket/transfer.js';
import { readSockaddr, sockaddrRoom, writeSockaddr } from './sockaddr.js';

/** Flags that mean nothing to a non-blocking stream: the short way is open to them. */
const PLAIN = MSG_DONTWAIT | MSG_NOSIGNAL;

/**
 * Receives into the first `count` iovecs. Returns the bytes that were there, which for a message
 * may be more than there is room for; the sender is in the sandbox's address if `named`, Linux's
 * msg_flags are in its `toldFlags` if `headed`.
 */
export function receiveMessage(
  sandbox: Sandbox,
  fd: number,
  count: number,
  flags: number,
  named: boolean,
  headed = false,
): number {
  if ((flags & ~MSG_KNOWN) !== 0) return -LinuxErrno.NOTSUP;
  const kind = sandbox.descriptors.kind(fd);
  if (!isSocket(kind)) return notSocket(kind);
  const told = flags | (keepsMessages(kind) ? MSG_TRUNC : 0);
  return receive(sandbox, fd, count, told, named, headed);
}

export function transmitMessage(
  sandbox: Sandbox,
  fd: number,
  count: number,
  flags: number,
  named: boolean,
): number {
  if ((flags & ~MSG_KNOWN) !== 0) return -LinuxErrno.NOTSUP;
  const kind = sandbox.descriptors.kind(fd);
  if (!isSocket(kind)) return notSocket(kind);
  const permitted = named ? permitSend(sandbox, fd) : 0;
  if (permitted < 0) return permitted;
  return transmit(sandbox, fd, count, flags, named);
}

/** One buffer as the only iovec: 1, or `-EFAULT`. */
export function single(sandbox: Sandbox, buf: number, len: number): number {
  const { memory } = sandbox;
  if (!memory.fits(buf, len)) return -LinuxErrno.FAULT;
  memory.iovs[0] = buf;
  memory.iovs[1] = len;
  return 1;
}

/**
 * The bytes that a caller of `recv(2)` hears of: of a message those it got, or all with MSG_TRUNC.
 * What a stream gave is told as it is: a unix stream's urgent byte counts as one even where there
 * is no room for it.
 */
function toldBytes(sandbox: Sandbox, fd: number, n: number, room: number, flags: number): number {
  const cut = (flags & MSG_TRUNC) === 0 && keepsMessages(sandbox.descriptors.seenKind(fd));
  return cut ? Math.min(n, room) : n;
}

/** `recvfrom(2)`; `addr` 0 asks for no address. */
function receiveFrom(
  sandbox: Sandbox,
  fd: number,
  buf: number,
  len: number,
  flags: number,
  addr: number,
  addrlen: number,
  size: number,
): number {
  const { memory } = sandbox;
  if (!memory.fits(size >>> 0, 4)) return Errno.FAULT;
  const count = single(sandbox, buf >>> 0, len >>> 0);
  if (count < 0) return wasiErrno(count);
  const room = addr === 0 ? 0 : sockaddrRoom(sandbox, addr >>> 0, addrlen >>> 0);
  if (room < 0) return wasiErrno(room);
  const n = receiveMessage(sandbox, fd, count, flags, addr !== 0);
  if (n < 0) return wasiErrno(n);
  if (addr !== 0) {
    const length = writeSockaddr(sandbox, addr >>> 0, room);
    memory.view.setUint32(addrlen >>> 0, length, true);
  }
  memory.view.setUint32(size >>> 0, toldBytes(sandbox, fd, n, len >>> 0, flags), true);
  return Errno.SUCCESS;
}

/** `sendto(2)`; without an address it is `send(2)`. */
function sendTo(
  sandbox: Sandbox,
  fd: number,
  buf: number,
  len: number,
  flags: number,
  addr: number,
  addrlen: number,
  size: number,
): number {
  const { memory } = sandbox;
  if (!memory.fits(size >>> 0, 4)) return Errno.FAULT;
  const count = single(sandbox, buf >>> 0, len >>> 0);
  if (count < 0) return wasiErrno(count);
  const named = addr !== 0 && addrlen !== 0;
  const family = named ? readSockaddr(sandbox, addr >>> 0, addrlen) : 0;
  if (family < 0) return wasiErrno(family);
  // A datagram socket of Linux takes AF_UNSPEC for AF_INET: an address that nobody judged.
  if (named && family === AF_UNSPEC) return Errno.AFNOSUPPORT;
  const n = transmitMessage(sandbox, fd, count, flags, named);
  if (n < 0) return wasiErrno(n);
  memory.view.setUint32(size >>> 0, n, true);
  return Errno.SUCCESS;
}

const recvRow = imported(
  'recv',
  { fd: 'fd', buf: 'ptr', len: 'size', flags: 'u32', 'result.size': '*u32' },
  (sandbox) => {
    const { descriptors, kernel } = sandbox;
    return (fd: number, buf: number, len: number, flags: number, size: number) => {
      const handle = (flags & ~PLAIN) === 0 ? descriptors.eager(fd, Kind.STREAM) : -1;
      if (handle < 0) return receiveFrom(sandbox, fd, buf, len, flags, 0, 0, size);
      const { memory } = sandbox;
      const sizeAt = size >>> 0;
      const at = buf >>> 0;
      const length = len >>> 0;
      if (!memory.fits(sizeAt, 4) || !memory.fits(at, length)) return Errno.FAULT;
      const n = kernel.recv(handle, memory.span, at, length, 0);
      if (n < 0) return wasiErrno(n);
      memory.view.setUint32(sizeAt, n, true);
      return Errno.SUCCESS;
    };
  },
);

const sendRow = imported(
  'send',
  { fd: 'fd', buf: 'ptr', len: 'size', flags: 'u32', 'result.size': '*u32' },
  (sandbox) => {
    const { descriptors, kernel } = sandbox;
    return (fd: number, buf: number, len: number, flags: number, size: number) => {
      const handle = (flags & ~PLAIN) === 0 ? descriptors.eager(fd, Kind.STREAM) : -1;
      if (handle < 0) return sendTo(sandbox, fd, buf, len, flags, 0, 0, size);
      const { memory } = sandbox;
      const sizeAt = size >>> 0;
      const at = buf >>> 0;
      const length = len >>> 0;
      if (!memory.fits(sizeAt, 4) || !memory.fits(at, length)) return Errno.FAULT;
      const n = kernel.send(handle, memory.span, at, length, 0);
      if (n < 0) return wasiErrno(n);
      memory.view.setUint32(sizeAt, n, true);
      return Errno.SUCCESS;
    };
  },
);

const recvfromRow = imported(
  'recvfrom',
  {
    fd: 'fd',
    buf: 'ptr',
    len: 'size',
    flags: 'u32',
    'result.addr': 'ptr',
    addrlen: 'ptr',
    'result.size': '*u32',
  },
  (sandbox) =>
    (
      fd: number,
      buf: number,
      len: number,
      flags: number,
      addr: number,
      addrlen: number,
      size: number,
    ) =>
      receiveFrom(sandbox, fd, buf, len, flags, addr, addrlen, size),
);

const sendtoRow = imported(
  'sendto',
  {
    fd: 'fd',
    buf: 'ptr',
    len: 'size',
    flags: 'u32',
    addr: 'ptr',
    addrlen: 'size',
    'result.size': '*u32',
  },
  (sandbox) =>
    (
      fd: number,
      buf: number,
      len: number,
      flags: number,
      addr: number,
      addrlen: number,
      size: number,
    ) =>
      sendTo(sandbox, fd, buf, len, flags, addr, addrlen, size),
);

/** The iovecs of a `msghdr`, read once: their number, or minus an errno of `recvmsg(2)`. */
function messageIovecs(sandbox: Sandbox, iov: number, iovlen: number): number {
  return iovlen > IOV_MAX ? -LinuxErrno.MSGSIZE : sandbox.memory.readIovecs(iov, iovlen);
}

/** Receives into the `msghdr` at `at`, which fits: bytes, or minus an errno of `recvmsg(2)`. */
export function receiveHeader(sandbox: Sandbox, fd: number, at: number, flags: number): number {
  const { memory } = sandbox;
  const name = Msghdr.name.get(memory.view, at);
  const iov = Msghdr.iov.get(memory.view, at);
  const count = messageIovecs(sandbox, iov, Msghdr.iovlen.get(memory.view, at));
  if (count < 0) return count;
  const lenAt = at + Msghdr.namelen.offset;
  const nameRoom = name === 0 ? 0 : sockaddrRoom(sandbox, name, lenAt);
  if (nameRoom < 0) return nameRoom;
  const room = memory.iovecBytes(count);
  const n = receiveMessage(sandbox, fd, count, flags, name !== 0, true);
  if (n < 0) return n;
  const { view } = memory;
  if (name !== 0) Msghdr.namelen.set(view, at, writeSockaddr(sandbox, name, nameRoom));
  Msghdr.controllen.set(view, at, 0);
  Msghdr.flags.set(view, at, sandbox.toldFlags[0] | (flags & MSG_CMSG_CLOEXEC));
  return toldBytes(sandbox, fd, n, room, flags);
}

/** `recvmsg(2)`. Control messages never come: `controllen` is 0, MSG_CTRUNC tells of some. */
const recvmsgRow = imported(
  'recvmsg',
  { fd: 'fd', msg: 'ptr', flags: 'u32', 'result.size': '*u32' },
  (sandbox) => (fd: number, msg: number, flags: number, size: number) => {
    const { memory } = sandbox;
    const at = msg >>> 0;
    if (!memory.fits(at, Msghdr.SIZE) || !memory.fits(size >>> 0, 4)) return Errno.FAULT;
    const n = receiveHeader(sandbox, fd, at, flags);
    if (n < 0) return wasiErrno(n);
    memory.view.setUint32(size >>> 0, n, true);
    return Errno.SUCCESS;
  },
);

/**
 * The address of the `msghdr` at `at`, read into the sandbox's: 1, 0 if it has none, or minus an
 * errno of `sendmsg(2)`. Control messages are EINVAL: descriptors travel by `channel_send`.
 */
export function readDestination(sandbox: Sandbox, at: number): number {
  const { view } = sandbox.memory;
  const name = Msghdr.name.get(view, at);
  const namelen = Msghdr.namelen.get(view, at);
  if (Msghdr.controllen.get(view, at) !== 0) return -LinuxErrno.INVAL;
  if (name === 0 || namelen === 0) return 0;
  const family = readSockaddr(sandbox, name, namelen);
  if (family < 0) return family;
  return family === AF_UNSPEC ? -LinuxErrno.AFNOSUPPORT : 1;
}

/** Sends the `msghdr` at `at`, which fits: bytes, or minus an errno of `sendmsg(2)`. */
export function transmitHeader(sandbox: Sandbox, fd: number, at: number, flags: number): number {
  const { view } = sandbox.memory;
  const iov = Msghdr.iov.get(view, at);
  const count = messageIovecs(sandbox, iov, Msghdr.iovlen.get(view, at));
  if (count < 0) return count;
  const named = readDestination(sandbox, at);
  if (named < 0) return named;
  return transmitMessage(sandbox, fd, count, flags, named === 1);
}

const sendmsgRow = imported(
  'sendmsg',
  { fd: 'fd', msg: 'ptr', flags: 'u32', 'result.size': '*u32' },
  (sandbox) => (fd: number, msg: number, flags: number, size: number) => {
    const { memory } = sandbox;
    const at = msg >>> 0;
    if (!memory.fits(at, Msghdr.SIZE) || !memory.fits(size >>> 0, 4)) return Errno.FAULT;
    const n = transmitHeader(sandbox, fd, at, flags);
    if (n < 0) return wasiErrno(n);
    memory.view.setUint32(size >>> 0, n, true);
    return Errno.SUCCESS;
  },
);

export const MESSAGE_ROWS: readonly ImportRow[] = [
  recvRow,
  sendRow,
  recvfromRow,
  sendtoRow,
  recvmsgRow,
  sendmsgRow,
];
