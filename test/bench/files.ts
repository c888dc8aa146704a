/**
 * What file calls cost: a guest in the sandbox beside a C program that does the same with
 * `openat2(2)`, and beside the same guest under `node:wasi`.
 *
 *     npm run build && npx tsc -b test/bench
 *     node test/bench/build/js/files.js [--quick] [--json] [--only ROW,...]
 */
import { mkdirSync, mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildC, findClang } from './build.js';
import { CountedProgram } from './counted-program.js';
import { chooseCores, describeMachine } from './machine.js';
import { SPREAD_MAX } from './measure.js';
import { parseOptions } from './options.js';
import { BenchError, type Core } from './processes.js';
import { benchFile, HOST, program } from './servers.js';
import { mean, median, spread } from './stats.js';

/**
 * A job of `c/files.c`: its letter, and how often it does what is counted. Large transfers differ
 * by less than a machine does from one second to the next: they take turns more often.
 */
interface Job {
  readonly name: string;
  readonly letter: string;
  readonly count: number;
  readonly rounds: number;
}

const JOBS: readonly Job[] = [
  { name: 'write-64k', letter: 'w', count: 4096, rounds: 36 },
  { name: 'read-64k', letter: 'r', count: 4096, rounds: 36 },
  { name: 'open-close', letter: 'o', count: 100_000, rounds: 9 },
  { name: 'filestat', letter: 's', count: 100_000, rounds: 9 },
  { name: 'readdir', letter: 'l', count: 100_000, rounds: 9 },
];

const ENTRIES = 100_000;
/** A quick run has so many times fewer rounds. */
const QUICK = 3;
/** Runs that are not counted, so that V8 has compiled what they need. */
const HEAT_RUNS = 2;

const TMPFS_MAGIC = 0x01021994;
const MEMORY = '/dev/shm';

const isTmpfs = (folder: string): boolean => {
  try {
    return statfsSync(folder).type === TMPFS_MAGIC;
  } catch {
    return false;
  }
};

/** Where the files are: in memory unless said, since a disk's own work is no program's CPU time. */
const chooseParent = (): string =>
  process.env.SANDPOLL_BENCH_FILES ?? (isTmpfs(MEMORY) ? MEMORY : tmpdir());

/** One job of one program against C, a median of rounds each. */
interface FileRow {
  readonly job: string;
  readonly program: string;
  readonly cpuUs: number;
  readonly ratioToC: number;
  /**
   * The guest's CPU time divided by that of `node:wasi`, of the quickest round of each: what else
   * the machine does only ever adds, and more than the two differ by.
   */
  readonly ratioToNode: number | undefined;
  readonly rounds: number;
  /** Rounds left out, because the C runs around them did not agree. */
  readonly unsteadyRounds: number;
}

interface Programs {
  readonly c: CountedProgram;
  readonly guest: CountedProgram;
  readonly node: CountedProgram;
}

/** The µs of each program, and those of C around it. */
interface Round {
  readonly c: readonly [number, number, number];
  readonly guest: number;
  readonly node: number;
}

const startAll = (folder: string, core: Core): Programs => {
  const guest = program('files.wasm');
  const { execPath } = process;
  const underNode = ['--no-warnings', benchFile('node-wasi.mjs'), guest, folder];
  return {
    c: new CountedProgram([program('files'), folder], core),
    guest: new CountedProgram([execPath, HOST, 'run', '--dir', `${folder}::/bench`, guest], core),
    node: new CountedProgram([execPath, ...underNode], core),
  };
};

const prepare = (folder: string): void => {
  writeFileSync(join(folder, 'small'), 'hello');
  mkdirSync(join(folder, 'many'));
  for (let i = 0; i < ENTRIES; i++) writeFileSync(join(folder, 'many', `entry-${i}`), '');
};

const measureJob = async (
  { c, guest, node }: Programs,
  { letter, count }: Job,
  rounds: number,
  data: string,
): Promise<readonly Round[]> => {
  const run = async (each: CountedProgram): Promise<number> => {
    // A file is always written anew.
    if (letter === 'w') rmSync(data, { force: true });
    return (await each.run(letter)) / count;
  };
  for (let i = 0; i < HEAT_RUNS; i++) {
    for (const each of [c, guest, node]) await run(each);
  }
  const measured: Round[] = [];
  let before = await run(c);
  for (let i = 0; i < rounds; i++) {
    const ofGuest = await run(guest);
    const between = await run(c);
    const ofNode = await run(node);
    const after = await run(c);
    measured.push({ c: [before, between, after], guest: ofGuest, node: ofNode });
    before = after;
  }
  return measured;
};

