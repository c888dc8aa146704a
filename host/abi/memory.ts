/**
 * One guest's linear memory, seen from the host.
 *
 * `fits` is the only bounds check: in 53-bit numbers, before any use. Growth replaces the buffer
 * and empties the old views (their length becomes 0), so a check against a stale view fails, the
 * views are taken again, and the check is repeated: no call pays for growth that did not happen.
 */
import { Iovec } from './preview1.js';
import { type Bytes, IOV_MAX } from '../kernel/kernel.js';
import { LinuxErrno } from '../errno.js';

/** The most bytes one call moves, as Linux has it (MAX_RW_COUNT of `read(2)`). */
const TRANSFER_BYTES_MAX = 0x7ffff000;

export class GuestMemory {
  readonly #memory: WebAssembly.Memory;
  /** The whole memory; take it anew after anything that may grow it. */
  bytes: Uint8Array;
  /** The same memory, for structs. */
  view: DataView;
  /** The same memory, for the kernel port. */
  span: Bytes;
  /** What `readIovecs` has read: pairs of (offset, length). */
  readonly iovs = new Uint32Array(2 * IOV_MAX);

  constructor(memory: WebAssembly.Memory) {
    this.#memory = memory;
    this.bytes = new Uint8Array(memory.buffer);
    this.view = new DataView(memory.buffer);
    this.span = this.#spanOf(memory.buffer);
  }

  #spanOf(buffer: ArrayBuffer | SharedArrayBuffer): Bytes {
    return buffer instanceof SharedArrayBuffer ? this.bytes : buffer;
  }

  /** Its size in bytes now. */
  get byteLength(): number {
    return this.#memory.buffer.byteLength;
  }

  /**
   * Whether `size` bytes at `at` lie in the memory. `at` is unsigned (`pointer >>> 0`), `size` a
   * product in ordinary numbers. After `true` the views are fresh.
   */
  fits(at: number, size: number): boolean {
    return at + size <= this.bytes.length || this.#fitsAfterGrowth(at, size);
  }

  #fitsAfterGrowth(at: number, size: number): boolean {
    const { buffer } = this.#memory;
    if (this.bytes.buffer === buffer && this.bytes.length === buffer.byteLength) return false;
    this.bytes = new Uint8Array(buffer);
    this.view = new DataView(buffer);
    this.span = this.#spanOf(buffer);
    return at + size <= this.bytes.length;
  }

  /** `readIovecs` for a single one; false if it or its buffer lies outside memory. */
  readIovec(at: number, to = 0): boolean {
    if (!this.fits(at, Iovec.SIZE)) return false;
    const buf = Iovec.buf.get(this.view, at);
    const len = Iovec.len.get(this.view, at);
    if (!this.fits(buf, len)) return false;
    this.iovs[2 * to] = buf;
    this.iovs[2 * to + 1] = len;
    return true;
  }

  /**
   * Reads an array of iovec or ciovec once, into `iovs` behind the first `to` there: from here on
   * the guest cannot change it. Returns the count; `-EINVAL` for more than IOV_MAX in all,
   * `-EFAULT` for any buffer outside memory. Lengths beyond what Linux moves in one call are cut
   * to it.
   */
  readIovecs(at: number, count: number, to = 0): number {
    if (count + to > IOV_MAX) return -LinuxErrno.INVAL;
    if (count === 1) return this.readIovec(at, to) ? 1 : -LinuxErrno.FAULT;
    return this.#readSeveral(at, count, to);
  }

  /** Apart: what is left of `readIovecs` is small enough to be compiled into its callers. */
  #readSeveral(at: number, count: number, to: number): number {
    if (!this.fits(at, count * Iovec.SIZE)) return -LinuxErrno.FAULT;
    const { iovs, view } = this;
    let room = TRANSFER_BYTES_MAX;
    for (let i = 0; i < count; i++) {
      const buf = Iovec.buf.get(view, at + i * Iovec.SIZE);
      const len = Iovec.len.get(view, at + i * Iovec.SIZE);
      if (!this.fits(buf, len)) return -LinuxErrno.FAULT;
      const taken = Math.min(len, room);
      iovs[2 * (to + i)] = buf;
      iovs[2 * (to + i) + 1] = taken;
      room -= taken;
    }
    return count;
  }

  /** The bytes of all buffers that `readIovecs` has read. */
  iovecBytes(count: number): number {
    let total = 0;
    for (let i = 0; i < count; i++) total += this.iovs[2 * i + 1];
    return total;
  }

  /** Drops the first `done` bytes of the buffers; returns the number of buffers left. */
  advanceIovecs(count: number, done: number): number {
    const { iovs } = this;
    let from = 0;
    let left = done;
    while (from < count && left >= iovs[2 * from + 1]) {
      left -= iovs[2 * from + 1];
      from++;
    }
    if (from > 0) iovs.copyWithin(0, 2 * from, 2 * count);
    const rest = count - from;
    if (rest > 0) {
      iovs[0] = iovs[0] + left;
      iovs[1] = iovs[1] - left;
    }
    return rest;
  }

  /** Zeroes a record of `size` bytes, a multiple of 8, that fits: a call of `fill` costs more. */
  clear(at: number, size: number): void {
    const { view } = this;
    for (let i = 0; i < size; i += 8) view.setFloat64(at + i, 0);
  }

  /** Text for messages only: at most `lengthMax` bytes of UTF-8 at `at`, or `?` if outside. */
  text(at: number, length: number, lengthMax = 1024): string {
    const size = Math.min(length, lengthMax);
    if (!this.fits(at, size)) return '?';
    return new TextDecoder().decode(this.bytes.slice(at, at + size));
  }
}
