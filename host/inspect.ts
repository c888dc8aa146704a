/** What can be told of a module without running it: `sandpoll inspect`. */
import { PAGE_BYTES, admit } from './wasm/admit.js';
import { ModuleError } from './wasm/bytes.js';
import { commandProblems } from './wasm/command.js';
import { DEFAULT_ADMISSION_LIMITS } from './wasm/limits.js';
import { readModule } from './wasm/reader.js';
import type { ExportInfo, ExternalKind, ImportInfo, ModuleInfo } from './wasm/reader.js';
import { threadProblems } from './wasm/threads.js';
import { componentError, moduleKind } from './wasm/sniff.js';
import type { ModuleKind } from './wasm/sniff.js';
import { printable, signatureText, sizeText } from './wasm/text.js';
import type { Limits, TableType } from './wasm/types.js';

export type Provided = 'yes' | 'no';

/** Says whether a function with so many parameters is provided: the linker's answer. */
export type Provides = (module: string, name: string, parameterCount: number) => Provided;

export interface InspectedImport {
  readonly name: string;
  readonly kind: ExternalKind;
  /** As in `(i32, i32) -> i32`, or the type of what is not a function. */
  readonly signature: string;
  readonly provided: Provided;
}

export interface ImportGroup {
  readonly module: string;
  readonly imports: readonly InspectedImport[];
}

export interface InspectedMemory extends Limits {
  /** `MODULE.NAME` if it is imported. */
  readonly importedAs?: string;
}

/** An option of the command line that the module will probably need. */
export interface NeededFlag {
  readonly option: string;
  readonly reason: string;
}

/** What is known of a module. Names are as they stand in it: `printable` before they are shown. */
export interface Inspection {
  readonly subject: string;
  readonly kind: ModuleKind;
  readonly sizeBytes: number;
  /** In the order of their first import. */
  readonly imports: readonly ImportGroup[];
  readonly memories: readonly InspectedMemory[];
  readonly tables: readonly TableType[];
  readonly exports: readonly ExportInfo[];
  readonly flags: readonly NeededFlag[];
  /** Sentences that say why the module cannot be run; none if it can be tried. */
  readonly problems: readonly string[];
}

/**
 * Reads a module and judges what it will need.
 *
 * @param subject what messages call the module, as a rule its file name
 * @throws ModuleError for what is neither a module nor a component, or cannot be read
 */
export function inspectModule(
  bytes: Uint8Array,
  provides: Provides,
  subject = 'the file',
): Inspection {
  const kind = moduleKind(bytes, subject);
  const sizeBytes = bytes.length;
  const nothing = { imports: [], memories: [], tables: [], exports: [], flags: [] };
  if (kind === 'component') {
    const problems = [componentError(subject).message];
    return { subject, kind, sizeBytes, ...nothing, problems };
  }
  const info = readModule(bytes, subject);
  const imports = importGroups(info, provides);
  return {
    subject,
    kind,
    sizeBytes,
    imports,
    memories: memories(info),
    tables: info.tables,
    exports: info.exports,
    flags: neededFlags(info),
    problems: [
      ...admissionProblems(bytes, subject),
      ...commandProblems(info).map((problem) => `${subject} ${problem}`),
      ...threadProblems(info),
      ...missingProblems(imports, subject),
    ],
  };
}

function importGroups(info: ModuleInfo, provides: Provides): ImportGroup[] {
  const groups = new Map<string, InspectedImport[]>();
  for (const entry of info.imports) {
    const group = groups.get(entry.module) ?? [];
    groups.set(entry.module, group);
    group.push(inspectImport(entry, provides));
  }
  return [...groups].map(([module, imports]) => ({ module, imports }));
}

function inspectImport(entry: ImportInfo, provides: Provides): InspectedImport {
  const { module, name, kind } = entry;
  switch (entry.kind) {
    case 'function': {
      const { type } = entry;
      const provided = provides(module, name, type.params.length);
      return { name, kind, signature: signatureText(type), provided };
    }
    case 'memory': {
      // The linker makes the memory, under whatever name.
      return { name, kind, signature: limitsText(entry.memory, 'page'), provided: 'yes' };
    }
    case 'table': {
      const signature = `${entry.table.element}, ${limitsText(entry.table, 'entry')}`;
      return { name, kind, signature, provided: 'no' };
    }
    case 'global': {
      const signature = `${entry.mutable ? 'mutable ' : ''}${entry.value}`;
      return { name, kind, signature, provided: 'no' };
    }
    case 'tag':
      return { name, kind, signature: signatureText(entry.type), provided: 'no' };
  }
}

function memories(info: ModuleInfo): InspectedMemory[] {
  const imported = info.imports.flatMap((entry) => {
    if (entry.kind !== 'memory') return [];
    return [{ ...entry.memory, importedAs: `${entry.module}.${entry.name}` }];
  });
  return [...imported, ...info.memories];
}

