/** The clocks in ms: the monotonic one is read at most once for each batch of commands. */

import { NS_PER_MS, monotonicNs, realtimeNs } from 'sandpoll/guest';

let cachedMs: u64 = 0;

/** Ms on the monotonic clock: a step of the wall clock makes no key expire. */
export function nowMs(): u64 {
  if (cachedMs == 0) cachedMs = <u64>(monotonicNs() / NS_PER_MS);
  return cachedMs;
}

/** Forgets the time that was read: a new batch begins. */
export function clockTick(): void {
  cachedMs = 0;
}

/** Ms since 1970 on the wall clock. */
export function unixMs(): u64 {
  return <u64>(realtimeNs() / NS_PER_MS);
}
