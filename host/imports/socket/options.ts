/**
 * Socket options, by Linux's levels and names: one table for every family of imports. What is not
 * in it does not pass. Values are built and read in the sandbox's `option`; results are `>= 0`, or
 * minus a Linux errno.
 */
import { IpMreqn, Ipv6Mreq, TCP_NODELAY } from '../../abi/socket.js';
import { Linger, Timeval } from '../../abi/wasmedge.js';
import { encodeInet4, encodeInet6, sockaddrPort } from '../../address.js';
import { LinuxErrno, wasiErrno } from '../../errno.js';
import { bufferShareBytes } from '../../grants/buffers.js';
import type { Handle, Kernel } from '../../kernel/kernel.js';
import type { Sandbox } from '../../sandbox.js';

export const SOL_SOCKET = 1;
export const IPPROTO_IP = 0;
export const IPPROTO_TCP = 6;
export const IPPROTO_UDP = 17;
export const IPPROTO_IPV6 = 41;

const SO_TYPE = 3;
const SO_ERROR = 4;
const SO_RCVTIMEO = 20;
const SO_SNDTIMEO = 21;

const INT_BYTES = 4;

/**
 * The most that SO_RCVBUF and SO_SNDBUF ask for, in bytes. Kernel memory counts for no guest's
 * limit; this is as far as Linux lets a connection's buffers grow by itself (`tcp_wmem`), and the
 * machine's own `rmem_max` and `wmem_max` still hold below it.
 */
const SOCKET_BUFFER_BYTES_MAX = 4 * 2 ** 20;

/** Judges the value in `view` before it is set, and may change it: 0, or minus an errno. */
type Check = (sandbox: Sandbox, fd: number, view: DataView) => number;

export interface SocketOption {
  readonly level: number;
  readonly name: number;
  /** The most and the fewest bytes of the value. */
  readonly size: number;
  readonly sizeMin: number;
  readonly settable: boolean;
  readonly check?: Check;
}

const capBuffer: Check = ({ grants }, _fd, view) => {
  const mostBytes = bufferShareBytes(grants.limits) ?? SOCKET_BUFFER_BYTES_MAX;
  // As the kernel has it, a negative size is a large one.
  view.setUint32(0, Math.min(view.getUint32(0, true), mostBytes), true);
  return 0;
};

/** More than one byte of low-water mark makes readiness and FIONREAD disagree (E30). */
const checkLowWater: Check = (_sandbox, _fd, view) =>
  view.getInt32(0, true) > 1 ? -LinuxErrno.NOTSUP : 0;

/** Data before the handshake may come twice, or from an address that is not the sender's. */
const checkFastOpen: Check = (sandbox, _fd, view) => {
  if (view.getInt32(0, true) === 0 || sandbox.grants.fastOpen) return 0;
  return sandbox.deny('denied: TCP Fast Open; grant it with --allow-fastopen');
};

/** To join a group is to receive at its address: judged as a bind to it, at the socket's port. */
function judgeGroup(sandbox: Sandbox, fd: number, inet6: boolean): number {
  const { descriptors, kernel, address, option } = sandbox;
  const named = kernel.getsockname(descriptors.handle(fd), address);
  if (named < 0) return named;
  const port = sockaddrPort(address);
  if (inet6) encodeInet6(address, option, Ipv6Mreq.multiaddr.offset, port);
  else encodeInet4(address, option, IpMreqn.multiaddr.offset, port);
  return sandbox.permit('bind', descriptors.seenKind(fd));
}

const joinGroup: Check = (sandbox, fd) => judgeGroup(sandbox, fd, false);
const joinGroup6: Check = (sandbox, fd) => judgeGroup(sandbox, fd, true);

/** Name, then what differs from an `int` that may be read and set. */
type Row = readonly [name: number, rest?: Partial<SocketOption>];

const READ_ONLY = { settable: false } as const;
const ADDRESS_4 = { size: IpMreqn.SIZE, sizeMin: 8 } as const;
const ADDRESS_6 = { size: Ipv6Mreq.SIZE, sizeMin: Ipv6Mreq.SIZE } as const;
/** BSD's programs set these as one byte, and Linux takes both (`ip(7)`). */
const BYTE = { sizeMin: 1 } as const;

