/** The house rules, held against the files themselves (design.md §1, §13; CONTRIBUTING.md). */
import { existsSync, readdirSync } from 'node:fs';
import { posix } from 'node:path';

import { expect, test } from 'vitest';

import { ROOT, type Source, sources } from './support/sources.js';

const FILE_LINES_MAX = 400;
const FUNCTION_LINES_MAX = 70;
const COLUMNS_MAX = 100;

/**
 * The rooms of `host/`, floor by floor from the top. A file may import from the floors under its
 * own, and from its own room.
 */
const FLOORS = [
  ['cli'],
  ['index'],
  ['metrics'],
  ['serve'],
  ['pipeline', 'workers'],
  ['group', 'child'],
  ['guest', 'inspect'],
  ['isolate', 'worker', 'channels', 'listeners', 'source-map', 'output'],
  ['link'],
  ['imports', 'wasm'],
  ['sandbox'],
  ['descriptors', 'threads', 'grants', 'kernel/native', 'kernel/inject'],
  ['abi', 'address', 'kernel/wrap', 'kernel/registers'],
  ['kernel/calls', 'kernel/confine'],
  ['kernel/kernel'],
  ['kernel/files'],
  [
    'kernel/values',
    'kernel/flags',
    'kinds',
    'errno',
    'trap',
    'usage',
    'signals',
    'trace-groups',
    'link-error',
    'counters',
    'line-budget',
  ],
] as const;

const host = sources('host/', /\.c?ts$/);
const code = sources('', /\.(c?ts|mjs|cc|h|c)$/);
const pages = sources('', /\.md$/);

