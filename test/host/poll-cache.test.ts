/**
 * The cached epoll of `poll_oneoff` never shows: random programs answer as without a cache, and
 * as `poll(2)` does. And it costs what differs between two calls, and no more.
 */
import { EPOLLIN, EPOLL_CTL_ADD } from '#host/abi/epoll.js';
import { Eventtype } from '#host/abi/preview1.js';
import { CHANGES_LOGGED, Kind } from '#host/descriptors.js';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { PollWorld } from '../support/poll-world.js';
import { type Happened, type Subscribed, clock, reading, writing } from '../support/structs.js';

const FDS_MAX = 32;
const LIST_MAX = 40;
const THREADS = 3;
const [AF_UNIX, SOCK_STREAM, SOCK_SEQPACKET] = [1, 1, 5];
const AT_ONCE = clock(0n, { userdata: 2n ** 40n });
const ONE = Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0);
const SEED = Number(process.env['SANDPOLL_SEED'] ?? Date.now() % 2 ** 31);
const RUNS = Number(process.env['SANDPOLL_RUNS'] ?? 300);

interface Answers {
  readonly cached: readonly Happened[];
  readonly uncached: readonly Happened[];
}

/** A program's state: the world, the list it polls, and a channel that keeps files open. */
class Program {
  readonly world = new PollWorld(FDS_MAX, LIST_MAX, THREADS);
  list: Subscribed[] = [];
  /** What was told at each `check`, and what should have been. */
  readonly told: Answers[] = [];
  readonly expected: Answers[] = [];
  readonly #pair = new Int32Array(2);
  readonly #channel = this.#socketpair(SOCK_SEQPACKET)[0];

  #socketpair(type: number): Int32Array {
    const bytes = new Uint8Array(this.#pair.buffer);
    const result = this.world.kernel.socketpair(AF_UNIX, type, 0, bytes, 0);
    if (result < 0) throw new Error(`socketpair failed with ${result}`);
    return this.#pair;
  }

  open(kind: number): void {
    const { world } = this;
    const { kernel, table } = world;
    if (kind < 2) world.install(kernel.eventfd(kind, 0), Kind.EVENT);
    if (kind === 2) {
      const [near, far] = this.#socketpair(SOCK_STREAM);
      world.install(near, Kind.STREAM);
      world.install(far, Kind.STREAM);
    }
    if (kind === 3) world.install(kernel.stdio(0), Kind.STDIO);
    if (kind === 4) {
      const epoll = kernel.epollCreate1(0);
      if (table.kind(3) === Kind.EVENT || table.kind(3) === Kind.STREAM) {
        kernel.epollCtl(epoll, EPOLL_CTL_ADD, table.handle(3), EPOLLIN, 0, 0);
      }
      world.install(epoll, Kind.EPOLL);
    }
  }

  /** Makes a descriptor ready, or one that is ready no longer so. */
  stir(fd: number, writes: boolean): void {
    const { kernel, table } = this.world;
    const kind = table.kind(fd);
    if (kind !== Kind.EVENT && kind !== Kind.STREAM) return;
    const handle = table.handle(fd);
    if (writes) kernel.write(handle, ONE, 0, 8);
    else kernel.read(handle, new Uint8Array(8), 0, 8);
  }

