/**
 * A guest's stdout and stderr as pipes that the supervising thread reads.
 *
 * It reads a pipe's size at most each time, and no more than whoever takes it has room for: a
 * guest that prints more waits in its write as it would for a slow terminal, and nothing piles up
 * (B74, B99). What a guest has printed when it is killed is not lost: it is in the pipe.
 */
import type { Writable } from 'node:stream';

import { LinuxErrno } from '../errno.js';
import type { Handle, Kernel } from '../kernel/kernel.js';
import type { OutputLines } from '../output.js';

/** Between two reads of lines: what a guest prints so fast is for nobody to read. */
const LINES_EVERY_MS = 50;

/** How long a pipe is left alone that had nothing, or found no room: ever longer. */
const WAIT_MIN_MS = 1;
const WAIT_MAX_MS = 50;

/** Linux's own size of a pipe. */
export const PIPE_BYTES = 65_536;

/** One end of a pipe, whose other end is served here. */
export interface PumpedEnd {
  /** The guest's; −1 where there are no descriptors left: then the guest has a closed one. */
  readonly end: Handle;
  /** Brings over what is left, and closes both ends. */
  readonly finish: () => void;
}

/** Makes a pipe: the ends to read from and to write to, or −1 for both. */
export function openPipe(kernel: Kernel): readonly [from: Handle, to: Handle] {
  const handles = new Int32Array(2);
  return kernel.pipe2(handles.buffer, 0) < 0 ? [-1, -1] : [handles[0], handles[1]];
}

/** Calls again and again: at once, or after a time that doubles with each call without success. */
export class Turns {
  readonly #turn: () => void;
  #waitMs = WAIT_MIN_MS;
  #timer: NodeJS.Timeout | undefined;
  #immediate: NodeJS.Immediate | undefined;

  constructor(turn: () => void) {
    this.#turn = turn;
  }

  /** The next turn is the next one of the event loop. */
  soon(): void {
    this.#waitMs = WAIT_MIN_MS;
    this.#immediate = setImmediate(this.#turn);
  }

  /** The next turn has its time; it does not keep the process alive. */
  later(): void {
    this.#timer = setTimeout(this.#turn, this.#waitMs).unref();
    this.#waitMs = Math.min(2 * this.#waitMs, WAIT_MAX_MS);
  }

  stop(): void {
    clearTimeout(this.#timer);
    clearImmediate(this.#immediate);
  }
}

/** A pipe whose bytes are taken as lines. */
export function pumpLines(kernel: Kernel, lines: OutputLines): PumpedEnd {
  const [from, to] = openPipe(kernel);
  const buffer = new Uint8Array(PIPE_BYTES);
  const read = (): void => {
    const length = Math.max(0, kernel.read(from, buffer, 0, PIPE_BYTES));
    lines.push(buffer.subarray(0, length), performance.now());
  };
  const timer = setInterval(read, LINES_EVERY_MS).unref();
  return {
    end: to,
    finish: () => {
      clearInterval(timer);
      // A pipe holds no more than one read takes.
      read();
      lines.end();
      kernel.close(from);
      kernel.close(to);
    },
  };
}

/**
 * A pipe whose bytes go to `target` as they are, once it has room (`writableNeedDrain`). To the
 * guest, one that is ended or destroyed is a reader that has gone: PIPE. `target` is never ended
 * here, and an error of it is whoever's that gave it.
 */
export function pumpOut(kernel: Kernel, target: Writable): PumpedEnd {
  const [from, to] = openPipe(kernel);
  const buffer = new Uint8Array(PIPE_BYTES);
  const move = (): number => {
    const length = kernel.read(from, buffer, 0, PIPE_BYTES);
    // A copy: the stream keeps it until it is written.
    if (length > 0) target.write(Buffer.from(buffer.subarray(0, length)));
    return length;
  };
  const turns = new Turns(() => {
    if (!target.writable) {
      kernel.close(from);
      return;
    }
    const length = target.writableNeedDrain ? -LinuxErrno.AGAIN : move();
    if (length > 0) turns.soon();
    else if (length === -LinuxErrno.AGAIN) turns.later();
  });
  turns.soon();
  return {
    end: to,
    finish: () => {
      turns.stop();
      // Beyond what it has room for, once: a pipe's size.
      if (target.writable) move();
      kernel.close(from);
      kernel.close(to);
    },
  };
}
