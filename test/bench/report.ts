import type { Measured } from './measure.js';
import type { Startup } from './startup.js';
import type { Workload } from './workloads.js';

/** One row of the report: a server under a workload. */
export interface Row {
  readonly workload: string;
  readonly server: string;
  readonly requestsPerSecond: number;
  /** User and system time of all the server's threads. */
  readonly cpuUsPerRequest: number;
  /** `cpuUsPerRequest` divided by that of the C server just before and after. */
  readonly ratioToC: number;
  readonly p50Us: number;
  readonly p99Us: number;
  /** VmRSS of the idle server after its first answer. */
  readonly rssKb: number;
  /** From spawn to the first byte of the first answer. */
  readonly startMs: number;
  readonly rounds: number;
  readonly unsteadyRounds: number;
  /** Fewer than half of the rounds lay between two C runs that agreed. */
  readonly unsteady: boolean;
  readonly idleConnections: number;
  readonly requestsPerSecondToC: number;
  readonly p50ToC: number;
  readonly p99ToC: number;
  readonly rssToC: number;
  readonly startToC: number;
  /** VmRSS after the load. */
  readonly rssLoadedKb: number;
  /** `rssKb` less that of an idle Node. */
  readonly rssAboveNodeKb: number;
  /** `startMs` less `node -e 0` from spawn to end. */
  readonly startAboveNodeMs: number;
}

const rounded = (value: number, digits: number): number => Number(value.toFixed(digits));

/** Joins what was measured under load with the costs before any load. */
export const makeRow = (
  workload: Workload,
  measured: Measured,
  startup: Startup,
  startupOfC: Startup,
  node: Startup,
): Row => ({
  workload: workload.name,
  server: measured.server,
  requestsPerSecond: Math.round(measured.sample.requestsPerSecond),
  cpuUsPerRequest: rounded(measured.sample.cpuUsPerRequest, 3),
  ratioToC: rounded(measured.ratio.cpuUsPerRequest, 3),
  p50Us: rounded(measured.sample.p50Us, 1),
  p99Us: rounded(measured.sample.p99Us, 1),
  rssKb: Math.round(startup.rssKb),
  startMs: rounded(startup.startMs, 1),
  rounds: measured.rounds,
  unsteadyRounds: measured.unsteadyRounds,
  unsteady: measured.unsteadyRounds * 2 > measured.rounds,
  idleConnections: workload.idle,
  requestsPerSecondToC: rounded(measured.ratio.requestsPerSecond, 3),
  p50ToC: rounded(measured.ratio.p50Us, 3),
  p99ToC: rounded(measured.ratio.p99Us, 3),
  rssToC: rounded(startup.rssKb / startupOfC.rssKb, 2),
  startToC: rounded(startup.startMs / startupOfC.startMs, 2),
  rssLoadedKb: measured.rssLoadedKb,
  rssAboveNodeKb: Math.round(startup.rssKb - node.rssKb),
  startAboveNodeMs: rounded(startup.startMs - node.startMs, 1),
});

/** A number and its ratio to C. */
const both = (value: string, ratio: number): string => `${value} ×${ratio.toFixed(2)}`;

const signed = (value: number, digits: number): string =>
  `${value < 0 ? '−' : '+'}${Math.abs(value).toFixed(digits)}`;

const HEADINGS = [
  'server',
  'requests/s',
  'CPU µs/request',
  'p50 µs',
  'p99 µs',
  'memory MiB',
  '(node)',
  'start ms',
  '(node)',
  'rounds',
];

const roundsText = ({ rounds, unsteadyRounds, unsteady }: Row): string => {
  const steady = unsteadyRounds > 0 ? `${rounds - unsteadyRounds} of ${rounds}` : `${rounds}`;
  return unsteady ? `${steady} unsteady` : steady;
};

const cells = (row: Row): readonly string[] => [
  row.server,
  both(`${row.requestsPerSecond}`, row.requestsPerSecondToC),
  both(row.cpuUsPerRequest.toFixed(2), row.ratioToC),
  both(row.p50Us.toFixed(0), row.p50ToC),
  both(row.p99Us.toFixed(0), row.p99ToC),
  both((row.rssKb / 1024).toFixed(1), row.rssToC),
  signed(row.rssAboveNodeKb / 1024, 1),
  both(row.startMs.toFixed(1), row.startToC),
  signed(row.startAboveNodeMs, 1),
  roundsText(row),
];

const title = ({ name, protocol, connections, idle, depth }: Workload): string => {
  const parts = [`${connections} connection${connections === 1 ? '' : 's'}`];
  if (idle > 0) parts.push(`${idle} idle ones`);
  if (protocol === 'echo') parts.push('64 bytes');
  if (depth > 1) parts.push(`${depth} requests at once`);
  return `${name}: ${parts.join(', ')}`;
};

/** The rows of one workload as an aligned table. */
export const formatTable = (workload: Workload, rows: readonly Row[]): string => {
  const lines = [HEADINGS, ...rows.map(cells)];
  const widths = HEADINGS.map((_, i) => Math.max(...lines.map((line) => line[i]?.length ?? 0)));
  const pad = (line: readonly string[]): string =>
    line
      .map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0)))
      .join('  ');
  return `${title(workload)}\n${lines.map((line) => `  ${pad(line)}\n`).join('')}\n`;
};
