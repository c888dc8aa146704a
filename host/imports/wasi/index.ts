/** Module `wasi`: threads, as wasi-threads has them (abi.md §5). */
import { type ImportRow, imported } from '../call.js';

/**
 * Starts a thread: a new instance of the module over the same memory, whose `wasi_thread_start`
 * gets the returned number and `start_arg`. Does not wait for it. `-EAGAIN` beyond the limit.
 */
const spawnRow = imported(
  'thread-spawn',
  { start_arg: 'ptr' },
  (sandbox) => (startArg: number) => sandbox.spawnThread(startArg),
  'tid',
);

export const WASI_ROWS: readonly ImportRow[] = [spawnRow];
