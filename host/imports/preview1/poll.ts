/** `wasi_snapshot_preview1` poll_oneoff, over a cached epoll (`interests.ts`). */
import {
  CountedEvent,
  EPOLLERR,
  EPOLLHUP,
  EPOLLIN,
  EPOLLOUT,
  EPOLLRDHUP,
  SignalfdSiginfo,
} from '../../abi/epoll.js';
import { AT_EMPTY_PATH, Status } from '../../abi/files.js';
import {
  Clockid,
  Event,
  Eventrwflags,
  Eventtype,
  Subclockflags,
  Subscription,
  Whence,
  writeEvent,
} from '../../abi/preview1.js';
import { Kind } from '../../descriptors.js';
import { Errno, wasiErrno } from '../../errno.js';
import type { Sandbox } from '../../sandbox.js';
import { type ImportRow, imported } from '../call.js';
import { linuxClock } from './clock.js';
import { Claim, InterestCache } from './interests.js';
import { NONE, type Source, type Subscriptions } from './subscriptions.js';

/** More subscriptions than this in one call are EINVAL: each costs the host 56 bytes. */
export const SUBSCRIPTIONS_MAX = 1 << 18;

const READABLE = EPOLLIN | EPOLLRDHUP | EPOLLERR | EPOLLHUP;
const WRITABLE = EPOLLOUT | EPOLLERR | EPOLLHUP;
const SECOND_NS = 1e9;
/** Longer waits than this are for ever: 31 years. */
const FOREVER_NS = 1e18;

/** One thread's poll_oneoff: where the events of the call in progress go, and how many. */
export class Poll {
  readonly #sandbox: Sandbox;
  readonly #cache: InterestCache;
  readonly #subscriptions: Subscriptions;
  #ready = new ArrayBuffer(CountedEvent.SIZE * 64);
  #readyView = new DataView(this.#ready);
  readonly #now = new DataView(new ArrayBuffer(8));
  readonly #nowBytes = new Uint8Array(this.#now.buffer);
  #out = 0;
  #count = 0;
  #events = 0;
  /** Whether a clock of the call counts from its beginning. */
  #relative = false;

