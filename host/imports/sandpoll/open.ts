/** How the calls of module `sandpoll` hand new descriptors to the guest. */
import { Access } from '../../descriptors.js';
import { Errno, wasiErrno } from '../../errno.js';
import type { Sandbox } from '../../sandbox.js';

/** Opens a new descriptor for what `create` makes, and writes its number. */
export function openDescriptor(
  sandbox: Sandbox,
  result: number,
  kind: number,
  fdflags: number,
  create: () => number,
): number {
  const { memory, descriptors } = sandbox;
  const at = result >>> 0;
  if (!memory.fits(at, 4)) return Errno.FAULT;
  const claimed = sandbox.claimDescriptor();
  if (claimed < 0) return wasiErrno(claimed);
  const handle = create();
  if (handle < 0) {
    descriptors.abandon(claimed);
    return wasiErrno(handle);
  }
  descriptors.open(claimed, handle, kind, Access.READ | Access.WRITE, fdflags);
  memory.view.setUint32(at, claimed, true);
  return Errno.SUCCESS;
}

/** What both descriptors of a pair are, and what each may do. */
export interface Pair {
  readonly kind: number;
  readonly fdflags: number;
  readonly access: readonly [number, number];
}

/**
 * Opens two new descriptors for the handles, i32 each, that `create` writes at the start of the
 * bytes it is given; their numbers are written at `result`. Both are opened or none is.
 */
export function openPair(
  sandbox: Sandbox,
  result: number,
  { kind, fdflags, access }: Pair,
  create: (handles: Uint8Array) => number,
): number {
  const { memory, descriptors, option } = sandbox;
  const at = result >>> 0;
  if (!memory.fits(at, 8)) return Errno.FAULT;
  const first = sandbox.claimDescriptor();
  if (first < 0) return wasiErrno(first);
  const second = sandbox.claimDescriptor();
  const made = second < 0 ? second : create(option);
  if (made < 0) {
    descriptors.abandon(first);
    if (second >= 0) descriptors.abandon(second);
    return wasiErrno(made);
  }
  const handles = new DataView(option.buffer);
  descriptors.open(first, handles.getInt32(0, true), kind, access[0], fdflags);
  descriptors.open(second, handles.getInt32(4, true), kind, access[1], fdflags);
  memory.view.setUint32(at, first, true);
  memory.view.setUint32(at + 4, second, true);
  return Errno.SUCCESS;
}
