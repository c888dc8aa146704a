import { createRequire } from 'node:module';

import type { Confinement } from './confine.js';
import type { Kernel } from './kernel.js';
import { hotCalls, type RegisteredCalls } from './registers.js';

export interface CollectGarbage {
  /** Has V8 look through the heap of this thread, and give back to the system what is unused. */
  collectGarbage(): void;
}

/** The addon: the port, what a child gives up before its guest runs, and what only tests ask. */
interface Addon extends Kernel, Confinement, CollectGarbage {
  /** JSON of every guest-facing struct's size, alignment and field offsets, in bytes. */
  abiLayout(): string;
  /** JSON of every constant of this machine's `errno.h`. */
  errnoNames(): string;
}

/** What is in the addon's file. */
type Exports = Omit<Addon, keyof RegisteredCalls> &
  RegisteredCalls & { readonly registers: ArrayBuffer };

const PATH = '../../native/build/Release/sandpoll.node';

function unavailable(message: string, cause?: unknown): Error {
  return Object.assign(new Error(message, { cause }), { code: 'ERR_SANDPOLL_ADDON' });
}

/**
 * The kernel of this machine: the addon's own functions, shared by every thread of the process.
 *
 * @throws with code `ERR_SANDPOLL_ADDON` where the addon cannot be loaded.
 */
export function openNativeKernel(): Addon {
  if (process.platform !== 'linux') {
    throw unavailable(
      `Sandpoll stands on epoll: it runs on Linux only, not on ${process.platform}`,
    );
  }
  try {
    const { registers, ...calls }: Exports = createRequire(import.meta.url)(PATH);
    // An addon's exports are a dictionary; a copy is an object with a shape, whose functions the
    // compiler finds without looking them up at each call.
    return Object.freeze({ ...calls, ...hotCalls(registers, calls) });
  } catch (error) {
    throw unavailable('the native addon cannot be loaded; build it with: npm run build', error);
  }
}
