/** Watching a guest's thread: what it says, how it ends, and ending it. */
import type { Worker } from 'node:worker_threads';

import type { Kernel } from '../kernel/kernel.js';
import { LinkError } from '../link-error.js';
import { FORWARDED_SIGNALS } from '../signals.js';
import { type Frame, type Outcome, trapped } from '../trap.js';
import { DURATION_MAX_MS } from '../usage.js';
import type { WorkerMessage } from '../worker.js';
import type { Opened } from './descriptors.js';

/**
 * How to kill each guest that has not ended. Node waits for its threads before it exits, and a
 * guest in a wait would keep it for ever (B86).
 */
const killers = new Set<() => void>();
process.on('exit', () => {
  for (const kill of killers) kill();
});

export interface StopOptions {
  readonly graceMs?: number;
}

export interface WatchOptions {
  readonly timeoutMs?: number;
  readonly onReport?: (line: string) => void;
}

/** Frames of the module as it was written: admission may have moved its code. */
function unshifted(outcome: Outcome, shiftBytes: number): Outcome {
  if (outcome.kind !== 'trapped' || shiftBytes === 0) return outcome;
  const move = (frame: Frame): Frame => ({ ...frame, offset: frame.offset - shiftBytes });
  return { ...outcome, frames: outcome.frames.map(move) };
}

export interface Watched {
  readonly ended: Promise<Outcome>;
  readonly stop: (options?: StopOptions) => Promise<Outcome>;
  /** Settles when the thread has linked the module, or ended before; rejects if it cannot be. */
  readonly linked: Promise<void>;
}

/** Takes the guest's thread in charge, and what it has open. */
export function watch(
  worker: Worker,
  kernel: Kernel,
  opened: Opened,
  options: WatchOptions,
  shiftBytes: number,
): Watched {
  let outcome: Outcome | undefined;
  const kill = (reason: 'timeout' | 'stopped'): void => {
    outcome ??= { kind: 'killed', reason };
    // Termination first: what is then let out of its wait runs no further. And closing, not one
    // wake: V8 may let a few more calls through, and none of them must wait again.
    void worker.terminate();
    kernel.sessionClose(opened.session);
  };
  const killAtExit = (): void => kill('stopped');
  killers.add(killAtExit);
  const { timeoutMs } = options;
  const timer = timeoutMs === undefined ? undefined : setTimeout(() => kill('timeout'), timeoutMs);
  const linked = new Promise<void>((resolve, reject) => {
    worker.on('message', (message: WorkerMessage) => {
      if (message.kind === 'report') options.onReport?.(message.line);
      else if (message.kind === 'linked') resolve();
      else if (message.kind === 'unlinkable') reject(new LinkError(message.problems));
      else outcome ??= unshifted(message.outcome, shiftBytes);
    });
    worker.once('exit', () => resolve());
  });
  worker.on('error', (error) => {
    outcome ??= trapped(error);
  });
  const ended = new Promise<Outcome>((resolve) => {
    worker.once('exit', () => {
      clearTimeout(timer);
      killers.delete(killAtExit);
      kernel.sessionClose(opened.session);
      for (const listener of opened.listeners) listener.remove();
      resolve(outcome ?? trapped(new Error("the guest's thread ended without a word")));
    });
  });
  return {
    linked,
    ended,
    stop: ({ graceMs = 0 } = {}) => {
      if (!(graceMs >= 0 && graceMs <= DURATION_MAX_MS)) {
        throw new RangeError(`graceMs ${graceMs}: must be from 0 to ${DURATION_MAX_MS}`);
      }
      const { SIGTERM } = FORWARDED_SIGNALS;
      if (graceMs > 0 && kernel.sessionSignal(opened.session, SIGTERM) > 0) {
        const grace = setTimeout(() => kill('stopped'), graceMs);
        void ended.then(() => clearTimeout(grace));
      } else {
        kill('stopped');
      }
      return ended;
    },
  };
}
