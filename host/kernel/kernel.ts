/**
 * The Kernel port: one method for each system call, in Linux's own terms.
 *
 * Every method returns a number `>= 0`, or minus a Linux errno; none throws, none allocates.
 * The port speaks in opaque handles. A handle is a small integer (slot and generation), never a
 * descriptor number of this process; a closed handle answers `-EBADF` for ever.
 *
 * Everything that is not deterministic passes through here. Guests, grants and WASI do not.
 * What concerns files is in `files.ts`.
 */

import type { Files } from './files.js';
import type { Bytes, Handle, Result, Session, SockaddrBuffer } from './values.js';

export type { Bytes, Handle, Result, Session, SockaddrBuffer } from './values.js';
export {
  EPOLL_EVENTS_MAX,
  ESCAPES,
  IOV_MAX,
  MESSAGES_MAX,
  MESSAGE_BYTES,
  SOCKADDR_BYTES,
  STATUS_BYTES,
} from './values.js';

/**
 * `bytes` is always the memory that the call reads or writes, `offset` and `length` a range in it.
 * The caller has checked the range; the addon checks it again and answers `-EFAULT`.
 *
 * `iovs` holds `count` pairs (offset in `bytes`, length), both u32.
 */
export interface Kernel extends Files {
  // Sessions -------------------------------------------------------------------------------
  /** Opens a session. Owns nothing yet; close it with `sessionClose`. */
  sessionOpen(): Session;
  /**
   * Makes the calling thread one of the session's: it owns what it opens, and can be woken.
   * `-ESRCH` if the session is closed already, `-EAGAIN` where no timer for wakes is left.
   */
  sessionEnter(session: Session): Result;
  /**
   * Wakes every thread of the session out of its wait, or out of its next wait if it is not in
   * one: that wait returns `-EINTR`. Callable from any thread; never lost.
   */
  sessionWake(session: Session): Result;
  /**
   * Makes `signal` (`signal(7)`) pending in the session, as `kill(2)` does in a process: returns
   * how many of its signal descriptors are now readable for it. 0 says that nobody takes it;
   * nothing is pending then.
   */
  sessionSignal(session: Session, signal: number): Result;
  /**
   * Writes the CPU time in nanoseconds, a u64 at `offset`, that the session's threads have used
   * since each entered (`pthread_getcpuclockid(3)`); those that have ended count. `-ESRCH` once
   * the session is closed.
   */
  sessionCputime(session: Session, bytes: Bytes, offset: number): Result;
  /** 1 if every thread of the session is in a wait that `sessionWake` ends just now, else 0. */
  sessionWaiting(session: Session): Result;
  /** Gives a handle to a session, which then closes it with the rest. */
  sessionAdopt(session: Session, handle: Handle): Result;
  /**
   * Closes every handle the session still owns, and returns how many; `-ESRCH` the second time.
   * Threads still in it are woken, and from then on find every wait `-EINTR` and every new handle
   * `-ECANCELED`.
   */
  sessionClose(session: Session): Result;

