/**
 * B49: what a path leads to is exchanged for a way out, and back, while a guest goes by it.
 *
 * The whole form takes ten seconds; SANDPOLL_TEST_ISOLATE=process has the guest in a process:
 *   SANDPOLL_RACE_SECONDS=10 npx vitest run test/hostile/paths-race.test.ts
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';

import { beforeAll, expect, test } from 'vitest';

import { Filestat } from '#host/abi/files.js';
import { Fstflags, Oflags } from '#host/abi/preview1.js';
import { wasiName } from '#host/errno.js';

import { compileC } from '../support/c-program.js';
import { type Call, type Driven, withDriven } from '../support/driven.js';
import { BATCH_MAX, PAGE_BYTES } from '../support/driver.js';
import { withFiles } from '../support/files.js';
import { FIRST, READ, WRITE } from '../support/paths.js';
import { ROOT } from '../support/sources.js';
import { snapshot } from '../support/grounds.js';

const SECONDS = Number(process.env['SANDPOLL_RACE_SECONDS'] ?? 1);
/** How much longer it goes on, on a busy machine, until every way was both open and refused. */
const PATIENCE = 10;
const TEST_MS = 30_000 + 1000 * SECONDS * PATIENCE;

const isolate = process.env['SANDPOLL_TEST_ISOLATE'] === 'process' ? 'process' : 'thread';

const PROGRAM = `${ROOT}native/build/test/swapping`;

/** The number that whatever the guest opens has: those of the driver come before. */
const OPENED = 6;
const NAMES = PAGE_BYTES;
const NAME_BYTES = 64;
const OUT = PAGE_BYTES + 0x8000;
const FOUND = OUT + Filestat.ino.offset;
const INSIDE = 'inside'.charCodeAt(0);

const { CREAT, DIRECTORY, EXCL, TRUNC } = Oflags;

/** Two sides: what is under the same name outside must never be seen or changed. */
function furnish(folder: string): void {
  for (const side of ['inside/door', 'inside/deep/y', 'outside', 'elsewhere']) {
    mkdirSync(join(folder, side), { recursive: true });
  }
  for (const file of ['inside/door', 'inside/deep', 'outside', 'elsewhere']) {
    writeFileSync(join(folder, file, 'secret'), file);
  }
  for (const side of ['inside/door', 'outside']) {
    writeFileSync(join(folder, side, 'moving'), side);
    symlinkSync(side, join(folder, side, 'text'));
  }
  for (const name of ['entry', 'fresh']) writeFileSync(join(folder, 'inside', name), name);
  symlinkSync('../outside', join(folder, 'inside/door-out'));
  symlinkSync('../outside/secret', join(folder, 'inside/entry-out'));
  symlinkSync('../outside/new', join(folder, 'inside/fresh-out'));
}

/** What is swapped, in the words of `swapping.c`. */
const SWAPS = [
  ['x', 'inside/door', 'inside/door-out'],
  ['x', 'inside/entry', 'inside/entry-out'],
  ['x', 'inside/fresh', 'inside/fresh-out'],
  ['m', 'inside/deep/y', 'elsewhere/y'],
].flat();

/** A way to go by a path while it is swapped. */
interface Attempt {
  readonly name: string;
  readonly calls: readonly Call[];
  /** Of the results, which one must be `expected` if the first is SUCCESS. */
  readonly seen?: readonly [index: number, expected: number];
}

/** Names in guest memory, written there by `write`. */
class Names {
  readonly #all: string[] = [];

