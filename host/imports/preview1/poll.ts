/** `wasi_snapshot_preview1` poll_oneoff, over a cached epoll (`interests.ts`). */
import { EPOLLERR, EPOLLHUP, EPOLLIN, EPOLLOUT, EPOLLRDHUP, EpollEvent } from '../../abi/epoll.js';
import {
  Clockid,
  Event,
  Eventrwflags,
  Eventtype,
  Subclockflags,
  Subscription,
  writeEvent,
} from '../../abi/preview1.js';
import { Kind } from '../../descriptors.js';
import { Errno, wasiErrno } from '../../errno.js';
import type { Sandbox } from '../../sandbox.js';
import { type ImportRow, imported } from '../call.js';
import { linuxClock } from './clock.js';
import { InterestCache } from './interests.js';

/** More subscriptions than this in one call are EINVAL: each costs the host 52 bytes. */
export const SUBSCRIPTIONS_MAX = 1 << 18;

const READABLE = EPOLLIN | EPOLLRDHUP | EPOLLERR | EPOLLHUP;
const WRITABLE = EPOLLOUT | EPOLLERR | EPOLLHUP;
const SECOND_NS = 1e9;
/** Longer waits than this are for ever: 31 years. */
const FOREVER_NS = 1e18;

/** One thread's poll_oneoff: where the events of the call in progress go, and how many. */
class Poll {
  readonly #sandbox: Sandbox;
  readonly #cache: InterestCache;
  #ready = new Uint8Array(EpollEvent.SIZE * 64);
  #readyView = new DataView(this.#ready.buffer);
  readonly #now = new DataView(new ArrayBuffer(8));
  readonly #nowBytes = new Uint8Array(this.#now.buffer);
  #out = 0;
  #count = 0;
  #events = 0;

  constructor(sandbox: Sandbox) {
    this.#sandbox = sandbox;
    this.#cache = new InterestCache(sandbox);
  }

