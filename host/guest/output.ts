/**
 * A guest's stdout and stderr as pipes that the supervising thread reads.
 *
 * It reads them at intervals, a pipe's size at most each time: a guest that prints more waits in
 * its write as it would for a slow terminal, and nothing piles up (B74, B99). What a guest has
 * printed when it is killed is not lost: it is in the pipe.
 */
import type { Handle, Kernel } from '../kernel/kernel.js';
import { type Output, OutputLines } from '../output.js';

const READ_EVERY_MS = 50;

/** Linux's own size of a pipe. */
const PIPE_BYTES = 65_536;

const STREAMS = ['stdout', 'stderr'] as const;

export interface OutputPipes {
  /** The ends that the guest writes to: its descriptors 1 and 2. */
  readonly ends: readonly Handle[];
  /** Reads what is left, and closes both. */
  readonly finish: () => void;
}

/** Opens the pipes of an instance; `take` gets the lines. */
export function openOutput(
  kernel: Kernel,
  instance: string,
  take: (output: Output) => void,
): OutputPipes {
  const buffer = new Uint8Array(PIPE_BYTES);
  const pipes = STREAMS.map((stream) => {
    const handles = new Int32Array(2);
    // Without a pipe (EMFILE) the descriptor is one that is closed.
    if (kernel.pipe2(handles.buffer, 0) < 0) handles.fill(-1);
    const lines = new OutputLines(instance, stream, take, performance.now());
    return { from: handles[0], to: handles[1], lines };
  });
  const read = (): void => {
    for (const { from, lines } of pipes) {
      const length = Math.max(0, kernel.read(from, buffer, 0, PIPE_BYTES));
      lines.push(buffer.subarray(0, length), performance.now());
    }
  };
  const timer = setInterval(read, READ_EVERY_MS).unref();
  return {
    ends: pipes.map(({ to }) => to),
    finish: () => {
      clearInterval(timer);
      // A pipe holds no more than one read takes.
      read();
      for (const { from, to, lines } of pipes) {
        lines.end();
        kernel.close(from);
        kernel.close(to);
      }
    },
  };
}
