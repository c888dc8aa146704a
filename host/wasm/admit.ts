/**
 * The admission check: which modules are compiled at all. It bounds the time that compiling and
 * instantiating take, and gives memories and tables our maxima. Whether the module is valid is
 * the engine's to say; whether its imports are known, the linker's.
 */
import { Cursor } from './bytes.js';
import { CodeWalker } from './code.js';
import { DEFAULT_ADMISSION_LIMITS } from './limits.js';
import type { AdmissionLimits } from './limits.js';
import { readLayout, readMutability } from './reader.js';
import type { ImportInfo, ModuleInfo, ModuleLayout } from './reader.js';
import { capped, withLimits } from './rewrite.js';
import { SectionId, inSection } from './sections.js';
import { moduleKind } from './sniff.js';
import { sizeText } from './text.js';
import { readValueType } from './types.js';
import type { Limits, TableType } from './types.js';

/** Size in bytes of a page of memory. */
export const PAGE_BYTES = 65_536;

/** Most pages that 32-bit addresses reach. */
const PAGES_MAX = 65_536;

/** What is in a module that was looked through to its last instruction. */
export interface AdmittedInfo extends ModuleInfo {
  /** Whether it catches exceptions: what a host throws could be among them. */
  readonly catches: boolean;
}

/** A module that may be compiled. */
export interface Admission {
  /** The module with our maxima: compile this one. */
  readonly bytes: Uint8Array;
  /** What is in `bytes`; imported memories and tables must be given with the maxima it says. */
  readonly info: AdmittedInfo;
  /** How many bytes the code moved: subtract it from V8's offsets for the guest's source map. */
  readonly codeShift: number;
}

/**
 * Checks a module before it is compiled.
 *
 * @param subject what messages call the module, as a rule its file name
 * @throws ModuleError as `readModule` does, and ERR_SANDPOLL_ADMISSION for a module beyond
 *   `limits`
 */
export function admit(
  bytes: Uint8Array,
  limits: AdmissionLimits = DEFAULT_ADMISSION_LIMITS,
  subject = 'the file',
): Admission {
  const cursor = new Cursor(bytes, subject);
  moduleKind(bytes, subject);
  checkCount(cursor, 'bytes', bytes.length, limits.moduleBytes);
  const layout = readLayout(cursor);
  checkCounts(cursor, layout, limits);
  checkMemories(cursor, layout.info, limits);
  checkTables(cursor, layout.info, limits);
  const catches = checkContents(layout, limits, bytes, subject);

  const info = { ...cappedInfo(layout.info, limits), catches };
  const admitted = withLimits(bytes, layout.sections, info.tables, info.memories);
  return { bytes: admitted, info, codeShift: admitted.length - bytes.length };
}

function checkCount(cursor: Cursor, what: string, count: number, limit: number): void {
  if (count > limit)
    cursor.refuse(`it has ${count} ${what}; the limit is ${limit}, so split it up`);
}

function checkCounts(cursor: Cursor, layout: ModuleLayout, limits: AdmissionLimits): void {
  const { info, types } = layout;
  checkCount(cursor, 'imports', info.imports.length, limits.imports);
  checkCount(cursor, 'functions', info.functionCount, limits.functions);
  checkCount(cursor, 'types', types.length, limits.types);
  const typeValues = sum(types.paramCounts) + sum(types.resultCounts);
  checkCount(cursor, 'parameters and results in its types', typeValues, limits.typeValues);
  checkCount(cursor, 'data segments', info.dataCount, limits.dataSegments);
  checkCount(cursor, 'element segments', info.elementCount, limits.elementSegments);
}

function sum(values: Uint16Array): number {
  return values.reduce((total, value) => total + value, 0);
}

function checkMemories(cursor: Cursor, info: ModuleInfo, limits: AdmissionLimits): void {
  const memories = [...info.imports.flatMap(importedMemory), ...info.memories];
  if (memories.length > 1) {
    cursor.refuse(`it has ${memories.length} memories; build it with one (no multi-memory)`);
  }
  for (const memory of memories) {
    if (memory.index64) cursor.refuse('its memory is 64-bit; build it for wasm32');
    if (memory.initial > pagesCap(limits)) {
      const needed = sizeText(memory.initial * PAGE_BYTES);
      cursor.refuse(`its memory starts with ${needed}; give --max-memory ${needed} or more`);
    }
  }
}

