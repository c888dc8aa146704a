/**
 * The cached epoll behind one thread's `poll_oneoff`.
 *
 * The kernel's interest list is kept from call to call, and follows the subscriptions by their
 * difference: the same subscriptions cost no `epoll_ctl`. An interest that nobody subscribes to
 * any more stays until it fires, or its descriptor closes. All of this is an optimisation:
 * registrations are level-triggered, so it never shows. Only a listener that guests share is not
 * reported to all of them, for one alone can accept a connection (EPOLLEXCLUSIVE).
 *
 * Each registration carries its handle, by which an orphan is known: an interest that cannot be
 * removed, since its descriptor is closed here and its file is open elsewhere (`epoll(7)`, Q6).
 */
import {
  EPOLLEXCLUSIVE,
  EPOLLRDHUP,
  EPOLL_CTL_ADD,
  EPOLL_CTL_DEL,
  EPOLL_CTL_MOD,
} from '../../abi/epoll.js';
import { Access, Kind } from '../../descriptors.js';
import { LinuxErrno } from '../../errno.js';
import type { Handle } from '../../kernel/kernel.js';
import type { Sandbox } from '../../sandbox.js';
import { NONE, type Source, Subscriptions } from './subscriptions.js';

/** What stands behind an event of the kernel. */
export const Claim = { SUBSCRIBED: 0, STALE: 1, ORPHANED: 2 } as const;

/**
 * How often a shared listener is reported before others have their turn: of the guests that sleep,
 * Linux wakes the one that has watched it for longest.
 */
const REPORTS_PER_TURN = 8;

export class InterestCache {
  readonly #sandbox: Sandbox;
  readonly subscriptions: Subscriptions;
  /** The kernel's epoll; made at the first call. */
  epoll: Handle = NONE;
  /** For each descriptor: the handle and events that the kernel has; events 0 for none. */
  readonly #handles: Int32Array;
  readonly #events: Int32Array;
  /**
   * Subscribed descriptors that answer without waiting: 0 for always ready (files), or minus a
   * Linux errno.
   */
  readonly immediate = new Map<number, number>();
  #knownChanges = 0;
  #sharedReports = 0;

  constructor(sandbox: Sandbox) {
    this.#sandbox = sandbox;
    const { fdsMax } = sandbox.descriptors;
    this.subscriptions = new Subscriptions(sandbox.kernel, fdsMax);
    this.#handles = new Int32Array(fdsMax);
    this.#events = new Int32Array(fdsMax);
  }

  /**
   * Takes the `count` subscriptions at `at` of `source` (their bytes were checked to be there) into
   * force. Returns 0, or minus a Linux errno that the whole call fails with.
   */
  subscribe(source: Source, at: number, count: number): number {
    const { descriptors } = this.#sandbox;
    const { touched } = this.subscriptions;
    const changes = descriptors.changes();
    this.subscriptions.take(source, at, count);
    const followed = this.epoll >= 0 && this.#forgetUntil(changes);
    this.#knownChanges = changes;
    if (this.immediate.size > 0) this.#askAgain();
    if (!followed) return this.rebuild();
    if (touched.length > 0) this.#registerTouched();
    return 0;
  }

