import { closeSync, openSync } from 'node:fs';

import { expect, test } from 'vitest';

import { openNativeKernel } from '#host/kernel/native.js';

import {
  AF_INET,
  EBADF,
  EINTR,
  EPOLLIN,
  EPOLL_CTL_ADD,
  SOCK_DGRAM,
  connection,
  ok,
  openSockets,
} from './sockets.js';
import { asleep, startThread, stopped } from './threads.js';

const kernel = openNativeKernel();
const bytes = new Uint8Array(4096);

test('B32 a handle is not a descriptor number', () => {
  const handle = ok(kernel.eventfd(0, 0));
  expect(handle).toBeGreaterThan(0xffff);
  for (let fd = 0; fd < 64; fd++) expect(kernel.fstat(fd)).toBe(EBADF);
  kernel.close(handle);
});

test('B28 a closed handle is EBADF for ever, whatever took its place', () => {
  const stale = ok(kernel.eventfd(1, 0));
  expect(kernel.close(stale)).toBe(0);
  expect(kernel.close(stale)).toBe(EBADF);
  for (let round = 0; round < 5000; round++) {
    const fresh = ok(kernel.eventfd(1, 0));
    expect(fresh).not.toBe(stale);
    expect(kernel.read(stale, bytes, 0, 8)).toBe(EBADF);
    kernel.close(fresh);
  }
});

test('slots are used again, each with a new generation', () => {
  const slots = new Set<number>();
  const handles = new Set<number>();
  for (let round = 0; round < 5000; round++) {
    const handle = ok(kernel.eventfd(0, 0));
    slots.add(handle & 0x3ffff);
    handles.add(handle);
    kernel.close(handle);
  }
  expect(handles.size).toBe(5000);
  expect(slots.size).toBeLessThan(1200);
  expect(slots.size).toBeGreaterThan(1000);
});

test('a new handle is never the one a Node file was just opened under', () => {
  const handle = ok(kernel.eventfd(7, 0));
  kernel.close(handle);
  const files = Array.from({ length: 16 }, () => openSync('/dev/zero', 'r'));
  expect(kernel.read(handle, bytes, 0, 8)).toBe(EBADF);
  for (const file of files) closeSync(file);
});

test('one handle names one object in every thread', async () => {
  const handle = ok(kernel.eventfd(41, 0));
  const thread = startThread((native, data) => {
    const memory = new Uint8Array(8);
    return [native.read(data, memory, 0, 8), memory[0], native.close(data)];
  }, handle);
  expect(await thread.outcome).toEqual([8, 41, 0]);
  expect(kernel.close(handle)).toBe(EBADF);
  await stopped(thread);
});

test('sessionClose closes what a terminated thread left open, even what it told nobody', async () => {
  const before = openSockets();
  const session = kernel.sessionOpen();
  const thread = startThread((native, data, ready) => {
    native.sessionEnter(data);
    for (let at = 0; at < 10; at++) native.socket(2, 1, 0);
    const epoll = native.epollCreate1(0);
    ready();
    return native.epollPwait(epoll, new Uint8Array(16), 0, 1, -1);
  }, session);
  await asleep(thread);
  expect(openSockets().length).toBe(before.length + 10);
  const ended = thread.worker.terminate();
  kernel.sessionWake(session);
  await ended;
  expect(kernel.sessionClose(session)).toBe(11);
  expect(openSockets()).toEqual(before);
});

test('sessionClose under a thread that still runs: it can open nothing more', async () => {
  const before = openSockets();
  const session = kernel.sessionOpen();
  const closed = new Int32Array(new SharedArrayBuffer(4));
  const thread = startThread(
    (native, data, ready) => {
      native.sessionEnter(data.session);
      const handle = native.socket(2, 1, 0);
      ready();
      Atomics.wait(data.closed, 0, 0);
      return [native.fstat(handle), native.socket(2, 1, 0)];
    },
    { session, closed },
  );
  await thread.ready;
  expect(kernel.sessionClose(session)).toBe(1);
  Atomics.store(closed, 0, 1);
  Atomics.notify(closed, 0);
  expect(await thread.outcome).toEqual([EBADF, -125]);
  expect(openSockets()).toEqual(before);
  await stopped(thread);
});

test('B28 close of a handle that another thread waits on: dead at once, closed at the end', async () => {
  const before = openSockets();
  const session = kernel.sessionOpen();
  const idle = ok(kernel.socket(AF_INET, SOCK_DGRAM, 0));
  const thread = startThread(
    (native, data, ready) => {
      native.sessionEnter(data.session);
      ready();
      return native.poll(data.idle, 1, -1, 0);
    },
    { session, idle },
  );
  await asleep(thread);
  expect(kernel.close(idle)).toBe(0);
  expect(kernel.fstat(idle)).toBe(EBADF);
  expect(openSockets().length).toBe(before.length + 1);
  kernel.sessionWake(session);
  expect(await thread.outcome).toBe(EINTR);
  expect(openSockets()).toEqual(before);
  await stopped(thread);
  kernel.sessionClose(session);
});

test('E1 a registration dies with its handle, even while another thread waits on it', async () => {
  const session = kernel.sessionOpen();
  const epoll = ok(kernel.epollCreate1(0));
  const { near, far } = connection(kernel);
  kernel.epollCtl(epoll, EPOLL_CTL_ADD, near, EPOLLIN, 1, 2);
  const thread = startThread(
    (native, data, ready) => {
      native.sessionEnter(data.session);
      ready();
      return native.poll(data.near, 0x2, -1, 0); // POLLPRI: data that comes is not for it.
    },
    { session, near },
  );
  await asleep(thread);
  expect(kernel.send(far, bytes, 0, 1, 0)).toBe(1);
  expect(kernel.epollPwait(epoll, bytes, 0, 8, -1)).toBe(1);
  kernel.close(near);
  expect(kernel.epollPwait(epoll, bytes, 0, 8, 0)).toBe(0);
  kernel.sessionWake(session);
  await thread.outcome;
  await stopped(thread);
  expect(kernel.epollPwait(epoll, bytes, 0, 8, 0)).toBe(0);
  for (const handle of [epoll, far]) kernel.close(handle);
  kernel.sessionClose(session);
});

test('a descriptor that a call still holds is never one that Node opens meanwhile', async () => {
  const session = kernel.sessionOpen();
  const before = openSockets();
  const socket = ok(kernel.socket(AF_INET, SOCK_DGRAM, 0));
  const held = openSockets().find((open) => !before.includes(open));
  const number = Number(held?.split(' ')[0]);
  const thread = startThread(
    (native, data, ready) => {
      native.sessionEnter(data.session);
      ready();
      return native.poll(data.socket, 1, -1, 0);
    },
    { session, socket },
  );
  await asleep(thread);
  kernel.close(socket);
  const files = Array.from({ length: 64 }, () => openSync('/dev/zero', 'r'));
  expect(files).not.toContain(number);
  kernel.sessionWake(session);
  expect(await thread.outcome).toBe(EINTR);
  const later = Array.from({ length: 64 }, () => openSync('/dev/zero', 'r'));
  expect(later).toContain(number);
  for (const file of [...files, ...later]) closeSync(file);
  await stopped(thread);
  kernel.sessionClose(session);
});
