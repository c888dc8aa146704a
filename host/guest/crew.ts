/** The workers that run one guest's threads: the first, those it has spawned, and a few spares. */
import { EventEmitter } from 'node:events';
import type { Worker } from 'node:worker_threads';

import type { Limits } from '../grants.js';
import { startThread } from './thread.js';
import { LEAVE, THREADS_MAX, type ThreadStart, threadSlotsBytes } from '../threads.js';
import { usageError } from '../usage.js';
import { PAGE_BYTES } from '../wasm/admit.js';
import type { AdmittedInfo } from '../wasm/admit.js';
import { sharedMemory, spawnsThreads } from '../wasm/threads.js';
import type { WorkerMessage, WorkerStart } from '../worker.js';

/**
 * How many workers are started ahead of the first spawn, and how many whose thread has ended are
 * kept: starting one takes 30 to 60 ms, handing one a thread 1.
 */
const SPARES_AHEAD = 2;
const SPARES_KEPT = 4;

/** What the threads of a guest share besides session and descriptors; one thread needs none. */
export function sharedParts(
  info: AdmittedInfo,
  { memoryBytes, threads }: Limits,
): Pick<WorkerStart, 'memory' | 'threads'> {
  const memory = sharedMemory(info);
  if (memory === undefined) return {};
  if (!Number.isInteger(threads) || threads < 1 || threads > THREADS_MAX) {
    throw usageError(`--max-threads ${threads}: must be from 1 to ${THREADS_MAX}`);
  }
  const { initial } = memory;
  // A module that was loaded for many guests may have been admitted with another grant.
  const maximum = Math.min(memory.maximum, Math.floor(memoryBytes / PAGE_BYTES));
  return {
    memory: new WebAssembly.Memory({ initial, maximum, shared: true }),
    ...(spawnsThreads(info) ? { threads: new SharedArrayBuffer(threadSlotsBytes(threads)) } : {}),
  };
}

interface CrewEvents {
  /** What any of the threads says. */
  message: [WorkerMessage];
  /** A worker failed to start, or threw what nobody caught. */
  error: [Error];
  /** A worker that ran a thread is gone, and has not said that it would be. */
  lost: [];
  /** All workers that ran a thread have exited. */
  exit: [];
}

export class Crew extends EventEmitter<CrewEvents> {
  readonly #running = new Set<Worker>();
  readonly #spares = new Set<Worker>();
  /** Those that have said something: they have loaded all they need. */
  readonly #loaded = new Set<Worker>();
  #start: WorkerStart | undefined;
  #terminated = false;

  /** Takes in charge the worker of the first thread, which has not been given it yet. */
  constructor(first: Worker) {
    super();
    this.#running.add(this.#watch(first));
  }

  /** Gives the first thread its guest, and makes spares ready if it may spawn others. */
  begin(start: WorkerStart): void {
    this.#start = start;
    for (const worker of this.#running) worker.postMessage(start);
    if (start.threads !== undefined) this.#makeReady(SPARES_AHEAD);
  }

  /** Ends all threads. Their session must be closed right after: what waits there is let out. */
  terminate(): void {
    if (this.#terminated) return;
    this.#terminated = true;
    for (const worker of this.#spares) worker.postMessage(LEAVE);
    // Ended while it still loads its modules, a worker would leave their files open. It leaves by
    // itself, or if it has come into the session before that was closed, at its first word.
    for (const worker of this.#running) {
      if (this.#loaded.has(worker)) void worker.terminate();
      else worker.postMessage(LEAVE);
    }
  }

  #spawn(thread: ThreadStart): void {
    if (this.#terminated) return;
    try {
      const [worker = this.#hire()] = this.#spares;
      this.#spares.delete(worker);
      this.#running.add(worker);
      worker.postMessage({ ...this.#start, thread });
      this.#makeReady(1);
    } catch (error) {
      this.emit('error', error as Error);
    }
  }

  /** A worker's thread has ended, and its guest goes on: it can run another. */
  #rest(worker: Worker): void {
    if (this.#terminated) return;
    this.#running.delete(worker);
    if (this.#spares.size >= SPARES_KEPT) worker.postMessage(LEAVE);
    else this.#spares.add(worker);
  }

  #makeReady(spares: number): void {
    const most = this.#start?.grants.limits.threads ?? 0;
    while (this.#spares.size < spares && this.#running.size + this.#spares.size < most) {
      this.#spares.add(this.#hire());
    }
  }

  #hire(): Worker {
    return this.#watch(startThread());
  }

  #watch(worker: Worker): Worker {
    worker.on('message', (message: WorkerMessage) => {
      this.#loaded.add(worker);
      if (this.#terminated) void worker.terminate();
      if (message.kind === 'spawn') this.#spawn(message.thread);
      else if (message.kind === 'idle') this.#rest(worker);
      else if (message.kind !== 'begun') this.emit('message', message);
    });
    worker.on('error', (error) => {
      // What goes wrong with a spare is nothing to the guest.
      if (!this.#spares.has(worker)) this.emit('error', error);
    });
    worker.once('exit', () => {
      this.#spares.delete(worker);
      this.#loaded.delete(worker);
      if (!this.#running.delete(worker)) return;
      this.emit('lost');
      if (this.#running.size === 0) this.emit('exit');
    });
    return worker;
  }
}