  /** The file of a descriptor stays open in a channel, whoever closes it here. */
  keep(fd: number): void {
    const { kernel, table } = this.world;
    if (table.kind(fd) === Kind.FREE || table.kind(fd) === Kind.EPOLL) return;
    kernel.channelSend(this.#channel, ONE, Uint32Array.of(0, 1), 1, 0, table.handle(fd));
  }

  shutdown(fd: number, how: number): void {
    const { kernel, table } = this.world;
    if (table.kind(fd) === Kind.STREAM) kernel.shutdown(table.handle(fd), how);
  }

  subscribe(at: number, each: Subscribed): void {
    if (at < this.list.length) this.list[at] = each;
    else if (this.list.length + 2 < LIST_MAX) this.list.push(each);
  }

  check(thread: number, at: number, clockFirst: boolean): void {
    const list = clockFirst ? [AT_ONCE, ...this.list] : [...this.list, AT_ONCE];
    const expected = this.world.pollByItself(list);
    this.expected.push({ cached: expected, uncached: expected });
    const cached = this.world.poll(list, thread, at);
    this.told.push({ cached, uncached: this.world.pollUncached(list) });
  }
}

type Step = (program: Program) => void;

const anyFd = fc.oneof(
  { weight: 12, arbitrary: fc.integer({ min: 0, max: 9 }) },
  { weight: 1, arbitrary: fc.constantFrom(FDS_MAX - 1, FDS_MAX, 2 ** 31, 2 ** 32 - 1) },
);
const anySubscription: fc.Arbitrary<Subscribed> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      tag: fc.constantFrom(Eventtype.FD_READ, Eventtype.FD_WRITE),
      fd: anyFd,
      userdata: fc.bigInt({ min: 0n, max: 2n ** 33n }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ tag: fc.constantFrom(3, 9, 255), fd: anyFd }) },
  { weight: 1, arbitrary: fc.constantFrom(clock(0n), clock(60_000_000_000n), clock(2n ** 63n)) },
);

/** A step with a name, so that a failing program can be read. */
function step<Args extends unknown[]>(
  weight: number,
  name: string,
  args: fc.Arbitrary<Args>,
  run: (program: Program, ...args: Args) => void,
): { weight: number; arbitrary: fc.Arbitrary<Step> } {
  const arbitrary = args.map((drawn): Step => {
    const text = `${name}(${fc.stringify(drawn)})`;
    const each: Step = (program) => run(program, ...drawn);
    return Object.assign(each, { [fc.toStringMethod]: () => text });
  });
  return { weight, arbitrary };
}

const upTo = (max: number): fc.Arbitrary<number> => fc.integer({ min: 0, max });
const numbers = fc.tuple(upTo(9));
const anyStep: fc.Arbitrary<Step> = fc.oneof(
  step(5, 'open', fc.tuple(upTo(4)), (it, kind) => it.open(kind)),
  step(3, 'close', numbers, (it, fd) => it.world.close(fd)),
  step(2, 'renumber', fc.tuple(upTo(9), upTo(9)), (it, from, to) => it.world.renumber(from, to)),
  step(4, 'stir', fc.tuple(upTo(9), fc.boolean()), (it, fd, writes) => it.stir(fd, writes)),
  step(1, 'keep', numbers, (it, fd) => it.keep(fd)),
  step(1, 'shutdown', fc.tuple(upTo(9), upTo(2)), (it, fd, how) => it.shutdown(fd, how)),
  step(8, 'subscribe', fc.tuple(upTo(LIST_MAX), anySubscription), (it, at, each) => {
    it.subscribe(at, each);
  }),
  step(2, 'shorten', fc.tuple(upTo(12)), (it, length) => {
    it.list = it.list.slice(0, length);
  }),
  step(1, 'reverse', fc.tuple(), (it) => {
    it.list = it.list.toReversed();
  }),
  step(8, 'check', fc.tuple(upTo(THREADS - 1), upTo(7), fc.boolean()), (it, thread, at, first) => {
    it.check(thread, at, first);
  }),
);

test(`a cached poll_oneoff answers as an uncached one, and as poll(2) (seed ${SEED})`, () => {
  const programs = fc.array(anyStep, { minLength: 1, maxLength: 120, size: 'max' });
  fc.assert(
    fc.property(programs, (steps) => {
      const program = new Program();
      try {
        for (const each of steps) each(program);
        for (let thread = 0; thread < THREADS; thread++) program.check(thread, 0, false);
        expect(program.told).toEqual(program.expected);
      } finally {
        program.world.end();
      }
    }),
    { seed: SEED, numRuns: RUNS },
  );
});

const MANY = 400;