/**
 * Left out of SOL_SOCKET: SO_BINDTODEVICE and SO_MARK, which would carry a socket past the address
 * rules, SO_ATTACH_*, which put programs into the kernel (B44), SO_PEERCRED, which tells of other
 * processes. SO_REUSEPORT is no way to another's port: bind is judged all the same, and every
 * socket of a port must have asked for it before, which those of `--listen` never do.
 */
const SOCKET_ROWS: readonly Row[] = [
  [2], // SO_REUSEADDR
  [SO_TYPE, READ_ONLY],
  [SO_ERROR, READ_ONLY],
  [5], // SO_DONTROUTE
  [6], // SO_BROADCAST
  [7, { check: capBuffer }], // SO_SNDBUF
  [8, { check: capBuffer }], // SO_RCVBUF
  [9], // SO_KEEPALIVE
  [10], // SO_OOBINLINE
  [13, { size: Linger.SIZE, sizeMin: Linger.SIZE }], // SO_LINGER
  [15], // SO_REUSEPORT
  [18, { check: checkLowWater }], // SO_RCVLOWAT
  [SO_RCVTIMEO, { size: Timeval.SIZE, sizeMin: Timeval.SIZE }],
  [SO_SNDTIMEO, { size: Timeval.SIZE, sizeMin: Timeval.SIZE }],
  [30, READ_ONLY], // SO_ACCEPTCONN
  [38, READ_ONLY], // SO_PROTOCOL
  [39, READ_ONLY], // SO_DOMAIN
];

const IP_ROWS: readonly Row[] = [
  [1, BYTE], // IP_TOS
  [2, BYTE], // IP_TTL
  [32, { ...ADDRESS_4, sizeMin: INT_BYTES }], // IP_MULTICAST_IF
  [33, BYTE], // IP_MULTICAST_TTL
  [34, BYTE], // IP_MULTICAST_LOOP
  [35, { ...ADDRESS_4, check: joinGroup }], // IP_ADD_MEMBERSHIP
  [36, ADDRESS_4], // IP_DROP_MEMBERSHIP
  [49, BYTE], // IP_MULTICAST_ALL
];

const IPV6_ROWS: readonly Row[] = [
  [16], // IPV6_UNICAST_HOPS
  [17], // IPV6_MULTICAST_IF
  [18], // IPV6_MULTICAST_HOPS
  [19], // IPV6_MULTICAST_LOOP
  [20, { ...ADDRESS_6, check: joinGroup6 }], // IPV6_JOIN_GROUP
  [21, ADDRESS_6], // IPV6_LEAVE_GROUP
  [26], // IPV6_V6ONLY
  [67], // IPV6_TCLASS
];

const TCP_ROWS: readonly Row[] = [
  [TCP_NODELAY],
  [3], // TCP_CORK
  [4], // TCP_KEEPIDLE
  [5], // TCP_KEEPINTVL
  [6], // TCP_KEEPCNT
  [7], // TCP_SYNCNT
  [8], // TCP_LINGER2
  [9], // TCP_DEFER_ACCEPT
  [12], // TCP_QUICKACK
  [18], // TCP_USER_TIMEOUT
  [23, { check: checkFastOpen }], // TCP_FASTOPEN
  [25], // TCP_NOTSENT_LOWAT
  [30, { check: checkFastOpen }], // TCP_FASTOPEN_CONNECT
];

const UDP_ROWS: readonly Row[] = [[1]]; // UDP_CORK

const LEVELS: ReadonlyMap<number, ReadonlyMap<number, SocketOption>> = new Map(
  (
    [
      [SOL_SOCKET, SOCKET_ROWS],
      [IPPROTO_IP, IP_ROWS],
      [IPPROTO_IPV6, IPV6_ROWS],
      [IPPROTO_TCP, TCP_ROWS],
      [IPPROTO_UDP, UDP_ROWS],
    ] as const
  ).map(([level, rows]) => [
    level,
    new Map(
      rows.map(([name, rest]) => [
        name,
        { level, name, size: INT_BYTES, sizeMin: INT_BYTES, settable: true, ...rest },
      ]),
    ),
  ]),
);

