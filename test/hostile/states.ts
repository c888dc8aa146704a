/** Every state in which a guest may have to be stopped. */
import { openNativeKernel } from '#host/kernel/native.js';

import { SOCK_STREAM, AF_INET, loopback, ok, portOf } from '../native/sockets.js';
import { type Call, type Driven, LISTENER, iovecs } from '../support/driven.js';
import { PAGE_BYTES, TABLE_ENTRIES } from '../support/driver.js';
import { clock, reading, subscriptionBytes } from '../support/structs.js';

const IOVS = PAGE_BYTES;
const DATA = PAGE_BYTES + 0x4000;
const OUT = PAGE_BYTES + 0xf000;
const ADDRESS = PAGE_BYTES + 0xe000;
const U64_MAX = 2n ** 64n - 1n;

const FILL_BYTES = 256 * PAGE_BYTES;

export interface State {
  readonly name: string;
  /** It waits in the kernel, or runs. */
  readonly waits: boolean;
  /** Prepares, and returns the last call: it does not come back. */
  readonly enter: (driven: Driven) => Promise<Call>;
}

async function repeating(driven: Driven, [name, ...args]: Call): Promise<Call> {
  return Promise.resolve(['repeat', driven.operation(name), ...args]);
}

const running = (name: string, call: Call): State => ({
  name,
  waits: false,
  enter: (driven) => repeating(driven, call),
});

const waiting = (name: string, enter: State['enter']): State => ({ name, waits: true, enter });

async function epollOf(driven: Driven, fd: number): Promise<number> {
  await driven.call('epoll_create1', 0, OUT);
  const epfd = await driven.u32(OUT);
  await driven.write(DATA, Uint8Array.from([1, ...Array.from({ length: 15 }, () => 0)]));
  await driven.call('epoll_ctl', epfd, 1, fd, DATA);
  return epfd;
}

/** A listener that never accepts, its queue full: the next connection stays on its way. */
export function fullListener(): { port: number; close: () => void } {
  const kernel = openNativeKernel();
  const listener = ok(kernel.socket(AF_INET, SOCK_STREAM, 0));
  const address = loopback();
  ok(kernel.bind(listener, address));
  ok(kernel.listen(listener, 0));
  ok(kernel.getsockname(listener, address));
  const queued = Array.from({ length: 4 }, () => {
    const handle = ok(kernel.socket(AF_INET, SOCK_STREAM, 0));
    kernel.connect(handle, address);
    return handle;
  });
  const close = (): void => {
    for (const handle of [...queued, listener]) kernel.close(handle);
  };
  return { port: portOf(address), close };
}

async function connecting(driven: Driven, port: number): Promise<Call> {
  await driven.call('sock_open', 1, 2, OUT);
  const fd = await driven.u32(OUT);
  await driven.calls(iovecs(ADDRESS, [[DATA, 4]]));
  await driven.write(DATA, Uint8Array.from([127, 0, 0, 1]));
  return ['sock_connect', fd, ADDRESS, port];
}

async function polling(
  driven: Driven,
  list: Parameters<typeof subscriptionBytes>[0],
): Promise<Call> {
  await driven.write(PAGE_BYTES, subscriptionBytes(list));
  return ['poll_oneoff', PAGE_BYTES, DATA, list.length, OUT];
}

/** A megabyte in one call, again and again: whatever does not read it fills up. */
async function flooding(
  driven: Driven,
  call: (iovs: number, count: number) => Call,
): Promise<Call> {
  await driven.calls(
    iovecs(
      IOVS,
      Array.from({ length: 16 }, () => [2 * PAGE_BYTES, PAGE_BYTES] as const),
    ),
  );
  return repeating(driven, call(IOVS, 16));
}

const RUNNING: readonly State[] = [
  running('a busy loop', ['load8', 0]),
  { name: 'an empty loop', waits: false, enter: async () => Promise.resolve(['spin']) },
  running('memory.fill of 16 MiB', ['memory.fill', PAGE_BYTES, 0, FILL_BYTES]),
  running('memory.copy of 16 MiB', ['memory.copy', PAGE_BYTES, 2 * PAGE_BYTES, FILL_BYTES]),
  running('memory.grow by 0', ['memory.grow', 0]),
  running('table.fill of all entries', ['table.fill', 0, TABLE_ENTRIES]),
  running('calls that do nothing', ['sched_yield']),
  running('epoll_wait that never waits', ['epoll_wait', LISTENER, OUT, 1, 0, OUT]),
  running('random_get of 16 MiB', ['random_get', PAGE_BYTES, FILL_BYTES]),
];

