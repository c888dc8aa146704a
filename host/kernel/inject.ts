/** A kernel that fails when it is told to: for what a real one does once in a year. */
import type { Kernel } from './kernel.js';
import { type CallName, wrapKernel } from './wrap.js';

/** Which calls fail: those of one name, by their number. */
export interface Fault {
  readonly call: CallName;
  /** The first that fails; the first call of that name is number 1. */
  readonly from: number;
  /** How many fail in a row; one, if nothing is said. */
  readonly count?: number;
  /** What they answer instead of being carried out: minus a Linux errno. */
  readonly result: number;
}

/** A kernel of which the calls that `faults` name are not carried out. */
export function injectFaults(kernel: Kernel, faults: readonly Fault[]): Kernel {
  const seen = new Map<CallName, number>();
  return wrapKernel(kernel, (name, _args, call) => {
    const number = (seen.get(name) ?? 0) + 1;
    seen.set(name, number);
    const fault = faults.find((each) => {
      const { from, count = 1 } = each;
      return each.call === name && number >= from && number < from + count;
    });
    return fault === undefined ? call() : fault.result;
  });
}
