import { describe, expect, test } from 'vitest';

import { type Admission, admit } from '#host/wasm/admit.js';
import { ModuleError } from '#host/wasm/bytes.js';
import { type AdmissionLimits, DEFAULT_ADMISSION_LIMITS } from '#host/wasm/limits.js';
import { readModule } from '#host/wasm/reader.js';
import {
  body,
  cat,
  module,
  oneFunction,
  repeat,
  section,
  text,
  typeSection,
  vector,
} from './build.js';
import { wat } from './wat.js';

const MIB = 1024 * 1024;

const limited = (limits: Partial<AdmissionLimits>): AdmissionLimits => ({
  ...DEFAULT_ADMISSION_LIMITS,
  ...limits,
});

function compiled({ bytes }: Admission): WebAssembly.Module {
  return new WebAssembly.Module(bytes as Uint8Array<ArrayBuffer>);
}

function refusal(bytes: Uint8Array, limits = DEFAULT_ADMISSION_LIMITS): ModuleError {
  try {
    admit(bytes, limits, 'guest.wasm');
  } catch (error) {
    if (error instanceof ModuleError) return error;
    throw error;
  }
  throw new Error('the module was admitted');
}

describe('maxima are the host’s', () => {
  const limits = limited({ memoryBytes: 4 * MIB, tableEntries: 100 });

  test('a memory without a maximum cannot grow beyond the cap', () => {
    const admission = admit(wat('(module (memory (export "memory") 1))'), limits);
    expect(admission.info.memories).toMatchObject([{ initial: 1, maximum: 64 }]);
    const { memory } = new WebAssembly.Instance(compiled(admission)).exports;
    if (!(memory instanceof WebAssembly.Memory)) throw new Error('no memory');
    expect(memory.grow(63)).toBe(1);
    expect(() => memory.grow(1)).toThrow(RangeError);
  });

  test.each([
    ['above the cap is lowered', 65_536, 64],
    ['below it stays', 5, 5],
  ])('a memory’s maximum %s', (_, declared, maximum) => {
    const { bytes, info } = admit(wat(`(module (memory 1 ${declared}))`), limits);
    expect(info.memories).toMatchObject([{ maximum }]);
    expect(readModule(bytes).memories).toEqual(info.memories);
  });

  test('a shared memory stays shared', () => {
    const admission = admit(wat('(module (memory 1 1000 shared))'), limits);
    expect(readModule(admission.bytes).memories).toMatchObject([{ maximum: 64, shared: true }]);
    expect(() => compiled(admission)).not.toThrow();
  });

  test('tables too, each by itself', () => {
    const source = '(module (table 1 funcref) (table 2 7 externref) (table 3 900 funcref))';
    const admission = admit(wat(source), limits);
    expect(readModule(admission.bytes).tables).toMatchObject([
      { element: 'funcref', initial: 1, maximum: 100 },
      { element: 'externref', initial: 2, maximum: 7 },
      { element: 'funcref', initial: 3, maximum: 100 },
    ]);
    expect(() => compiled(admission)).not.toThrow();
  });

  test('imported ones are told, for the host to make them so', () => {
    const bytes = wat(
      '(module (import "env" "m" (memory 2)) (import "env" "t" (table 1 funcref)))',
    );
    const admission = admit(bytes, limits);
    expect(admission.bytes).toBe(bytes);
    expect(admission.info.imports).toMatchObject([
      { memory: { initial: 2, maximum: 64 } },
      { table: { initial: 1, maximum: 100 } },
    ]);
  });

  test('a module that has fitting maxima is not copied', () => {
    const bytes = wat('(module (memory 1 2) (table 1 1 funcref) (func))');
    expect(admit(bytes, limits)).toMatchObject({ codeShift: 0 });
    expect(admit(bytes, limits).bytes).toBe(bytes);
  });

  test('by how much the code moved is told, for source maps', () => {
    const bytes = wat('(module (memory 1) (table 1 funcref) (func (export "f") unreachable))');
    const admission = admit(bytes, limits);
    expect(admission.codeShift).toBeGreaterThan(0);
    const { f } = new WebAssembly.Instance(compiled(admission)).exports;
    let stack = '';
    try {
      (f as () => void)();
    } catch (error) {
      stack = String((error as Error).stack);
    }
    const offset = parseInt(/wasm-function\[0\]:0x([0-9a-f]+)/.exec(stack)?.[1] ?? '', 16);
    // The instruction and its function's end, as they stand in what was given.
    const written = Buffer.from(bytes).lastIndexOf(Buffer.from([0x00, 0x0b]));
    expect(offset - admission.codeShift).toBe(written);
  });

  test('what stands around the sections that change is kept to the byte', () => {
    const custom = section(0, cat(text('x'), [1, 2, 3]));
    const types = typeSection([0x60, 0, 0]);
    const rest = cat(section(3, [1, 0]), custom);
    const code = cat(section(10, vector([body(0, [0x01])])), custom);
    const given = module(custom, types, rest, section(5, [1, 0, 1]), code);
    const { bytes } = admit(given, limits);
    expect([...bytes]).toEqual([...module(custom, types, rest, section(5, [1, 1, 1, 64]), code)]);
  });
});

