/** Structs and constants of module `sandpoll`: Linux's own (epoll.h), 16-byte events. */
import { struct, u32, u64 } from './layout.js';

/** `epoll_event` of a guest: 16 bytes on every machine, where x86-64's kernel packs 12. */
export const EpollEvent = struct(16, 8, { events: u32(0), zero: u32(4), data: u64(8) });

/** What a counting epoll of the port writes: no guest sees it. */
export const CountedEvent = struct(16, 8, { events: u32(0), readableBytes: u32(4), data: u64(8) });

/** `timespec` of a guest: i64 seconds, i64 nanoseconds. */
export const Timespec = struct(16, 8, { seconds: u64(0), nanoseconds: u64(8) });

export const EPOLLIN = 0x001;
export const EPOLLPRI = 0x002;
export const EPOLLOUT = 0x004;
export const EPOLLERR = 0x008;
export const EPOLLHUP = 0x010;
export const EPOLLRDNORM = 0x040;
export const EPOLLRDBAND = 0x080;
export const EPOLLWRNORM = 0x100;
export const EPOLLWRBAND = 0x200;
export const EPOLLMSG = 0x400;
export const EPOLLRDHUP = 0x2000;
export const EPOLLEXCLUSIVE = 1 << 28;
export const EPOLLWAKEUP = 1 << 29;
export const EPOLLONESHOT = 1 << 30;
export const EPOLLET = 1 << 31;

/** Every bit that `epoll_ctl(2)` documents; others are refused, so that they stay free (E24). */
export const EPOLL_KNOWN =
  EPOLLIN |
  EPOLLPRI |
  EPOLLOUT |
  EPOLLERR |
  EPOLLHUP |
  EPOLLRDNORM |
  EPOLLRDBAND |
  EPOLLWRNORM |
  EPOLLWRBAND |
  EPOLLMSG |
  EPOLLRDHUP |
  EPOLLEXCLUSIVE |
  EPOLLWAKEUP |
  EPOLLONESHOT |
  EPOLLET;

export const EPOLL_CTL_ADD = 1;
export const EPOLL_CTL_DEL = 2;
export const EPOLL_CTL_MOD = 3;
/** `EPOLL_CLOEXEC`: accepted, and without meaning in a guest that cannot exec. */
export const EPOLL_CLOEXEC = 0o2000000;

export const EFD_SEMAPHORE = 1;
export const EFD_NONBLOCK = 0o4000;
export const EFD_CLOEXEC = 0o2000000;

/** `itimerspec` of a guest: two `timespec`, the interval and the value. */
export const Itimerspec = struct(32, 8, {
  intervalSeconds: u64(0),
  intervalNanoseconds: u64(8),
  valueSeconds: u64(16),
  valueNanoseconds: u64(24),
});

export const TFD_NONBLOCK = 0o4000;
export const TFD_CLOEXEC = 0o2000000;
export const TFD_TIMER_ABSTIME = 1;
export const TFD_TIMER_CANCEL_ON_SET = 2;

/** Size of the mask that `signalfd` takes: bit n−1 for signal n. */
export const SIGSET_BYTES = 8;
/** What reading a signalfd gives: the signal's number. The other fields, here or not, are zero. */
export const SignalfdSiginfo = struct(128, 8, {
  signo: u32(0),
  errno: u32(4),
  code: u32(8),
  pid: u32(12),
  uid: u32(16),
});
export const SFD_NONBLOCK = 0o4000;
export const SFD_CLOEXEC = 0o2000000;

export const O_NONBLOCK = 0o4000;
export const O_CLOEXEC = 0o2000000;
