/**
 * Reads what `WebAssembly.Module` does not tell: signatures of imports, limits of memories.
 * The format: https://webassembly.github.io/spec/core/binary/modules.html
 *
 * Time and memory are linear in the size of the file, whatever is in it. What is read is not
 * validated beyond that: the engine does so when it compiles.
 */
import { Cursor } from './bytes.js';
import { SectionId, inSection, readSections } from './sections.js';
import type { Section } from './sections.js';
import { componentError, moduleKind } from './sniff.js';
import { TypeTable, readLimits, readTableType, readValueType } from './types.js';
import type { FunctionType, Limits, TableType, ValueType } from './types.js';

/**
 * The most of each kind that is read: what JavaScript engines accept, but for imports and
 * exports, of which each costs an object here.
 */
const COUNT_MAX = {
  types: 1_000_000,
  functions: 1_000_000,
  imports: 100_000,
  exports: 100_000,
  tables: 100_000,
  memories: 100_000,
  tags: 100_000,
} as const;

export type ExternalKind = 'function' | 'table' | 'memory' | 'global' | 'tag';

/** By the byte that stands for each. */
const EXTERNAL_KINDS: readonly ExternalKind[] = ['function', 'table', 'memory', 'global', 'tag'];

/** What an import is, by kind. */
export type ImportType =
  | { readonly kind: 'function'; readonly type: FunctionType }
  | { readonly kind: 'table'; readonly table: TableType }
  | { readonly kind: 'memory'; readonly memory: Limits }
  | { readonly kind: 'global'; readonly value: ValueType; readonly mutable: boolean }
  | { readonly kind: 'tag'; readonly type: FunctionType };

export type ImportInfo = { readonly module: string; readonly name: string } & ImportType;

export interface ExportInfo {
  readonly name: string;
  readonly kind: ExternalKind;
  /** Index among all of its kind, imported ones first. */
  readonly index: number;
  /** Of functions only. */
  readonly type?: FunctionType;
}

export interface ModuleInfo {
  readonly kind: 'module';
  readonly imports: readonly ImportInfo[];
  readonly exports: readonly ExportInfo[];
  /** The module's own, without imported ones. */
  readonly memories: readonly Limits[];
  /** The module's own, without imported ones. */
  readonly tables: readonly TableType[];
  /** Has a function that runs at instantiation. */
  readonly hasStart: boolean;
  /** Own functions, without imported ones. */
  readonly functionCount: number;
  /** Element segments. */
  readonly elementCount: number;
  /** Data segments. */
  readonly dataCount: number;
  readonly customSections: readonly string[];
}

/** A module as far as it is read here, and where the rest of it lies. */
export interface ModuleLayout {
  readonly info: ModuleInfo;
  /** Without custom sections. */
  readonly sections: readonly Section[];
  readonly types: TypeTable;
  /** Type of each function, imported ones first. */
  readonly functionTypes: readonly number[];
  /** Type of each exception tag, imported ones first. */
  readonly tagTypes: readonly number[];
}

/**
 * Reads a core module's imports, exports, memories and tables.
 *
 * @param subject what messages call the module, as a rule its file name
 * @throws ModuleError ERR_SANDPOLL_NOT_WASM, ERR_SANDPOLL_COMPONENT, ERR_SANDPOLL_MALFORMED, or
 *   ERR_SANDPOLL_ADMISSION for what is not read (garbage collection, absurd counts)
 */
export function readModule(bytes: Uint8Array, subject = 'the file'): ModuleInfo {
  return readLayout(new Cursor(bytes, subject)).info;
}

