/** A first-in first-out run of bytes in memory of its own, which grows by doubling. */

import { writeDecimal } from './text';

const SMALLEST_BYTES: i32 = 256;
/** Readable behind the last byte, for those who read eight at once. */
const SLACK_BYTES: i32 = 8;

/**
 * Bytes are appended at the end and consumed from the start. `at` is valid only until the next
 * append. Neither the bytes nor the object are the garbage collector's, which makes them cheap:
 * `dispose` gives the memory of the bytes back, `free` that of the object too.
 */
@unmanaged
export class ByteBuffer {
  private base: usize = 0;
  private start: i32 = 0;
  private end: i32 = 0;
  private capacity: i32 = 0;

  /** How many bytes it holds. */
  get length(): i32 {
    return this.end - this.start;
  }

  /** The address of the first byte. */
  get at(): usize {
    return this.base + this.start;
  }

  /** Makes room for `extra` more bytes and returns the address where they go. */
  reserve(extra: i32): usize {
    if (extra > this.capacity - this.end) this.makeRoom(extra);
    return this.base + this.end;
  }

  /** Takes in `count` bytes that the caller wrote to the address that `reserve` gave. */
  commit(count: i32): void {
    this.end += count;
  }

  /** Appends `length` bytes. */
  append(data: usize, length: i32): void {
    memory.copy(this.reserve(length), data, length);
    this.end += length;
  }

  /** Appends one byte. */
  appendByte(byte: i32): void {
    store<u8>(this.reserve(1), byte);
    this.end += 1;
  }

  /** Appends a text of which every character is ASCII. */
  appendAscii(text: string): void {
    const length = text.length;
    const to = this.reserve(length);
    const from = changetype<usize>(text);
    for (let i = 0; i < length; i++) store<u8>(to + i, load<u8>(from + ((<usize>i) << 1)));
    this.end += length;
  }

  /** Appends a text as UTF-8. */
  appendText(text: string): void {
    const to = this.reserve(text.length * 3);
    this.end += <i32>String.UTF8.encodeUnsafe(changetype<usize>(text), text.length, to);
  }

  /** Appends an integer in decimal. */
  appendDecimal(value: i64): void {
    this.end += writeDecimal(this.reserve(20), value);
  }

  /** Drops `count` bytes from the start. */
  consume(count: i32): void {
    this.start += count;
    if (this.start >= this.end) this.clear();
  }

  /** Drops bytes from the end, so that `length` are left. */
  truncate(length: i32): void {
    this.end = this.start + length;
  }

  /** Drops all bytes, and keeps the memory for the next ones. */
  clear(): void {
    this.start = 0;
    this.end = 0;
  }

  /** Drops all bytes and gives the memory back. */
  dispose(): void {
    if (this.base != 0) heap.free(this.base);
    this.base = 0;
    this.capacity = 0;
    this.clear();
  }

  /** Gives all memory back: the object must not be used any more. */
  free(): void {
    this.dispose();
    heap.free(changetype<usize>(this));
  }

  private makeRoom(extra: i32): void {
    const length = this.length;
    if (length + extra <= this.capacity && this.start >= this.capacity >> 1) {
      memory.copy(this.base, this.base + this.start, length);
    } else {
      const capacity = max(max(SMALLEST_BYTES, this.capacity * 2), length + extra);
      const base = heap.alloc(capacity + SLACK_BYTES);
      memory.copy(base, this.base + this.start, length);
      if (this.base != 0) heap.free(this.base);
      this.base = base;
      this.capacity = capacity;
    }
    this.start = 0;
    this.end = length;
  }
}