/** Options, the imports whose presence calls for them, and why. */
const FLAG_RULES: readonly (NeededFlag & { readonly imports: RegExp })[] = [
  {
    option: '--allow-net=RULE',
    imports: /^(sock_(open|bind|listen|connect)|socket|bind|connect)$/,
    reason: 'it makes sockets itself',
  },
  {
    option: '--listen ADDR',
    imports: /^sock_accept$/,
    reason: 'it accepts connections, perhaps from a listener that it is given',
  },
  {
    option: '--dir HOST::GUEST',
    imports: /^(path_\w+|fd_readdir|fd_prestat_\w+)$/,
    reason: 'it may open files',
  },
  {
    option: '--allow-resolve',
    imports: /^sock_getaddrinfo$/,
    reason: 'it looks up names',
  },
];

function neededFlags(info: ModuleInfo): NeededFlag[] {
  const functions = info.imports.filter(({ kind }) => kind === 'function');
  const names = [...new Set(functions.map(({ name }) => name))];
  const flags: NeededFlag[] = [];
  for (const { imports, option, reason } of FLAG_RULES) {
    const used = names.filter((name) => imports.test(name));
    if (used.length > 0) flags.push({ option, reason: `${reason} (${listed(used)})` });
  }
  const initial = Math.max(0, ...memories(info).map((memory) => memory.initial)) * PAGE_BYTES;
  if (initial > DEFAULT_ADMISSION_LIMITS.memoryBytes) {
    const option = `--max-memory ${sizeText(initial)}`;
    flags.push({ option, reason: 'its memory starts that large' });
  }
  return flags;
}

function admissionProblems(bytes: Uint8Array, subject: string): string[] {
  try {
    // How much memory it needs is told by a flag, not as a problem.
    admit(bytes, { ...DEFAULT_ADMISSION_LIMITS, memoryBytes: Infinity }, subject);
    return [];
  } catch (error) {
    if (error instanceof ModuleError) return [error.message];
    throw error;
  }
}

/** How many imports are named in a sentence; the list shows them all. */
const NAMED = 3;

function listed(names: readonly string[]): string {
  const more = names.length - NAMED;
  return names.slice(0, NAMED).join(', ') + (more > 0 ? ` and ${more} more` : '');
}

function missingProblems(groups: readonly ImportGroup[], subject: string): string[] {
  return groups.flatMap(({ module, imports }) => {
    const missing = imports.filter(({ provided }) => provided === 'no');
    if (missing.length === 0) return [];
    const names = listed(missing.map(({ name }) => printable(name)));
    return [
      `${subject} needs ${names} of module ${printable(module)}, which nothing here provides`,
    ];
  });
}

/** An inspection as text for a terminal, ending without a newline. */
export function formatInspection(inspection: Inspection): string {
  const { subject, kind, sizeBytes, problems } = inspection;
  const lines = [`${subject}: WebAssembly ${kind}, ${sizeBytes} bytes`];
  if (kind === 'module') {
    section(lines, 'memory', inspection.memories.map(memoryText));
    section(lines, 'tables', inspection.tables.map(tableText));
    section(lines, 'imports', inspection.imports.flatMap(groupLines));
    section(lines, 'exports', inspection.exports.map(exportText));
    section(lines, 'options it will probably need', inspection.flags.map(flagText));
  }
  if (problems.length > 0) section(lines, 'it cannot be run', problems);
  return lines.join('\n');
}

function section(lines: string[], title: string, content: readonly string[]): void {
  lines.push('', `${title}:`, ...(content.length > 0 ? content : ['none']).map((l) => `  ${l}`));
}

function memoryText(memory: InspectedMemory): string {
  const limits = limitsText(memory, 'page');
  const { importedAs } = memory;
  return importedAs === undefined ? limits : `${limits}, imported as ${printable(importedAs)}`;
}

function tableText(table: TableType): string {
  return `${table.element}, ${limitsText(table, 'entry')}`;
}

function limitsText({ initial, maximum, shared, index64 }: Limits, unit: 'page' | 'entry'): string {
  const amount = (count: number): string =>
    unit === 'page' ? sizeText(count * PAGE_BYTES) : `${count} entries`;
  const upTo = maximum === undefined ? 'no maximum of its own' : `at most ${amount(maximum)}`;
  const marks = (shared ? ', shared' : '') + (index64 ? ', 64-bit' : '');
  return `${amount(initial)} at the start, ${upTo}${marks}`;
}

function groupLines({ module, imports }: ImportGroup): string[] {
  const entries = imports.map(({ name, kind, signature, provided }) => {
    const shown = printable(name);
    const what = kind === 'function' ? `${shown}${signature}` : `${kind} ${shown}: ${signature}`;
    return `  ${provided.padEnd('yes'.length)}  ${what}`;
  });
  return [printable(module), ...entries];
}

function exportText({ name, kind, type }: ExportInfo): string {
  const shown = printable(name);
  return type === undefined ? `${kind} ${shown}` : `function ${shown}${signatureText(type)}`;
}

function flagText({ option, reason }: NeededFlag): string {
  return `${option}: ${reason}`;
}
