/**
 * Which threads a guest runs, in a buffer that all of them share. A thread's number (tid) is its
 * slot, so that claiming one also counts it. The first thread has no number; its slot says whether
 * a refusal was told of.
 */
import { LinuxErrno } from './errno.js';

/** The most threads that one guest can have: each costs its host some 10 MB. */
export const THREADS_MAX = 1024;

/** What `thread-spawn` has promised: the thread's number, and what it is started with. */
export interface ThreadStart {
  readonly tid: number;
  readonly startArg: number;
}

/** What a worker is told for whose thread there is no use any more. */
export const LEAVE = 'leave';

const FREE = 0;
const TAKEN = 1;

/**
 * How long a claim waits for a number, where all are taken: to its guest a thread has ended some
 * instructions before its number is free.
 */
const PATIENCE_MS = 10;

/** Bytes of the buffer behind the slots of `threadsMax` threads, and a count of releases. */
export function threadSlotsBytes(threadsMax: number): number {
  return 4 * (threadsMax + 1);
}

export class ThreadSlots {
  readonly #slots: Int32Array;
  /** Where releases are counted. */
  readonly #releases: number;

  /** `buffer` is zero-filled at first, `threadSlotsBytes(threadsMax)` long. */
  constructor(buffer: SharedArrayBuffer) {
    this.#slots = new Int32Array(buffer);
    this.#releases = this.#slots.length - 1;
  }

  /**
   * A number for one more thread, from 1, or `-EAGAIN` beyond the limit (`pthread_create(3)`),
   * which it takes its time to say.
   */
  claim(): number {
    for (;;) {
      const releases = Atomics.load(this.#slots, this.#releases);
      for (let tid = 1; tid < this.#releases; tid++) {
        if (Atomics.compareExchange(this.#slots, tid, FREE, TAKEN) === FREE) return tid;
      }
      const waited = Atomics.wait(this.#slots, this.#releases, releases, PATIENCE_MS);
      if (waited === 'timed-out') return -LinuxErrno.AGAIN;
    }
  }

  /** Gives a number back: its thread has run to the end, or was never started. */
  release(tid: number): void {
    Atomics.store(this.#slots, tid, FREE);
    Atomics.add(this.#slots, this.#releases, 1);
    Atomics.notify(this.#slots, this.#releases);
  }

  /** Whether this is the first time in this guest that somebody asks: to say a thing once. */
  firstRefusal(): boolean {
    return Atomics.exchange(this.#slots, 0, TAKEN) === FREE;
  }
}
