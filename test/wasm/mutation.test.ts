/** Modules with bytes changed at random: hostile or broken, they never get more than refused. */
import { readFileSync } from 'node:fs';

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { admit } from '#host/wasm/admit.js';
import { ModuleError } from '#host/wasm/bytes.js';
import { readModule } from '#host/wasm/reader.js';
import { PREAMBLE, cat } from './build.js';
import { wat } from './wat.js';

/** One of everything, so that each reader meets changed bytes. */
const SMALL = wat(`(module
  (type $pair (func (param i32 i64) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "env" "g" (global i32))
  (memory (export "memory") 1)
  (table 4 funcref) (table 2 9 externref)
  (tag $oops (param i32))
  (global $g (mut i64) (i64.const 5))
  (func $f (type $pair) (local f32 f64 v128)
    (block $out (result i32)
      (loop $again (br_if $again (i32.eqz (local.get 0))))
      (if (result i32) (local.get 0)
        (then (call $write (i32.const 0) (i32.const 1) (i32.const 2) (i32.const 3)))
        (else (try (result i32) (do (throw $oops (i32.const 1))) (catch $oops))))
      (br_table $out $out (local.get 0))))
  (func (export "_start")
    (memory.fill (i32.const 0) (i32.const 1) (i32.const 2))
    (i32.store offset=70000 (i32.const 0) (i32.atomic.load (i32.const 4)))
    (drop (i8x16.add (v128.const i32x4 1 2 3 4) (v128.load (i32.const 0))))
    (drop (call_indirect (type $pair) (i32.const 1) (i64.const -2) (i32.const 0))))
  (elem (i32.const 0) $f $f) (elem funcref (ref.func $f) (ref.null func))
  (data (i32.const 8) "hello") (data "passive"))`);

/** A module as a compiler makes it. */
const COMPILED = new Uint8Array(
  readFileSync(new URL('../../examples/echo/build/echo-poll.wasm', import.meta.url)),
);

type Outcome = { readonly bytes: Uint8Array } | { readonly error: unknown };

function tryAdmit(bytes: Uint8Array): Outcome {
  try {
    const admission = admit(bytes, undefined, 'guest.wasm');
    return admission;
  } catch (error) {
    return { error };
  }
}

const isValid = (bytes: Uint8Array): boolean =>
  WebAssembly.validate(bytes as Uint8Array<ArrayBuffer>);

/** Turned away by us; by the engine, having passed us; by neither. */
type Verdict = 'refused' | 'invalid' | 'valid';

/** Checks what must hold of any bytes at all. */
function judge(bytes: Uint8Array): Verdict {
  const outcome = tryAdmit(bytes);
  const valid = isValid(bytes);
  if ('error' in outcome) {
    const { error } = outcome;
    if (!(error instanceof ModuleError)) throw new Error('not a ModuleError', { cause: error });
    expect(error.message).toMatch(/^guest\.wasm .*[a-z0-9)]$/s);
    // What the engine runs is never called malformed.
    if (valid) expect(error.code).toBe('ERR_SANDPOLL_ADMISSION');
    return 'refused';
  }
  // The rewritten module is as valid as what was given, and is what we say it is.
  expect(isValid(outcome.bytes)).toBe(valid);
  if (!valid) return 'invalid';
  const compiled = new WebAssembly.Module(outcome.bytes as Uint8Array<ArrayBuffer>);
  const info = readModule(outcome.bytes);
  const seen = (entry: { name: string; kind: string }): string[] => [entry.name, entry.kind];
  expect(info.imports.map(seen)).toEqual(WebAssembly.Module.imports(compiled).map(seen));
  expect(info.exports.map(seen)).toEqual(WebAssembly.Module.exports(compiled).map(seen));
  return 'valid';
}

/** Judges `runs` modules; the verdicts that were seen, in order. */
function verdicts(runs: number, modules: fc.Arbitrary<Uint8Array>): Verdict[] {
  const seen = new Set<Verdict>();
  fc.assert(
    fc.property(modules, (bytes) => {
      seen.add(judge(bytes));
    }),
    { numRuns: runs, seed: 79 },
  );
  return [...seen].toSorted();
}

function changed(bytes: Uint8Array, list: readonly { at: number; to: number }[]): Uint8Array {
  const copy = bytes.slice();
  for (const { at, to } of list) copy[at] = to;
  return copy;
}

/** One to four bytes of `bytes` made any others. */
function changes(bytes: Uint8Array): fc.Arbitrary<Uint8Array> {
  const change = fc.record({ at: fc.nat(bytes.length - 1), to: fc.nat(255) });
  return fc.array(change, { minLength: 1, maxLength: 4 }).map((list) => changed(bytes, list));
}

describe('changed modules', () => {
  test('both originals are valid and admitted', () => {
    expect(judge(SMALL)).toBe('valid');
    expect(judge(COMPILED)).toBe('valid');
  });

  test('any byte of a small module made any of some values', () => {
    const seen = new Set<Verdict>();
    for (let at = 0; at < SMALL.length; at++) {
      for (const to of [0x00, 0x01, 0x0b, 0x40, 0x7f, 0x80, 0xfd, 0xff]) {
        seen.add(judge(changed(SMALL, [{ at, to }])));
      }
    }
    expect([...seen].toSorted()).toEqual(['invalid', 'refused', 'valid']);
  });

  test('several bytes of a small module', () => {
    expect(verdicts(3000, changes(SMALL))).toEqual(['invalid', 'refused', 'valid']);
  });

  test('several bytes of a compiled program', () => {
    expect(verdicts(500, changes(COMPILED))).toEqual(['invalid', 'refused', 'valid']);
  });

  test('cut off anywhere', () => {
    const cut = fc.nat(SMALL.length - 1).map((length) => SMALL.slice(0, length));
    // What is cut off between two sections may be valid.
    expect(verdicts(1000, cut)).toEqual(['refused', 'valid']);
  });

  test('bytes left out', () => {
    const place = fc.nat(SMALL.length);
    const shorter = fc.tuple(place, place).map(([a, b]) => {
      return cat(SMALL.subarray(0, Math.min(a, b)), SMALL.subarray(Math.max(a, b)));
    });
    expect(verdicts(1000, shorter)).toContain('refused');
  });

  test('bytes out of nowhere behind a true preamble', () => {
    const random = fc.uint8Array({ maxLength: 200 }).map((bytes) => cat(PREAMBLE, bytes));
    expect(verdicts(2000, random)).toContain('refused');
  });
});
