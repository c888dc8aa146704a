/** Starting one guest in a process of its own, and standing for it here. */
import { constants, fstatSync } from 'node:fs';
import type { Worker } from 'node:worker_threads';

import type { ListenAddress } from '../address.js';
import type { ChannelEnd } from '../channels.js';
import type { Grants } from '../grants.js';
import { type Needs, needsOf } from '../isolate/policy.js';
import { setupOf } from '../isolate/setup-of.js';
import type { Kernel } from '../kernel/kernel.js';
import { openNativeKernel } from '../kernel/native.js';
import { LinkError } from '../link-error.js';
import type { SharedListener } from '../listeners.js';
import { FORWARDED_SIGNALS, type GuestSignal } from '../signals.js';
import type { TraceGroup } from '../trace-groups.js';
import { type Outcome, trapped } from '../trap.js';
import { DURATION_MAX_MS } from '../usage.js';
import { ModuleError, type ModuleErrorCode } from '../wasm/bytes.js';
import { spawnsThreads } from '../wasm/threads.js';
import { Child } from './child.js';
import { STDIO } from './descriptors.js';
import { type Given, openGiven } from './given.js';
import { type GuestModule, admitModule } from './module.js';
import { openRendezvous } from './rendezvous.js';
import {
  type OpenedStream,
  type StdioOptions,
  type StreamRow,
  type Streams,
  withStreams,
} from './stdio.js';
import type { GuestUsage } from './usage.js';
import type { StopOptions } from './watch.js';
import type { ChildStart, FromChild } from './wire.js';

/** What of `GuestOptions` concerns a guest in a process. */
export interface ProcessOptions extends StdioOptions {
  readonly bytes: Uint8Array | GuestModule;
  readonly grants: Grants;
  readonly listen?: readonly (ListenAddress | SharedListener)[];
  readonly channels?: Readonly<Record<string, ChannelEnd>>;
  readonly timeoutMs?: number;
  readonly limitGraceMs?: number;
  readonly trace?: readonly TraceGroup[];
  readonly jsonTrace?: boolean;
  readonly metered?: boolean;
  readonly thread?: Worker;
  readonly onReport?: (line: string, instance: string) => void;
}

/** How much longer than agreed a process may take to end its guest, before it is killed. */
const LAST_RUNG_MS = 50;
/** And where a limit is reached, which the process sees to by itself. */
const LIMIT_RUNG_MS = 500;
/** How long a process may take until its guest runs; compiling is most of it. */
const START_MS = 60_000;

