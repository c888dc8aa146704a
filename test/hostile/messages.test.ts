/** recvmmsg and sendmmsg with arguments that no C program would pass, and under faults. */
import { Timespec } from '#host/abi/epoll.js';
import {
  MSG_DONTWAIT,
  MSG_TRUNC,
  Mmsghdr,
  Msghdr,
  SOCK_NONBLOCK,
  SockaddrIn,
} from '#host/abi/socket.js';
import { AF_INET } from '#host/address.js';
import { Slot, blockOf, createCounters } from '#host/counters.js';
import { Errno, LinuxErrno } from '#host/errno.js';
import { NO_GRANTS, parseNetRule } from '#host/grants.js';
import type { Word } from '#host/imports/call.js';
import { counter } from '#host/imports/count.js';
import { type Fault, injectFaults } from '#host/kernel/inject.js';
import { openNativeKernel } from '#host/kernel/native.js';
import { findRow } from '#host/link.js';
import { afterEach, describe, expect, test } from 'vitest';

import { type InThread, inThread } from '../support/in-thread.js';

const VECTOR = 0x1_0000;
const IOVS = 0x4_0000;
const NAMES = 0x6_0000;
const DATA = 0x8_0000;
const OUT = 0x100;
const ADDR = 0x200;
const LEN = 0x300;
const TIME = 0x400;
/** Room of each message, in bytes. */
const ROOM = 8;
const SOCK_DGRAM = 2;

const guests: InThread[] = [];

afterEach(() => {
  for (const guest of guests.splice(0)) guest.close();
});

function guestWith(allow: readonly string[], ...faults: Fault[]): InThread {
  const rules = allow.map((rule) => parseNetRule(rule, '--allow-net'));
  const kernel = injectFaults(openNativeKernel(), faults);
  const guest = inThread(kernel, { ...NO_GRANTS, net: { allow: rules, deny: [] } });
  guests.push(guest);
  return guest;
}

const u32 = ({ memory }: InThread, at: number): number => memory.view.getUint32(at, true);
const call = (guest: InThread, name: string, ...words: number[]): number =>
  guest.call('sandpoll', name, ...words);

function writeAddress({ memory }: InThread, at: number, host: number, port: number): void {
  SockaddrIn.family.set(memory.view, at, AF_INET);
  memory.view.setUint16(at + SockaddrIn.port.offset, port, false);
  memory.bytes.set([127, 0, 0, host], at + SockaddrIn.addr.offset);
}

/** A datagram socket that does not block, bound to a port of 127.0.0.1: itself and the port. */
function bound(guest: InThread): [fd: number, port: number] {
  expect(call(guest, 'socket', AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0, OUT)).toBe(0);
  const fd = u32(guest, OUT);
  writeAddress(guest, ADDR, 1, 0);
  expect(call(guest, 'bind', fd, ADDR, SockaddrIn.SIZE)).toBe(0);
  guest.memory.view.setUint32(LEN, SockaddrIn.SIZE, true);
  expect(call(guest, 'getsockname', fd, ADDR, LEN)).toBe(0);
  return [fd, guest.memory.view.getUint16(ADDR + SockaddrIn.port.offset, false)];
}

const message = (index: number): number => VECTOR + index * Mmsghdr.SIZE;

/** Messages of one buffer and one address each; `port` 0 leaves the addresses as they are. */
function prepare(guest: InThread, count: number, port = 0): void {
  const { view, bytes } = guest.memory;
  for (let i = 0; i < count; i++) {
    const at = message(i);
    bytes.fill(0, at, at + Mmsghdr.SIZE);
    Msghdr.name.set(view, at, NAMES + i * SockaddrIn.SIZE);
    Msghdr.namelen.set(view, at, SockaddrIn.SIZE);
    Msghdr.iov.set(view, at, IOVS + i * 8);
    Msghdr.iovlen.set(view, at, 1);
    view.setUint32(IOVS + i * 8, DATA + i * ROOM, true);
    view.setUint32(IOVS + i * 8 + 4, ROOM, true);
    if (port !== 0) writeAddress(guest, NAMES + i * SockaddrIn.SIZE, 1, port);
  }
}

