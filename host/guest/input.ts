/**
 * A guest's stdin as a pipe that the supervising thread fills from a stream: as far as it has room,
 * so that no more of the stream is taken than the guest is about to read.
 */
import type { Readable } from 'node:stream';

import { LinuxErrno } from '../errno.js';
import type { Kernel } from '../kernel/kernel.js';
import { PIPE_BYTES, type PumpedEnd, Turns, openPipe } from './output.js';

const NOTHING = new Uint8Array(0);

/** After each of them there is something to read, or nothing any more. */
const EVENTS = ['readable', 'end', 'close'] as const;

/** A chunk of a stream as bytes; undefined for an object that is neither bytes nor text. */
function bytesOf(chunk: unknown): Uint8Array | undefined {
  if (chunk instanceof Uint8Array) return chunk;
  return typeof chunk === 'string' ? Buffer.from(chunk) : undefined;
}

/**
 * A pipe that has what `source` has. Its end, its error or its being destroyed is the end of the
 * file. A guest that closes its stdin, or ends, leaves `source` where it is, paused. A chunk that
 * is neither bytes nor text destroys `source` with a TypeError.
 */
export function pumpIn(kernel: Kernel, source: Readable): PumpedEnd {
  const [from, to] = openPipe(kernel);
  let rest: Uint8Array = NOTHING;
  /** Takes the next chunk; false if there is none just now, or never again. */
  const take = (): boolean => {
    const chunk: unknown = source.read();
    if (chunk === null) {
      if (source.readableEnded || source.destroyed) stop();
      return false;
    }
    const bytes = bytesOf(chunk);
    if (bytes === undefined) {
      source.destroy(new TypeError('stdio.stdin: its chunks must be bytes or text'));
      return false;
    }
    rest = bytes;
    return true;
  };
  const turn = (): void => {
    turns.stop();
    if (rest.length === 0 && !take()) return;
    const written = kernel.write(to, rest, 0, Math.min(rest.length, PIPE_BYTES));
    if (written >= 0) {
      rest = rest.subarray(written);
      turns.soon();
    } else if (written === -LinuxErrno.AGAIN) {
      turns.later();
    } else {
      stop();
    }
  };
  const turns = new Turns(turn);
  const stop = (): void => {
    turns.stop();
    for (const event of EVENTS) source.off(event, turn);
    kernel.close(to);
  };
  for (const event of EVENTS) source.on(event, turn);
  turns.soon();
  const finish = (): void => {
    stop();
    kernel.close(from);
  };
  return { end: from, finish };
}
