import { describe, expect, test } from 'vitest';

import { ModuleError } from '#host/wasm/bytes.js';
import { readModule } from '#host/wasm/reader.js';
import { I32, I64, cat, functionType, leb, module, section, text, typeSection } from './build.js';
import { wat } from './wat.js';

const memory = (initial: number, more: object = {}): object => ({
  initial,
  shared: false,
  index64: false,
  ...more,
});

function refusal(bytes: Uint8Array): ModuleError {
  try {
    readModule(bytes, 'guest.wasm');
  } catch (error) {
    if (error instanceof ModuleError) return error;
    throw error;
  }
  throw new Error('the module was read');
}

describe('what a module imports and exports', () => {
  test('signatures of imported functions, which Node does not tell', () => {
    const info = readModule(
      wat(`(module
        (import "wasi_snapshot_preview1" "sock_accept" (func (param i32 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "clock_time_get"
          (func (param i32 i64 i32) (result i32)))
        (import "env" "abort" (func (param f32 f64) (result i32 v128)))
        (import "env" "nothing" (func)))`),
    );
    expect(info.imports).toEqual([
      {
        module: 'wasi_snapshot_preview1',
        name: 'sock_accept',
        kind: 'function',
        type: { params: ['i32', 'i32', 'i32'], results: ['i32'] },
      },
      {
        module: 'wasi_snapshot_preview1',
        name: 'clock_time_get',
        kind: 'function',
        type: { params: ['i32', 'i64', 'i32'], results: ['i32'] },
      },
      {
        module: 'env',
        name: 'abort',
        kind: 'function',
        type: { params: ['f32', 'f64'], results: ['i32', 'v128'] },
      },
      { module: 'env', name: 'nothing', kind: 'function', type: { params: [], results: [] } },
    ]);
  });

  test('imports that are not functions', () => {
    const info = readModule(
      wat(`(module
        (import "env" "memory" (memory 1 4 shared))
        (import "env" "table" (table 2 externref))
        (import "env" "stack" (global (mut i32)))
        (import "env" "base" (global i64))
        (import "env" "error" (tag (param i32))))`),
    );
    expect(info.imports).toEqual([
      {
        module: 'env',
        name: 'memory',
        kind: 'memory',
        memory: memory(1, { maximum: 4, shared: true }),
      },
      { module: 'env', name: 'table', kind: 'table', table: memory(2, { element: 'externref' }) },
      { module: 'env', name: 'stack', kind: 'global', value: 'i32', mutable: true },
      { module: 'env', name: 'base', kind: 'global', value: 'i64', mutable: false },
      { module: 'env', name: 'error', kind: 'tag', type: { params: ['i32'], results: [] } },
    ]);
    expect(info.memories).toEqual([]);
  });

  test('exports, and the type of exported functions counted behind imported ones', () => {
    const info = readModule(
      wat(`(module
        (import "env" "f" (func $f (param i64)))
        (memory (export "memory") 3 7)
        (table (export "table") 5 5 funcref)
        (global (export "g") i32 (i32.const 0))
        (func (export "_start"))
        (export "again" (func $f)))`),
    );
    expect(info.exports).toEqual([
      { name: 'memory', kind: 'memory', index: 0 },
      { name: 'table', kind: 'table', index: 0 },
      { name: 'g', kind: 'global', index: 0 },
      { name: '_start', kind: 'function', index: 1, type: { params: [], results: [] } },
      { name: 'again', kind: 'function', index: 0, type: { params: ['i64'], results: [] } },
    ]);
    expect(info.memories).toEqual([memory(3, { maximum: 7 })]);
    expect(info.tables).toEqual([memory(5, { maximum: 5, element: 'funcref' })]);
  });

  test('counts, the start function and custom sections', () => {
    const bytes = wat(`(module
      (memory 1) (table 2 funcref)
      (func $main) (func $other)
      (start $main)
      (elem (i32.const 0) $main) (elem (i32.const 1) $other)
      (data (i32.const 0) "a") (data "b") (data (i32.const 9) "c"))`);
    const info = readModule(cat(bytes, section(0, cat(text('producers'), [1, 2, 3]))));
    expect(info).toMatchObject({
      kind: 'module',
      hasStart: true,
      functionCount: 2,
      elementCount: 2,
      dataCount: 3,
      customSections: ['producers'],
    });
    expect(readModule(wat('(module)'))).toMatchObject({
      hasStart: false,
      functionCount: 0,
      elementCount: 0,
      dataCount: 0,
      customSections: [],
      exports: [],
      imports: [],
    });
  });
});

describe('B16: memories that a guest should not have are visible', () => {
  test('two memories', () => {
    const info = readModule(wat('(module (memory 1) (memory 2 3))'));
    expect(info.memories).toEqual([memory(1), memory(2, { maximum: 3 })]);
  });

  test('a memory of 0 pages, one of 65,536, a 64-bit one', () => {
    expect(readModule(wat('(module (memory 0))')).memories).toEqual([memory(0)]);
    expect(readModule(wat('(module (memory 65536))')).memories).toEqual([memory(65_536)]);
    const [wide] = readModule(wat('(module (memory i64 1 2))')).memories;
    expect(wide).toEqual(memory(1, { maximum: 2, index64: true }));
  });

  test('an export named memory that is a function', () => {
    const info = readModule(wat('(module (func (export "memory")))'));
    expect(info.exports).toMatchObject([{ name: 'memory', kind: 'function' }]);
  });

  test('no memory at all', () => {
    expect(readModule(wat('(module (func (export "_start")))')).memories).toEqual([]);
  });
});

