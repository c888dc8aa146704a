/** Starting, watching and stopping one guest in its thread. */
import { setFlagsFromString } from 'node:v8';
import type { Worker } from 'node:worker_threads';

import type { ListenAddress } from './address.js';
import { type ChannelEnd, channelEnvironment, takeChannelEnd } from './channels.js';
import { Access, DescriptorTable, FDS_MAX, Kind, descriptorTableBytes } from './descriptors.js';
import type { Grants } from './grants.js';
import type { TraceGroup } from './trace-groups.js';
import type { Kernel, Session } from './kernel/kernel.js';
import { openNativeKernel } from './kernel/native.js';
import { LinkError } from './link-error.js';
import { type Listener, listenerEnvironment, openListener } from './listeners.js';
import { FORWARDED_SIGNALS, type GuestSignal } from './signals.js';
import { startThread } from './thread.js';
import { type Frame, type Outcome, trapped } from './trap.js';
import { DURATION_MAX_MS, usageError } from './usage.js';
import { admit } from './wasm/admit.js';
import { type AdmissionLimits, DEFAULT_ADMISSION_LIMITS } from './wasm/limits.js';
import { ModuleError } from './wasm/bytes.js';
import { commandProblems } from './wasm/command.js';
import type { WorkerMessage, WorkerStart } from './worker.js';

// V8 does not interrupt loops of bulk operations under dynamic tiering (`pitfalls.md` part 3).
// The flag holds for the process, and must be set before a guest is compiled.
setFlagsFromString('--no-wasm-dynamic-tiering');

/**
 * How to kill each guest that has not ended. Node waits for its threads before it exits, and a
 * guest in a wait would keep it for ever (B86).
 */
const killers = new Set<() => void>();
process.on('exit', () => {
  for (const kill of killers) kill();
});

/** The guest's descriptors 0, 1 and 2; listeners come next. */
const STDIO = [Access.READ, Access.WRITE, Access.WRITE] as const;

export interface GuestOptions {
  /** The bytes of a core module. */
  readonly bytes: Uint8Array;
  /** What messages call the module, as a rule its file name. */
  readonly name: string;
  readonly grants: Grants;
  /** Listeners to open and hand to the guest, in order, from descriptor 3. */
  readonly listen?: readonly ListenAddress[];
  /**
   * Ends of channels by name, which come after the listeners; the guest finds each by
   * `SANDPOLL_CHANNEL_FD_<NAME>`. They are the guest's from here on, even if it cannot start.
   */
  readonly channels?: Readonly<Record<string, ChannelEnd>>;
  /** Wall time after which the guest is killed; none for no limit. */
  readonly timeoutMs?: number;
  readonly trace?: readonly TraceGroup[];
  /**
   * A thread from `startThread`, if one was started ahead. It becomes the guest's once the module
   * and the listeners are found good; before that it stays the caller's to end.
   */
  readonly thread?: Worker;
  /** Takes each line that the host has to say about the guest: denials, `env.trace`. */
  readonly onReport?: (line: string) => void;
}

export interface Guest {
  /** URL and descriptor of each listener. */
  readonly listeners: readonly { readonly url: string; readonly fd: number }[];
  /** How it ended; never rejects. All it had open is closed by then. */
  readonly ended: Promise<Outcome>;
  /**
   * Sends a signal. True: a signalfd of the guest takes it. False: none does, and the guest's
   * present wait, or else its next, ends with EINTR.
   */
  signal(name: GuestSignal): boolean;
  /**
   * Ends it; the same promise as `ended`. With `graceMs` (0 unless said) and a signalfd for it,
   * the guest gets a SIGTERM and that long to leave by itself. Then, or else at once, it is
   * ended wherever it is, within 50 ms. A RangeError for a time of more than 24 days.
   */
  stop(options?: StopOptions): Promise<Outcome>;
}

export interface StopOptions {
  readonly graceMs?: number;
}

interface Opened {
  readonly session: Session;
  readonly table: SharedArrayBuffer;
  readonly listeners: readonly Listener[];
  readonly firstFd: number;
}

