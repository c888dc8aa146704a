/** A guest's thread: builds its sandbox, instantiates the module, runs it, says how it ended. */
import { channel } from 'node:diagnostics_channel';
import { parentPort } from 'node:worker_threads';

import { blockOf } from './counters.js';
import { DescriptorTable } from './descriptors.js';
import { EPOLLOUT } from './abi/epoll.js';
import { LinuxErrno, linuxName, wasiErrno } from './errno.js';
import type { Grants } from './grants.js';
import { counter } from './imports/count.js';
import { tracer } from './imports/trace.js';
import type { TraceGroup } from './trace-groups.js';
import { LineBudget } from './line-budget.js';
import { openNativeKernel } from './kernel/native.js';
import type { Session } from './kernel/kernel.js';
import { type Observe, link, linkProblems } from './link.js';
import { Sandbox } from './sandbox.js';
import { LEAVE, type ThreadStart, ThreadSlots, threadSlotsBytes } from './threads.js';
import { type Outcome, trapped } from './trap.js';
import type { AdmittedInfo } from './wasm/admit.js';

/** What a supervisor sends: all that a thread needs to run a guest, or another thread of it. */
export interface WorkerStart {
  readonly session: Session;
  /** Buffer of the descriptor table, filled with what was preopened. */
  readonly descriptors: SharedArrayBuffer;
  readonly grants: Grants;
  /** Groups of calls to trace; none for no trace. */
  readonly trace: readonly TraceGroup[];
  /** The instance's name, if trace lines are JSON objects that have it. */
  readonly jsonTrace?: string;
  /** Where calls are counted (`createCounters`), if they are. */
  readonly counters?: SharedArrayBuffer;
  /** The admitted module, and what is in it. */
  readonly module: WebAssembly.Module;
  readonly info: AdmittedInfo;
  /** The memory that the module imports, if it is one that its threads share. */
  readonly memory?: WebAssembly.Memory;
  /** Which threads run (`ThreadSlots`), if the module may spawn some. */
  readonly threads?: SharedArrayBuffer;
  /** Of a spawned thread. */
  readonly thread?: ThreadStart;
}

/** What a thread tells its supervisor. */
export type WorkerMessage =
  | { readonly kind: 'linked' }
  /** It waits at a listener of its own for the first time. */
  | { readonly kind: 'ready' }
  | { readonly kind: 'unlinkable'; readonly problems: readonly string[] }
  | { readonly kind: 'ended'; readonly outcome: Outcome }
  /** A spawned thread begins. */
  | { readonly kind: 'begun' }
  | { readonly kind: 'spawn'; readonly thread: ThreadStart }
  /** A spawned thread has ended, and its worker can run another. */
  | { readonly kind: 'idle' }
  | { readonly kind: 'report'; readonly line: string };

const PAGE_BYTES = 65_536;

/** Loaded with all else: a thread may be waiting for its guest by then. */
const kernel = openNativeKernel();

/** Hears of each guest that is about to begin: V8 has then compiled what starting one takes. */
const linked = channel('sandpoll.linked');

/** The memory that a module imports, within the grants; undefined if it has its own. */
function importedMemory(info: AdmittedInfo, memoryBytes: number): WebAssembly.Memory | undefined {
  const imported = info.imports.find((each) => each.kind === 'memory');
  if (imported?.kind !== 'memory') return undefined;
  const granted = Math.floor(memoryBytes / PAGE_BYTES);
  const { initial, maximum } = imported.memory;
  return new WebAssembly.Memory({ initial, maximum: Math.min(maximum ?? granted, granted) });
}

/**
 * Runs `wasi_thread_start` of a spawned thread; in the first one `_start` of a command, or
 * `_initialize` of a reactor, which then has nothing to run.
 */
function enter(instance: WebAssembly.Instance, thread: ThreadStart | undefined): void {
  const { _start: start, _initialize: initialize, wasi_thread_start: begin } = instance.exports;
  if (thread === undefined) ((start ?? initialize) as () => void)();
  else (begin as (tid: number, startArg: number) => void)(thread.tid, thread.startArg);
}

/** What `thread-spawn` does: counts the thread, and leaves starting it to the supervisor. */
function spawner(start: WorkerStart, post: (message: WorkerMessage) => void) {
  const { threads, grants } = start;
  const slots = new ThreadSlots(threads ?? new SharedArrayBuffer(threadSlotsBytes(1)));
  return (startArg: number): number => {
    const tid = slots.claim();
    if (tid < 0) {
      const line = `threads: ${grants.limits.threads} are running; allow more with --max-threads`;
      if (slots.firstRefusal()) post({ kind: 'report', line });
      return -wasiErrno(tid);
    }
    post({ kind: 'spawn', thread: { tid, startArg } });
    return tid;
  };
}

const STDERR = 2;

