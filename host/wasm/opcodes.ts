/**
 * Every instruction that is admitted: what follows its opcode, and how the operand stack grows.
 *
 * Covered: the first version, sign extension, saturating conversion, bulk memory, reference
 * types, multi-value, SIMD, relaxed SIMD, threads, tail calls, exception handling old and new.
 * Opcodes: https://webassembly.github.io/spec/core/appendix/index-instructions.html
 */

/** What follows an opcode. */
export type Immediate = number;

/** Not an instruction that we know. */
export const UNKNOWN = 0;
/** Nothing follows. */
export const NONE = 1;
/** One index. */
export const INDEX = 2;
/** Two indices. */
export const INDEX_TWICE = 3;
/** Alignment and offset of an access to memory. */
export const MEMORY = 4;
/** The same, and a lane. */
export const MEMORY_LANE = 5;
/** A signed number of 32 bits. */
export const INT32 = 6;
/** A signed number of 64 bits. */
export const INT64 = 7;
/** So many bytes: `BYTES + n`, with n up to 16. */
export const BYTES = 16;
/** Types of a select. */
export const SELECT_TYPES = 8;
/** A further opcode, as LEB128. */
export const PREFIX = 9;
/** Changes the flow of control: the walker treats each by itself. */
export const CONTROL = 10;

/** From opcode, to opcode, what follows, how much higher the stack is after it. */
type Row = readonly [from: number, to: number, immediate: Immediate, delta: number];

const PLAIN_ROWS: readonly Row[] = [
  [0x00, 0x00, CONTROL, 0], // unreachable
  [0x01, 0x01, NONE, 0], // nop
  [0x02, 0x03, CONTROL, 0], // block, loop
  [0x04, 0x04, CONTROL, -1], // if
  [0x05, 0x09, CONTROL, 0], // else, try, catch, throw, rethrow
  [0x0a, 0x0a, CONTROL, -1], // throw_ref
  [0x0b, 0x0c, CONTROL, 0], // end, br
  [0x0d, 0x0e, CONTROL, -1], // br_if, br_table
  [0x0f, 0x10, CONTROL, 0], // return, call
  [0x11, 0x11, CONTROL, -1], // call_indirect
  [0x12, 0x12, CONTROL, 0], // return_call
  [0x13, 0x13, CONTROL, -1], // return_call_indirect
  [0x18, 0x19, CONTROL, 0], // delegate, catch_all
  [0x1a, 0x1a, NONE, -1], // drop
  [0x1b, 0x1b, NONE, -2], // select
  [0x1c, 0x1c, SELECT_TYPES, -2], // select of given type
  [0x1f, 0x1f, CONTROL, 0], // try_table
  [0x20, 0x20, INDEX, 1], // local.get
  [0x21, 0x21, INDEX, -1], // local.set
  [0x22, 0x22, INDEX, 0], // local.tee
  [0x23, 0x23, INDEX, 1], // global.get
  [0x24, 0x24, INDEX, -1], // global.set
  [0x25, 0x25, INDEX, 0], // table.get
  [0x26, 0x26, INDEX, -2], // table.set
  [0x28, 0x35, MEMORY, 0], // loads
  [0x36, 0x3e, MEMORY, -2], // stores
  [0x3f, 0x3f, INDEX, 1], // memory.size
  [0x40, 0x40, INDEX, 0], // memory.grow
  [0x41, 0x41, INT32, 1], // i32.const
  [0x42, 0x42, INT64, 1], // i64.const
  [0x43, 0x43, BYTES + 4, 1], // f32.const
  [0x44, 0x44, BYTES + 8, 1], // f64.const
  [0x45, 0x45, NONE, 0], // i32.eqz
  [0x46, 0x4f, NONE, -1], // comparisons of i32
  [0x50, 0x50, NONE, 0], // i64.eqz
  [0x51, 0x66, NONE, -1], // comparisons of i64, f32, f64
  [0x67, 0x69, NONE, 0], // i32: clz, ctz, popcnt
  [0x6a, 0x78, NONE, -1], // i32: two operands
  [0x79, 0x7b, NONE, 0], // i64: clz, ctz, popcnt
  [0x7c, 0x8a, NONE, -1], // i64: two operands
  [0x8b, 0x91, NONE, 0], // f32: one operand
  [0x92, 0x98, NONE, -1], // f32: two operands
  [0x99, 0x9f, NONE, 0], // f64: one operand
  [0xa0, 0xa6, NONE, -1], // f64: two operands
  [0xa7, 0xc4, NONE, 0], // conversions, sign extensions
  [0xd0, 0xd0, INDEX, 1], // ref.null
  [0xd1, 0xd1, NONE, 0], // ref.is_null
  [0xd2, 0xd2, INDEX, 1], // ref.func
  [0xfc, 0xfe, PREFIX, 0],
];

