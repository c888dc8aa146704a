/** A guest that leaves a mark in the directory it was given. */
import { Errno } from '#host/errno.js';

import { wat } from '../wasm/wat.js';

/**
 * Makes the first of the directories a, b, c... in descriptor 3 that is not there, and then does
 * what `after` says, with what came of it in `$errno`.
 */
export function makerModule(after: string): Uint8Array {
  return wat(`(module
    (import "wasi_snapshot_preview1" "path_create_directory"
      (func $create (param i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "sock_accept"
      (func $accept (param i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
    (memory (export "memory") 1)
    (data (i32.const 0) "a")
    (func (export "_start") (local $errno i32)
      (loop $next
        (local.set $errno (call $create (i32.const 3) (i32.const 0) (i32.const 1)))
        (i32.store8 (i32.const 0) (i32.add (i32.load8_u (i32.const 0)) (i32.const 1)))
        (br_if $next (i32.eq (local.get $errno) (i32.const ${Errno.EXIST}))))
      ${after}))`);
}
