/** Kernels that fail in the middle: every failure its errno, and nothing half done (B70, E26). */
import { EPOLLIN, EPOLL_CTL_ADD, EpollEvent } from '#host/abi/epoll.js';
import { Event, Eventtype, Subscription } from '#host/abi/preview1.js';
import { Access, Kind, NO_HANDLE } from '#host/descriptors.js';
import { Errno, LinuxErrno } from '#host/errno.js';
import { type Fault, injectFaults } from '#host/kernel/inject.js';
import type { KERNEL_CALLS } from '#host/kernel/calls.js';
import { openNativeKernel } from '#host/kernel/native.js';
import { afterEach, describe, expect, test } from 'vitest';

import { leakedSince, openDescriptors } from '../support/descriptors.js';
import { type InThread, inThread } from '../support/in-thread.js';

const AT = 0x100;
const OUT = 0x4000;
const EVENTS = 0x8000;
const N = 0x2000;

const guests: InThread[] = [];

afterEach(() => {
  for (const guest of guests.splice(0)) guest.close();
});

function withFaults(...faults: Fault[]): InThread {
  const guest = inThread(injectFaults(openNativeKernel(), faults));
  guests.push(guest);
  return guest;
}

/** Opens a descriptor that a call writes at OUT. */
function opened(guest: InThread, name: string, ...words: number[]): number {
  expect([name, guest.call('sandpoll', name, ...words, OUT)]).toEqual([name, Errno.SUCCESS]);
  return guest.memory.view.getUint32(OUT, true);
}

/** An eventfd that is readable, and does not block. */
const readable = (guest: InThread): number => opened(guest, 'eventfd', 1, 0x800);

function add(guest: InThread, epfd: number, fd: number): number {
  EpollEvent.events.set(guest.memory.view, AT, EPOLLIN);
  EpollEvent.data.set(guest.memory.view, AT, fd, 0);
  return guest.call('sandpoll', 'epoll_ctl', epfd, EPOLL_CTL_ADD, fd, AT);
}

/** The descriptors that one wait without waiting reports. */
function ready(guest: InThread, epfd: number): number[] {
  const errno = guest.call('sandpoll', 'epoll_wait', epfd, EVENTS, 64, 0, N);
  expect(errno).toBe(Errno.SUCCESS);
  const { view } = guest.memory;
  const count = view.getUint32(N, true);
  const at = (index: number): number => EVENTS + index * EpollEvent.SIZE;
  return Array.from({ length: count }, (_, index) => EpollEvent.data.lo(view, at(index)));
}

/** poll_oneoff for reading from `fds`: its errno, and each event as [descriptor, error]. */
function pollOneoff(guest: InThread, fds: readonly number[]): [number, number[][]] {
  const { view, bytes } = guest.memory;
  fds.forEach((fd, index) => {
    const at = AT + index * Subscription.SIZE;
    bytes.fill(0, at, at + Subscription.SIZE);
    Subscription.userdata.set(view, at, fd, 0);
    Subscription.tag.set(view, at, Eventtype.FD_READ);
    Subscription.fd.set(view, at, fd);
  });
  const call = ['wasi_snapshot_preview1', 'poll_oneoff'] as const;
  const errno = guest.call(...call, AT, EVENTS, fds.length, N);
  const count = errno === 0 ? view.getUint32(N, true) : 0;
  const events = Array.from({ length: count }, (_, index) => {
    const at = EVENTS + index * Event.SIZE;
    return [Event.userdata.lo(view, at), Event.error.get(view, at)];
  });
  return [errno, events.toSorted(([a], [b]) => a - b)];
}

const FULL = [
  [LinuxErrno.NOSPC, Errno.NOSPC],
  [LinuxErrno.NOMEM, Errno.NOMEM],
] as const;

