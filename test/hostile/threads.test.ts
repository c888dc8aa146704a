/** Threads of one guest that get in each other's way on purpose: what is shared stays whole. */
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { describe, expect, test } from 'vitest';

import { parseNetRule } from '#host/index.js';
import { leakedSince, openDescriptors } from '../support/descriptors.js';
import { SAY, startThreaded } from '../support/threaded.js';

async function outcomeOf(...args: Parameters<typeof startThreaded>) {
  const before = openDescriptors();
  const guest = await startThreaded(...args);
  const outcome = await guest.ended;
  expect(await leakedSince(before)).toEqual([]);
  return outcome;
}

/** The next number of a thread's own sequence (xorshift), from its state at `$at`. */
const RANDOM = `(func $random (param $at i32) (param $below i32) (result i32)
  (local $x i32)
  (local.set $x (i32.load (local.get $at)))
  (local.set $x (i32.xor (local.get $x) (i32.shl (local.get $x) (i32.const 13))))
  (local.set $x (i32.xor (local.get $x) (i32.shr_u (local.get $x) (i32.const 17))))
  (local.set $x (i32.xor (local.get $x) (i32.shl (local.get $x) (i32.const 5))))
  (i32.store (local.get $at) (local.get $x))
  (i32.rem_u (local.get $x) (local.get $below)))`;

/** Few, so that threads meet. */
const FDS = 12;

/**
 * One random call on random numbers. Each thread has 256 bytes at `$at`: its state, then an
 * epoll_event, room for results, and an iovec of 8 bytes.
 */
const ANY_CALL = `(func $any_call (param $at i32)
  (local $a i32) (local $b i32)
  (local.set $a (call $random (local.get $at) (i32.const ${FDS + 2})))
  (local.set $b (call $random (local.get $at) (i32.const ${FDS})))
  (block $6 (block $5 (block $4 (block $3 (block $2 (block $1 (block $0
    (br_table $0 $1 $2 $3 $4 $5 $6 (call $random (local.get $at) (i32.const 7))))
    (drop (call $eventfd (i32.const 5) (i32.const 0) (i32.add (local.get $at) (i32.const 32))))
    (return))
    (drop (call $socketpair (i32.const 1) (i32.const 0x801) (i32.const 0)
      (i32.add (local.get $at) (i32.const 32))))
    (return))
    (drop (call $fd_close (local.get $a)))
    (return))
    (drop (call $fd_renumber (local.get $a) (local.get $b)))
    (return))
    (drop (call $epoll_create1 (i32.const 0) (i32.add (local.get $at) (i32.const 32))))
    (return))
    (drop (call $epoll_ctl (local.get $a) (i32.const 1) (local.get $b)
      (i32.add (local.get $at) (i32.const 16))))
    (return))
  ;; Non-blocking first: an eventfd that is 0 would keep it.
  (drop (call $fd_fdstat_set_flags (local.get $a) (i32.const 4)))
  (drop (call $fd_write (local.get $a) (i32.add (local.get $at) (i32.const 48)) (i32.const 1)
    (i32.add (local.get $at) (i32.const 32)))))`;

/** Prepares the 256 bytes of the thread whose number is `$n`: 1 KiB and so many bytes up. */
const PREPARE = `(func $prepare (param $n i32) (result i32)
  (local $at i32)
  (local.set $at (i32.add (i32.const 1024) (i32.shl (local.get $n) (i32.const 8))))
  (i32.store (local.get $at)
    (i32.add (i32.const 88172645) (i32.mul (local.get $n) (i32.const 7919))))
  (i32.store offset=16 (local.get $at) (i32.const 1))
  (i32.store offset=48 (local.get $at) (i32.add (local.get $at) (i32.const 64)))
  (i32.store offset=52 (local.get $at) (i32.const 8))
  (i32.store offset=64 (local.get $at) (i32.const 1))
  (local.get $at))`;

const THREADS = 4;

