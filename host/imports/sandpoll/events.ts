/** Module `sandpoll`: descriptors that are events themselves. */
import { EFD_CLOEXEC, EFD_NONBLOCK, EFD_SEMAPHORE } from '../../abi/epoll.js';
import { Fdflags } from '../../abi/preview1.js';
import { Kind } from '../../descriptors.js';
import { Errno } from '../../errno.js';
import { type ImportRow, imported } from '../call.js';
import { openDescriptor } from './epoll.js';

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

export const EVENT_ROWS: readonly ImportRow[] = [eventfdRow];