/** As `readModule`, with what the admission check needs. */
export function readLayout(cursor: Cursor): ModuleLayout {
  if (moduleKind(cursor.bytes, cursor.subject) === 'component')
    throw componentError(cursor.subject);
  const { sections, customNames } = readSections(cursor);
  const vector = <T>(id: number, what: keyof typeof COUNT_MAX, size: number, read: () => T) =>
    inSection<T[]>(cursor, sections, id, [], () => {
      const count = cursor.count(what, size, COUNT_MAX[what]);
      return Array.from({ length: count }, read);
    });
  const countOf = (id: number) => sectionCount(cursor, sections, id);

  const types = readTypes(cursor, sections);
  const functionTypes: number[] = [];
  const tagTypes: number[] = [];
  const readImport = () => importInfo(cursor, types, functionTypes, tagTypes);
  const imports = vector(SectionId.import, 'imports', 4, readImport);
  const importedFunctions = functionTypes.length;
  vector(SectionId.function, 'functions', 1, () => functionTypes.push(typeIndex(cursor, types)));
  const tables = vector(SectionId.table, 'tables', 3, () => readTableType(cursor));
  const memories = vector(SectionId.memory, 'memories', 2, () => readLimits(cursor));
  vector(SectionId.tag, 'tags', 2, () => tagTypes.push(tagType(cursor, types)));
  const exports = vector(SectionId.export, 'exports', 3, () =>
    exportInfo(cursor, types, functionTypes),
  );
  const functionCount = functionTypes.length - importedFunctions;
  if (countOf(SectionId.code) !== functionCount) {
    cursor.malformed('the numbers of functions and of bodies differ');
  }
  const info: ModuleInfo = {
    kind: 'module',
    imports,
    exports,
    memories,
    tables,
    hasStart: sections.some((section) => section.id === SectionId.start),
    functionCount,
    elementCount: countOf(SectionId.element),
    dataCount: countOf(SectionId.data),
    customSections: customNames,
  };
  return { info, sections, types, functionTypes, tagTypes };
}

function readTypes(cursor: Cursor, sections: readonly Section[]): TypeTable {
  const none = new TypeTable(cursor, 0);
  return inSection(cursor, sections, SectionId.type, none, () => {
    return new TypeTable(cursor, cursor.count('types', 2, COUNT_MAX.types));
  });
}

/** The number at the head of a section, 0 if there is none. */
function sectionCount(cursor: Cursor, sections: readonly Section[], id: number): number {
  return inSection(cursor, sections, id, 0, () => {
    const count = cursor.u32();
    cursor.at = cursor.end;
    return count;
  });
}

function typeIndex(cursor: Cursor, types: TypeTable): number {
  const index = cursor.u32();
  return index < types.length ? index : cursor.malformed(`there is no type ${index}`);
}

/** A tag's attribute byte (0: exception), then its type. */
function tagType(cursor: Cursor, types: TypeTable): number {
  if (cursor.byte() !== 0) cursor.malformed('a tag is no exception');
  return typeIndex(cursor, types);
}

function externalKind(cursor: Cursor): ExternalKind {
  const byte = cursor.byte();
  return EXTERNAL_KINDS[byte] ?? cursor.malformed(`${byte} is no kind of import or export`);
}

function importInfo(
  cursor: Cursor,
  types: TypeTable,
  functionTypes: number[],
  tagTypes: number[],
): ImportInfo {
  const names = { module: cursor.text(), name: cursor.text() };
  const kind = externalKind(cursor);
  switch (kind) {
    case 'function': {
      const index = typeIndex(cursor, types);
      functionTypes.push(index);
      return { ...names, kind, type: types.functionType(index) };
    }
    case 'table':
      return { ...names, kind, table: readTableType(cursor) };
    case 'memory':
      return { ...names, kind, memory: readLimits(cursor) };
    case 'global':
      return { ...names, kind, value: readValueType(cursor), mutable: readMutability(cursor) };
    case 'tag': {
      const index = tagType(cursor, types);
      tagTypes.push(index);
      return { ...names, kind, type: types.functionType(index) };
    }
  }
}

/** Reads whether a global is mutable. */
export function readMutability(cursor: Cursor): boolean {
  const byte = cursor.byte();
  return byte < 2 ? byte === 1 : cursor.malformed(`${byte} is no mutability`);
}

function exportInfo(
  cursor: Cursor,
  types: TypeTable,
  functionTypes: readonly number[],
): ExportInfo {
  const name = cursor.text();
  const kind = externalKind(cursor);
  const index = cursor.u32();
  if (kind !== 'function') return { name, kind, index };
  const type = functionTypes[index];
  if (type === undefined) cursor.malformed(`there is no function ${index} to export`);
  return { name, kind, index, type: types.functionType(type) };
}
