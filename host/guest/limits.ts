/** The time that one guest has: how long it may last, and how much CPU time it may use. */
import { availableParallelism } from 'node:os';

import type { Kernel, Session } from '../kernel/kernel.js';

export interface TimeLimits {
  /** Wall time after which the guest is ended; none for no limit. */
  readonly timeoutMs?: number;
  /** CPU time of all its threads after which it is ended; none for no limit. */
  readonly cpuMs?: number | undefined;
}

/** Which limit fired. */
export type TimeLimit = 'timeout' | 'cpu';

/** Between two looks at a CPU clock: what a guest may use beyond its limit, on each core. */
const LOOK_MS = 5;
const MS_NS = 1_000_000;

/** Calls `fire` once, when the first of the limits is reached; returns how to call that off. */
export function watchTime(
  kernel: Kernel,
  session: Session,
  limits: TimeLimits,
  fire: (limit: TimeLimit) => void,
): () => void {
  const { timeoutMs, cpuMs } = limits;
  const wall = timeoutMs === undefined ? undefined : setTimeout(() => end('timeout'), timeoutMs);
  const used = new BigUint64Array(1);
  let look: NodeJS.Timeout | undefined;
  const callOff = (): void => {
    clearTimeout(wall);
    clearTimeout(look);
  };
  const end = (limit: TimeLimit): void => {
    callOff();
    fire(limit);
  };
  const lookAgain = (limitMs: number): void => {
    if (kernel.sessionCputime(session, used.buffer, 0) < 0) return;
    const leftMs = limitMs - Number(used[0]) / MS_NS;
    if (leftMs <= 0) return end('cpu');
    // It cannot be there before, whatever its threads do.
    const soonestMs = Math.max(LOOK_MS, leftMs / availableParallelism());
    look = setTimeout(() => lookAgain(limitMs), soonestMs);
  };
  if (cpuMs !== undefined) lookAgain(cpuMs);
  return callOff;
}
