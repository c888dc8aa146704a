/** Sockets as functions: a result is `>= 0`, or minus an errno. */

import {
  fd_fdstat_get,
  fd_fdstat_set_flags,
  sock_accept,
  sock_bind,
  sock_connect,
  sock_getlocaladdr,
  sock_getpeeraddr,
  sock_getsockopt,
  sock_listen,
  sock_open,
  sock_recv,
  sock_recv_from,
  sock_send,
  sock_send_to,
  sock_setsockopt,
  sock_shutdown,
} from '../bindings/wasi_snapshot_preview1';
import { ADDRESS_BYTES, SocketAddress } from './address';

/** Which directions `shutdown` ends. */
export const enum Shutdown {
  RD = 1,
  WR = 2,
  RDWR = 3,
}

const FDFLAGS_NONBLOCK: i32 = 4;
const FILETYPE_SOCKET_STREAM: u8 = 6;
const SOCK_DGRAM: i32 = 1;
const SOCK_STREAM: i32 = 2;
const SOL_SOCKET: i32 = 0;
const IPPROTO_TCP: i32 = 6;
const SO_REUSEADDR: i32 = 0;
const SO_ERROR: i32 = 2;
const SO_BROADCAST: i32 = 4;
const SO_LINGER: i32 = 9;
const TCP_NODELAY: i32 = 15;

const IOV: usize = memory.data(8, 4);
const RESULT: usize = memory.data(4, 4);
const FLAGS: usize = memory.data(4, 4);
const FDSTAT: usize = memory.data(24, 8);
const ADDRESS: usize = memory.data(8, 4);
const LINGER: usize = memory.data(8, 4);
const PORT: usize = memory.data(4, 4);

const DATA_TRUNCATED: u16 = 1;

/** A new stream socket, non-blocking, of the address family: `socket(2)`. */
export function openStream(family: i32): i32 {
  return open(family, SOCK_STREAM);
}

/** A new datagram socket, non-blocking, of the address family: `socket(2)`. */
export function openDatagram(family: i32): i32 {
  return open(family, SOCK_DGRAM);
}

/** Makes a descriptor non-blocking. */
export function setNonBlocking(fd: i32): i32 {
  return -fd_fdstat_set_flags(fd, FDFLAGS_NONBLOCK);
}

/** Whether the descriptor is a stream socket, connected or listening. */
export function isStreamSocket(fd: i32): bool {
  return fd_fdstat_get(fd, FDSTAT) == 0 && load<u8>(FDSTAT) == FILETYPE_SOCKET_STREAM;
}

/** `bind(2)`. A stream socket gets SO_REUSEADDR before it. */
export function bind(fd: i32, address: SocketAddress): i32 {
  if (isStreamSocket(fd)) {
    store<i32>(RESULT, 1);
    const errno = sock_setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, RESULT, 4);
    if (errno != 0) return -errno;
  }
  return -sock_bind(fd, addressOf(address), address.port);
}

/** `listen(2)`. */
export function listen(fd: i32, backlog: i32): i32 {
  return -sock_listen(fd, backlog);
}

/** The next connection, non-blocking: `accept4(2)`. */
export function accept(fd: i32): i32 {
  const errno = sock_accept(fd, FDFLAGS_NONBLOCK, RESULT);
  return errno == 0 ? load<i32>(RESULT) : -errno;
}

/** `connect(2)`; `-Errno.INPROGRESS` while it is under way. */
export function connect(fd: i32, address: SocketAddress): i32 {
  return -sock_connect(fd, addressOf(address), address.port);
}

/** Receives at most `length` bytes, 0 at the end: `recv(2)`. */
export function recv(fd: i32, buffer: usize, length: i32): i32 {
  store<usize>(IOV, buffer);
  store<i32>(IOV, length, 4);
  const errno = sock_recv(fd, IOV, 1, 0, RESULT, FLAGS);
  return errno == 0 ? load<i32>(RESULT) : -errno;
}

