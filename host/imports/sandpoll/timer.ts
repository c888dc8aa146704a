/** Module `sandpoll`: timers that are descriptors. */
import {
  Itimerspec,
  TFD_CLOEXEC,
  TFD_NONBLOCK,
  TFD_TIMER_ABSTIME,
  TFD_TIMER_CANCEL_ON_SET,
} from '../../abi/epoll.js';
import type { GuestMemory } from '../../abi/memory.js';
import { Fdflags } from '../../abi/preview1.js';
import { Kind } from '../../descriptors.js';
import { Errno, wasiStatus } from '../../errno.js';
import { type ImportRow, imported } from '../call.js';
import { openDescriptor } from './open.js';

/** The clocks that wake a machine from sleep. */
const CLOCK_REALTIME_ALARM = 8;
const CLOCK_BOOTTIME_ALARM = 9;

const SECOND_NS = 1e9;

/**
 * `timerfd_create(2)`: fd_read gives the number of expirations, 8 bytes. The alarm clocks are
 * EPERM even where the host could have them: a guest does not wake the machine.
 */
const createRow = imported(
  'timerfd_create',
  { clockid: 'i32', flags: 'u32', 'result.fd': '*u32' },
  (sandbox) => (clockid: number, flags: number, result: number) => {
    if (!sandbox.memory.fits(result >>> 0, 4)) return Errno.FAULT;
    if ((flags & ~(TFD_NONBLOCK | TFD_CLOEXEC)) !== 0) return Errno.INVAL;
    if (clockid === CLOCK_REALTIME_ALARM || clockid === CLOCK_BOOTTIME_ALARM) return Errno.PERM;
    const fdflags = (flags & TFD_NONBLOCK) !== 0 ? Fdflags.NONBLOCK : 0;
    return openDescriptor(sandbox, result, Kind.TIMER, fdflags, () =>
      sandbox.kernel.timerfdCreate(clockid),
    );
  },
);

/** Whether the kernel takes these times: no negative seconds, nanoseconds below a second. */
function valid({ view }: GuestMemory, at: number): boolean {
  const { intervalSeconds, intervalNanoseconds, valueSeconds, valueNanoseconds } = Itimerspec;
  const nanoseconds = [intervalNanoseconds, valueNanoseconds].every(
    (field) => field.hi(view, at) === 0 && field.lo(view, at) < SECOND_NS,
  );
  return (
    nanoseconds && [intervalSeconds, valueSeconds].every((field) => field.hi(view, at) >> 31 === 0)
  );
}

/** `timerfd_settime(2)`: `old` gets what was set before, unless it is 0. */
const settimeRow = imported(
  'timerfd_settime',
  { fd: 'fd', flags: 'u32', new: 'ptr', old: 'ptr' },
  (sandbox) => (fd: number, flags: number, next: number, old: number) => {
    const { memory, descriptors, kernel } = sandbox;
    const at = next >>> 0;
    const oldAt = old === 0 ? -1 : old >>> 0;
    if (!memory.fits(at, Itimerspec.SIZE)) return Errno.FAULT;
    if (oldAt >= 0 && !memory.fits(oldAt, Itimerspec.SIZE)) return Errno.FAULT;
    if ((flags & ~(TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET)) !== 0) return Errno.INVAL;
    if (!valid(memory, at)) return Errno.INVAL;
    if (descriptors.kind(fd) === Kind.FREE) return Errno.BADF;
    const handle = descriptors.handle(fd);
    return wasiStatus(kernel.timerfdSettime(handle, flags, memory.span, at, oldAt));
  },
);

/** `timerfd_gettime(2)`: the time left, and the interval. */
const gettimeRow = imported(
  'timerfd_gettime',
  { fd: 'fd', 'result.current': 'ptr' },
  (sandbox) => (fd: number, result: number) => {
    const { memory, descriptors, kernel } = sandbox;
    const at = result >>> 0;
    if (!memory.fits(at, Itimerspec.SIZE)) return Errno.FAULT;
    if (descriptors.kind(fd) === Kind.FREE) return Errno.BADF;
    return wasiStatus(kernel.timerfdGettime(descriptors.handle(fd), memory.span, at));
  },
);

export const TIMER_ROWS: readonly ImportRow[] = [createRow, settimeRow, gettimeRow];
