import { describe, expect, test } from 'vitest';

import { openNativeKernel } from '#host/kernel/native.js';

import { EINTR, EPOLLIN, ok } from './sockets.js';
import { asleep, startThread, stopped } from './threads.js';

const kernel = openNativeKernel();
const bytes = new Uint8Array(4096);

type Kind = 'epollPwait' | 'epollPwait2' | 'poll';
const KINDS: readonly Kind[] = ['epollPwait', 'epollPwait2', 'poll'];

/** A thread that enters a session and waits `rounds` times, each time for ever. */
function sleeper(session: number, kind: Kind, rounds: number) {
  return startThread(
    (native, data, ready) => {
      const results = [native.sessionEnter(data.session)];
      const memory = new Uint8Array(1024);
      const epoll = native.epollCreate1(0);
      const idle = native.eventfd(0, 0);
      native.epollCtl(epoll, 1, idle, 1, 0, 0);
      ready();
      const waits = {
        epollPwait: () => native.epollPwait(epoll, memory, 0, 8, -1),
        epollPwait2: () => native.epollPwait2(epoll, memory, 0, 8, -1, 0),
        poll: () => native.poll(idle, 1, -1, 0),
      };
      for (let round = 0; round < data.rounds; round++) {
        results.push(waits[data.kind]());
        Atomics.add(data.done, 0, 1);
      }
      return results;
    },
    { session, kind, rounds, done: new Int32Array(new SharedArrayBuffer(4)) },
  );
}

describe.each(KINDS)('sessionWake from another thread and %s', (kind) => {
  test('ends a wait for ever with EINTR', async () => {
    const session = kernel.sessionOpen();
    const thread = sleeper(session, kind, 1);
    await asleep(thread);
    expect(kernel.sessionWake(session)).toBe(0);
    expect(await thread.outcome).toEqual([0, EINTR]);
    await stopped(thread);
    expect(kernel.sessionClose(session)).toBe(2);
  });

  test('before the wait ends the wait all the same', () => {
    const session = kernel.sessionOpen();
    kernel.sessionEnter(session);
    const epoll = ok(kernel.epollCreate1(0));
    const idle = ok(kernel.eventfd(0, 0));
    kernel.sessionWake(session);
    const waits = {
      epollPwait: () => kernel.epollPwait(epoll, bytes, 0, 8, -1),
      epollPwait2: () => kernel.epollPwait2(epoll, bytes, 0, 8, -1, 0),
      poll: () => kernel.poll(idle, EPOLLIN, -1, 0),
    };
    expect(waits[kind]()).toBe(EINTR);
    expect(kernel.poll(idle, EPOLLIN, 0, 0)).toBe(0);
    expect(kernel.sessionClose(session)).toBe(2);
  });
});

test('a wake is taken once, however many signals it took', () => {
  const session = kernel.sessionOpen();
  kernel.sessionEnter(session);
  const idle = ok(kernel.eventfd(0, 0));
  for (let times = 0; times < 5; times++) kernel.sessionWake(session);
  expect(kernel.poll(idle, EPOLLIN, -1, 0)).toBe(EINTR);
  expect(kernel.poll(idle, EPOLLIN, 0, 20_000_000)).toBe(0);
  kernel.sessionClose(session);
});

test('500 wakes at random moments end 500 waits', async () => {
  const session = kernel.sessionOpen();
  const done = new Int32Array(new SharedArrayBuffer(4));
  const thread = startThread(
    (native, data, ready) => {
      native.sessionEnter(data.session);
      const epoll = native.epollCreate1(0);
      const memory = new Uint8Array(1024);
      ready();
      let interrupted = 0;
      for (let round = 0; round < 500; round++) {
        if (native.epollPwait(epoll, memory, 0, 8, -1) === -4) interrupted++;
        Atomics.store(data.done, 0, round + 1);
        Atomics.notify(data.done, 0);
      }
      return interrupted;
    },
    { session, done },
  );
  await thread.ready;
  for (let round = 0; round < 500; round++) {
    kernel.sessionWake(session);
    // The notification of the round before may come only now: then it is waited for once more.
    while (Atomics.wait(done, 0, round, 5000) === 'ok');
    expect(Atomics.load(done, 0)).toBe(round + 1);
  }
  expect(await thread.outcome).toBe(500);
  await stopped(thread);
  kernel.sessionClose(session);
});

test('a wake reaches every thread of the session and no thread of another', async () => {
  const [ours, theirs] = [kernel.sessionOpen(), kernel.sessionOpen()];
  const threads = KINDS.map((kind) => sleeper(ours, kind, 1));
  const other = sleeper(theirs, 'poll', 1);
  await Promise.all([...threads, other].map((thread) => asleep(thread)));
  kernel.sessionWake(ours);
  for (const thread of threads) expect(await thread.outcome).toEqual([0, EINTR]);
  await asleep(other);
  kernel.sessionWake(theirs);
  expect(await other.outcome).toEqual([0, EINTR]);
  await Promise.all([...threads, other].map((thread) => stopped(thread)));
  kernel.sessionClose(ours);
  kernel.sessionClose(theirs);
});

test('a wake finds no thread that has ended', async () => {
  const session = kernel.sessionOpen();
  const thread = startThread((native, data) => native.sessionEnter(data), session);
  expect(await thread.outcome).toBe(0);
  await stopped(thread);
  expect(kernel.sessionWake(session)).toBe(0);
  kernel.sessionClose(session);
});

test('E13 a signal that is no wake does not shorten a wait', async () => {
  const session = kernel.sessionOpen();
  kernel.sessionEnter(session);
  const idle = ok(kernel.eventfd(0, 0));
  // A wake taken before its signal arrives leaves a signal that means nothing.
  for (let round = 0; round < 50; round++) {
    kernel.sessionWake(session);
    expect(kernel.poll(idle, EPOLLIN, -1, 0)).toBe(EINTR);
    const start = process.hrtime.bigint();
    expect(kernel.poll(idle, EPOLLIN, 0, 2_000_000)).toBe(0);
    expect(Number(process.hrtime.bigint() - start)).toBeGreaterThanOrEqual(2_000_000);
  }
  kernel.sessionClose(session);
});