describe('numbers are read strictly', () => {
  const memories = (limits: readonly number[]): Uint8Array => module(section(5, [1, ...limits]));

  test('padding to five bytes is allowed, as linkers write it', () => {
    const info = readModule(memories([0, 0x81, 0x80, 0x80, 0x80, 0x00]));
    expect(info.memories).toEqual([memory(1)]);
  });

  test.each([
    ['six bytes', [0, 0x81, 0x80, 0x80, 0x80, 0x80, 0x00]],
    ['more than 32 bits', [0, 0xff, 0xff, 0xff, 0xff, 0x1f]],
  ])('%s are refused', (_, limits) => {
    expect(refusal(memories(limits)).message).toBe(
      'guest.wasm is malformed at byte 17: a number takes more than 32 bits; ' +
        'build or copy the file again',
    );
  });

  test('the largest number of 32 bits is not taken for a negative one', () => {
    const info = readModule(memories([0, 0xff, 0xff, 0xff, 0xff, 0x0f]));
    expect(info.memories).toEqual([memory(2 ** 32 - 1)]);
  });

  test('a 64-bit limit of ten bytes is read, of eleven refused', () => {
    const nine = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
    expect(readModule(memories([4, ...nine, 0x01])).memories[0]?.initial).toBe(2 ** 64);
    expect(refusal(memories([4, ...nine, 0x81, 0])).code).toBe('ERR_SANDPOLL_MALFORMED');
  });
});

describe('a file that lies about itself', () => {
  const types = typeSection(functionType([], []));
  const cases: readonly (readonly [string, Uint8Array, string])[] = [
    ['a section longer than the file', module([1, 5, 0]), 'it ends too early'],
    ['four billion types', module(section(1, [...leb(2 ** 32 - 1)])), 'do not fit in it'],
    ['four billion imports', module(section(2, leb(2 ** 32 - 1))), 'do not fit in it'],
    ['a name longer than the section', module(section(0, [0x7f, 0x61])), 'it ends too early'],
    ['a name that is not UTF-8', module(section(0, [1, 0xff])), 'a name is not UTF-8'],
    ['a section twice', module(types, types), 'section 1 stands twice or in the wrong place'],
    ['sections out of order', module(section(5, [0]), types), 'stands twice or in the wrong'],
    ['bytes left in a section', module(section(5, [0, 0])), 'longer than what is in it'],
    ['a function of no type', module(types, section(3, [1, 7])), 'there is no type 7'],
    ['functions without bodies', module(types, section(3, [1, 0])), 'bodies differ'],
    ['an export of no function', module(section(7, [1, 1, 97, 0, 5])), 'no function 5'],
    ['an import of no kind', module(section(2, [1, 0, 0, 9, 0])), '9 is no kind of import'],
    ['a maximum below the initial', module(section(5, [1, 1, 5, 4])), 'maximum 4 is below'],
    ['a shared memory without a maximum', module(section(5, [1, 2, 1])), 'without a maximum'],
    ['unknown limits flags', module(section(5, [1, 8, 1])), '0x8 is no limits flag'],
    ['a global neither fixed nor mutable', module(section(2, [1, 0, 0, 3, I32, 2])), 'mutability'],
    ['no value type', module(section(1, [1, 0x60, 1, 1, 0])), '0x1 is no value type'],
    ['no function type', module(section(1, [1, 0x33, 0, 0])), '0x33 is no function type'],
    ['a tag that is no exception', module(types, section(13, [1, 1, 0])), 'no exception'],
  ];

  test.each(cases)('%s', (_, bytes, message) => {
    const error = refusal(bytes);
    expect(error.code).toBe('ERR_SANDPOLL_MALFORMED');
    expect(error.message).toContain(message);
    expect(error.message).toMatch(/^guest\.wasm is malformed at byte \d+: .*; build or copy/);
  });

  test.each([
    ['a section from the future', module(section(99, [])), 'a section of unknown kind 99'],
    ['garbage-collected types', module(section(1, [1, 0x5f, 0])), 'garbage collection'],
    ['typed references', module(section(1, [1, 0x60, 1, 0x63, 0, 0])), 'typed references'],
    ['1,001 parameters', module(typeSection(functionType(Array(1001).fill(I64), []))), '1001'],
    ['a table with a value', module(section(4, [1, 0x40, 0, 0x70, 0, 1])), 'initial expression'],
    [
      'a name of 100,001 bytes',
      module(section(0, text('n'.repeat(100_001)))),
      'a name of 100001 bytes',
    ],
    [
      '10,001 custom sections',
      module(...Array.from({ length: 10_001 }, () => section(0, text('x')))),
      'more than 10000 custom sections',
    ],
  ])('%s: not malformed, but not to be run', (_, bytes, message) => {
    const error = refusal(bytes);
    expect(error.code).toBe('ERR_SANDPOLL_ADMISSION');
    expect(error.message).toContain(message);
    expect(error.message).toMatch(/^guest\.wasm is refused: it /);
  });

  test('every cut of a module is refused or read, never more', () => {
    const whole = wat(`(module (import "a" "b" (func (param i32))) (memory (export "m") 1)
      (func (export "f") (result i32) (i32.const 7)) (data (i32.const 0) "abc"))`);
    for (let length = 0; length < whole.length; length++) {
      const cut = whole.subarray(0, length);
      try {
        readModule(cut);
      } catch (error) {
        expect(error).toBeInstanceOf(ModuleError);
      }
    }
    expect(readModule(whole).functionCount).toBe(1);
  });
});
