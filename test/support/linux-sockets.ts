/** Module `sandpoll`'s sockets in a driver guest: addresses, messages, options as Linux's are. */
import { SockaddrIn, SockaddrIn6 } from '#host/abi/socket.js';
import { AF_INET, AF_INET6, AF_UNIX } from '#host/address.js';

import type { Call, Driven } from './driven.js';
import { opens } from './wasmedge.js';

/** Where these put an address, its length, a value with its length, bytes, a msghdr, a result. */
const ADDR = 0x1_4000;
const ADDRLEN = 0x1_4100;
const VALUE = 0x1_4200;
const VALUE_LEN = 0x1_4300;
export const BYTES = 0x1_5000;
export const SIZE = 0x1_4400;

export const SOCK_STREAM = 1;
export const SOCK_DGRAM = 2;
export const SOCK_SEQPACKET = 5;
export const SOL_SOCKET = 1;

/** An address in the guest's memory: where it lies and its length. */
export type Place = readonly [addr: number, addrlen: number];

async function place(driven: Driven, bytes: Uint8Array): Promise<Place> {
  await driven.write(ADDR, bytes);
  return [ADDR, bytes.length];
}

export function inet(
  driven: Driven,
  port: number,
  ip: readonly number[] = [127, 0, 0, 1],
): Promise<Place> {
  const bytes = new Uint8Array(SockaddrIn.SIZE);
  const view = new DataView(bytes.buffer);
  SockaddrIn.family.set(view, 0, AF_INET);
  view.setUint16(SockaddrIn.port.offset, port, false);
  bytes.set(ip, SockaddrIn.addr.offset);
  return place(driven, bytes);
}

export function inet6(
  driven: Driven,
  port: number,
  ip: readonly number[] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
): Promise<Place> {
  const bytes = new Uint8Array(SockaddrIn6.SIZE);
  const view = new DataView(bytes.buffer);
  SockaddrIn6.family.set(view, 0, AF_INET6);
  view.setUint16(SockaddrIn6.port.offset, port, false);
  bytes.set(ip, SockaddrIn6.addr.offset);
  return place(driven, bytes);
}

export function unix(driven: Driven, path: string): Promise<Place> {
  return place(driven, Uint8Array.from([AF_UNIX, 0, ...new TextEncoder().encode(path), 0]));
}

/** An address of these bytes, whatever they are. */
export function rawAddress(driven: Driven, ...bytes: readonly number[]): Promise<Place> {
  return place(driven, Uint8Array.from(bytes));
}

/** A new socket; non-blocking with `SOCK_NONBLOCK` in its type. */
export function socket(driven: Driven, domain: number, type: number): Promise<number> {
  return opens(driven, 'socket', domain, type, 0);
}

/** A room for an address, of `room` bytes. */
export async function addressRoom(driven: Driven, room = 128): Promise<Place> {
  await driven.write(ADDRLEN, Uint8Array.of(room, 0, 0, 0));
  return [ADDR, ADDRLEN];
}

/** The length that was told, and as many bytes of the address. */
export async function addressThere(driven: Driven): Promise<Uint8Array> {
  return driven.read(ADDR, await driven.u32(ADDRLEN));
}

function portIn(bytes: Uint8Array): number {
  return (bytes[2] << 8) | bytes[3];
}

/** The port that a socket is bound to. */
export async function portOf(driven: Driven, fd: number): Promise<number> {
  const errno = await driven.call('getsockname', fd, ...(await addressRoom(driven)));
  if (errno !== 0) throw new Error(`getsockname failed with ${errno}`);
  return portIn(await addressThere(driven));
}

/** A socket that is bound to a free port of loopback. */
export async function boundInet(driven: Driven, type: number): Promise<[number, number]> {
  const fd = await socket(driven, AF_INET, type);
  const errno = await driven.call('bind', fd, ...(await inet(driven, 0)));
  if (errno !== 0) throw new Error(`bind failed with ${errno}`);
  return [fd, await portOf(driven, fd)];
}

/** A TCP connection of the guest with itself: the end that connected, the one accepted. */
export async function connection(driven: Driven): Promise<[number, number]> {
  const [listener, port] = await boundInet(driven, SOCK_STREAM);
  const client = await socket(driven, AF_INET, SOCK_STREAM);
  const [, connected] = await driven.calls([
    ['listen', listener, 8],
    ['connect', client, ...(await inet(driven, port))],
  ]);
  if (connected !== 0) throw new Error(`connect failed with ${connected}`);
  const accepted = await opens(driven, 'accept4', listener, 0, 0, 0);
  await driven.call('fd_close', listener);
  return [client, accepted];
}

/** Writes a text where `send` and its like find it; its length in bytes. */
export async function text(driven: Driven, message: string): Promise<number> {
  const bytes = new TextEncoder().encode(message);
  await driven.write(BYTES, bytes);
  return bytes.length;
}

export async function send(
  driven: Driven,
  fd: number,
  message: string,
  flags = 0,
): Promise<number> {
  const length = await text(driven, message);
  return driven.call('send', fd, BYTES, length, flags, SIZE);
}

export async function sendto(
  driven: Driven,
  fd: number,
  message: string,
  [addr, addrlen]: Place,
): Promise<number> {
  const length = await text(driven, message);
  return driven.call('sendto', fd, BYTES, length, 0, addr, addrlen, SIZE);
}

/** What `recv` answers: the text that came, or the errno. */
export async function recv(
  driven: Driven,
  fd: number,
  room = 64,
  flags = 0,
): Promise<string | number> {
  const errno = await driven.call('recv', fd, BYTES, room, flags, SIZE);
  if (errno !== 0) return errno;
  const told = await driven.u32(SIZE);
  return new TextDecoder().decode(await driven.read(BYTES, Math.min(told, room)));
}

/** Sets an `int`, or whatever the bytes are. */
export async function setsockopt(
  driven: Driven,
  fd: number,
  level: number,
  name: number,
  value: number | Uint8Array,
): Promise<number> {
  const bytes = typeof value === 'number' ? new Uint8Array(Int32Array.of(value).buffer) : value;
  await driven.write(VALUE, bytes);
  return driven.call('setsockopt', fd, level, name, VALUE, bytes.length);
}

/** An option's `int`, or minus the errno. */
export async function getsockopt(
  driven: Driven,
  fd: number,
  level: number,
  name: number,
): Promise<number> {
  await driven.write(VALUE_LEN, Uint8Array.of(4, 0, 0, 0));
  const errno = await driven.call('getsockopt', fd, level, name, VALUE, VALUE_LEN);
  return errno === 0 ? (await driven.u32(VALUE)) | 0 : -errno;
}

/** Waits for events of one descriptor in an epoll of its own; the events there were. */
export async function eventsOf(driven: Driven, fd: number, events: number): Promise<number> {
  const epfd = await opens(driven, 'epoll_create1', 0);
  const bytes = new Uint8Array(16);
  new DataView(bytes.buffer).setUint32(0, events, true);
  await driven.write(VALUE, bytes);
  const calls: Call[] = [
    ['epoll_ctl', epfd, 1, fd, VALUE],
    ['epoll_wait', epfd, VALUE, 1, 5000, SIZE],
    ['load32', VALUE],
    ['fd_close', epfd],
  ];
  const [added, waited, seen] = await driven.calls(calls);
  if (added !== 0 || waited !== 0) throw new Error(`epoll failed with ${added}, ${waited}`);
  return seen;
}