/** The room of a file of `host/`, and its floor; −1 if it has none. */
function place(path: string): { room: string; floor: number } {
  const name = path.replace(/^host\//, '').replace(/\.c?[jt]s$/, '');
  const holds = (room: string): boolean => name === room || name.startsWith(`${room}/`);
  const floor = FLOORS.findIndex((rooms) => rooms.some(holds));
  return { room: FLOORS[floor]?.find(holds) ?? '', floor };
}

/** The files that a file of `host/` imports, as paths of sources. */
function importsOf({ path, text }: Source): string[] {
  const targets = text.matchAll(/(?:\bfrom|\bimport\() ?'(\.[^']+)'/g);
  return [...targets].map(([, target]) => {
    return posix.join(posix.dirname(path), target).replace(/\.js$/, '.ts');
  });
}

test('every file of the host has a place on the floor plan', () => {
  expect(host.map(({ path }) => path).filter((path) => place(path).floor < 0)).toEqual([]);
});

test('imports between the rooms of the host point downwards only', () => {
  // A reading that finds no imports would find no wrong ones either.
  expect(host.flatMap(importsOf).length).toBeGreaterThan(host.length);
  const upward = host.flatMap((source) => {
    const from = place(source.path);
    const wrong = importsOf(source).filter((target) => {
      const to = place(target);
      return to.room !== from.room && to.floor <= from.floor;
    });
    return wrong.map((target) => `${source.path} imports ${target}`);
  });
  expect(upward).toEqual([]);
});

test('no file of the host imports itself, by whatever way round', () => {
  const graph = new Map(host.map((source) => [source.path, importsOf(source)]));
  const reaches = (path: string, wanted: string, seen: Set<string>): boolean =>
    (graph.get(path) ?? []).some((next) => {
      if (next === wanted) return true;
      if (seen.has(next)) return false;
      seen.add(next);
      return reaches(next, wanted, seen);
    });
  expect([...graph.keys()].filter((path) => reaches(path, path, new Set()))).toEqual([]);
});

/** Lines that no file may have: what it is, and what it looks like. */
const FORBIDDEN: readonly (readonly [what: string, pattern: RegExp, files: RegExp])[] = [
  ['unfinished work', /\b(TOD[O]|FIXM[E]|XX[X])\b/, /./],
  ['an unchecked type', /(: |<|\bas )an[y]([;,)>[\]|]| =|$)/, /\.ts$/],
  ['an order to the compiler', /@ts-[a-z]/, /\.ts$/],
  ['a default export', /^export defaul[t]/, /^(?!vitest\.config).*\.(ts|mjs)$/],
  ['code out of use', /^\s*\/\/.*[;{]$/, /./],
];

test.each(FORBIDDEN)('no file has %s', (_what, pattern, files) => {
  const found = code
    .filter(({ path }) => files.test(path))
    .flatMap(({ path, lines }) =>
      lines.flatMap((line, index) => (pattern.test(line) ? [`${path}:${index + 1} ${line}`] : [])),
    );
  expect(found).toEqual([]);
});

test('imports and sandbox know no time, no chance and no files but through the kernel', () => {
  const outside = /\b(Date|performance|setTimeout|setInterval|setImmediate|process)\b|Math\.random/;
  const found = host
    .filter(({ path }) => path.startsWith('host/imports/') || path === 'host/sandbox.ts')
    .filter(({ text }) => {
      const spoken = text.replace(/\/\*[^]*?\*\/|\/\/.*|'[^'\n]*'/g, '');
      return outside.test(spoken) || /'node:/.test(text);
    });
  expect(found.map(({ path }) => path)).toEqual([]);
});

/** The title of a test is a sentence, and no formatter breaks it. */
const TITLE = /^\s*(test|describe)\b.*['`],/;

test(`no line is longer than ${COLUMNS_MAX} columns`, () => {
  const long = code.flatMap(({ path, lines }) =>
    lines.flatMap((line, index) => {
      return line.length > COLUMNS_MAX && !TITLE.test(line) ? [`${path}:${index + 1}`] : [];
    }),
  );
  expect(long).toEqual([]);
});

test(`no file is longer than ${FILE_LINES_MAX} lines`, () => {
  const long = code.filter(({ lines }) => lines.length > FILE_LINES_MAX);
  expect(long.map(({ path, lines }) => `${path}: ${lines.length}`)).toEqual([]);
});

/** A line that ends the head of a function: `) {`, `): Type {`, `) const {` or `=> {`. */
const FUNCTION_HEAD = /(?:\)(?:: [^=]+| const| noexcept)?|=>) \{$/;

/** Groups of cases are as long as their cases are many. */
const GROUP = /^\s*(describe|everyKernel)\b/;

function indent(line: string): number {
  return line.length - line.trimStart().length;
}

/** Where the head begins that ends at `at`: its parameters may stand on lines of their own. */
function headOf(lines: readonly string[], at: number): number {
  if (!/^\s*\)/.test(lines[at])) return at;
  return lines.findLastIndex((line, index) => index < at && indent(line) === indent(lines[at]));
}

/**
 * The lengths of the functions of a file, head to brace. Formatted code tells them by how far
 * lines are indented: a block ends at the first brace that stands where its head began.
 */
function functionLengths({ path, lines }: Source): { name: string; length: number }[] {
  return lines.flatMap((line, at) => {
    if (!FUNCTION_HEAD.test(line) || GROUP.test(line)) return [];
    const first = headOf(lines, at);
    const last = lines.findIndex((each, index) => {
      return index > at && indent(each) === indent(line) && each.trimStart().startsWith('}');
    });
    return [{ name: `${path}:${first + 1}`, length: last - first + 1 }];
  });
}

test(`no function is longer than ${FUNCTION_LINES_MAX} lines`, () => {
  const functions = code.flatMap(functionLengths);
  // A reading that finds no functions would find no long ones either.
  expect(functions.length).toBeGreaterThan(code.length);
  expect(functions.filter(({ length }) => length > FUNCTION_LINES_MAX)).toEqual([]);
});

test('every page has one title, and it comes first', () => {
  const wrong = pages.filter(({ text }) => {
    const spoken = text.replace(/^```[^]*?^```/gm, '');
    return !spoken.startsWith('# ') || [...spoken.matchAll(/^# /gm)].length !== 1;
  });
  expect(wrong.map(({ path }) => path)).toEqual([]);
});

test('every example has a README, and a test that runs it', () => {
  const tests = sources('test/', /\.ts$/).filter(({ path }) => path !== 'test/tidy.test.ts');
  const examples = readdirSync(`${ROOT}examples`);
  expect(examples.filter((name) => !existsSync(`${ROOT}examples/${name}/README.md`))).toEqual([]);
  const untested = examples.filter(
    (name) => !tests.some(({ text }) => text.includes(`examples/${name}/`)),
  );
  expect(untested).toEqual([]);
});
