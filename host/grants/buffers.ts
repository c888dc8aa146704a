/** How the bytes that sockets may buffer are shared out among a guest's descriptors. */
import type { Limits } from '../grants.js';
import type { Handle, Kernel } from '../kernel/kernel.js';
import { usageError } from '../usage.js';

const SOL_SOCKET = 1;
const SO_SNDBUF = 7;
const SO_RCVBUF = 8;
const INT_BYTES = 4;

/** Linux doubles what it is asked for, and takes that for each direction (`socket(7)`). */
const TAKEN_PER_BYTE = 4;
/** It gives no socket less than `SOCK_MIN_SNDBUF`, which is twice this. */
const SHARE_BYTES_MIN = 2304;

type BufferLimits = Pick<Limits, 'bufferedBytes' | 'fds'>;

/** What SO_SNDBUF and SO_RCVBUF of each socket are set to, in bytes; undefined for no limit. */
export function bufferShareBytes({ bufferedBytes, fds }: BufferLimits): number | undefined {
  return bufferedBytes === undefined
    ? undefined
    : Math.floor(bufferedBytes / (fds * TAKEN_PER_BYTE));
}

/** Throws a `UsageError` for a limit of which no socket could get what Linux gives it at least. */
export function checkBuffers({ bufferedBytes, fds }: BufferLimits): void {
  const leastBytes = fds * TAKEN_PER_BYTE * SHARE_BYTES_MIN;
  if (bufferedBytes === undefined || bufferedBytes >= leastBytes) return;
  throw usageError(
    `--max-buffered ${bufferedBytes}B: at least ${leastBytes}B for --max-fds ${fds}`,
  );
}

/**
 * Gives a new socket its share, if there is a limit, and with it the connections that it will
 * accept: Linux lets none of them grow by itself then.
 */
export function limitBuffers(kernel: Kernel, handle: Handle, limits: BufferLimits): void {
  const shareBytes = bufferShareBytes(limits);
  if (shareBytes === undefined) return;
  const value = new Uint8Array(new Int32Array([shareBytes]).buffer);
  kernel.setsockopt(handle, SOL_SOCKET, SO_SNDBUF, value, 0, INT_BYTES);
  kernel.setsockopt(handle, SOL_SOCKET, SO_RCVBUF, value, 0, INT_BYTES);
}
