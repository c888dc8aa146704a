/**
 * How structs of guest memory are declared: a record of named fields, each with its offset.
 * `field.get(view, at)` and `field.set(view, at, value)` take the address of the struct; nothing
 * outside `host/abi/` computes an offset. Everything is little-endian, alignment is not required.
 */
export interface Field {
  /** Offset in the struct, in bytes. */
  readonly offset: number;
  /** Size in bytes. */
  readonly size: number;
  get(view: DataView, at: number): number;
  set(view: DataView, at: number, value: number): void;
}

/** A 64-bit field as two u32, so that no BigInt is made on a hot path. */
export interface Field64 {
  readonly offset: number;
  readonly size: 8;
  lo(view: DataView, at: number): number;
  hi(view: DataView, at: number): number;
  set(view: DataView, at: number, lo: number, hi: number): void;
}

export function u8(offset: number): Field {
  return {
    offset,
    size: 1,
    get: (view, at) => view.getUint8(at + offset),
    set: (view, at, value) => view.setUint8(at + offset, value),
  };
}

export function u16(offset: number): Field {
  return {
    offset,
    size: 2,
    get: (view, at) => view.getUint16(at + offset, true),
    set: (view, at, value) => view.setUint16(at + offset, value, true),
  };
}

export function u32(offset: number): Field {
  return {
    offset,
    size: 4,
    get: (view, at) => view.getUint32(at + offset, true),
    set: (view, at, value) => view.setUint32(at + offset, value, true),
  };
}

export function u64(offset: number): Field64 {
  return {
    offset,
    size: 8,
    lo: (view, at) => view.getUint32(at + offset, true),
    hi: (view, at) => view.getUint32(at + offset + 4, true),
    set: (view, at, lo, hi) => {
      view.setUint32(at + offset, lo, true);
      view.setUint32(at + offset + 4, hi, true);
    },
  };
}

/** Where an i64 is taken apart: arithmetic with BigInts costs 35 ns, a store and a load nothing. */
const I64 = new BigInt64Array(1);
const I64_WORDS = new Int32Array(I64.buffer);

/** The low 32 bits of an i64 or u64 that wasm passes, signed: a u32 for whoever takes one. */
export function lowWord(value: bigint): number {
  I64[0] = value;
  return I64_WORDS[0];
}

/** The high 32 bits, likewise. */
export function highWord(value: bigint): number {
  I64[0] = value;
  return I64_WORDS[1];
}

/** A struct: its size and alignment in bytes, and its fields. */
export type Struct<Fields> = Fields & { readonly SIZE: number; readonly ALIGN: number };

export function struct<Fields extends Readonly<Record<string, Field | Field64>>>(
  size: number,
  align: number,
  fields: Fields,
): Struct<Fields> {
  for (const [name, field] of Object.entries(fields)) {
    if (field.offset + field.size > size || field.offset % Math.min(field.size, align) !== 0) {
      throw new RangeError(`struct field ${name} lies outside its struct or off its alignment`);
    }
  }
  return Object.freeze({ ...fields, SIZE: size, ALIGN: align });
}