/** A guest in a process, from the start of that to its end. */
class Process {
  readonly child: Child;
  /** As `Guest.listeners`. */
  readonly listeners: readonly { readonly url: string; readonly fd: number }[];
  readonly linked: Promise<void>;
  readonly ready: Promise<boolean>;
  readonly ended: Promise<Outcome>;
  readonly #timers: NodeJS.Timeout[] = [];
  #outcome: Outcome | undefined;
  /** Whether it was asked for its usage, and has not answered. */
  #asked = false;
  #usage: GuestUsage = {
    startedMs: Date.now(),
    running: true,
    cpuNs: 0,
    descriptors: 0,
    connections: 0,
  };

  /** `finish` reads the rest of what the guest has printed. */
  constructor(child: Child, given: Given, options: ProcessOptions, finish: () => void) {
    this.child = child;
    const firstFd = STDIO.length + options.grants.dirs.length;
    this.listeners = given.listeners.map(({ url }, index) => ({ url, fd: firstFd + index }));
    child.on('message', (message) => this.#hear(message, options));
    child.on('error', (error) => {
      this.#outcome ??= trapped(new Error(`the guest's process: ${error.message}`));
    });
    this.ended = new Promise((resolve) => {
      child.once('gone', (code, signal) => {
        for (const timer of this.#timers) clearTimeout(timer);
        finish();
        for (const listener of given.listeners) listener.remove();
        this.#usage = { ...this.#usage, running: false, cpuNs: 0, descriptors: 0, connections: 0 };
        resolve(this.#outcome ?? unspoken(code, signal));
      });
    });
    this.ready = new Promise((resolve) => {
      child.on('message', ({ kind }) => kind === 'ready' && resolve(true));
      void this.ended.then(() => resolve(false));
    });
    this.linked = new Promise((resolve, reject) => {
      child.on('message', (message) => {
        if (message.kind === 'linked') resolve();
        else if (message.kind === 'failed') reject(failure(message));
      });
      void this.#neverLinked().then(reject);
    });
    // Looked at once the guest was told of its module.
    this.linked.catch(() => {});
    this.#timers.push(setTimeout(() => this.#giveUp(), START_MS));
  }

  /** The error for a process that ends before its guest runs. */
  async #neverLinked(): Promise<Error> {
    const outcome = await this.ended;
    const what = outcome.kind === 'trapped' ? outcome.message : 'the process was ended';
    const error = new Error(`${what} before the guest ran`);
    return Object.assign(error, { code: 'ERR_SANDPOLL_PROCESS' });
  }

  #giveUp(): void {
    this.#outcome ??= trapped(new Error(`the guest's process took more than ${START_MS}ms`));
    this.child.kill();
  }

  /** What it has told last; the next time it is what it uses now. */
  usage(): GuestUsage {
    if (this.#usage.running && !this.#asked) this.child.tell({ kind: 'usage' });
    this.#asked = true;
    return this.#usage;
  }

  stop(graceMs: number): void {
    if (graceMs === 0) return this.#kill('stopped');
    this.child.tell({ kind: 'stop', graceMs });
    this.#timers.push(setTimeout(() => this.#kill('stopped'), graceMs + LAST_RUNG_MS));
  }

  #hear(message: FromChild, options: ProcessOptions): void {
    const { name, instance = name, onReport, timeoutMs, limitGraceMs = 0 } = options;
    if (message.kind === 'report') onReport?.(message.line, instance);
    else if (message.kind === 'usage') this.#told(message.usage);
    else if (message.kind === 'confined') {
      onReport?.(confinedText(message, this.child.pid), instance);
    }
    if (message.kind === 'ended') {
      this.#outcome ??= message.outcome;
      // It waits for that; all that it had to say was heard.
      this.child.kill();
    } else if (message.kind === 'linked') {
      for (const timer of this.#timers) clearTimeout(timer);
      if (timeoutMs === undefined) return;
      const mostMs = Math.min(timeoutMs + limitGraceMs + LIMIT_RUNG_MS, DURATION_MAX_MS);
      this.#timers.push(setTimeout(() => this.#kill('timeout'), mostMs));
    }
  }

  #told(usage: GuestUsage): void {
    this.#usage = usage;
    this.#asked = false;
  }

  #kill(reason: 'stopped' | 'timeout'): void {
    this.#outcome ??= { kind: 'killed', reason, rung: 'kill' };
    this.child.kill();
  }
}

/** What confines a guest's process, in one line. */
function confinedText(
  { by, without }: FromChild & { kind: 'confined' },
  pid: number | undefined,
): string {
  const lacking = without.length === 0 ? '' : `; not active: ${without.join(', ')}`;
  return `isolated in process ${pid}: ${by.join(', ')}${lacking}`;
}

function unspoken(code: number | null, signal: NodeJS.Signals | null): Outcome {
  if (signal === 'SIGXCPU') return { kind: 'killed', reason: 'cpu', rung: 'kill' };
  const how = signal === null ? `ended with status ${code}` : `was killed by ${signal}`;
  return trapped(new Error(`the guest's process ${how}`));
}

/** The error that `startGuest` has thrown over there. */
function failure({ message, code, problems }: FromChild & { kind: 'failed' }): Error {
  if (problems !== undefined) return new LinkError(problems);
  const ofModule = ['NOT_WASM', 'COMPONENT', 'MALFORMED', 'NO_COMMAND', 'ADMISSION'];
  if (ofModule.some((each) => code === `ERR_SANDPOLL_${each}`)) {
    return new ModuleError(code as ModuleErrorCode, message);
  }
  return Object.assign(new Error(message), code === undefined ? {} : { code });
}