  // Sockets: always O_NONBLOCK and O_CLOEXEC ----------------------------------------------
  /** `socket(2)`. */
  socket(domain: number, type: number, protocol: number): Handle | Result;
  /** `socketpair(2)`: writes two handles, i32 each, at `offset`. */
  socketpair(domain: number, type: number, protocol: number, bytes: Bytes, offset: number): Result;
  /** `bind(2)`. */
  bind(handle: Handle, address: SockaddrBuffer): Result;
  /** `listen(2)`. */
  listen(handle: Handle, backlog: number): Result;
  /** `accept4(2)`; the peer's address is written to `address`. */
  accept4(handle: Handle, address: SockaddrBuffer): Handle | Result;
  /** `connect(2)`; `-EINPROGRESS` while it is under way. */
  connect(handle: Handle, address: SockaddrBuffer): Result;
  /** `getsockname(2)`. */
  getsockname(handle: Handle, address: SockaddrBuffer): Result;
  /** `getpeername(2)`. */
  getpeername(handle: Handle, address: SockaddrBuffer): Result;
  /** `recv(2)`: bytes read; with MSG_TRUNC the datagram's real length. */
  recv(handle: Handle, bytes: Bytes, offset: number, length: number, flags: number): Result;
  /** `send(2)` with MSG_NOSIGNAL: bytes written. */
  send(handle: Handle, bytes: Bytes, offset: number, length: number, flags: number): Result;
  /** `recvfrom(2)`: as `recv`; the sender's address is written to `address`. */
  recvfrom(
    handle: Handle,
    bytes: Bytes,
    offset: number,
    length: number,
    flags: number,
    address: SockaddrBuffer | ArrayBuffer,
  ): Result;
  /** `sendto(2)`: as `send`, to `address`. */
  sendto(
    handle: Handle,
    bytes: Bytes,
    offset: number,
    length: number,
    flags: number,
    address: SockaddrBuffer | ArrayBuffer,
  ): Result;
  /**
   * `recvmsg(2)` into `count` buffers; the sender's address is written to `address`, and Linux's
   * msg_flags, u32, to `told`. There is no room for control data: MSG_CTRUNC tells of some.
   */
  recvmsg(
    handle: Handle,
    bytes: Bytes,
    iovs: Uint32Array,
    count: number,
    flags: number,
    address: SockaddrBuffer | null,
    told: Bytes,
  ): Result;
  /** `sendmsg(2)` with MSG_NOSIGNAL from `count` buffers, to `address` if there is one. */
  sendmsg(
    handle: Handle,
    bytes: Bytes,
    iovs: Uint32Array,
    count: number,
    flags: number,
    address: SockaddrBuffer | null,
  ): Result;
  /**
   * Several `recv` and `send` with flags 0, one after the other, for the price of one crossing.
   * `operations` has four u32 for each of `count`: the handle @0, in whose place its result is
   * left; 0 to receive and 1 to send @1; offset @2 and length @3 in `bytes`. `-EINVAL` for more
   * than the array has.
   */
  submit(bytes: Bytes, operations: Uint32Array, count: number): Result;
  /**
   * `recvmmsg(2)` of up to `count` messages, at most `MESSAGES_MAX`: returns how many came, and
   * fills as many rows of `table` (`MESSAGE_BYTES` each). `iovs` has the buffers of all messages,
   * one after the other, at most IOV_MAX. `seconds` −1 is no time-out; Linux looks at it after
   * each message only, and 0 takes one.
   */
  recvmmsg(
    handle: Handle,
    bytes: Bytes,
    iovs: Uint32Array,
    table: Bytes,
    count: number,
    flags: number,
    seconds: number,
    nanoseconds: number,
  ): Result;
  /** `sendmmsg(2)` with MSG_NOSIGNAL, of messages as `recvmmsg` has them: how many were sent. */
  sendmmsg(
    handle: Handle,
    bytes: Bytes,
    iovs: Uint32Array,
    table: Bytes,
    count: number,
    flags: number,
  ): Result;
  /** `shutdown(2)`: how is SHUT_RD 0, SHUT_WR 1, SHUT_RDWR 2. */
  shutdown(handle: Handle, how: number): Result;
  /** `getsockopt(2)`: writes at most `length` bytes of the value; returns its size in bytes. */
  getsockopt(
    handle: Handle,
    level: number,
    name: number,
    bytes: Bytes,
    offset: number,
    length: number,
  ): Result;
  /** `setsockopt(2)`. A time to linger (SO_LINGER) is kept, but `close` does not wait for it. */
  setsockopt(
    handle: Handle,
    level: number,
    name: number,
    bytes: Bytes,
    offset: number,
    length: number,
  ): Result;

