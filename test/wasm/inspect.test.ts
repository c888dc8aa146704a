import { describe, expect, test } from 'vitest';

import { type Provides, formatInspection, inspectModule } from '#host/inspect.js';
import { provides } from '#host/link.js';
import { ModuleError } from '#host/wasm/bytes.js';
import { printable, signatureText, sizeText } from '#host/wasm/text.js';
import { cat, module, section, text, typeSection } from './build.js';
import { wat } from './wat.js';

const everything: Provides = () => 'yes';

const COMMAND = '(memory (export "memory") 1) (func (export "_start"))';

const problems = (source: string, answer: Provides = everything): readonly string[] =>
  inspectModule(wat(source), answer, 'guest.wasm').problems;

describe('what is told of a module', () => {
  const source = `(module
    (import "wasi_snapshot_preview1" "fd_write" (func (param i32 i32 i32 i32) (result i32)))
    (import "env" "abort" (func (param i32 i32 i32 i32)))
    (import "wasi_snapshot_preview1" "path_open"
      (func (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "sock_open" (func (param i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "sock_accept" (func (param i32 i32) (result i32)))
    (import "wasix_32v1" "thread_spawn" (func (param i64) (result i32)))
    (table 2 8 funcref)
    ${COMMAND})`;

  test('as text for a terminal, asking the real linker what is provided', () => {
    const bytes = wat(source);
    expect(formatInspection(inspectModule(bytes, provides, 'server.wasm'))).toBe(
      [
        `server.wasm: WebAssembly module, ${bytes.length} bytes`,
        '',
        'memory:',
        '  64KiB at the start, no maximum of its own',
        '',
        'tables:',
        '  funcref, 2 entries at the start, at most 8 entries',
        '',
        'imports:',
        '  wasi_snapshot_preview1',
        '    yes  fd_write(i32, i32, i32, i32) -> i32',
        '    yes  path_open(i32, i32, i32, i32, i32, i64, i64, i32, i32) -> i32',
        '    yes  sock_open(i32, i32, i32) -> i32',
        '    yes  sock_accept(i32, i32) -> i32',
        '  env',
        '    yes  abort(i32, i32, i32, i32)',
        '  wasix_32v1',
        '    no   thread_spawn(i64) -> i32',
        '',
        'exports:',
        '  memory memory',
        '  function _start()',
        '',
        'options it will probably need:',
        '  --allow-net=RULE: it makes sockets itself (sock_open)',
        '  --listen ADDR: it accepts connections, perhaps from a listener that it is given ' +
          '(sock_accept)',
        '  --dir HOST::GUEST: it may open files (path_open)',
        '',
        'it cannot be run:',
        '  server.wasm needs thread_spawn of module wasix_32v1, which nothing here provides',
      ].join('\n'),
    );
  });

  test('as data: the linker is asked by module, name and number of parameters', () => {
    const asked: [string, string, number][] = [];
    const inspection = inspectModule(wat(source), (...question) => {
      asked.push(question);
      return 'yes';
    });
    expect(asked).toEqual([
      ['wasi_snapshot_preview1', 'fd_write', 4],
      ['env', 'abort', 4],
      ['wasi_snapshot_preview1', 'path_open', 9],
      ['wasi_snapshot_preview1', 'sock_open', 3],
      ['wasi_snapshot_preview1', 'sock_accept', 2],
      ['wasix_32v1', 'thread_spawn', 1],
    ]);
    expect(inspection.imports.map(({ module: name }) => name)).toEqual([
      'wasi_snapshot_preview1',
      'env',
      'wasix_32v1',
    ]);
    expect(inspection.problems).toEqual([]);
    expect(structuredClone(inspection)).toEqual(inspection);
  });

  test('a module with nothing in it', () => {
    expect(formatInspection(inspectModule(wat('(module)'), everything, 'empty.wasm'))).toBe(
      [
        'empty.wasm: WebAssembly module, 8 bytes',
        ...['memory', 'tables', 'imports', 'exports', 'options it will probably need'].flatMap(
          (title) => ['', `${title}:`, '  none'],
        ),
        '',
        'it cannot be run:',
        '  empty.wasm exports no _start; build it as a program ' +
          '(AssemblyScript: asc --exportStart _start, C: give it a main)',
        '  empty.wasm exports no memory, so that imports have nowhere to write; ' +
          'export it as "memory"',
      ].join('\n'),
    );
  });

  test('imports that are not functions', () => {
    const inspection = inspectModule(
      wat(`(module
        (import "env" "memory" (memory 2 16))
        (import "env" "table" (table 1 funcref))
        (import "env" "sp" (global (mut i32)))
        (import "env" "tag" (tag (param i32))))`),
      everything,
    );
    const shown = formatInspection(inspection);
    expect(shown).toContain('  128KiB at the start, at most 1MiB, imported as env.memory');
    expect(shown).toContain('yes  memory memory: 128KiB at the start, at most 1MiB');
    expect(shown).toContain('no   table table: funcref, 1 entries at the start, no maximum');
    expect(shown).toContain('no   global sp: mutable i32');
    expect(shown).toContain('no   tag tag: (i32)');
  });

  test('threads need a shared memory, and an entry to begin with', () => {
    const spawn = '(import "wasi" "thread-spawn" (func (param i32) (result i32)))';
    const shared = '(import "env" "memory" (memory 1 2 shared))';
    const entry = (params: string) => `(func (export "wasi_thread_start") (param ${params}))`;
    const withParts = (...parts: string[]): string =>
      `(module ${parts.join('\n')} (func (export "_start")))`;
    expect(problems(withParts(shared))).toEqual([]);
    expect(problems(withParts(spawn, shared, entry('i32 i32')))).toEqual([]);
    const [unshared] = problems(
      withParts(spawn, '(memory (export "memory") 1 2)', entry('i32 i32')),
    );
    expect(unshared).toContain('imports no shared memory');
    for (const wrong of ['', entry('i32')]) {
      const [unstarted] = problems(withParts(spawn, shared, wrong));
      expect(unstarted).toContain('exports no wasi_thread_start(i32, i32)');
    }
  });

  test('memory beyond what is given by default calls for --max-memory', () => {
    const large = '(module (memory (export "memory") 16385) (func (export "_start")))';
    const inspection = inspectModule(wat(large), everything);
    expect(inspection.flags).toEqual([
      { option: '--max-memory 1048640KiB', reason: 'its memory starts that large' },
    ]);
    expect(inspection.problems).toEqual([]);
  });

  test.each([
    [['fd_prestat_get', 'fd_prestat_dir_name'], 'fd_prestat_get, fd_prestat_dir_name'],
    [
      ['path_link', 'path_rename', 'path_open', 'fd_readdir'],
      'path_link, path_rename, path_open and 1 more',
    ],
  ])('imports %j call for --dir', (names, named) => {
    const imports = names.map((name) => `(import "wasi_snapshot_preview1" "${name}" (func))`);
    const inspection = inspectModule(wat(`(module ${imports.join('')} ${COMMAND})`), everything);
    expect(inspection.flags).toEqual([
      { option: '--dir HOST::GUEST', reason: `it may open files (${named})` },
    ]);
  });

  test('a component', () => {
    const component = Uint8Array.from([0, 0x61, 0x73, 0x6d, 0x0d, 0, 1, 0]);
    const inspection = inspectModule(component, everything, 'c.wasm');
    expect(inspection).toMatchObject({ kind: 'component', imports: [] });
    expect(formatInspection(inspection)).toBe(
      'c.wasm: WebAssembly component, 8 bytes\n\nit cannot be run:\n' +
        '  c.wasm is a WebAssembly component, and Sandpoll runs core modules; ' +
        'build it for wasm32-wasip1, or take the core module out with jco transpile',
    );
  });

  test('what is no module at all is thrown', () => {
    expect(() => inspectModule(new Uint8Array(), everything)).toThrow(ModuleError);
  });
});

