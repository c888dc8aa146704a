/** A guest's process: takes what its supervisor passes, confines itself, runs the guest. */
import { once } from 'node:events';
import { Socket } from 'node:net';
import { deserialize } from 'node:v8';
import { Worker } from 'node:worker_threads';

import { EPOLLIN } from '../abi/epoll.js';
import { type ChannelEnd, adoptChannelEnd } from '../channels.js';
import { linuxName } from '../errno.js';
import { type Guest, startInThread } from '../guest.js';
import type { Streams } from '../guest/stdio.js';
import {
  type ChildStart,
  FrameReader,
  type FromChild,
  HANDLES_AT_ONCE,
  type ToChild,
  answerHeader,
  frame,
} from '../guest/wire.js';
import { assembleFilter } from '../isolate/filter.js';
import { type Needs, REFUSED, filterRules } from '../isolate/policy.js';
import type { Confined } from '../isolate/setup.js';
import { architectureOf } from '../isolate/syscalls.js';
import type { Handle } from '../kernel/kernel.js';
import { openNativeKernel } from '../kernel/native.js';
import { LinkError } from '../link-error.js';
import { type SharedListener, adoptListener } from '../listeners.js';

/** The stream to the supervisor: inherited behind stdio. */
const CONTROL_FD = 3;

/** Where the kernel puts a filter on every thread of the process, and how it says it could not. */
const FILTER_TSYNC = 1 << 0;
const FILTER_TSYNC_ESRCH = 1 << 4;

/** How long a supervisor may take to pass a handle that it has promised. */
const PASSING_S = 10;

/** Between two looks at the usage of a guest that is metered. */
const USAGE_MS = 1000;

const NO_BYTES = new Uint8Array(0);
const NO_IOVS = new Uint32Array(0);
const INFO_BYTES = 12;
const INFO_HANDLE_AT = 4;

const kernel = openNativeKernel();

/** The supervisor, as this process sees it. */
class Supervisor {
  readonly #channel: Handle;
  readonly #control = new Socket({ fd: CONTROL_FD, readable: true, writable: true });
  readonly #info = new Uint8Array(INFO_BYTES);

  constructor(channel: Handle) {
    this.#channel = channel;
    // It is gone, and so is who would say what becomes of the guest.
    this.#control.on('error', () => process.kill(process.pid, 'SIGKILL'));
    this.#control.on('end', () => process.kill(process.pid, 'SIGKILL'));
  }

  onFrame(take: (payload: Buffer) => void): void {
    const reader = new FrameReader(Number.MAX_SAFE_INTEGER, take);
    this.#control.on('data', (chunk: Buffer) => reader.push(chunk));
  }

  tell(message: FromChild): void {
    this.#control.write(frame(JSON.stringify(message)));
  }

