/** The clocks, read at most once for each batch of commands. */
import { clock_time_get } from 'sandpoll/guest/bindings/wasi_snapshot_preview1';

const REALTIME = 0;
const MONOTONIC = 1;
const NANOSECONDS_PER_MS: u64 = 1_000_000;

const result: usize = memory.data(8, 8);
let cachedMs: u64 = 0;

/** Ms on the monotonic clock: a step of the wall clock makes no key expire. */
export function nowMs(): u64 {
  if (cachedMs == 0) cachedMs = readMs(MONOTONIC);
  return cachedMs;
}

/** Forgets the time that was read: a new batch begins. */
export function clockTick(): void {
  cachedMs = 0;
}

/** Ms since 1970 on the wall clock. */
export function unixMs(): u64 {
  return readMs(REALTIME);
}

function readMs(clock: i32): u64 {
  // The two clocks every host has cannot fail.
  clock_time_get(clock, 1, result);
  return load<u64>(result) / NANOSECONDS_PER_MS;
}
