/** Starting one guest in a thread of its own. */
import { setFlagsFromString } from 'node:v8';
import type { Worker } from 'node:worker_threads';

import type { ListenAddress } from './address.js';
import { type ChannelEnd, channelEnvironment } from './channels.js';
import type { Grants } from './grants.js';
import { openDescriptors } from './guest/descriptors.js';
import { type GuestModule, admitModule, compileModule } from './guest/module.js';
import { type StopOptions, watch } from './guest/watch.js';
import type { Kernel, Session } from './kernel/kernel.js';
import { openNativeKernel } from './kernel/native.js';
import { type SharedListener, listenerEnvironment } from './listeners.js';
import { FORWARDED_SIGNALS, type GuestSignal } from './signals.js';
import { startThread } from './thread.js';
import type { TraceGroup } from './trace-groups.js';
import type { Outcome } from './trap.js';
import type { WorkerStart } from './worker.js';

export type { StopOptions } from './guest/watch.js';

// V8 does not interrupt loops of bulk operations under dynamic tiering (`pitfalls.md` part 3).
// The flag holds for the process, and must be set before a guest is compiled.
setFlagsFromString('--no-wasm-dynamic-tiering');

export interface GuestOptions {
  /** The bytes of a core module, or one that `loadModule` has loaded: for many guests of one. */
  readonly bytes: Uint8Array | GuestModule;
  /** What messages call the module, as a rule its file name. */
  readonly name: string;
  readonly grants: Grants;
  /** Listeners to open, or shared ones to take part in: in order, from descriptor 3. */
  readonly listen?: readonly (ListenAddress | SharedListener)[];
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

interface Loading extends Pick<GuestModule, 'info' | 'codeShift'> {
  readonly loaded: Promise<GuestModule>;
}

/** Admits the module at once, and compiles it while a thread and descriptors are made ready. */
function begin({ bytes, name, grants }: GuestOptions): Loading {
  if (!(bytes instanceof Uint8Array)) return { ...bytes, loaded: Promise.resolve(bytes) };
  const admitted = admitModule(bytes, name, grants);
  const loaded = compileModule(admitted, name);
  // Looked at later, unless something else fails first.
  loaded.catch(() => {});
  return { info: admitted.info, codeShift: admitted.codeShift, loaded };
}

/**
 * Starts a guest in a thread of its own.
 *
 * Throws, before anything runs: `ModuleError` for a file that is not an acceptable module,
 * `LinkError` for imports that nothing provides, a `UsageError`, or an error of Node's shape
 * (`EADDRINUSE`) for a listener. Nothing is left open then.
 */
export async function startGuest(options: GuestOptions): Promise<Guest> {
  const { grants } = options;
  const kernel = openNativeKernel();
  const loading = begin(options);
  const opened = openDescriptors(kernel, options);
  const worker = options.thread ?? startThread();
  const watched = watch(worker, kernel, opened, options, loading.codeShift);
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
      module: (await loading.loaded).module,
      info: loading.info,
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
