/** What an event loop waits on, whichever system call stands behind it. */

import { Errno } from '../errno';

/** Readiness, with Linux's numbers. ERR and HUP are reported whether asked for or not. */
export const enum Events {
  IN = 0x001,
  OUT = 0x004,
  ERR = 0x008,
  HUP = 0x010,
  RDHUP = 0x2000,
  /** Of the guests that watch one listener, readiness wakes one: asked for, never reported. */
  EXCLUSIVE = 0x10000000,
}

/** "For ever" as the deadline of a wait. */
export const NEVER: i64 = i64.MAX_VALUE;

/**
 * An interest list. Which poller a guest uses is chosen by constructing it: a class that is not
 * constructed is not compiled, and neither are its imports.
 */
export abstract class Poller {
  /** Whether readiness is reported once, when it begins, and not as long as it lasts. */
  edgeTriggered: bool = false;
  /**
   * Where `wait` leaves its events, 16 bytes each: events u32 @0, slot u32 @8, generation
   * u32 @12. The address may change with `wait`.
   */
  events: usize = 0;
  /** Whether, at the end of the last `wait`, its deadline had passed, or that of an earlier one. */
  timeIsUp: bool = false;

  /**
   * How many operations on sockets `submit` carries out at once; 0 where there is no such call, and
   * each operation is a call of its own.
   */
  submissionsMax: i32 = 0;
  /** Whether there are calls that receive and send many datagrams: `receiveDatagrams`. */
  takesDatagrams: bool = false;

  /** Gets ready: 0, or minus an errno. Called once by the loop. */
  abstract open(): i32;

  /**
   * Changes the interest in a descriptor from `from` to `to`; 0 is none, not even in errors.
   * With `from` equal to `to` the interest is armed again: readiness that lasts is reported anew.
   * Returns 0, or minus an errno.
   */
  abstract update(fd: i32, slot: i32, generation: u32, from: i32, to: i32): i32;

  /** Forgets the interest in a descriptor that is about to be closed. */
  abstract forget(slot: i32): void;

  /**
   * Waits until something is ready, or the deadline (on the monotonic clock, in ns, or `NEVER`)
   * has passed, and tells by `timeIsUp` whether it has. Returns how many events there are, or minus
   * an errno.
   */
  abstract wait(deadlineNs: i64): i32;

  /** Carries out `count` operations (`Submissions`) by one call: 0, or minus an errno. */
  submit(submissions: usize, count: i32): i32 {
    return -Errno.NOSYS;
  }

  /** Receives up to `count` messages (`mmsghdr`) at `vector`: how many, or minus an errno. */
  receiveDatagrams(fd: i32, vector: usize, count: i32): i32 {
    return -Errno.NOSYS;
  }

  /** Sends `count` messages: how many it has sent, or minus the errno of the first. */
  sendDatagrams(fd: i32, vector: usize, count: i32): i32 {
    return -Errno.NOSYS;
  }
}
