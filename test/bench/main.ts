import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { buildC, findClang } from './build.js';
import { measureIdle } from './idle.js';
import { chooseCores, describeMachine, together } from './machine.js';
import { measureWorkload } from './measure.js';
import { NGINX, nginxServer } from './nginx.js';
import { FULL, parseOptions, QUICK, USAGE, type Options, type Plan } from './options.js';
import { drawCurve } from './plot.js';
import { BenchError, killAll, type Cores } from './processes.js';
import { curveLines, formatCurve, formatTable, makeRow, type Costs, type Row } from './report.js';
import {
  C_IN_WASM,
  plotFile,
  referenceOf,
  serversOf,
  type Extras,
  type Server,
} from './servers.js';
import { measureNode, measureStartup, type Startup } from './startup.js';
import { CURVE, workloads, type Workload } from './workloads.js';

/** A workload with the servers that were asked for. */
interface Job {
  readonly workload: Workload;
  readonly servers: readonly Server[];
}

const EXIT_FAILED = 1;
const EXIT_USAGE = 2;

const tell = (line: string): void => void process.stderr.write(`${line}\n`);

/** The hard limit of open files of one process. */
const hardNofile = (): number => {
  const found = /^Max open files\s+\S+\s+(\S+)/m.exec(readFileSync('/proc/self/limits', 'utf8'));
  return found?.[1] === 'unlimited' ? Infinity : Number(found?.[1]);
};

/** Why a server that is known is not in the tables of this machine. */
const ABSENT: Readonly<Record<string, string>> = {
  [NGINX]: 'nginx is not installed here',
  [C_IN_WASM]: 'there is no clang-19 here',
};

/** The workloads and servers that `only` names; an unknown name is an error that lists them. */
const chooseJobs = (only: readonly string[], extras: Extras): readonly Job[] => {
  const all = workloads(hardNofile()).map((workload) => ({
    workload,
    servers: serversOf(workload, extras),
  }));
  const named = ({ workload: { name, watched } }: Job): boolean =>
    only.includes(name) || (watched !== undefined && only.includes(CURVE));
  const workloadNames = [...all.map(({ workload }) => workload.name), CURVE];
  const serverNames = [...new Set(all.flatMap((job) => job.servers.map(({ name }) => name)))];
  const unknown = only.find((name) => ![...workloadNames, ...serverNames].includes(name));
  if (unknown !== undefined) {
    const known = `workloads ${workloadNames.join(', ')}; servers ${serverNames.join(', ')}`;
    const why = ABSENT[unknown] ?? `there is no such workload or server (${known})`;
    throw new BenchError(`--only ${unknown}: ${why}`);
  }
  const someWorkloads = all.some(named);
  const someServers = only.some((name) => serverNames.includes(name));
  const jobs = all
    .filter((job) => !someWorkloads || named(job))
    .map((job) => ({
      ...job,
      servers: job.servers.filter(({ name }) => !someServers || only.includes(name)),
    }))
    .filter((job) => job.servers.length > 0);
  if (jobs.length === 0) throw new BenchError('--only: no such server runs such a workload');
  return jobs;
};

/** A guest that is not built is better found now than after minutes. */
const checkBuilt = (jobs: readonly Job[]): void => {
  for (const { name, needs } of jobs.flatMap((job) => job.servers)) {
    if (needs && !existsSync(needs.file)) {
      throw new BenchError(`${name} needs ${needs.file}, which \`${needs.madeBy}\` makes`);
    }
  }
};

/** A measurement of a server that is made once for each protocol. */
const once = <T>(measure: (server: Server, workload: Workload) => Promise<T>) => {
  const known = new Map<string, Promise<T>>();
  return (server: Server, workload: Workload): Promise<T> => {
    const key = `${workload.protocol} ${server.name}`;
    const found = known.get(key) ?? measure(server, workload);
    known.set(key, found);
    return found;
  };
};