describe('memories that are refused', () => {
  test('more at the start than --max-memory allows', () => {
    const error = refusal(wat('(module (memory 272))'), limited({ memoryBytes: 16 * MIB }));
    expect(error.code).toBe('ERR_SANDPOLL_ADMISSION');
    expect(error.message).toBe(
      'guest.wasm is refused: its memory starts with 17MiB; give --max-memory 17MiB or more',
    );
  });

  test('--max-memory below one page', () => {
    const error = refusal(wat('(module (memory 1))'), limited({ memoryBytes: 1 }));
    expect(error.message).toContain('starts with 64KiB; give --max-memory 64KiB or more');
    expect(admit(wat('(module (memory 0))'), limited({ memoryBytes: 1 })).info.memories).toEqual([
      { initial: 0, maximum: 0, shared: false, index64: false },
    ]);
  });

  test('an imported one as well', () => {
    const bytes = wat('(module (import "env" "memory" (memory 100)))');
    expect(refusal(bytes, limited({ memoryBytes: MIB })).message).toContain('6400KiB or more');
  });

  test('B16: two memories, own or imported', () => {
    const message = 'guest.wasm is refused: it has 2 memories; build it with one (no multi-memory)';
    expect(refusal(wat('(module (memory 1) (memory 1))')).message).toBe(message);
    const imported = '(module (import "a" "b" (memory 1)) (memory 1))';
    expect(refusal(wat(imported)).message).toBe(message);
  });

  test('64-bit ones', () => {
    expect(refusal(wat('(module (memory i64 1))')).message).toBe(
      'guest.wasm is refused: its memory is 64-bit; build it for wasm32',
    );
  });
});

