/**
 * Moving bytes between a descriptor and the guest's buffers, for every import that does so.
 * The descriptor is the one that `kind` has seen: looked up again, it might be another's by now.
 * The buffers are those that `memory.readIovecs` has read; a peer's address (`named`) is in the
 * sandbox's `address`; of what was received `headed`, Linux's msg_flags are in its `toldFlags`;
 * results are bytes, or minus a Linux errno. Kernel sockets never block: for a
 * blocking descriptor these wait and try again.
 */
import { EPOLLIN, EPOLLOUT } from '../../abi/epoll.js';
import { AF_UNIX, sockaddrFamily, sockaddrPort } from '../../address.js';
import { Kind } from '../../descriptors.js';
import { LinuxErrno } from '../../errno.js';
import type { Sandbox } from '../../sandbox.js';

export const MSG_PEEK = 0x02;
export const MSG_TRUNC = 0x20;
export const MSG_WAITALL = 0x100;
/** One call that does not wait, on a descriptor that may. */
export const MSG_DONTWAIT = 0x40;

/** Flags that the host carries out; the kernel, which never waits here, is not told. */
const HOSTS_OWN = MSG_WAITALL | MSG_DONTWAIT;

const AGAIN = -LinuxErrno.AGAIN;

/** Whether a kind is a socket's. */
export function isSocket(kind: number): boolean {
  return kind >= Kind.LISTENER && kind <= Kind.SEQPACKET;
}

/** Why a descriptor is no socket: `-EBADF` or `-ENOTSOCK`. */
export function notSocket(kind: number): number {
  return kind === Kind.FREE ? -LinuxErrno.BADF : -LinuxErrno.NOTSOCK;
}

/** Whether a kind keeps the bounds of messages: what does not fit is lost, and told. */
export function keepsMessages(kind: number): boolean {
  return kind === Kind.DATAGRAM || kind === Kind.SEQPACKET;
}

/** One receive, without waiting. */
function receiveOnce(
  sandbox: Sandbox,
  handle: number,
  count: number,
  flags: number,
  named: boolean,
  headed: boolean,
): number {
  const { kernel, memory, told } = sandbox;
  const { iovs, span } = memory;
  if (count !== 1 || headed)
    return kernel.recvmsg(handle, span, iovs, count, flags, named ? sandbox.address : null, told);
  return named
    ? kernel.recvfrom(handle, span, iovs[0], iovs[1], flags, sandbox.addressBuffer)
    : kernel.recv(handle, span, iovs[0], iovs[1], flags);
}

/**
 * Receives from a socket (`recvmsg(2)`). `flags` are Linux's; MSG_WAITALL has its meaning for
 * blocking streams only, as in the kernel.
 */
export function receive(
  sandbox: Sandbox,
  fd: number,
  count: number,
  flags: number,
  named: boolean,
  headed = false,
): number {
  const { descriptors } = sandbox;
  const handle = descriptors.handle(fd);
  const result = receiveOnce(sandbox, handle, count, flags & ~HOSTS_OWN, named, headed);
  if (result !== AGAIN && (flags & MSG_WAITALL) === 0) return result;
  if ((flags & MSG_DONTWAIT) !== 0 || descriptors.isNonblocking(fd)) return result;
  return receiveBlocking(sandbox, fd, count, flags, named, headed, result);
}

function receiveBlocking(
  sandbox: Sandbox,
  fd: number,
  count: number,
  flags: number,
  named: boolean,
  headed: boolean,
  first: number,
): number {
  const { descriptors, memory } = sandbox;
  const handle = descriptors.handle(fd);
  const timeoutMs = descriptors.timeoutMs(fd, false);
  const all = (flags & MSG_WAITALL) !== 0 && (flags & MSG_PEEK) === 0;
  const wanted = all && descriptors.seenKind(fd) === Kind.STREAM ? memory.iovecBytes(count) : 0;
  let rest = count;
  let done = 0;
  let result = first;
  for (;;) {
    if (result === 0 || (result < 0 && result !== AGAIN)) return done > 0 ? done : result;
    if (result > 0) {
      done += result;
      if (done >= wanted) return done;
      rest = memory.advanceIovecs(rest, result);
    } else {
      const ready = sandbox.waitReady(handle, EPOLLIN, timeoutMs);
      if (ready < 0) return done > 0 ? done : ready;
    }
    result = receiveOnce(sandbox, handle, rest, flags & ~HOSTS_OWN, named, headed);
  }
}

/** One send, without waiting. */
function sendOnce(
  sandbox: Sandbox,
  handle: number,
  count: number,
  flags: number,
  named: boolean,
): number {
  const { kernel, memory } = sandbox;
  const { iovs, span } = memory;
  if (count !== 1)
    return kernel.sendmsg(handle, span, iovs, count, flags, named ? sandbox.address : null);
  return named
    ? kernel.sendto(handle, span, iovs[0], iovs[1], flags, sandbox.addressBuffer)
    : kernel.send(handle, span, iovs[0], iovs[1], flags);
}