/** What a call answers: how many messages, or the name of its errno. */
function answer(guest: InThread, name: string, ...words: number[]): number | string {
  const errno = call(guest, name, ...words, OUT);
  if (errno === 0) return u32(guest, OUT);
  return Object.entries(Errno).find(([, number]) => number === errno)?.[0] ?? '?';
}

const sends = (guest: InThread, fd: number, count: number, at = VECTOR): number | string =>
  answer(guest, 'sendmmsg', fd, at, count, 0);
const receives = (guest: InThread, fd: number, count: number, at = VECTOR): number | string =>
  answer(guest, 'recvmmsg', fd, at, count, MSG_DONTWAIT, 0);

describe('addresses and lengths', () => {
  const LAST = 32 * 65_536;

  /** Each makes the message at `at` one that cannot be received, and mostly not be sent. */
  const WRONG: readonly (readonly [string, (view: DataView, at: number) => void, string])[] = [
    ['buffers outside memory', (view, at) => Msghdr.iov.set(view, at, LAST - 4), 'FAULT'],
    ['buffers at the end of all', (view, at) => Msghdr.iov.set(view, at, 2 ** 32 - 1), 'FAULT'],
    ['a name outside memory', (view, at) => Msghdr.name.set(view, at, LAST - 15), 'FAULT'],
    ['too many buffers', (view, at) => Msghdr.iovlen.set(view, at, 2 ** 32 - 1), 'MSGSIZE'],
    ['a name of no length', (view, at) => Msghdr.namelen.set(view, at, 2 ** 32 - 1), 'INVAL'],
  ];

  test.each(WRONG)('%s: alone its errno, in the middle the end', (_what, spoil, errno) => {
    const guest = guestWith(['127.0.0.1']);
    const [to, port] = bound(guest);
    const [from] = bound(guest);
    prepare(guest, 4, port);
    spoil(guest.memory.view, message(2));
    expect(sends(guest, from, 4)).toBe(2);
    expect(sends(guest, from, 2, message(2))).toBe(errno);
    prepare(guest, 1, port);
    expect(sends(guest, from, 1)).toBe(1);
    prepare(guest, 4);
    spoil(guest.memory.view, message(2));
    expect(receives(guest, to, 2, message(2))).toBe(errno);
    expect(receives(guest, to, 4)).toBe(2);
    prepare(guest, 4);
    expect(receives(guest, to, 4)).toBe(1);
  });

  test('a vector that ends outside memory, and of 2³² messages', () => {
    const guest = guestWith(['127.0.0.1']);
    const [to, port] = bound(guest);
    const [from] = bound(guest);
    prepare(guest, 3, port);
    expect(sends(guest, from, 3)).toBe(3);
    const end = LAST - 2 * Mmsghdr.SIZE;
    guest.memory.bytes.copyWithin(end, VECTOR, VECTOR + 2 * Mmsghdr.SIZE);
    expect(receives(guest, to, 2 ** 32 - 1, end)).toBe(2);
    expect(receives(guest, to, 1, end + Mmsghdr.SIZE + 1)).toBe('FAULT');
    expect(receives(guest, to, 1, 2 ** 32 - 1)).toBe('FAULT');
    prepare(guest, 3, port);
    expect(receives(guest, to, 2 ** 32 - 1)).toBe(1);
    expect(receives(guest, to, 1)).toBe('AGAIN');
    prepare(guest, 2, port);
    guest.memory.bytes.copyWithin(end, VECTOR, VECTOR + 2 * Mmsghdr.SIZE);
    expect(sends(guest, from, 2 ** 32 - 1, end)).toBe(2);
    expect(call(guest, 'sendmmsg', from, VECTOR, 1, 0, LAST - 3)).toBe(Errno.FAULT);
    expect(call(guest, 'recvmmsg', to, VECTOR, 1, 0, 0, LAST - 3)).toBe(Errno.FAULT);
    expect(call(guest, 'recvmmsg', to, VECTOR, 1, 0, LAST - 15, OUT)).toBe(Errno.FAULT);
    expect(receives(guest, to, 3)).toBe(2);
  });

  test('messages that lie over each other, their buffers over their headers', () => {
    const guest = guestWith(['127.0.0.1']);
    const [to, port] = bound(guest);
    const [from] = bound(guest);
    prepare(guest, 4, port);
    expect(sends(guest, from, 4)).toBe(4);
    prepare(guest, 4);
    // The bytes of each come where the next one's header stands; it was read before.
    for (let i = 0; i < 4; i++) {
      guest.memory.view.setUint32(IOVS + i * 8, message(i + 1), true);
    }
    expect(receives(guest, to, 4)).toBe(4);
    // And the result over the length of the first.
    prepare(guest, 4, port);
    expect(sends(guest, from, 4)).toBe(4);
    prepare(guest, 4);
    const lengthAt = message(0) + Mmsghdr.len.offset;
    expect(call(guest, 'recvmmsg', to, VECTOR, 4, MSG_DONTWAIT, 0, lengthAt)).toBe(0);
    expect(u32(guest, lengthAt)).toBe(4);
  });

  test('more buffers than one call of the port takes go by several', () => {
    const guest = guestWith(['127.0.0.1']);
    const [to, port] = bound(guest);
    const [from] = bound(guest);
    prepare(guest, 3, port);
    const { view } = guest.memory;
    for (let i = 0; i < 1024; i++) {
      view.setUint32(IOVS + i * 8, DATA, true);
      view.setUint32(IOVS + i * 8 + 4, i < 5 ? 1 : 0, true);
    }
    for (let i = 0; i < 3; i++) {
      Msghdr.iov.set(view, message(i), IOVS);
      Msghdr.iovlen.set(view, message(i), 700);
    }
    expect(sends(guest, from, 3)).toBe(3);
    expect([0, 1, 2].map((i) => Mmsghdr.len.get(view, message(i)))).toEqual([5, 5, 5]);
    expect(receives(guest, to, 3)).toBe(3);
    expect([0, 1, 2].map((i) => Mmsghdr.len.get(view, message(i)))).toEqual([5, 5, 5]);
  });

  test('memory that has grown since', () => {
    const guest = guestWith(['127.0.0.1']);
    const [to, port] = bound(guest);
    const [from] = bound(guest);
    prepare(guest, 2, port);
    expect(sends(guest, from, 2)).toBe(2);
    const memory = new WebAssembly.Memory({ initial: 32 });
    guest.sandbox.attachMemory(memory);
    memory.grow(1);
    const grown = guest.sandbox.memory;
    expect(grown.fits(LAST, 4)).toBe(true);
    const view = new DataView(memory.buffer);
    for (let i = 0; i < 2; i++) {
      Msghdr.iov.set(view, LAST + i * Mmsghdr.SIZE, LAST + 0x1000);
      Msghdr.iovlen.set(view, LAST + i * Mmsghdr.SIZE, 1);
    }
    view.setUint32(LAST + 0x1000, LAST + 0x2000, true);
    view.setUint32(LAST + 0x1004, 3, true);
    expect(call(guest, 'recvmmsg', to, LAST, 2, 0, 0, LAST + 0x3000)).toBe(0);
    expect(view.getUint32(LAST + 0x3000, true)).toBe(2);
    expect(Msghdr.flags.get(view, LAST + Mmsghdr.SIZE)).toBe(MSG_TRUNC);
  });
});

