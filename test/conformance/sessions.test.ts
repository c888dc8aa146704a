import { describe, expect, test } from 'vitest';

import type { Kernel } from '#host/kernel/kernel.js';
import { openNativeKernel } from '#host/kernel/native.js';

const EINTR = -4;
const EBADF = -9;
const ESRCH = -3;
const EPOLLIN = 1;
const EPOLL_CTL_ADD = 1;

/** Every kernel that one thread alone can judge; the native one is the measure. */
const kernels: Record<string, () => Kernel> = { native: openNativeKernel };

describe.each(Object.keys(kernels))('sessions of the %s kernel', (name) => {
  const kernel = kernels[name]();
  const bytes = new Uint8Array(256);

  /** A session that the calling thread is in. */
  function entered(): number {
    const session = kernel.sessionOpen();
    expect(kernel.sessionEnter(session)).toBe(0);
    return session;
  }

  test('a session is a positive number, each its own', () => {
    const [one, two] = [kernel.sessionOpen(), kernel.sessionOpen()];
    expect(one).toBeGreaterThan(0);
    expect(two).not.toBe(one);
    kernel.sessionClose(one);
    kernel.sessionClose(two);
  });

  test('a session that was closed, or never was, is ESRCH', () => {
    const session = kernel.sessionOpen();
    expect(kernel.sessionClose(session)).toBe(0);
    for (const gone of [session, 0, -1, 2 ** 31 - 1]) {
      expect(kernel.sessionEnter(gone)).toBe(ESRCH);
      expect(kernel.sessionWake(gone)).toBe(ESRCH);
      expect(kernel.sessionClose(gone)).toBe(ESRCH);
    }
  });

  test('what a thread opens belongs to the session it is in', () => {
    const session = entered();
    const [event, epoll] = [kernel.eventfd(0, 0), kernel.epollCreate1(0)];
    expect(kernel.sessionClose(session)).toBe(2);
    expect(kernel.close(event)).toBe(EBADF);
    expect(kernel.close(epoll)).toBe(EBADF);
  });

  test('what was closed before is not counted', () => {
    const session = entered();
    kernel.close(kernel.eventfd(0, 0));
    kernel.eventfd(0, 0);
    expect(kernel.sessionClose(session)).toBe(1);
  });

  test('a thread outside every session owns what it opens, until a session adopts it', () => {
    const kept = kernel.eventfd(0, 0);
    const given = kernel.eventfd(0, 0);
    const session = kernel.sessionOpen();
    expect(kernel.sessionAdopt(session, given)).toBe(0);
    expect(kernel.sessionClose(session)).toBe(1);
    expect(kernel.close(given)).toBe(EBADF);
    expect(kernel.close(kept)).toBe(0);
  });

  test('a handle moves from session to session', () => {
    const first = entered();
    const handle = kernel.eventfd(0, 0);
    const second = kernel.sessionOpen();
    expect(kernel.sessionAdopt(second, handle)).toBe(0);
    expect(kernel.sessionClose(first)).toBe(0);
    expect(kernel.write(handle, new Uint8Array(8), 0, 8)).toBe(8);
    expect(kernel.sessionClose(second)).toBe(1);
  });

  test('adopting: EBADF for a closed handle, ESRCH for a closed session', () => {
    const session = kernel.sessionOpen();
    const handle = kernel.eventfd(0, 0);
    kernel.sessionClose(session);
    expect(kernel.sessionAdopt(session, handle)).toBe(ESRCH);
    expect(kernel.fionread(handle)).not.toBe(EBADF);
    kernel.close(handle);
    const open = kernel.sessionOpen();
    expect(kernel.sessionAdopt(open, handle)).toBe(EBADF);
    kernel.sessionClose(open);
  });

  test('entering a second session leaves the first', () => {
    const [first, second] = [entered(), entered()];
    kernel.eventfd(0, 0);
    kernel.sessionWake(first);
    expect(kernel.epollPwait(kernel.epollCreate1(0), bytes, 0, 8, 0)).toBe(0);
    expect(kernel.sessionClose(first)).toBe(0);
    expect(kernel.sessionClose(second)).toBe(2);
  });

  test('a thread that closes its own session goes on outside every session', () => {
    kernel.sessionClose(entered());
    const handle = kernel.eventfd(0, 0);
    expect(handle).toBeGreaterThan(0);
    expect(kernel.poll(handle, EPOLLIN, 0, 1_000_000)).toBe(0);
    expect(kernel.close(handle)).toBe(0);
  });

  test('a wake before anyone has entered is kept for the first who does', () => {
    const session = kernel.sessionOpen();
    expect(kernel.sessionWake(session)).toBe(0);
    kernel.sessionEnter(session);
    const epoll = kernel.epollCreate1(0);
    expect(kernel.epollPwait(epoll, bytes, 0, 8, -1)).toBe(EINTR);
    expect(kernel.epollPwait(epoll, bytes, 0, 8, 0)).toBe(0);
    kernel.sessionClose(session);
  });

  test('a wake ends the next wait of any kind, even one that would not have waited', () => {
    const session = entered();
    const epoll = kernel.epollCreate1(0);
    const ready = kernel.eventfd(1, 0);
    kernel.epollCtl(epoll, EPOLL_CTL_ADD, ready, EPOLLIN, 0, 0);
    const waits = [
      () => kernel.epollPwait(epoll, bytes, 0, 8, -1),
      () => kernel.epollPwait(epoll, bytes, 0, 8, 0),
      () => kernel.epollPwait2(epoll, bytes, 0, 8, -1, 0),
      () => kernel.epollPwait2(epoll, bytes, 0, 8, 0, 0),
      () => kernel.poll(ready, EPOLLIN, -1, 0),
      () => kernel.poll(ready, EPOLLIN, 0, 0),
    ];
    for (const wait of waits) {
      kernel.sessionWake(session);
      expect(wait()).toBe(EINTR);
      expect(wait()).toBe(1);
    }
    kernel.sessionClose(session);
  });

  test('wakes do not add up', () => {
    const session = entered();
    const epoll = kernel.epollCreate1(0);
    kernel.sessionWake(session);
    kernel.sessionWake(session);
    expect(kernel.epollPwait(epoll, bytes, 0, 8, -1)).toBe(EINTR);
    expect(kernel.epollPwait(epoll, bytes, 0, 8, 0)).toBe(0);
    kernel.sessionClose(session);
  });

  test('a wake is not EINTR to calls that do not wait', () => {
    const session = entered();
    const event = kernel.eventfd(0, 0);
    kernel.sessionWake(session);
    expect(kernel.read(event, bytes, 0, 8)).toBe(-11);
    expect(kernel.getrandom(bytes, 0, 256)).toBe(0);
    expect(kernel.poll(event, EPOLLIN, 0, 0)).toBe(EINTR);
    kernel.sessionClose(session);
  });
});