function checkTables(cursor: Cursor, info: ModuleInfo, limits: AdmissionLimits): void {
  const tables = [...info.imports.flatMap(importedTable), ...info.tables];
  checkCount(cursor, 'tables', tables.length, limits.tables);
  for (const table of tables) {
    if (table.index64) cursor.refuse('it has a 64-bit table; build it for wasm32');
    checkCount(cursor, 'entries in a table', table.initial, limits.tableEntries);
  }
}

/** Walks what the reader stepped over: initial values, segments, code. True if that catches. */
function checkContents(
  layout: ModuleLayout,
  limits: AdmissionLimits,
  bytes: Uint8Array,
  subject: string,
): boolean {
  const walker = new CodeWalker(bytes, subject, layout, limits);
  const { sections, info, functionTypes } = layout;
  inSection(walker, sections, SectionId.global, undefined, () => {
    const globals = walker.count('globals', 4, Infinity);
    for (let i = 0; i < globals; i++) {
      readValueType(walker);
      readMutability(walker);
      walker.expression();
    }
  });
  inSection(walker, sections, SectionId.element, undefined, () => {
    const segments = walker.count('element segments', 3, limits.elementSegments);
    let elements = 0;
    for (let i = 0; i < segments; i++) elements += elementSegment(walker);
    checkCount(walker, 'elements', elements, limits.elements);
  });
  inSection(walker, sections, SectionId.data, undefined, () => {
    const segments = walker.count('data segments', 2, limits.dataSegments);
    for (let i = 0; i < segments; i++) dataSegment(walker);
  });
  inSection(walker, sections, SectionId.code, undefined, () => {
    walker.u32();
    const imported = functionTypes.length - info.functionCount;
    for (let i = 0; i < info.functionCount; i++) walker.body(imported + i);
  });
  return walker.catches;
}

/** Steps over a segment of elements; returns how many they are. */
function elementSegment(walker: CodeWalker): number {
  const flags = walker.u32();
  if (flags > 7) walker.malformed(`${flags} is no kind of element segment`);
  const active = (flags & 1) === 0;
  const asExpressions = (flags & 4) !== 0;
  if (active) {
    if ((flags & 2) !== 0) walker.u32();
    walker.expression();
  }
  if ((flags & 3) !== 0) {
    if (asExpressions) readValueType(walker);
    else walker.skip(1);
  }
  const count = walker.count('elements', 1, Infinity);
  for (let i = 0; i < count; i++) {
    if (asExpressions) walker.expression();
    else walker.u32();
  }
  return count;
}

function dataSegment(walker: CodeWalker): void {
  const flags = walker.u32();
  if (flags > 2) walker.malformed(`${flags} is no kind of data segment`);
  if (flags === 2) walker.u32();
  if (flags !== 1) walker.expression();
  walker.skip(walker.u32());
}

function cappedInfo(info: ModuleInfo, limits: AdmissionLimits): ModuleInfo {
  const pages = pagesCap(limits);
  const imports = info.imports.map((entry): ImportInfo => {
    if (entry.kind === 'memory') return { ...entry, memory: capped(entry.memory, pages) };
    if (entry.kind !== 'table') return entry;
    return { ...entry, table: capped(entry.table, limits.tableEntries) };
  });
  const memories = info.memories.map((memory) => capped(memory, pages));
  const tables = info.tables.map((table) => capped(table, limits.tableEntries));
  return { ...info, imports, memories, tables };
}

function importedMemory(entry: ImportInfo): Limits[] {
  return entry.kind === 'memory' ? [entry.memory] : [];
}

function importedTable(entry: ImportInfo): TableType[] {
  return entry.kind === 'table' ? [entry.table] : [];
}

function pagesCap(limits: AdmissionLimits): number {
  return Math.min(Math.floor(limits.memoryBytes / PAGE_BYTES), PAGES_MAX);
}
