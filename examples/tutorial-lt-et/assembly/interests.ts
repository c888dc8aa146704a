/** An epoll instance: which descriptors are watched, for what. */

import { epoll_create1, epoll_ctl, epoll_wait } from 'sandpoll/guest/bindings/sandpoll';

/** What can be asked for and reported, with Linux's numbers: `epoll_ctl(2)`. */
export const enum Epoll {
  IN = 0x001,
  PRI = 0x002,
  OUT = 0x004,
  /** Reported whether asked for or not, as HUP is. */
  ERR = 0x008,
  HUP = 0x010,
  RDHUP = 0x2000,
  /** Report a change, not a state. */
  ET = 1 << 31,
}

const CTL_ADD: i32 = 1;
const CTL_DEL: i32 = 2;
const CTL_MOD: i32 = 3;

/** `struct epoll_event`: events u32 @0, data u64 @8. */
const EVENT_BYTES: i32 = 16;
const MAX_EVENTS: i32 = 64;
const FOR_EVER: i32 = -1;

const EVENT: usize = memory.data(EVENT_BYTES, 8);
const RESULT: usize = memory.data(4, 4);

/** Each result is `>= 0`, or minus an errno. */
export class Interests {
  private epfd: i32 = -1;
  private events: usize = heap.alloc(MAX_EVENTS * EVENT_BYTES);

  open(): i32 {
    const errno = epoll_create1(0, RESULT);
    if (errno == 0) this.epfd = load<i32>(RESULT);
    return -errno;
  }

  add(fd: i32, events: i32, data: u64): i32 {
    return this.control(CTL_ADD, fd, events, data);
  }

  /** Changes what is asked for. What is ready at that moment is reported again, even with ET. */
  change(fd: i32, events: i32, data: u64): i32 {
    return this.control(CTL_MOD, fd, events, data);
  }

  remove(fd: i32): i32 {
    return this.control(CTL_DEL, fd, 0, 0);
  }

  /** Waits until something is ready; returns how many events there are. */
  wait(): i32 {
    const errno = epoll_wait(this.epfd, this.events, MAX_EVENTS, FOR_EVER, RESULT);
    return errno == 0 ? load<i32>(RESULT) : -errno;
  }

  eventsOf(index: i32): i32 {
    return load<i32>(this.events + index * EVENT_BYTES);
  }

  dataOf(index: i32): u64 {
    return load<u64>(this.events + index * EVENT_BYTES, 8);
  }

  private control(op: i32, fd: i32, events: i32, data: u64): i32 {
    store<i32>(EVENT, events);
    store<u64>(EVENT, data, 8);
    return -epoll_ctl(this.epfd, op, fd, EVENT);
  }
}
