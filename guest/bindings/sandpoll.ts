/**
 * Module `sandpoll`: what Linux has and WASI lacks. Importing it ties a guest to this host.
 *
 * The name of this file is the name of the import module. Each function returns a WASI errno;
 * an event is 16 bytes: events u32 @0, zero u32 @4, data u64 @8.
 */

export declare function epoll_create1(flags: i32, epfd: usize): i32;
export declare function epoll_ctl(epfd: i32, op: i32, fd: i32, event: usize): i32;
export declare function epoll_wait(
  epfd: i32,
  events: usize,
  maxevents: i32,
  timeoutMs: i32,
  n: usize,
): i32;
export declare function epoll_pwait2(
  epfd: i32,
  events: usize,
  maxevents: i32,
  timespec: usize,
  n: usize,
): i32;
export declare function eventfd(initval: i32, flags: i32, fd: usize): i32;
export declare function timerfd_create(clockid: i32, flags: i32, fd: usize): i32;
/** The 32 bytes of an `itimerspec`: interval, then value, each i64 seconds and i64 ns. */
export declare function timerfd_settime(fd: i32, flags: i32, value: usize, old: usize): i32;
export declare function signalfd(mask: usize, flags: i32, fd: usize): i32;
export declare function recv(fd: i32, buffer: usize, length: usize, flags: i32, size: usize): i32;
/** Each submission is 20 bytes: opcode u32 @0, fd i32 @4, buf @8, len u32 @12, result i32 @16. */
export declare function submit(submissions: usize, nsubmissions: i32): i32;
export declare function recvfrom(
  fd: i32,
  buffer: usize,
  length: usize,
  flags: i32,
  address: usize,
  addressLength: usize,
  size: usize,
): i32;
export declare function sendto(
  fd: i32,
  buffer: usize,
  length: usize,
  flags: i32,
  address: usize,
  addressLength: i32,
  size: usize,
): i32;
/** Each message is 32 bytes: a `msghdr` @0, and the bytes that it came to u32 @28. */
export declare function recvmmsg(
  fd: i32,
  msgvec: usize,
  vlen: i32,
  flags: i32,
  timeout: usize,
  n: usize,
): i32;
export declare function sendmmsg(fd: i32, msgvec: usize, vlen: i32, flags: i32, n: usize): i32;
export declare function channel_send(
  fd: i32,
  iovs: usize,
  iovsLen: i32,
  passed: i32,
  size: usize,
): i32;
export declare function channel_recv(
  fd: i32,
  iovs: usize,
  iovsLen: i32,
  size: usize,
  passed: usize,
  flags: usize,
): i32;
