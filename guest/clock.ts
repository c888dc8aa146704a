/** Clocks, in ns. */

import { clock_time_get } from './bindings/wasi_snapshot_preview1';

const REALTIME: i32 = 0;
const MONOTONIC: i32 = 1;
const TIME: usize = memory.data(8, 8);

/** How many ns a millisecond has. */
export const NS_PER_MS: i64 = 1_000_000;
/** How many ns a second has. */
export const NS_PER_S: i64 = 1_000_000_000;

/** Time since an arbitrary point, never going back: `CLOCK_MONOTONIC`. */
export function monotonicNs(): i64 {
  clock_time_get(MONOTONIC, 1, TIME);
  return load<i64>(TIME);
}

/** Time since 1970-01-01 00:00 UTC: `CLOCK_REALTIME`. */
export function realtimeNs(): i64 {
  clock_time_get(REALTIME, 1, TIME);
  return load<i64>(TIME);
}
