/** Threads that make kernel calls, so that other threads can get in their way. */
import { readFileSync } from 'node:fs';
import { setImmediate as turn } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';

import type { Kernel } from '#host/kernel/kernel.js';

/** The module to import the native kernel from, in code that is handed over as text. */
export const NATIVE = new URL('../../dist/kernel/native.js', import.meta.url).href;

export interface Thread<Outcome> {
  readonly worker: Worker;
  /** Linux's id of the thread, once it has called `ready`. */
  readonly ready: Promise<number>;
  readonly outcome: Promise<Outcome>;
}

/**
 * Runs `body` in a thread of its own. It is handed over as source text, so it may use its
 * parameters and nothing else.
 */
export function startThread<Data, Outcome>(
  body: (kernel: Kernel, data: Data, ready: () => void) => Outcome,
  data: Data,
): Thread<Outcome> {
  const source = `
    const { parentPort, workerData } = require('node:worker_threads');
    const link = require('node:fs').readlinkSync('/proc/thread-self');
    const ready = () => parentPort.postMessage({ tid: Number(link.split('/').pop()) });
    const run = ({ openNativeKernel }) => {
      const outcome = (${body.toString()})(openNativeKernel(), workerData.data, ready);
      parentPort.postMessage({ outcome });
    };
    import(workerData.native).then(run);
  `;
  const worker = new Worker(source, { eval: true, workerData: { native: NATIVE, data } });
  const ready = new Promise<number>((resolve) => {
    worker.on('message', (message) => 'tid' in message && resolve(message.tid));
  });
  const outcome = new Promise<Outcome>((resolve, reject) => {
    worker.on('message', (message) => 'outcome' in message && resolve(message.outcome));
    worker.on('error', reject);
    worker.on('exit', () => reject(new Error('the thread ended without an outcome')));
  });
  outcome.catch(() => undefined);
  return { worker, ready, outcome };
}

/** Resolves once the thread sleeps in the kernel: inside the wait that it announced. */
export async function asleep(thread: Thread<unknown>): Promise<void> {
  const tid = await thread.ready;
  while (!/\) S /.test(readFileSync(`/proc/self/task/${tid}/stat`, 'utf8'))) await turn();
}

export async function stopped(thread: Thread<unknown>): Promise<void> {
  await thread.worker.terminate();
}
