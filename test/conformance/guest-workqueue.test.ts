/**
 * What a work queue over several guests stands on: who is woken, and how often (E6); and that a
 * descriptor with EPOLLONESHOT is one guest's at a time, whatever happens to it meanwhile (E5).
 */
import type { Socket } from 'node:net';

import {
  EFD_NONBLOCK,
  EPOLLERR,
  EPOLLET,
  EPOLLEXCLUSIVE,
  EPOLLHUP,
  EPOLLIN,
  EPOLLONESHOT,
  EPOLLOUT,
  EPOLLRDHUP,
  EPOLL_CTL_ADD as ADD,
  EPOLL_CTL_DEL as DEL,
  EPOLL_CTL_MOD as MOD,
} from '#host/abi/epoll.js';
import { SOCK_NONBLOCK } from '#host/abi/socket.js';
import { Errno } from '#host/errno.js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { type Driven, LISTENER } from '../support/driven.js';
import { count, opened, read, setNonblocking, write } from '../support/events.js';
import { type Star, type StartedStar, startStar } from '../support/star.js';
import { epollCtl, epollWait } from '../support/structs.js';

const ONE = Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0);
const OUT = 0x1_f000;
const WORKERS = 4;
const EVENTS = 30;

/** All tests of a kind have the same guests: each opens what it needs. */
let started: StartedStar;

function shareStar(workers: number): void {
  beforeAll(async () => {
    started = await startStar(workers);
  });
  afterAll(async () => started.end());
}

/** A worker and its number of what it waits on. */
interface Waiter {
  readonly driven: Driven;
  readonly epfd: number;
}

/** Waits of several guests, each started again when it has ended, and counted. */
class Wakes {
  readonly #waiters: readonly Waiter[];
  readonly #waiting = new Map<Waiter, Promise<Waiter>>();
  count = 0;

  constructor(waiters: readonly Waiter[]) {
    this.#waiters = waiters;
  }

