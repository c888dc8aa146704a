/** Module `env`: what AssemblyScript's runtime asks of its host. */
import type { Sandbox } from '../sandbox.js';
import { wasmFrames } from '../trap.js';
import { type ImportRow, imported } from './call.js';

/** Bytes of an AssemblyScript object's length, which stands right before it. */
const LENGTH_BYTES = 4;
const TEXT_BYTES_MAX = 4096;

/** An AssemblyScript string: UTF-16, its size in bytes before it. `''` for null or nonsense. */
function assemblyScriptString(sandbox: Sandbox, pointer: number): string {
  const { memory } = sandbox;
  const at = pointer >>> 0;
  if (at < LENGTH_BYTES || !memory.fits(at - LENGTH_BYTES, LENGTH_BYTES)) return '';
  const size = Math.min(memory.view.getUint32(at - LENGTH_BYTES, true), TEXT_BYTES_MAX);
  if (!memory.fits(at, size)) return '';
  return new TextDecoder('utf-16le').decode(memory.bytes.slice(at, at + size));
}

/** Ends the guest as a trap does, with the message, file and line that the compiler passed. */
const abortRow = imported(
  'abort',
  { message: 'ptr', file: 'ptr', line: 'u32', column: 'u32' },
  (sandbox) => (message: number, file: number, line: number, column: number) => {
    const text = assemblyScriptString(sandbox, message) || 'abort';
    const where = assemblyScriptString(sandbox, file) || 'unknown file';
    return sandbox.end({
      kind: 'trapped',
      message: `${text} in ${where}(${line >>> 0}:${column >>> 0})`,
      frames: wasmFrames(new Error('abort').stack ?? ''),
    });
  },
  'none',
);

/** A seed for `Math.random`: any finite f64 serves, and this one is not to be guessed. */
const seedRow = imported(
  'seed',
  {},
  (sandbox) => {
    const bytes = new Uint8Array(8);
    const view = new DataView(bytes.buffer);
    return () => {
      sandbox.kernel.getrandom(bytes, 0, 8);
      return view.getUint32(0) * 2 ** 20 + (view.getUint32(4) >>> 12);
    };
  },
  'f64',
);

const number = 'f64' as const;

/** Says a line, with up to five numbers, to whoever runs the guest. */
const traceRow = imported(
  'trace',
  { message: 'ptr', n: 'i32', a0: number, a1: number, a2: number, a3: number, a4: number },
  (sandbox) =>
    (message: number, n: number, ...values: number[]) => {
      const numbers = values.slice(0, Math.max(0, n)).map((value) => ` ${value}`);
      sandbox.report(`trace: ${assemblyScriptString(sandbox, message)}${numbers.join(',')}`);
      return undefined;
    },
  'none',
);

export const ENV_ROWS: readonly ImportRow[] = [abortRow, seedRow, traceRow];