  /** What was missing may have come since. */
  #askAgain(): void {
    for (const [fd, result] of this.immediate) if (result < 0) this.subscriptions.touched.push(fd);
  }

  /** Apart, and only if there are any: to empty an array takes longer than all else of a call. */
  #registerTouched(): void {
    const { touched } = this.subscriptions;
    for (const fd of touched) this.#register(fd);
    touched.length = 0;
  }

  /** Whose event of the kernel this is; a stale interest is dropped. */
  claim(fd: number, handle: Handle): number {
    if (this.#events[fd] === 0 || this.#handles[fd] !== handle) return Claim.ORPHANED;
    if (this.subscriptions.first[fd] === NONE) {
      this.#drop(fd);
      return Claim.STALE;
    }
    const events = this.#events[fd];
    if ((events & EPOLLEXCLUSIVE) !== 0 && ++this.#sharedReports % REPORTS_PER_TURN === 0) {
      this.#events[fd] = this.#watch(fd, handle, events) < 0 ? 0 : events;
      this.subscriptions.touched.push(fd);
    }
    return Claim.SUBSCRIBED;
  }

  /** Begins anew with an epoll that has only what is subscribed to; 0, or minus a Linux errno. */
  rebuild(): number {
    const { kernel } = this.#sandbox;
    const { first, touched } = this.subscriptions;
    this.close();
    this.#events.fill(0);
    this.immediate.clear();
    touched.length = 0;
    this.epoll = kernel.epollCreate1(1);
    if (this.epoll < 0) return this.epoll;
    first.forEach((index, fd) => {
      if (index !== NONE) this.#register(fd);
    });
    return 0;
  }

  /** Closes the epoll. */
  close(): void {
    if (this.epoll >= 0) this.#sandbox.kernel.close(this.epoll);
    this.epoll = NONE;
  }

  #drop(fd: number): void {
    this.#sandbox.kernel.epollCtl(this.epoll, EPOLL_CTL_DEL, this.#handles[fd], 0, 0, 0);
    this.#events[fd] = 0;
  }

  /**
   * Drops the interests of all descriptors that were closed or renumbered since the last call;
   * false if it is no longer known which.
   */
  #forgetUntil(changes: number): boolean {
    const { descriptors } = this.#sandbox;
    for (let change = this.#knownChanges; change !== changes; change = (change + 1) | 0) {
      const fd = descriptors.changed(change);
      if (fd < 0) return false;
      // Before anything is registered: the same file may have moved to another number.
      if (this.#events[fd] !== 0) this.#drop(fd);
      this.subscriptions.touched.push(fd);
    }
    return true;
  }

  /** Makes the kernel's interest in a descriptor what its subscriptions ask for. */
  #register(fd: number): void {
    const { descriptors } = this.#sandbox;
    const wanted = this.subscriptions.wanted(fd);
    if (wanted === 0) {
      this.immediate.delete(fd);
      return;
    }
    const kind = descriptors.kind(fd);
    if (kind === Kind.FREE) {
      this.#refuse(fd, -LinuxErrno.BADF);
      return;
    }
    if (kind === Kind.LISTENER) descriptors.watchesListener();
    const handle = descriptors.handle(fd);
    const shared = (descriptors.access(fd) & Access.SHARED) !== 0;
    const events = shared ? (wanted & ~EPOLLRDHUP) | EPOLLEXCLUSIVE : wanted;
    if (this.#events[fd] !== events || this.#handles[fd] !== handle) {
      const result = this.#watch(fd, handle, events);
      if (result < 0) {
        this.#refuse(fd, result);
        return;
      }
      this.#handles[fd] = handle;
      this.#events[fd] = events;
    }
    this.immediate.delete(fd);
  }

  /** Adds the interest, or changes it; an exclusive one is always added anew (`epoll_ctl(2)`). */
  #watch(fd: number, handle: Handle, events: number): number {
    const { kernel } = this.#sandbox;
    const ctl = (op: number): number => kernel.epollCtl(this.epoll, op, handle, events, fd, handle);
    if ((events & EPOLLEXCLUSIVE) !== 0) {
      ctl(EPOLL_CTL_DEL);
      return ctl(EPOLL_CTL_ADD);
    }
    const known = this.#events[fd] !== 0;
    const result = ctl(known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD);
    if (result === -LinuxErrno.NOENT) return ctl(EPOLL_CTL_ADD);
    return result === -LinuxErrno.EXIST ? ctl(EPOLL_CTL_MOD) : result;
  }

  /** What epoll will not watch: files are always ready (EPERM), the rest is an error. */
  #refuse(fd: number, result: number): void {
    if (this.#events[fd] !== 0) this.#drop(fd);
    this.immediate.set(fd, result === -LinuxErrno.PERM ? 0 : result);
  }
}