/** Prefix 0xfc: saturating conversions, bulk memory, tables. */
const BULK_ROWS: readonly Row[] = [
  [0x00, 0x07, NONE, 0], // trunc_sat
  [0x08, 0x08, INDEX_TWICE, -3], // memory.init
  [0x09, 0x09, INDEX, 0], // data.drop
  [0x0a, 0x0a, INDEX_TWICE, -3], // memory.copy
  [0x0b, 0x0b, INDEX, -3], // memory.fill
  [0x0c, 0x0c, INDEX_TWICE, -3], // table.init
  [0x0d, 0x0d, INDEX, 0], // elem.drop
  [0x0e, 0x0e, INDEX_TWICE, -3], // table.copy
  [0x0f, 0x0f, INDEX, -1], // table.grow
  [0x10, 0x10, INDEX, 1], // table.size
  [0x11, 0x11, INDEX, -3], // table.fill
];

/** Prefix 0xfd: SIMD. */
const SIMD_ROWS: readonly Row[] = [
  [0x00, 0x0a, MEMORY, 0], // loads
  [0x0b, 0x0b, MEMORY, -2], // v128.store
  [0x0c, 0x0c, BYTES + 16, 1], // v128.const
  [0x0d, 0x0d, BYTES + 16, -1], // i8x16.shuffle
  [0x0e, 0x0e, NONE, -1], // i8x16.swizzle
  [0x0f, 0x14, NONE, 0], // splats
  [0x15, 0x16, BYTES + 1, 0], // i8x16.extract_lane
  [0x17, 0x17, BYTES + 1, -1], // i8x16.replace_lane
  [0x18, 0x19, BYTES + 1, 0], // i16x8.extract_lane
  [0x1a, 0x1a, BYTES + 1, -1], // i16x8.replace_lane
  [0x1b, 0x1b, BYTES + 1, 0], // i32x4.extract_lane
  [0x1c, 0x1c, BYTES + 1, -1], // i32x4.replace_lane
  [0x1d, 0x1d, BYTES + 1, 0], // i64x2.extract_lane
  [0x1e, 0x1e, BYTES + 1, -1], // i64x2.replace_lane
  [0x1f, 0x1f, BYTES + 1, 0], // f32x4.extract_lane
  [0x20, 0x20, BYTES + 1, -1], // f32x4.replace_lane
  [0x21, 0x21, BYTES + 1, 0], // f64x2.extract_lane
  [0x22, 0x22, BYTES + 1, -1], // f64x2.replace_lane
  [0x23, 0x4c, NONE, -1], // comparisons
  [0x4d, 0x4d, NONE, 0], // v128.not
  [0x4e, 0x51, NONE, -1], // and, andnot, or, xor
  [0x52, 0x52, NONE, -2], // v128.bitselect
  [0x53, 0x53, NONE, 0], // v128.any_true
  [0x54, 0x57, MEMORY_LANE, -1], // load_lane
  [0x58, 0x5b, MEMORY_LANE, -2], // store_lane
  [0x5c, 0x5d, MEMORY, 0], // load_zero
  [0x5e, 0x64, NONE, 0], // demote, promote, i8x16: abs, neg, popcnt, all_true, bitmask
  [0x65, 0x66, NONE, -1], // i8x16.narrow
  [0x67, 0x6a, NONE, 0], // f32x4: ceil, floor, trunc, nearest
  [0x6b, 0x73, NONE, -1], // i8x16: shifts, add, sub
  [0x74, 0x75, NONE, 0], // f64x2: ceil, floor
  [0x76, 0x79, NONE, -1], // i8x16: min, max
  [0x7a, 0x7a, NONE, 0], // f64x2.trunc
  [0x7b, 0x7b, NONE, -1], // i8x16.avgr_u
  [0x7c, 0x81, NONE, 0], // extadd_pairwise, i16x8: abs, neg
  [0x82, 0x82, NONE, -1], // i16x8.q15mulr_sat_s
  [0x83, 0x84, NONE, 0], // i16x8: all_true, bitmask
  [0x85, 0x86, NONE, -1], // i16x8.narrow
  [0x87, 0x8a, NONE, 0], // i16x8.extend
  [0x8b, 0x93, NONE, -1], // i16x8: shifts, add, sub
  [0x94, 0x94, NONE, 0], // f64x2.nearest
  [0x95, 0x99, NONE, -1], // i16x8: mul, min, max
  [0x9b, 0x9f, NONE, -1], // i16x8: avgr_u, extmul
  [0xa0, 0xa1, NONE, 0], // i32x4: abs, neg
  [0xa3, 0xa4, NONE, 0], // i32x4: all_true, bitmask
  [0xa7, 0xaa, NONE, 0], // i32x4.extend
  [0xab, 0xae, NONE, -1], // i32x4: shifts, add
  [0xb1, 0xb1, NONE, -1], // i32x4.sub
  [0xb5, 0xba, NONE, -1], // i32x4: mul, min, max, dot
  [0xbc, 0xbf, NONE, -1], // i32x4.extmul
  [0xc0, 0xc1, NONE, 0], // i64x2: abs, neg
  [0xc3, 0xc4, NONE, 0], // i64x2: all_true, bitmask
  [0xc7, 0xca, NONE, 0], // i64x2.extend
  [0xcb, 0xce, NONE, -1], // i64x2: shifts, add
  [0xd1, 0xd1, NONE, -1], // i64x2.sub
  [0xd5, 0xdf, NONE, -1], // i64x2: mul, comparisons, extmul
  [0xe0, 0xe1, NONE, 0], // f32x4: abs, neg
  [0xe3, 0xe3, NONE, 0], // f32x4.sqrt
  [0xe4, 0xeb, NONE, -1], // f32x4: two operands
  [0xec, 0xed, NONE, 0], // f64x2: abs, neg
  [0xef, 0xef, NONE, 0], // f64x2.sqrt
  [0xf0, 0xf7, NONE, -1], // f64x2: two operands
  [0xf8, 0xff, NONE, 0], // conversions
  [0x100, 0x100, NONE, -1], // relaxed swizzle
  [0x101, 0x104, NONE, 0], // relaxed trunc
  [0x105, 0x10c, NONE, -2], // relaxed madd, nmadd, laneselect
  [0x10d, 0x112, NONE, -1], // relaxed min, max, q15mulr, dot
  [0x113, 0x113, NONE, -2], // relaxed dot and add
];