test('random calls of four threads on one table lose no number, and give none twice (B25, B26)', async () => {
  const thread = `(local $at i32) (local $i i32)
    (local.set $at (call $prepare (local.get $arg)))
    (loop $next
      (call $any_call (local.get $at))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $i) (i32.const 20000))))
    (drop (i32.atomic.rmw.add (i32.const 0) (i32.const 1)))
    (drop (memory.atomic.notify (i32.const 0) (i32.const 1)))`;
  const start = `(local $i i32) (local $seen i32)
    (loop $next
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (call $start_thread (local.get $i))
      (br_if $next (i32.lt_u (local.get $i) (i32.const ${THREADS}))))
    (loop $all
      (local.set $seen (i32.atomic.load (i32.const 0)))
      (if (i32.lt_u (local.get $seen) (i32.const ${THREADS}))
        (then (call $wait (i32.const 0) (local.get $seen)) (br $all))))
    (local.set $i (i32.const 0))
    (loop $close
      (drop (call $fd_close (local.get $i)))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $close (i32.lt_u (local.get $i) (i32.const ${FDS + 8}))))
    ;; An empty table again: each number once, from 0.
    ${SAY}
    (local.set $i (i32.const 0))
    (loop $open
      (if (i32.eqz (call $eventfd (i32.const 0) (i32.const 0) (i32.const 64)))
        (then
          (if (i32.ne (i32.load (i32.const 64)) (local.get $i)) (then unreachable))
          (local.set $i (i32.add (local.get $i) (i32.const 1)))
          (br $open))))
    (call $proc_exit (local.get $i))`;
  const functions = `${RANDOM} ${ANY_CALL} ${PREPARE}`;
  const limits = { threads: THREADS + 1, fds: FDS };
  const sockets = (): number => openDescriptors().filter((each) => each.includes('socket:')).length;
  const before = sockets();
  let left = NaN;
  const onReport = (): void => {
    left = sockets() - before;
  };
  const outcome = await outcomeOf({ start, thread, functions }, { limits, onReport });
  expect(outcome).toEqual({ kind: 'exited', code: FDS });
  // What has no number any more is closed.
  expect(left).toBe(0);
});

/** Writes two values in turn to a word, for ever. */
const flip = (at: number, one: number, other: number): string => `
  (loop $for_ever
    (i32.atomic.store (i32.const ${at}) (i32.const ${one}))
    (i32.atomic.store (i32.const ${at}) (i32.const ${other}))
    (br $for_ever))`;

/** A body that calls so many times and exits with 0; traps if an errno is none of `allowed`. */
function repeatedly(times: number, call: string, allowed: readonly number[]): string {
  const wrong = allowed.map((errno) => `(i32.ne (local.get $errno) (i32.const ${errno}))`);
  return `(local $i i32) (local $errno i32)
    (call $start_thread (i32.const 0))
    (loop $again
      (local.set $errno ${call})
      (if ${wrong.reduce((all, each) => `(i32.and ${all} ${each})`)} (then unreachable))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $again (i32.lt_u (local.get $i) (i32.const ${times}))))
    (call $proc_exit (i32.const 0))`;
}

const DONE = { kind: 'exited', code: 0 };

