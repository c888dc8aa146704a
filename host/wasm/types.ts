/** The types of a module: values, functions, limits. */
import type { Cursor } from './bytes.js';

export type ValueType = 'i32' | 'i64' | 'f32' | 'f64' | 'v128' | 'funcref' | 'externref' | 'exnref';

const VALUE_TYPES: Readonly<Record<number, ValueType>> = {
  0x7f: 'i32',
  0x7e: 'i64',
  0x7d: 'f32',
  0x7c: 'f64',
  0x7b: 'v128',
  0x70: 'funcref',
  0x6f: 'externref',
  0x69: 'exnref',
};

export interface FunctionType {
  readonly params: readonly ValueType[];
  readonly results: readonly ValueType[];
}

/** Limits of a memory, in pages of 64 KiB, or of a table, in entries. */
export interface Limits {
  readonly initial: number;
  /** Absent: as much as the engine allows. */
  readonly maximum?: number;
  readonly shared: boolean;
  /** Addresses are 64 bits wide (memory64). */
  readonly index64: boolean;
}

export interface TableType extends Limits {
  readonly element: ValueType;
}

/** Parameters and results beyond this are refused, each: the limit of JavaScript engines. */
const ARITY_MAX = 1000;

const LIMIT_MAXIMUM = 1;
const LIMIT_SHARED = 2;
const LIMIT_INDEX64 = 4;

const FUNCTION_FORM = 0x60;

/** Forms of type that only garbage collection uses: sub, sub final, rec, array, struct. */
const GC_FORMS: ReadonlySet<number> = new Set([0x4e, 0x4f, 0x50, 0x5e, 0x5f]);

/** The byte that stands for a value type. */
export function valueTypeByte(type: ValueType): number {
  return Number(Object.keys(VALUE_TYPES).find((byte) => VALUE_TYPES[Number(byte)] === type));
}

/** Reads one value type. */
export function readValueType(cursor: Cursor): ValueType {
  const byte = cursor.byte();
  const type = VALUE_TYPES[byte];
  if (type !== undefined) return type;
  if (byte >= 0x63 && byte <= 0x78) {
    cursor.refuse('it uses garbage collection or typed references; build it without them');
  }
  return cursor.malformed(`0x${byte.toString(16)} is no value type`);
}

/** Reads `limits`: a flags byte, the initial size, and the maximum if the flags say so. */
export function readLimits(cursor: Cursor): Limits {
  const flags = cursor.byte();
  if (flags > (LIMIT_MAXIMUM | LIMIT_SHARED | LIMIT_INDEX64)) {
    cursor.malformed(`0x${flags.toString(16)} is no limits flag`);
  }
  const index64 = (flags & LIMIT_INDEX64) !== 0;
  const shared = (flags & LIMIT_SHARED) !== 0;
  const initial = index64 ? cursor.u64() : cursor.u32();
  if ((flags & LIMIT_MAXIMUM) === 0) {
    if (shared) cursor.malformed('it is shared without a maximum');
    return { initial, shared, index64 };
  }
  const maximum = index64 ? cursor.u64() : cursor.u32();
  if (maximum < initial) cursor.malformed(`maximum ${maximum} is below initial ${initial}`);
  return { initial, maximum, shared, index64 };
}

/** Reads the type of a table. */
export function readTableType(cursor: Cursor): TableType {
  if (cursor.bytes[cursor.at] === 0x40) {
    cursor.refuse('it has a table with an initial expression; build it without typed references');
  }
  const element = readValueType(cursor);
  return { element, ...readLimits(cursor) };
}

/** The type section: arities are at hand, types themselves are decoded when asked for. */
export class TypeTable {
  readonly length: number;
  readonly paramCounts: Uint16Array;
  readonly resultCounts: Uint16Array;
  private readonly offsets: Uint32Array;
  private readonly source: Cursor;

  /** Reads `count` function types at the cursor. */
  constructor(cursor: Cursor, count: number) {
    this.length = count;
    this.source = cursor;
    this.offsets = new Uint32Array(count);
    this.paramCounts = new Uint16Array(count);
    this.resultCounts = new Uint16Array(count);
    for (let i = 0; i < count; i++) {
      this.offsets[i] = cursor.at;
      const form = cursor.byte();
      if (GC_FORMS.has(form)) {
        cursor.refuse('it uses garbage collection; build it for linear memory');
      }
      if (form !== FUNCTION_FORM) cursor.malformed(`0x${form.toString(16)} is no function type`);
      this.paramCounts[i] = skipValueTypes(cursor, 'parameters');
      this.resultCounts[i] = skipValueTypes(cursor, 'results');
    }
  }

  /** Decodes type `index`, which the caller has checked. */
  functionType(index: number): FunctionType {
    const { source } = this;
    const { at, end } = source;
    source.at = this.offsets[index] + 1;
    source.end = source.bytes.length;
    const type = { params: readValueTypes(source), results: readValueTypes(source) };
    source.at = at;
    source.end = end;
    return type;
  }
}

function skipValueTypes(cursor: Cursor, what: string): number {
  const count = cursor.count(what, 1, ARITY_MAX);
  for (let i = 0; i < count; i++) readValueType(cursor);
  return count;
}

function readValueTypes(cursor: Cursor): ValueType[] {
  return Array.from({ length: cursor.u32() }, () => readValueType(cursor));
}
