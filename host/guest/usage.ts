/** What a guest uses just now, and what it has done since it started. */
import { type Counted, readCounters } from '../counters.js';
import { DescriptorTable } from '../descriptors.js';
import type { Kernel } from '../kernel/kernel.js';
import type { Opened } from './descriptors.js';

/** Plain data: a guest in a process of its own sends it to its supervisor. */
export interface GuestUsage {
  /** When it was started, in milliseconds since 1970. */
  readonly startedMs: number;
  /** Whether it still runs: what has ended uses nothing. */
  readonly running: boolean;
  /** CPU time of its threads, compiling included; 0 once it has ended. */
  readonly cpuNs: number;
  /** Open descriptors, and those of them that are stream or seqpacket sockets. */
  readonly descriptors: number;
  readonly connections: number;
  /** What was counted, if the guest is `metered`. */
  readonly counted?: Counted;
}

export interface UsageSource {
  readonly kernel: Kernel;
  readonly opened: Opened;
  readonly fdsMax: number;
  readonly counters: SharedArrayBuffer | undefined;
  readonly ended: Promise<unknown>;
}

/** How to ask for a guest's usage, from the supervising thread. */
export function usageOf(source: UsageSource): () => GuestUsage {
  const { kernel, opened, fdsMax, counters } = source;
  const startedMs = Date.now();
  const table = new DescriptorTable(opened.table, fdsMax);
  const cpu = new BigUint64Array(1);
  let running = true;
  void source.ended.then(() => (running = false));
  return () => {
    const cpuKnown = kernel.sessionCputime(opened.session, cpu.buffer, 0) >= 0;
    const { open, connections } = running ? table.count() : { open: 0, connections: 0 };
    // What has ended does not wait any more.
    const nowNs = running ? Number(process.hrtime.bigint()) : 0;
    return {
      startedMs,
      running,
      cpuNs: cpuKnown ? Number(cpu[0]) : 0,
      descriptors: open,
      connections,
      ...(counters === undefined ? {} : { counted: readCounters(counters, nowNs) }),
    };
  };
}
