/**
 * What a bad neighbour costs a guest that serves: its latencies beside it, between two runs alone.
 *
 *     npm run build && npx tsc -b test/bench
 *     node test/bench/build/js/neighbours.js [--quick] [--json] [--only NAME,...]
 */
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { buildC } from './build.js';
import { runLoad, type LoadReport, type Times } from './load.js';
import { chooseCores, describeMachine, together } from './machine.js';
import { parseOptions } from './options.js';
import { BenchError, killAll, startServer, type Cores, type Running } from './processes.js';
import { mean, median } from './stats.js';
import type { Workload } from './workloads.js';

const ECHO = { name: 'neighbours', protocol: 'echo', idle: 0, depth: 1, payloadBytes: 64 } as const;

/** Where server, neighbour and load run, and what the load is. */
interface Setting {
  readonly name: string;
  readonly workload: Workload;
  readonly coresOf: (cores: Cores) => Cores;
}

const SETTINGS: readonly Setting[] = [
  {
    // One request at a time: server and load take turns on one core, and leave the other.
    name: 'a core to spare',
    workload: { ...ECHO, connections: 1, rate: 0 },
    coresOf: together,
  },
  {
    // Requests come when they are due, and the server sleeps between them.
    name: 'one core for both',
    workload: { ...ECHO, connections: 16, rate: 2000 },
    coresOf: (cores) => cores,
  },
];

const ROUNDS = 7;
const QUICK_ROUNDS = 2;
const TIMES: Times = { warmupMs: 200, durationMs: 800 };
const HEAT: Times = { warmupMs: 200, durationMs: 1000 };

/** Runs in which something else had the core: no neighbour of ours is judged by them. */
const ALONE_SPREAD_MAX = 2;

const root = fileURLToPath(new URL('../../../../', import.meta.url));
const folder = `${root}test/hostile/bad-guests/`;

/** The first is the yardstick. */
const NEIGHBOURS = [
  'process',
  'compile',
  ...readdirSync(folder).filter((name) => name.endsWith('.wat')),
];

const nameOf = (neighbour: string): string => neighbour.replace('.wat', '');

/** One neighbour; each number is a median of rounds, each ratio one to the runs alone. */
interface NeighbourRow {
  readonly setting: string;
  readonly neighbour: string;
  readonly p50AloneUs: number;
  readonly p50Us: number;
  readonly p50Ratio: number;
  readonly p99AloneUs: number;
  readonly p99Us: number;
  readonly p99Ratio: number;
  readonly rounds: number;
  /** Rounds left out, because the two runs alone did not agree. */
  readonly unsteadyRounds: number;
}

interface Round {
  readonly before: LoadReport;
  readonly beside: LoadReport;
  readonly after: LoadReport;
}

const isSteady = ({ before, after }: Round): boolean => {
  const [low, high] = [before.p99Us, after.p99Us].toSorted((a, b) => a - b) as [number, number];
  return high <= ALONE_SPREAD_MAX * low;
};

const toggle = (host: Running): void => void process.kill(host.pid, 'SIGUSR2');

const measureRounds = async (
  { workload }: Setting,
  neighbour: string,
  cores: Cores,
  rounds: number,
): Promise<Round[]> => {
  const argument = neighbour.endsWith('.wat') ? `${folder}${neighbour}` : neighbour;
  const script = `${root}test/bench/neighbours-host.mjs`;
  const command = [process.execPath, script, argument];
  const host = await startServer({ name: neighbour, command }, cores);
  try {
    const load = (times: Times): Promise<LoadReport> => runLoad(workload, host, times, cores.load);
    let before = await load(HEAT);
    const measured: Round[] = [];
    for (let i = 0; i <= rounds; i++) {
      toggle(host);
      const beside = await load(TIMES);
      toggle(host);
      const after = await load(TIMES);
      if (i > 0) measured.push({ before, beside, after });
      before = after;
    }
    return measured;
  } finally {
    await host.stop();
  }
};

const rowOf = (setting: string, neighbour: string, all: readonly Round[]): NeighbourRow => {
  const steady = all.filter(isSteady);
  const rounds = steady.length > 0 ? steady : all;
  const alone = (key: 'p50Us' | 'p99Us'): number[] =>
    rounds.map(({ before, after }) => mean(before[key], after[key]));
  const beside = (key: 'p50Us' | 'p99Us'): number[] => rounds.map((round) => round.beside[key]);
  const ratio = (key: 'p50Us' | 'p99Us'): number => {
    const references = alone(key);
    return median(beside(key).map((value, index) => value / (references[index] ?? value)));
  };
  return {
    setting,
    neighbour: nameOf(neighbour),
    p50AloneUs: median(alone('p50Us')),
    p50Us: median(beside('p50Us')),
    p50Ratio: ratio('p50Us'),
    p99AloneUs: median(alone('p99Us')),
    p99Us: median(beside('p99Us')),
    p99Ratio: ratio('p99Us'),
    rounds: all.length,
    unsteadyRounds: all.length - steady.length,
  };
};

const HEADER = ['neighbour', 'p50 alone', 'beside', '×', 'p99 alone', 'beside', '×', 'unsteady'];

const cellsOf = (row: NeighbourRow): readonly string[] => [
  row.neighbour,
  row.p50AloneUs.toFixed(0),
  row.p50Us.toFixed(0),
  row.p50Ratio.toFixed(2),
  row.p99AloneUs.toFixed(0),
  row.p99Us.toFixed(0),
  row.p99Ratio.toFixed(2),
  `${row.unsteadyRounds}/${row.rounds}`,
];

const lineOf = (cells: readonly string[]): string =>
  `${cells.map((cell, index) => (index === 0 ? cell.padEnd(20) : cell.padStart(10))).join('')}\n`;

/** Those that `only` names, or all. */
const chooseNeighbours = (only: readonly string[]): readonly string[] => {
  const unknown = only.find((name) => !NEIGHBOURS.map(nameOf).includes(name));
  if (unknown !== undefined) {
    const known = NEIGHBOURS.map(nameOf).join(', ');
    throw new BenchError(`--only ${unknown}: there is no such neighbour (${known})`);
  }
  return only.length === 0 ? NEIGHBOURS : NEIGHBOURS.filter((each) => only.includes(nameOf(each)));
};

const main = async (): Promise<void> => {
  const { json, quick, only } = parseOptions(process.argv.slice(2));
  const neighbours = chooseNeighbours(only);
  buildC(false);
  const cores = chooseCores();
  if (!json) process.stdout.write(describeMachine(cores));
  const rows: NeighbourRow[] = [];
  for (const setting of SETTINGS) {
    if (!json) process.stdout.write(`\n${setting.name}\n${lineOf(HEADER)}`);
    for (const neighbour of neighbours) {
      const count = quick ? QUICK_ROUNDS : ROUNDS;
      const rounds = await measureRounds(setting, neighbour, setting.coresOf(cores), count);
      const row = rowOf(setting.name, neighbour, rounds);
      rows.push(row);
      if (!json) process.stdout.write(lineOf(cellsOf(row)));
    }
  }
  if (json) process.stdout.write(`${JSON.stringify(rows, null, 2)}\n`);
};

try {
  await main();
} catch (error) {
  if (!(error instanceof BenchError)) throw error;
  process.stderr.write(`bench: ${error.message}\n`);
  process.exitCode = 1;
} finally {
  killAll();
}