/** Prefix 0xfe: threads. */
const ATOMIC_ROWS: readonly Row[] = [
  [0x00, 0x00, MEMORY, -1], // memory.atomic.notify
  [0x01, 0x02, MEMORY, -2], // memory.atomic.wait32, wait64
  [0x03, 0x03, BYTES + 1, 0], // atomic.fence
  [0x10, 0x16, MEMORY, 0], // loads
  [0x17, 0x1d, MEMORY, -2], // stores
  [0x1e, 0x47, MEMORY, -1], // read-modify-write
  [0x48, 0x4e, MEMORY, -2], // compare and exchange
];

/** Instructions by opcode, for look-up in no time. */
export interface OpcodeTable {
  readonly immediates: Uint8Array;
  readonly deltas: Int8Array;
}

function table(rows: readonly Row[], length: number): OpcodeTable {
  const immediates = new Uint8Array(length).fill(UNKNOWN);
  const deltas = new Int8Array(length);
  for (const [from, to, immediate, delta] of rows) {
    immediates.fill(immediate, from, to + 1);
    deltas.fill(delta, from, to + 1);
  }
  return { immediates, deltas };
}

/** Instructions of one byte. */
export const PLAIN_OPCODES = table(PLAIN_ROWS, 0x100);

/** Instructions after a prefix byte; opcodes beyond a table's end are unknown. */
export const PREFIXED_OPCODES: Readonly<Record<number, OpcodeTable>> = {
  0xfc: table(BULK_ROWS, 0x12),
  0xfd: table(SIMD_ROWS, 0x114),
  0xfe: table(ATOMIC_ROWS, 0x4f),
};
