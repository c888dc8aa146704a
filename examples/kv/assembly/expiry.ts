/** When keys expire: from the times that commands name to moments on the monotonic clock. */

import { nowMs, unixMs } from './clock';

/**
 * The moment `value` units of `unitMs` from now or, if `absolute`, since 1970, as the table has it
 * (1 for any in the past). 0 when 64 bits cannot hold it.
 */
export function deadlineMs(value: i64, unitMs: i64, absolute: bool): u64 {
  if (value < 0) return 1;
  if (value > i64.MAX_VALUE / unitMs) return 0;
  const now = <i64>nowMs();
  const fromNow = value * unitMs - (absolute ? <i64>unixMs() : 0);
  if (fromNow > i64.MAX_VALUE - now) return 0;
  return <u64>max<i64>(now + fromNow, 1);
}

/** Ms until a moment that `deadlineMs` gave. */
export function remainingMs(expiresAtMs: u64): i64 {
  return <i64>expiresAtMs - <i64>nowMs();
}
