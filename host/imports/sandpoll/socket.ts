/** Module `sandpoll`: sockets as Linux has them, from `socket(2)` to `shutdown(2)`. */
import { SOCK_CLOEXEC, SOCK_NONBLOCK } from '../../abi/socket.js';
import { Fdflags } from '../../abi/preview1.js';
import { AF_INET, AF_INET6, AF_UNIX, AF_UNSPEC } from '../../address.js';
import { Access, Kind } from '../../descriptors.js';
import { Errno, LinuxErrno, wasiErrno, wasiStatus } from '../../errno.js';
import { limitBuffers } from '../../grants/buffers.js';
import type { Sandbox } from '../../sandbox.js';
import { type ImportRow, imported } from '../call.js';
import {
  SOCK_DGRAM,
  SOCK_SEQPACKET,
  SOCK_STREAM,
  acceptSocket,
  bindSocket,
  connectSocket,
  kindOfType,
  listenSocket,
  nameSocket,
  openSocket,
} from '../socket/operations.js';
import { IPPROTO_TCP, IPPROTO_UDP } from '../socket/options.js';
import { isSocket, notSocket } from '../socket/transfer.js';
import { openPair } from './open.js';
import { readSockaddr, sockaddrRoom, writeSockaddr } from './sockaddr.js';

const SOCK_FLAGS = SOCK_NONBLOCK | SOCK_CLOEXEC;

function fdflagsOf(flags: number): number {
  return (flags & SOCK_NONBLOCK) !== 0 ? Fdflags.NONBLOCK : 0;
}

/**
 * Whether such a socket may be made: 0, or minus an errno of `socket(2)`. Of protocols only those
 * that the judgement of addresses knows pass: MPTCP and SCTP would go other ways (B39).
 */
function checkSocket(domain: number, typeAndFlags: number, protocol: number): number {
  const type = typeAndFlags & ~SOCK_FLAGS;
  if (domain !== AF_UNIX && domain !== AF_INET && domain !== AF_INET6) {
    return -LinuxErrno.AFNOSUPPORT;
  }
  if (type !== SOCK_STREAM && type !== SOCK_DGRAM && type !== SOCK_SEQPACKET) {
    return type < 0 || type > 10 ? -LinuxErrno.INVAL : -LinuxErrno.PROTONOSUPPORT;
  }
  if (domain === AF_UNIX) return protocol === 0 ? 0 : -LinuxErrno.PROTONOSUPPORT;
  const natural = type === SOCK_STREAM ? IPPROTO_TCP : IPPROTO_UDP;
  const known = type !== SOCK_SEQPACKET && (protocol === 0 || protocol === natural);
  return known ? 0 : -LinuxErrno.PROTONOSUPPORT;
}

/** `socket(2)`: AF_UNIX, AF_INET or AF_INET6; stream, datagram, and for AF_UNIX seqpacket. */
const socketRow = imported(
  'socket',
  { domain: 'i32', type: 'i32', protocol: 'i32', 'result.fd': '*u32' },
  (sandbox) => (domain: number, type: number, protocol: number, result: number) => {
    const { memory } = sandbox;
    const at = result >>> 0;
    if (!memory.fits(at, 4)) return Errno.FAULT;
    const checked = checkSocket(domain, type, protocol);
    if (checked < 0) return wasiErrno(checked);
    const fd = openSocket(sandbox, domain, type & ~SOCK_FLAGS, protocol, fdflagsOf(type));
    if (fd < 0) return wasiErrno(fd);
    memory.view.setUint32(at, fd, true);
    return Errno.SUCCESS;
  },
);

/** `socketpair(2)` of AF_UNIX. It reaches nobody, and needs no grant. */
const socketpairRow = imported(
  'socketpair',
  { domain: 'i32', type: 'i32', protocol: 'i32', 'result.fds': 'ptr' },
  (sandbox) => (domain: number, type: number, protocol: number, result: number) => {
    const { memory, kernel } = sandbox;
    if (!memory.fits(result >>> 0, 8)) return Errno.FAULT;
    const checked = checkSocket(domain, type, protocol);
    if (checked < 0) return wasiErrno(checked);
    if (domain !== AF_UNIX) return Errno.NOTSUP;
    const plain = type & ~SOCK_FLAGS;
    const permitted = plain === SOCK_DGRAM ? 0 : sandbox.permitConnections(2);
    if (permitted < 0) return wasiErrno(permitted);
    const both = Access.READ | Access.WRITE;
    return openPair(
      sandbox,
      result,
      { kind: kindOfType(plain), fdflags: fdflagsOf(type), access: [both, both] },
      (handles) => {
        const made = kernel.socketpair(domain, plain, protocol, handles, 0);
        if (made < 0) return made;
        const pair = new Int32Array(handles.buffer, handles.byteOffset, 2);
        for (const handle of pair) limitBuffers(kernel, handle, sandbox.grants.limits);
        return made;
      },
    );
  },
);