  /** Both arrays are checked to lie in memory; returns the number of events or minus an errno. */
  run(at: number, out: number, count: number): number {
    const subscribed = this.#cache.subscribe(at, count);
    if (subscribed < 0) return subscribed;
    this.#out = out;
    this.#count = count;
    this.#events = 0;
    for (const { index, result } of this.#cache.immediate) {
      this.#write(index, result < 0 ? wasiErrno(result) : Errno.SUCCESS, 0, 0);
    }
    const startNs = this.#cache.clocks.length > 0 ? this.#readNs(Clockid.MONOTONIC) : 0;
    const nearestNs = this.#dueClocks(0);
    let waitNs = this.#events > 0 ? 0 : nearestNs;
    for (;;) {
      const n = this.#epollWait(waitNs);
      if (n < 0) return n;
      const before = this.#events;
      let stale = false;
      for (let i = 0; i < n; i++) stale = !this.#answer(i * EpollEvent.SIZE) || stale;
      if (stale) {
        // It is dropped now; but it may have taken the room of one that somebody waits for.
        this.#events = before;
        waitNs = 0;
        continue;
      }
      if (this.#events > 0) return this.#events;
      // Time is up, or what was stale is gone, or a realtime clock was set back meanwhile.
      waitNs = this.#dueClocks(this.#readNs(Clockid.MONOTONIC) - startNs);
      if (this.#events > 0) return this.#events;
    }
  }

  /** Answers each clock that is due; returns the nanoseconds to the nearest that is not. */
  #dueClocks(elapsedNs: number): number {
    let nearestNs = Number.POSITIVE_INFINITY;
    for (const index of this.#cache.clocks) {
      const remainingNs = this.#remainingNs(index * Subscription.SIZE, elapsedNs);
      if (remainingNs > 0) nearestNs = Math.min(nearestNs, remainingNs);
      else this.#write(index, this.#clockError(index * Subscription.SIZE), 0, 0);
    }
    return nearestNs;
  }

  /** CPU clocks do not move while a thread waits; other numbers are no clocks. */
  #clockError(offset: number): number {
    const id = Subscription.clockId.get(this.#cache.view, offset);
    if (id === Clockid.REALTIME || id === Clockid.MONOTONIC) return Errno.SUCCESS;
    return linuxClock(id) < 0 ? Errno.INVAL : Errno.NOTSUP;
  }

  #remainingNs(offset: number, elapsedNs: number): number {
    const { view } = this.#cache;
    const lo = Subscription.clockTimeout.lo(view, offset);
    const hi = Subscription.clockTimeout.hi(view, offset);
    if (this.#clockError(offset) !== Errno.SUCCESS) return 0;
    const absolute = (Subscription.clockFlags.get(view, offset) & Subclockflags.ABSTIME) !== 0;
    if (!absolute) return hi * 2 ** 32 + lo - elapsedNs;
    this.#readNs(Subscription.clockId.get(view, offset));
    // Halves apart: realtime in nanoseconds is more than a number holds exactly.
    return (hi - this.#now.getUint32(4, true)) * 2 ** 32 + (lo - this.#now.getUint32(0, true));
  }

  #readNs(id: number): number {
    this.#sandbox.kernel.clockGettime(linuxClock(id), this.#nowBytes, 0);
    return this.#now.getUint32(4, true) * 2 ** 32 + this.#now.getUint32(0, true);
  }

  #epollWait(timeoutNs: number): number {
    const { kernel, grants } = this.#sandbox;
    const cache = this.#cache;
    const room = Math.min(this.#count, grants.limits.eventsPerWait);
    if (room * EpollEvent.SIZE > this.#ready.length) {
      this.#ready = new Uint8Array(room * EpollEvent.SIZE);
      this.#readyView = new DataView(this.#ready.buffer);
    }
    if (timeoutNs === 0) return kernel.epollPwait(cache.epoll, this.#ready, 0, room, 0);
    if (timeoutNs >= FOREVER_NS) return kernel.epollPwait(cache.epoll, this.#ready, 0, room, -1);
    const seconds = Math.floor(timeoutNs / SECOND_NS);
    const nanoseconds = Math.floor(timeoutNs % SECOND_NS);
    return kernel.epollPwait2(cache.epoll, this.#ready, 0, room, seconds, nanoseconds);
  }

  /**
   * Turns one epoll event into an event for each subscription it answers; false if the interest
   * was stale: nobody subscribes to its descriptor.
   */
  #answer(offset: number): boolean {
    const events = EpollEvent.events.get(this.#readyView, offset);
    const fd = EpollEvent.data.lo(this.#readyView, offset);
    const { first, next, view } = this.#cache;
    let index = first[fd];
    if (index < 0) {
      this.#cache.drop(fd);
      return false;
    }
    for (; index >= 0; index = next[index]) {
      const tag = Subscription.tag.get(view, index * Subscription.SIZE);
      const reading = tag === Eventtype.FD_READ;
      if ((events & (reading ? READABLE : WRITABLE)) === 0) continue;
      const flags = (events & EPOLLHUP) !== 0 ? Eventrwflags.HANGUP : 0;
      this.#write(index, Errno.SUCCESS, reading ? this.#readableBytes(fd) : 1, flags);
    }
    return true;
  }

  /** The real FIONREAD: libc's ioctl is made of it. One connection or event counts as one. */
  #readableBytes(fd: number): number {
    const { descriptors, kernel } = this.#sandbox;
    const kind = descriptors.kind(fd);
    if (kind === Kind.LISTENER || kind === Kind.EPOLL) return 1;
    if (kind === Kind.EVENT) return 8;
    return Math.max(0, kernel.fionread(descriptors.handle(fd)));
  }

  #write(index: number, error: number, nbytes: number, flags: number): void {
    const { view } = this.#cache;
    const from = index * Subscription.SIZE;
    writeEvent(
      this.#sandbox.memory.view,
      this.#out + this.#events * Event.SIZE,
      Subscription.userdata.lo(view, from),
      Subscription.userdata.hi(view, from),
      error,
      Subscription.tag.get(view, from),
      nbytes,
      flags,
    );
    this.#events++;
  }
}

const pollOneoffRow = imported(
  'poll_oneoff',
  { in: 'ptr', out: 'ptr', nsubscriptions: 'size', 'result.nevents': '*u32' },
  (sandbox) => {
    const poll = new Poll(sandbox);
    return (subscriptions: number, events: number, nsubscriptions: number, result: number) => {
      const { memory } = sandbox;
      const count = nsubscriptions >>> 0;
      const at = subscriptions >>> 0;
      const out = events >>> 0;
      if (!memory.fits(result >>> 0, 4) || !memory.fits(at, count * Subscription.SIZE)) {
        return Errno.FAULT;
      }
      if (!memory.fits(out, count * Event.SIZE)) return Errno.FAULT;
      if (count === 0 || count > SUBSCRIPTIONS_MAX) return Errno.INVAL;
      const n = poll.run(at, out, count);
      if (n < 0) return wasiErrno(n);
      memory.view.setUint32(result >>> 0, n, true);
      return Errno.SUCCESS;
    };
  },
);

export const POLL_ROWS: readonly ImportRow[] = [pollOneoffRow];
