/**
 * E28, B19: memory that grows between and around waits, and 1,024 events written to what is new.
 * What a host has taken of the memory before is stale after each `memory.grow`.
 */
import {
  EPOLLET,
  EPOLLIN,
  EPOLL_CTL_ADD,
  EpollEvent,
  Itimerspec,
  TFD_NONBLOCK,
  TFD_TIMER_ABSTIME,
} from '#host/abi/epoll.js';
import { Event, Subscription } from '#host/abi/preview1.js';
import { expect, test } from 'vitest';

import { type Call, type Driven, withDriven } from '../support/driven.js';
import { PAGE_BYTES } from '../support/driver.js';
import { opened } from '../support/events.js';
import { MONOTONIC, happened, reading, subscriptionBytes } from '../support/structs.js';

const TIMERS = 1024;
const OPTIONS = { limits: { fds: TIMERS + 64 } };
const FOR_EVER = -1;
/** How long the guest is blocked until all timers fire at once. */
const AHEAD_NS = 100_000_000n;

const AT = 0x1_0000;
const OUT = 0x1_f000;

/** Grows by room for as many records of `size` bytes as there are timers; where it begins. */
async function grown(driven: Driven, size: number = Event.SIZE): Promise<number> {
  const pages = Math.ceil((TIMERS * size) / PAGE_BYTES);
  return PAGE_BYTES * (await driven.call('memory.grow', pages));
}

/** One poll_oneoff of subscriptions that lie at `at`; where its events are, and how many. */
async function pollGrown(driven: Driven, at: number): Promise<{ out: number; n: number }> {
  const out = await grown(driven);
  expect(await driven.call('poll_oneoff', at, out, TIMERS, OUT)).toBe(0);
  return { out, n: await driven.u32(OUT) };
}

async function openTimers(driven: Driven): Promise<number[]> {
  const open: Call[] = [
    ['timerfd_create', MONOTONIC, TFD_NONBLOCK, OUT],
    ['load32', OUT],
  ];
  const results = await driven.calls(Array.from({ length: TIMERS }, () => open).flat());
  expect(results.filter((result, index) => index % 2 === 0 && result !== 0)).toEqual([]);
  return results.filter((_result, index) => index % 2 === 1);
}

/** Sets all timers to one moment of the guest's clock. */
async function armTogether(driven: Driven, timers: readonly number[]): Promise<void> {
  expect(await driven.call('clock_time_get', MONOTONIC, 0, OUT)).toBe(0);
  const when = BigInt(await driven.call('load64', OUT)) + AHEAD_NS;
  const bytes = new Uint8Array(Itimerspec.SIZE);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(Itimerspec.valueSeconds.offset, when / 1_000_000_000n, true);
  view.setBigUint64(Itimerspec.valueNanoseconds.offset, when % 1_000_000_000n, true);
  await driven.write(AT, bytes);
  const set = timers.map((fd): Call => ['timerfd_settime', fd, TFD_TIMER_ABSTIME, AT, 0]);
  expect(new Set(await driven.calls(set))).toEqual(new Set([0]));
}

/** The events of a wait, each as [events, data]. */
async function eventsAt(driven: Driven, at: number, n: number): Promise<[number, number][]> {
  const calls = Array.from({ length: n }, (_each, index): Call[] => {
    const event = at + EpollEvent.SIZE * index;
    return [
      ['load32', event],
      ['load64', event + EpollEvent.data.offset],
    ];
  });
  const words = await driven.calls(calls.flat());
  return Array.from({ length: n }, (_each, index) => [words[2 * index], words[2 * index + 1]]);
}

test('E28 B19 epoll_wait, blocked, writes 1,024 events to memory that has just grown', async () => {
  await withDriven(OPTIONS, async (driven) => {
    const epfd = await opened(driven, 'epoll_create1', 0);
    const timers = await openTimers(driven);
    const add = timers.flatMap((fd, index): Call[] => [
      ['store64', AT, BigInt.asUintN(32, BigInt(EPOLLIN | EPOLLET))],
      ['store64', AT + EpollEvent.data.offset, index],
      ['epoll_ctl', epfd, EPOLL_CTL_ADD, fd, AT],
    ]);
    expect(new Set(await driven.calls(add))).toEqual(new Set([0]));
    await armTogether(driven, timers);
    const seen = new Set<number>();
    // The first wait ends with the first timers; those that came while it woke are in the next.
    while (seen.size < TIMERS) {
      const at = await grown(driven);
      expect(await driven.call('epoll_wait', epfd, at, TIMERS, FOR_EVER, OUT)).toBe(0);
      const n = await driven.u32(OUT);
      expect(n).toBeGreaterThan(0);
      for (const [events, data] of await eventsAt(driven, at, n)) {
        expect([events, seen.has(data)]).toEqual([EPOLLIN, false]);
        seen.add(data);
      }
      const end = at + TIMERS * Event.SIZE;
      expect(await driven.call('dirty', at + n * EpollEvent.SIZE, end, 0)).toBe(-1);
    }
    expect([...seen].toSorted((a, b) => a - b)).toEqual(timers.map((_fd, index) => index));
  });
});

test('E28 B19 poll_oneoff, asked the same again after each growth, writes where memory is now', async () => {
  await withDriven(OPTIONS, async (driven) => {
    const timers = await openTimers(driven);
    const list = subscriptionBytes(timers.map((fd, index) => reading(fd, BigInt(index))));
    const at = await grown(driven, Subscription.SIZE);
    await driven.write(at, list);
    for (let round = 0; round < 3; round++) {
      await armTogether(driven, timers);
      // The first wait ends with the first timers; soon all have fired.
      let { out, n } = await pollGrown(driven, at);
      expect(n).toBeGreaterThan(0);
      while (n < TIMERS) ({ out, n } = await pollGrown(driven, at));
      const events = happened(await driven.read(out, n * Event.SIZE));
      const told = events.map(({ userdata }) => Number(userdata)).toSorted((a, b) => a - b);
      expect(told).toEqual(timers.map((_fd, index) => index));
      expect(events.filter(({ error }) => error !== 0)).toEqual([]);
    }
  });
});