describe('code', () => {
  const valid = (bytes: Uint8Array): boolean =>
    WebAssembly.validate(bytes as Uint8Array<ArrayBuffer>);

  test('every kind of block, branch and call is followed', () => {
    const bytes = wat(`(module
      (type $pair (func (param i32 i32) (result i32 i32)))
      (tag $oops (param i32 i64))
      (table 1 funcref) (elem (i32.const 0) $swap)
      (func $swap (type $pair) (local.get 1) (local.get 0))
      (func $tail (type $pair)
        (return_call $swap (local.get 0) (local.get 1)))
      (func $far (type $pair)
        (return_call_indirect (type $pair) (local.get 0) (local.get 1) (i32.const 0)))
      (func (export "f") (param i32) (result i32) (local i64)
        (loop $again
          (br_if $again (local.get 0))
          (if (local.get 0) (then (br $again)) (else (nop))))
        (try (result i32)
          (do (throw $oops (i32.const 1) (i64.const 2)))
          (catch $oops (local.set 1))
          (catch_all (rethrow 0)))
        (try (do (nop)) (delegate 0))
        (local.get 0)
        (call_indirect (type $pair) (i32.const 0))
        (if (type $pair) (i32.const 1) (then (call $swap)) (else (drop) (i32.const 2)))
        (drop)
        (block $b (param i32) (result i32)
          (block $a (param i32) (result i32)
            (br_table $a $b $a (i32.const 3)))
          (drop) (i32.const 1) (return) (unreachable))))`);
    expect(valid(bytes)).toBe(true);
    expect(() => admit(bytes)).not.toThrow();
  });

  test.each([
    ['(call $oops)', false],
    ['(throw $tag)', false],
    ['(try (do (call $oops)))', false],
    ['(try (do (try (do (call $oops)) (delegate 0))) (catch $tag))', true],
    ['(try (do (call $oops)) (catch_all))', true],
  ])('that it catches exceptions is told: %s', (code, catches) => {
    const bytes = wat(`(module (tag $tag) (func $oops) (func ${code}))`);
    expect(admit(bytes).info.catches).toBe(catches);
  });

  test('exception handling in its new form', () => {
    // try_table with one clause, catch_all to the block around it.
    const code = [0x02, 0x40, 0x1f, 0x40, 1, 2, 0, 0x0b, 0x0b];
    expect(admit(oneFunction(0, code)).info.catches).toBe(true);
    const unknownClause = [0x02, 0x40, 0x1f, 0x40, 1, 4, 0, 0x0b, 0x0b];
    expect(refusal(oneFunction(0, unknownClause)).message).toContain('4 is no kind of catch');
  });

  test.each<[string, number[], string]>([
    ['a value left over', [0x41, 0], 'a block of function 0 leaves 1 values, not 0'],
    ['a value too few', [0x1a], 'leaves -1 values, not 0'],
    ['an arm left unbalanced', [0x41, 0, 0x04, 0x40, 0x41, 0, 0x05, 0x0b], 'leaves 1 values'],
    ['an end too many', [0x0b, 0x0b], 'function 0 goes on after its end'],
    ['a block without an end', [0x02, 0x40], 'it ends too early'],
    ['a call of nothing', [0x10, 9], 'there is no function 9 to call'],
    ['an indirect call of no type', [0x41, 0, 0x11, 9, 0], 'there is no type 9'],
    ['a catch of nothing', [0x06, 0x40, 0x07, 9, 0x0b], 'there is no tag 9'],
    ['a number too long', [0x41, 0x80, 0x80, 0x80, 0x80, 0x80, 0, 0x1a], 'more than 32 bits'],
    ['a number too large', [0x41, 0xff, 0xff, 0xff, 0xff, 0x4f, 0x1a], 'more than 32 bits'],
  ])('%s is malformed, to V8 as to us', (_, code, message) => {
    const bytes = oneFunction(0, code);
    expect(valid(bytes)).toBe(false);
    const error = refusal(bytes);
    expect(error.code).toBe('ERR_SANDPOLL_MALFORMED');
    expect(error.message).toContain(message);
  });

  test.each<[string, number[]]>([
    ['the least i32', [0x41, 0x80, 0x80, 0x80, 0x80, 0x78, 0x1a]],
    ['the greatest i32', [0x41, 0xff, 0xff, 0xff, 0xff, 0x07, 0x1a]],
    ['the least i64', [0x42, ...Array(9).fill(0x80), 0x7f, 0x1a]],
    ['code behind a branch, whose stack may hold anything', [0x00, 0x6a, 0x6a, 0x1a, 0x1a, 0x1a]],
    ['a block behind a branch', [0x0c, 0, 0x02, 0x7f, 0x41, 0, 0x0b, 0x1a]],
  ])('%s is valid, to V8 as to us', (_, code) => {
    const bytes = oneFunction(0, code);
    expect(valid(bytes)).toBe(true);
    expect(() => admit(bytes)).not.toThrow();
  });
});

