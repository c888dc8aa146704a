/** A guest's thread: builds its sandbox, instantiates the module, runs it, says how it ended. */
import { parentPort } from 'node:worker_threads';

import { DescriptorTable } from './descriptors.js';
import { EPOLLOUT } from './abi/epoll.js';
import { LinuxErrno, linuxName } from './errno.js';
import type { Grants } from './grants.js';
import type { tracer } from './imports/trace.js';
import type { TraceGroup } from './trace-groups.js';
import { openNativeKernel } from './kernel/native.js';
import type { Kernel, Session } from './kernel/kernel.js';
import { link, linkProblems } from './link.js';
import { Sandbox } from './sandbox.js';
import { type Outcome, trapped } from './trap.js';
import type { ModuleInfo } from './wasm/reader.js';

/** The one message that a supervisor sends: all that a thread needs to run a guest. */
export interface WorkerStart {
  readonly session: Session;
  /** Buffer of the descriptor table, filled with what was preopened. */
  readonly descriptors: SharedArrayBuffer;
  readonly grants: Grants;
  /** Groups of calls to trace; none for no trace. */
  readonly trace: readonly TraceGroup[];
  /** The admitted module, and what is in it. */
  readonly module: WebAssembly.Module;
  readonly info: ModuleInfo;
}

/** What a thread tells its supervisor. */
export type WorkerMessage =
  | { readonly kind: 'linked' }
  | { readonly kind: 'unlinkable'; readonly problems: readonly string[] }
  | { readonly kind: 'ended'; readonly outcome: Outcome }
  | { readonly kind: 'report'; readonly line: string };

const PAGE_BYTES = 65_536;

/** The memory that a module imports, within the grants; undefined if it has its own. */
function importedMemory(info: ModuleInfo, memoryBytes: number): WebAssembly.Memory | undefined {
  const imported = info.imports.find((each) => each.kind === 'memory');
  if (imported?.kind !== 'memory') return undefined;
  const granted = Math.floor(memoryBytes / PAGE_BYTES);
  const { initial, maximum } = imported.memory;
  return new WebAssembly.Memory({ initial, maximum: Math.min(maximum ?? granted, granted) });
}

/** `_start` of a command, or `_initialize` of a reactor, which then has nothing to run. */
function entry(instance: WebAssembly.Instance): () => void {
  const { _start: start, _initialize: initialize } = instance.exports;
  return (start ?? initialize) as () => void;
}

const STDERR = 2;

/** Says lines on stderr, and waits for a slow reader of it; a stop ends that wait (B74). */
function stderrLines(kernel: Kernel): (line: string) => void {
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

/** What `--trace` does; loaded only where it is asked for. */
async function loadTracer(groups: readonly TraceGroup[]): Promise<typeof tracer | undefined> {
  return groups.length === 0 ? undefined : (await import('./imports/trace.js')).tracer;
}

function run(start: WorkerStart, trace: typeof tracer | undefined): void {
  const { grants, info, module } = start;
  const port = parentPort as NonNullable<typeof parentPort>;
  const post = (message: WorkerMessage): void => port.postMessage(message);
  const end = (outcome: Outcome): never => {
    post({ kind: 'ended', outcome });
    // Termination, unlike an exception, cannot be caught by a guest.
    process.exit();
  };
  const problems = linkProblems(info);
  if (problems.length > 0) return post({ kind: 'unlinkable', problems });
  post({ kind: 'linked' });
  const kernel = openNativeKernel();
  const entered = kernel.sessionEnter(start.session);
  // Stopped before it began, or no timer left for its wakes: not to be run unstoppably.
  if (entered < 0) end(trapped(new Error(`cannot enter the session: ${linuxName(-entered)}`)));
  const sandbox = new Sandbox({
    kernel,
    descriptors: new DescriptorTable(start.descriptors, grants.limits.fds),
    grants,
    end,
    report: (line) => post({ kind: 'report', line }),
  });
  try {
    const memory = importedMemory(info, grants.limits.memoryBytes);
    if (memory !== undefined) sandbox.attachMemory(memory);
    const observe = trace?.(start.trace, stderrLines(kernel));
    const imports = link(info, sandbox, memory, observe);
    const instance = new WebAssembly.Instance(module, imports);
    const exported = instance.exports['memory'];
    if (exported instanceof WebAssembly.Memory) sandbox.attachMemory(exported);
    entry(instance)();
    end({ kind: 'exited', code: 0 });
  } catch (thrown) {
    end(trapped(thrown));
  }
}

parentPort?.once('message', (start: WorkerStart) => {
  void loadTracer(start.trace).then((trace) => run(start, trace));
});
