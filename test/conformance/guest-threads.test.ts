/** wasi-threads (abi.md §5): threads of one guest, their ends, and what they share. */
import { describe, expect, test } from 'vitest';

import { leakedSince, openDescriptors } from '../support/descriptors.js';
import { tasks } from '../support/tasks.js';
import { SAY, type Threaded, startThreaded } from '../support/threaded.js';

const EXITED = (code: number) => ({ kind: 'exited', code });

/** Runs a guest to its end, and holds it against leaks. */
async function outcomeOf(...args: Parameters<typeof startThreaded>) {
  const before = openDescriptors();
  const guest = await startThreaded(...args);
  const outcome = await guest.ended;
  expect(await leakedSince(before)).toEqual([]);
  return outcome;
}

/** States in which a thread can be when another ends the guest: bodies, and what they need. */
const STATES: Readonly<Record<string, string>> = {
  'a busy loop': '(loop $for_ever (br $for_ever))',
  'Atomics.wait': '(call $wait (i32.const 64) (i32.const 0))',
  epoll_wait: `
    (call $ok (call $epoll_create1 (i32.const 0) (i32.const 80)))
    (drop (call $epoll_wait (i32.load (i32.const 80)) (i32.const 128) (i32.const 1)
      (i32.const -1) (i32.const 84)))`,
  poll_oneoff: `
    (i64.store (i32.const 152) (i64.const -1))
    (drop (call $poll_oneoff (i32.const 128) (i32.const 256) (i32.const 1) (i32.const 84)))`,
  'a blocking fd_read': `
    (call $ok (call $eventfd (i32.const 0) (i32.const 0) (i32.const 80)))
    (i32.store (i32.const 88) (i32.const 128))
    (i32.store (i32.const 92) (i32.const 8))
    (drop (call $fd_read (i32.load (i32.const 80)) (i32.const 88) (i32.const 1)
      (i32.const 84)))`,
};

/** The word that says a thread is about to enter its state. */
const HERE = 16;
const announce = `(call $set (i32.const ${HERE}) (i32.const 1))`;
const awaited = `(call $wait (i32.const ${HERE}) (i32.const 0))`;

/** The first thread ends the guest so, while the other is in a state; and the other way round. */
function endings(end: string, state: string): readonly Threaded[] {
  const begin = '(call $start_thread (i32.const 0))';
  return [
    { start: `${begin} ${awaited} ${end}`, thread: `${announce} ${state}` },
    { start: `${begin} ${announce} ${state}`, thread: `${awaited} ${end}` },
  ];
}

describe.each(Object.entries(STATES))('with another thread in %s', (_name, state) => {
  test('proc_exit in any thread ends all, with its code (B82, E21)', async () => {
    for (const threaded of endings('(call $proc_exit (i32.const 77))', state)) {
      expect(await outcomeOf(threaded)).toEqual(EXITED(77));
    }
  });

  test('a trap in any thread ends all, with its stack', async () => {
    for (const threaded of endings('(call $broken)', state)) {
      const functions = '(func $broken unreachable)';
      const outcome = await outcomeOf({ ...threaded, functions });
      expect(outcome).toMatchObject({ kind: 'trapped', message: 'unreachable' });
      expect('frames' in outcome && outcome.frames.length).toBe(2);
    }
  });

  test('a return from _start ends all, with code 0', async () => {
    const [threaded] = endings('', state);
    expect(await outcomeOf(threaded)).toEqual(EXITED(0));
  });

  test('stop() ends all', async () => {
    const before = openDescriptors();
    const tasksBefore = tasks();
    const [, threaded] = endings(state, state);
    const guest = await startThreaded(threaded);
    expect(await guest.stop()).toEqual({ kind: 'killed', reason: 'stopped' });
    expect(await leakedSince(before)).toEqual([]);
    // A spare worker leaves by itself, a little later.
    await expect.poll(() => tasks().length).toBeLessThanOrEqual(tasksBefore.length);
  });
});

/** Starts a thread with `$arg` for each of 1 to `count`, one after the other's end. */
const oneByOne = (count: number): string => `(local $i i32)
  (loop $next
    (local.set $i (i32.add (local.get $i) (i32.const 1)))
    (call $start_thread (local.get $i))
    (call $wait (i32.const 0) (i32.sub (local.get $i) (i32.const 1)))
    (br_if $next (i32.lt_u (local.get $i) (i32.const ${count}))))`;

test('threads share the memory, get their argument, and end by returning', async () => {
  const sum = `(drop (i32.atomic.rmw.add (i32.const 4) (local.get $arg)))
    (call $set (i32.const 0) (local.get $arg))`;
  const start = `${oneByOne(30)} (call $proc_exit (i32.atomic.load (i32.const 4)))`;
  // 30 threads one after the other, where three at a time are allowed beside the first.
  const outcome = await outcomeOf({ start, thread: sum }, { limits: { threads: 4 } });
  expect(outcome).toEqual(EXITED((30 * 31) / 2));
});

