/** A guest's process, as its supervisor sees it: what is passed to it, and what it says. */
import { type ChildProcess, spawn } from 'node:child_process';
import { EventEmitter } from 'node:events';
import type { Duplex } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { serialize } from 'node:v8';

import { EPOLLIN } from '../abi/epoll.js';
import type { Handle, Kernel, Session } from '../kernel/kernel.js';
import { SETUP_VARIABLE, type Setup } from '../isolate/setup.js';
import type { GuestSignal } from '../signals.js';
import { readMessage } from './heard.js';
import type { Rendezvous } from './rendezvous.js';
import {
  CHILD_FRAME_BYTES_MAX,
  type ChildStart,
  FrameReader,
  type FromChild,
  HANDLES_AT_ONCE,
  SEQUENCES,
  type ToChild,
  answerHeader,
  frame,
} from './wire.js';

const MAIN = fileURLToPath(new URL('../child/main.cjs', import.meta.url));
const CONTROL = 3;

/**
 * How long is waited for the answer to a signal. It takes a tenth of a millisecond; on a machine
 * that is busy, a time slice or two.
 */
const ANSWER_MS = 500;
const MS_NS = 1_000_000;

const NO_BYTES = new Uint8Array(0);
const NO_IOVS = new Uint32Array(0);
const INFO_BYTES = 12;
const INFO_HANDLE_AT = 4;

/** Every process that has not ended: none outlives this one, however that ends (B86). */
const children = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of children) child.kill('SIGKILL');
});

interface ChildEvents {
  message: [FromChild];
  /** It is gone, and all that it said was heard: a status, or the signal that killed it. */
  gone: [code: number | null, signal: NodeJS.Signals | null];
  /** It could not be started, or does not keep to what was agreed. */
  error: [Error];
}

/** What is to be passed to it, and in whose session that is until then. */
export interface Passing {
  readonly handles: readonly Handle[];
  readonly session: Session;
}

export class Child extends EventEmitter<ChildEvents> {
  readonly #kernel: Kernel;
  readonly #process: ChildProcess;
  readonly #rendezvous: Rendezvous;
  readonly #passing: Passing;
  readonly #info = new Uint8Array(INFO_BYTES);
  /** The connected channel, and how many handles went over it. */
  #channel: Handle = -1;
  #passed = 0;
  #sequence = 0;

  constructor(kernel: Kernel, setup: Setup, rendezvous: Rendezvous, passing: Passing) {
    super();
    this.#kernel = kernel;
    this.#rendezvous = rendezvous;
    this.#passing = passing;
    this.#process = spawn(process.execPath, [MAIN], {
      // Nothing of the host's environment, secrets least of all, goes where the guest is.
      env: { [SETUP_VARIABLE]: JSON.stringify(setup) },
      stdio: ['inherit', 'inherit', 'inherit', 'pipe'],
    });
    children.add(this.#process);
    // First of all: for want of descriptors there is neither a process nor a stream to it.
    this.#process.once('error', (error) => this.#fail(error));
    const control = this.#control;
    const reader = new FrameReader(CHILD_FRAME_BYTES_MAX, (payload) => this.#take(payload));
    control?.on('data', (chunk: Buffer) => this.#guarded(() => reader.push(chunk)));
    // A write to one that is just dying; its end is told by itself.
    control?.on('error', () => {});
    this.#process.once('close', (code, signal) => {
      this.#close();
      this.emit('gone', code, signal);
    });
  }

  get pid(): number | undefined {
    return this.#process.pid;
  }

  get #control(): Duplex | undefined {
    const { stdio } = this.#process as Partial<ChildProcess>;
    return stdio?.[CONTROL] as Duplex | undefined;
  }

  tell(message: ToChild): void {
    this.#control?.write(frame(serialize(message)));
  }

  start(message: ChildStart, module: Uint8Array): void {
    this.tell(message);
    this.#control?.write(frame(module));
  }

  /**
   * Sends a signal and waits for the answer: whether a signalfd of the guest takes it. Without an
   * answer that is assumed: a guest that would drain is given its grace rather than killed.
   */
  signal(name: GuestSignal): boolean {
    this.#sequence = (this.#sequence + 1) % SEQUENCES;
    this.tell({ kind: 'signal', sequence: this.#sequence, name });
    const info = new DataView(this.#info.buffer);
    const from = performance.now();
    // What else comes is a late answer to an earlier signal, or lies: it gets no more time.
    for (let leftMs = ANSWER_MS; leftMs > 0; leftMs = from + ANSWER_MS - performance.now()) {
      const leftNs = Math.floor(leftMs * MS_NS);
      if (this.#kernel.poll(this.#channel, EPOLLIN, 0, leftNs) <= 0) return true;
      const got = this.#kernel.channelRecv(this.#channel, NO_BYTES, NO_IOVS, 0, this.#info);
      if (got < 0) return false;
      // No answer brings a descriptor: what does come is not to pile up here.
      const brought = info.getInt32(INFO_HANDLE_AT, true);
      if (brought >= 0) this.#kernel.close(brought);
      const header = info.getUint32(0, true);
      if (header === answerHeader(this.#sequence, true)) return true;
      if (header === answerHeader(this.#sequence, false)) return false;
    }
    return true;
  }

  kill(): void {
    this.#process.kill('SIGKILL');
  }

  #take(payload: Buffer): void {
    const message = readMessage(payload);
    if (message.kind === 'connected') {
      this.#channel = this.#rendezvous.accept(this.#process.pid ?? -1);
      this.#kernel.sessionAdopt(this.#passing.session, this.#channel);
      this.#rendezvous.close();
      this.#pass();
    } else if (message.kind === 'more') {
      this.#pass();
    }
    this.emit('message', message);
  }

  #pass(): void {
    const { handles } = this.#passing;
    const until = Math.min(this.#passed + HANDLES_AT_ONCE, handles.length);
    for (; this.#passed < until; this.#passed++) {
      const handle = handles[this.#passed];
      const sent = this.#kernel.channelSend(this.#channel, NO_BYTES, NO_IOVS, 0, 0, handle);
      if (sent < 0) throw new Error(`passing a descriptor failed: errno ${-sent}`);
      // From here on only the guest has it: its end is the end of what it names.
      this.#kernel.close(handle);
    }
  }

  #guarded(action: () => void): void {
    try {
      action();
    } catch (error) {
      this.#fail(error as Error);
    }
  }

  #fail(error: Error): void {
    this.emit('error', error);
    this.kill();
    // One that never started is never gone either.
    if (this.#process.pid === undefined) this.#close();
  }

  #close(): void {
    children.delete(this.#process);
    this.#rendezvous.close();
    this.#kernel.sessionClose(this.#passing.session);
  }
}
