/** Watching a guest's threads: what they say, how they end, and ending them. */
import type { Worker } from 'node:worker_threads';

import type { Kernel } from '../kernel/kernel.js';
import { LinkError } from '../link-error.js';
import { type Frame, type Outcome, trapped } from '../trap.js';
import { DURATION_MAX_MS } from '../usage.js';
import type { WorkerMessage, WorkerStart } from '../worker.js';
import { Crew } from './crew.js';
import type { Opened } from './descriptors.js';
import { Ending } from './ending.js';
import { type TimeLimits, watchTime } from './limits.js';

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

export interface WatchOptions extends TimeLimits {
  /** As `GuestOptions.limitGraceMs`. */
  readonly limitGraceMs?: number;
  readonly name: string;
  readonly instance?: string;
  readonly onReport?: (line: string, instance: string) => void;
}

/** Frames of the module as it was written: admission may have moved its code. */
function unshifted(outcome: Outcome, shiftBytes: number): Outcome {
  if (outcome.kind !== 'trapped' || shiftBytes === 0) return outcome;
  const move = (frame: Frame): Frame => ({ ...frame, offset: frame.offset - shiftBytes });
  return { ...outcome, frames: outcome.frames.map(move) };
}

export interface Watched {
  /** Has the thread run its guest. */
  readonly begin: (start: WorkerStart) => void;
  readonly ended: Promise<Outcome>;
  readonly stop: (options?: StopOptions) => Promise<Outcome>;
  /** Settles when the thread has linked the module, or ended before; rejects if it cannot be. */
  readonly linked: Promise<void>;
  /** Settles with true when the guest waits at a listener, with false if it ends before. */
  readonly ready: Promise<boolean>;
}

/** Takes the guest's first thread in charge, those that it spawns, and what it has open. */
export function watch(
  worker: Worker,
  kernel: Kernel,
  opened: Opened,
  options: WatchOptions,
  shiftBytes: number,
): Watched {
  const crew = new Crew(worker);
  const { name, instance = name, onReport } = options;
  const report = (line: string): void => onReport?.(line, instance);
  const ending = new Ending(kernel, opened.session, () => crew.terminate());
  const killAtExit = (): void => ending.kill('stopped');
  killers.add(killAtExit);
  const callOff = watchTime(kernel, opened.session, options, (limit) =>
    ending.askOrKill(limit, options.limitGraceMs ?? 0),
  );
  const ready = new Promise<boolean>((resolve) => {
    crew.on('message', ({ kind }: WorkerMessage) => {
      if (kind === 'ready') resolve(true);
    });
    crew.once('exit', () => resolve(false));
  });
  const linked = new Promise<void>((resolve, reject) => {
    crew.on('message', (message: WorkerMessage) => {
      if (message.kind === 'report') report(message.line);
      else if (message.kind === 'linked') resolve();
      else if (message.kind === 'unlinkable') reject(new LinkError(message.problems));
      else if (message.kind === 'ended') ending.settle(unshifted(message.outcome, shiftBytes));
    });
    crew.once('exit', () => resolve());
  });
  crew.on('error', (error) => ending.settle(trapped(error)));
  const unspoken = trapped(new Error("the guest's thread ended without a word"));
  crew.on('lost', () => ending.settle(unspoken));
  const ended = new Promise<Outcome>((resolve) => {
    crew.once('exit', () => {
      callOff();
      killers.delete(killAtExit);
      ending.close();
      for (const listener of opened.listeners) listener.remove();
      resolve(ending.outcome ?? unspoken);
    });
  });
  return {
    begin: (start) => crew.begin(start),
    linked,
    ready,
    ended,
    stop: ({ graceMs = 0 } = {}) => {
      if (!(graceMs >= 0 && graceMs <= DURATION_MAX_MS)) {
        throw new RangeError(`graceMs ${graceMs}: must be from 0 to ${DURATION_MAX_MS}`);
      }
      ending.askOrKill('stopped', graceMs);
      return ended;
    },
  };
}