  /** Lets all wait who do not. */
  start(): void {
    for (const waiter of this.#waiters) {
      if (this.#waiting.has(waiter)) continue;
      this.#waiting.set(waiter, this.#wait(waiter));
    }
  }

  get isOver(): boolean {
    return this.#waiting.size === 0;
  }

  /** The next who is woken. */
  async next(): Promise<Waiter> {
    const woken = await Promise.race(this.#waiting.values());
    this.#waiting.delete(woken);
    return woken;
  }

  async #wait(waiter: Waiter): Promise<Waiter> {
    await epollWait(waiter.driven, waiter.epfd, -1, 1);
    this.count++;
    return waiter;
  }
}

/** An epoll that four workers share, and what it watches. */
async function shareEpoll(
  star: Star,
  events: number,
): Promise<{ epfd: number; event: number; wakes: Wakes }> {
  const epfd = await opened(star.first, 'epoll_create1', 0);
  const event = await opened(star.first, 'eventfd', 0, EFD_NONBLOCK);
  expect(await epollCtl(star.first, epfd, ADD, event, events)).toBe(0);
  const waiters: Waiter[] = [];
  for (const [index, driven] of star.others.entries()) {
    waiters.push({ driven, epfd: await star.pass(epfd, index) });
  }
  return { epfd, event, wakes: new Wakes(waiters) };
}

/** A listener that four workers share, each with an epoll of its own over it. */
async function shareListener(star: Star, events: number): Promise<readonly Acceptor[]> {
  await setNonblocking(star.first, LISTENER);
  const acceptors: Acceptor[] = [];
  for (const [index, driven] of star.others.entries()) {
    const listener = await star.pass(LISTENER, index);
    await setNonblocking(driven, listener);
    const epfd = await opened(driven, 'epoll_create1', 0);
    expect(await epollCtl(driven, epfd, ADD, listener, events)).toBe(0);
    acceptors.push({ driven, epfd, listener });
  }
  return acceptors;
}

interface Acceptor extends Waiter {
  readonly listener: number;
}

/** Accepts and closes one connection: the errno. */
async function acceptOne({ driven, listener }: Acceptor): Promise<number> {
  const errno = await driven.call('accept4', listener, 0, 0, SOCK_NONBLOCK, OUT);
  if (errno === 0) await driven.call('fd_close', await driven.u32(OUT));
  return errno;
}

describe('E6: of four workers on one epoll', () => {
  shareStar(WORKERS);

  test.each([
    ['edge-triggered', EPOLLET],
    ['one-shot', EPOLLONESHOT],
    ['one-shot and edge-triggered', EPOLLET | EPOLLONESHOT],
  ])('one is woken for each event, %s', async (_name, trigger) => {
    const { star } = started;
    const { epfd, event, wakes } = await shareEpoll(star, EPOLLIN | trigger);
    let fired = 0;
    wakes.start();
    while (fired < EVENTS || !wakes.isOver) {
      await write(star.first, event, ONE);
      await wakes.next();
      fired++;
      expect(await count(star.first, event)).toBe(1);
      if (trigger & EPOLLONESHOT) await epollCtl(star.first, epfd, MOD, event, EPOLLIN | trigger);
      if (fired < EVENTS) wakes.start();
    }
    // Had one event woken two, there would have been nobody to be woken by the last ones.
    expect(wakes.count).toBe(fired);
  });

  test('all are woken for each event, level-triggered, as long as nobody takes it', async () => {
    const { star } = started;
    const { event, wakes } = await shareEpoll(star, EPOLLIN);
    for (let fired = 1; fired <= 10; fired++) {
      wakes.start();
      await write(star.first, event, ONE);
      while (!wakes.isOver) await wakes.next();
      expect(await count(star.first, event)).toBe(1);
      expect(wakes.count).toBe(WORKERS * fired);
    }
  });
});

describe('E6: of four workers with an epoll each on one listener', () => {
  shareStar(WORKERS);

  test('one is woken for each connection, with EPOLLEXCLUSIVE', async () => {
    const { star } = started;
    const acceptors = await shareListener(star, EPOLLIN | EPOLLEXCLUSIVE);
    const wakes = new Wakes(acceptors);
    let connections = 0;
    let accepted = 0;
    wakes.start();
    while (connections < EVENTS || !wakes.isOver) {
      await star.first.dial();
      connections++;
      // One that finds nothing was woken for nothing; the next has it then.
      while (accepted < connections) {
        const woken = await wakes.next();
        const acceptor = acceptors.find((each) => each === woken);
        if (acceptor !== undefined && (await acceptOne(acceptor)) === 0) accepted++;
        if (connections < EVENTS) wakes.start();
      }
    }
    expect(wakes.count / connections).toBeLessThanOrEqual(1.1);
  });

  test('all are woken for each connection, without it', async () => {
    const { star } = started;
    const acceptors = await shareListener(star, EPOLLIN);
    const wakes = new Wakes(acceptors);
    for (let connections = 1; connections <= 10; connections++) {
      wakes.start();
      await star.first.dial();
      while (!wakes.isOver) await wakes.next();
      const errnos = [];
      for (const acceptor of acceptors) errnos.push(await acceptOne(acceptor));
      expect(errnos).toEqual([0, Errno.AGAIN, Errno.AGAIN, Errno.AGAIN]);
      expect(wakes.count).toBe(WORKERS * connections);
    }
  });
});

/** A connection that is a worker's, watched in the epoll of the guest that accepted it. */
interface Handed {
  readonly boss: Driven;
  readonly worker: Driven;
  /** The boss's numbers: its epoll, and its descriptor of the connection. */
  readonly epfd: number;
  readonly own: number;
  /** The worker's numbers of the same. */
  readonly shared: number;
  readonly fd: number;
  readonly peer: Socket;
}

async function handOver(star: Star, events: number): Promise<Handed> {
  const [worker] = star.others;
  const epfd = await opened(star.first, 'epoll_create1', 0);
  const shared = await star.pass(epfd, 0);
  const { fd: own, peer } = await star.first.accept();
  const fd = await star.pass(own, 0);
  await setNonblocking(worker, fd);
  expect(await epollCtl(worker, shared, ADD, fd, events | EPOLLONESHOT, 7n)).toBe(0);
  return { boss: star.first, worker, epfd, own, shared, fd, peer };
}

/** Arms it again, as the worker does. */
async function rearm({ worker, shared, fd }: Handed, events: number): Promise<void> {
  expect(await epollCtl(worker, shared, MOD, fd, events | EPOLLONESHOT, 7n)).toBe(0);
}

/** Waits until the worker's connection has what was asked for, or has broken; looks no further. */
async function until({ worker, fd }: Handed, events: number): Promise<void> {
  const watching = await opened(worker, 'epoll_create1', 0);
  expect(await epollCtl(worker, watching, ADD, fd, events)).toBe(0);
  expect(await epollWait(worker, watching, -1)).toHaveLength(1);
  expect(await worker.call('fd_close', watching)).toBe(0);
}

/** In place of events: nothing but that it has broken. */
const NOTHING = 0;
const BROKEN = EPOLLIN | EPOLLERR | EPOLLHUP | EPOLLRDHUP;

describe('E5: a connection that a worker arms in the epoll of the loop', () => {
  shareStar(1);

  test('is disarmed in both directions by one event, and told again what the worker asks', async () => {
    const { star } = started;
    const handed = await handOver(star, EPOLLIN | EPOLLOUT);
    const { boss, epfd, peer } = handed;
    expect(await epollWait(boss, epfd, -1)).toEqual([{ events: EPOLLOUT, data: 7n }]);
    peer.write('x');
    await until(handed, EPOLLIN);
    expect(await epollWait(boss, epfd)).toEqual([]);
    await rearm(handed, EPOLLOUT);
    expect(await epollWait(boss, epfd)).toEqual([{ events: EPOLLOUT, data: 7n }]);
    await rearm(handed, EPOLLIN | EPOLLOUT);
    expect(await epollWait(boss, epfd)).toEqual([{ events: EPOLLIN | EPOLLOUT, data: 7n }]);
    expect(await epollWait(boss, epfd)).toEqual([]);
    await rearm(handed, EPOLLIN);
    expect(await epollWait(boss, epfd)).toEqual([{ events: EPOLLIN, data: 7n }]);
  });

  test('wakes the loop that is waiting already, when it is armed', async () => {
    const { star } = started;
    const handed = await handOver(star, EPOLLIN);
    const { boss, epfd, peer } = handed;
    peer.write('x');
    expect(await epollWait(boss, epfd, -1)).toEqual([{ events: EPOLLIN, data: 7n }]);
    const waiting = epollWait(boss, epfd, -1);
    await rearm(handed, EPOLLIN);
    expect(await waiting).toEqual([{ events: EPOLLIN, data: 7n }]);
  });

  test('that is reset while it is disarmed is told once, when it is armed again', async () => {
    const { star } = started;
    const handed = await handOver(star, EPOLLIN | EPOLLRDHUP);
    const { boss, worker, epfd, own, fd, peer } = handed;
    expect(await boss.call('fd_close', own)).toBe(0);
    peer.write('last words');
    expect(await epollWait(boss, epfd, -1)).toEqual([{ events: EPOLLIN, data: 7n }]);
    peer.resetAndDestroy();
    await until(handed, NOTHING);
    expect(await epollWait(boss, epfd)).toEqual([]);
    await rearm(handed, EPOLLIN | EPOLLRDHUP);
    expect(await epollWait(boss, epfd)).toEqual([{ events: BROKEN, data: 7n }]);
    expect(await epollWait(boss, epfd)).toEqual([]);
    expect((await read(worker, fd, 64)).bytes.length).toBe(10);
    expect((await read(worker, fd, 64)).errno).toBe(Errno.CONNRESET);
    expect(await worker.call('fd_close', fd)).toBe(0);
    expect(await epollWait(boss, epfd)).toEqual([]);
  });

  test('that is reset while it waits to be sent to is told, though nobody asked for IN', async () => {
    const { star } = started;
    const handed = await handOver(star, EPOLLIN);
    const { boss, epfd, peer } = handed;
    peer.write('x');
    expect(await epollWait(boss, epfd, -1)).toHaveLength(1);
    peer.resetAndDestroy();
    await until(handed, NOTHING);
    await rearm(handed, EPOLLOUT);
    const events = EPOLLOUT | EPOLLERR | EPOLLHUP;
    expect(await epollWait(boss, epfd)).toEqual([{ events, data: 7n }]);
  });

  test('that the worker closes while it is disarmed is never told again', async () => {
    const { star } = started;
    const handed = await handOver(star, EPOLLIN);
    const { boss, worker, epfd, own, fd, peer } = handed;
    peer.write('x');
    expect(await epollWait(boss, epfd, -1)).toHaveLength(1);
    expect(await worker.call('fd_close', fd)).toBe(0);
    // The loop still has a descriptor of its own; but that is not what was watched (E1).
    peer.write('more');
    expect((await read(boss, own, 64)).bytes.length).toBeGreaterThan(0);
    expect(await epollWait(boss, epfd)).toEqual([]);
  });

  test('leaves the epoll with its worker, armed or not', async () => {
    const { star, end } = await startStar(1);
    try {
      const handed = await handOver(star, EPOLLIN);
      const { boss, epfd, peer } = handed;
      await star.locals[1].guest.stop();
      peer.write('x');
      expect(await epollWait(boss, epfd)).toEqual([]);
    } finally {
      await end();
    }
  });

  test('E22: is that descriptor: of another there is nothing to arm, or a second event', async () => {
    const { star } = started;
    const handed = await handOver(star, EPOLLIN);
    const { boss, epfd, own, peer } = handed;
    expect(await epollCtl(boss, epfd, MOD, own, EPOLLIN | EPOLLONESHOT)).toBe(Errno.NOENT);
    expect(await epollCtl(boss, epfd, DEL, own)).toBe(Errno.NOENT);
    expect(await epollCtl(boss, epfd, ADD, own, EPOLLIN | EPOLLONESHOT, 8n)).toBe(0);
    peer.write('x');
    await until(handed, EPOLLIN);
    const data = (await epollWait(boss, epfd, -1)).map((each) => each.data);
    expect(data.toSorted((a, b) => Number(a - b))).toEqual([7n, 8n]);
  });
});
