/** Channels between guests, made by whoever starts them. */
import { AF_UNIX } from './address.js';
import { linuxName } from './errno.js';
import type { Handle, Kernel } from './kernel/kernel.js';
import { openNativeKernel } from './kernel/native.js';
import { usageError } from './usage.js';

const SOCK_SEQPACKET = 5;

/** One end of a channel. It is the embedder's until it is given to a guest. */
export interface ChannelEnd {
  /** Closes an end that was given to nobody: the other guest finds EPIPE. Else does nothing. */
  readonly close: () => void;
}

/** The ends that are still the embedder's. */
const handles = new WeakMap<ChannelEnd, Handle>();

function channelEnd(kernel: Kernel, handle: Handle): ChannelEnd {
  const end: ChannelEnd = Object.freeze({
    close: () => {
      if (handles.delete(end)) kernel.close(handle);
    },
  });
  handles.set(end, handle);
  return end;
}

/** An end that came from another process. */
export function adoptChannelEnd(handle: Handle): ChannelEnd {
  return channelEnd(openNativeKernel(), handle);
}

/**
 * Makes a channel: two ends, one for each of two guests (`startGuest({ channels })`). What one
 * guest sends with `channel_send`, bytes and descriptors, the other gets with `channel_recv`.
 * Throws an error of Node's shape (`EMFILE`) when the process has no descriptors left.
 */
export function createChannel(): [ChannelEnd, ChannelEnd] {
  const kernel = openNativeKernel();
  const pair = new Int32Array(2);
  const bytes = new Uint8Array(pair.buffer);
  const result = kernel.socketpair(AF_UNIX, SOCK_SEQPACKET, 0, bytes, 0);
  if (result < 0) {
    const code = linuxName(-result);
    const error = new Error(`cannot make a channel: socketpair failed with ${code}`);
    throw Object.assign(error, { code, errno: result, syscall: 'socketpair' });
  }
  return [channelEnd(kernel, pair[0]), channelEnd(kernel, pair[1])];
}

/** Takes an end's handle for a guest; throws a `UsageError` for one that is gone already. */
export function takeChannelEnd(name: string, end: ChannelEnd): Handle {
  if (!/^[A-Za-z][A-Za-z0-9_]*$/.test(name)) {
    throw usageError(`channels: '${name}' is not a name of letters, digits and _`);
  }
  const handle = handles.get(end);
  if (handle === undefined) {
    throw usageError(`channels.${name}: closed, or given to a guest before; make another channel`);
  }
  handles.delete(end);
  return handle;
}

/** How a guest finds its channels, the first of which is descriptor `firstFd`. */
export function channelEnvironment(
  names: readonly string[],
  firstFd: number,
): Record<string, string> {
  return Object.fromEntries(
    names.map((name, index) => [`SANDPOLL_CHANNEL_FD_${name}`, String(firstFd + index)]),
  );
}
