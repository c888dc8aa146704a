/**
 * What a guest does with a socket, for every family of imports that offers it. Addresses come and
 * go in the sandbox's `address`, and are judged there, as the bytes that the kernel will see.
 * Results are `>= 0`, or minus a Linux errno.
 */
import { EPOLLIN, EPOLLOUT } from '../../abi/epoll.js';
import { AF_UNIX, sockaddrFamily, sockaddrPort } from '../../address.js';
import { Access, Kind } from '../../descriptors.js';
import { LinuxErrno } from '../../errno.js';
import { limitBuffers } from '../../grants/buffers.js';
import type { Handle } from '../../kernel/kernel.js';
import type { Sandbox } from '../../sandbox.js';
import { disableNagle, socketType } from './options.js';
import { isSocket, notSocket } from './transfer.js';

export const SOCK_STREAM = 1;
export const SOCK_DGRAM = 2;
export const SOCK_SEQPACKET = 5;

const KIND_OF_TYPE: Readonly<Record<number, number>> = {
  [SOCK_STREAM]: Kind.STREAM,
  [SOCK_DGRAM]: Kind.DATAGRAM,
  [SOCK_SEQPACKET]: Kind.SEQPACKET,
};

/** The kind of a connected or new socket of this type (`socket(2)`). */
export function kindOfType(type: number): number {
  return KIND_OF_TYPE[type] ?? Kind.STREAM;
}

/** `socket(2)` of a domain, type and protocol that the caller has found good; its descriptor. */
export function openSocket(
  sandbox: Sandbox,
  domain: number,
  type: number,
  protocol: number,
  fdflags: number,
): number {
  const { descriptors, kernel } = sandbox;
  const permitted = type === SOCK_DGRAM ? 0 : sandbox.permitConnections(1);
  if (permitted < 0) return permitted;
  const claimed = sandbox.claimDescriptor();
  if (claimed < 0) return claimed;
  const handle = kernel.socket(domain, type, protocol);
  if (handle < 0) {
    descriptors.abandon(claimed);
    // A process of its own that has no grant for any refuses the call itself.
    if (handle !== -LinuxErrno.ACCES) return handle;
    return sandbox.deny('denied: a socket of its own; grant it with --allow-net=RULE');
  }
  // Accepted sockets inherit it from their listener: no call for each connection.
  if (type === SOCK_STREAM && domain !== AF_UNIX) disableNagle(kernel, handle);
  limitBuffers(kernel, handle, sandbox.grants.limits);
  descriptors.open(claimed, handle, kindOfType(type), Access.READ | Access.WRITE, fdflags);
  return claimed;
}

/** `bind(2)`. */
export function bindSocket(sandbox: Sandbox, fd: number): number {
  const { descriptors, kernel } = sandbox;
  const kind = descriptors.kind(fd);
  if (!isSocket(kind)) return notSocket(kind);
  const permitted = sandbox.permit('bind', kind);
  return permitted < 0 ? permitted : kernel.bind(descriptors.handle(fd), sandbox.address);
}

/** `listen(2)`, which binds an unbound socket to every interface: judged as that bind (B39). */
export function listenSocket(sandbox: Sandbox, fd: number, backlog: number): number {
  const { descriptors, kernel } = sandbox;
  const kind = descriptors.kind(fd);
  if (!isSocket(kind)) return notSocket(kind);
  const handle = descriptors.handle(fd);
  const named = kernel.getsockname(handle, sandbox.address);
  if (named < 0) return named;
  const unbound =
    sockaddrFamily(sandbox.address) !== AF_UNIX && sockaddrPort(sandbox.address) === 0;
  const permitted = unbound ? sandbox.permit('bind', kind) : 0;
  if (permitted < 0) return permitted;
  const result = kernel.listen(handle, backlog);
  if (result >= 0) descriptors.setKind(fd, Kind.LISTENER);
  return result;
}

/** `connect(2)`; for a blocking descriptor until it is there, has failed, or timed out. */
export function connectSocket(sandbox: Sandbox, fd: number): number {
  const { descriptors, kernel } = sandbox;
  const kind = descriptors.kind(fd);
  if (!isSocket(kind)) return notSocket(kind);
  const permitted = sandbox.permit('connect', kind);
  if (permitted < 0) return permitted;
  const handle = descriptors.handle(fd);
  const result = kernel.connect(handle, sandbox.address);
  // A UNIX listener whose queue is full is AGAIN: nothing tells when it has room, so neither do we.
  const started = result === -LinuxErrno.INPROGRESS;
  if (!started || descriptors.isNonblocking(fd)) return result;
  const ready = sandbox.waitReady(handle, EPOLLOUT, descriptors.timeoutMs(fd, true));
  // As connect(2) has it: a time-out leaves the connection on its way.
  if (ready === -LinuxErrno.AGAIN) return -LinuxErrno.INPROGRESS;
  if (ready < 0) return ready;
  const error = sandbox.socketError(handle);
  return error > 0 ? -error : error;
}

/** The kind of what a listener has accepted: only UNIX knows more than streams. */
function acceptedKind(sandbox: Sandbox, handle: Handle): number {
  if (sockaddrFamily(sandbox.address) !== AF_UNIX) return Kind.STREAM;
  return kindOfType(socketType(sandbox, handle));
}

/**
 * Accepts one connection into a new descriptor, and returns its number; the peer is in the
 * sandbox's address. The number is claimed first: a full table, or as many connections as there
 * may be, leave it in the queue. A peer that the grants deny is closed unseen, and the next one
 * taken.
 */
export function acceptSocket(sandbox: Sandbox, fd: number, fdflags: number): number {
  const { descriptors, kernel } = sandbox;
  const kind = descriptors.kind(fd);
  if (!isSocket(kind)) return notSocket(kind);
  const listener = descriptors.handle(fd);
  const permitted = sandbox.permitConnections(1);
  if (permitted < 0) return permitted;
  const claimed = sandbox.claimDescriptor();
  if (claimed < 0) return claimed;
  if (kind === Kind.LISTENER) descriptors.watchesListener();
  sandbox.beforeWait();
  for (;;) {
    const handle = kernel.accept4(listener, sandbox.address);
    if (handle >= 0) {
      if (sandbox.permit('accept', kind) < 0) {
        kernel.close(handle);
        continue;
      }
      const access = Access.READ | Access.WRITE;
      descriptors.open(claimed, handle, acceptedKind(sandbox, handle), access, fdflags);
      return claimed;
    }
    let result = handle;
    if (handle === -LinuxErrno.AGAIN && !descriptors.isNonblocking(fd)) {
      result = sandbox.waitReady(listener, EPOLLIN, descriptors.timeoutMs(fd, false));
      if (result >= 0) continue;
    }
    descriptors.abandon(claimed);
    return result;
  }
}

/** `getsockname(2)` or `getpeername(2)`. */
export function nameSocket(sandbox: Sandbox, fd: number, peer: boolean): number {
  const { descriptors, kernel, address } = sandbox;
  const kind = descriptors.kind(fd);
  if (!isSocket(kind)) return notSocket(kind);
  const handle = descriptors.handle(fd);
  return peer ? kernel.getpeername(handle, address) : kernel.getsockname(handle, address);
}
