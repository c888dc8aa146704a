/** Socket addresses between a guest's memory, in Linux's own form, and the sandbox's `address`. */
import { SOCKADDR_STORAGE_BYTES, SockaddrIn, SockaddrIn6, SockaddrUn } from '../../abi/socket.js';
import { AF_INET, AF_INET6, AF_UNIX, AF_UNSPEC } from '../../address.js';
import { LinuxErrno } from '../../errno.js';
import type { Sandbox } from '../../sandbox.js';

/** Where the sockaddr lies in a `SockaddrBuffer`, behind its length. */
const SOCKADDR_AT = 4;
const FAMILY_BYTES = 2;
/** `SIN6_LEN_RFC2133`: Linux takes an IPv6 address without its scope. */
const SOCKADDR_IN6_BYTES_MIN = 24;
const INT_MAX = 2 ** 31 - 1;

/** The length under which the kernel takes the address, or minus an errno. */
function settleLength(address: Uint8Array, family: number, len: number): number {
  if (family === AF_INET) {
    // What came behind the address itself is nobody's.
    for (let i = SockaddrIn.addr.offset + 4; i < SockaddrIn.SIZE; i++) address[SOCKADDR_AT + i] = 0;
    return len < SockaddrIn.SIZE ? -LinuxErrno.INVAL : SockaddrIn.SIZE;
  }
  if (family === AF_INET6) {
    const { flowinfo, addr } = SockaddrIn6;
    for (let i = flowinfo.offset; i < addr.offset; i++) address[SOCKADDR_AT + i] = 0;
    for (let i = len; i < SockaddrIn6.SIZE; i++) address[SOCKADDR_AT + i] = 0;
    return len < SOCKADDR_IN6_BYTES_MIN ? -LinuxErrno.INVAL : SockaddrIn6.SIZE;
  }
  if (family === AF_UNIX) return len > SockaddrUn.SIZE ? -LinuxErrno.INVAL : len;
  return family === AF_UNSPEC ? SockaddrIn.SIZE : -LinuxErrno.AFNOSUPPORT;
}

/** Reads a `sockaddr_in`, what nearly every datagram has; false if it is none. */
function readInet4({ memory, addressWords }: Sandbox, at: number): boolean {
  const familyAndPort = memory.view.getUint32(at, true);
  if ((familyAndPort & 0xffff) !== AF_INET) return false;
  addressWords[0] = SockaddrIn.SIZE;
  addressWords[1] = familyAndPort;
  addressWords[2] = SockaddrIn.addr.get(memory.view, at);
  // What comes behind the address itself is nobody's.
  addressWords[3] = 0;
  addressWords[4] = 0;
  return true;
}

/**
 * Reads the sockaddr of `len` bytes at `at`, once, into the sandbox's address. Returns its family,
 * `AF_UNSPEC` (0) among them, or `-EFAULT`, `-EINVAL`, `-EAFNOSUPPORT`. Byte by byte: a view for
 * each datagram would cost more than the copy.
 */
export function readSockaddr(sandbox: Sandbox, at: number, len: number): number {
  const { memory, address } = sandbox;
  if (len < FAMILY_BYTES || len > SOCKADDR_STORAGE_BYTES) return -LinuxErrno.INVAL;
  if (!memory.fits(at, len)) return -LinuxErrno.FAULT;
  if (len === SockaddrIn.SIZE && readInet4(sandbox, at)) return AF_INET;
  const { bytes } = memory;
  for (let i = 0; i < len; i++) address[SOCKADDR_AT + i] = bytes[at + i];
  const family = address[SOCKADDR_AT] | (address[SOCKADDR_AT + 1] << 8);
  const length = settleLength(address, family, len);
  if (length < 0) return length;
  address[0] = length;
  return family;
}

/**
 * Checks, before anything is spent on it, that an address can be written at `at`: the bytes of
 * room that the u32 at `lenAt` tells of, or `-EFAULT` or `-EINVAL`.
 */
export function sockaddrRoom(sandbox: Sandbox, at: number, lenAt: number): number {
  const { memory } = sandbox;
  if (!memory.fits(lenAt, 4)) return -LinuxErrno.FAULT;
  const room = memory.view.getUint32(lenAt, true);
  if (room > INT_MAX) return -LinuxErrno.INVAL;
  const used = Math.min(room, SOCKADDR_STORAGE_BYTES);
  return memory.fits(at, used) ? used : -LinuxErrno.FAULT;
}

/**
 * Writes as much of the sandbox's address as there is `room` for; returns its whole length, which
 * is 0 where the kernel gave none.
 */
export function writeSockaddr(sandbox: Sandbox, at: number, room: number): number {
  const { memory, address, addressWords } = sandbox;
  const length = address[0];
  if (length === SockaddrIn.SIZE && room >= length) {
    const { view } = memory;
    for (let i = 0; i < length; i += 4) view.setInt32(at + i, addressWords[1 + i / 4], true);
    return length;
  }
  const written = Math.min(length, room);
  const { bytes } = memory;
  for (let i = 0; i < written; i++) bytes[at + i] = address[SOCKADDR_AT + i];
  return length;
}
