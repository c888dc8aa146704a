/**
 * The cached epoll behind one thread's `poll_oneoff`.
 *
 * The subscriptions of a call are copied once. When they are the same bytes as last time, and no
 * descriptor was closed or renumbered since, the kernel's interest list already holds them: no
 * `epoll_ctl`, and no work for each subscription. Else only the differences are made. An
 * interest that nobody subscribes to any more stays until it fires, or its descriptor closes.
 * All of this is an optimisation: registrations are level-triggered, so it never shows.
 */
import {
  EPOLLIN,
  EPOLLOUT,
  EPOLLRDHUP,
  EPOLL_CTL_ADD,
  EPOLL_CTL_DEL,
  EPOLL_CTL_MOD,
} from '../../abi/epoll.js';
import { Eventtype, Subscription } from '../../abi/preview1.js';
import { Kind } from '../../descriptors.js';
import { LinuxErrno } from '../../errno.js';
import type { Sandbox } from '../../sandbox.js';

const NONE = -1;

/** A subscription whose answer is known without waiting: always ready, or an error. */
export interface Immediate {
  readonly index: number;
  /** 0, or minus a Linux errno. */
  readonly result: number;
}

export class InterestCache {
  readonly #sandbox: Sandbox;
  /** The kernel's epoll; made at the first call that has descriptors. */
  epoll = NONE;
  /** The subscriptions of the last call, copied from the guest. */
  shadow = Buffer.alloc(0);
  view = new DataView(new ArrayBuffer(0));
  /** Whole guest memory as a Buffer, for one native compare. */
  #guest: Buffer = Buffer.alloc(0);
  /** Bytes of `shadow` that are in force; 0 when it must be read anew. */
  #knownBytes = 0;
  #knownChanges = NONE;
  /** For each descriptor: its first subscription of the last call, or NONE. */
  readonly first: Int32Array;
  /** For each subscription: the next one of the same descriptor, or NONE. */
  next = new Int32Array(0);
  /** For each descriptor: the handle and events the kernel has; events 0 for none. */
  readonly #handles: Int32Array;
  readonly #events: Int32Array;
  /** Descriptors that the kernel has, and those that the last call named. */
  readonly #registered = new Set<number>();
  #named: number[] = [];
  readonly immediate: Immediate[] = [];
  /** The subscriptions of the last call that are clocks. */
  readonly clocks: number[] = [];

  constructor(sandbox: Sandbox) {
    this.#sandbox = sandbox;
    const { fdsMax } = sandbox.descriptors;
    this.first = new Int32Array(fdsMax).fill(NONE);
    this.#handles = new Int32Array(fdsMax);
    this.#events = new Int32Array(fdsMax);
  }