/** Those at the listener last: of several with one listener, none takes another's connection. */
const WAITING: readonly State[] = [
  waiting('sock_recv', async (driven) => {
    const { fd } = await driven.accept(0);
    await driven.calls(iovecs(IOVS, [[DATA, 8]]));
    return ['sock_recv', fd, IOVS, 1, 0, OUT, OUT + 8];
  }),
  waiting('sock_recv with WAITALL, half of it there', async (driven) => {
    const { fd, peer } = await driven.accept(0);
    peer.write('half');
    await driven.calls(iovecs(IOVS, [[DATA, 8]]));
    return ['sock_recv', fd, IOVS, 1, 2, OUT, OUT + 8];
  }),
  waiting('fd_read of a connection', async (driven) => {
    const { fd } = await driven.accept(0);
    await driven.calls(iovecs(IOVS, [[DATA, 8]]));
    return ['fd_read', fd, IOVS, 1, OUT];
  }),
  waiting('sock_send to a peer that never reads', async (driven) => {
    const { fd } = await driven.accept(0);
    return flooding(driven, (iovs, count) => ['sock_send', fd, iovs, count, 0, OUT]);
  }),
  waiting('poll_oneoff of a clock', (driven) => polling(driven, [clock(U64_MAX)])),
  waiting('fd_read of an eventfd', async (driven) => {
    await driven.call('eventfd', 0, 0, OUT);
    const fd = await driven.u32(OUT);
    await driven.calls(iovecs(IOVS, [[DATA, 8]]));
    return ['fd_read', fd, IOVS, 1, OUT];
  }),
  waiting('fd_read of a timer that is not armed', async (driven) => {
    await driven.call('timerfd_create', 1, 0, OUT);
    const fd = await driven.u32(OUT);
    await driven.calls(iovecs(IOVS, [[DATA, 8]]));
    return ['fd_read', fd, IOVS, 1, OUT];
  }),
  waiting('fd_read of a signalfd', async (driven) => {
    // SIGUSR1 alone: who takes SIGINT is given time to leave.
    await driven.call('store64', DATA, 1n << 9n);
    await driven.call('signalfd', DATA, 0, OUT);
    const fd = await driven.u32(OUT);
    await driven.calls(iovecs(IOVS, [[DATA, 128]]));
    return ['fd_read', fd, IOVS, 1, OUT];
  }),
  waiting('epoll_wait(-1)', async (driven) => {
    const epfd = await epollOf(driven, LISTENER);
    return ['epoll_wait', epfd, DATA, 8, -1, OUT];
  }),
  waiting('epoll_pwait2 for ever', async (driven) => {
    const epfd = await epollOf(driven, LISTENER);
    return ['epoll_pwait2', epfd, DATA, 8, 0, OUT];
  }),
  waiting('poll_oneoff of descriptors', (driven) => polling(driven, [reading(LISTENER)])),
  waiting('sock_accept', async () => Promise.resolve(['sock_accept', LISTENER, 0, OUT])),
];

/** All states but those that need stdio or a listener of their own. */
export const STATES: readonly State[] = [...RUNNING, ...WAITING];

/** A connection on its way to a listener whose queue is full. */
export function connectingState(port: number): State {
  return waiting('sock_connect', (driven) => connecting(driven, port));
}

/** States of a process whose stdin is a silent pipe, and its stdout one that nobody reads. */
export const STDIO_STATES: readonly State[] = [
  waiting('fd_read of stdin', async (driven) => {
    await driven.calls(iovecs(IOVS, [[DATA, 8]]));
    return ['fd_read', 0, IOVS, 1, OUT];
  }),
  waiting('fd_write to a full stdout', (driven) =>
    flooding(driven, (iovs, count) => ['fd_write', 1, iovs, count, OUT]),
  ),
];