const isSteady = ({ c }: Round): boolean => spread(Math.min(...c), Math.max(...c)) <= SPREAD_MAX;

const rowsOf = (job: string, all: readonly Round[]): readonly FileRow[] => {
  const steady = all.filter(isSteady);
  const rounds = steady.length > 0 ? steady : all;
  const of = (pick: (round: Round) => number): number => median(rounds.map(pick));
  const least = (pick: (round: Round) => number): number => Math.min(...all.map(pick));
  const shared = { job, rounds: all.length, unsteadyRounds: all.length - steady.length };
  const guestToC = ({ c, guest }: Round): number => guest / mean(c[0], c[1]);
  const nodeToC = ({ c, node }: Round): number => node / mean(c[1], c[2]);
  return [
    { program: 'c', cpuUs: of(({ c }) => c[1]), ratioToC: 1, ratioToNode: undefined, ...shared },
    {
      program: 'guest',
      cpuUs: of(({ guest }) => guest),
      ratioToC: of(guestToC),
      ratioToNode: least(({ guest }) => guest) / least(({ node }) => node),
      ...shared,
    },
    {
      program: 'node:wasi',
      cpuUs: of(({ node }) => node),
      ratioToC: of(nodeToC),
      ratioToNode: undefined,
      ...shared,
    },
  ];
};

const HEADER = ['job', 'program', 'CPU µs', '× C', '× node', 'unsteady'];

const cellsOf = (row: FileRow): readonly string[] => [
  row.job,
  row.program,
  row.cpuUs.toFixed(3),
  row.ratioToC.toFixed(2),
  row.ratioToNode?.toFixed(2) ?? '',
  `${row.unsteadyRounds}/${row.rounds}`,
];

const lineOf = (cells: readonly string[]): string =>
  `${cells.map((cell, index) => (index < 2 ? cell.padEnd(12) : cell.padStart(10))).join('')}\n`;

/** Those that `only` names, or all. */
const chooseJobs = (only: readonly string[]): readonly Job[] => {
  const names = JOBS.map(({ name }) => name);
  const unknown = only.find((name) => !names.includes(name));
  if (unknown !== undefined) {
    throw new BenchError(`--only ${unknown}: there is no such row (${names.join(', ')})`);
  }
  return only.length === 0 ? JOBS : JOBS.filter(({ name }) => only.includes(name));
};

const measureAll = async (
  folder: string,
  jobs: readonly Job[],
  quick: boolean,
  done: (rows: readonly FileRow[]) => void,
): Promise<void> => {
  prepare(folder);
  const data = join(folder, 'data');
  const programs = startAll(folder, chooseCores().server);
  try {
    await programs.c.run('w');
    for (const job of jobs) {
      const rounds = quick ? job.rounds / QUICK : job.rounds;
      done(rowsOf(job.name, await measureJob(programs, job, rounds, data)));
    }
  } finally {
    await Promise.all(Object.values(programs).map(async (each: CountedProgram) => each.stop()));
  }
};

const main = async (): Promise<void> => {
  const { json, quick, only } = parseOptions(process.argv.slice(2));
  const jobs = chooseJobs(only);
  if (!findClang()) throw new BenchError('the guest needs clang-19, which is not installed here');
  buildC(true);
  const folder = mkdtempSync(join(chooseParent(), 'sandpoll-bench-'));
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  if (!json) {
    const kind = isTmpfs(folder) ? 'tmpfs' : 'no tmpfs';
    process.stdout.write(describeMachine(chooseCores()));
    process.stdout.write(`files in ${folder} (${kind})\n\n${lineOf(HEADER)}`);
  }
  const all: FileRow[] = [];
  await measureAll(folder, jobs, quick, (rows) => {
    all.push(...rows);
    if (!json) process.stdout.write(rows.map((row) => lineOf(cellsOf(row))).join(''));
  });
  if (json) process.stdout.write(`${JSON.stringify(all, null, 2)}\n`);
};

process.on('SIGINT', () => process.exit(130));
process.on('SIGTERM', () => process.exit(143));

try {
  await main();
} catch (error) {
  if (!(error instanceof BenchError)) throw error;
  process.stderr.write(`bench: ${error.message}\n`);
  process.exitCode = 1;
}
