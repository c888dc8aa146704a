/**
 * Choosing, for each function a module imports, the row of that module, name and parameter count;
 * and saying in a sentence each what is missing and what would provide it.
 */
import { IMPORT_MODULES } from './imports/index.js';
import { type Body, type ImportRow, guard, rowType } from './imports/call.js';
import { LinkError } from './link-error.js';
import type { Sandbox } from './sandbox.js';
import type { AdmittedInfo } from './wasm/admit.js';
import type { ImportInfo, ModuleInfo } from './wasm/reader.js';
import { printable } from './wasm/text.js';
import { threadProblems } from './wasm/threads.js';

/** The row for an import of `parameterCount` parameters, if one is provided. */
export function findRow(
  module: string,
  name: string,
  parameterCount: number,
): ImportRow | undefined {
  return IMPORT_MODULES.get(module)?.find(
    (row) => row.name === name && Object.keys(row.parameters).length === parameterCount,
  );
}

/** Whether a function of so many parameters can be linked. */
export function provides(module: string, name: string, parameterCount: number): 'yes' | 'no' {
  return findRow(module, name, parameterCount) === undefined ? 'no' : 'yes';
}

/** What would provide an import module that is not here. */
const FOREIGN_MODULES: ReadonlyMap<string, string> = new Map([
  ['wasix_32v1', 'build it for wasm32-wasip1, without WASIX, which is not provided yet'],
  ['wasix_64v1', 'build it for wasm32-wasip1; 64-bit WASIX is not provided'],
  ['wasi_ephemeral_nn', 'wasi-nn is not provided'],
  ['a', 'Emscripten writes such names: build with -sSTANDALONE_WASM'],
]);

function signature(types: readonly string[]): string {
  return `${types.length} parameter${types.length === 1 ? '' : 's'} (${types.join(', ')})`;
}

/** A module's names are its author's: they reach a terminal neutralised (B98). */
function importName({ module, name }: ImportInfo): string {
  return `${printable(module)}.${printable(name)}`;
}

function missingFunction(info: ImportInfo & { kind: 'function' }): string | undefined {
  const { module, name, type } = info;
  const what = importName(info);
  const rows = IMPORT_MODULES.get(module)?.filter((row) => row.name === name) ?? [];
  const row = findRow(module, name, type.params.length);
  if (row !== undefined) {
    const { params, results } = rowType(row);
    const same =
      params.every((param, index) => param === type.params[index]) &&
      results.length === type.results.length &&
      results.every((result, index) => result === type.results[index]);
    if (same) return undefined;
    return (
      `${what}: imported as (${type.params.join(', ')}) -> (${type.results.join(', ')}), ` +
      `provided as (${params.join(', ')}) -> (${results.join(', ')}); ` +
      'rebuild it against the same headers'
    );
  }
  if (rows.length > 0) {
    const shapes = rows.map((each) => signature(rowType(each).params)).join(' or ');
    return (
      `${what}: imported with ${signature(type.params)}, provided with ${shapes}; ` +
      'another dialect (WAMR, Emscripten) may be meant: build for WASI or WasmEdge sockets'
    );
  }
  if (IMPORT_MODULES.has(module) && module !== 'env') {
    return `${what}: no such function here; run "sandpoll inspect" to see what is provided`;
  }
  const advice =
    FOREIGN_MODULES.get(module) ??
    (module === 'env'
      ? 'a function declared and never defined, or JavaScript glue: link it into the module'
      : 'JavaScript glue or another host must provide it; guests here get WASI and sandpoll');
  return `${what}: ${advice}`;
}

function missing(info: ImportInfo): string | undefined {
  if (info.kind === 'function') return missingFunction(info);
  const what = importName(info);
  if (info.kind === 'memory') {
    return undefined;
  }
  return `${what}: a ${info.kind} cannot be imported here; define it in the module`;
}

/** A sentence for each import that cannot be provided in the shape it is imported. */
export function linkProblems(info: ModuleInfo): string[] {
  const problems = new Set<string>();
  const shapes = new Map<string, string>();
  for (const each of info.imports) {
    const problem = missing(each);
    if (problem !== undefined) problems.add(problem);
    if (each.kind !== 'function') continue;
    const key = importName(each);
    const shape = each.type.params.join();
    if ((shapes.get(key) ?? shape) !== shape) {
      problems.add(`${key}: imported twice with different parameters; a module can have one`);
    }
    shapes.set(key, shape);
  }
  return [...problems, ...threadProblems(info)];
}

/** Wraps each body as it is linked: what `--trace` does. */
export type Observe = (row: ImportRow, body: Body, sandbox: Sandbox) => Body;

/**
 * The import object of a module without `linkProblems`: null-prototype and frozen, so
 * that nothing is found that was not put there (B81).
 */
export function link(
  info: AdmittedInfo,
  sandbox: Sandbox,
  memory: WebAssembly.Memory | undefined,
  observe: Observe = (_row, body) => body,
): WebAssembly.Imports {
  const imports: Record<string, Record<string, WebAssembly.ImportValue>> = Object.create(null);
  for (const each of info.imports) {
    const values = (imports[each.module] ??= Object.create(null) as Record<string, never>);
    if (each.kind === 'memory' && memory !== undefined) values[each.name] = memory;
    if (each.kind !== 'function' || values[each.name] !== undefined) continue;
    const arity = each.type.params.length;
    const row = findRow(each.module, each.name, arity);
    if (row === undefined) throw new LinkError([`${importName(each)}: not provided`]);
    const body = observe(row, row.bind(sandbox), sandbox);
    const value = info.catches ? guard(sandbox, body) : body;
    values[each.name] = value as WebAssembly.ImportValue;
  }
  for (const values of Object.values(imports)) Object.freeze(values);
  return Object.freeze(imports);
}