/** Says lines on stderr, and waits for a slow reader of it; a stop ends that wait (B74). */
function stderrLines(): (line: string) => void {
  const stderr = kernel.stdio(STDERR);
  return (line) => {
    const bytes = Buffer.from(`${line}\n`);
    let at = 0;
    while (at < bytes.length) {
      const written = kernel.write(stderr, bytes, at, bytes.length - at);
      if (written >= 0) at += written;
      else if (written !== -LinuxErrno.AGAIN) return;
      else if (kernel.poll(stderr, EPOLLOUT, -1, 0) < 0) return;
    }
  };
}

/** A spawned thread has run to its end: its worker is free for another. */
function leave(
  start: WorkerStart,
  { tid }: ThreadStart,
  sandbox: Sandbox,
  post: (message: WorkerMessage) => void,
): void {
  sandbox.leave();
  post({ kind: 'idle' });
  if (start.threads !== undefined) new ThreadSlots(start.threads).release(tid);
}

/** Where a trace goes: as it is, or as JSON if the guest has a name for that. */
function traceLines(start: WorkerStart): (line: string) => void {
  const { jsonTrace: guest, thread } = start;
  const write = stderrLines();
  // As `strace -f` has it: lines of another thread than the first say which one's they are.
  const prefix = thread === undefined ? '' : `[${thread.tid}] `;
  if (guest === undefined) return (line) => write(`${prefix}${line}`);
  return (line) => {
    const time = new Date().toISOString();
    write(JSON.stringify({ time, level: 'debug', guest, message: `${prefix}${line}` }));
  };
}

/**
 * What `--trace` and `--metrics` do, made in the guest's session, which owns what it opens. Every
 * thread loads it, small as it is: were anything of `thread/worker.cjs` imported later, all of it
 * would be wrapped so that each constant is looked up at each use.
 */
function observer(start: WorkerStart): Observe | undefined {
  const { trace, counters } = start;
  if (trace.length === 0 && counters === undefined) return undefined;
  const traced = trace.length === 0 ? undefined : tracer(trace, traceLines(start));
  const block = counters && blockOf(counters, start.thread?.tid ?? 0);
  const counted = block && counter(block);
  return (row, body, sandbox) => {
    // The waiting for who reads a trace is not the guest's.
    const inner = counted?.(row, body, sandbox) ?? body;
    return traced?.(row, inner, sandbox) ?? inner;
  };
}

/** Reports as many lines as a supervisor can take in; how many it did not hear of is one, too. */
function reporter(post: (message: WorkerMessage) => void) {
  const budget = new LineBudget(performance.now());
  const tellRefused = (): void => {
    const refused = budget.takeRefused();
    if (refused === 0) return;
    post({ kind: 'report', line: `${refused} lines were left out: the guest says too many` });
  };
  const report = (line: string): void => {
    if (budget.hasRoom(performance.now())) tellRefused();
    if (budget.spend()) post({ kind: 'report', line });
  };
  return { report, tellRefused };
}

function run(start: WorkerStart): void {
  const { grants, info, module, thread } = start;
  const port = parentPort as NonNullable<typeof parentPort>;
  const post = (message: WorkerMessage): void => port.postMessage(message);
  const { report, tellRefused } = reporter(post);
  const end = (outcome: Outcome): never => {
    tellRefused();
    post({ kind: 'ended', outcome });
    // Termination, unlike an exception, cannot be caught by a guest.
    process.exit();
  };
  if (thread === undefined) {
    const problems = linkProblems(info);
    if (problems.length > 0) return post({ kind: 'unlinkable', problems });
    post({ kind: 'linked' });
  } else {
    post({ kind: 'begun' });
  }
  const entered = kernel.sessionEnter(start.session);
  // Stopped before it began, or no timer left for its wakes: not to be run unstoppably.
  if (entered < 0) end(trapped(new Error(`cannot enter the session: ${linuxName(-entered)}`)));
  const sandbox = new Sandbox({
    kernel,
    descriptors: new DescriptorTable(start.descriptors, grants.limits.fds),
    grants,
    end,
    report,
    spawnThread: spawner(start, post),
    ready: () => post({ kind: 'ready' }),
  });
  try {
    const memory = start.memory ?? importedMemory(info, grants.limits.memoryBytes);
    if (memory !== undefined) sandbox.attachMemory(memory);
    const imports = link(info, sandbox, memory, observer(start));
    const instance = new WebAssembly.Instance(module, imports);
    const exported = instance.exports['memory'];
    if (exported instanceof WebAssembly.Memory) sandbox.attachMemory(exported);
    linked.publish(undefined);
    enter(instance, thread);
    if (thread === undefined) end({ kind: 'exited', code: 0 });
    else leave(start, thread, sandbox, post);
  } catch (thrown) {
    end(trapped(thrown));
  }
}

parentPort?.on('message', (start: WorkerStart | typeof LEAVE) => {
  if (start === LEAVE) process.exit();
  run(start);
});
