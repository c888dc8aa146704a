import { runLoad } from './load.js';
import type { Plan } from './options.js';
import { startServer, type Cores } from './processes.js';
import type { Server } from './servers.js';
import { median } from './stats.js';
import type { Workload } from './workloads.js';

const AFTER_MS = 20;

/**
 * Bytes of resident memory for each idle connection: the median of several fresh servers, each
 * warmed up before, for an allocator keeps what earlier connections left it.
 */
export const measureIdle = async (
  server: Server,
  workload: Workload,
  plan: Plan,
  cores: Cores,
): Promise<number> => {
  const samples: number[] = [];
  for (let i = 0; i < plan.idleStarts; i++) {
    const running = await startServer(server, cores);
    try {
      const times = { warmupMs: plan.heatMs, durationMs: AFTER_MS };
      const { idleBytes } = await runLoad(workload, running, times, cores.load);
      samples.push(idleBytes);
    } finally {
      await running.stop();
    }
  }
  return median(samples);
};