test('a thread has a number from 1, which no other has, and state of its own', async () => {
  // Each adds 1 << tid, and counts in a global that only its own instance has.
  const thread = `
    (global.set $own (i32.add (global.get $own) (i32.const 1)))
    (drop (i32.atomic.rmw.add (i32.const 4) (i32.shl (global.get $own) (local.get $tid))))
    (drop (i32.atomic.rmw.add (i32.const 0) (i32.const 1)))
    (drop (memory.atomic.notify (i32.const 0) (i32.const 1)))
    (call $wait (i32.const 8) (i32.const 0))`;
  const start = `(local $i i32)
    (loop $next
      (call $start_thread (i32.const 0))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $i) (i32.const 5))))
    (loop $all
      (call $wait (i32.const 0) (i32.const 0))
      (br_if $all (i32.lt_u (i32.atomic.load (i32.const 0)) (i32.const 5))))
    (call $proc_exit (i32.atomic.load (i32.const 4)))`;
  const functions = '(global $own (mut i32) (i32.const 0))';
  const outcome = await outcomeOf({ start, thread, functions }, { limits: { threads: 6 } });
  expect(outcome).toEqual(EXITED(0b111110));
});

test('a thread can be started by a thread, while the first one is busy', async () => {
  const start = `(call $start_thread (i32.const 3))
    (loop $busy (br_if $busy (i32.eqz (i32.atomic.load (i32.const 0)))))
    (call $proc_exit (i32.atomic.load (i32.const 0)))`;
  const thread = `(if (local.get $arg)
    (then (call $start_thread (i32.sub (local.get $arg) (i32.const 1))))
    (else (i32.atomic.store (i32.const 0) (i32.const 9))))`;
  const outcome = await outcomeOf({ start, thread }, { limits: { threads: 5 } });
  expect(outcome).toEqual(EXITED(9));
});

test('beyond the limit a spawn is EAGAIN, one sentence names the flag, and room comes back', async () => {
  const reports: string[] = [];
  const thread = '(call $set (i32.const 0) (local.get $arg))';
  const held = '(call $wait (i32.const 8) (i32.const 0))';
  const start = `(local $i i32)
    (call $start_thread (i32.const 1))
    (call $wait (i32.const 0) (i32.const 0))
    (loop $again
      (if (i32.ne (call $thread-spawn (i32.const 2)) (i32.const -6)) (then unreachable))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $again (i32.lt_u (local.get $i) (i32.const 100))))
    (call $set (i32.const 8) (i32.const 1))
    (loop $full
      (br_if $full (i32.eq (call $thread-spawn (i32.const 3)) (i32.const -6))))
    (call $wait (i32.const 0) (i32.const 1))
    (call $proc_exit (i32.atomic.load (i32.const 0)))`;
  const options = {
    limits: { threads: 2 },
    onReport: (line: string): void => void reports.push(line),
  };
  expect(await outcomeOf({ start, thread: `${thread} ${held}` }, options)).toEqual(EXITED(3));
  expect(reports).toEqual(['threads: 2 are running; allow more with --max-threads']);
});

