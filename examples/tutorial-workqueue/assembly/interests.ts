/** The one epoll instance: the loop waits on it, and the workers arm in it what is theirs. */

import { epoll_create1, epoll_ctl, epoll_wait } from 'sandpoll/guest/bindings/sandpoll';

/** What can be asked for and reported, with Linux's numbers: `epoll_ctl(2)`. */
export const enum Epoll {
  IN = 0x001,
  OUT = 0x004,
  /** Reported whether asked for or not, as HUP is; but never while disarmed. */
  ERR = 0x008,
  HUP = 0x010,
  RDHUP = 0x2000,
  /** Disarmed as it is reported, in all directions together. */
  ONESHOT = 1 << 30,
}

const CTL_ADD: i32 = 1;
const CTL_MOD: i32 = 3;

/** `struct epoll_event`: events u32 @0, data u64 @8. A work item is one as it is. */
export const EVENT_BYTES: i32 = 16;
const MAX_EVENTS: i32 = 64;
export const FOR_EVER: i32 = -1;

const EVENT: usize = memory.data(EVENT_BYTES, 8);
const RESULT: usize = memory.data(4, 4);

/** Makes the instance: its descriptor, or minus an errno. */
export function createEpoll(): i32 {
  const errno = epoll_create1(0, RESULT);
  return errno == 0 ? load<i32>(RESULT) : -errno;
}

/** Each result is `>= 0`, or minus an errno. */
export class Interests {
  /** Where `wait` leaves its events. */
  readonly events: usize = heap.alloc(MAX_EVENTS * EVENT_BYTES);

  /** `epfd` is our own, or the one that came over a channel. */
  constructor(readonly epfd: i32) {}

  /** Watches a descriptor of ours, until the first event. */
  add(fd: i32, events: i32, data: u64): i32 {
    return this.control(CTL_ADD, fd, events, data);
  }

  /** Arms it again, until the next event. What is ready at that moment is reported at once. */
  arm(fd: i32, events: i32, data: u64): i32 {
    return this.control(CTL_MOD, fd, events, data);
  }

  /** Waits until something is ready, or `timeoutMs` have passed; how many events there are. */
  wait(timeoutMs: i32): i32 {
    const errno = epoll_wait(this.epfd, this.events, MAX_EVENTS, timeoutMs, RESULT);
    return errno == 0 ? load<i32>(RESULT) : -errno;
  }

  private control(op: i32, fd: i32, events: i32, data: u64): i32 {
    store<i32>(EVENT, events | Epoll.ONESHOT);
    store<u64>(EVENT, data, 8);
    return -epoll_ctl(this.epfd, op, fd, EVENT);
  }
}
