/**
 * A guest that does as it is told: it reads records of an operation and its arguments from a
 * connection, carries each out in wasm, and sends the results back.
 *
 * The operations are every imported function (one row for each name: see `shape`), and a few
 * on memory. Page 0 is the driver's own; tests have the rest.
 */
import { Errno } from '#host/errno.js';
import { type ImportRow, rowType } from '#host/imports/call.js';
import { IMPORT_MODULES } from '#host/imports/index.js';

import { wat } from '../wasm/wat.js';

/** A record: operation and up to 10 arguments, 8 bytes each. */
export const RECORD_BYTES = 88;
/** Records of one batch. */
export const BATCH_MAX = 512;
export const PAGE_BYTES = 65_536;
/** Entries of the table that `table.fill` fills: as many as a guest can have. */
export const TABLE_ENTRIES = 100_000;

/** Where the driver keeps its iovec, what its own calls answer, its records and results. */
const IOVEC = 0;
const SIZE = 8;
const ROFLAGS = 12;
const COUNT = 16;
const RECORDS = 1024;
const RESULTS = RECORDS + BATCH_MAX * RECORD_BYTES;

/**
 * Which row stands for a name that has two: the one with more parameters, or with fewer; or else
 * preview0's, wherever it has one.
 */
export type Shape = 'long' | 'short' | 'unstable';

export interface NamedRow {
  readonly module: string;
  readonly row: ImportRow;
}

/** The imported functions, one for each name. */
export function rowsOf(shape: Shape): ReadonlyMap<string, NamedRow> {
  const rows = new Map<string, NamedRow>();
  for (const [module, list] of IMPORT_MODULES) {
    // A module that starts threads needs a shared memory: they have tests of their own.
    if (module === 'wasi') continue;
    const unstable = module === 'wasi_unstable';
    if (unstable && shape !== 'unstable') continue;
    for (const row of list) {
      const other = rows.get(row.name)?.row;
      const longer = other === undefined || parameterCount(row) > parameterCount(other);
      const preferred = unstable || longer === (shape !== 'short');
      if (other === undefined || preferred) rows.set(row.name, { module, row });
    }
  }
  return rows;
}

function parameterCount(row: ImportRow): number {
  return Object.keys(row.parameters).length;
}

const i32 = (index: number): string =>
  `(i32.wrap_i64 (i64.load offset=${8 * (index + 1)} (local.get $at)))`;
const i64 = (index: number): string => `(i64.load offset=${8 * (index + 1)} (local.get $at))`;

/** Operations on the guest's own state: body of a function from `$at` to an i64. */
const OWN_OPERATIONS: Readonly<Record<string, string>> = {
  'memory.grow': `(i64.extend_i32_s (memory.grow ${i32(0)}))`,
  'memory.size': '(i64.extend_i32_u (memory.size))',
  load8: `(i64.load8_u ${i32(0)})`,
  load32: `(i64.load32_u ${i32(0)})`,
  load64: `(i64.load ${i32(0)})`,
  store8: `(i64.store8 ${i32(0)} ${i64(1)}) (i64.const 0)`,
  store64: `(i64.store ${i32(0)} ${i64(1)}) (i64.const 0)`,
  'memory.fill': `(memory.fill ${i32(0)} ${i32(1)} ${i32(2)}) (i64.const 0)`,
  // The first address in [0, 1) that does not hold byte 2, or -1.
  dirty: `(call $dirty ${i32(0)} ${i32(1)} ${i32(2)})`,
  'memory.copy': `(memory.copy ${i32(0)} ${i32(1)} ${i32(2)}) (i64.const 0)`,
  'table.fill': `(table.fill $large ${i32(0)} (ref.null func) ${i32(1)}) (i64.const 0)`,
  unreachable: 'unreachable',
  spin: '(loop $for_ever (br $for_ever)) unreachable',
  // The operation that the first argument numbers, with the arguments after it, for ever.
  repeat: `(loop $again
    (drop (call_indirect $operations (type $operation)
      (i32.add (local.get $at) (i32.const 8)) ${i32(0)}))
    (br $again)) unreachable`,
  recurse: '(call $recurse (i32.const 0)) (i64.const 0)',
};

const DIRTY = `(func $dirty (param $at i32) (param $end i32) (param $byte i32) (result i64)
  (loop $next
    (if (i32.ge_u (local.get $at) (local.get $end)) (then (return (i64.const -1))))
    (if (i32.ne (i32.load8_u (local.get $at)) (local.get $byte))
      (then (return (i64.extend_i32_u (local.get $at)))))
    (local.set $at (i32.add (local.get $at) (i32.const 1)))
    (br $next))
  unreachable)`;

/** What some hosts call of a guest that is in an import: here it is a trap (B87). */
const CALLED_BACK = ['malloc', 'free', 'realloc', 'cabi_realloc', '__new', '__wasm_call_ctors'];

/** Names of all operations, in the order of their numbers. */
export function operationNames(shape: Shape): string[] {
  return [...rowsOf(shape).keys(), ...Object.keys(OWN_OPERATIONS)];
}