describe('limits of one function', () => {
  const block: readonly number[] = [0x02, 0x40];
  const nested = (depth: number): Uint8Array =>
    oneFunction(0, cat(repeat(depth, block), repeat(depth, [0x0b])));

  test.each<[string, Partial<AdmissionLimits>, Uint8Array, Uint8Array, string]>([
    ['locals', { locals: 9 }, oneFunction(9, []), oneFunction(10, []), 'has 10 locals or more'],
    ['nesting', { nesting: 4 }, nested(4), nested(5), 'nests too many blocks'],
    ['blocks', { blocks: 4 }, nested(4), nested(5), 'has too many blocks'],
    [
      'operands',
      { stack: 2 },
      oneFunction(1, [0x20, 0, 0x20, 0, 0x6a, 0x1a]),
      oneFunction(1, [0x20, 0, 0x20, 0, 0x20, 0, 0x6a, 0x6a, 0x1a]),
      'keeps too many operands',
    ],
    [
      'br_table',
      { brTableTargets: 1 },
      oneFunction(0, [0x41, 0, 0x0e, 1, 0, 0]),
      oneFunction(0, [0x41, 0, 0x0e, 2, 0, 0, 0]),
      'has a br_table of 2 targets',
    ],
    [
      'bytes',
      { bodyBytes: 4 },
      oneFunction(0, [0x01, 0x01]),
      oneFunction(0, [0x01, 0x01, 0x01]),
      'takes 5 bytes',
    ],
    [
      'work',
      { functionWork: 20 },
      oneFunction(10, block.concat(0x0b)),
      oneFunction(10, [...block, 0x0b, ...block, 0x0b]),
      'takes too long to compile',
    ],
  ])('%s', (_, limits, within, beyond, message) => {
    expect(() => admit(within, limited(limits))).not.toThrow();
    const error = refusal(beyond, limited(limits));
    expect(error.code).toBe('ERR_SANDPOLL_ADMISSION');
    expect(error.message).toBe(
      `guest.wasm is refused: function 0 ${message}; the limit is ${Object.values(limits)[0]}, ` +
        'so split the function up',
    );
  });

  test('functions are counted as disassemblers do, imported ones first', () => {
    const bytes = wat('(module (import "a" "b" (func)) (func) (func (local i32 i32)))');
    expect(refusal(bytes, limited({ locals: 1 })).message).toContain('function 2 has 2 locals');
  });
});

describe('limits of the whole module', () => {
  const source = `(module
    (import "a" "b" (func (param i32 i32)))
    (table 3 funcref) (table 1 funcref)
    (func $f) (func (call $f))
    (elem (i32.const 0) $f $f) (elem (i32.const 2) funcref (ref.func $f))
    (memory 1) (data (i32.const 0) "a") (data (i32.const 1) "b"))`;

  test.each<[keyof AdmissionLimits, number, string]>([
    ['imports', 1, 'imports'],
    ['functions', 2, 'functions'],
    ['types', 2, 'types'],
    ['typeValues', 2, 'parameters and results in its types'],
    ['tables', 2, 'tables'],
    ['tableEntries', 3, 'entries in a table'],
    ['elementSegments', 2, 'element segments'],
    ['elements', 3, 'elements'],
    ['dataSegments', 2, 'data segments'],
  ])('%s', (limit, count, what) => {
    const bytes = wat(source);
    expect(() => admit(bytes, limited({ [limit]: count }))).not.toThrow();
    expect(refusal(bytes, limited({ [limit]: count - 1 })).message).toBe(
      `guest.wasm is refused: it has ${count} ${what}; ` +
        `the limit is ${count - 1}, so split it up`,
    );
  });

  test('moduleBytes', () => {
    const bytes = wat(source);
    expect(() => admit(bytes, limited({ moduleBytes: bytes.length }))).not.toThrow();
    expect(refusal(bytes, limited({ moduleBytes: 10 })).message).toContain(
      'bytes; the limit is 10',
    );
  });

  test('moduleWork: functions that are each small enough', () => {
    const bytes = wat('(module (func (local i32) block end) (func (local i32) block end))');
    expect(() => admit(bytes, limited({ moduleWork: 4 }))).not.toThrow();
    expect(refusal(bytes, limited({ moduleWork: 3 })).message).toBe(
      'guest.wasm is refused: its functions together take too long to compile; make them smaller',
    );
  });
});
