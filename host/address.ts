/**
 * Socket addresses: Linux's bytes, as they cross the kernel port, and the text a person writes.
 *
 * A buffer is never trusted: every accessor checks the length it carries against the family it
 * claims, and an address that does not hold together has the family `AF_UNSPEC`.
 */
import { isIPv4, isIPv6 } from 'node:net';

import { SOCKADDR_BYTES, type SockaddrBuffer } from './kernel/kernel.js';
import { usageError, type UsageError } from './usage.js';

export const AF_UNSPEC = 0;
export const AF_UNIX = 1;
export const AF_INET = 2;
export const AF_INET6 = 10;

/** Where `sin_addr` lies in a `SockaddrBuffer`: 4 bytes, network order. */
export const INET4_AT = 8;
/** Where `sin6_addr` lies in a `SockaddrBuffer`: 16 bytes, network order. */
export const INET6_AT = 12;
/** The size in bytes of `sun_path`: `unix(7)`. */
export const UNIX_PATH_BYTES = 108;

/** The largest port number. */
export const PORT_MAX = 65_535;

const FAMILY_AT = 4;
const PORT_AT = 6;
const UNIX_PATH_AT = 6;
const SCOPE_ID_AT = 28;
const SOCKADDR_IN_BYTES = 16;
const SOCKADDR_IN6_BYTES = 28;
const FAMILY_BYTES = 2;
const NO_BYTES = new Uint8Array(0);

/** An IP address in canonical text, with its port. */
export interface InetAddress {
  readonly family: 'inet4' | 'inet6';
  readonly ip: string;
  readonly port: number;
  /** The interface number of a link-local IPv6 address. */
  readonly scopeId?: number;
}

/** A unix address: `path` is empty if unnamed, and begins with NUL if abstract. */
export interface UnixAddress {
  readonly family: 'unix';
  readonly path: string;
}

export type SocketAddress = InetAddress | UnixAddress;

export type Transport = 'tcp' | 'udp' | 'unix';

// Bytes ------------------------------------------------------------------------------------

function begin(buffer: SockaddrBuffer, family: number, lengthBytes: number): void {
  // A loop: for so few bytes, and for every datagram, `fill` costs more than all the rest.
  for (let i = 1; i < FAMILY_AT + lengthBytes; i += 1) buffer[i] = 0;
  buffer[0] = lengthBytes;
  buffer[FAMILY_AT] = family;
}

function copyBytes(
  to: Uint8Array,
  at: number,
  from: Uint8Array,
  offset: number,
  length: number,
): void {
  for (let i = 0; i < length; i += 1) to[at + i] = from[offset + i];
}

function encodeInet(buffer: SockaddrBuffer, family: number, length: number, port: number): void {
  begin(buffer, family, length);
  buffer[PORT_AT] = port >>> 8;
  buffer[PORT_AT + 1] = port;
}

/** Writes a `sockaddr_in` from the 4 bytes at `offset`; `port` is 0 to `PORT_MAX`. */
export function encodeInet4(
  buffer: SockaddrBuffer,
  bytes: Uint8Array,
  offset: number,
  port: number,
): void {
  encodeInet(buffer, AF_INET, SOCKADDR_IN_BYTES, port);
  copyBytes(buffer, INET4_AT, bytes, offset, 4);
}

/** Writes a `sockaddr_in6` from the 16 bytes at `offset`; `port` is 0 to `PORT_MAX`. */
export function encodeInet6(
  buffer: SockaddrBuffer,
  bytes: Uint8Array,
  offset: number,
  port: number,
  scopeId = 0,
): void {
  encodeInet(buffer, AF_INET6, SOCKADDR_IN6_BYTES, port);
  copyBytes(buffer, INET6_AT, bytes, offset, 16);
  for (let i = 0; i < 4; i += 1) buffer[SCOPE_ID_AT + i] = scopeId >>> (8 * i);
}

/**
 * Writes a `sockaddr_un`. A path ends at its first NUL; one that begins with NUL is an abstract
 * name and counts whole. False, and nothing written, if it is longer than `UNIX_PATH_BYTES`.
 */
export function encodeUnix(buffer: SockaddrBuffer, pathBytes: Uint8Array): boolean {
  const nul = pathBytes[0] === 0 ? -1 : pathBytes.indexOf(0);
  const length = nul < 0 ? pathBytes.length : nul;
  if (length > UNIX_PATH_BYTES) return false;
  const terminated = length > 0 && length < UNIX_PATH_BYTES && pathBytes[0] !== 0;
  begin(buffer, AF_UNIX, FAMILY_BYTES + length + (terminated ? 1 : 0));
  copyBytes(buffer, UNIX_PATH_AT, pathBytes, 0, length);
  return true;
}