  range(name: string): readonly [at: number, length: number] {
    if (!this.#all.includes(name)) this.#all.push(name);
    return [NAMES + NAME_BYTES * this.#all.indexOf(name), name.length];
  }

  async write(driven: Driven): Promise<void> {
    const bytes = this.#all.map((name) => name.padEnd(NAME_BYTES, '\0')).join('');
    await driven.write(NAMES, Buffer.from(bytes));
  }
}

function attempts(names: Names, folder: string): Attempt[] {
  const inode = (path: string): number => statSync(join(folder, 'inside', path)).ino;
  const at = (name: string): readonly [number, number] => names.range(name);
  const open = (name: string, oflags: number, rights: number): Call => [
    'path_open',
    FIRST,
    1,
    ...at(name),
    oflags,
    BigInt(rights),
    0n,
    0,
    OUT,
  ];
  /** Opens, and looks at what was opened. */
  const opened = (name: string, what: string, oflags: number, rights: number): Attempt => ({
    name: `${what} ${name}`,
    calls: [
      open(name, oflags, rights),
      ['fd_filestat_get', OPENED, OUT],
      ['load64', FOUND],
      ['fd_close', OPENED],
    ],
    seen: [2, inode(name)],
  });
  /** Makes something, which the second call removes again. */
  const made = (name: string, call: Call, undone: Call): Attempt => ({
    name,
    calls: [call, ['fd_close', OPENED], undone],
  });
  const unlink = (name: string): Call => ['path_unlink_file', FIRST, ...at(name)];
  const both = (call: Call[0], from: string, to: string): Call => {
    const flags = call === 'path_link' ? [0] : [];
    return [call, FIRST, ...flags, ...at(from), FIRST, ...at(to)];
  };
  const stat: Call = ['path_filestat_get', FIRST, 1, ...at('door/secret'), OUT];
  const times: Call = ['path_filestat_set_times', FIRST, 1, ...at('door/secret'), 1n, 1n];
  const readlink: Call = ['path_readlink', FIRST, ...at('door/text'), OUT, 8, OUT + 8];
  return [
    opened('door', 'open', DIRECTORY, 0),
    opened('door/secret', 'read', 0, READ),
    opened('door/secret', 'write', 0, WRITE),
    opened('entry', 'read', 0, READ),
    opened('entry', 'empty', TRUNC, WRITE),
    opened('fresh', 'make', CREAT, WRITE),
    opened('deep/y/../secret', 'read', 0, READ),
    made('make door/made', open('door/made', CREAT | EXCL, WRITE), unlink('door/made')),
    made('make deep/y/../made', open('deep/y/../made', CREAT, WRITE), unlink('deep/made')),
    { name: 'stat door/secret', calls: [stat, ['load64', FOUND]], seen: [1, inode('door/secret')] },
    { name: 'set times of door/secret', calls: [[...times, Fstflags.MTIM]] },
    { name: 'read the link door/text', calls: [readlink, ['load8', OUT]], seen: [1, INSIDE] },
    made(
      'make the directory door/new',
      ['path_create_directory', FIRST, ...at('door/new')],
      ['path_remove_directory', FIRST, ...at('door/new')],
    ),
    made('link to door/secret', both('path_link', 'door/secret', 'linked'), unlink('linked')),
    made(
      'make the link door/link',
      ['path_symlink', ...at('door'), FIRST, ...at('door/link')],
      unlink('door/link'),
    ),
    made(
      'move door/moving',
      both('path_rename', 'door/moving', 'moved'),
      both('path_rename', 'moved', 'door/moving'),
    ),
  ];
}

/** How often each attempt had which outcome: SUCCESS is one that stayed inside. */
type Outcomes = Map<string, Map<string, number>>;

function note(outcomes: Outcomes, { name, seen }: Attempt, results: readonly number[]): void {
  const astray = results[0] === 0 && seen !== undefined && results[seen[0]] !== seen[1];
  const outcome = astray ? 'ESCAPED' : wasiName(results[0]);
  const counts = outcomes.get(name) ?? new Map<string, number>();
  counts.set(outcome, (counts.get(outcome) ?? 0) + 1);
  outcomes.set(name, counts);
}

/** Whether every attempt has both succeeded and been refused. */
function wasRaced(outcomes: Outcomes): boolean {
  const counts = [...outcomes.values()];
  return counts.every((each) => each.has('SUCCESS') && (each.has('EPERM') || each.has('ENOENT')));
}

/** Goes round all attempts until the time is up, and longer if one has not seen both sides. */
async function race(driven: Driven, all: readonly Attempt[]): Promise<Outcomes> {
  const outcomes: Outcomes = new Map();
  const round = all.flatMap(({ calls }) => calls);
  const rounds = Math.floor(BATCH_MAX / round.length);
  const batch = Array.from({ length: rounds }, () => round).flat();
  const began = performance.now();
  const elapsed = (): number => (performance.now() - began) / 1000;
  while (elapsed() < SECONDS || (!wasRaced(outcomes) && elapsed() < SECONDS * PATIENCE)) {
    const results = await driven.calls(batch);
    let from = 0;
    for (let i = 0; i < rounds; i++) {
      for (const attempt of all) {
        note(outcomes, attempt, results.slice(from, from + attempt.calls.length));
        from += attempt.calls.length;
      }
    }
  }
  return outcomes;
}

function told(outcomes: Outcomes): string {
  return [...outcomes]
    .map(([name, counts]) => {
      const each = [...counts].map(([outcome, count]) => `${outcome} ${count}`);
      return `  ${name}: ${each.toSorted().join(', ')}`;
    })
    .join('\n');
}

beforeAll(() => {
  mkdirSync(`${ROOT}native/build/test`, { recursive: true });
  compileC(['test/hostile/swapping.c'], PROGRAM);
});

/** Runs the race in a folder; what is outside must be then as it was before. */
async function raceIn(folder: string): Promise<void> {
  furnish(folder);
  const names = new Names();
  const all = attempts(names, folder);
  const beyond = (): string[] => [
    ...snapshot(join(folder, 'outside')),
    ...snapshot(join(folder, 'elsewhere'), 'secret'),
  ];
  const before = beyond();
  const dirs = [{ host: join(folder, 'inside'), guest: '/data', readOnly: false }];
  await withDriven({ dirs, isolate }, async (driven) => {
    await names.write(driven);
    const swapping = spawn(PROGRAM, SWAPS, { cwd: folder, stdio: ['ignore', 'pipe', 'inherit'] });
    const closed = once(swapping, 'close');
    const said = text(swapping.stdout);
    const outcomes = await race(driven, all).finally(() => swapping.kill('SIGTERM'));
    const [code] = (await closed) as [number];
    const tried = [...outcomes.values()].flatMap((counts) => [...counts.values()]);
    const sum = tried.reduce((a, b) => a + b, 0);
    console.info(`race: ${sum} attempts, ${(await said).trim()} rounds of swaps`);
    if (SECONDS > 1) console.info(told(outcomes));
    expect(code).toBe(0);
    expect(told(outcomes)).not.toContain('ESCAPED');
    expect(wasRaced(outcomes)).toBe(true);
  });
  expect(beyond()).toEqual(before);
  expect(['secret', 'y']).toEqual(expect.arrayContaining(readdirSync(join(folder, 'elsewhere'))));
}

test(
  'B49: nothing outside is seen or changed while names are swapped under a guest',
  () => withFiles({}, raceIn),
  TEST_MS,
);
