/** Module `sandpoll`: descriptors that are events themselves. */
import {
  EFD_CLOEXEC,
  EFD_NONBLOCK,
  EFD_SEMAPHORE,
  O_CLOEXEC,
  O_NONBLOCK,
  SFD_CLOEXEC,
  SFD_NONBLOCK,
  SIGSET_BYTES,
} from '../../abi/epoll.js';
import { Fdflags } from '../../abi/preview1.js';
import { Access, Kind } from '../../descriptors.js';
import { Errno } from '../../errno.js';
import { FORWARDED_SIGNALS, signalBit } from '../../signals.js';
import { type ImportRow, imported } from '../call.js';
import { openDescriptor, openPair } from './open.js';

/** `eventfd(2)`: read and written, 8 bytes at a time, with fd_read and fd_write. */
const eventfdRow = imported(
  'eventfd',
  { initval: 'u32', flags: 'u32', 'result.fd': '*u32' },
  (sandbox) => (initval: number, flags: number, result: number) => {
    if (!sandbox.memory.fits(result >>> 0, 4)) return Errno.FAULT;
    if ((flags & ~(EFD_SEMAPHORE | EFD_NONBLOCK | EFD_CLOEXEC)) !== 0) return Errno.INVAL;
    const fdflags = (flags & EFD_NONBLOCK) !== 0 ? Fdflags.NONBLOCK : 0;
    return openDescriptor(sandbox, result, Kind.EVENT, fdflags, () =>
      sandbox.kernel.eventfd(initval >>> 0, flags & EFD_SEMAPHORE),
    );
  },
);

/** The signals that a host sends; a mask may name others, which never come. */
const SENT = Object.values(FORWARDED_SIGNALS).reduce((mask, signal) => mask | signalBit(signal), 0);

/**
 * `signalfd(2)`: fd_read takes pending signals, 128 bytes (`signalfd_siginfo`) each, the number
 * at 0. What is sent is TERM, INT, HUP, USR1 and USR2.
 */
const signalfdRow = imported(
  'signalfd',
  { mask: 'ptr', flags: 'u32', 'result.fd': '*u32' },
  (sandbox) => (mask: number, flags: number, result: number) => {
    const { memory, kernel } = sandbox;
    const at = mask >>> 0;
    if (!memory.fits(at, SIGSET_BYTES) || !memory.fits(result >>> 0, 4)) return Errno.FAULT;
    if ((flags & ~(SFD_NONBLOCK | SFD_CLOEXEC)) !== 0) return Errno.INVAL;
    const signals = memory.view.getUint32(at, true) & SENT;
    const fdflags = (flags & SFD_NONBLOCK) !== 0 ? Fdflags.NONBLOCK : 0;
    return openDescriptor(sandbox, result, Kind.SIGNAL, fdflags, () => kernel.signalfd(signals));
  },
);

/** `pipe2(2)`: the end to read and the end to write. O_DIRECT, packets, is refused: EINVAL. */
const pipe2Row = imported(
  'pipe2',
  { flags: 'u32', 'result.fds': 'ptr' },
  (sandbox) => (flags: number, result: number) => {
    if (!sandbox.memory.fits(result >>> 0, 8)) return Errno.FAULT;
    if ((flags & ~(O_NONBLOCK | O_CLOEXEC)) !== 0) return Errno.INVAL;
    const fdflags = (flags & O_NONBLOCK) !== 0 ? Fdflags.NONBLOCK : 0;
    const pair = { kind: Kind.PIPE, fdflags, access: [Access.READ, Access.WRITE] } as const;
    return openPair(sandbox, result, pair, (handles) => sandbox.kernel.pipe2(handles, 0));
  },
);

export const EVENT_ROWS: readonly ImportRow[] = [eventfdRow, signalfdRow, pipe2Row];
