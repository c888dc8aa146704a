/** `wasi_snapshot_preview1` clock_*. */
import { Clockid } from '../../abi/preview1.js';
import { Errno, wasiStatus } from '../../errno.js';
import { type ImportRow, imported } from '../call.js';

const CLOCK_REALTIME = 0;
const CLOCK_MONOTONIC = 1;
const CLOCK_THREAD_CPUTIME_ID = 3;

/** Linux's clock for a WASI clock id, −1 if there is none. */
export function linuxClock(clockid: number): number {
  if (clockid === Clockid.REALTIME) return CLOCK_REALTIME;
  if (clockid === Clockid.MONOTONIC) return CLOCK_MONOTONIC;
  // A guest's process is its thread: it must not see the CPU time of its host (B100).
  const cpu = clockid === Clockid.PROCESS_CPUTIME || clockid === Clockid.THREAD_CPUTIME;
  return cpu ? CLOCK_THREAD_CPUTIME_ID : -1;
}

const timeGetRow = imported(
  'clock_time_get',
  { id: 'u32', precision: 'u64', 'result.time': '*u64' },
  (sandbox) => (id: number, _precision: bigint, result: number) => {
    const { memory, kernel } = sandbox;
    const at = result >>> 0;
    if (!memory.fits(at, 8)) return Errno.FAULT;
    const clock = linuxClock(id);
    return clock < 0 ? Errno.INVAL : wasiStatus(kernel.clockGettime(clock, memory.span, at));
  },
);

const resGetRow = imported(
  'clock_res_get',
  { id: 'u32', 'result.resolution': '*u64' },
  (sandbox) => (id: number, result: number) => {
    const { memory, kernel } = sandbox;
    const at = result >>> 0;
    if (!memory.fits(at, 8)) return Errno.FAULT;
    const clock = linuxClock(id);
    return clock < 0 ? Errno.INVAL : wasiStatus(kernel.clockGetres(clock, memory.span, at));
  },
);

export const CLOCK_ROWS: readonly ImportRow[] = [timeGetRow, resGetRow];