describe.each(FULL)('B70, E26: epoll_ctl fails with %i', (linux, wasi) => {
  test('the guest is told, nothing is registered, and adding it later succeeds', () => {
    const guest = withFaults({ call: 'epollCtl', from: 2, result: -linux });
    const epfd = opened(guest, 'epoll_create1', 0);
    const [first, second] = [readable(guest), readable(guest)];
    expect(add(guest, epfd, first)).toBe(Errno.SUCCESS);
    expect(add(guest, epfd, second)).toBe(wasi);
    expect(ready(guest, epfd)).toEqual([first]);
    expect(add(guest, epfd, second)).toBe(Errno.SUCCESS);
    expect(add(guest, epfd, second)).toBe(Errno.EXIST);
    expect(new Set(ready(guest, epfd))).toEqual(new Set([first, second]));
  });

  test('poll_oneoff says so for that subscription alone, and recovers', () => {
    const guest = withFaults({ call: 'epollCtl', from: 2, result: -linux });
    const fds = [readable(guest), readable(guest), readable(guest)];
    const [errno, events] = pollOneoff(guest, fds);
    expect(errno).toBe(Errno.SUCCESS);
    expect(events).toHaveLength(3);
    expect(events.filter(([, error]) => error === wasi)).toHaveLength(1);
    expect(events.filter(([, error]) => error === 0)).toHaveLength(2);
    expect(pollOneoff(guest, fds)).toEqual([0, fds.map((fd) => [fd, 0])]);
  });
});

test('poll_oneoff without an epoll to be had fails, and works as soon as there is one', () => {
  const guest = withFaults({ call: 'epollCreate1', from: 1, result: -LinuxErrno.NFILE });
  const fd = readable(guest);
  expect(pollOneoff(guest, [fd])).toEqual([Errno.NFILE, []]);
  expect(pollOneoff(guest, [fd])).toEqual([Errno.SUCCESS, [[fd, 0]]]);
});

const CREATORS: readonly [string, keyof typeof KERNEL_CALLS, number[]][] = [
  ['epoll_create1', 'epollCreate1', [0]],
  ['eventfd', 'eventfd', [0, 0]],
  ['timerfd_create', 'timerfdCreate', [1, 0]],
  ['pipe2', 'pipe2', [0]],
  ['socket', 'socket', [1, 1, 0]],
  ['socketpair', 'socketpair', [1, 1, 0]],
];

test.each(CREATORS)('%s that fails keeps no number', (name, call, words) => {
  const before = openDescriptors();
  const guest = withFaults({ call, from: 1, count: 100, result: -LinuxErrno.NFILE });
  for (let i = 0; i < 100; i++) {
    expect(guest.call('sandpoll', name, ...words, OUT)).toBe(Errno.NFILE);
  }
  expect(opened(guest, name, ...words)).toBe(0);
  guest.close();
  return expect(leakedSince(before)).resolves.toEqual([]);
});

test('E13: a wait that a signal interrupts is INTR, and writes nothing', () => {
  const result = -LinuxErrno.INTR;
  const guest = withFaults({ call: 'epollPwait', from: 1, count: 10, result });
  const epfd = opened(guest, 'epoll_create1', 0);
  add(guest, epfd, readable(guest));
  guest.memory.bytes.fill(0xa5, EVENTS, EVENTS + 1024);
  guest.memory.view.setUint32(N, 0xa5a5a5a5, true);
  for (let i = 0; i < 10; i++) {
    expect(guest.call('sandpoll', 'epoll_wait', epfd, EVENTS, 64, -1, N)).toBe(Errno.INTR);
  }
  expect(guest.memory.view.getUint32(N, true)).toBe(0xa5a5a5a5);
  expect(guest.memory.bytes.subarray(EVENTS, EVENTS + 1024).every((b) => b === 0xa5)).toBe(true);
  expect(ready(guest, epfd)).toHaveLength(1);
});

test('B25, B27: the number of a closed stream is taken over, and closes once', () => {
  const guest = withFaults();
  const { descriptors } = guest.sandbox;
  const row = [Kind.STDIO, Access.READ, 0] as const;
  for (let i = 0; i < 2; i++) descriptors.open(descriptors.claim(), NO_HANDLE, ...row);
  const p1 = 'wasi_snapshot_preview1';
  const fd = readable(guest);
  expect(guest.call(p1, 'fd_renumber', fd, 0)).toBe(Errno.SUCCESS);
  expect(guest.call(p1, 'fd_close', fd)).toBe(Errno.BADF);
  expect(guest.call(p1, 'fd_close', 0)).toBe(Errno.SUCCESS);
  expect(guest.call(p1, 'fd_close', 1)).toBe(Errno.BADF);
  expect([readable(guest), readable(guest)]).toEqual([0, 1]);
});