function importLine({ module, row }: NamedRow): string {
  const { params, results } = rowType(row);
  const param = params.length > 0 ? `(param ${params.join(' ')})` : '';
  const result = results.length > 0 ? `(result ${results.join(' ')})` : '';
  return `(import "${module}" "${row.name}" (func $${row.name} ${param} ${result}))`;
}

function callBody({ row }: NamedRow): string {
  const { params, results } = rowType(row);
  const args = params.map((type, index) => {
    if (type === 'f64') return `(f64.reinterpret_i64 ${i64(index)})`;
    return type === 'i64' ? i64(index) : i32(index);
  });
  const call = `(call $${row.name} ${args.join(' ')})`;
  if (results.length === 0) return `${call} (i64.const 0)`;
  return results[0] === 'f64' ? `(i64.reinterpret_f64 ${call})` : `(i64.extend_i32_u ${call})`;
}

/**
 * Moves `$len` bytes at `$at` over the connection; a peer that is gone is the end, as 0. A signal
 * that nobody takes is for the calls of a test, not for these.
 */
function transfer(name: string, call: string): string {
  return `(func $${name} (param $at i32) (param $len i32)
    (local $errno i32)
    (i32.store (i32.const ${IOVEC}) (local.get $at))
    (i32.store (i32.const ${IOVEC + 4}) (local.get $len))
    (loop $interrupted
      (local.set $errno ${call})
      (br_if $interrupted (i32.eq (local.get $errno) (i32.const ${Errno.INTR}))))
    (if (i32.or (local.get $errno) (i32.ne (i32.load (i32.const ${SIZE})) (local.get $len)))
      (then (call $proc_exit (local.get $errno)) unreachable)))`;
}

const RECEIVE = `(call $sock_recv (global.get $control) (i32.const ${IOVEC}) (i32.const 1)
  (i32.const 2) (i32.const ${SIZE}) (i32.const ${ROFLAGS}))`;
const SEND = `(call $sock_send (global.get $control) (i32.const ${IOVEC}) (i32.const 1)
  (i32.const 0) (i32.const ${SIZE}))`;

/** Accepts the connection on `listener`; one batch after the other. */
function start(shape: Shape, listener: number): string {
  return `(func (export "_start")
    (local $index i32) (local $count i32)
    (if ${acceptCall(shape, listener)} (then unreachable))
    (global.set $control (i32.load (i32.const ${SIZE})))
    (loop $batch
      (call $control.receive (i32.const ${COUNT}) (i32.const 4))
      (local.set $count (i32.load (i32.const ${COUNT})))
      (call $control.receive (i32.const ${RECORDS})
        (i32.mul (local.get $count) (i32.const ${RECORD_BYTES})))
      (local.set $index (i32.const 0))
      (loop $record
        (i64.store offset=${RESULTS} (i32.shl (local.get $index) (i32.const 3))
          (call_indirect $operations (type $operation)
            (i32.add (i32.const ${RECORDS})
              (i32.mul (local.get $index) (i32.const ${RECORD_BYTES})))
            (i32.load offset=${RECORDS}
              (i32.mul (local.get $index) (i32.const ${RECORD_BYTES})))))
        (local.set $index (i32.add (local.get $index) (i32.const 1)))
        (br_if $record (i32.lt_u (local.get $index) (local.get $count))))
      (call $control.send (i32.const ${RESULTS}) (i32.shl (local.get $count) (i32.const 3)))
      (br $batch)))`;
}

function acceptCall(shape: Shape, listener: number): string {
  const flags = shape === 'short' ? '' : '(i32.const 0)';
  return `(call $sock_accept (i32.const ${listener}) ${flags} (i32.const ${SIZE}))`;
}

const assembled = new Map<string, Uint8Array>();

/**
 * The driver's module; `memory` is its limits in pages, as WebAssembly text has them, `listener`
 * the descriptor of the first listener, which comes after the directories.
 */
export function driverModule(shape: Shape, memory: string, listener = 3): Uint8Array {
  const key = `${shape} ${memory} ${listener}`;
  const bytes = assembled.get(key) ?? assemble(shape, memory, listener);
  assembled.set(key, bytes);
  return bytes;
}

function assemble(shape: Shape, memory: string, listener: number): Uint8Array {
  const rows = [...rowsOf(shape).values()];
  const bodies = [...rows.map(callBody), ...Object.values(OWN_OPERATIONS)];
  const functions = bodies.map(
    (body, index) => `(func $op${index} (param $at i32) (result i64) ${body})`,
  );
  return wat(`(module
    (type $operation (func (param i32) (result i64)))
    ${rows.map(importLine).join('\n')}
    (memory (export "memory") ${memory})
    (global $control (mut i32) (i32.const -1))
    (table $large ${TABLE_ENTRIES} funcref)
    (table $operations funcref (elem ${bodies.map((_body, index) => `$op${index}`).join(' ')}))
    ${DIRTY}
    (func ${CALLED_BACK.map((name) => `(export "${name}")`).join(' ')} unreachable)
    (func $recurse (param $depth i32)
      (call $recurse (i32.add (local.get $depth) (i32.const 1))))
    ${functions.join('\n')}
    ${transfer('control.receive', RECEIVE)}
    ${transfer('control.send', SEND)}
    ${start(shape, listener)})`);
}
