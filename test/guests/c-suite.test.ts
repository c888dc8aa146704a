/**
 * What the public suites of preview1 ask of a host, re-expressed in C (`c/suite/`), and run as
 * those are: with the directory as `/`, and under its own name as older versions have it.
 */
import { mkdirSync, readFileSync, readdirSync } from 'node:fs';
import { text } from 'node:stream/consumers';

import { expect, test } from 'vitest';

import { cModule, runCGuest } from '../support/c-guest.js';
import { startCommand } from '../support/command.js';
import { withFiles } from '../support/files.js';
import { ROOT } from '../support/sources.js';

const SUITE = `${ROOT}test/guests/c/suite/`;
const FILES = { 'read-only/file': 'text', 'read-only/sub/file': 'more' };

/** The names in the tables of tests, file by file. */
function testNames(): string[] {
  const sources = readdirSync(SUITE).filter((name) => name.endsWith('.c'));
  return sources.flatMap((name) => {
    const [, table = ''] = readFileSync(SUITE + name, 'utf8').split('LIST[] = {');
    return Array.from(table.matchAll(/^ {4}\{"(.+)", \w+\},$/gm), ([, title]) => title);
  });
}

const PASSED = testNames()
  .map((name) => `ok ${name}`)
  .toSorted();

test.each(['thread', 'process'] as const)(
  `all ${PASSED.length} tests pass: \`/\` and a read-only directory, in a %s (B45, B48)`,
  async (isolate) => {
    expect(PASSED.length).toBeGreaterThan(65);
    await withFiles(FILES, async (folder) => {
      mkdirSync(`${folder}/root`);
      const dirs = [
        { host: `${folder}/root`, guest: '/', readOnly: false },
        { host: `${folder}/read-only`, guest: '/read-only', readOnly: true },
      ];
      const args = ['/', '/read-only'];
      const { lines, outcome } = await runCGuest('suite/suite', { dirs, args }, { isolate });
      expect(lines.toSorted()).toEqual(PASSED);
      expect(outcome).toEqual({ kind: 'exited', code: 0 });
    });
  },
);

test('all pass under the name as written, while stdin stays open and is never read', async () => {
  await withFiles({}, async (folder) => {
    mkdirSync(`${folder}/fs-tests.dir`);
    const run = startCommand(['--dir', 'fs-tests.dir', cModule('suite/suite'), 'fs-tests.dir'], {
      stdin: 'pipe',
      stdout: 'pipe',
      cwd: folder,
    });
    const { stdout } = run.child;
    if (stdout === null) throw new Error('spawned without a pipe');
    const output = await text(stdout);
    expect(output.trimEnd().split('\n').toSorted()).toEqual(PASSED);
    expect(await run.ended).toMatchObject({ status: 0 });
  });
});

/** As the suites' runner has it: every byte of these arrives, and nothing besides. */
const ARGS = ['first', 'the "second" arg', '3', '', 'new\nline', '--dir', 'ä\t€'];
const ENV = {
  plain: 'text',
  empty: '',
  equals: 'a=b=c',
  quotes: 'escap " ing',
  lines: 'new\nline',
};

test('arguments, environment and status 33 are as given, with stdin open', async () => {
  const env = Object.entries(ENV).flatMap(([name, value]) => ['--env', `${name}=${value}`]);
  const run = startCommand([...env, cModule('environment'), '33', ...ARGS], {
    stdin: 'pipe',
    stdout: 'pipe',
  });
  const { stdout } = run.child;
  if (stdout === null) throw new Error('spawned without a pipe');
  const shown = (value: string): string =>
    value.replaceAll('\n', String.raw`\0a`).replaceAll('ä\t€', String.raw`\c3\a4\09\e2\82\ac`);
  expect((await text(stdout)).split('\n')).toEqual([
    `arguments: ${ARGS.length + 1}`,
    '33',
    ...ARGS.map(shown),
    'none after the last: yes',
    `environment: ${Object.keys(ENV).length}`,
    ...Object.entries(ENV)
      .map(([name, value]) => shown(`${name}=${value}`))
      .toSorted(),
    'getenv plain: text',
    'getenv empty: ',
    'getenv equals: a=b=c',
    'getenv missing: (none)',
    'getenv plai: (none)',
    'getenv plain: changed',
    // Which libc says by itself: it knows of no directory.
    'a file: ENOTCAPABLE',
    '',
  ]);
  expect(await run.ended).toMatchObject({ status: 33 });
});

test('without arguments, variables and directories there are none', async () => {
  const { lines, outcome } = await runCGuest('environment', {});
  expect(lines.slice(0, 3)).toEqual(['arguments: 0', 'none after the last: yes', 'environment: 0']);
  expect(outcome).toEqual({ kind: 'exited', code: 0 });
});
