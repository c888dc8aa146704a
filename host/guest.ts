/** Starting one guest, in a thread or a process of its own. */
import { setFlagsFromString } from 'node:v8';
import type { Worker } from 'node:worker_threads';

import type { ListenAddress } from './address.js';
import { type ChannelEnd, channelEnvironment } from './channels.js';
import { createCounters } from './counters.js';
import type { Grants, Limits } from './grants.js';
import {
  type OpenOptions,
  type Opened,
  closeOpened,
  openDescriptors,
} from './guest/descriptors.js';
import { type GuestModule, admitModule, compileModule } from './guest/module.js';
import { sharedParts } from './guest/crew.js';
import { type Stdio, withStreams } from './guest/stdio.js';
import { type GuestUsage, usageOf } from './guest/usage.js';
import { type StopOptions, watch } from './guest/watch.js';
import type { Kernel, Session } from './kernel/kernel.js';
import { openNativeKernel } from './kernel/native.js';
import { type SharedListener, listenerEnvironment } from './listeners.js';
import type { Output } from './output.js';
import { FORWARDED_SIGNALS, type GuestSignal } from './signals.js';
import { refillThreads, takeThread } from './guest/thread.js';
import type { TraceGroup } from './trace-groups.js';
import type { Outcome } from './trap.js';
import { spawnsThreads } from './wasm/threads.js';
import type { WorkerStart } from './worker.js';

export type { StopOptions } from './guest/watch.js';

// V8 does not interrupt loops of bulk operations under dynamic tiering (`pitfalls.md` part 3).
// The flag holds for the process, and must be set before a guest is compiled.
setFlagsFromString('--no-wasm-dynamic-tiering');

/** The tiers of isolation. */
export const ISOLATIONS = ['thread', 'process'] as const;
export type Isolation = (typeof ISOLATIONS)[number];

export interface GuestOptions {
  /** The bytes of a core module, or one that `loadModule` has loaded: for many guests of one. */
  readonly bytes: Uint8Array | GuestModule;
  /** What messages call the module, as a rule its file name. */
  readonly name: string;
  readonly grants: Grants;
  /**
   * Listeners to open, or shared ones to take part in: in order, from descriptor 3, or after the
   * directories of the grants.
   */
  readonly listen?: readonly (ListenAddress | SharedListener)[];
  /**
   * Ends of channels by name, which come after the listeners; the guest finds each by
   * `SANDPOLL_CHANNEL_FD_<NAME>`. They are the guest's from here on, even if it cannot start.
   */
  readonly channels?: Readonly<Record<string, ChannelEnd>>;
  /** Wall time after which the guest is ended; none for no limit. */
  readonly timeoutMs?: number;
  /**
   * How long a guest with a signalfd for SIGTERM has to leave by itself once a limit of wall or
   * CPU time is reached: 0 unless said.
   */
  readonly limitGraceMs?: number;
  readonly trace?: readonly TraceGroup[];
  /** Whether lines of the trace are JSON objects, as those of `--log-format=json` are. */
  readonly jsonTrace?: boolean;
  /** Whether its calls are counted, for `Guest.usage`. It costs some tens of ns a call. */
  readonly metered?: boolean;
  /**
   * What the guest runs in: a thread of this process (unless said), or a process of its own, which
   * confines itself before (SECURITY.md), takes some 100 ms more to start, and is killed when the
   * thread that has started it ends.
   */
  readonly isolate?: Isolation;
  /**
   * A thread from `startThread`, if one was started ahead. It becomes the guest's once the module
   * and the listeners are found good; before that it stays the caller's to end.
   */
  readonly thread?: Worker;
  /** What the host calls this instance, `http.wasm#1`; `name` unless said. */
  readonly instance?: string;
  /** What its standard streams are: the host's own unless said. */
  readonly stdio?: Stdio;
  /**
   * Takes what the guest prints to stdout and stderr, line by line and made harmless, in place of
   * the host's own streams, unless `stdio` names another. Lines beyond 4 KiB are cut, and beyond
   * 1,000 a second left out.
   */
  readonly onOutput?: (output: Output) => void;
  /** Takes each line that the host has to say about the guest: denials, `env.trace`. */
  readonly onReport?: (line: string, instance: string) => void;
}

export interface Guest {
  /** URL and descriptor of each listener. */
  readonly listeners: readonly { readonly url: string; readonly fd: number }[];
  /**
   * Settles with true when it waits at one of its stream listeners for the first time (at
   * anything, if it was given none): it has begun to serve. With false if it ends before.
   */
  readonly ready: Promise<boolean>;
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
  /**
   * What it uses just now, and what was counted if it is `metered`. From a process of its own it
   * is what that told last: a second ago at most if it is metered, else when it was asked before.
   */
  usage(): GuestUsage;
}