describe('how missing things read', () => {
  test('imports, a sentence for each module, with the first three named', () => {
    const names = ['a', 'b', 'c', 'd', 'e'];
    const imports = names.map((name) => `(import "glue" "${name}" (func))`).join('');
    expect(problems(`(module ${imports} (import "x" "y" (func)) ${COMMAND})`, () => 'no')).toEqual([
      'guest.wasm needs a, b, c and 2 more of module glue, which nothing here provides',
      'guest.wasm needs y of module x, which nothing here provides',
    ]);
  });

  test.each([
    ['(memory (export "memory") 1)', 'guest.wasm exports no _start; build it as a program'],
    [
      '(memory (export "memory") 1) (func (export "_start")) (func (export "_initialize"))',
      'guest.wasm exports both _start and _initialize; it must be either a command or a reactor',
    ],
    [
      '(memory (export "memory") 1) (func (export "_start") (param i32))',
      'guest.wasm exports _start with parameters or results; it must have none',
    ],
    [
      '(memory (export "memory") 1) (global (export "_start") i32 (i32.const 0))',
      'guest.wasm exports a global by the name of _start; it must be a function',
    ],
    [
      '(memory 1) (func (export "_start"))',
      'guest.wasm exports no memory, so that imports have nowhere to write; export it as "memory"',
    ],
    [
      '(func (export "_start")) (func (export "memory"))',
      "guest.wasm exports a function by the name of memory; it must be the guest's memory",
    ],
    [
      '(memory 1) (memory (export "memory") 1) (func (export "_start"))',
      'guest.wasm is refused: it has 2 memories; build it with one (no multi-memory)',
    ],
  ])('B16: %s', (fields, problem) => {
    const all = problems(`(module ${fields})`);
    expect(all).toHaveLength(1);
    expect(all[0]).toContain(problem);
  });

  test('a reactor is no problem, nor is an imported memory', () => {
    expect(problems('(module (memory (export "memory") 1) (func (export "_initialize")))')).toEqual(
      [],
    );
    expect(
      problems('(module (import "env" "memory" (memory 1)) (func (export "_start")))'),
    ).toEqual([]);
  });

  test('code that would be refused is a problem, but can be looked at', () => {
    const bytes = module(
      typeSection([0x60, 0, 0]),
      section(3, [1, 0]),
      section(7, cat([1], text('_start'), [0, 0])),
      section(10, [1, 4, 0, 0xfb, 0, 0x0b]),
    );
    const inspection = inspectModule(bytes, everything, 'gc.wasm');
    expect(inspection.exports).toHaveLength(1);
    expect(inspection.problems[0]).toMatch(/^gc\.wasm is refused: function 0 has the unknown/);
  });
});

