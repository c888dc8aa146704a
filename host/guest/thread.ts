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

/** The most threads that are kept: some 130 MB of them. */
export const KEPT_MAX = 16;

/** Room for the code that threads load (`thread-again.cts`), and the word before it: 140 kB now. */
const CODE_BYTES_MAX = 1 << 20;
let code: SharedArrayBuffer | undefined;
let hasStarted = false;

/** Threads that wait for a guest, and how many there shall be. */
const waiting: Worker[] = [];
let kept = 0;
/** Whether the program has said how many. */
let isTold = false;
/** Whether a guest has begun that `takeThread` may have had a thread for. */
let hasBegun = false;

/** How long no guest may have begun, before threads take processor time that guests could use. */
const QUIET_MS = 100;
let quiet: NodeJS.Timeout | undefined;

const options = { env: {}, execArgv: [], resourceLimits };

/** A thread for a guest that is about to start; the first of a program is in a hurry. */
export function startThread(): Worker {
  if (hasStarted) return startAnother();
  hasStarted = true;
  // One file that has all of `worker.js` (`host/bundle.mjs`): it loads in half the time.
  return new Worker(new URL('../thread/worker.cjs', import.meta.url), options);
}

/** One of those that share what V8 has compiled for the first of them, and that begin small. */
function startAnother(): Worker {
  code ??= new SharedArrayBuffer(CODE_BYTES_MAX);
  const file = new URL('../guest/thread-again.cjs', import.meta.url);
  return new Worker(file, { ...options, workerData: code });
}

/** One that has ended is not to be given to a guest. */
function forget(this: Worker): void {
  waiting.splice(waiting.indexOf(this), 1);
}

/** Why one could not start (no descriptors left) is told to a guest that needs one. */
function overlook(): void {}

/**
 * A thread that waits, or else a new one. Who wants one when another guest has begun already is
 * likely to want more.
 */
export function takeThread(): Worker {
  if (hasBegun && !isTold) kept = 1;
  const thread = waiting.shift();
  if (thread === undefined) return startThread();
  thread.off('exit', forget);
  thread.off('error', overlook);
  thread.ref();
  return thread;
}

/**
 * A guest has begun: another may follow at once, so there is one for it, and the places of others
 * are filled when none does. No thread, nor the time until then, keeps the process alive.
 */
export function refillThreads(): void {
  hasBegun = true;
  if (waiting.length === 0) fill(Math.min(kept, 1));
  clearTimeout(quiet);
  quiet = setTimeout(() => fill(kept), QUIET_MS).unref();
}

function keepAnother(): void {
  const thread = startAnother();
  thread.unref();
  thread.once('exit', forget);
  thread.on('error', overlook);
  waiting.push(thread);
}

/** As many as Linux has threads for: a guest that needs one more is told so. */
function fill(count: number): void {
  try {
    while (waiting.length < count) keepAnother();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_WORKER_INIT_FAILED') throw error;
  }
}

/**
 * Keeps `count` threads ready for guests that will start in this process, from 0 to 16: a guest
 * that finds one starts some 30 ms sooner, and its place is filled once it runs and no other has
 * followed for 100 ms. Each is some 8 MB. Those too many are ended. A RangeError for any other
 * number.
 *
 * Unless said there is none, until a guest is started when another has begun before: then one.
 */
export function keepThreads(count: number): void {
  if (!(Number.isInteger(count) && count >= 0 && count <= KEPT_MAX)) {
    throw new RangeError(`keepThreads ${count}: must be a whole number from 0 to ${KEPT_MAX}`);
  }
  isTold = true;
  kept = count;
  // All places are filled below: none are left for later.
  clearTimeout(quiet);
  for (const thread of waiting.splice(count)) {
    thread.off('exit', forget);
    void thread.terminate();
  }
  fill(count);
}