/** Sends what the kernel takes of `length` bytes, at least one: `send(2)`. */
export function send(fd: i32, data: usize, length: i32): i32 {
  store<usize>(IOV, data);
  store<i32>(IOV, length, 4);
  const errno = sock_send(fd, IOV, 1, 0, RESULT);
  return errno == 0 ? load<i32>(RESULT) : -errno;
}

/**
 * Receives a datagram: `recvfrom(2)`. Returns how many of its bytes the buffer has; a datagram
 * may have none. `sender` becomes the address it came from; whether its end was cut off is what
 * `wasTruncated` tells then.
 */
export function recvFrom(fd: i32, buffer: usize, length: i32, sender: SocketAddress): i32 {
  store<usize>(IOV, buffer);
  store<i32>(IOV, length, 4);
  const errno = sock_recv_from(fd, IOV, 1, addressOf(sender), 0, PORT, RESULT, FLAGS);
  if (errno != 0) return -errno;
  sender.port = load<u16>(PORT);
  return load<i32>(RESULT);
}

/** Whether the datagram that `recvFrom` has just received was longer than its buffer. */
export function wasTruncated(): bool {
  return (load<u16>(FLAGS) & DATA_TRUNCATED) != 0;
}

/** Sends a datagram: `sendto(2)`. All of it, or minus an errno. */
export function sendTo(fd: i32, data: usize, length: i32, to: SocketAddress): i32 {
  store<usize>(IOV, data);
  store<i32>(IOV, length, 4);
  const errno = sock_send_to(fd, IOV, 1, addressOf(to), to.port, 0, RESULT);
  return errno == 0 ? load<i32>(RESULT) : -errno;
}

/** `shutdown(2)`. */
export function shutdown(fd: i32, how: Shutdown): i32 {
  return -sock_shutdown(fd, how);
}

/** The pending error of a socket, a WASI errno, and clears it: SO_ERROR. */
export function takeError(fd: i32): i32 {
  store<i32>(FLAGS, 4);
  const errno = sock_getsockopt(fd, SOL_SOCKET, SO_ERROR, RESULT, FLAGS);
  return errno == 0 ? load<i32>(RESULT) : errno;
}

/** SO_LINGER with no time: `close` discards what is not sent, and the peer gets RST. */
export function resetOnClose(fd: i32): i32 {
  store<i32>(LINGER, 1);
  store<i32>(LINGER, 0, 4);
  return -sock_setsockopt(fd, SOL_SOCKET, SO_LINGER, LINGER, 8);
}

/** SO_BROADCAST: whether datagrams may be sent to a broadcast address. */
export function setBroadcast(fd: i32, on: bool): i32 {
  store<i32>(RESULT, i32(on));
  return -sock_setsockopt(fd, SOL_SOCKET, SO_BROADCAST, RESULT, 4);
}

/** TCP_NODELAY: whether small segments leave at once. The host switches it on by default. */
export function setNoDelay(fd: i32, on: bool): i32 {
  store<i32>(RESULT, i32(on));
  return -sock_setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, RESULT, 4);
}

/** The socket's own address: `getsockname(2)`. */
export function localAddress(fd: i32, address: SocketAddress): i32 {
  const errno = sock_getlocaladdr(fd, addressOf(address), RESULT);
  if (errno == 0) address.port = load<u16>(RESULT);
  return -errno;
}

/** The peer's address: `getpeername(2)`. */
export function peerAddress(fd: i32, address: SocketAddress): i32 {
  const errno = sock_getpeeraddr(fd, addressOf(address), RESULT);
  if (errno == 0) address.port = load<u16>(RESULT);
  return -errno;
}

function open(family: i32, type: i32): i32 {
  const errno = sock_open(family, type, RESULT);
  if (errno != 0) return -errno;
  const fd = load<i32>(RESULT);
  const result = setNonBlocking(fd);
  return result < 0 ? result : fd;
}

/** The record (buffer, length) by which calls take an address. */
function addressOf(address: SocketAddress): usize {
  store<usize>(ADDRESS, address.bytes);
  store<i32>(ADDRESS, ADDRESS_BYTES, 4);
  return ADDRESS;
}
