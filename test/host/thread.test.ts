import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Script } from 'node:vm';
import { Worker } from 'node:worker_threads';

import { afterEach, describe, expect, test } from 'vitest';

import { refillThreads, takeThread } from '#host/guest/thread.js';
import { KEPT_MAX, keepThreads } from '#host/index.js';
import { LEAVE } from '#host/threads.js';

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

/** How many threads wait in a program that has called `calls` of `guest/thread.js`. */
function waitingAfter(calls: string): number {
  const script = `
    import { keepThreads, refillThreads, takeThread } from '#host/guest/thread.js';
    import { Worker } from 'node:worker_threads';
    const take = () => void takeThread().terminate();
    ${calls};
    const { threadId } = new Worker('', { eval: true });
    let waiting = 0;
    while (takeThread().threadId < threadId) waiting++;
    console.log(waiting);
    process.exit();`;
  const args = ['--input-type=module', '--eval', script];
  const { stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
  expect(stderr).toBe('');
  return Number(stdout);
}

test.each([
  ['has none kept for a guest', 'take(); refillThreads()', 0],
  ['has none kept for guests that start together', 'take(); take(); refillThreads()', 0],
  ['has one kept from its second guest on', 'take(); refillThreads(); take(); refillThreads()', 1],
  ['can have none', 'keepThreads(0); take(); refillThreads(); take(); refillThreads()', 0],
  [
    'can have more, which wait for guests to come at once',
    'keepThreads(2); take(); refillThreads()',
    1,
  ],
  ['has one for the next when all are taken', 'keepThreads(2); take(); take(); refillThreads()', 1],
  [
    'has all places filled when no other guest has come for a while',
    `keepThreads(2); take(); take(); refillThreads();
    let started = 0;
    const alive = setInterval(() => {}, 1_000);
    await new Promise((resolve) => process.on('worker', () => ++started === 4 && resolve()));
    clearInterval(alive)`,
    2,
  ],
])('a program %s', (_what, calls, waiting) => {
  expect(waitingAfter(calls)).toBe(waiting);
});

test('B30 a thread that cannot be kept for want of descriptors is done without', () => {
  const waiting = waitingAfter(`
    const { openNativeKernel } = await import('#host/kernel/native.js');
    const { closeSync, openSync } = await import('node:fs');
    keepThreads(1);
    await takeThread().terminate();
    openNativeKernel().setrlimit(7, 80, 80);
    const held = [];
    try { for (;;) held.push(openSync('/dev/null')); } catch {}
    const gone = new Promise((resolve) => {
      process.once('worker', (worker) => worker.once('exit', resolve));
    });
    const alive = setInterval(() => {}, 1_000);
    refillThreads();
    await gone;
    clearInterval(alive);
    held.forEach((fd) => closeSync(fd))`);
  expect(waiting).toBe(0);
});

test('B30 a thread that Linux cannot start is not kept, and a guest that needs it is told', () => {
  const script = `
    import { keepThreads, refillThreads, takeThread } from '#host/guest/thread.js';
    import { openNativeKernel } from '#host/kernel/native.js';
    openNativeKernel().setrlimit(6, 1, 1);
    // RLIMIT_NPROC does not hold root.
    if (process.getuid() === 0) process.setuid(65534);
    keepThreads(1);
    refillThreads();
    let code;
    try { takeThread(); } catch (error) { code = error.code; }
    console.log(code);`;
  const args = ['--input-type=module', '--eval', script];
  expect(spawnSync(process.execPath, args, { encoding: 'utf8' })).toMatchObject({
    status: 0,
    stdout: 'ERR_WORKER_INIT_FAILED\n',
    stderr: '',
  });
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

describe('the code that threads load', () => {
  const file = fileURLToPath(new URL('../../dist/guest/thread-again.cjs', import.meta.url));

  /** Loads it with what `shared` has, then does `more`, and leaves: the status of the thread. */
  async function load(shared: SharedArrayBuffer, more = ''): Promise<number> {
    const script = `require(${JSON.stringify(file)}); ${more}`;
    const thread = new Worker(script, { eval: true, workerData: shared });
    thread.postMessage(LEAVE);
    return ((await once(thread, 'exit')) as [number])[0];
  }

  /** Loads it, and does what the thread does when its guest is about to begin. */
  function loadAndLink(shared: SharedArrayBuffer): Promise<number> {
    const linked = "require('node:diagnostics_channel').channel('sandpoll.linked').publish()";
    return load(shared, linked);
  }

  test('is left by the first for the others, and V8 takes it', async () => {
    const shared = new SharedArrayBuffer(1 << 20);
    expect(await loadAndLink(shared)).toBe(0);
    const [length = 0] = new Int32Array(shared, 0, 1);
    const text = readFileSync(new URL('../../dist/thread/worker.cjs', import.meta.url), 'latin1');
    const script = new Script(`(function (require, __filename) {${text}\n})`, {
      cachedData: new Uint8Array(shared, 4, length),
    });
    expect(script.cachedDataRejected).toBe(false);
    const left = Buffer.from(Buffer.from(shared));
    expect(await loadAndLink(shared)).toBe(0);
    expect(left.equals(Buffer.from(shared))).toBe(true);
  });

  test('is not left before a guest is about to begin', async () => {
    const shared = new SharedArrayBuffer(1 << 20);
    expect(await load(shared)).toBe(0);
    expect(Buffer.from(shared).every((byte) => byte === 0)).toBe(true);
  });

  test('is left when a second guest begins, with what starting it took', async () => {
    const unstarted = new SharedArrayBuffer(1 << 20);
    await loadAndLink(unstarted);
    const wasm = new URL('../../examples/echo/build/echo-lt.wasm', import.meta.url);
    const script = `
      const shared = [];
      globalThis.SharedArrayBuffer = class extends SharedArrayBuffer {
        constructor(size) {
          super(size);
          if (size === 1 << 20) shared.push(this);
        }
      };
      const { NO_GRANTS, keepThreads, parseListen, startGuest } = await import('sandpoll');
      const { once } = await import('node:events');
      const { readFileSync } = await import('node:fs');
      const { connect } = await import('node:net');
      keepThreads(0);
      const bytes = readFileSync(new URL(${JSON.stringify(wasm)}));
      const listen = [parseListen('127.0.0.1:0')];
      for (let i = 0; i < 2; i++) {
        const guest = await startGuest({ bytes, name: 'echo', grants: NO_GRANTS, listen });
        const { port, hostname } = new URL(guest.listeners[0].url);
        const client = connect(Number(port), hostname).end('x');
        await once(client, 'data');
        await guest.stop();
      }
      console.log(Atomics.load(new Int32Array(shared[0], 0, 1), 0));`;
    const args = ['--input-type=module', '--eval', script];
    const { stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
    expect(stderr).toBe('');
    const [length = 0] = new Int32Array(unstarted, 0, 1);
    expect(length).toBeGreaterThan(0);
    expect(Number(stdout)).toBeGreaterThan(1.1 * length);
  });

  test('is not needed: a thread also loads where V8 refuses it', async () => {
    const shared = new SharedArrayBuffer(1 << 20);
    new Uint8Array(shared, 4).fill(0xff);
    new Int32Array(shared)[0] = 100_000;
    expect(await loadAndLink(shared)).toBe(0);
  });

  test('is not left where there is no room', async () => {
    const shared = new SharedArrayBuffer(1_000);
    expect(await loadAndLink(shared)).toBe(0);
    expect(await loadAndLink(shared)).toBe(0);
    expect(new Uint8Array(shared, 4).every((byte) => byte === 0)).toBe(true);
  });
});