/** Starts the process, which is to take what was opened, confine itself and start the guest. */
function startProcess(
  options: ProcessOptions,
  start: (given: Given, kernel: Kernel) => ChildStart,
): Process {
  const kernel = openNativeKernel();
  const { opened: given, finish } = withStreams(kernel, options, (streams) =>
    openGiven(kernel, { ...options, streams }),
  );
  try {
    const rendezvous = openRendezvous(kernel, given.session);
    const message = start(given, kernel);
    const setup = setupOf(kernel, rendezvous.address, message.needs, options.grants.limits);
    const child = new Child(kernel, setup, rendezvous, given);
    const started = new Process(child, given, options, finish);
    child.start(message, moduleBytes(options.bytes));
    return started;
  } catch (error) {
    for (const listener of given.listeners) listener.remove();
    kernel.sessionClose(given.session);
    finish();
    throw error;
  }
}

/** Whether the host's own stream is a file. */
function isOwnFile(fd: number): boolean {
  try {
    return fstatSync(fd).isFile();
  } catch {
    // Closed.
    return false;
  }
}

/** The files among the standard streams. */
function filesAmong(kernel: Kernel, streams: Streams): Needs['files'] {
  const isFile = (stream: OpenedStream | undefined, fd: number): boolean => {
    if (stream === undefined) return isOwnFile(fd);
    return (kernel.fstat(stream.handle) & constants.S_IFMT) === constants.S_IFREG;
  };
  const [read, ...written] = streams.map(isFile);
  if (written.includes(true)) return 'write';
  return read ? 'read' : 'none';
}

function rowOf(stream: StreamRow | undefined): StreamRow | null {
  return stream === undefined ? null : { kind: stream.kind, access: stream.access };
}

function moduleBytes(bytes: Uint8Array | GuestModule): Uint8Array {
  return bytes instanceof Uint8Array ? bytes : bytes.bytes;
}

function checkedSignal(name: GuestSignal): GuestSignal {
  if (name in FORWARDED_SIGNALS) return name;
  const known = Object.keys(FORWARDED_SIGNALS).join(', ');
  throw new TypeError(`signal ${name}: a guest can be sent ${known}`);
}

/** `startGuest` for a guest in a process of its own; it throws what that throws. */
export async function startInProcess(options: ProcessOptions) {
  const { bytes, name, instance = name, grants, timeoutMs, limitGraceMs } = options;
  const { trace = [], jsonTrace = false, metered = false } = options;
  // Looked over here first: what is no module needs no process. It is compiled there alone.
  const { info } = bytes instanceof Uint8Array ? admitModule(bytes, name, grants) : bytes;
  const started = startProcess(options, ({ listeners, channels, streams }, kernel) => ({
    kind: 'start',
    name,
    instance,
    grants,
    listeners: listeners.map(({ kind, url, name: known }) => {
      return { kind, url, ...(known === undefined ? {} : { name: known }) };
    }),
    channels,
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
    ...(limitGraceMs === undefined ? {} : { limitGraceMs }),
    streams: streams.map(rowOf),
    trace,
    jsonTrace,
    metered,
    needs: needsOf(grants, spawnsThreads(info), filesAmong(kernel, streams)),
  }));
  void options.thread?.terminate();
  const { child, ended, ready } = started;
  await started.linked.catch(async (error: unknown) => {
    child.kill();
    await ended;
    throw error;
  });
  let running = true;
  void ended.then(() => (running = false));
  return {
    listeners: started.listeners,
    ready,
    ended,
    signal: (signal: GuestSignal) => running && child.signal(checkedSignal(signal)),
    stop: ({ graceMs = 0 }: StopOptions = {}) => {
      if (!(graceMs >= 0 && graceMs <= DURATION_MAX_MS)) {
        throw new RangeError(`graceMs ${graceMs}: must be from 0 to ${DURATION_MAX_MS}`);
      }
      if (running) started.stop(graceMs);
      return ended;
    },
    usage: () => started.usage(),
  };
}
