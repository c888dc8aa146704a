/** A kernel around another, generated from the calls as data: what trace and inject are made of. */
import { KERNEL_CALLS } from './calls.js';
import type { Kernel } from './kernel.js';

/** The name of a call of the port. */
export type CallName = keyof typeof KERNEL_CALLS;

/**
 * Stands between a caller and a call: `call` carries it out with the same arguments, and its
 * result is what the caller gets if `around` hands it on.
 */
export type Around = (name: CallName, args: readonly unknown[], call: () => number) => number;

/** A kernel of which every call goes through `around`. */
export function wrapKernel(kernel: Kernel, around: Around): Kernel {
  const names = Object.keys(KERNEL_CALLS) as CallName[];
  const wrapped: Record<string, (...args: readonly unknown[]) => number> = {};
  for (const name of names) {
    const method = kernel[name] as (...args: readonly unknown[]) => number;
    wrapped[name] = (...args) => around(name, args, () => method.apply(kernel, [...args]));
  }
  return wrapped as unknown as Kernel;
}