/** `bind(2)`. AF_UNSPEC, which Linux takes for AF_INET, is no address here. */
const bindRow = imported(
  'bind',
  { fd: 'fd', addr: 'ptr', addrlen: 'size' },
  (sandbox) => (fd: number, addr: number, addrlen: number) => {
    const family = readSockaddr(sandbox, addr >>> 0, addrlen);
    if (family < 0) return wasiErrno(family);
    return family === AF_UNSPEC ? Errno.AFNOSUPPORT : wasiStatus(bindSocket(sandbox, fd));
  },
);

/**
 * `connect(2)` with AF_UNSPEC: a datagram socket has no peer any more. A stream would keep its
 * port and lose its address, and so come by a bind to every interface that nobody judged (B39).
 */
function dissolve(sandbox: Sandbox, fd: number): number {
  const { descriptors, kernel, address } = sandbox;
  const kind = descriptors.kind(fd);
  if (!isSocket(kind)) return notSocket(kind);
  if (kind !== Kind.DATAGRAM) return -LinuxErrno.AFNOSUPPORT;
  // With the peer goes the address that the kernel chose for it.
  descriptors.forgetBound(fd);
  return kernel.connect(descriptors.handle(fd), address);
}

/** `connect(2)`; EINPROGRESS while a non-blocking one is under way, and SO_ERROR tells its end. */
const connectRow = imported(
  'connect',
  { fd: 'fd', addr: 'ptr', addrlen: 'size' },
  (sandbox) => (fd: number, addr: number, addrlen: number) => {
    const family = readSockaddr(sandbox, addr >>> 0, addrlen);
    if (family < 0) return wasiErrno(family);
    const done = family === AF_UNSPEC ? dissolve(sandbox, fd) : connectSocket(sandbox, fd);
    return wasiStatus(done);
  },
);

const listenRow = imported(
  'listen',
  { fd: 'fd', backlog: 'i32' },
  (sandbox) => (fd: number, backlog: number) => wasiStatus(listenSocket(sandbox, fd, backlog)),
);

/** `accept4(2)`; `addr` 0 asks for no address. Every pointer is checked before (B95). */
const acceptRow = imported(
  'accept4',
  { fd: 'fd', 'result.addr': 'ptr', addrlen: 'ptr', flags: 'u32', 'result.fd': '*u32' },
  (sandbox) => (fd: number, addr: number, addrlen: number, flags: number, result: number) => {
    const { memory } = sandbox;
    const at = result >>> 0;
    if (!memory.fits(at, 4)) return Errno.FAULT;
    const room = addr === 0 ? 0 : sockaddrRoom(sandbox, addr >>> 0, addrlen >>> 0);
    if (room < 0) return wasiErrno(room);
    if ((flags & ~SOCK_FLAGS) !== 0) return Errno.INVAL;
    const accepted = acceptSocket(sandbox, fd, fdflagsOf(flags));
    if (accepted < 0) return wasiErrno(accepted);
    if (addr !== 0) {
      const length = writeSockaddr(sandbox, addr >>> 0, room);
      memory.view.setUint32(addrlen >>> 0, length, true);
    }
    memory.view.setUint32(at, accepted, true);
    return Errno.SUCCESS;
  },
);

function nameRow(name: string, peer: boolean): ImportRow {
  return imported(
    name,
    { fd: 'fd', 'result.addr': 'ptr', addrlen: 'ptr' },
    (sandbox) => (fd: number, addr: number, addrlen: number) => {
      const room = sockaddrRoom(sandbox, addr >>> 0, addrlen >>> 0);
      if (room < 0) return wasiErrno(room);
      const named = nameSocket(sandbox, fd, peer);
      if (named < 0) return wasiErrno(named);
      const length = writeSockaddr(sandbox, addr >>> 0, room);
      sandbox.memory.view.setUint32(addrlen >>> 0, length, true);
      return Errno.SUCCESS;
    },
  );
}

/** `shutdown(2)`: SHUT_RD 0, SHUT_WR 1, SHUT_RDWR 2. */
const shutdownRow = imported(
  'shutdown',
  { fd: 'fd', how: 'i32' },
  (sandbox) => (fd: number, how: number) => {
    const { descriptors, kernel } = sandbox;
    const kind = descriptors.kind(fd);
    if (!isSocket(kind)) return wasiErrno(notSocket(kind));
    return wasiStatus(kernel.shutdown(descriptors.handle(fd), how));
  },
);

export const SOCKET_ROWS: readonly ImportRow[] = [
  socketRow,
  socketpairRow,
  bindRow,
  connectRow,
  listenRow,
  acceptRow,
  nameRow('getsockname', false),
  nameRow('getpeername', true),
  shutdownRow,
];
