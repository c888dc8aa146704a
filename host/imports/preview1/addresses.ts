/** Socket addresses between the WasmEdge family's guest memory and the sandbox's `address`. */
import type { GuestMemory } from '../../abi/memory.js';
import { Address, AddressFamily, AddressV2 } from '../../abi/wasmedge.js';
import {
  AF_INET,
  AF_INET6,
  AF_UNIX,
  INET4_AT,
  INET6_AT,
  encodeInet4,
  encodeInet6,
  encodeUnix,
  sockaddrFamily,
  sockaddrPathBytes,
} from '../../address.js';
import { LinuxErrno } from '../../errno.js';
import type { Handle, SockaddrBuffer } from '../../kernel/kernel.js';
import type { Sandbox } from '../../sandbox.js';

const INET4_BYTES = 4;
const INET6_BYTES = 16;
const PORT_MAX = 65_535;

/**
 * Reads an `__wasi_address_t` at `at`, and the buffer behind it, once, into the sandbox's
 * address. The buffer is 4 bytes (IPv4), 16 (IPv6), or 128 (v2: family first).
 * Returns 0, `-EFAULT`, `-EINVAL` or `-EAFNOSUPPORT`.
 */
export function readAddress(sandbox: Sandbox, at: number, port: number): number {
  const { memory, address } = sandbox;
  if (!memory.fits(at, Address.SIZE)) return -LinuxErrno.FAULT;
  const buf = Address.buf.get(memory.view, at);
  const len = Address.len.get(memory.view, at);
  if (!memory.fits(buf, len)) return -LinuxErrno.FAULT;
  if (port >>> 0 > PORT_MAX) return -LinuxErrno.INVAL;
  let family: number = len === INET4_BYTES ? AddressFamily.INET4 : AddressFamily.INET6;
  let body = buf;
  if (len === AddressV2.SIZE) {
    family = AddressV2.family.get(memory.view, buf);
    body += AddressV2.address.offset;
  } else if (len !== INET4_BYTES && len !== INET6_BYTES) {
    return -LinuxErrno.INVAL;
  }
  if (family === AddressFamily.INET4) encodeInet4(address, memory.bytes, body, port);
  else if (family === AddressFamily.INET6) encodeInet6(address, memory.bytes, body, port);
  else if (family === AddressFamily.UNIX) {
    // Copied first: the guest's other threads cannot move the end of the path.
    const path = memory.bytes.slice(body, buf + AddressV2.SIZE);
    const end = path.indexOf(0);
    // An empty path is no address: it would bind to a name of the kernel's choosing.
    if (end === 0) return -LinuxErrno.INVAL;
    if (!encodeUnix(address, end < 0 ? path : path.subarray(0, end))) return -LinuxErrno.INVAL;
  } else return -LinuxErrno.AFNOSUPPORT;
  return 0;
}

function guestFamily(family: number): number {
  if (family === AF_INET) return AddressFamily.INET4;
  if (family === AF_INET6) return AddressFamily.INET6;
  return family === AF_UNIX ? AddressFamily.UNIX : AddressFamily.UNSPEC;
}

/** Whether the sandbox's address fits a buffer of `len` bytes: 128 (v2) takes any. */
function fitsSlot(address: SockaddrBuffer, len: number): boolean {
  if (len >= AddressV2.SIZE) return true;
  const family = sockaddrFamily(address);
  return family !== AF_UNIX && (family !== AF_INET6 || len >= INET6_BYTES);
}

/** Whether `len` bytes at `buf` can take an address at all: 0, `-EFAULT` or `-EINVAL`. */
function checkSlot(memory: GuestMemory, buf: number, len: number): number {
  if (!memory.fits(buf, len)) return -LinuxErrno.FAULT;
  return len < INET4_BYTES ? -LinuxErrno.INVAL : 0;
}

/**
 * Checks that the buffer behind the `__wasi_address_t` at `at` can take a sender's address, for
 * a datagram socket one of the socket's own family: before a datagram is spent on it (B7).
 * Returns 0, `-EFAULT` or `-EINVAL`.
 */
export function probeAddress(
  sandbox: Sandbox,
  at: number,
  handle: Handle,
  datagram: boolean,
): number {
  const { memory } = sandbox;
  if (!memory.fits(at, Address.SIZE)) return -LinuxErrno.FAULT;
  const len = Address.len.get(memory.view, at);
  const slot = checkSlot(memory, Address.buf.get(memory.view, at), len);
  if (slot < 0 || !datagram || len >= AddressV2.SIZE) return slot;
  const named = sandbox.kernel.getsockname(handle, sandbox.address);
  if (named < 0) return named;
  return fitsSlot(sandbox.address, len) ? 0 : -LinuxErrno.INVAL;
}

/** Byte by byte: this is done for every datagram, and a view would cost more than the copy. */
function copyIp(
  memory: GuestMemory,
  to: number,
  address: SockaddrBuffer,
  from: number,
  length: number,
): void {
  const { bytes } = memory;
  for (let i = 0; i < length; i++) bytes[to + i] = address[from + i];
}

/**
 * Writes the sandbox's address to the buffer behind the `__wasi_address_t` at `at`: all of 128
 * bytes (v2), or the bare 4 or 16 bytes where they fit (v1). Returns 0, `-EFAULT` or `-EINVAL`.
 */
export function writeAddress(sandbox: Sandbox, at: number): number {
  const { memory, address } = sandbox;
  if (!memory.fits(at, Address.SIZE)) return -LinuxErrno.FAULT;
  const buf = Address.buf.get(memory.view, at);
  const len = Address.len.get(memory.view, at);
  const slot = checkSlot(memory, buf, len);
  if (slot < 0) return slot;
  if (!fitsSlot(address, len)) return -LinuxErrno.INVAL;
  const family = sockaddrFamily(address);
  let to = buf;
  if (len >= AddressV2.SIZE) {
    memory.clear(buf, AddressV2.SIZE);
    AddressV2.family.set(memory.view, buf, guestFamily(family));
    to += AddressV2.address.offset;
  }
  if (family === AF_INET) copyIp(memory, to, address, INET4_AT, INET4_BYTES);
  else if (family === AF_INET6) copyIp(memory, to, address, INET6_AT, INET6_BYTES);
  else memory.bytes.set(sockaddrPathBytes(address), to);
  return 0;
}
