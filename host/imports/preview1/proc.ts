/** `wasi_snapshot_preview1` proc_exit, proc_raise, sched_yield and random_get. */
import { Errno, wasiErrno, wasiStatus } from '../../errno.js';
import { type ImportRow, imported } from '../call.js';

/** Ends the guest from wherever it is; nothing after it runs (B82). */
const exitRow = imported(
  'proc_exit',
  { rval: 'u32' },
  (sandbox) => (code: number) => sandbox.end({ kind: 'exited', code: code >>> 0 }),
  'none',
);

/** No process is the guest's alone to be signalled: the one function that only answers NOSYS. */
const raiseRow = imported('proc_raise', { sig: 'u32' }, () => () => Errno.NOSYS);

const yieldRow = imported('sched_yield', {}, (sandbox) => () => {
  return wasiStatus(sandbox.kernel.schedYield());
});

/** Bytes of one fill: between two of them a stop can take hold (B72). */
const FILL_BYTES = 1 << 20;

const randomRow = imported(
  'random_get',
  { buf: 'ptr', buf_len: 'size' },
  (sandbox) => (buf: number, len: number) => {
    const { memory, kernel } = sandbox;
    const end = (buf >>> 0) + (len >>> 0);
    if (!memory.fits(buf >>> 0, len >>> 0)) return Errno.FAULT;
    for (let at = buf >>> 0; at < end; at += FILL_BYTES) {
      const result = kernel.getrandom(memory.bytes, at, Math.min(FILL_BYTES, end - at));
      if (result < 0) return wasiErrno(result);
    }
    return Errno.SUCCESS;
  },
);

export const PROC_ROWS: readonly ImportRow[] = [exitRow, raiseRow, yieldRow, randomRow];