function lengthOf(buffer: SockaddrBuffer): number {
  return (buffer[0] | (buffer[1] << 8) | (buffer[2] << 16) | (buffer[3] << 24)) >>> 0;
}

/** The family, `AF_UNSPEC` unless the address is whole and of a family this file knows. */
export function sockaddrFamily(buffer: SockaddrBuffer): number {
  if (buffer.length < SOCKADDR_BYTES) return AF_UNSPEC;
  const length = lengthOf(buffer);
  if (length > SOCKADDR_BYTES - FAMILY_AT) return AF_UNSPEC;
  const family = buffer[FAMILY_AT] | (buffer[FAMILY_AT + 1] << 8);
  if (family === AF_INET && length >= SOCKADDR_IN_BYTES) return AF_INET;
  if (family === AF_INET6 && length >= SOCKADDR_IN6_BYTES) return AF_INET6;
  const unix = length >= FAMILY_BYTES && length <= FAMILY_BYTES + UNIX_PATH_BYTES;
  return family === AF_UNIX && unix ? AF_UNIX : AF_UNSPEC;
}

/** The port of an IP address; 0 for anything else. */
export function sockaddrPort(buffer: SockaddrBuffer): number {
  const family = sockaddrFamily(buffer);
  if (family !== AF_INET && family !== AF_INET6) return 0;
  return (buffer[PORT_AT] << 8) | buffer[PORT_AT + 1];
}

/** A view of the 4 or 16 address bytes, network order; empty if it is no IP address. */
export function sockaddrIpBytes(buffer: SockaddrBuffer): Uint8Array {
  const family = sockaddrFamily(buffer);
  if (family === AF_INET) return buffer.subarray(INET4_AT, INET4_AT + 4);
  return family === AF_INET6 ? buffer.subarray(INET6_AT, INET6_AT + 16) : NO_BYTES;
}

/** A view of the path (without its NUL) or abstract name (with it); empty if there is none. */
export function sockaddrPathBytes(buffer: SockaddrBuffer): Uint8Array {
  if (sockaddrFamily(buffer) !== AF_UNIX) return NO_BYTES;
  const path = buffer.subarray(UNIX_PATH_AT, FAMILY_AT + lengthOf(buffer));
  const nul = path[0] === 0 ? -1 : path.indexOf(0);
  return nul < 0 ? path : path.subarray(0, nul);
}

// IP addresses -----------------------------------------------------------------------------

function isZero(bytes: Uint8Array, from: number, to: number): boolean {
  for (let i = from; i < to; i += 1) if (bytes[i] !== 0) return false;
  return true;
}

/** Whether the 16 bytes at `at` are `::ffff:a.b.c.d`: to Linux, the IPv4 address itself. */
export function isIpv4Mapped(bytes: Uint8Array, at: number): boolean {
  return isZero(bytes, at, at + 10) && bytes[at + 10] === 0xff && bytes[at + 11] === 0xff;
}

/**
 * Where an IPv4 address lies inside the IPv6 address at `at`, in a form that a router on the way
 * may turn into that IPv4 address: `64:ff9b::/96` (NAT64, RFC 6052), `2002::/16` (6to4,
 * RFC 3056), `::a.b.c.d` (RFC 4291, deprecated). Minus 1 if there is none.
 */
export function embeddedIpv4At(bytes: Uint8Array, at: number): number {
  const first = (bytes[at] << 8) | bytes[at + 1];
  if (first === 0x2002) return at + 2;
  if (first === 0x0064 && bytes[at + 2] === 0xff && bytes[at + 3] === 0x9b) {
    return isZero(bytes, at + 4, at + 12) ? at + 12 : -1;
  }
  // `::` and `::1` have this form, but are the unspecified and the loopback address.
  const reserved = isZero(bytes, at + 12, at + 15) && bytes[at + 15] <= 1;
  return !reserved && isZero(bytes, at, at + 12) ? at + 12 : -1;
}

/**
 * The 4 or 16 bytes of an IP address, or null. IPv4 is four decimal numbers and nothing else:
 * no `127.1`, no octal, no hexadecimal. IPv6 comes without brackets and without scope.
 */
