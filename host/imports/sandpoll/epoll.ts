/** Module `sandpoll`: epoll, with Linux's own constants and answers (design.md §4.1). */
import {
  EPOLLWAKEUP,
  EPOLL_CLOEXEC,
  EPOLL_CTL_DEL,
  EPOLL_KNOWN,
  EpollEvent,
  Timespec,
} from '../../abi/epoll.js';
import { Kind } from '../../descriptors.js';
import { Errno, wasiErrno, wasiStatus } from '../../errno.js';
import { type ImportRow, imported } from '../call.js';
import { openDescriptor } from './open.js';

/** `EP_MAX_EVENTS` of Linux: INT_MAX / sizeof(struct epoll_event). */
const EPOLL_MAXEVENTS_MAX = Math.floor((2 ** 31 - 1) / 12);

/** `epoll_create1(2)`; EPOLL_CLOEXEC is accepted, and means nothing to a guest. */
const create1Row = imported(
  'epoll_create1',
  { flags: 'u32', 'result.fd': '*u32' },
  (sandbox) => (flags: number, result: number) => {
    if (!sandbox.memory.fits(result >>> 0, 4)) return Errno.FAULT;
    if ((flags & ~EPOLL_CLOEXEC) !== 0) return Errno.INVAL;
    return openDescriptor(sandbox, result, Kind.EPOLL, 0, () => sandbox.kernel.epollCreate1(0));
  },
);

/** `epoll_ctl(2)`; `event` is not read for DEL. Unknown event bits are EINVAL (E24). */
const ctlRow = imported(
  'epoll_ctl',
  { epfd: 'fd', op: 'i32', fd: 'fd', event: 'ptr' },
  (sandbox) => {
    const { kernel, descriptors } = sandbox;
    return (epfd: number, op: number, fd: number, event: number) => {
      const { memory } = sandbox;
      const at = event >>> 0;
      let events = 0;
      let lo = 0;
      let hi = 0;
      if (op !== EPOLL_CTL_DEL) {
        if (!memory.fits(at, EpollEvent.SIZE)) return Errno.FAULT;
        events = EpollEvent.events.get(memory.view, at);
        lo = EpollEvent.data.lo(memory.view, at);
        hi = EpollEvent.data.hi(memory.view, at);
      }
      if ((events & ~EPOLL_KNOWN) !== 0) return Errno.INVAL;
      if (descriptors.kind(epfd) === Kind.FREE) return Errno.BADF;
      const kind = descriptors.kind(fd);
      if (kind === Kind.FREE) return Errno.BADF;
      if (kind === Kind.LISTENER && events !== 0) descriptors.watchesListener();
      const epoll = descriptors.handle(epfd);
      const handle = descriptors.handle(fd);
      // A guest cannot keep the machine awake: the kernel ignores it too, without the capability.
      return wasiStatus(kernel.epollCtl(epoll, op, handle, events & ~EPOLLWAKEUP, lo, hi));
    };
  },
);

/** `epoll_wait(2)`: −1 waits for ever. */
const waitRow = imported(
  'epoll_wait',
  { epfd: 'fd', events: 'ptr', maxevents: 'i32', timeout_ms: 'i32', 'result.n': '*u32' },
  (sandbox) => {
    const { kernel, descriptors } = sandbox;
    const { eventsPerWait } = sandbox.grants.limits;
    return (epfd: number, events: number, maxevents: number, timeoutMs: number, result: number) => {
      const { memory } = sandbox;
      const at = events >>> 0;
      const nAt = result >>> 0;
      if (!memory.fits(nAt, 4)) return Errno.FAULT;
      // Before all else, as Linux has it now; older kernels looked at `maxevents` first.
      if (descriptors.kind(epfd) === Kind.FREE) return Errno.BADF;
      if (maxevents <= 0 || maxevents > EPOLL_MAXEVENTS_MAX) return Errno.INVAL;
      if (!memory.fits(at, maxevents * EpollEvent.SIZE)) return Errno.FAULT;
      sandbox.beforeWait();
      const room = Math.min(maxevents, eventsPerWait);
      const n = kernel.epollPwait(descriptors.handle(epfd), memory.span, at, room, timeoutMs);
      if (n < 0) return wasiErrno(n);
      memory.view.setUint32(nAt, n, true);
      return Errno.SUCCESS;
    };
  },
);

/** Seconds beyond this are for ever: 68 years. */
const SECONDS_MAX = 2 ** 31 - 1;

/** `epoll_pwait2(2)` without a signal mask: a null timespec waits for ever. */
const pwait2Row = imported(
  'epoll_pwait2',
  { epfd: 'fd', events: 'ptr', maxevents: 'i32', timeout: 'ptr', 'result.n': '*u32' },
  (sandbox) =>
    (epfd: number, events: number, maxevents: number, timeout: number, result: number) => {
      const { memory, kernel, descriptors } = sandbox;
      const at = events >>> 0;
      const timeoutAt = timeout >>> 0;
      if (!memory.fits(result >>> 0, 4)) return Errno.FAULT;
      if (timeoutAt !== 0 && !memory.fits(timeoutAt, Timespec.SIZE)) return Errno.FAULT;
      let seconds = -1;
      let nanoseconds = 0;
      if (timeoutAt !== 0) {
        const high = Timespec.seconds.hi(memory.view, timeoutAt);
        nanoseconds = Timespec.nanoseconds.lo(memory.view, timeoutAt);
        const odd = Timespec.nanoseconds.hi(memory.view, timeoutAt) !== 0 || nanoseconds >= 1e9;
        if (high >= 2 ** 31 || odd) return Errno.INVAL;
        const low = Timespec.seconds.lo(memory.view, timeoutAt);
        seconds = high > 0 ? SECONDS_MAX : Math.min(low, SECONDS_MAX);
      }
      if (descriptors.kind(epfd) === Kind.FREE) return Errno.BADF;
      if (maxevents <= 0 || maxevents > EPOLL_MAXEVENTS_MAX) return Errno.INVAL;
      if (!memory.fits(at, maxevents * EpollEvent.SIZE)) return Errno.FAULT;
      sandbox.beforeWait();
      const room = Math.min(maxevents, sandbox.grants.limits.eventsPerWait);
      const epoll = descriptors.handle(epfd);
      const n = kernel.epollPwait2(epoll, memory.span, at, room, seconds, nanoseconds);
      if (n < 0) return wasiErrno(n);
      memory.view.setUint32(result >>> 0, n, true);
      return Errno.SUCCESS;
    },
);

export const EPOLL_ROWS: readonly ImportRow[] = [create1Row, ctlRow, waitRow, pwait2Row];
