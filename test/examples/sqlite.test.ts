/** The shell of SQLite on files of a directory, as the README of examples/sqlite says. */
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';

import { type Guest, type GuestModule, parseDir } from '#host/index.js';
import { sandpoll } from '../support/cli.js';
import { loadLocal, startLocal } from '../support/local-guest.js';
import { ROOT } from '../support/sources.js';

const WASM = 'examples/sqlite/sqlite.wasm';
const BUSY = 5;
const READONLY = 8;
const JOURNAL_BYTES = 100_000;
const folder = mkdtempSync(`${tmpdir()}/sandpoll-sqlite-`);
let module: GuestModule;
/** A database of each test's own, as the guest knows it. */
let database: string;
let databases = 0;

interface Shell {
  readonly guest: Guest;
  /** What it has printed. */
  readonly stdout: string[];
  /** What it, and the host about it, have complained of. */
  readonly stderr: string[];
}

/** Starts the shell; the directory is what `--dir` would be given after its path. */
async function start(args: readonly string[], guestName = '::/data'): Promise<Shell> {
  const stdout: string[] = [];
  const stderr: string[] = [];
  const guest = await startLocal(module, {
    grants: { args, env: { HOME: '/data' }, dirs: [parseDir(`${folder}${guestName}`)] },
    onOutput: (output) => {
      if (output.kind !== 'line') return;
      (output.stream === 'stdout' ? stdout : stderr).push(output.text);
    },
    onReport: (line) => stderr.push(line),
  });
  return { guest, stdout, stderr };
}

/** Runs the shell to its end. */
async function run(args: readonly string[], guestName?: string): Promise<Shell> {
  const shell = await start(args, guestName);
  await shell.guest.ended;
  return shell;
}

/** What the shell prints for statements that all must succeed. */
async function query(...sql: readonly string[]): Promise<readonly string[]> {
  const { guest, stdout, stderr } = await run([database, ...sql]);
  expect(stderr).toEqual([]);
  expect(await guest.ended).toEqual({ kind: 'exited', code: 0 });
  return stdout;
}

const hostPath = (suffix = ''): string => `${folder}/${database.slice('/data/'.length)}${suffix}`;

beforeAll(async () => {
  module = await loadLocal(WASM);
});

afterAll(() => rmSync(folder, { recursive: true }));

beforeEach(() => {
  databases++;
  database = `/data/test-${databases}.db`;
});

test('from the command line: what one run has written, another reads', async () => {
  const dir = ['--dir', `${folder}::/data`, '--env', 'HOME=/data'];
  await query('create table fruit(name text, grams int)');
  await query("insert into fruit values ('apple', 180), ('cherry', 8)");
  const sql = 'select name, grams from fruit';
  const outcome = await sandpoll([...dir, WASM, database, sql], { cwd: ROOT });
  expect(outcome).toEqual({ status: 0, stdout: 'apple|180\ncherry|8\n', stderr: '' });
});

test('a transaction that is rolled back has changed nothing', async () => {
  await query('create table t(a); insert into t values (1), (2)');
  const before = readFileSync(hostPath());
  const deleted = 'begin; delete from t; select count(*) from t; rollback; select count(*) from t';
  expect(await query(deleted)).toEqual(['0', '2']);
  expect(readFileSync(hostPath()).equals(before)).toBe(true);
});

test('thousands of rows, indices, a vacuum, and a copy beside it: all is intact', async () => {
  await query(
    'create table t(a integer primary key, b text, c blob)',
    'insert into t select value, hex(value * 7919), zeroblob(value % 300) ' +
      'from generate_series(1, 5000)',
    'create index by_b on t(b)',
    'delete from t where a % 3 = 0',
    'vacuum',
    `.backup ${database}.copy`,
  );
  const found = ['select count(*), sum(length(c)) from t', 'pragma integrity_check'];
  const expected = ['3334|493467', 'ok'];
  expect(await query(...found)).toEqual(expected);
  database = `${database}.copy`;
  expect(await query(...found)).toEqual(expected);
});

test('ended in the middle of a transaction: locked for others, then as it was before', async () => {
  await query('create table t(a, b); insert into t select value, 0 from generate_series(1, 1000)');
  const endless =
    'pragma cache_size = 5; begin; update t set b = randomblob(900); insert into t ' +
    'with recursive n(x) as (select 1 union all select x + 1 from n) select x, 0 from n';
  const writer = await start([database, endless]);
  const grown = (): boolean =>
    existsSync(hostPath('-journal')) && statSync(hostPath()).size > JOURNAL_BYTES;
  await expect.poll(grown, { timeout: 10_000, interval: 10 }).toBe(true);
  const other = await run([database, 'select count(*) from t']);
  expect(other.stderr.join()).toContain('database is locked (5)');
  expect(await other.guest.ended).toEqual({ kind: 'exited', code: BUSY });
  await writer.guest.stop();
  expect(readdirSync(folder)).toContain(`${database.slice('/data/'.length)}-journal`);
  // The lock is a directory, which the one that was ended could not remove.
  rmSync(hostPath('.lock'), { recursive: true });
  expect(await query('select count(*), max(b) from t; pragma integrity_check')).toEqual([
    '1000|0',
    'ok',
  ]);
  expect(existsSync(hostPath('-journal'))).toBe(false);
});

test('a read-only directory: reads, and a sentence for who writes', async () => {
  await query('create table t(a); insert into t values (7)');
  const before = readFileSync(hostPath());
  const sql = 'select * from t; insert into t values (8)';
  const shell = await run([`file:${database}?immutable=1`, sql], '::/data:ro');
  expect(shell.stdout).toEqual(['7']);
  expect(shell.stderr).toEqual([
    'denied: /data is read-only; grant --dir HOST::/data without :ro',
    expect.stringContaining('attempt to write a readonly database (8)'),
  ]);
  expect(await shell.guest.ended).toEqual({ kind: 'exited', code: READONLY });
  const creating = await run(['/data/new.db', 'create table t(a)'], '::/data:ro');
  expect(creating.stderr.join()).toContain('unable to open database file');
  expect(existsSync(`${folder}/new.db`)).toBe(false);
  expect(readFileSync(hostPath()).equals(before)).toBe(true);
});
