/**
 * What a guest's threads count and whoever watches it reads: one buffer for each guest, shared.
 *
 * The buffer is a word that says how many blocks are in use, then a block for each thread, which
 * that thread alone writes: float64, exact to 2^53, none torn on a 64-bit machine. Nothing on the
 * guest's path is locked. A thread that takes the number of one that has ended counts on.
 */

/** Upper bounds in seconds of the buckets of waiting times; the last bucket has none. */
export const WAIT_BOUNDS_S = [1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1, 10] as const;

/** Upper bounds of the buckets of events that one wait reported; the last bucket has none. */
export const EVENT_BOUNDS = [0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 1024] as const;

/** Slots of a block. */
export const Slot = {
  RECEIVED_BYTES: 0,
  SENT_BYTES: 1,
  ACCEPTED: 2,
  /** Connections begun by the guest, those that are still under way among them. */
  CONNECTING: 3,
  /** Size of the linear memory when it was last looked at. */
  MEMORY_BYTES: 4,
  /** When the wait began that the thread is in, on CLOCK_MONOTONIC in ns; 0 while in none. */
  WAITING_SINCE_NS: 5,
  WAITED_NS: 6,
  EVENTS: 7,
  WAIT_BUCKETS: 8,
  EVENT_BUCKETS: 8 + WAIT_BOUNDS_S.length + 1,
  CHANNEL_RECEIVED_BYTES: 28,
  CHANNEL_SENT_BYTES: 29,
  /** A row for each imported function: how many of its calls had each outcome. */
  CALLS: 32,
} as const;

/** The WASI errnos, 0 (success) to 76, and one outcome for every other number. */
export const OUTCOMES = 78;

/** The most imported functions that a block has rows for. */
export const FUNCTIONS_MAX = 160;

const HEAD_BYTES = 8;
const BLOCK_SLOTS = Slot.CALLS + FUNCTIONS_MAX * OUTCOMES;
const BLOCK_BYTES = BLOCK_SLOTS * Float64Array.BYTES_PER_ELEMENT;

/** A zeroed buffer for a guest of at most `threads` threads at a time. */
export function createCounters(threads: number): SharedArrayBuffer {
  return new SharedArrayBuffer(HEAD_BYTES + threads * BLOCK_BYTES);
}

function blockAt(counters: SharedArrayBuffer, index: number): Float64Array {
  return new Float64Array(counters, HEAD_BYTES + index * BLOCK_BYTES, BLOCK_SLOTS);
}

/** The block of a thread: number 0 is the first, spawned ones have their tid. */
export function blockOf(counters: SharedArrayBuffer, thread: number): Float64Array {
  const used = new Int32Array(counters, 0, 1);
  let seen = Atomics.load(used, 0);
  while (seen <= thread) seen = Atomics.compareExchange(used, 0, seen, thread + 1);
  return blockAt(counters, thread);
}

/** What was counted up to a moment; plain data, so that it can cross to another process. */
export interface Counted {
  /** Slots that are not 0, with their sums over all threads. */
  readonly slots: readonly (readonly [slot: number, value: number])[];
  /** For how long the threads that wait have been waiting, together. */
  readonly waitingNs: number;
}

/** Reads all blocks; `nowNs` is CLOCK_MONOTONIC. */
export function readCounters(counters: SharedArrayBuffer, nowNs: number): Counted {
  const used = Atomics.load(new Int32Array(counters, 0, 1), 0);
  const sums = new Map<number, number>();
  let waitingNs = 0;
  for (let index = 0; index < used; index++) {
    const block = blockAt(counters, index);
    for (let slot = 0; slot < BLOCK_SLOTS; slot++) {
      const value = block[slot];
      if (value === 0) continue;
      if (slot === Slot.WAITING_SINCE_NS) waitingNs += Math.max(0, nowNs - value);
      // All threads see the one memory.
      else if (slot === Slot.MEMORY_BYTES) sums.set(slot, Math.max(sums.get(slot) ?? 0, value));
      else sums.set(slot, (sums.get(slot) ?? 0) + value);
    }
  }
  return { slots: [...sums], waitingNs };
}
