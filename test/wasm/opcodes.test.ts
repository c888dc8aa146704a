/** The table of instructions against the engine's: what V8 accepts is the truth. */
import { describe, expect, test } from 'vitest';

import { admit } from '#host/wasm/admit.js';
import * as op from '#host/wasm/opcodes.js';
import { type Bytes, FUNCREF, body, cat, leb, module, section, text, vector } from './build.js';

/** Pushes a value of each type: i32, i64, f32, f64, v128, funcref. */
const OPERANDS: readonly Bytes[] = [
  [0x41, 0],
  [0x42, 0],
  cat([0x43], new Uint8Array(4)),
  cat([0x44], new Uint8Array(8)),
  cat([0xfd, 0x0c], new Uint8Array(16)),
  [0xd0, FUNCREF],
];

const OPERANDS_MAX = 3;

/** With one of everything, each of index 0; the one function's body ends in nothing. */
function around(code: Bytes): Uint8Array {
  return module(
    section(1, [1, 0x60, 0, 0]),
    section(3, [1, 0]),
    section(4, [1, FUNCREF, 0, 1]),
    section(5, [1, 0, 1]),
    section(6, [1, 0x7f, 1, 0x41, 0, 0x0b]),
    section(7, vector([cat(text('f'), [0, 0])])),
    section(9, [1, 1, 0, 1, 0]),
    section(12, [1]),
    section(10, vector([body(1, code)])),
    section(11, [1, 1, 1, 0]),
  );
}

/** Forms of what follows an opcode; alignments are tried, since each access has its own. */
function immediates(kind: number): readonly Bytes[] {
  const memory = [0, 1, 2, 3, 4].map((align) => [align, 0]);
  if (kind > op.BYTES) return [new Uint8Array(kind - op.BYTES)];
  switch (kind) {
    case op.NONE:
      return [[]];
    case op.INDEX:
      return [[0], [FUNCREF]];
    case op.INDEX_TWICE:
      return [[0, 0]];
    case op.MEMORY:
      return memory;
    case op.MEMORY_LANE:
      return memory.map((access) => [...access, 0]);
    case op.SELECT_TYPES:
      return [[1, 0x7f]];
    default:
      return [cat([0])];
  }
}

/** All ways to push `count` operands. */
function operandLists(count: number): Bytes[] {
  if (count === 0) return [[]];
  return operandLists(count - 1).flatMap((list) => OPERANDS.map((operand) => cat(list, operand)));
}

const OPERAND_LISTS = Array.from({ length: OPERANDS_MAX + 1 }, (_, n) => operandLists(n)).flat();

/** A valid function that has the instruction in it, or nothing if V8 knows of none. */
function validUse(opcode: Bytes, kind: number): Uint8Array | undefined {
  for (const operands of OPERAND_LISTS) {
    for (const immediate of immediates(kind)) {
      for (const drop of [[], [0x1a]]) {
        const bytes = around(cat(operands, opcode, immediate, drop));
        if (WebAssembly.validate(bytes as Uint8Array<ArrayBuffer>)) return bytes;
      }
    }
  }
  return undefined;
}

interface Named {
  readonly name: string;
  readonly opcode: Bytes;
  readonly kind: number;
}

function instructions(): Named[] {
  const named = (prefix: Bytes, { immediates: kinds }: op.OpcodeTable): Named[] =>
    Array.from(kinds, (kind, code) => ({
      name: Buffer.from(cat(prefix, [code >> 8, code])).toString('hex'),
      opcode: cat(prefix, prefix.length === 0 ? [code] : leb(code)),
      kind,
    }));
  const prefixed = Object.entries(op.PREFIXED_OPCODES).flatMap(([prefix, table]) =>
    named([Number(prefix)], table),
  );
  return [...named([], op.PLAIN_OPCODES), ...prefixed].filter(
    ({ kind }) => kind !== op.CONTROL && kind !== op.PREFIX,
  );
}

/** Relaxed SIMD came to V8 11.4: after Node 20. */
const NEWER = /^fd01/;

describe('the table of instructions agrees with V8', () => {
  test('each known instruction moves the stack as V8 says', () => {
    const known = instructions().filter(({ kind }) => kind !== op.UNKNOWN);
    const wrong: string[] = [];
    for (const { name, opcode, kind } of known) {
      const bytes = validUse(opcode, kind);
      if (bytes === undefined) {
        if (!NEWER.test(name)) wrong.push(`${name}: V8 knows no use of it`);
        continue;
      }
      try {
        admit(bytes);
      } catch (error) {
        wrong.push(`${name}: ${(error as Error).message}`);
      }
    }
    expect(wrong).toEqual([]);
    expect(known.length).toBeGreaterThan(480);
  });

  test('no instruction that V8 runs by default is unknown, but for garbage collection', () => {
    const unknown = instructions().filter(({ kind }) => kind === op.UNKNOWN);
    const missed = unknown.filter(({ opcode, name }) => {
      if (/^00d[3-6]$/.test(name)) return false;
      return [op.NONE, op.INDEX].some((kind) => validUse(opcode, kind) !== undefined);
    });
    expect(missed.map(({ name }) => name)).toEqual([]);
    expect(unknown.length).toBeGreaterThan(50);
  });

  test('an unknown instruction is named', () => {
    expect(() => admit(around([0xfb, 0x00]), undefined, 'gc.wasm')).toThrow(
      'gc.wasm is refused: function 0 has the unknown instruction 0xfb; ' +
        'build it without experimental features',
    );
    expect(() => admit(around([0xfd, 0x9a, 0x01]))).toThrow('unknown instruction 0xfd09a;');
  });
});
