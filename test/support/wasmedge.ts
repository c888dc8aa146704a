/** Socket addresses as guests of the WasmEdge family hand them over. */
import { Address, AddressFamily, AddressV2 } from '#host/abi/wasmedge.js';

import type { Driven } from './driven.js';

/** Where these put the address, its buffer, and results. */
const AT = 0x1_2000;
const BUF = 0x1_2100;
export const OUT = 0x1_2200;
/** `setsockopt` and `getsockopt` values. */
export const VALUE = 0x1_2300;
export const LENGTH = 0x1_2400;
const IOVS = 0x1_2500;
const BYTES = 0x1_3000;

export const INET4 = 1;
export const UNIX = 3;
export const DGRAM = 1;
export const STREAM = 2;
export const NONBLOCK = 4;

async function buffer(driven: Driven, bytes: Uint8Array): Promise<number> {
  await driven.write(BUF, bytes);
  const header = new Uint8Array(Address.SIZE);
  Address.buf.set(new DataView(header.buffer), 0, BUF);
  Address.len.set(new DataView(header.buffer), 0, bytes.length);
  await driven.write(AT, header);
  return AT;
}

/** Writes an IPv4 address as version 1 has it; where it lies. */
export function inet4(driven: Driven, ...ip: readonly number[]): Promise<number> {
  return buffer(driven, Uint8Array.from(ip));
}

/** Writes an address as version 2 has it: 128 bytes, the family first. */
export function addressV2(driven: Driven, family: number, body: Uint8Array): Promise<number> {
  const bytes = new Uint8Array(AddressV2.SIZE);
  AddressV2.family.set(new DataView(bytes.buffer), 0, family);
  bytes.set(body, AddressV2.address.offset);
  return buffer(driven, bytes);
}

export function unixAddress(driven: Driven, path: string): Promise<number> {
  return addressV2(driven, AddressFamily.UNIX, new TextEncoder().encode(path));
}

/** An address to be written to, `length` bytes long; where it lies. */
export function slot(driven: Driven, length: number): Promise<number> {
  return buffer(driven, new Uint8Array(length));
}

/** The first bytes of the last address. */
export async function addressBytes(driven: Driven, length: number): Promise<number[]> {
  return [...(await driven.read(BUF, length))];
}

/** A descriptor that a call opens, or the reason why it does not. */
export async function opens(driven: Driven, name: string, ...args: number[]): Promise<number> {
  const errno = await driven.call(name, ...args, OUT);
  if (errno !== 0) throw new Error(`${name} failed with ${errno}`);
  return driven.u32(OUT);
}

/** One buffer of `length` bytes; where its iovec lies. */
export async function iovec(driven: Driven, length: number): Promise<number> {
  await driven.call('store64', IOVS, (BigInt(length) << 32n) | BigInt(BYTES));
  return IOVS;
}

/** One buffer with a text in it; where its iovec lies. */
export async function textIovec(driven: Driven, text: string): Promise<number> {
  const bytes = new TextEncoder().encode(text);
  await driven.write(BYTES, bytes);
  return iovec(driven, bytes.length);
}

/** The text in the buffer that `iovec` has laid out. */
export async function bufferText(driven: Driven, length: number): Promise<string> {
  return new TextDecoder().decode(await driven.read(BYTES, length));
}
