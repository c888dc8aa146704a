/** The threads of a process, as `proc(5)` has them. */
import { readFileSync, readdirSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';

/** Thread ids of a process. */
export function tasks(pid: number | 'self' = 'self'): string[] {
  return readdirSync(`/proc/${pid}/task`);
}

function asleep(pid: number | 'self', task: string): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/task/${task}/stat`, 'latin1');
    return stat[stat.lastIndexOf(')') + 2] === 'S';
  } catch {
    // It has ended meanwhile.
    return true;
  }
}

const PATIENCE_MS = 1000;

/**
 * Waits until the threads that were not there before are all waiting for something; for a while,
 * as one that never waits is no failure of those who ask.
 */
export async function untilAsleep(
  before: readonly string[],
  pid: number | 'self' = 'self',
): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS;
  const waiting = (): boolean =>
    tasks(pid)
      .filter((task) => !before.includes(task))
      .every((task) => asleep(pid, task));
  while (!waiting() && performance.now() < deadline) await setImmediate();
}