  // Channels: SOCK_SEQPACKET socketpairs that carry descriptors -------------------------------
  /**
   * `sendmsg(2)` of one message: `header` in front of `count` buffers, with `passed` by
   * SCM_RIGHTS unless it is −1. Returns the bytes of the buffers. The passed handle stays open
   * here. All or nothing: `-EAGAIN` when the channel is full, `-EMSGSIZE` when it never had room.
   * `-EINVAL` for more than IOV_MAX − 1 buffers, and for a signal descriptor or a lookup: these
   * belong to their session.
   */
  channelSend(
    handle: Handle,
    bytes: Bytes,
    iovs: Uint32Array,
    count: number,
    header: number,
    passed: Handle,
  ): Result;
  /**
   * `recvmsg(2)` of one message into `count` buffers, whose bytes it returns; what does not fit
   * is lost. Writes to `info` (a `ChannelInfo`, 12 bytes): the sender's header u32 @0, the handle
   * that came with it i32 @4 (−1 for none), Linux's msg_flags u32 @8: MSG_TRUNC, and MSG_CTRUNC
   * when there was no room for one more descriptor. `-EPIPE` once the other end is closed: a
   * message may be empty. `-EPROTO` for a message that no `channelSend` has sent.
   */
  channelRecv(
    handle: Handle,
    bytes: Bytes,
    iovs: Uint32Array,
    count: number,
    info: Uint8Array,
  ): Result;

  // Names ------------------------------------------------------------------------------------
  /**
   * Starts `getaddrinfo(3)` on a thread of its own: a handle that is readable (epoll, `poll`)
   * once the answer is there, and whose closing abandons the thread. `node` and `service` are
   * UTF-8 ranges of `bytes`, length 0 for none; `flags` are Linux's AI_*. `-EAGAIN` when too many
   * are under way: 16 in the process. `-EINVAL` for a NUL byte, and beyond 1,024 bytes of a node
   * or 31 of a service.
   */
  resolve(
    bytes: Bytes,
    nodeOffset: number,
    nodeLength: number,
    serviceOffset: number,
    serviceLength: number,
    family: number,
    type: number,
    flags: number,
  ): Handle | Result;
  /**
   * The answer: writes up to `room` records of 140 bytes (socktype u32 @0, protocol u32 @4, a
   * `SockaddrBuffer` @8) and returns how many; `-EAGAIN` before it is there. The resolver's own
   * errors are −(1000 + n) for EAI code −n (`EAI_NONAME` is −2: −1002). It can be asked again.
   */
  resolved(handle: Handle, bytes: Bytes, offset: number, room: number): Result;

  // epoll ------------------------------------------------------------------------------------
  /**
   * `epoll_create1(EPOLL_CLOEXEC)`. The waits of one that is `counting` (1, else 0) write the
   * FIONREAD of the handle in the upper half of `data` @4 of each event with EPOLLIN.
   */
  epollCreate1(counting: number): Handle | Result;
  /** `epoll_ctl(2)`; `data` is two u32 and comes back to the last bit. */
  epollCtl(
    epoll: Handle,
    op: number,
    handle: Handle,
    events: number,
    dataLo: number,
    dataHi: number,
  ): Result;
  /**
   * `epoll_pwait(2)`: writes up to `min(maxevents, EPOLL_EVENTS_MAX)` records of 16 bytes
   * (events u32 @0, zero @4, data u64 @8); `timeoutMs` −1 waits for ever. Can be woken.
   */
  epollPwait(
    epoll: Handle,
    bytes: Bytes,
    offset: number,
    maxevents: number,
    timeoutMs: number,
  ): Result;
  /** `epoll_pwait2(2)`: as `epollPwait`, to the nanosecond; `seconds` −1 waits for ever. */
  epollPwait2(
    epoll: Handle,
    bytes: Bytes,
    offset: number,
    maxevents: number,
    seconds: number,
    nanoseconds: number,
  ): Result;
  /**
   * `ppoll(2)` on one handle: returns `revents`, 0 after the time-out. `seconds` −1 waits for
   * ever. Can be woken.
   */
  poll(handle: Handle, events: number, seconds: number, nanoseconds: number): Result;
  /** `eventfd(2)`, always EFD_NONBLOCK and EFD_CLOEXEC; flags: EFD_SEMAPHORE 1 or 0. */
  eventfd(initval: number, flags: number): Handle | Result;
  /** `timerfd_create(2)`, always TFD_NONBLOCK and TFD_CLOEXEC. */
  timerfdCreate(clockid: number): Handle | Result;
  /**
   * `timerfd_settime(2)`: the new `itimerspec` (32 bytes: i64 seconds and i64 nanoseconds of
   * the interval, then of the value) at `offset`; the old one is written at `oldOffset` unless
   * that is −1. Nothing is set when `oldOffset` is out of range.
   */
  timerfdSettime(
    handle: Handle,
    flags: number,
    bytes: Bytes,
    offset: number,
    oldOffset: number,
  ): Result;
  /** `timerfd_gettime(2)`: writes an `itimerspec`, 32 bytes, at `offset`. */
  timerfdGettime(handle: Handle, bytes: Bytes, offset: number): Result;
  /**
   * `signalfd(2)` over the calling thread's session: readable while a signal of `mask` (bit n−1
   * for signal n) is pending in the session. `read` takes pending signals, 128 bytes
   * (`signalfd_siginfo`) each. `-EINVAL` outside a session.
   */
  signalfd(mask: number): Handle | Result;

