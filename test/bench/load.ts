import { BenchError, runToEnd, type Core, type Running } from './processes.js';
import { program } from './servers.js';
import type { Workload } from './workloads.js';

/** What the load generator reports. */
export interface LoadReport {
  readonly requests: number;
  readonly seconds: number;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly errors: number;
  readonly serverCpuNs: number;
  /** By how much the server's resident memory grew for each idle connection but the first. */
  readonly idleBytes: number;
}

export interface Times {
  readonly warmupMs: number;
  readonly durationMs: number;
}

/** Runs the load generator on a core, or anywhere; an error in any request is one of the run. */
export const runLoad = async (
  workload: Workload,
  server: Running,
  { warmupMs, durationMs }: Times,
  core: Core,
): Promise<LoadReport> => {
  const flags = {
    mode: workload.protocol === 'proxy' ? 'echo' : workload.protocol,
    port: server.port,
    connections: workload.connections,
    idle: workload.idle,
    depth: workload.depth,
    payload: workload.payloadBytes,
    rate: workload.rate,
    'warmup-ms': warmupMs,
    'duration-ms': durationMs,
    'server-pid': server.pid,
  };
  const args = Object.entries(flags).map(([name, value]) => `--${name}=${value}`);
  const where = `${workload.name} on ${server.name}`;
  const output = await runToEnd(core, [program('load'), ...args]).catch((error: Error) => {
    throw new BenchError(`${where}: ${error.message}\n${server.name}: ${server.state()}`);
  });
  const report = JSON.parse(output) as LoadReport;
  if (report.errors > 0 || report.requests === 0) {
    const { errors, requests } = report;
    throw new BenchError(`${where}: ${errors} errors in ${requests} requests; ${server.state()}`);
  }
  return report;
};
