/** Reading, writing and asking what descriptors are, by a driven guest. */
import { Rights } from '#host/abi/preview1.js';
import { expect } from 'vitest';

import { type Driven, iovecs } from './driven.js';
import { PAGE_BYTES } from './driver.js';

/** Where an iovec, results and bytes are. */
export const IOVS = PAGE_BYTES;
export const OUT = PAGE_BYTES + 0x100;
export const DATA = PAGE_BYTES + 0x200;

/** The bytes of one fd_read of at most `most`; a negative errno if it fails. */
export async function read(driven: Driven, most: number, fd = 0): Promise<Buffer | number> {
  await driven.calls(iovecs(IOVS, [[DATA, most]]));
  const errno = await driven.call('fd_read', fd, IOVS, 1, OUT);
  if (errno !== 0) return -errno;
  return Buffer.from(await driven.read(DATA, await driven.u32(OUT)));
}

export async function write(driven: Driven, fd: number, text: string): Promise<number> {
  await driven.write(DATA, Buffer.from(text));
  await driven.calls(iovecs(IOVS, [[DATA, text.length]]));
  return driven.call('fd_write', fd, IOVS, 1, OUT);
}

/** What fd_fdstat_get tells: the filetype, and whether there are FD_SEEK and FD_TELL. */
export async function told(
  driven: Driven,
  fd: number,
): Promise<[filetype: number, seeks: boolean]> {
  expect(await driven.call('fd_fdstat_get', fd, OUT)).toBe(0);
  const position = Rights.FD_SEEK | Rights.FD_TELL;
  const rights = await driven.call('load32', OUT + 8);
  return [await driven.call('load8', OUT), (rights & position) === position];
}
