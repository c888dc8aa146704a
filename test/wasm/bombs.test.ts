/**
 * B79: modules that are small or valid and would take very long to compile or instantiate. Each
 * is refused; that this is quick follows from how it is done, in one pass over the bytes.
 */
import { describe, expect, test } from 'vitest';

import { admit } from '#host/wasm/admit.js';
import { ModuleError } from '#host/wasm/bytes.js';
import {
  type Bytes,
  FUNCREF,
  I32,
  body,
  cat,
  functionType,
  leb,
  module,
  oneFunction,
  repeat,
  repeated,
  section,
  text,
  typeSection,
  vector,
} from './build.js';

const BLOCK: Bytes = [0x02, 0x40];
const LOOP: Bytes = [0x03, 0x40];
const END: Bytes = [0x0b];
const GET: Bytes = [0x20, 0];
const DROP: Bytes = [0x1a];
const IF: Bytes = [0x20, 0, 0x04, 0x40, 0x0b];

const nothing = functionType([], []);

/** `count` functions with the same body. */
const functions = (count: number, one: Bytes): Uint8Array =>
  module(typeSection(nothing), section(3, repeated(count, [0])), section(10, repeated(count, one)));

/** Types that differ in their last parameters only. */
const distinctTypes = (count: number): Uint8Array =>
  typeSection(
    ...Array.from({ length: count }, (_, i) =>
      functionType(
        Array.from({ length: 14 }, (_type, bit) => I32 - ((i >> bit) & 1)),
        [],
      ),
    ),
  );

const thousand = Array<number>(1000).fill(I32);

const bombs: readonly (readonly [string, () => Uint8Array, string])[] = [
  [
    '10,000 locals under 1,001 ifs',
    () => oneFunction(10_000, repeat(1001, IF)),
    'takes too long to compile',
  ],
  ['50,000 locals', () => oneFunction(50_000, []), 'has 50000 locals or more'],
  [
    'four billion locals in six bytes',
    () => oneFunction(2 ** 32 - 1, []),
    'has 4294967295 locals or more',
  ],
  [
    'locals in many groups',
    () => {
      const content = cat(repeated(20_000, [1, I32]), END);
      const code = section(10, vector([cat(leb(content.length), content)]));
      return module(typeSection(nothing), section(3, [1, 0]), code);
    },
    'has 10001 locals or more',
  ],
  [
    'ten thousand operands under ten thousand ifs',
    () => oneFunction(1, cat(repeat(10_000, GET), repeat(10_000, IF), repeat(10_000, DROP))),
    'keeps too many operands',
  ],
  [
    'operands by the thousand from calls of two bytes',
    () => {
      const types = typeSection(functionType([], thousand), nothing);
      const code = cat(repeat(100, [0x10, 0]), [0x0f]);
      const bodies = section(10, vector([body(0, [0x00]), body(0, code)]));
      return module(types, section(3, [2, 0, 1]), bodies);
    },
    'keeps too many operands',
  ],
  [
    'calls that pass a thousand values',
    () => {
      const types = typeSection(functionType(thousand, thousand));
      const code = cat(...thousand.map((_, i) => cat([0x20], leb(i))), repeat(1000, [0x10, 0]));
      return module(types, section(3, [1, 0]), section(10, vector([body(0, code)])));
    },
    'takes too long to compile',
  ],
  [
    'a br_table of a million entries',
    () => oneFunction(0, cat([0x41, 0, 0x0e], leb(1_000_000), repeat(1_000_001, [0]))),
    'has a br_table of 1000000 targets',
  ],
  [
    'a br_table of 60,000 entries over 1,000 locals',
    () => oneFunction(1000, cat(GET, [0x0e], leb(60_000), repeat(60_001, [0]))),
    'takes too long to compile',
  ],
  [
    'a hundred thousand blocks inside one another',
    () => oneFunction(0, cat(repeat(100_000, BLOCK), repeat(100_000, END))),
    'nests too many blocks',
  ],
  [
    'loops inside one another, each scanned once for each around it',
    () => oneFunction(0, cat(repeat(9000, LOOP), repeat(9000, END))),
    'takes too long to compile',
  ],
  [
    '36,000 ifs in a loop',
    () => oneFunction(1, cat(LOOP, repeat(36_000, IF), END)),
    'has too many blocks',
  ],
  [
    'a body of two megabytes',
    () => oneFunction(0, repeat(2_000_000, [0x01])),
    'takes 2000002 bytes',
  ],
  ['100,001 functions', () => functions(100_001, body(0, [])), 'it has 100001 functions'],
  [
    'functions that each have many locals',
    () => functions(60_000, body(10_000, [])),
    'its functions together take too long to compile',
  ],
  [
    '100,000 tables',
    () => module(section(4, repeated(100_000, [FUNCREF, 0, 1]))),
    'it has 100000 tables',
  ],
  [
    'a table of ten million entries',
    () => module(section(4, cat([1, FUNCREF, 0], leb(10_000_000)))),
    'it has 10000000 entries in a table',
  ],
  ['types to be compared', () => module(distinctTypes(8000)), 'it has 8000 types'],
  [
    'types of a thousand parameters',
    () => module(typeSection(...Array.from({ length: 30 }, () => functionType(thousand, [])))),
    'it has 30000 parameters and results in its types',
  ],
  [
    '100,001 data segments',
    () => module(section(5, [1, 0, 1]), section(11, repeated(100_001, [1, 0]))),
    'it has 100001 data segments',
  ],
  [
    'a giant data segment',
    () => module(section(5, [1, 0, 1]), section(11, cat([1, 1], leb(65 << 20), zeros(65 << 20)))),
    'bytes; the limit is 67108864',
  ],
  [
    'more than a million elements',
    () => module(section(9, cat([1, 1, 0], repeated(1_000_001, [0])))),
    'it has 1000001 elements',
  ],
  [
    '10,001 element segments',
    () => module(section(9, repeated(10_001, [1, 0, 0]))),
    'it has 10001 element segments',
  ],
  [
    '10,001 imports',
    () => module(typeSection(nothing), section(2, repeated(10_001, [1, 97, 1, 98, 0, 0]))),
    'it has 10001 imports',
  ],
  [
    '100,001 exports',
    () => module(section(7, repeated(100_001, cat(text('x'), [2, 0])))),
    'it has 100001 exports',
  ],
  [
    'a memory of 4 GiB',
    () => module(section(5, cat([1, 0], leb(65_536)))),
    'its memory starts with 4096MiB',
  ],
];

function zeros(count: number): Uint8Array {
  return new Uint8Array(count);
}

describe('B79: compile bombs', () => {
  test.each(bombs)('%s', (_, make, message) => {
    let error: unknown;
    try {
      admit(make(), undefined, 'bomb.wasm');
    } catch (thrown) {
      error = thrown;
    }
    if (!(error instanceof ModuleError)) throw new Error('it was admitted', { cause: error });
    expect(error.code).toBe('ERR_SANDPOLL_ADMISSION');
    expect(error.message).toContain(message);
    expect(error.message).toMatch(/^bomb\.wasm is refused: .*[;:].*/);
  });

  test('what real programs have passes: a switch of 5,000 cases, a body of 200 kB', () => {
    const cases = 5000;
    const dispatch = cat(
      repeat(cases, BLOCK),
      GET,
      [0x0e],
      leb(cases - 1),
      ...Array.from({ length: cases }, (_, i) => leb(i)),
      repeat(cases, END),
    );
    const long = repeat(50_000, [...GET, 0x21, 0]);
    expect(() => admit(oneFunction(20, cat(dispatch, long)))).not.toThrow();
  });
});
