import { spawnSync } from 'node:child_process';
import { Worker } from 'node:worker_threads';

import { afterEach, expect, test } from 'vitest';

import { KEPT_MAX, keepThreads } from '#host/index.js';
import { refillThreads, takeThread } from '#host/guest/thread.js';

afterEach(() => keepThreads(0));

/** The number of a thread that is started now: those that were started before have lower ones. */
async function numberNow(): Promise<number> {
  const thread = new Worker('', { eval: true });
  const { threadId } = thread;
  await thread.terminate();
  return threadId;
}

/** Takes a thread, ends it, and answers its number. */
async function takenNumber(): Promise<number> {
  const thread = takeThread();
  const { threadId } = thread;
  await thread.terminate();
  return threadId;
}

test('a guest gets a thread that was kept for it, and a new one when none is left', async () => {
  keepThreads(2);
  const after = await numberNow();
  expect(await takenNumber()).toBeLessThan(after);
  expect(await takenNumber()).toBeLessThan(after);
  expect(await takenNumber()).toBeGreaterThan(after);
});

test('what was taken is replaced once that is asked for, and no more than that', async () => {
  keepThreads(1);
  await takenNumber();
  const before = await numberNow();
  refillThreads();
  refillThreads();
  const after = await numberNow();
  const first = await takenNumber();
  expect(first).toBeGreaterThan(before);
  expect(first).toBeLessThan(after);
  expect(await takenNumber()).toBeGreaterThan(after);
});

test('threads that are no longer kept are not given to guests', async () => {
  keepThreads(1);
  keepThreads(0);
  const after = await numberNow();
  expect(await takenNumber()).toBeGreaterThan(after);
});

test('kept threads do not keep the process', () => {
  const script = "import { keepThreads } from 'sandpoll'; keepThreads(2);";
  const args = ['--input-type=module', '--eval', script];
  expect(spawnSync(process.execPath, args, { encoding: 'utf8' })).toMatchObject({
    status: 0,
    stderr: '',
  });
});

test.each([-1, 1.5, KEPT_MAX + 1, Number.NaN])('keepThreads(%d) is refused', (count) => {
  expect(() => keepThreads(count)).toThrow(RangeError);
});
