/** The poller behind which Linux's epoll stands. It needs the import module `sandpoll`. */

import {
  epoll_create1,
  epoll_ctl,
  epoll_wait,
  recvfrom,
  recvmmsg,
  sendmmsg,
  sendto,
  submit,
  timerfd_create,
  timerfd_settime,
} from '../bindings/sandpoll';
import { fd_close } from '../bindings/wasi_snapshot_preview1';
import { NS_PER_MS, NS_PER_S, monotonicNs } from '../clock';
import { Events, NEVER, Poller } from './poller';

/** Level-triggered: readiness is reported as long as it lasts. Edge-triggered: when it begins. */
export const enum Trigger {
  LEVEL = 0,
  EDGE = 1,
}

const CTL_ADD: i32 = 1;
const CTL_DEL: i32 = 2;
const CTL_MOD: i32 = 3;
const ET: i32 = 1 << 31;

const EVENT_BYTES: i32 = 16;
const MAX_EVENTS: i32 = 512;
const SUBMISSIONS_MAX: i32 = 64;
const MSG_TRUNC: i32 = 0x20;
const LONGEST_WAIT_MS: i64 = i32.MAX_VALUE;

const CLOCK_MONOTONIC: i32 = 1;
const TFD_NONBLOCK: i32 = 0x800;
const TFD_TIMER_ABSTIME: i32 = 1;
/** Size of an `itimerspec`: the interval i64 @0, i64 @8; when it expires, seconds @16, ns @24. */
const ITIMERSPEC_BYTES: i32 = 32;
/** The slot of the timerfd, which no handler has. */
const ALARM_SLOT: u32 = u32.MAX_VALUE;

const EVENT: usize = memory.data(EVENT_BYTES, 8);
const ITIMERSPEC: usize = memory.data(ITIMERSPEC_BYTES, 8);
const RESULT: usize = memory.data(4, 4);

/**
 * An interest list in the kernel: the cost of a wait grows with what is ready, not with it. The
 * deadline is a timerfd in that list, which is set anew only for an earlier one: most waits then
 * neither read the clock nor set a timer.
 */
export class EpollPoller extends Poller {
  private epfd: i32 = -1;
  private flags: i32 = 0;
  private timerfd: i32 = -1;
  /** What the timerfd is set to; `NEVER` when it has expired since. */
  private alarmNs: i64 = NEVER;

  constructor(trigger: Trigger = Trigger.LEVEL) {
    super();
    this.submissionsMax = SUBMISSIONS_MAX;
    this.takesDatagrams = true;
    if (trigger == Trigger.EDGE) {
      this.edgeTriggered = true;
      this.flags = ET | Events.RDHUP;
    }
    this.events = heap.alloc(MAX_EVENTS * EVENT_BYTES);
  }

  open(): i32 {
    const errno = epoll_create1(0, RESULT);
    if (errno != 0) return -errno;
    this.epfd = load<i32>(RESULT);
    return 0;
  }

  update(fd: i32, slot: i32, generation: u32, from: i32, to: i32): i32 {
    let op = to == 0 ? CTL_DEL : from == 0 ? CTL_ADD : CTL_MOD;
    let events = to | this.flags;
    if ((from | to) & Events.EXCLUSIVE) {
      // Linux changes no such interest: it goes, and comes back behind those of other guests.
      events &= ~Events.RDHUP;
      if (op == CTL_MOD) {
        epoll_ctl(this.epfd, CTL_DEL, fd, EVENT);
        op = CTL_ADD;
      }
    }
    store<i32>(EVENT, events);
    store<i32>(EVENT, slot, 8);
    store<u32>(EVENT, generation, 12);
    return -epoll_ctl(this.epfd, op, fd, EVENT);
  }

  forget(slot: i32): void {
    // Closing the descriptor takes it off the list: there are no duplicates in preview1.
  }

