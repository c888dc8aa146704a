/** Reading, writing and opening in a driven guest, where bytes and numbers are what matters. */
import { expect } from 'vitest';

import { type Driven, iovecs } from './driven.js';

const IOVS = 0x1_0000;
const DATA = 0x1_1000;
const OUT = 0x1_f000;
const FLAGS = 0x1_f008;
const PASSED = 0x1_f010;

/** Room for the bytes of one call. */
const DATA_BYTES = 0x1000;

/** Opens a descriptor, which must succeed; its number. */
export async function opened(
  driven: Driven,
  name: string,
  ...args: (number | bigint)[]
): Promise<number> {
  expect([name, await driven.call(name, ...args, OUT)]).toEqual([name, 0]);
  return driven.u32(OUT);
}

/** An errno, and what was read where that is 0. */
export interface Read {
  readonly errno: number;
  readonly bytes: Uint8Array;
}

export async function read(driven: Driven, fd: number, room: number): Promise<Read> {
  await driven.calls(iovecs(IOVS, [[DATA, room]]));
  const errno = await driven.call('fd_read', fd, IOVS, 1, OUT);
  const size = errno === 0 ? await driven.u32(OUT) : 0;
  return { errno, bytes: await driven.read(DATA, size) };
}

/** The errno, or the number of bytes written as a negative number is not. */
export async function write(
  driven: Driven,
  fd: number,
  bytes: Uint8Array,
): Promise<{ errno: number; size: number }> {
  await driven.write(DATA, bytes);
  await driven.calls(iovecs(IOVS, [[DATA, bytes.length]]));
  const errno = await driven.call('fd_write', fd, IOVS, 1, OUT);
  return { errno, size: errno === 0 ? await driven.u32(OUT) : 0 };
}

/** Reads the 8 bytes of an event or timer descriptor; minus the errno if there are none. */
export async function count(driven: Driven, fd: number): Promise<number> {
  const { errno, bytes } = await read(driven, fd, 8);
  if (errno !== 0) return -errno;
  return Number(Buffer.from(bytes).readBigUInt64LE());
}

/** Sends one message; the errno. */
export async function send(driven: Driven, fd: number, text: string, passed = -1): Promise<number> {
  await driven.write(DATA, Buffer.from(text));
  await driven.calls(iovecs(IOVS, [[DATA, text.length]]));
  return driven.call('channel_send', fd, IOVS, 1, passed, OUT);
}

/** What channel_recv gave. */
export interface Message {
  readonly text: string;
  /** The descriptor that came with it, or −1. */
  readonly passed: number;
  readonly flags: number;
}

/** Receives one message, of which `room` bytes; or minus the errno. */
export async function receive(
  driven: Driven,
  fd: number,
  room = DATA_BYTES,
): Promise<Message | number> {
  await driven.calls(iovecs(IOVS, [[DATA, room]]));
  const errno = await driven.call('channel_recv', fd, IOVS, 1, OUT, PASSED, FLAGS);
  if (errno !== 0) return -errno;
  const bytes = await driven.read(DATA, await driven.u32(OUT));
  return {
    text: Buffer.from(bytes).toString('latin1'),
    passed: (await driven.u32(PASSED)) | 0,
    flags: await driven.u32(FLAGS),
  };
}

export async function setNonblocking(driven: Driven, fd: number): Promise<void> {
  expect(await driven.call('fd_fdstat_set_flags', fd, 4)).toBe(0);
}
