/**
 * One epoll instance, shared by several guests: who is woken, and how often (E6, and the cases
 * of the kernel's own self-test for a single instance, by their numbers there).
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import {
  EFD_NONBLOCK,
  EPOLLET,
  EPOLLIN,
  EPOLL_CTL_ADD as ADD,
  EPOLL_CTL_MOD as MOD,
} from '#host/abi/epoll.js';

import type { Driven } from '../support/driven.js';
import { count, opened, write } from '../support/events.js';
import { type StartedStar, startStar } from '../support/star.js';
import { clock, epollCtl, epollWait, poll, reading } from '../support/structs.js';

const ONE = Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0);
/** How long one waits who is not meant to be woken. */
const QUIET_MS = 50;
const QUIET_NS = BigInt(QUIET_MS) * 1_000_000n;

/** What guests share: an epoll, and the sources that it watches (0, 1 and so on as data). */
interface Shared {
  readonly guests: readonly { readonly driven: Driven; readonly epfd: number }[];
  /** The guest that made it all, and its numbers. */
  readonly maker: Driven;
  readonly epfd: number;
  readonly sources: readonly number[];
}

/** The guests of all tests: each makes, and passes on, an epoll of its own. */
let started: StartedStar;

beforeAll(async () => {
  started = await startStar(3);
});

afterAll(async () => started.end());

/** Runs `body` with `guestCount` guests that share one epoll over `sources` eventfds. */
async function withShared(
  guestCount: number,
  sources: number,
  trigger: number,
  body: (shared: Shared) => Promise<void>,
): Promise<void> {
  const { star } = started;
  const maker = star.first;
  const epfd = await opened(maker, 'epoll_create1', 0);
  const events: number[] = [];
  for (let i = 0; i < sources; i++) {
    const event = await opened(maker, 'eventfd', 0, EFD_NONBLOCK);
    expect(await epollCtl(maker, epfd, ADD, event, EPOLLIN | trigger, BigInt(i))).toBe(0);
    events.push(event);
  }
  const guests = [{ driven: maker, epfd }];
  for (const [index, driven] of star.others.slice(0, guestCount - 1).entries()) {
    guests.push({ driven, epfd: await star.pass(epfd, index) });
  }
  await body({ guests, maker, epfd, sources: events });
}

/** Whether poll_oneoff finds the epoll itself ready, at once. */
async function isReady(driven: Driven, epfd: number): Promise<number> {
  const { events } = await poll(driven, [reading(epfd, 1n), clock(0n)]);
  return events.filter(({ userdata }) => userdata === 1n).length;
}

const fire = async (driven: Driven, event: number): Promise<void> => {
  expect(await write(driven, event, ONE)).toMatchObject({ errno: 0 });
};

