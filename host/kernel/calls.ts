/** The calls of the Kernel port as data. */
import type { Kernel } from './kernel.js';

/** What a parameter of a kernel call is, for the generated wrappers. */
export type CallParameter = 'handle' | 'number' | 'bytes' | 'iovs' | 'operations' | 'address';

const at = { bytes: 'bytes', offset: 'number' } as const;
const bytesRange = { bytes: 'bytes', offset: 'number', length: 'number' } as const;
const vector = { bytes: 'bytes', iovs: 'iovs', count: 'number' } as const;
const messages = { bytes: 'bytes', iovs: 'iovs', table: 'bytes', count: 'number' } as const;
const sockaddr = { handle: 'handle', address: 'address' } as const;
const option = { handle: 'handle', level: 'number', name: 'number', ...bytesRange } as const;
const waiting = { epoll: 'handle', bytes: 'bytes', offset: 'number', maxevents: 'number' } as const;
const path = { directory: 'handle', ...bytesRange } as const;
const renamed = {
  from: 'handle',
  bytes: 'bytes',
  fromOffset: 'number',
  fromLength: 'number',
  to: 'handle',
  toOffset: 'number',
  toLength: 'number',
} as const;
const position = { offsetLo: 'number', offsetHi: 'number' } as const;
const extent = { ...position, lengthLo: 'number', lengthHi: 'number' } as const;
const clock = { clockid: 'number', ...at } as const;

/**
 * The calls of the port as data, in the order of the interface: name, then parameter names with
 * their kinds in order. Wrappers (trace, record, replay, inject) are generated from this list.
 */
export const KERNEL_CALLS = {
  sessionOpen: {},
  sessionEnter: { session: 'number' },
  sessionWake: { session: 'number' },
  sessionSignal: { session: 'number', signal: 'number' },
  sessionCputime: { session: 'number', ...at },
  sessionWaiting: { session: 'number' },
  sessionAdopt: { session: 'number', handle: 'handle' },
  sessionClose: { session: 'number' },
  socket: { domain: 'number', type: 'number', protocol: 'number' },
  socketpair: { domain: 'number', type: 'number', protocol: 'number', ...at },
  bind: sockaddr,
  listen: { handle: 'handle', backlog: 'number' },
  accept4: sockaddr,
  connect: sockaddr,
  getsockname: sockaddr,
  getpeername: sockaddr,
  recv: { handle: 'handle', ...bytesRange, flags: 'number' },
  send: { handle: 'handle', ...bytesRange, flags: 'number' },
  recvfrom: { handle: 'handle', ...bytesRange, flags: 'number', address: 'address' },
  sendto: { handle: 'handle', ...bytesRange, flags: 'number', address: 'address' },
  recvmsg: { handle: 'handle', ...vector, flags: 'number', address: 'address', told: 'bytes' },
  sendmsg: { handle: 'handle', ...vector, flags: 'number', address: 'address' },
  submit: { bytes: 'bytes', operations: 'operations', count: 'number' },
  recvmmsg: {
    handle: 'handle',
    ...messages,
    flags: 'number',
    seconds: 'number',
    nanoseconds: 'number',
  },
  sendmmsg: { handle: 'handle', ...messages, flags: 'number' },
  shutdown: { handle: 'handle', how: 'number' },
  getsockopt: option,
  setsockopt: option,
  channelSend: { handle: 'handle', ...vector, header: 'number', passed: 'handle' },
  channelRecv: { handle: 'handle', ...vector, info: 'bytes' },
  resolve: {
    bytes: 'bytes',
    nodeOffset: 'number',
    nodeLength: 'number',
    serviceOffset: 'number',
    serviceLength: 'number',
    family: 'number',
    type: 'number',
    flags: 'number',
  },
  resolved: { handle: 'handle', ...at, room: 'number' },
  epollCreate1: { counting: 'number' },
  epollCtl: {
    epoll: 'handle',
    op: 'number',
    handle: 'handle',
    events: 'number',
    dataLo: 'number',
    dataHi: 'number',
  },
  epollPwait: { ...waiting, timeoutMs: 'number' },
  epollPwait2: { ...waiting, seconds: 'number', nanoseconds: 'number' },
  poll: { handle: 'handle', events: 'number', seconds: 'number', nanoseconds: 'number' },
  eventfd: { initval: 'number', flags: 'number' },
  timerfdCreate: { clockid: 'number' },
  timerfdSettime: { handle: 'handle', flags: 'number', ...at, oldOffset: 'number' },
  timerfdGettime: { handle: 'handle', ...at },
  signalfd: { mask: 'number' },
  dup: { handle: 'handle' },
  pipe2: at,
  stdio: { fd: 'number' },
  openFile: { path: 'bytes', flags: 'number' },
  read: { handle: 'handle', ...bytesRange },
  write: { handle: 'handle', ...bytesRange },
  readv: { handle: 'handle', ...vector },
  writev: { handle: 'handle', ...vector },
  fionread: { handle: 'handle' },
  memcmp: {
    one: 'bytes',
    offset: 'number',
    other: 'bytes',
    otherOffset: 'number',
    length: 'number',
  },
  fstat: { handle: 'handle' },
  isatty: { handle: 'handle' },
  close: { handle: 'handle' },
  openDirectory: { path: 'bytes' },
  openat: { ...path, flags: 'number', mode: 'number' },
  statx: { ...path, flags: 'number', status: 'bytes' },
  utimensat: { ...path, flags: 'number', times: 'bytes' },
  mkdirat: { ...path, mode: 'number' },
  unlinkat: { ...path, flags: 'number' },
  renameat: renamed,
  linkat: renamed,
  symlinkat: {
    bytes: 'bytes',
    targetOffset: 'number',
    targetLength: 'number',
    directory: 'handle',
    offset: 'number',
    length: 'number',
  },
  readlinkat: { ...path, room: 'number', roomBytes: 'number' },
  getdents64: { ...path, cookieLo: 'number', cookieHi: 'number' },
  lseek: { handle: 'handle', ...position, whence: 'number', bytes: 'bytes', at: 'number' },
  pread: { handle: 'handle', ...bytesRange, positionLo: 'number', positionHi: 'number' },
  pwrite: { handle: 'handle', ...bytesRange, positionLo: 'number', positionHi: 'number' },
  preadv: { handle: 'handle', ...vector, ...position },
  pwritev: { handle: 'handle', ...vector, ...position },
  ftruncate: { handle: 'handle', sizeLo: 'number', sizeHi: 'number' },
  fallocate: { handle: 'handle', ...extent },
  fadvise: { handle: 'handle', ...extent, advice: 'number' },
  fsync: { handle: 'handle' },
  fdatasync: { handle: 'handle' },
  setfl: { handle: 'handle', flags: 'number' },
  clockGettime: clock,
  clockGetres: clock,
  getrandom: bytesRange,
  schedYield: {},
} as const satisfies Record<keyof Kernel, Readonly<Record<string, CallParameter>>>;
