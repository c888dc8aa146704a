/**
 * How an imported function is declared: its name, its parameters by name and type, its body.
 * Linking, dispatch by parameter count, trace lines, hostile-argument tests and the list in the
 * README all come from these rows.
 */
import type { Sandbox } from '../sandbox.js';
import { trapped } from '../trap.js';

/**
 * What a parameter is. `*u16`, `*u32`, `*u64` are pointers to one result of that size; `ptr`
 * points to anything else. All are i32 in wasm but `u64`, `i64` and `f64`.
 */
export type ParameterKind =
  | 'fd'
  | 'ptr'
  | 'size'
  | 'i32'
  | 'u32'
  | 'u64'
  | 'i64'
  | 'f64'
  | '*u16'
  | '*u32'
  | '*u64';

/** A wasm argument as JavaScript sees it: i32 as a signed number, i64 as a bigint. */
export type Word = number | bigint;

/**
 * What an import returns: a WASI errno (i32), nothing, a plain f64, or the number of a thread (i32;
 * minus a WASI errno if there is none).
 */
export type ResultKind = 'errno' | 'none' | 'f64' | 'tid';

/** The body of an import for one sandbox. */
export type Body = (...words: never[]) => number | undefined;

export interface ImportRow {
  readonly name: string;
  readonly parameters: Readonly<Record<string, ParameterKind>>;
  readonly result: ResultKind;
  /** Makes the body; called once for each instance, so that the body finds all it needs. */
  readonly bind: (sandbox: Sandbox) => Body;
}

export function imported(
  name: string,
  parameters: Readonly<Record<string, ParameterKind>>,
  bind: (sandbox: Sandbox) => Body,
  result: ResultKind = 'errno',
): ImportRow {
  return Object.freeze({ name, parameters, result, bind });
}

type WasmType = 'i32' | 'i64' | 'f64';

/** The wasm types of a row: its parameters and results. */
export function rowType(row: ImportRow): { params: WasmType[]; results: WasmType[] } {
  const params = Object.values(row.parameters).map((kind): WasmType => {
    if (kind === 'f64') return 'f64';
    return kind === 'u64' || kind === 'i64' ? 'i64' : 'i32';
  });
  const results: Record<ResultKind, WasmType[]> = {
    errno: ['i32'],
    none: [],
    f64: ['f64'],
    tid: ['i32'],
  };
  return { params, results: results[row.result] };
}

/**
 * What escapes a body is our bug: it ends the guest, never the host, and the guest must not catch
 * it. Where a module catches nothing it unwinds all of it, to where the guest was started; around
 * the bodies of any other stands this, the single try/catch of the boundary.
 */
export function guard(sandbox: Sandbox, body: Body): Body {
  const call = body as unknown as (...words: Word[]) => number | undefined;
  return (...words: Word[]) => {
    try {
      return call(...words);
    } catch (thrown) {
      return sandbox.end(trapped(thrown));
    }
  };
}
