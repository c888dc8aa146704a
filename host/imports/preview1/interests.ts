/**
 * The cached epoll behind one thread's `poll_oneoff`.
 *
 * The kernel's interest list is kept from call to call, and follows the subscriptions by their
 * difference: the same subscriptions cost no `epoll_ctl`. An interest that nobody subscribes to
 * any more stays until it fires, or its descriptor closes. All of this is an optimisation:
 * registrations are level-triggered, so it never shows.
 *
 * Each registration carries its handle, by which an orphan is known: an interest that cannot be
 * removed, since its descriptor is closed here and its file is open elsewhere (`epoll(7)`, Q6).
 */
import { EPOLL_CTL_ADD, EPOLL_CTL_DEL, EPOLL_CTL_MOD } from '../../abi/epoll.js';
import { Kind } from '../../descriptors.js';
import { LinuxErrno } from '../../errno.js';
import type { Handle } from '../../kernel/kernel.js';
import type { Sandbox } from '../../sandbox.js';
import { NONE, Subscriptions } from './subscriptions.js';

/** What stands behind an event of the kernel. */
export const Claim = { SUBSCRIBED: 0, STALE: 1, ORPHANED: 2 } as const;

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

  constructor(sandbox: Sandbox) {
    this.#sandbox = sandbox;
    const { fdsMax } = sandbox.descriptors;
    this.subscriptions = new Subscriptions(fdsMax);
    this.#handles = new Int32Array(fdsMax);
    this.#events = new Int32Array(fdsMax);
  }

  /**
   * Takes the `count` subscriptions at `at` (their bytes were checked to lie in memory) into
   * force. Returns 0, or minus a Linux errno that the whole call fails with.
   */
  subscribe(at: number, count: number): number {
    const { descriptors, memory } = this.#sandbox;
    const { touched } = this.subscriptions;
    const changes = descriptors.changes();
    this.subscriptions.take(memory, at, count);
    const followed = this.epoll >= 0 && this.#forgetUntil(changes);
    this.#knownChanges = changes;
    // What was missing may have come since.
    for (const [fd, result] of this.immediate) if (result < 0) touched.push(fd);
    if (!followed) return this.rebuild();
    for (const fd of touched) this.#register(fd);
    touched.length = 0;
    return 0;
  }

  /** Whose event of the kernel this is; a stale interest is dropped. */
  claim(fd: number, handle: Handle): number {
    if (this.#events[fd] === 0 || this.#handles[fd] !== handle) return Claim.ORPHANED;
    if (this.subscriptions.first[fd] !== NONE) return Claim.SUBSCRIBED;
    this.#drop(fd);
    return Claim.STALE;
  }

  /** Begins anew with an epoll that has only what is subscribed to; 0, or minus a Linux errno. */
  rebuild(): number {
    const { kernel } = this.#sandbox;
    const { first, touched } = this.subscriptions;
    if (this.epoll >= 0) kernel.close(this.epoll);
    this.#events.fill(0);
    this.immediate.clear();
    touched.length = 0;
    this.epoll = kernel.epollCreate1();
    if (this.epoll < 0) return this.epoll;
    first.forEach((index, fd) => {
      if (index !== NONE) this.#register(fd);
    });
    return 0;
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
    const { kernel, descriptors } = this.#sandbox;
    const events = this.subscriptions.wanted(fd);
    const known = this.#events[fd];
    if (events === 0) {
      this.immediate.delete(fd);
      return;
    }
    if (descriptors.kind(fd) === Kind.FREE) {
      this.#refuse(fd, -LinuxErrno.BADF);
      return;
    }
    const handle = descriptors.handle(fd);
    if (known !== events || this.#handles[fd] !== handle) {
      let op = known === 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
      let result = kernel.epollCtl(this.epoll, op, handle, events, fd, handle);
      if (result === -LinuxErrno.EXIST || result === -LinuxErrno.NOENT) {
        op = op === EPOLL_CTL_ADD ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
        result = kernel.epollCtl(this.epoll, op, handle, events, fd, handle);
      }
      if (result < 0) {
        this.#refuse(fd, result);
        return;
      }
      this.#handles[fd] = handle;
      this.#events[fd] = events;
    }
    this.immediate.delete(fd);
  }

  /** What epoll will not watch: files are always ready (EPERM), the rest is an error. */
  #refuse(fd: number, result: number): void {
    if (this.#events[fd] !== 0) this.#drop(fd);
    this.immediate.set(fd, result === -LinuxErrno.PERM ? 0 : result);
  }
}