describe('grants', () => {
  test('B39 each address is judged; the first that is denied ends the call', () => {
    const guest = guestWith(['udp:127.0.0.1']);
    const [to, port] = bound(guest);
    const [from] = bound(guest);
    prepare(guest, 5, port);
    writeAddress(guest, NAMES + 3 * SockaddrIn.SIZE, 2, port);
    expect(sends(guest, from, 5)).toBe(3);
    expect(sends(guest, from, 2, message(3))).toBe('ACCES');
    expect(sends(guest, from, 1, message(4))).toBe(1);
    prepare(guest, 9);
    expect(receives(guest, to, 9)).toBe(4);
  });

  test('B39 a socket without an address is bound by no message', () => {
    const guest = guestWith(['udp:127.0.0.1']);
    const [, port] = bound(guest);
    expect(call(guest, 'socket', AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0, OUT)).toBe(0);
    const fd = u32(guest, OUT);
    prepare(guest, 2, port);
    expect(sends(guest, fd, 2)).toBe('ACCES');
    Msghdr.name.set(guest.memory.view, message(0), 0);
    expect(sends(guest, fd, 2)).toBe('DESTADDRREQ');
    guest.memory.view.setUint32(LEN, SockaddrIn.SIZE, true);
    expect(call(guest, 'getsockname', fd, ADDR, LEN)).toBe(0);
    expect(guest.memory.view.getUint16(ADDR + SockaddrIn.port.offset, false)).toBe(0);
  });

  test('AF_UNSPEC, which Linux takes for AF_INET, is no address', () => {
    const guest = guestWith(['udp:127.0.0.1']);
    const [from, port] = bound(guest);
    prepare(guest, 1, port);
    SockaddrIn.family.set(guest.memory.view, NAMES, 0);
    expect(sends(guest, from, 1)).toBe('AFNOSUPPORT');
  });
});