/**
 * Whether sending would bind a datagram socket: Linux binds one without an address to every
 * interface (B39). Leaves the socket's own address in the sandbox's.
 */
export function wouldBind(sandbox: Sandbox, fd: number): boolean {
  const { descriptors, kernel, address } = sandbox;
  if (descriptors.isBound(fd)) return false;
  if (kernel.getsockname(descriptors.handle(fd), address) < 0) return false;
  const unbound = sockaddrFamily(address) !== AF_UNIX && sockaddrPort(address) === 0;
  if (!unbound) descriptors.setBound(fd);
  return unbound;
}

/**
 * Whether the grants allow sending to the sandbox's address: the address, and for a datagram
 * socket without one of its own also the bind that Linux will make for it.
 */
export function permitSend(sandbox: Sandbox, fd: number): number {
  const { descriptors, address } = sandbox;
  const kind = descriptors.seenKind(fd);
  if (kind !== Kind.DATAGRAM) return sandbox.permit('send', kind);
  const permitted = sandbox.permitDatagram();
  if (permitted < 0 || descriptors.isBound(fd)) return permitted;
  const peer = address.slice();
  const bindable = wouldBind(sandbox, fd) ? sandbox.permit('bind', kind) : 0;
  address.set(peer);
  return bindable;
}

/** Sends on a socket (`sendmsg(2)`, Linux's flags); a blocking stream sends all of it. */
export function transmit(
  sandbox: Sandbox,
  fd: number,
  count: number,
  flags: number,
  named: boolean,
): number {
  const { descriptors } = sandbox;
  const unnamed = !named && descriptors.seenKind(fd) === Kind.DATAGRAM;
  // Linux would bind the socket before it finds that there is nobody to send to.
  if (unnamed && wouldBind(sandbox, fd)) return -LinuxErrno.DESTADDRREQ;
  const handle = descriptors.handle(fd);
  const once = flags & ~HOSTS_OWN;
  const result = sendOnce(sandbox, handle, count, once, named);
  if ((flags & MSG_DONTWAIT) !== 0 || descriptors.isNonblocking(fd)) return result;
  return transmitBlocking(sandbox, fd, count, once, named, result);
}

function transmitBlocking(
  sandbox: Sandbox,
  fd: number,
  count: number,
  flags: number,
  named: boolean,
  first: number,
): number {
  const { descriptors, memory } = sandbox;
  const stream = descriptors.seenKind(fd) === Kind.STREAM;
  if (first >= 0 && (!stream || first >= memory.iovecBytes(count))) return first;
  const handle = descriptors.handle(fd);
  const timeoutMs = descriptors.timeoutMs(fd, true);
  let rest = count;
  let done = 0;
  let result = first;
  for (;;) {
    if (result < 0 && result !== AGAIN) return done > 0 ? done : result;
    if (result > 0) {
      done += result;
      rest = memory.advanceIovecs(rest, result);
      if (rest === 0) return done;
    } else {
      const ready = sandbox.waitReady(handle, EPOLLOUT, timeoutMs);
      if (ready < 0) return done > 0 ? done : ready;
    }
    result = sendOnce(sandbox, handle, rest, flags, named);
  }
}

/**
 * Reads or writes a descriptor that is not a socket (`readv(2)`, `writev(2)`): stdio, pipes,
 * event descriptors. A blocking write to stdio or a pipe goes on until all is written.
 */
export function transferPlain(
  sandbox: Sandbox,
  fd: number,
  count: number,
  writing: boolean,
): number {
  const { descriptors, kernel, memory } = sandbox;
  const handle = descriptors.handle(fd);
  const blocking = !descriptors.isNonblocking(fd);
  const kind = descriptors.seenKind(fd);
  const stream = kind === Kind.STDIO || kind === Kind.PIPE;
  const wanted = writing && stream ? memory.iovecBytes(count) : 0;
  let rest = count;
  let done = 0;
  for (;;) {
    const { bytes, iovs } = memory;
    const result = writing
      ? kernel.writev(handle, bytes, iovs, rest)
      : kernel.readv(handle, bytes, iovs, rest);
    if (result >= 0) {
      done += result;
      if (!blocking || result === 0 || done >= wanted) return done;
      rest = memory.advanceIovecs(rest, result);
    } else if (result !== AGAIN || !blocking) {
      return done > 0 ? done : result;
    } else {
      const ready = sandbox.waitReady(handle, writing ? EPOLLOUT : EPOLLIN, 0);
      if (ready < 0) return done > 0 ? done : ready;
    }
  }
}
