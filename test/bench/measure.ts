import { runLoad } from './load.js';
import { memoryKib, startServer, type Cores, type Running } from './processes.js';
import type { Plan } from './options.js';
import { mean, median, spread } from './stats.js';
import type { Server } from './servers.js';
import type { Workload } from './workloads.js';

/** One run of the load generator. */
export interface Sample {
  readonly requestsPerSecond: number;
  readonly cpuUsPerRequest: number;
  readonly p50Us: number;
  readonly p99Us: number;
}

/** A run between two of the C reference, and their mean. */
interface Round {
  readonly sample: Sample;
  readonly reference: Sample;
  /** How far the CPU time of the two C runs lay apart, as a share of their mean. */
  readonly spread: number;
}

/** What a server did under one workload. */
export interface Measured {
  readonly server: string;
  readonly sample: Sample;
  /** `sample` divided by the C reference, each ratio from C runs just before and after. */
  readonly ratio: Sample;
  /** VmRSS after the load. */
  readonly rssLoadedKb: number;
  readonly rounds: number;
  /** Rounds whose two C runs still differed too much after every repetition. */
  readonly unsteadyRounds: number;
}

/** Two C runs further apart than this say that the machine changed in between. */
export const SPREAD_MAX = 0.12;

interface Session {
  readonly workload: Workload;
  readonly plan: Plan;
  readonly cores: Cores;
}

const sampleRun = async (
  { workload, plan, cores }: Session,
  server: Running,
  warmupMs = plan.warmupMs,
): Promise<Sample> => {
  const times = { warmupMs, durationMs: plan.durationMs };
  const report = await runLoad(workload, server, times, cores.load);
  return {
    requestsPerSecond: report.requests / report.seconds,
    cpuUsPerRequest: report.serverCpuNs / 1e3 / report.requests,
    p50Us: report.p50Us,
    p99Us: report.p99Us,
  };
};

/** A run of the C reference. */
const referenceRun = (session: Session, server: Running): Promise<Sample> =>
  sampleRun({ ...session, workload: session.workload.against ?? session.workload }, server);

const combine = (f: (pick: (sample: Sample) => number) => number): Sample => ({
  requestsPerSecond: f((sample) => sample.requestsPerSecond),
  cpuUsPerRequest: f((sample) => sample.cpuUsPerRequest),
  p50Us: f((sample) => sample.p50Us),
  p99Us: f((sample) => sample.p99Us),
});

/** Measures a server between two C runs, again while those two disagree; the steadiest counts. */
const measureRound = async (
  session: Session,
  server: Running,
  reference: Running,
  first: Sample,
): Promise<{ readonly round: Round; readonly last: Sample }> => {
  let best: Round | undefined;
  let before = first;
  for (let attempt = 0; attempt < session.plan.attempts; attempt++) {
    const sample = await sampleRun(session, server);
    const after = await referenceRun(session, reference);
    const apart = spread(before.cpuUsPerRequest, after.cpuUsPerRequest);
    const bracket = [before, after] as const;
    if (!best || apart < best.spread) {
      const both = combine((pick) => mean(pick(bracket[0]), pick(bracket[1])));
      best = { sample, reference: both, spread: apart };
    }
    before = after;
    if (apart <= SPREAD_MAX) break;
  }
  if (!best) throw new RangeError('a plan without attempts');
  return { round: best, last: before };
};

/** Medians over the steady rounds; over all of them where none was steady. */
const summarise = (server: Running, rounds: readonly Round[]): Measured => {
  const steady = rounds.filter((round) => round.spread <= SPREAD_MAX);
  const counted = steady.length > 0 ? steady : rounds;
  return {
    server: server.name,
    sample: combine((pick) => median(counted.map(({ sample }) => pick(sample)))),
    ratio: combine((pick) =>
      median(counted.map(({ sample, reference }) => pick(sample) / pick(reference))),
    ),
    rssLoadedKb: memoryKib(server.pid, 'VmRSS'),
    rounds: rounds.length,
    unsteadyRounds: rounds.length - steady.length,
  };
};

/** Runs one workload over all `servers` in turn, round after round; `reference` is the C server. */
export const measureWorkload = async (
  session: Session,
  reference: Server,
  servers: readonly Server[],
): Promise<readonly Measured[]> => {
  const started: Running[] = [];
  const start = async (server: Server): Promise<Running> => {
    const running = await startServer(server, session.cores);
    started.push(running);
    await sampleRun(session, running, session.plan.heatMs);
    return running;
  };
  try {
    const yardstick = await start(reference);
    const rows: { readonly server: Running; readonly rounds: Round[] }[] = [];
    for (const server of servers) {
      rows.push({
        server: server.name === reference.name ? yardstick : await start(server),
        rounds: [],
      });
    }
    const { rounds: all, curveRounds } = session.plan;
    for (let i = 0; i < (session.workload.watched ? curveRounds : all); i++) {
      let before = await referenceRun(session, yardstick);
      for (const { server, rounds } of rows) {
        const { round, last } = await measureRound(session, server, yardstick, before);
        rounds.push(round);
        before = last;
      }
    }
    return rows.map(({ server, rounds }) => summarise(server, rounds));
  } finally {
    for (const running of started) await running.stop();
  }
};