  constructor(sandbox: Sandbox) {
    this.#sandbox = sandbox;
    this.#cache = new InterestCache(sandbox);
    sandbox.whenLeaving(() => this.#cache.close());
    this.#subscriptions = this.#cache.subscriptions;
  }

  /**
   * Subscriptions at `at` of `source`, events to `out` of memory: both arrays are checked to be
   * there. Returns the number of events, or minus a Linux errno.
   */
  run(source: Source, at: number, out: number, count: number): number {
    const subscribed = this.#cache.subscribe(source, at, count);
    if (subscribed < 0) return subscribed;
    this.#out = out;
    this.#count = count;
    this.#relative = false;
    this.#sandbox.beforeWait();
    let waitNs = this.#answerAtOnce(0);
    const startNs = this.#relative ? this.#readNs(Clockid.MONOTONIC) : 0;
    for (;;) {
      const n = this.#epollWait(waitNs);
      if (n < 0) return n;
      const claimed = this.#answerAll(n);
      if (claimed < 0) return claimed;
      const clean = claimed === n;
      if (clean && this.#events > 0) return this.#events;
      // Time is up, or a realtime clock was set back meanwhile. Or an interest that nobody has
      // any more fired: it is gone, but may have taken the room of one that somebody waits for.
      const elapsedNs = this.#relative ? this.#readNs(Clockid.MONOTONIC) - startNs : 0;
      waitNs = this.#answerAtOnce(elapsedNs);
      if (clean && this.#events > 0) return this.#events;
    }
  }

  /**
   * Begins the events with those that need no waiting. Returns the nanoseconds to wait for others:
   * 0 if there are events, or the time to the nearest clock.
   */
  #answerAtOnce(elapsedNs: number): number {
    const { immediate } = this.#cache;
    const { wrong } = this.#subscriptions;
    this.#events = 0;
    if (wrong.size > 0) for (const index of wrong) this.#answerWrong(index);
    if (immediate.size > 0) {
      for (const [fd, result] of immediate) this.#answerImmediate(fd, result);
    }
    const nearestNs = this.#dueClocks(elapsedNs);
    return this.#events > 0 ? 0 : nearestNs;
  }

  /** A file is always ready; else all subscriptions of the descriptor get the one error. */
  #answerImmediate(fd: number, result: number): void {
    if (result === 0) {
      const reads = (this.#subscriptions.wanted(fd) & EPOLLIN) !== 0;
      this.#answer(fd, EPOLLIN | EPOLLOUT, reads ? this.#bytesLeft(fd) : 0);
      return;
    }
    const { first, next } = this.#subscriptions;
    for (let index = first[fd]; index !== NONE; index = next[index]) {
      this.#write(index, wasiErrno(result), 0, 0);
    }
  }

  #answerWrong(index: number): void {
    const tag = Subscription.tag.get(this.#subscriptions.view, index * Subscription.SIZE);
    const known = tag === Eventtype.FD_READ || tag === Eventtype.FD_WRITE;
    this.#write(index, known ? Errno.BADF : Errno.INVAL, 0, 0);
  }

  /** Answers each clock that is due; returns the nanoseconds to the nearest that is not. */
  #dueClocks(elapsedNs: number): number {
    const { clocks } = this.#subscriptions;
    let nearestNs = Number.POSITIVE_INFINITY;
    if (clocks.size === 0) return nearestNs;
    for (const index of clocks) {
      const remainingNs = this.#remainingNs(index * Subscription.SIZE, elapsedNs);
      if (remainingNs > 0) nearestNs = Math.min(nearestNs, remainingNs);
      else this.#write(index, this.#clockError(index * Subscription.SIZE), 0, 0);
    }
    return nearestNs;
  }

  /** CPU clocks do not move while a thread waits; other numbers are no clocks. */
  #clockError(offset: number): number {
    const id = Subscription.clockId.get(this.#subscriptions.view, offset);
    if (id === Clockid.REALTIME || id === Clockid.MONOTONIC) return Errno.SUCCESS;
    return linuxClock(id) < 0 ? Errno.INVAL : Errno.NOTSUP;
  }

  #remainingNs(offset: number, elapsedNs: number): number {
    const { view } = this.#subscriptions;
    const lo = Subscription.clockTimeout.lo(view, offset);
    const hi = Subscription.clockTimeout.hi(view, offset);
    if (this.#clockError(offset) !== Errno.SUCCESS) return 0;
    const absolute = (Subscription.clockFlags.get(view, offset) & Subclockflags.ABSTIME) !== 0;
    if (!absolute) {
      this.#relative = true;
      return hi * 2 ** 32 + lo - elapsedNs;
    }
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
    if (room * CountedEvent.SIZE > this.#ready.byteLength) {
      this.#ready = new ArrayBuffer(room * CountedEvent.SIZE);
      this.#readyView = new DataView(this.#ready);
    }
    if (timeoutNs === 0) return kernel.epollPwait(cache.epoll, this.#ready, 0, room, 0);
    if (timeoutNs >= FOREVER_NS) return kernel.epollPwait(cache.epoll, this.#ready, 0, room, -1);
    const seconds = Math.floor(timeoutNs / SECOND_NS);
    const nanoseconds = Math.floor(timeoutNs % SECOND_NS);
    return kernel.epollPwait2(cache.epoll, this.#ready, 0, room, seconds, nanoseconds);
  }

  /**
   * Answers the `n` events of the kernel, each with one for every subscription it is for. Returns
   * how many of the `n` somebody subscribes to, or minus a Linux errno.
   */
  #answerAll(n: number): number {
    let subscribed = 0;
    for (let i = 0; i < n; i++) {
      const offset = i * CountedEvent.SIZE;
      const fd = CountedEvent.data.lo(this.#readyView, offset);
      const claim = this.#cache.claim(fd, CountedEvent.data.hi(this.#readyView, offset));
      // It cannot be removed; but the whole epoll can.
      if (claim === Claim.ORPHANED) return this.#cache.rebuild();
      if (claim === Claim.STALE) continue;
      subscribed++;
      const bytes = CountedEvent.readableBytes.get(this.#readyView, offset);
      this.#answer(fd, CountedEvent.events.get(this.#readyView, offset), bytes);
    }
    return subscribed;
  }

  #answer(fd: number, events: number, readableBytes: number): void {
    const { first, next, view } = this.#subscriptions;
    const flags = (events & EPOLLHUP) !== 0 ? Eventrwflags.HANGUP : 0;
    for (let index = first[fd]; index !== NONE; index = next[index]) {
      const tag = Subscription.tag.get(view, index * Subscription.SIZE);
      const reading = tag === Eventtype.FD_READ;
      if ((events & (reading ? READABLE : WRITABLE)) === 0) continue;
      const nbytes = reading ? this.#counted(fd, readableBytes) : 1;
      this.#write(index, Errno.SUCCESS, nbytes, flags);
    }
  }

  /** The real FIONREAD: libc's ioctl is made of it. A connection, event or message is one. */
  #counted(fd: number, readableBytes: number): number {
    const kind = this.#sandbox.descriptors.kind(fd);
    if (kind === Kind.LISTENER || kind === Kind.EPOLL || kind === Kind.CHANNEL) return 1;
    if (kind === Kind.EVENT || kind === Kind.TIMER) return 8;
    return kind === Kind.SIGNAL ? SignalfdSiginfo.SIZE : readableBytes;
  }

  /** Of a file, from its position to its end: FIONREAD would tell it in 31 bits. */
  #bytesLeft(fd: number): number {
    const { descriptors, kernel, memory, status, statusView } = this.#sandbox;
    const handle = descriptors.handle(fd);
    if (descriptors.kind(fd) !== Kind.FILE) return Math.max(0, kernel.fionread(handle));
    if (kernel.statx(handle, memory.span, 0, 0, AT_EMPTY_PATH, status) < 0) return 0;
    if (kernel.lseek(handle, 0, 0, Whence.CUR, this.#nowBytes, 0) < 0) return 0;
    const { size } = Status;
    const position = this.#now.getUint32(4, true) * 2 ** 32 + this.#now.getUint32(0, true);
    return Math.max(0, size.hi(statusView, 0) * 2 ** 32 + size.lo(statusView, 0) - position);
  }

  #write(index: number, error: number, nbytes: number, flags: number): void {
    const { view } = this.#subscriptions;
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

/**
 * Brings subscriptions in the layout of another version, at `at` of memory, into this one's: they
 * then begin what it returns.
 */
export type Translate = (memory: DataView, at: number, count: number) => Source;

/** The row of a version whose subscriptions have `subscriptionBytes`. */
export function pollOneoffRow(subscriptionBytes: number, translator?: () => Translate): ImportRow {
  return imported(
    'poll_oneoff',
    { in: 'ptr', out: 'ptr', nsubscriptions: 'size', 'result.nevents': '*u32' },
    (sandbox) => {
      const poll = new Poll(sandbox);
      const translate = translator?.();
      return (subscriptions: number, events: number, nsubscriptions: number, result: number) => {
        const { memory } = sandbox;
        const count = nsubscriptions >>> 0;
        const at = subscriptions >>> 0;
        const out = events >>> 0;
        if (!memory.fits(result >>> 0, 4) || !memory.fits(at, count * subscriptionBytes)) {
          return Errno.FAULT;
        }
        if (!memory.fits(out, count * Event.SIZE)) return Errno.FAULT;
        if (count === 0 || count > SUBSCRIPTIONS_MAX) return Errno.INVAL;
        const n =
          translate === undefined
            ? poll.run(memory, at, out, count)
            : poll.run(translate(memory.view, at, count), 0, out, count);
        if (n < 0) return wasiErrno(n);
        memory.view.setUint32(result >>> 0, n, true);
        return Errno.SUCCESS;
      };
    },
  );
}

export const POLL_ROWS: readonly ImportRow[] = [pollOneoffRow(Subscription.SIZE)];
