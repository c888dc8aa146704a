/** Writing lines to standard error without ever waiting for who reads it. */
import { writeSync } from 'node:fs';

import { EPOLLOUT } from '../abi/epoll.js';
import { LinuxErrno } from '../errno.js';
import type { Handle, Kernel } from '../kernel/kernel.js';
import { openNativeKernel } from '../kernel/native.js';

const STDERR = 2;
/** What is kept for a reader that does not read; lines beyond it are left out, and counted. */
const QUEUE_BYTES_MAX = 1024 * 1024;
const RETRY_MS = 20;
/** How long the end of the process waits for a slow reader. */
const FLUSH_MS = 2000;

/** Standard error of this process, from its first line on. */
class Stderr {
  readonly #kernel: Kernel;
  readonly #handle: Handle;
  readonly #queue: Uint8Array[] = [];
  #queuedBytes = 0;
  #dropped = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
    this.#handle = kernel.stdio(STDERR);
    process.once('exit', () => this.#flush());
  }

  write(line: string, droppedLine: (lines: number) => string): void {
    const bytes = Buffer.from(`${line}\n`);
    if (this.#queuedBytes + bytes.length > QUEUE_BYTES_MAX) {
      this.#dropped++;
      return;
    }
    if (this.#dropped > 0) this.#push(Buffer.from(`${droppedLine(this.#dropped)}\n`));
    this.#dropped = 0;
    this.#push(bytes);
    this.#drain();
  }

  #push(bytes: Uint8Array): void {
    this.#queue.push(bytes);
    this.#queuedBytes += bytes.length;
  }

  /** Writes what can be written at once; the rest later. */
  #drain(): void {
    clearTimeout(this.#timer);
    while (this.#queue.length > 0) {
      const [bytes] = this.#queue;
      const written = this.#kernel.write(this.#handle, bytes, 0, bytes.length);
      if (written === -LinuxErrno.AGAIN) {
        this.#timer = setTimeout(() => this.#drain(), RETRY_MS).unref();
        return;
      }
      // Nobody reads it any more, or it never was open.
      const done = written < 0 ? bytes.length : written;
      this.#queuedBytes -= done;
      if (done < bytes.length) this.#queue[0] = bytes.subarray(done);
      else this.#queue.shift();
    }
  }

  #flush(): void {
    const untilMs = performance.now() + FLUSH_MS;
    this.#drain();
    while (this.#queue.length > 0 && performance.now() < untilMs) {
      this.#kernel.poll(this.#handle, EPOLLOUT, 0, RETRY_MS * 1_000_000);
      this.#drain();
    }
  }
}

let stderr: Stderr | undefined;

/**
 * Writes a line. If the reader is slow it is kept, and written later; if very slow it is left out,
 * and the next line that is written comes after `droppedLine`.
 */
export function writeLine(line: string, droppedLine: (lines: number) => string): void {
  try {
    stderr ??= new Stderr(openNativeKernel());
  } catch {
    // Without the addon there is no guest either that could be held up.
    writeSync(STDERR, `${line}\n`);
    return;
  }
  stderr.write(line, droppedLine);
}