  /** Takes the next handle off the channel. */
  takeHandle(): Handle {
    const ready = kernel.poll(this.#channel, EPOLLIN, PASSING_S, 0);
    if (ready <= 0) throw new Error('the supervisor does not pass what it has promised');
    const taken = kernel.channelRecv(this.#channel, NO_BYTES, NO_IOVS, 0, this.#info);
    const handle = new DataView(this.#info.buffer).getInt32(INFO_HANDLE_AT, true);
    if (taken < 0 || handle < 0) throw new Error(`nothing was passed: ${linuxName(-taken)}`);
    return handle;
  }

  answer(sequence: number, taken: boolean): void {
    kernel.channelSend(this.#channel, NO_BYTES, NO_IOVS, 0, answerHeader(sequence, taken), -1);
  }
}

/** Confines all threads of this process for good; what it answers is in `Confined`'s words. */
function refuseCalls(needs: Needs, confined: Confined): Confined {
  const architecture = architectureOf(process.arch);
  const missing = (why: string): Confined => ({
    by: confined.by,
    without: [...confined.without, `seccomp (${why})`],
  });
  if (architecture === undefined) return missing(`no filter for ${process.arch}`);
  const program = assembleFilter(filterRules(needs, process.pid), architecture, REFUSED);
  const result = kernel.seccompFilter(program, FILTER_TSYNC | FILTER_TSYNC_ESRCH);
  if (result < 0) return missing(linuxName(-result));
  return { by: [...confined.by, 'seccomp'], without: confined.without };
}

/** What was passed. */
interface Taken {
  readonly directories: readonly Handle[];
  readonly listen: readonly SharedListener[];
  readonly ends: Readonly<Record<string, ChannelEnd>>;
  readonly streams: Streams;
}

/** Everything that was passed, in order. */
function takeGiven(
  supervisor: Supervisor,
  { grants, listeners, channels, streams }: ChildStart,
): Taken {
  let count = 0;
  const next = (): Handle => {
    if (count > 0 && count % HANDLES_AT_ONCE === 0) supervisor.tell({ kind: 'more' });
    count += 1;
    return supervisor.takeHandle();
  };
  return {
    directories: grants.dirs.map(next),
    listen: listeners.map((listener) => adoptListener({ ...listener, handle: next() })),
    ends: Object.fromEntries(channels.map((name) => [name, adoptChannelEnd(next())])),
    streams: streams.map((row) => (row === null ? undefined : { ...row, handle: next() })),
  };
}

function failure(error: unknown): FromChild {
  const { message, code } = error as NodeJS.ErrnoException;
  return {
    kind: 'failed',
    message,
    ...(code === undefined ? {} : { code }),
    ...(error instanceof LinkError ? { problems: error.problems } : {}),
  };
}

async function start(
  supervisor: Supervisor,
  thread: Worker,
  message: ChildStart,
  bytes: Uint8Array,
  confined: Confined,
): Promise<Guest> {
  const { name, instance, grants, trace, jsonTrace, metered } = message;
  const { timeoutMs, limitGraceMs } = message;
  const { listen, ends, ...handles } = takeGiven(supervisor, message);
  supervisor.tell({ kind: 'confined', ...refuseCalls(message.needs, confined) });
  const guest = await startInThread({
    bytes,
    name,
    instance,
    grants,
    trace,
    jsonTrace,
    metered,
    thread,
    listen,
    channels: ends,
    ...handles,
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
    ...(limitGraceMs === undefined ? {} : { limitGraceMs }),
    onReport: (line) => supervisor.tell({ kind: 'report', line }),
  });
  // The guest has its own.
  for (const listener of listen) listener.close();
  return guest;
}

/**
 * Says how the guest ended, once it has. The process is then killed by its supervisor: if it left
 * by itself, a word of the supervisor's that met nobody would cost the last ones from here.
 */
async function tellEnd(supervisor: Supervisor, guest: Guest): Promise<void> {
  const outcome = await guest.ended;
  supervisor.tell({ kind: 'usage', usage: guest.usage() });
  supervisor.tell({ kind: 'ended', outcome });
}

/** Tells of the guest that runs; returns what to do with what the supervisor says. */
function serve(supervisor: Supervisor, guest: Guest, metered: boolean): (message: ToChild) => void {
  const tellUsage = (): void => supervisor.tell({ kind: 'usage', usage: guest.usage() });
  tellUsage();
  if (metered) setInterval(tellUsage, USAGE_MS).unref();
  supervisor.tell({ kind: 'linked' });
  void guest.ready.then((ready) => ready && supervisor.tell({ kind: 'ready' }));
  void tellEnd(supervisor, guest);
  return (message) => {
    if (message.kind === 'signal') {
      supervisor.answer(message.sequence, guest.signal(message.name));
    } else if (message.kind === 'stop') {
      void guest.stop({ graceMs: message.graceMs });
    } else if (message.kind === 'usage') {
      tellUsage();
    }
  };
}

/** Runs the one guest that the supervisor at the other end of `channel` will name. */
export async function main(channel: Handle, confined: Confined): Promise<void> {
  const supervisor = new Supervisor(channel);
  const thread = new Worker(new URL('../process/thread.cjs', import.meta.url), {
    env: {},
    execArgv: [],
  });
  const loaded = once(thread, 'message');
  let take: ((message: ToChild) => void) | undefined;
  let waiting: ChildStart | undefined;
  supervisor.onFrame((payload) => {
    const message = waiting;
    waiting = undefined;
    if (message !== undefined) {
      loaded
        .then(() => start(supervisor, thread, message, payload, confined))
        .then((guest) => (take = serve(supervisor, guest, message.metered)))
        .catch((error: unknown) => supervisor.tell(failure(error)));
      return;
    }
    const told = deserialize(payload) as ToChild;
    if (told.kind === 'start') waiting = told;
    else take?.(told);
  });
  supervisor.tell({ kind: 'connected' });
}
