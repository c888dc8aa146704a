/** The CPU time of a session's threads, as their own clocks have it. */
import { Worker } from 'node:worker_threads';
import { once } from 'node:events';

import { openNativeKernel } from '#host/kernel/native.js';
import { describe, expect, test } from 'vitest';

const [EFAULT, ESRCH] = [-14, -3];
const BURNT_NS = 50_000_000;
const kernel = openNativeKernel();
const bytes = new Uint8Array(16);

/** Reads a session's CPU time in nanoseconds. */
function cputime(session: number): number {
  expect(kernel.sessionCputime(session, bytes, 8)).toBe(0);
  return Number(new DataView(bytes.buffer).getBigUint64(8, true));
}

const NATIVE = new URL('../../dist/kernel/native.js', import.meta.url).href;

/** A thread that enters a session and carries out statements that know `kernel`. */
function inSession(session: number, statements: string): Worker {
  const program = `import(${JSON.stringify(NATIVE)}).then(({ openNativeKernel }) => {
    const kernel = openNativeKernel();
    kernel.sessionEnter(${session});
    ${statements}
  });`;
  return new Worker(program, { eval: true });
}

test('sessionWaiting: whether all threads of the session wait, so that a wake ends it', async () => {
  const session = kernel.sessionOpen();
  const wait = `require('node:worker_threads').parentPort.postMessage('entered');
    kernel.poll(kernel.eventfd(0, 0), 1, -1, 0);`;
  const [one, other] = [0, 1].map(() => inSession(session, wait));
  await Promise.all([once(one, 'message'), once(other, 'message')]);
  await expect.poll(() => kernel.sessionWaiting(session)).toBe(1);
  // This thread does not wait.
  kernel.sessionEnter(session);
  expect(kernel.sessionWaiting(session)).toBe(0);
  const exits = Promise.all([once(one, 'exit'), once(other, 'exit')]);
  kernel.sessionClose(session);
  await exits;
});

describe('CPU time', () => {
  test('is 0 for a session that nobody has entered', () => {
    const session = kernel.sessionOpen();
    expect(cputime(session)).toBe(0);
    expect(kernel.sessionWaiting(session)).toBe(0);
    kernel.sessionClose(session);
  });

  test('grows while a thread works, from when it entered', () => {
    const session = kernel.sessionOpen();
    kernel.sessionEnter(session);
    const first = cputime(session);
    expect(first).toBeLessThan(BURNT_NS);
    while (cputime(session) < first + BURNT_NS);
    kernel.sessionClose(session);
  });

  test('keeps what a thread has used that has ended', async () => {
    const session = kernel.sessionOpen();
    const worker = inSession(
      session,
      `const bytes = new Uint8Array(8);
      do kernel.sessionCputime(${session}, bytes, 0);
      while (new DataView(bytes.buffer).getBigUint64(0, true) < ${BURNT_NS}n);`,
    );
    await once(worker, 'exit');
    const used = cputime(session);
    expect(used).toBeGreaterThanOrEqual(BURNT_NS);
    expect(cputime(session)).toBe(used);
    kernel.sessionClose(session);
  });

  test('EFAULT outside the buffer, ESRCH for a session that is closed', () => {
    const session = kernel.sessionOpen();
    expect(kernel.sessionCputime(session, bytes, 9)).toBe(EFAULT);
    expect(kernel.sessionCputime(session, bytes, -1)).toBe(EFAULT);
    kernel.sessionClose(session);
    expect(kernel.sessionCputime(session, bytes, 0)).toBe(ESRCH);
    expect(kernel.sessionWaiting(session)).toBe(ESRCH);
  });
});
