/** Guests that are a few lines of WebAssembly text, run to their end in this process. */
import { NO_GRANTS, type Outcome, startGuest } from '#host/index.js';

import { wat } from '../wasm/wat.js';

const P1 = 'wasi_snapshot_preview1';

/** The import `$exit` of a code. */
export const EXIT = `(import "${P1}" "proc_exit" (func $exit (param i32)))`;
/** The import `$trace`, and a call of it: one report of the host. */
export const TRACE = '(import "env" "trace" (func $trace (param i32 i32 f64 f64 f64 f64 f64)))';
export const SAY = `(call $trace (i32.const 0) (i32.const 0)
  (f64.const 0) (f64.const 0) (f64.const 0) (f64.const 0) (f64.const 0))`;

/** Runs what is in a module to its end: what the host had to say, and its outcome. */
export async function runText(
  source: string,
): Promise<{ readonly outcome: Outcome; readonly reports: readonly string[] }> {
  const reports: string[] = [];
  const guest = await startGuest({
    bytes: wat(`(module ${source})`),
    name: 'guest.wasm',
    grants: NO_GRANTS,
    onReport: (line) => {
      reports.push(line);
    },
  });
  return { outcome: await guest.ended, reports };
}
