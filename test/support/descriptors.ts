/** What this process has open: the measure of every leak. */
import { readdirSync, readlinkSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';

import { keepThreads } from '#host/index.js';

// A thread that is kept for the next guest has descriptors too, which are no leak.
keepThreads(0);

/** This process's descriptors, as `number target`, but for the one that reads the directory. */
export function openDescriptors(): string[] {
  return readdirSync('/proc/self/fd')
    .flatMap((fd) => {
      try {
        return [`${fd} ${readlinkSync(`/proc/self/fd/${fd}`)}`];
      } catch {
        return [];
      }
    })
    .toSorted();
}

const SETTLE_MS = 2000;

/**
 * What is open and was not in `before`, once closing has run its course: Node closes the sockets
 * of a test a little after it is told to.
 */
export async function leakedSince(before: readonly string[]): Promise<string[]> {
  const deadline = performance.now() + SETTLE_MS;
  for (;;) {
    const leaked = openDescriptors().filter((each) => !before.includes(each));
    if (leaked.length === 0 || performance.now() > deadline) return leaked;
    await setImmediate();
  }
}
