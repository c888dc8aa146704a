/**
 * Threads for guests, not yet given one. A thread takes as long to start as all else does together,
 * so whoever knows early that a guest will run starts it first, or keeps some.
 */
import { Worker } from 'node:worker_threads';

/**
 * A guest's calls allocate nothing, so that V8 has little use for a young generation of 16 MB and
 * more: what it took of it to load the host would stay with each thread that waits.
 */
const resourceLimits = { maxYoungGenerationSizeMb: 1 } as const;

/** The most threads that are kept: some 160 MB of them. */
export const KEPT_MAX = 16;

/** Threads that wait for a guest, and how many there shall be. */
const waiting: Worker[] = [];
let kept = 0;

export function startThread(): Worker {
  // One file that has all of `worker.js` (`host/bundle.mjs`): it loads in half the time.
  const worker = new URL('../thread/worker.cjs', import.meta.url);
  return new Worker(worker, { env: {}, execArgv: [], resourceLimits });
}

/** One that has ended is not to be given to a guest. */
function forget(this: Worker): void {
  waiting.splice(waiting.indexOf(this), 1);
}

/** A thread that waits, or else a new one. */
export function takeThread(): Worker {
  const thread = waiting.shift();
  if (thread === undefined) return startThread();
  thread.off('exit', forget);
  thread.ref();
  return thread;
}

/** Starts as many threads as are missing; none of them keeps the process alive. */
export function refillThreads(): void {
  while (waiting.length < kept) {
    const thread = startThread();
    thread.unref();
    thread.once('exit', forget);
    waiting.push(thread);
  }
}

/**
 * Keeps `count` threads ready for guests that will start in this process, from 0 (unless said) to
 * 16: a guest that finds one starts some 30 ms sooner, and its place is filled once it runs. Each
 * is some 9 MB. Those too many are ended. A RangeError for any other number.
 */
export function keepThreads(count: number): void {
  if (!(Number.isInteger(count) && count >= 0 && count <= KEPT_MAX)) {
    throw new RangeError(`keepThreads ${count}: must be a whole number from 0 to ${KEPT_MAX}`);
  }
  kept = count;
  for (const thread of waiting.splice(count)) {
    thread.off('exit', forget);
    void thread.terminate();
  }
  refillThreads();
}