/** Measures one job after the other; `done` gets the rows of each. */
const runJobs = async (
  jobs: readonly Job[],
  plan: Plan,
  cores: Cores,
  done: (workload: Workload, rows: readonly Row[]) => void,
): Promise<void> => {
  const node = await measureNode(plan.starts);
  const startupOf = once<Startup>((server, { protocol }) =>
    measureStartup(server, protocol, plan.starts),
  );
  const idleOf = once<number>((server, workload) => measureIdle(server, workload, plan, cores));
  for (const { workload, servers } of jobs) {
    const costsOf = async (server: Server) => ({
      startup: await startupOf(server, workload),
      idleBytes:
        workload.idle > 0 && !workload.watched ? await idleOf(server, workload) : undefined,
    });
    const c = referenceOf(workload);
    const ofC = await costsOf(c);
    const costs = new Map<string, Costs>();
    for (const server of servers) {
      costs.set(server.name, {
        ...(await costsOf(server)),
        startupOfC: ofC.startup,
        idleBytesOfC: ofC.idleBytes,
        node,
      });
    }
    const where = workload.workers === undefined ? cores : together(cores);
    const measured = await measureWorkload({ workload, plan, cores: where }, c, servers);
    const rows = measured.flatMap((one) => {
      const found = costs.get(one.server);
      return found ? [makeRow(workload, one, found)] : [];
    });
    done(workload, rows);
  }
};

/** Runs everything that was asked for and reports it. */
const bench = async (jobs: readonly Job[], { json, quick, plot }: Options): Promise<void> => {
  const cores = chooseCores();
  if (!json) process.stdout.write(`${describeMachine(cores)}\n`);
  const all: Row[] = [];
  const points: [number, readonly Row[]][] = [];
  await runJobs(jobs, quick ? QUICK : FULL, cores, (workload, rows) => {
    all.push(...rows);
    if (workload.watched !== undefined) points.push([workload.watched, rows]);
    else if (!json) process.stdout.write(formatTable(workload, rows));
    if (json || workload.watched !== undefined) tell(workload.name);
  });
  const lines = curveLines(points);
  if (json) process.stdout.write(`${JSON.stringify(all, null, 2)}\n`);
  else if (lines.length > 0) process.stdout.write(formatCurve(lines));
  if (plot) {
    mkdirSync(plotFile(''), { recursive: true });
    writeFileSync(plotFile('epoll-curve.svg'), drawCurve(lines));
  }
};

interface Prepared {
  readonly options: Options;
  readonly jobs: readonly Job[];
  readonly clang: boolean;
}

/** The command line, or the sentence that says what is wrong with it and status 2. */
const prepare = async (): Promise<Prepared | undefined> => {
  try {
    const options = parseOptions(process.argv.slice(2));
    const clang = findClang();
    const jobs = chooseJobs(options.only, { nginx: await nginxServer(), clang });
    if (options.plot && !jobs.some(({ workload }) => workload.watched !== undefined)) {
      throw new BenchError(`--plot draws the curve: add --only ${CURVE}`);
    }
    return { options, jobs, clang };
  } catch (error) {
    if (!(error instanceof BenchError)) throw error;
    tell(`bench: ${error.message}`);
    process.exitCode = EXIT_USAGE;
    return undefined;
  }
};

const main = async (): Promise<void> => {
  const prepared = await prepare();
  if (!prepared) return;
  const { options, jobs, clang } = prepared;
  if (options.help) {
    process.stdout.write(USAGE);
    return;
  }
  checkBuilt(jobs);
  if (!clang) tell(`${C_IN_WASM} is skipped: ${ABSENT[C_IN_WASM]}`);
  buildC(clang);
  await bench(jobs, options);
};

process.on('exit', killAll);
process.on('SIGINT', () => process.exit(130));
process.on('SIGTERM', () => process.exit(143));

try {
  await main();
} catch (error) {
  if (!(error instanceof BenchError)) throw error;
  tell(`bench: ${error.message}`);
  process.exitCode = EXIT_FAILED;
}
