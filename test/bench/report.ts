import type { Measured } from './measure.js';
import type { Startup } from './startup.js';
import { CURVE, type Workload } from './workloads.js';

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
  /** Resident bytes for each idle connection; null where none were opened to measure it. */
  readonly idleBytes: number | null;
  /** `idleBytes` less those of the C server. */
  readonly idleBytesAboveC: number | null;
}

/** What a server costs before any load, and what its reference does. */
export interface Costs {
  readonly startup: Startup;
  readonly startupOfC: Startup;
  readonly node: Startup;
  readonly idleBytes: number | undefined;
  readonly idleBytesOfC: number | undefined;
}

const rounded = (value: number, digits: number): number => Number(value.toFixed(digits));

/** Joins what was measured under load with the costs before any load. */
export const makeRow = (
  workload: Workload,
  measured: Measured,
  { startup, startupOfC, node, idleBytes, idleBytesOfC }: Costs,
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
  idleBytes: idleBytes === undefined ? null : Math.round(idleBytes),
  idleBytesAboveC:
    idleBytes === undefined || idleBytesOfC === undefined
      ? null
      : Math.round(idleBytes - idleBytesOfC),
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

const IDLE_HEADINGS = ['idle B/conn', '(C)'];

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

const idleCells = ({ idleBytes, idleBytesAboveC }: Row): readonly string[] =>
  idleBytes === null || idleBytesAboveC === null
    ? ['', '']
    : [`${idleBytes}`, signed(idleBytesAboveC, 0)];

const title = (workload: Workload): string => {
  const { name, protocol, connections, idle, depth, payloadBytes, rate } = workload;
  const parts = [`${connections} connection${connections === 1 ? '' : 's'}`];
  if (idle > 0) parts.push(`${idle} idle ones`);
  if (protocol !== 'http') parts.push(`${payloadBytes} bytes`);
  if (rate > 0) parts.push(`${rate} requests/s in all`);
  if (depth > 1) parts.push(`${depth} requests at once`);
  return `${name}: ${parts.join(', ')}`;
};

/** Lines of cells, the first column to the left and the others to the right. */
const align = (lines: readonly (readonly string[])[]): string => {
  const widths = lines[0]?.map((_, i) => Math.max(...lines.map((line) => line[i]?.length ?? 0)));
  const pad = (line: readonly string[]): string =>
    line
      .map((cell, i) => (i === 0 ? cell.padEnd(widths?.[i] ?? 0) : cell.padStart(widths?.[i] ?? 0)))
      .join('  ');
  return `${lines.map((line) => `  ${pad(line)}\n`).join('')}\n`;
};

/** The rows of one workload as an aligned table. */
export const formatTable = (workload: Workload, rows: readonly Row[]): string => {
  const idle = workload.idle > 0;
  const headings = idle ? [...HEADINGS, ...IDLE_HEADINGS] : HEADINGS;
  const lines = rows.map((row) => (idle ? [...cells(row), ...idleCells(row)] : cells(row)));
  return `${title(workload)}\n${align([headings, ...lines])}`;
};

/** One server's costs along the curve, in units of C's among the fewest descriptors. */
export interface CurveLine {
  readonly server: string;
  readonly points: readonly { readonly watched: number; readonly cost: number }[];
}

/** The rows of all points of the curve, by server. */
export const curveLines = (
  points: readonly (readonly [watched: number, rows: readonly Row[]])[],
): readonly CurveLine[] => {
  const names = [...new Set(points.flatMap(([, rows]) => rows.map(({ server }) => server)))];
  return names.map((server) => ({
    server,
    points: points.flatMap(([watched, rows]) =>
      rows.filter((row) => row.server === server).map((row) => ({ watched, cost: row.ratioToC })),
    ),
  }));
};

/** The curve as a table; its last column is how much the cost grew from the first to the last. */
export const formatCurve = (lines: readonly CurveLine[]): string => {
  const first = lines[0]?.points ?? [];
  const headings = ['descriptors watched', ...first.map(({ watched }) => `${watched}`), 'growth'];
  const rows = lines.map(({ server, points }) => {
    const growth = (points.at(-1)?.cost ?? NaN) / (points[0]?.cost ?? NaN);
    return [server, ...points.map(({ cost }) => cost.toFixed(2)), `×${growth.toFixed(2)}`];
  });
  const unit = `1 is what C pays among ${first[0]?.watched}`;
  return `${CURVE}: CPU per event, 64 connections active; ${unit}\n${align([headings, ...rows])}`;
};