describe('memory', () => {
  test('grown by one thread is there for a call that another was blocked in (B19, B21, E28)', async () => {
    const thread = `
      (call $ok (call $eventfd (i32.const 0) (i32.const 0) (i32.const 80)))
      (call $ok (call $epoll_create1 (i32.const 0) (i32.const 84)))
      (i64.store (i32.const 96) (i64.const 1))
      (i64.store (i32.const 104) (i64.const 0x123456789))
      (call $ok (call $epoll_ctl (i32.load (i32.const 84)) (i32.const 1) (i32.load (i32.const 80))
        (i32.const 96)))
      ${announce}
      (call $ok (call $epoll_wait (i32.load (i32.const 84)) (i32.const 128) (i32.const 1)
        (i32.const -1) (i32.const 112)))
      (if (i64.ne (i64.load (i32.const 136)) (i64.const 0x123456789)) (then unreachable))
      ;; The last page there is: grown while this thread was in the call.
      (call $ok (call $random_get (i32.sub (i32.shl (memory.size) (i32.const 16)) (i32.const 64))
        (i32.const 64)))
      (if (i32.ne (memory.size) (i32.const 7)) (then unreachable))
      (call $set (i32.const 0) (i32.const 5))`;
    const start = `
      (call $start_thread (i32.const 0))
      ${awaited}
      (if (i32.ne (memory.grow (i32.const 5)) (i32.const 2)) (then unreachable))
      (i64.store (i32.const 200) (i64.const 1))
      (i32.store (i32.const 208) (i32.const 200))
      (i32.store (i32.const 212) (i32.const 8))
      (call $ok (call $fd_write (i32.load (i32.const 80)) (i32.const 208) (i32.const 1)
        (i32.const 216)))
      (call $wait (i32.const 0) (i32.const 0))
      (call $proc_exit (i32.const 3))`;
    expect(await outcomeOf({ start, thread })).toEqual(EXITED(3));
  });

  test('just grown by another thread is good for a call at once, a hundred times (B18, B21)', async () => {
    // The one grows and says so; the other, which only ever spins, calls with the newest page.
    const thread = `(local $pages i32) (local.set $pages (i32.const 2))
      (loop $next
        (loop $spin (br_if $spin (i32.eq (i32.atomic.load (i32.const 0)) (local.get $pages))))
        (local.set $pages (i32.atomic.load (i32.const 0)))
        (call $ok (call $random_get
          (i32.sub (i32.shl (local.get $pages) (i32.const 16)) (i32.const 16)) (i32.const 16)))
        (i32.atomic.store (i32.const 4) (local.get $pages))
        (br_if $next (i32.lt_u (local.get $pages) (i32.const 102))))`;
    const start = `(local $pages i32)
      (i32.atomic.store (i32.const 0) (i32.const 2))
      (call $start_thread (i32.const 0))
      (loop $next
        (local.set $pages (i32.add (memory.grow (i32.const 1)) (i32.const 1)))
        (i32.atomic.store (i32.const 0) (local.get $pages))
        (loop $spin (br_if $spin (i32.ne (i32.atomic.load (i32.const 4)) (local.get $pages))))
        (br_if $next (i32.lt_u (local.get $pages) (i32.const 102))))
      (call $proc_exit (i32.const 4))`;
    expect(await outcomeOf({ start, thread, memory: '2 200' })).toEqual(EXITED(4));
  });

  test('grows to what is granted, whatever the module asks for', async () => {
    const start = `
      (if (i32.ne (memory.grow (i32.const 2)) (i32.const 2)) (then unreachable))
      (call $proc_exit (memory.grow (i32.const 1)))`;
    const limits = { memoryBytes: 4 * 65_536 };
    const outcome = await outcomeOf({ start, thread: '', memory: '2 1000' }, { limits });
    expect(outcome).toEqual(EXITED(0xffff_ffff));
  });
});

test('descriptors are of all threads: what one opens another waits for, and closes', async () => {
  // Both wait for the eventfd with a poll_oneoff of their own.
  const subscribe = (at: number): string => `
    (i32.store8 (i32.const ${at + 8}) (i32.const 1))
    (i32.store (i32.const ${at + 16}) (i32.load (i32.const 80)))
    (call $ok (call $poll_oneoff (i32.const ${at}) (i32.const ${at + 48}) (i32.const 1)
      (i32.const ${at + 80})))
    (if (i32.ne (i32.load16_u (i32.const ${at + 56})) (i32.const 0)) (then unreachable))`;
  const thread = `${announce} ${subscribe(512)}
    (call $ok (call $fd_close (i32.load (i32.const 80))))
    (call $set (i32.const 0) (i32.const 1))`;
  const start = `
    (call $ok (call $eventfd (i32.const 0) (i32.const 0) (i32.const 80)))
    (call $start_thread (i32.const 0))
    ${awaited}
    (i64.store (i32.const 200) (i64.const 1))
    (i32.store (i32.const 208) (i32.const 200))
    (i32.store (i32.const 212) (i32.const 8))
    (call $ok (call $fd_write (i32.load (i32.const 80)) (i32.const 208) (i32.const 1)
      (i32.const 216)))
    (call $wait (i32.const 0) (i32.const 0))
    ;; BADF: the other thread has closed it.
    (call $proc_exit (call $fd_close (i32.load (i32.const 80))))`;
  expect(await outcomeOf({ start, thread })).toEqual(EXITED(8));
});

test('threads that come and go leave no epoll of theirs open', async () => {
  // Each waits 0 ns for a clock, which takes an epoll of its own.
  const thread = `
    (call $ok (call $poll_oneoff (i32.const 512) (i32.const 640) (i32.const 1) (i32.const 84)))
    (call $set (i32.const 0) (local.get $arg))`;
  const start = `${oneByOne(40)} ${SAY} (call $wait (i32.const 64) (i32.const 0))`;
  const before = openDescriptors();
  let say = (): void => {};
  const said = new Promise<void>((resolve) => {
    say = resolve;
  });
  const options = { limits: { threads: 4 }, onReport: (): void => say() };
  const guest = await startThreaded({ start, thread }, options);
  await said;
  const epolls = (): number =>
    openDescriptors().filter((each) => !before.includes(each) && /eventpoll/.test(each)).length;
  // Its worker threads have some of Node's own; 40 of the guest's would be seen.
  await expect.poll(epolls, { timeout: 5000 }).toBeLessThan(30);
  await guest.stop();
  expect(await leakedSince(before)).toEqual([]);
});