/** Runs `body` with many event descriptors, all subscribed to, and the counters at 0. */
function withMany(
  body: (world: PollWorld, list: Subscribed[], costs: () => number[]) => void,
): void {
  const world = new PollWorld(2 * MANY, 2 * MANY);
  try {
    const list = Array.from({ length: MANY }, (_each, index) => {
      const fd = world.install(world.kernel.eventfd(0, 0), Kind.EVENT);
      return reading(fd, BigInt(index));
    });
    const costs = (): number[] => {
      const spent = [world.ctls, world.table.looks];
      world.ctls = 0;
      world.table.looks = 0;
      return spent;
    };
    world.poll([...list, AT_ONCE]);
    expect(costs()).toEqual([MANY, MANY]);
    body(world, list, costs);
  } finally {
    world.end();
  }
}

describe('what it costs: epoll_ctl, and looks at the descriptor table', () => {
  test('the same subscriptions: nothing, and with another deadline neither', () => {
    withMany((world, list, costs) => {
      for (const due of [0n, 0n, 1n, 2n]) world.poll([...list, clock(due)]);
      for (const due of [0n, 1n]) world.poll([clock(due), ...list.slice(1)]);
      costs();
      for (const due of [0n, 1n]) world.poll([clock(due), ...list.slice(1)]);
      expect(costs()).toEqual([0, 0]);
    });
  });

  test('one changed, added or removed: that one', () => {
    withMany((world, list, costs) => {
      const renamed = list.with(200, reading(200, 7n));
      world.poll([...renamed, AT_ONCE]);
      expect(costs()).toEqual([0, 2]);
      const turned = list.with(200, writing(200, 7n));
      expect(world.poll([...turned, AT_ONCE])).toHaveLength(2);
      // It is looked at once for each touch: unsubscribed, and subscribed.
      expect(costs()[0]).toBe(1);
      world.poll([...turned, reading(200, 8n), AT_ONCE]);
      expect(costs()).toEqual([1, 1]);
      // The last one takes the place of one that goes; nobody asks for that, but it stays.
      world.poll([...turned.with(3, turned[MANY - 1]).slice(0, -1), AT_ONCE]);
      expect(costs()[0]).toBe(1);
      expect(costs()[1]).toBeLessThan(8);
    });
  });

  test('a descriptor that is closed and opened anew: its own interest', () => {
    withMany((world, list, costs) => {
      world.close(200);
      expect(world.install(world.kernel.eventfd(1, 0), Kind.EVENT)).toBe(200);
      costs();
      expect(world.poll([...list, AT_ONCE])).toEqual(world.pollByItself([...list, AT_ONCE]));
      // A DEL that the dead handle stops short of the kernel, and an ADD.
      expect(costs()[0]).toBe(2);
    });
  });

  test('more changes than the log keeps: all interests are made anew, and are right', () => {
    withMany((world, list, costs) => {
      for (let i = 0; i <= CHANGES_LOGGED; i++) {
        world.close(i % 2 === 0 ? 7 : 300);
        world.install(world.kernel.eventfd(i % 3, 0), Kind.EVENT);
      }
      costs();
      expect(world.poll([...list, AT_ONCE])).toEqual(world.pollByItself([...list, AT_ONCE]));
      expect(world.poll([...list, AT_ONCE])).toEqual(world.pollByItself([...list, AT_ONCE]));
      expect(costs()[0]).toBe(MANY);
    });
  });

  test('files and what is missing: files are tried once, the missing are looked for each time', () => {
    withMany((world, list, costs) => {
      const missing = [...list, reading(2 * MANY - 1, 9n), AT_ONCE];
      expect(world.poll(missing)).toHaveLength(2);
      costs();
      expect(world.poll(missing)).toHaveLength(2);
      expect(costs()).toEqual([0, 1]);
    });
  });
});

test('E1: an interest whose file stays open elsewhere when it is closed here is not heard again', () => {
  const program = new Program();
  const { world } = program;
  try {
    for (const kind of [1, 0]) program.open(kind);
    expect(world.poll([reading(0, 1n)])).toHaveLength(1);
    program.keep(0);
    world.close(0);
    expect(world.poll([reading(1, 2n), AT_ONCE])).toHaveLength(1);
    // Its number taken by another that is not ready: only the clock is due.
    program.open(0);
    expect(world.poll([reading(0, 3n), AT_ONCE])).toEqual(world.pollByItself([AT_ONCE]));
  } finally {
    world.end();
  }
});
