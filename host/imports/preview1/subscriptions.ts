/**
 * The subscriptions of a thread's last `poll_oneoff`: a copy that the guest cannot change, and
 * which of them are of which descriptor. Another call's are taken over by their difference: what
 * is the same costs a native compare and nothing in JavaScript.
 */
import type { GuestMemory } from '../../abi/memory.js';
import { EPOLLIN, EPOLLOUT, EPOLLRDHUP } from '../../abi/epoll.js';
import { Eventtype, Subscription } from '../../abi/preview1.js';
import type { Kernel } from '../../kernel/kernel.js';

/** The end of a chain. */
export const NONE = -1;
/** Where subscriptions are read: the guest's memory, or what they were brought to from there. */
export type Source = Pick<GuestMemory, 'bytes' | 'span' | 'view'>;

/** The fewest subscriptions worth a native compare. */
const CHUNK = 16;

export class Subscriptions {
  readonly #kernel: Kernel;
  readonly #fdsMax: number;
  #count = 0;
  #copy = new ArrayBuffer(0);
  /** The copy: subscription `index` at `index * Subscription.SIZE`. */
  view = new DataView(this.#copy);
  /** For each descriptor: the first of its subscriptions, or NONE. */
  readonly first: Int32Array;
  /** For each subscription: the next and the previous one of its descriptor, or NONE. */
  next = new Int32Array(0);
  #previous = new Int32Array(0);
  /** For each descriptor: how many FD_READ and FD_WRITE subscriptions it has. */
  readonly #reads: Int32Array;
  readonly #writes: Int32Array;
  /** The subscriptions that are clocks. */
  readonly clocks = new Set<number>();
  /** The subscriptions with a tag or a descriptor that there cannot be. */
  readonly wrong = new Set<number>();
  /** Descriptors whose `wanted` may have changed; who has seen to them empties it. */
  readonly touched: number[] = [];

  constructor(kernel: Kernel, fdsMax: number) {
    this.#kernel = kernel;
    this.#fdsMax = fdsMax;
    this.first = new Int32Array(fdsMax).fill(NONE);
    this.#reads = new Int32Array(fdsMax);
    this.#writes = new Int32Array(fdsMax);
  }

  /** Takes over the `count` subscriptions at `at`, which were checked to be there. */
  take(source: Source, at: number, count: number): void {
    if (count > this.next.length) this.#grow(count);
    const kept = Math.min(count, this.#count);
    if (kept > 0) this.#takeKept(source, at, kept);
    for (let index = count; index < this.#count; index++) this.#unlink(index);
    if (count > kept) {
      const begin = kept * Subscription.SIZE;
      const added = source.bytes.subarray(at + begin, at + count * Subscription.SIZE);
      new Uint8Array(this.#copy).set(added, begin);
      for (let index = kept; index < count; index++) this.#link(index);
    }
    this.#count = count;
  }

  /** The epoll events that the subscriptions of one descriptor ask for; 0 for none. */
  wanted(fd: number): number {
    const reading = this.#reads[fd] > 0 ? EPOLLIN | EPOLLRDHUP : 0;
    return this.#writes[fd] > 0 ? reading | EPOLLOUT : reading;
  }

  #grow(count: number): void {
    // Room for all that a full table can ask for, and a clock: pages that nobody touches cost
    // nothing, growing by and by would leave the smaller copies to the collector.
    const room = Math.max(count, 2 * this.next.length, 2 * this.#fdsMax + 1);
    const copy = new ArrayBuffer(room * Subscription.SIZE);
    new Uint8Array(copy).set(new Uint8Array(this.#copy));
    this.#copy = copy;
    this.view = new DataView(copy);
    const { next } = this;
    const previous = this.#previous;
    this.next = new Int32Array(room);
    this.next.set(next);
    this.#previous = new Int32Array(room);
    this.#previous.set(previous);
  }

  /** Compares all but a leading or closing clock, whose time changes with every call. */
  #takeKept(source: Source, at: number, kept: number): void {
    const from = this.#takeClock(source.view, at, 0) ? 1 : 0;
    const to = this.#takeClock(source.view, at, kept - 1) ? kept - 1 : kept;
    if (from < to && !this.#same(source, at, from, to)) this.#takeRange(source, at, from, to);
  }

  /** Copies subscription `index` if it was a clock and still is one; its tag stays. */
  #takeClock(guest: DataView, at: number, index: number): boolean {
    const offset = index * Subscription.SIZE;
    if (Subscription.tag.get(this.view, offset) !== Eventtype.CLOCK) return false;
    if (Subscription.tag.get(guest, at + offset) !== Eventtype.CLOCK) return false;
    this.#copyWords(guest, at, offset, 0, Subscription.tag.offset);
    this.#copyWords(guest, at, offset, Subscription.clockId.offset, Subscription.SIZE);
    return true;
  }

  #copyWords(guest: DataView, at: number, offset: number, from: number, to: number): void {
    for (let word = offset + from; word < offset + to; word += 4) {
      this.view.setUint32(word, guest.getUint32(at + word, true), true);
    }
  }

  #same({ span }: Source, at: number, from: number, to: number): boolean {
    const begin = from * Subscription.SIZE;
    const size = (to - from) * Subscription.SIZE;
    return this.#kernel.memcmp(this.#copy, begin, span, at + begin, size) === 0;
  }

  /** Takes over a range that differs somewhere, by halves: what is the same costs little. */
  #takeRange(source: Source, at: number, from: number, to: number): void {
    if (to - from <= CHUNK) {
      for (let index = from; index < to; index++) {
        if (this.#differs(source.view, at, index)) this.#replace(source.view, at, index);
      }
      return;
    }
    const middle = (from + to) >>> 1;
    const left = !this.#same(source, at, from, middle);
    if (left) this.#takeRange(source, at, from, middle);
    // Where the left half is the same, the right one is known to differ.
    if (!left || !this.#same(source, at, middle, to)) this.#takeRange(source, at, middle, to);
  }

  #differs(guest: DataView, at: number, index: number): boolean {
    const offset = index * Subscription.SIZE;
    for (let word = offset; word < offset + Subscription.SIZE; word += 4) {
      if (this.view.getUint32(word) !== guest.getUint32(at + word)) return true;
    }
    return false;
  }

  #replace(guest: DataView, at: number, index: number): void {
    this.#unlink(index);
    this.#copyWords(guest, at, index * Subscription.SIZE, 0, Subscription.SIZE);
    this.#link(index);
  }

  /** The descriptor of a subscription that is no clock; NONE if it is wrong. */
  #fdOf(index: number, tag: number): number {
    if (tag !== Eventtype.FD_READ && tag !== Eventtype.FD_WRITE) return NONE;
    const fd = Subscription.fd.get(this.view, index * Subscription.SIZE);
    return fd < this.#fdsMax ? fd : NONE;
  }

  #link(index: number): void {
    const tag = Subscription.tag.get(this.view, index * Subscription.SIZE);
    if (tag === Eventtype.CLOCK) {
      this.clocks.add(index);
      return;
    }
    const fd = this.#fdOf(index, tag);
    if (fd === NONE) {
      this.wrong.add(index);
      return;
    }
    const second = this.first[fd];
    this.next[index] = second;
    this.#previous[index] = NONE;
    if (second !== NONE) this.#previous[second] = index;
    this.first[fd] = index;
    const counts = tag === Eventtype.FD_READ ? this.#reads : this.#writes;
    if (counts[fd]++ === 0) this.touched.push(fd);
  }

  #unlink(index: number): void {
    const tag = Subscription.tag.get(this.view, index * Subscription.SIZE);
    if (tag === Eventtype.CLOCK) {
      this.clocks.delete(index);
      return;
    }
    const fd = this.#fdOf(index, tag);
    if (fd === NONE) {
      this.wrong.delete(index);
      return;
    }
    const next = this.next[index];
    const previous = this.#previous[index];
    if (previous === NONE) this.first[fd] = next;
    else this.next[previous] = next;
    if (next !== NONE) this.#previous[next] = previous;
    const counts = tag === Eventtype.FD_READ ? this.#reads : this.#writes;
    if (--counts[fd] === 0) this.touched.push(fd);
  }
}