export function parseIp(text: string): Uint8Array | null {
  if (isIPv4(text)) return Uint8Array.from(text.split('.'), Number);
  if (!isIPv6(text) || text.includes('%')) return null;
  // A URL's host is the address in hexadecimal groups, compressed once and never dotted.
  const [head, tail = ''] = new URL(`http://[${text}]`).hostname.slice(1, -1).split('::');
  const before = head === '' ? [] : head.split(':');
  const after = tail === '' ? [] : tail.split(':');
  const zeros = Array.from({ length: 8 - before.length - after.length }, () => '0');
  const groups = [...before, ...zeros, ...after].map((group) => Number.parseInt(group, 16));
  return Uint8Array.from(groups.flatMap((group) => [group >>> 8, group & 0xff]));
}

/** Canonical text (RFC 5952) of the 4 or 16 bytes of an IP address. */
export function formatIp(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join('.');
  if (isIpv4Mapped(bytes, 0)) return `::ffff:${bytes.subarray(12).join('.')}`;
  const groups: string[] = [];
  for (let i = 0; i < 16; i += 2) groups.push(((bytes[i] << 8) | bytes[i + 1]).toString(16));
  return new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1);
}

// Addresses as data ------------------------------------------------------------------------

/** Writes `address`; a `RangeError` if its IP address, port or path is not one. */
export function encodeSockaddr(buffer: SockaddrBuffer, address: SocketAddress): void {
  if (address.family === 'unix') {
    const path = new TextEncoder().encode(address.path);
    const cut = path[0] !== 0 && path.includes(0);
    if (!cut && encodeUnix(buffer, path)) return;
    throw new RangeError(`not a unix path of at most ${UNIX_PATH_BYTES} bytes: ${address.path}`);
  }
  const { family, ip, port, scopeId = 0 } = address;
  const bytes = parseIp(ip);
  if (bytes?.length !== (family === 'inet4' ? 4 : 16)) {
    throw new RangeError(`not an IP address of family ${family}: ${ip}`);
  }
  if (!Number.isInteger(port) || port < 0 || port > PORT_MAX) {
    throw new RangeError(`not a port from 0 to ${PORT_MAX}: ${port}`);
  }
  if (bytes.length === 4) encodeInet4(buffer, bytes, 0, port);
  else encodeInet6(buffer, bytes, 0, port, scopeId);
}

/** The address in `buffer`, or null if it is not whole or of another family. */
export function decodeSockaddr(buffer: SockaddrBuffer): SocketAddress | null {
  const family = sockaddrFamily(buffer);
  if (family === AF_UNSPEC) return null;
  if (family === AF_UNIX) {
    return { family: 'unix', path: new TextDecoder().decode(sockaddrPathBytes(buffer)) };
  }
  const ip = formatIp(sockaddrIpBytes(buffer));
  const port = sockaddrPort(buffer);
  if (family === AF_INET) return { family: 'inet4', ip, port };
  const view = new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength);
  const scopeId = view.getUint32(SCOPE_ID_AT, true);
  return { family: 'inet6', ip, port, ...(scopeId === 0 ? {} : { scopeId }) };
}

// Text -------------------------------------------------------------------------------------

