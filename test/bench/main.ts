import { existsSync, readFileSync } from 'node:fs';
import { cpus, loadavg, release } from 'node:os';
import { buildC } from './build.js';
import { measureWorkload, type Cores } from './measure.js';
import { NGINX, nginxServer } from './nginx.js';
import { FULL, parseOptions, QUICK, USAGE, type Options, type Plan } from './options.js';
import { BenchError, killAll } from './processes.js';
import { formatTable, makeRow, type Row } from './report.js';
import { measureNode, measureStartup, type Startup } from './startup.js';
import { reference, servers, workloads, type Server, type Workload } from './workloads.js';

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

/** The first two cores that this process may use: one for the server, one for the load. */
const chooseCores = (): Cores => {
  const status = readFileSync('/proc/self/status', 'utf8');
  const list = /^Cpus_allowed_list:\s+(.*)$/m.exec(status)?.[1] ?? '';
  const cores = list.split(',').flatMap((range) => {
    const [first, last = first] = range.split('-').map(Number) as [number, number?];
    return Array.from({ length: last - first + 1 }, (_, i) => first + i);
  });
  if (cores.length >= 2) return { server: cores[0], load: cores[1] };
  tell('there is only one core: server and load share it, and latencies mean little');
  return { server: undefined, load: undefined };
};

/** The workloads and servers that `only` names; an unknown name is an error that lists them. */
const chooseJobs = (only: readonly string[], nginx: Server | undefined): readonly Job[] => {
  const all = workloads(hardNofile()).map((workload) => ({
    workload,
    servers: servers(workload.protocol, nginx),
  }));
  const workloadNames = all.map(({ workload }) => workload.name);
  const serverNames = [...new Set(all.flatMap((job) => job.servers.map(({ name }) => name)))];
  const unknown = only.find((name) => ![...workloadNames, ...serverNames].includes(name));
  if (unknown === NGINX) throw new BenchError('--only nginx: nginx is not installed here');
  if (unknown !== undefined) {
    const known = `workloads ${workloadNames.join(', ')}; servers ${serverNames.join(', ')}`;
    throw new BenchError(`--only ${unknown}: there is no such workload or server (${known})`);
  }
  const someWorkloads = only.some((name) => workloadNames.includes(name));
  const someServers = only.some((name) => serverNames.includes(name));
  const jobs = all
    .filter(({ workload }) => !someWorkloads || only.includes(workload.name))
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

/** Start-up and idle memory of a server, measured once for each protocol. */
const startups = (plan: Plan) => {
  const known = new Map<string, Startup>();
  return async (server: Server, { protocol }: Workload): Promise<Startup> => {
    const key = `${protocol} ${server.name}`;
    const startup = known.get(key) ?? (await measureStartup(server, protocol, plan.starts));
    known.set(key, startup);
    return startup;
  };
};

const describeMachine = (cores: Cores): string => {
  const load = loadavg()[0]?.toFixed(2);
  const pins = `server on core ${cores.server ?? 'any'}, load on core ${cores.load ?? 'any'}`;
  const cpu = cpus()[0]?.model ?? 'unknown CPU';
  return `Node ${process.versions.node}, Linux ${release()}, ${cpu}, load ${load}; ${pins}\n`;
};

const runJobs = async (jobs: readonly Job[], options: Options): Promise<readonly Row[]> => {
  const plan = options.quick ? QUICK : FULL;
  const cores = chooseCores();
  if (!options.json) process.stdout.write(`${describeMachine(cores)}\n`);
  const startupOf = startups(plan);
  const node = await measureNode(plan.starts);
  const all: Row[] = [];
  for (const { workload, servers: asked } of jobs) {
    if (options.json) tell(workload.name);
    const c = reference[workload.protocol];
    const startupOfC = await startupOf(c, workload);
    const costs = new Map<string, Startup>();
    for (const server of asked) costs.set(server.name, await startupOf(server, workload));
    const measured = await measureWorkload({ workload, plan, cores }, c, asked);
    const rows = measured.map((one) =>
      makeRow(workload, one, costs.get(one.server) ?? startupOfC, startupOfC, node),
    );
    if (!options.json) process.stdout.write(formatTable(workload, rows));
    all.push(...rows);
  }
  return all;
};

/** The command line, or the sentence that says what is wrong with it and status 2. */
const prepare = async (): Promise<{ options: Options; jobs: readonly Job[] } | undefined> => {
  try {
    const options = parseOptions(process.argv.slice(2));
    return { options, jobs: chooseJobs(options.only, await nginxServer()) };
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
  const { options, jobs } = prepared;
  if (options.help) {
    process.stdout.write(USAGE);
    return;
  }
  checkBuilt(jobs);
  buildC();
  const rows = await runJobs(jobs, options);
  if (options.json) process.stdout.write(`${JSON.stringify(rows, null, 2)}\n`);
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
