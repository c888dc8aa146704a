/** A guest that waits for a signal, and then leaves or does not. */
import { wat } from '../wasm/wat.js';

export interface Draining {
  /** Whether it leaves with 0 once it has a signal, or waits for another, for ever. */
  readonly leaves: boolean;
  /** What its signalfd takes: bit n−1 for signal n. All five, unless said. */
  readonly mask?: number;
}

const ALL = 0b100_1010_0000_0011;

/**
 * Says `ready` by `env.trace` once it has its signalfd, and `signal` with the number of each
 * signal that it takes.
 */
export function drainingGuest({ leaves, mask = ALL }: Draining): Uint8Array {
  return wat(`(module
    (import "env" "trace" (func $trace (param i32 i32 f64 f64 f64 f64 f64)))
    (import "sandpoll" "signalfd" (func $signalfd (param i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_read"
      (func $read (param i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    ${lengthAndText(100, 'ready')}
    ${lengthAndText(200, 'signal')}
    (func $say (param $text i32) (param $number i32)
      (call $trace (local.get $text) (i32.const 1) (f64.convert_i32_u (local.get $number))
        (f64.const 0) (f64.const 0) (f64.const 0) (f64.const 0)))
    (func (export "_start")
      (i64.store (i32.const 0) (i64.const ${mask}))
      (if (call $signalfd (i32.const 0) (i32.const 0) (i32.const 8)) (then unreachable))
      (i32.store (i32.const 16) (i32.const 512))
      (i32.store (i32.const 20) (i32.const 128))
      (call $say (i32.const 104) (i32.const 0))
      (loop $again
        (drop (call $read (i32.load (i32.const 8)) (i32.const 16) (i32.const 1) (i32.const 24)))
        (call $say (i32.const 204) (i32.load (i32.const 512)))
        (br_if $again (i32.const ${leaves ? 0 : 1})))))`);
}

/** A string of AssemblyScript's: its length in bytes stands before its UTF-16. */
function lengthAndText(at: number, text: string): string {
  const bytes = Buffer.from(text, 'utf16le');
  const escaped = [...bytes].map((byte) => `\\${byte.toString(16).padStart(2, '0')}`).join('');
  const size = bytes.length.toString(16).padStart(2, '0');
  return `(data (i32.const ${at}) "\\${size}\\00\\00\\00${escaped}")`;
}