describe('bytes that another thread changes between check and use (B17)', () => {
  test('an address that is judged is the one that is connected to', async () => {
    const servers = [createServer(), createServer()] as const;
    const connections = [0, 0];
    servers.forEach((server, index) => {
      server.on('connection', (socket) => {
        connections[index]++;
        socket.on('error', () => {}).destroy();
      });
    });
    await Promise.all(
      servers.map(async (server) => once(server.listen(0, '127.0.0.1'), 'listening')),
    );
    const [allowed, denied] = servers.map((server) => (server.address() as AddressInfo).port);
    // A sockaddr_in at 64: family 2, port in network order, 127.0.0.1.
    const word = (port: number): number => 2 | ((port >>> 8) << 16) | ((port & 255) << 24);
    const attempt = `(block (result i32)
      (drop (call $socket (i32.const 2) (i32.const 0x801) (i32.const 0) (i32.const 96)))
      (call $connect (i32.load (i32.const 96)) (i32.const 64) (i32.const 16))
      (drop (call $fd_close (i32.load (i32.const 96)))))`;
    const start = `(i32.store (i32.const 68) (i32.const 0x0100007f))
      (i32.store (i32.const 64) (i32.const ${word(allowed)}))`;
    const body = repeatedly(1500, attempt, [0, 2, 26]);
    const [locals, ...rest] = body.split('\n');
    const net = { allow: [parseNetRule(`tcp:127.0.0.1:${allowed}/out`, '--allow-net')], deny: [] };
    const outcome = await outcomeOf(
      {
        start: [locals, start, ...rest].join('\n'),
        thread: flip(64, word(allowed), word(denied)),
      },
      { grants: { net } },
    );
    expect(outcome).toEqual(DONE);
    expect(connections[1]).toBe(0);
    expect(connections[0]).toBeGreaterThan(10);
    for (const server of servers) server.close();
  });

  test('the length of a buffer is read once: SUCCESS or FAULT, and never more than there is', async () => {
    // An iovec at 64: the last 16 bytes of memory, or 4 GiB from there.
    const call = '(call $random_or_read (i32.const 0))';
    const functions = `(func $random_or_read (param i32) (result i32)
      (local $errno i32)
      (local.set $errno (call $sock_recv (i32.load (i32.const 80)) (i32.const 64) (i32.const 1)
        (i32.const 1) (i32.const 96) (i32.const 100)))
      (if (i32.gt_u (i32.load (i32.const 96)) (i32.const 16)) (then unreachable))
      (local.get $errno))`;
    const begin = `
      (call $ok (call $socketpair (i32.const 1) (i32.const 1) (i32.const 0) (i32.const 80)))
      (i32.store (i32.const 64) (i32.const ${2 * 65_536 - 16}))
      (i32.store (i32.const 68) (i32.const 16))
      (call $ok (call $sock_send (i32.load (i32.const 84)) (i32.const 64) (i32.const 1)
        (i32.const 0) (i32.const 96)))`;
    const [locals, ...rest] = repeatedly(100_000, call, [0, 21]).split('\n');
    const start = [locals, begin, ...rest].join('\n');
    expect(await outcomeOf({ start, functions, thread: flip(68, 16, -1) })).toEqual(DONE);
  });

  test('a subscription is one thing or another, and never half of each', async () => {
    // Tag and descriptor of the second of two; the first is a clock that is due.
    const begin = `
      (call $ok (call $eventfd (i32.const 1) (i32.const 0) (i32.const 80)))
      (i32.store8 (i32.const 568) (i32.const 1))
      (i32.store (i32.const 576) (i32.load (i32.const 80)))`;
    const call = `(call $poll_oneoff (i32.const 512) (i32.const 640) (i32.const 2) (i32.const 84))`;
    const [locals, ...rest] = repeatedly(30_000, call, [0]).split('\n');
    const start = [locals, begin, ...rest].join('\n');
    const thread = `(loop $for_ever
      (i32.atomic.store8 (i32.const 568) (i32.const 0))
      (i32.atomic.store (i32.const 576) (i32.const -1))
      (i32.atomic.store8 (i32.const 568) (i32.const 2))
      (i32.atomic.store (i32.const 576) (i32.const 3))
      (i32.atomic.store8 (i32.const 568) (i32.const 7))
      (br $for_ever))`;
    expect(await outcomeOf({ start, thread })).toEqual(DONE);
  });
});

describe('threads that start threads', () => {
  /** Each thread starts two more, as long as it can, and stays. */
  const bomb = `(loop $again
      (drop (call $thread-spawn (i32.const 0)))
      (br_if $again (i32.gt_s (call $thread-spawn (i32.const 0)) (i32.const 0))))
    (call $wait (i32.const 0) (i32.const 0))`;

  test('get as many as are allowed, and all of them end at stop()', async () => {
    const before = openDescriptors();
    const reports: string[] = [];
    let say = (): void => {};
    const refused = new Promise<void>((resolve) => {
      say = resolve;
    });
    const onReport = (line: string): void => {
      reports.push(line);
      say();
    };
    const guest = await startThreaded(
      { start: bomb, thread: bomb },
      { limits: { threads: 12 }, onReport },
    );
    await refused;
    expect(await guest.stop()).toEqual({ kind: 'killed', reason: 'stopped' });
    expect(reports).toEqual(['threads: 12 are running; allow more with --max-threads']);
    expect(await leakedSince(before)).toEqual([]);
  });

  test('and end at once, hundreds of times, leave nothing behind', async () => {
    const thread = '(drop (i32.atomic.rmw.add (i32.const 0) (i32.const 1)))';
    const start = `
      (loop $again
        (drop (call $thread-spawn (i32.const 0)))
        (br_if $again (i32.lt_u (i32.atomic.load (i32.const 0)) (i32.const 500))))
      ${SAY} (call $proc_exit (i32.const 0))`;
    expect(await outcomeOf({ start, thread }, { limits: { threads: 4 } })).toEqual(DONE);
  });

  test('are stopped wherever they are: in every stage of starting (B84)', async () => {
    const before = openDescriptors();
    for (let round = 0; round < 12; round++) {
      const guest = await startThreaded(
        { start: bomb, thread: bomb },
        { limits: { threads: 6 }, onReport: () => {} },
      );
      for (let turns = 0; turns < 40 * round; turns++) await new Promise(setImmediate);
      await guest.stop();
    }
    expect(await leakedSince(before)).toEqual([]);
  });
});
