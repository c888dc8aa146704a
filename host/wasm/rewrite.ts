/** Gives a module's memories and tables the host's maxima. */
import { PREAMBLE_BYTES } from './sniff.js';
import { SectionId } from './sections.js';
import type { Section } from './sections.js';
import { valueTypeByte } from './types.js';
import type { Limits, TableType } from './types.js';

/** `limits` with a maximum: the declared one or `cap`, whichever is less. */
export function capped<T extends Limits>(limits: T, cap: number): T & { maximum: number } {
  return { ...limits, maximum: Math.min(limits.maximum ?? cap, cap) };
}

/**
 * Returns the module with its table and memory sections replaced; the same array when nothing
 * changes. Both sections stand before the code, so all of the code moves by the same distance.
 */
export function withLimits(
  bytes: Uint8Array,
  sections: readonly Section[],
  tables: readonly TableType[],
  memories: readonly Limits[],
): Uint8Array {
  const contents = new Map<number, number[]>([
    [SectionId.table, vector(tables.map(tableBytes))],
    [SectionId.memory, vector(memories.map(limitsBytes))],
  ]);
  const parts: Uint8Array[] = [];
  let copied = 0;
  for (const { id, header, start, end } of sections) {
    const content = contents.get(id);
    if (content === undefined || sameBytes(content, bytes.subarray(start, end))) continue;
    parts.push(bytes.subarray(copied, header));
    parts.push(Uint8Array.from([id, ...unsigned(content.length), ...content]));
    copied = end;
  }
  if (copied < PREAMBLE_BYTES) return bytes;
  parts.push(bytes.subarray(copied));
  return joined(parts);
}

function vector(items: readonly (readonly number[])[]): number[] {
  return [...unsigned(items.length), ...items.flat()];
}

function tableBytes(table: TableType): number[] {
  return [valueTypeByte(table.element), ...limitsBytes(table)];
}

function limitsBytes({ initial, maximum, shared, index64 }: Limits): number[] {
  const flags = (maximum === undefined ? 0 : 1) | (shared ? 2 : 0) | (index64 ? 4 : 0);
  return [flags, ...unsigned(initial), ...(maximum === undefined ? [] : unsigned(maximum))];
}

/** Unsigned LEB128, as short as can be. */
function unsigned(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  while (rest >= 0x80) {
    bytes.push((rest % 0x80) | 0x80);
    rest = Math.floor(rest / 0x80);
  }
  bytes.push(rest);
  return bytes;
}

function sameBytes(a: readonly number[], b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