describe.each([
  ['level-triggered', 0],
  ['edge-triggered', EPOLLET],
] as const)('%s', (name, trigger) => {
  const again = name === 'level-triggered';

  test.each([
    ['1 and 2', 1],
    ['3 and 4', 2],
  ])('%s: the second wait reports again what is level-triggered', (_rows, sources) =>
    withShared(1, sources, trigger, async ({ maker, epfd, sources: events }) => {
      for (const event of events) await fire(maker, event);
      expect(await epollWait(maker, epfd)).toHaveLength(sources);
      expect(await epollWait(maker, epfd)).toHaveLength(again ? sources : 0);
    }),
  );

  test.each([
    ['5 and 6', 1],
    ['7 and 8', 2],
  ])('%s: poll sees the epoll readable as long as a wait would report', (_rows, sources) =>
    withShared(1, sources, trigger, async ({ maker, epfd, sources: events }) => {
      for (const event of events) await fire(maker, event);
      const seen: number[] = [];
      for (let i = 0; i < 2; i++) {
        seen.push(await isReady(maker, epfd), (await epollWait(maker, epfd)).length);
      }
      expect(seen).toEqual(again ? [1, sources, 1, sources] : [1, sources, 0, 0]);
    }),
  );

  test(`E6, 9, 10 and 64: of two who wait, one event wakes ${again ? 'both' : 'one'}`, () =>
    withShared(2, 1, trigger, async ({ guests, maker, sources: [event] }) => {
      for (let round = 0; round < 5; round++) {
        const [own, other] = guests;
        const waiting = epollWait(other.driven, other.epfd, again ? -1 : 10 * QUIET_MS);
        await fire(maker, event);
        const woken = [(await epollWait(own.driven, own.epfd, QUIET_MS)).length];
        woken.push((await waiting).length);
        expect(woken.toSorted((a, b) => a - b)).toEqual(again ? [1, 1] : [0, 1]);
        expect(await count(maker, event)).toBe(1);
      }
    }));

  test('11 and 12: of two who take one each, two events wake both', () =>
    withShared(2, 2, trigger, async ({ guests, maker, sources }) => {
      const waits = guests.slice(1).map(({ driven, epfd }) => epollWait(driven, epfd, -1, 1));
      for (const event of sources) await fire(maker, event);
      const own = await epollWait(maker, guests[0].epfd, -1, 1);
      const all = [...own, ...(await Promise.all(waits)).flat()];
      expect(all).toHaveLength(2);
      // Each edge is reported once; a level may be to both.
      if (!again) expect(new Set(all.map(({ data }) => data)).size).toBe(2);
    }));

  test.each([
    ['13 and 14', 1],
    ['15 and 16', 2],
  ])('%s: one waits and one polls', (_rows, sources) =>
    withShared(2, sources, trigger, async ({ guests, maker, sources: events }) => {
      const [own, other] = guests;
      const polled = poll(other.driven, [reading(other.epfd, 1n), clock(QUIET_NS)]);
      for (const event of events) await fire(maker, event);
      const waited = await epollWait(own.driven, own.epfd, QUIET_MS, 1);
      await polled;
      const left = await epollWait(other.driven, other.epfd, 0, 1);
      const total = waited.length + left.length;
      expect(total).toBe(again || sources === 2 ? 2 : 1);
    }),
  );
});

test('59: every MOD of an edge-triggered source that is ready arms it anew', () =>
  withShared(2, 1, EPOLLET, async ({ guests, maker, epfd, sources: [event] }) => {
    await fire(maker, event);
    const [, other] = guests;
    const rounds = 500;
    const modifying = (async () => {
      for (let i = 0; i < rounds; i++) {
        expect(await epollCtl(maker, epfd, MOD, event, EPOLLIN | EPOLLET, BigInt(i))).toBe(0);
      }
    })();
    for (let i = 0; i < rounds / 5; i++) {
      const [found] = await epollWait(other.driven, other.epfd, -1);
      expect(found.events).toBe(EPOLLIN);
      if (found.data === BigInt(rounds - 1)) break;
    }
    await modifying;
  }));

test('60: with four who wait and four edge-triggered sources, no event is lost', () =>
  withShared(4, 4, EPOLLET, async ({ guests, maker, sources }) => {
    for (let round = 0; round < 30; round++) {
      const waits = guests.slice(1).map(({ driven, epfd }) => epollWait(driven, epfd, -1, 1));
      for (const event of sources) await fire(maker, event);
      const found = (await Promise.all(waits)).flat();
      // One is left for the fourth, who comes late.
      found.push(...(await epollWait(maker, guests[0].epfd, -1, 1)));
      expect(found.map(({ data }) => Number(data)).toSorted((a, b) => a - b)).toEqual([0, 1, 2, 3]);
    }
  }));

test('61: an event that races a time-out is lost by nobody', () =>
  withShared(2, 1, EPOLLET, async ({ guests, maker, sources: [event] }) => {
    const [own, other] = guests;
    for (let round = 0; round < 50; round++) {
      const waiting = epollWait(other.driven, other.epfd, 1);
      await fire(maker, event);
      const early = await waiting;
      const late = await epollWait(own.driven, own.epfd, 0);
      expect(early.length + late.length).toBe(1);
      expect(await count(maker, event)).toBe(1);
    }
  }));
