/** `sock_getaddrinfo` in a driver guest. */
import { Addrinfo, AddressFamily, SockType } from '#host/abi/wasmedge.js';

import type { Call, Driven } from './driven.js';

/** Where these put the name, the hints, the head of the list, and how many were found. */
const NAME = 0x1_1000;
const HINTS = 0x1_3000;
const HEAD = 0x1_3100;
const COUNT = 0x1_3200;

/** The call that looks a name up, with no room for an answer: 0 if there was one. */
export async function lookUpCall(driven: Driven, name: string): Promise<Call> {
  const bytes = Buffer.from(`${name}\0`);
  const hints = new Uint8Array(Addrinfo.SIZE);
  const view = new DataView(hints.buffer);
  Addrinfo.family.set(view, 0, AddressFamily.INET4);
  Addrinfo.socktype.set(view, 0, SockType.STREAM);
  await driven.write(NAME, bytes);
  await driven.write(HINTS, hints);
  return ['sock_getaddrinfo', NAME, bytes.length, 0, 0, HINTS, HEAD, 0, COUNT];
}
