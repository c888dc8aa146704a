/** Modules made byte by byte, for what no assembler would write. */

/** Value types. */
export const I32 = 0x7f;
export const I64 = 0x7e;
export const FUNCREF = 0x70;

/** A piece of a module. */
export type Bytes = Uint8Array | readonly number[];

export const PREAMBLE: Bytes = [0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0];

/** Unsigned LEB128. */
export function leb(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) | 0x80);
  bytes.push(rest);
  return bytes;
}

export function cat(...parts: readonly Bytes[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

export function repeat(count: number, part: Bytes): Uint8Array {
  const whole = new Uint8Array(count * part.length);
  for (let i = 0; i < count; i++) whole.set(part, i * part.length);
  return whole;
}

/** A count and so many items. */
export function vector(items: readonly Bytes[]): Uint8Array {
  return cat(leb(items.length), ...items);
}

/** As `vector` of `count` times the same item. */
export function repeated(count: number, item: Bytes): Uint8Array {
  return cat(leb(count), repeat(count, item));
}

export function text(value: string): Uint8Array {
  const bytes = new TextEncoder().encode(value);
  return cat(leb(bytes.length), bytes);
}

export function section(id: number, content: Bytes): Uint8Array {
  return cat([id], leb(content.length), content);
}

export function module(...sections: readonly Bytes[]): Uint8Array {
  return cat(PREAMBLE, ...sections);
}

export function functionType(params: readonly number[], results: readonly number[]): Uint8Array {
  return cat([0x60], vector(params.map((type) => [type])), vector(results.map((type) => [type])));
}

export function typeSection(...types: readonly Bytes[]): Uint8Array {
  return section(1, vector(types));
}

/** A function's body: `locals` of type i32, then instructions, without the last `end`. */
export function body(locals: number, code: Bytes): Uint8Array {
  const groups = locals === 0 ? [0] : cat([1], leb(locals), [I32]);
  const content = cat(groups, code, [0x0b]);
  return cat(leb(content.length), content);
}

/** A module with one function of type `() -> ()`. */
export function oneFunction(locals: number, code: Bytes): Uint8Array {
  return module(
    typeSection(functionType([], [])),
    section(3, [1, 0]),
    section(10, vector([body(locals, code)])),
  );
}