/** The option of a level and name in Linux's numbers, if it may pass. */
export function findOption(level: number, name: number): SocketOption | undefined {
  return LEVELS.get(level)?.get(name);
}

const ONE = new Uint8Array([1, 0, 0, 0]);

/** Turns Nagle's delay off: what servers want, and what a guest may turn back on. */
export function disableNagle(kernel: Kernel, handle: Handle): void {
  kernel.setsockopt(handle, IPPROTO_TCP, TCP_NODELAY, ONE, 0, INT_BYTES);
}

/** SO_TYPE of a socket, or minus an errno. */
export function socketType(sandbox: Sandbox, handle: Handle): number {
  const { kernel, option } = sandbox;
  const result = kernel.getsockopt(handle, SOL_SOCKET, SO_TYPE, option, 0, INT_BYTES);
  return result < 0 ? result : option[0];
}

function isTimeout({ level, name }: SocketOption): boolean {
  return level === SOL_SOCKET && (name === SO_RCVTIMEO || name === SO_SNDTIMEO);
}

const TIMEOUT_MAX_MS = 2 ** 31 - 1;

/** Milliseconds of a `struct timeval`, rounded up; −1 if it is not one (`socket(7)`). */
function timevalMs(view: DataView): number {
  const usec = Timeval.microseconds.lo(view, 0);
  if (Timeval.microseconds.hi(view, 0) !== 0 || usec >= 1_000_000) return -1;
  const high = Timeval.seconds.hi(view, 0);
  // A negative time is over before it begins: Linux makes it none at all.
  if (high >= 2 ** 31) return -1;
  const seconds = high * 2 ** 32 + Timeval.seconds.lo(view, 0);
  return Math.min(seconds * 1000 + Math.ceil(usec / 1000), TIMEOUT_MAX_MS);
}

/**
 * Sets an option of an open socket from the `size` bytes at `at`, which the caller has checked to
 * lie in memory, at least `sizeMin` of them. They are read once.
 *
 * Time-outs live in the descriptor: kernel sockets never block, the host waits on their behalf.
 * Zero is none, as in `socket(7)`.
 */
export function setOption(
  sandbox: Sandbox,
  fd: number,
  found: SocketOption,
  at: number,
  size: number,
): number {
  const { memory, descriptors, kernel, option } = sandbox;
  if (!found.settable) return -LinuxErrno.NOPROTOOPT;
  const taken = Math.min(size, found.size);
  option.fill(0);
  option.set(memory.bytes.subarray(at, at + taken));
  const view = new DataView(option.buffer);
  if (isTimeout(found)) {
    const timeoutMs = timevalMs(view);
    if (timeoutMs < 0) return -LinuxErrno.DOM;
    descriptors.setTimeoutMs(fd, found.name === SO_SNDTIMEO, timeoutMs);
    return 0;
  }
  const checked = found.check?.(sandbox, fd, view) ?? 0;
  if (checked < 0) return checked;
  const handle = descriptors.handle(fd);
  return kernel.setsockopt(handle, found.level, found.name, option, 0, taken);
}

/**
 * Reads an option of an open socket into the sandbox's `option`, at most `room` bytes of it, and
 * returns how many. SO_ERROR is in WASI's numbers, as every errno that a guest sees.
 */
export function readOption(
  sandbox: Sandbox,
  fd: number,
  found: SocketOption,
  room: number,
): number {
  const { descriptors, kernel, option } = sandbox;
  const view = new DataView(option.buffer);
  option.fill(0);
  const length = Math.min(room, found.size);
  if (isTimeout(found)) {
    const timeoutMs = descriptors.timeoutMs(fd, found.name === SO_SNDTIMEO);
    Timeval.seconds.set(view, 0, Math.floor(timeoutMs / 1000), 0);
    Timeval.microseconds.set(view, 0, (timeoutMs % 1000) * 1000, 0);
    return length;
  }
  const handle = descriptors.handle(fd);
  const size = kernel.getsockopt(handle, found.level, found.name, option, 0, length);
  if (size < 0 || found.level !== SOL_SOCKET || found.name !== SO_ERROR) return size;
  const error = view.getInt32(0, true);
  view.setInt32(0, error === 0 ? 0 : wasiErrno(-error), true);
  return size;
}