/** A control character of a path could otherwise drive the terminal it is printed on. */
function printable(path: string): string {
  return path.replace(/\p{Cc}/gu, (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`);
}

/** `127.0.0.1:80`, `[::1]:80`, `unix:/path`, `unix:@abstract`; `unix:` if unnamed. */
export function formatAddress(address: SocketAddress): string {
  if (address.family === 'unix') {
    const abstract = address.path.startsWith('\0');
    return `unix:${printable(abstract ? `@${address.path.slice(1)}` : address.path)}`;
  }
  if (address.family === 'inet4') return `${address.ip}:${address.port}`;
  const scope = address.scopeId === undefined ? '' : `%${address.scopeId}`;
  return `[${address.ip}${scope}]:${address.port}`;
}

/** `tcp://127.0.0.1:41234`, `udp://[::1]:53`, `unix:/path`: what `--listen` takes back. */
export function formatUrl(transport: Transport, address: SocketAddress): string {
  const text = formatAddress(address);
  return address.family === 'unix' ? text : `${transport}://${text}`;
}

/** What one `--listen` asks for. */
export interface ListenAddress {
  /** The NAME of `SANDPOLL_LISTEN_FD_<NAME>`, if it was given. */
  readonly name?: string;
  readonly transport: Transport;
  readonly address: SocketAddress;
}

function listenError(text: string, reason: string, right: string): UsageError {
  return usageError(`--listen ${text}: ${reason}; write it as in --listen ${right}`);
}

function parseListenHost(text: string, host: string): Omit<InetAddress, 'port'> {
  if (host === '' || host === 'localhost') return { family: 'inet4', ip: '127.0.0.1' };
  if (host === '*') return { family: 'inet4', ip: '0.0.0.0' };
  const bytes = parseIp(host);
  if (bytes?.length === 4) return { family: 'inet4', ip: host };
  throw listenError(text, `'${host}' is not an IP address (names are not looked up)`, ':8080');
}

function parseListenInet6(text: string, host: string): Omit<InetAddress, 'port'> {
  const [ip, scope, ...more] = host.split('%');
  const bytes = parseIp(ip);
  if (bytes?.length !== 16) throw listenError(text, `'${ip}' is not IPv6`, '[::1]:8080');
  if (scope === undefined) return { family: 'inet6', ip: formatIp(bytes) };
  const scopeId = Number(scope);
  if (!/^\d+$/.test(scope) || scopeId < 1 || scopeId >= 2 ** 32 || more.length > 0) {
    throw listenError(text, 'an interface is given by its number', '[fe80::1%2]:8080');
  }
  return { family: 'inet6', ip: formatIp(bytes), scopeId };
}

function parseListenInet(text: string, endpoint: string): InetAddress {
  if (isIPv6(endpoint)) throw listenError(text, 'IPv6 stands in brackets', '[::1]:8080');
  const form = /^(?:\[(?<inet6>[^\]]*)\]|(?<host>[^:[\]]*)):(?<port>\d+)$/;
  const parts = form.exec(/^\d+$/.test(endpoint) ? `:${endpoint}` : endpoint)?.groups;
  if (parts === undefined) throw listenError(text, 'not an address with a port', '127.0.0.1:8080');
  const port = Number(parts.port);
  if (port > PORT_MAX) throw listenError(text, `a port is at most ${PORT_MAX}`, ':8080');
  const { inet6, host } = parts;
  if (inet6 !== undefined) return { ...parseListenInet6(text, inet6), port };
  return { ...parseListenHost(text, host), port };
}

function parseListenUnix(text: string, path: string): UnixAddress {
  const plain = path.replace(/^\/\/(?=\/)/, '').replace(/^@/, '\0');
  const length = new TextEncoder().encode(plain).length;
  if (length === 0 || plain === '\0') throw listenError(text, 'no path', 'unix:/run/guest.sock');
  if (length < UNIX_PATH_BYTES && !plain.includes('\0', 1)) return { family: 'unix', path: plain };
  const reason = `a unix path has at most ${UNIX_PATH_BYTES - 1} bytes, none of them zero`;
  throw listenError(text, reason, 'unix:/run/guest.sock');
}

/**
 * Reads the value of `--listen [NAME=]ADDR`. ADDR is `8080`, `:8080`, `127.0.0.1:8080`,
 * `[::1]:8080`, each with or without `tcp://` or `udp://`, or `unix:/path` or `unix:@abstract`.
 * A port alone means loopback; `*:8080` and `0.0.0.0:8080` mean every IPv4 address of the
 * machine. Of names only `localhost` is known. Anything else is a `UsageError`.
 */
export function parseListen(text: string): ListenAddress {
  const assignment = /^([^=:/@[]*)=(.*)$/s.exec(text);
  const [, name, place] = assignment ?? [text, undefined, text];
  if (name !== undefined && !/^[A-Za-z][A-Za-z0-9_]*$/.test(name)) {
    throw listenError(text, `'${name}' is not a name of letters, digits and _`, 'http=:8080');
  }
  const named = name === undefined ? {} : { name };
  if (place.startsWith('unix:')) {
    const address = parseListenUnix(text, place.slice('unix:'.length));
    return { ...named, transport: 'unix', address };
  }
  const [, scheme = 'tcp', endpoint = ''] = /^(?:([a-z]+):\/\/)?(.*)$/s.exec(place) ?? [];
  if (scheme !== 'tcp' && scheme !== 'udp') {
    throw listenError(text, `'${scheme}://' is not tcp:// or udp://`, 'tcp://127.0.0.1:8080');
  }
  return { ...named, transport: scheme, address: parseListenInet(text, endpoint) };
}