describe('faults', () => {
  test('B70 a call that fails tells its errno, or what was done before', () => {
    const result = -LinuxErrno.NOMEM;
    const guest = guestWith(
      ['127.0.0.1'],
      { call: 'sendmmsg', from: 2, result },
      { call: 'recvmmsg', from: 2, result },
    );
    const [to, port] = bound(guest);
    const [from] = bound(guest);
    prepare(guest, 130, port);
    // The port takes 128 by one call.
    expect(sends(guest, from, 130)).toBe(128);
    expect(sends(guest, from, 2, message(128))).toBe(2);
    prepare(guest, 200);
    expect(receives(guest, to, 200)).toBe(128);
    expect(receives(guest, to, 200)).toBe(2);
  });

  test('B70 a failed call writes nothing', () => {
    const result = -LinuxErrno.NOBUFS;
    const guest = guestWith(
      ['127.0.0.1'],
      { call: 'sendmmsg', from: 1, result },
      { call: 'recvmmsg', from: 1, result },
    );
    const [fd, port] = bound(guest);
    prepare(guest, 2, port);
    Timespec.seconds.set(guest.memory.view, TIME, 5, 0);
    guest.memory.bytes.fill(0xa5, OUT, OUT + 4);
    const before = guest.memory.bytes.slice();
    expect(call(guest, 'sendmmsg', fd, VECTOR, 2, 0, OUT)).toBe(Errno.NOBUFS);
    expect(call(guest, 'recvmmsg', fd, VECTOR, 2, 0, TIME, OUT)).toBe(Errno.NOBUFS);
    expect(Buffer.compare(guest.memory.bytes, before)).toBe(0);
  });
});

test('what is metered counts the bytes of all messages', () => {
  const guest = guestWith(['127.0.0.1']);
  const [to, port] = bound(guest);
  const [from] = bound(guest);
  const block = blockOf(createCounters(1), 0);
  const metered = (name: string, ...words: Word[]): number | undefined => {
    const row = findRow('sandpoll', name, words.length);
    if (row === undefined) throw new Error(`there is no ${name}`);
    const body = counter(block)(row, row.bind(guest.sandbox), guest.sandbox);
    return (body as (...given: Word[]) => number | undefined)(...words);
  };
  prepare(guest, 3, port);
  writeAddress(guest, NAMES + 2 * SockaddrIn.SIZE, 1, 0);
  // The third has no port to go to: two are sent.
  expect(metered('sendmmsg', from, VECTOR, 3, 0, OUT)).toBe(0);
  expect(block[Slot.SENT_BYTES]).toBe(2 * ROOM);
  prepare(guest, 3);
  guest.memory.view.setUint32(IOVS + 4, 3, true);
  expect(metered('recvmmsg', to, VECTOR, 3, 0, 0, OUT)).toBe(0);
  expect(block[Slot.RECEIVED_BYTES]).toBe(3 + ROOM);
  expect(metered('recvmmsg', to, VECTOR, 3, 0, 0, OUT)).toBe(Errno.AGAIN);
  expect(block[Slot.RECEIVED_BYTES]).toBe(3 + ROOM);
});