describe('B98: names are the guest’s, and never reach a terminal as they are', () => {
  test('control characters and direction marks are escaped', () => {
    const nasty = '\u001b]0;owned\u0007\r\n\u202e\u0085x\u{1f600}';
    expect(printable(nasty)).toBe('\\u{1b}]0;owned\\u{7}\\u{d}\\u{a}\\u{202e}\\u{85}x\u{1f600}');
    expect(printable('é'.repeat(500))).toBe(`${'é'.repeat(120)}…`);
  });

  test('wherever they stand in a module', () => {
    const evil = text('\u001b[2J\n');
    const bytes = module(
      typeSection([0x60, 0, 0]),
      section(2, cat([2], evil, evil, [0, 0], evil, evil, [2, 0, 1])),
      section(7, cat([1], evil, [0, 0])),
    );
    const shown = formatInspection(inspectModule(bytes, () => 'no', 'evil.wasm'));
    expect(shown).not.toMatch(/[^\n\x20-\x7e]/);
    expect(shown).toContain('evil.wasm: WebAssembly module');
    expect(shown).toContain('no   \\u{1b}[2J\\u{a}()');
  });
});

test('types and sizes as text', () => {
  expect(signatureText({ params: [], results: [] })).toBe('()');
  expect(signatureText({ params: ['i32', 'f64'], results: ['i32'] })).toBe('(i32, f64) -> i32');
  expect(signatureText({ params: [], results: ['i32', 'i64'] })).toBe('() -> (i32, i64)');
  expect([0, 65_536, 1_048_576, 1_114_112].map(sizeText)).toEqual([
    '0KiB',
    '64KiB',
    '1MiB',
    '1088KiB',
  ]);
});