  /**
   * Takes the `count` subscriptions at `at` (their bytes were checked to lie in memory) into
   * force. Returns 0, or minus a Linux errno that the whole call fails with.
   */
  subscribe(at: number, count: number): number {
    const changes = this.#sandbox.descriptors.changes();
    if (this.#unchanged(at, count, changes)) return 0;
    this.#knownBytes = 0;
    this.#copy(at, count);
    if (changes !== this.#knownChanges) this.#dropClosed();
    this.#knownChanges = changes;
    const result = this.#link(count);
    if (result < 0) return result;
    // What failed or needs no waiting is looked at anew each time: it may have changed.
    if (this.immediate.length === 0) this.#knownBytes = count * Subscription.SIZE;
    return 0;
  }

  /** Drops an interest that fired though nobody subscribes to it. */
  drop(fd: number): void {
    this.#sandbox.kernel.epollCtl(this.epoll, EPOLL_CTL_DEL, this.#handles[fd], 0, 0, 0);
    this.#events[fd] = 0;
    this.#registered.delete(fd);
  }

  /** Compares all but a leading or closing clock, which change with every call. */
  #unchanged(at: number, count: number, changes: number): boolean {
    const bytes = count * Subscription.SIZE;
    if (bytes !== this.#knownBytes || changes !== this.#knownChanges) return false;
    const { memory } = this.#sandbox;
    const { buffer } = memory.bytes;
    if (this.#guest.buffer !== buffer) this.#guest = Buffer.from(buffer);
    const from = this.#copyClock(at, 0) ? Subscription.SIZE : 0;
    const to = this.#copyClock(at, count - 1) ? bytes - Subscription.SIZE : bytes;
    return from >= to || this.shadow.compare(this.#guest, at + from, at + to, from, to) === 0;
  }

  /** Copies subscription `index` if it was a clock and still is one. */
  #copyClock(at: number, index: number): boolean {
    const offset = index * Subscription.SIZE;
    if (Subscription.tag.get(this.view, offset) !== Eventtype.CLOCK) return false;
    const { memory } = this.#sandbox;
    if (Subscription.tag.get(memory.view, at + offset) !== Eventtype.CLOCK) return false;
    const end = at + offset + Subscription.SIZE;
    this.shadow.set(memory.bytes.subarray(at + offset, end), offset);
    // Another thread may have changed it meanwhile; then it is no clock, and all is read anew.
    return Subscription.tag.get(this.view, offset) === Eventtype.CLOCK;
  }

  #copy(at: number, count: number): void {
    const bytes = count * Subscription.SIZE;
    if (bytes > this.shadow.length) {
      const room = Math.max(bytes, 2 * this.shadow.length);
      this.shadow = Buffer.alloc(room);
      this.view = new DataView(this.shadow.buffer, this.shadow.byteOffset, room);
      this.next = new Int32Array(room / Subscription.SIZE);
    }
    this.shadow.set(this.#sandbox.memory.bytes.subarray(at, at + bytes));
  }

  /** Chains the subscriptions of each descriptor, and registers what the kernel lacks. */
  #link(count: number): number {
    const { descriptors } = this.#sandbox;
    const { first, next, view } = this;
    for (const fd of this.#named) first[fd] = NONE;
    this.#named = [];
    this.immediate.length = 0;
    this.clocks.length = 0;
    for (let index = count - 1; index >= 0; index--) {
      const offset = index * Subscription.SIZE;
      const tag = Subscription.tag.get(view, offset);
      if (tag === Eventtype.CLOCK) {
        this.clocks.push(index);
        continue;
      }
      if (tag !== Eventtype.FD_READ && tag !== Eventtype.FD_WRITE) {
        this.immediate.push({ index, result: -LinuxErrno.INVAL });
        continue;
      }
      const fd = Subscription.fd.get(view, offset);
      if (descriptors.kind(fd) === Kind.FREE) {
        this.immediate.push({ index, result: -LinuxErrno.BADF });
        continue;
      }
      if (first[fd] === NONE) this.#named.push(fd);
      next[index] = first[fd];
      first[fd] = index;
    }
    return this.#register();
  }

  /** The events that the subscriptions of one descriptor ask for. */
  #wanted(fd: number): number {
    let events = 0;
    for (let index = this.first[fd]; index !== NONE; index = this.next[index]) {
      const tag = Subscription.tag.get(this.view, index * Subscription.SIZE);
      events |= tag === Eventtype.FD_READ ? EPOLLIN | EPOLLRDHUP : EPOLLOUT;
    }
    return events;
  }

  #register(): number {
    const { kernel, descriptors } = this.#sandbox;
    if (this.epoll < 0) this.epoll = kernel.epollCreate1();
    if (this.epoll < 0) return this.epoll;
    for (const fd of this.#named) {
      const handle = descriptors.handle(fd);
      const events = this.#wanted(fd);
      const known = this.#events[fd];
      if (known === events && this.#handles[fd] === handle) continue;
      let op = known === 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
      let result = kernel.epollCtl(this.epoll, op, handle, events, fd, 0);
      if (result === -LinuxErrno.EXIST || result === -LinuxErrno.NOENT) {
        op = op === EPOLL_CTL_ADD ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
        result = kernel.epollCtl(this.epoll, op, handle, events, fd, 0);
      }
      if (result < 0) {
        this.#refuse(fd, result);
        continue;
      }
      this.#handles[fd] = handle;
      this.#events[fd] = events;
      this.#registered.add(fd);
    }
    return 0;
  }

  /** What epoll will not watch: files are always ready (EPERM), the rest is an error. */
  #refuse(fd: number, result: number): void {
    for (let index = this.first[fd]; index !== NONE; index = this.next[index]) {
      this.immediate.push({ index, result: result === -LinuxErrno.PERM ? 0 : result });
    }
    this.first[fd] = NONE;
  }

  /** After a close or renumber: forgets every number that no longer means the same handle. */
  #dropClosed(): void {
    const { descriptors } = this.#sandbox;
    for (const fd of this.#registered) {
      const same =
        descriptors.kind(fd) !== Kind.FREE && descriptors.handle(fd) === this.#handles[fd];
      if (!same) this.drop(fd);
    }
  }
}