  // Bytes, for what is not a socket ----------------------------------------------------------
  /**
   * `dup(2)`: another handle, of the calling thread's session, for what `handle` names. `-EINVAL`
   * for an epoll, a signal descriptor and a lookup, which belong to their session.
   */
  dup(handle: Handle): Handle | Result;
  /** `pipe2(2)`: writes two handles, i32 each (read end, write end), at `offset`. */
  pipe2(bytes: Bytes, offset: number): Result;
  /** Handle on this process's descriptor 0, 1 or 2; closing it leaves the process's own open. */
  stdio(fd: number): Handle | Result;
  /**
   * `open(2)` of a file of this machine by the host's own path (at most 4,095 bytes, no NUL), with
   * O_CLOEXEC, O_NOCTTY and O_NONBLOCK. One that O_CREAT makes has mode 0666, less the umask.
   */
  openFile(path: Uint8Array, flags: number): Handle | Result;
  /** `read(2)`. */
  read(handle: Handle, bytes: Bytes, offset: number, length: number): Result;
  /** `write(2)`; a reader that is gone is `-EPIPE`, never a signal. */
  write(handle: Handle, bytes: Bytes, offset: number, length: number): Result;
  /** `readv(2)`. */
  readv(handle: Handle, bytes: Bytes, iovs: Uint32Array, count: number): Result;
  /** `writev(2)`. */
  writev(handle: Handle, bytes: Bytes, iovs: Uint32Array, count: number): Result;
  /** `ioctl(FIONREAD)`: bytes that can be read without waiting. */
  fionread(handle: Handle): Result;
  /** `memcmp(3)`: 0 where `length` bytes are the same, else 1. */
  memcmp(one: Bytes, offset: number, other: Bytes, otherOffset: number, length: number): Result;
  /** `fstat(2)`: the `st_mode`. */
  fstat(handle: Handle): Result;
  /** `isatty(3)`: 1 or 0. */
  isatty(handle: Handle): Result;
  /** `close(2)`, at the last unpin. The handle is dead at once. */
  close(handle: Handle): Result;

  // Time and chance --------------------------------------------------------------------------
  /** `clock_gettime(2)`: writes nanoseconds as u64, 8 bytes, at `offset`. */
  clockGettime(clockid: number, bytes: Bytes, offset: number): Result;
  /** `clock_getres(2)`: writes nanoseconds as u64, 8 bytes, at `offset`. */
  clockGetres(clockid: number, bytes: Bytes, offset: number): Result;
  /** `getrandom(2)` until `length` bytes are filled; returns 0. */
  getrandom(bytes: Bytes, offset: number, length: number): Result;
  /** `sched_yield(2)`. */
  schedYield(): Result;
}