/** Opens what the guest starts with: stdio and listeners, in its session and its table. */
function openDescriptors(kernel: Kernel, options: GuestOptions): Opened {
  const { fds } = options.grants.limits;
  if (fds > FDS_MAX) throw usageError(`--max-fds ${fds}: at most ${FDS_MAX}`);
  const table = new SharedArrayBuffer(descriptorTableBytes(fds));
  const descriptors = new DescriptorTable(table, fds);
  const session = kernel.sessionOpen();
  const listeners: Listener[] = [];
  try {
    const install = (handle: number, kind: number, access: number): number => {
      if (handle >= 0) kernel.sessionAdopt(session, handle);
      const fd = descriptors.claim();
      if (fd < 0) {
        const channels = Object.keys(options.channels ?? {}).length;
        const needed = STDIO.length + (options.listen?.length ?? 0) + channels;
        throw usageError(`--max-fds ${fds}: this guest starts with ${needed} descriptors already`);
      }
      // A stream that the host has closed stays closed (handle −1), its number taken (B27).
      descriptors.open(fd, handle, kind, access, 0);
      return fd;
    };
    STDIO.forEach((access, fd) => install(kernel.stdio(fd), Kind.STDIO, access));
    for (const address of options.listen ?? []) {
      const listener = openListener(kernel, address);
      listeners.push(listener);
      install(listener.handle, listener.kind, Access.READ | Access.WRITE);
    }
    for (const [name, end] of Object.entries(options.channels ?? {})) {
      install(takeChannelEnd(name, end), Kind.CHANNEL, Access.READ | Access.WRITE);
    }
  } catch (error) {
    for (const listener of listeners) listener.remove();
    kernel.sessionClose(session);
    throw error;
  }
  return { session, table, listeners, firstFd: STDIO.length };
}

/** Frames of the module as it was written: admission may have moved its code. */
function unshifted(outcome: Outcome, shiftBytes: number): Outcome {
  if (outcome.kind !== 'trapped' || shiftBytes === 0) return outcome;
  const move = (frame: Frame): Frame => ({ ...frame, offset: frame.offset - shiftBytes });
  return { ...outcome, frames: outcome.frames.map(move) };
}

function admissionLimits({ limits }: Grants): AdmissionLimits {
  const { memoryBytes, moduleBytes, tableElements } = limits;
  return { ...DEFAULT_ADMISSION_LIMITS, memoryBytes, moduleBytes, tableEntries: tableElements };
}

/** Compiles an admitted module; `ModuleError` if the engine finds it invalid. */
async function compile(bytes: Uint8Array, name: string): Promise<WebAssembly.Module> {
  try {
    return await WebAssembly.compile(bytes as Uint8Array<ArrayBuffer>);
  } catch (error) {
    const { message } = error as Error;
    throw new ModuleError('ERR_SANDPOLL_MALFORMED', `${name} is not a valid module: ${message}`);
  }
}

/**
 * Starts a guest in a thread of its own.
 *
 * Throws, before anything runs: `ModuleError` for a file that is not an acceptable module,
 * `LinkError` for imports that nothing provides, a `UsageError`, or an error of Node's shape
 * (`EADDRINUSE`) for a listener. Nothing is left open then.
 */
export async function startGuest(options: GuestOptions): Promise<Guest> {
  const { grants, name } = options;
  const kernel = openNativeKernel();
  const { bytes, info, codeShift } = admit(options.bytes, admissionLimits(grants), name);
  const [problem] = commandProblems(info);
  if (problem !== undefined) throw new ModuleError('ERR_SANDPOLL_NO_COMMAND', `${name} ${problem}`);
  const compiled = compile(bytes, name);
  // Looked at below, unless something else fails first.
  compiled.catch(() => {});
  const opened = openDescriptors(kernel, options);
  const worker = options.thread ?? startThread();
  const watched = watch(worker, kernel, opened, options, codeShift);
  try {
    const channelFd = opened.firstFd + opened.listeners.length;
    const env = {
      ...listenerEnvironment(opened.listeners, opened.firstFd),
      ...channelEnvironment(Object.keys(options.channels ?? {}), channelFd),
      ...grants.env,
    };
    const message: WorkerStart = {
      session: opened.session,
      descriptors: opened.table,
      grants: { ...grants, env },
      trace: options.trace ?? [],
      module: await compiled,
      info,
    };
    worker.postMessage(message);
    await watched.linked;
  } catch (error) {
    await watched.stop();
    throw error;
  }
  return {
    listeners: opened.listeners.map(({ url }, index) => ({ url, fd: opened.firstFd + index })),
    ended: watched.ended,
    signal: (signal) => sendSignal(kernel, opened.session, signal),
    stop: watched.stop,
  };
}

function sendSignal(kernel: Kernel, session: Session, name: GuestSignal): boolean {
  const signal: number | undefined = FORWARDED_SIGNALS[name];
  if (signal === undefined) {
    const known = Object.keys(FORWARDED_SIGNALS).join(', ');
    throw new TypeError(`signal ${name}: a guest can be sent ${known}`);
  }
  if (kernel.sessionSignal(session, signal) > 0) return true;
  kernel.sessionWake(session);
  return false;
}

interface Watched extends Pick<Guest, 'ended' | 'stop'> {
  /** Settles when the thread has linked the module, or ended before; rejects if it cannot be. */
  readonly linked: Promise<void>;
}

function watch(
  worker: Worker,
  kernel: Kernel,
  opened: Opened,
  options: GuestOptions,
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