  wait(deadlineNs: i64): i32 {
    // Without a descriptor for the timerfd, the wait's own time must do.
    const timed = deadlineNs < this.alarmNs && !this.setAlarm(deadlineNs);
    const timeoutMs = timed ? millisecondsUntil(deadlineNs) : -1;
    const errno = epoll_wait(this.epfd, this.events, MAX_EVENTS, timeoutMs, RESULT);
    this.timeIsUp = timed;
    if (errno != 0) return -errno;
    const count = load<i32>(RESULT);
    return this.alarmNs == NEVER ? count : this.takeAlarm(count);
  }

  /** False if there is no timerfd, and none to be had. */
  private setAlarm(deadlineNs: i64): bool {
    if (this.timerfd < 0 && !this.openAlarm()) return false;
    store<i64>(ITIMERSPEC, deadlineNs / NS_PER_S, 16);
    store<i64>(ITIMERSPEC, deadlineNs % NS_PER_S, 24);
    if (timerfd_settime(this.timerfd, TFD_TIMER_ABSTIME, ITIMERSPEC, 0) != 0) return false;
    this.alarmNs = deadlineNs;
    return true;
  }

  private openAlarm(): bool {
    if (timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK, RESULT) != 0) return false;
    const fd = load<i32>(RESULT);
    // Edge-triggered: to set it anew is enough, nobody needs to read it.
    store<i32>(EVENT, Events.IN | ET);
    store<u32>(EVENT, ALARM_SLOT, 8);
    if (epoll_ctl(this.epfd, CTL_ADD, fd, EVENT) != 0) {
      fd_close(fd);
      return false;
    }
    this.timerfd = fd;
    return true;
  }

  /** Takes the timerfd's event out of `count` events, if it is among them; how many are left. */
  private takeAlarm(count: i32): i32 {
    const end = this.events + <usize>count * EVENT_BYTES;
    for (let event = this.events; event < end; event += EVENT_BYTES) {
      if (load<u32>(event, 8) != ALARM_SLOT) continue;
      this.timeIsUp = true;
      this.alarmNs = NEVER;
      memory.copy(event, end - EVENT_BYTES, EVENT_BYTES);
      return count - 1;
    }
    return count;
  }

  submit(submissions: usize, count: i32): i32 {
    return -submit(submissions, count);
  }

  receiveDatagrams(fd: i32, vector: usize, count: i32): i32 {
    if (count == 1) return receiveOne(fd, vector);
    const errno = recvmmsg(fd, vector, count, 0, 0, RESULT);
    return errno == 0 ? load<i32>(RESULT) : -errno;
  }

  sendDatagrams(fd: i32, vector: usize, count: i32): i32 {
    if (count == 1) return sendOne(fd, vector);
    const errno = sendmmsg(fd, vector, count, 0, RESULT);
    return errno == 0 ? load<i32>(RESULT) : -errno;
  }
}

/** Rounded up: a wait never ends early. */
function millisecondsUntil(deadlineNs: i64): i32 {
  const leftNs = max<i64>(deadlineNs - monotonicNs(), 0);
  const leftMs = leftNs / NS_PER_MS + i64(leftNs % NS_PER_MS != 0);
  return <i32>min(leftMs, LONGEST_WAIT_MS);
}

/** What `recvmmsg` does with one message of one buffer, by the call that is made for it. */
function receiveOne(fd: i32, message: usize): i32 {
  const iovec = load<usize>(message, 8);
  const room = load<i32>(iovec, 4);
  const name = load<usize>(message);
  const errno = recvfrom(fd, load<usize>(iovec), room, MSG_TRUNC, name, message + 4, RESULT);
  if (errno != 0) return -errno;
  const length = load<i32>(RESULT);
  store<i32>(message, length > room ? MSG_TRUNC : 0, 24);
  store<i32>(message, min(length, room), 28);
  return 1;
}

function sendOne(fd: i32, message: usize): i32 {
  const iovec = load<usize>(message, 8);
  const length = load<i32>(iovec, 4);
  const name = load<usize>(message);
  const nameBytes = load<i32>(message, 4);
  const errno = sendto(fd, load<usize>(iovec), length, 0, name, nameBytes, RESULT);
  return errno == 0 ? 1 : -errno;
}