/** What a guest's process was passed. */
type PassedHandles = Pick<OpenOptions, 'directories' | 'streams'>;

interface Loading extends Pick<GuestModule, 'info' | 'codeShift'> {
  readonly loaded: Promise<GuestModule>;
}

/** Admits the module at once, and compiles it while a thread and descriptors are made ready. */
function begin({ bytes, name, grants }: GuestOptions): Loading {
  if (!(bytes instanceof Uint8Array)) return { ...bytes, loaded: Promise.resolve(bytes) };
  const admitted = admitModule(bytes, name, grants);
  const loaded = compileModule(admitted, bytes, name);
  // Looked at later, unless something else fails first.
  loaded.catch(() => {});
  return { info: admitted.info, codeShift: admitted.codeShift, loaded };
}

/** A place to count for each thread that the guest can have. */
function countersFor({ info }: Loading, { threads }: Limits): SharedArrayBuffer {
  return createCounters(spawnsThreads(info) ? threads : 1);
}

/** Opens what a guest starts with; `finish` is for its end. */
function open(
  kernel: Kernel,
  options: GuestOptions & PassedHandles,
): { readonly opened: Opened; readonly finish: () => void } {
  if (options.streams !== undefined) {
    return { opened: openDescriptors(kernel, options), finish: () => {} };
  }
  return withStreams(kernel, options, (streams) =>
    openDescriptors(kernel, { ...options, streams }),
  );
}

/** The thread that was started ahead, or another; `giveUp` is called if there is none to be had. */
function threadFor({ thread }: GuestOptions, giveUp: () => void): Worker {
  try {
    return thread ?? takeThread();
  } catch (error) {
    giveUp();
    throw error;
  }
}

/**
 * Starts a guest, in a thread of its own unless `isolate` says else.
 *
 * Throws, before anything runs: `ModuleError` for a file that is not an acceptable module,
 * `LinkError` for imports that nothing provides, a `UsageError`, a TypeError with its code for what
 * `stdio` cannot be, or an error of Node's shape (`EADDRINUSE`) for a listener. Nothing is left
 * open then.
 */
export async function startGuest(options: GuestOptions): Promise<Guest> {
  try {
    if (options.isolate !== 'process') return await startInThread(options);
    // Loaded here: a guest in a thread does not wait for it.
    const { startInProcess } = await import('./guest/process.js');
    return await startInProcess(options);
  } catch (error) {
    // Those that were not taken yet; the others do nothing.
    for (const end of Object.values(options.channels ?? {})) end.close();
    throw error;
  }
}

/**
 * Starts a guest in a thread, as `startGuest` does. `directories` stand for those of its grants,
 * `streams` for its `stdio` and `onOutput`.
 */
export async function startInThread(options: GuestOptions & PassedHandles): Promise<Guest> {
  const { grants } = options;
  const kernel = openNativeKernel();
  const loading = begin(options);
  // What needs nothing to be open may fail first.
  const shared = sharedParts(loading.info, grants.limits);
  const counters = options.metered === true ? countersFor(loading, grants.limits) : undefined;
  const { opened, finish } = open(kernel, options);
  const worker = threadFor(options, () => {
    closeOpened(kernel, opened);
    finish();
  });
  const limited = { ...options, cpuMs: grants.limits.cpuMs };
  const watched = watch(worker, kernel, opened, limited, loading.codeShift);
  const ended = watched.ended.then((outcome) => {
    // All that it printed comes before word of its end.
    finish();
    return outcome;
  });
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
      ...(options.jsonTrace === true ? { jsonTrace: options.instance ?? options.name } : {}),
      ...(counters === undefined ? {} : { counters }),
      module: (await loading.loaded).module,
      info: loading.info,
      ...shared,
    };
    watched.begin(message);
    await watched.linked;
    refillThreads();
  } catch (error) {
    void watched.stop();
    await ended;
    throw error;
  }
  return {
    listeners: opened.listeners.map(({ url }, index) => ({ url, fd: opened.firstFd + index })),
    ready: watched.ready,
    ended,
    signal: (signal) => sendSignal(kernel, opened.session, signal),
    stop: (stopOptions) => {
      void watched.stop(stopOptions);
      return ended;
    },
    usage: usageOf({ kernel, opened, fdsMax: grants.limits.fds, counters, ended }),
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
