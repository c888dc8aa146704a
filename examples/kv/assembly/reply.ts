/** Replies in RESP2: written one after the other into one buffer, and sent together. */

import { writeAscii, writeDecimal } from 'sandpoll/guest';
import { allocate, release } from './arena';

const PLUS: u8 = 0x2b;
const MINUS: u8 = 0x2d;
const COLON: u8 = 0x3a;
const DOLLAR: u8 = 0x24;
const STAR: u8 = 0x2a;
const CR_LF: u16 = 0x0a0d;
/** The buffer's usual size in bytes: once it is full, it is sent before more is written. */
const REPLY_BYTES: u32 = 65536;
/** Room that is kept for a command's short reply, or its error. */
const RESERVE_BYTES: u32 = 1024;
/** The longest a number is written: 19 digits and a sign. */
const DIGITS_MAX: u32 = 20;
/** Of what a client sent, an error repeats at most this many bytes. */
const QUOTE_BYTES_MAX: u32 = 128;

/** The buffer of replies. One that does not fit in memory becomes an error instead. */
export class Reply {
  bytes: usize = 0;
  length: u32 = 0;
  /** The connection ends when these replies are sent. */
  closing: bool = false;
  /** The buffer of the usual size, kept for good, so that short replies never lack memory. */
  private usual: usize = 0;
  private capacity: u32 = 0;
  private start: u32 = 0;
  private overflowed: bool = false;

  /** Takes the memory for the usual buffer; false when it is not there. */
  initialize(): bool {
    this.usual = allocate(REPLY_BYTES);
    this.clear();
    return this.usual != 0;
  }

  /** Begins a command's reply. */
  begin(): void {
    this.start = this.length;
    this.overflowed = false;
  }

  /** Ends a command's reply: what was too large for memory is taken back. */
  end(): void {
    if (!this.overflowed) return;
    this.overflowed = false;
    this.length = this.start;
    this.outOfMemory();
  }

  /** Takes back what was written of the command's reply. */
  restart(): Reply {
    this.length = this.start;
    return this;
  }

  /** Whether the command's reply so far fits in memory. */
  get fits(): bool {
    return !this.overflowed;
  }

  /** Whether it is time to send before more is written. */
  get isFull(): bool {
    return this.length >= REPLY_BYTES - RESERVE_BYTES;
  }

  /** Empties the buffer, and gives back what a large reply took. */
  clear(): void {
    if (this.bytes != this.usual) release(this.bytes);
    this.bytes = this.usual;
    this.capacity = REPLY_BYTES;
    this.length = 0;
    this.closing = false;
  }

  /** Hands over the buffer if it is a large one, for the taker to release; else 0. */
  detachLarge(): usize {
    if (this.bytes == this.usual) return 0;
    const bytes = this.bytes;
    this.bytes = this.usual;
    return bytes;
  }

  ok(): void {
    this.simple('OK');
  }

  simple(text: string): void {
    this.line(PLUS, text);
  }

  /** `text` begins with the kind of error in capitals. */
  error(text: string): void {
    this.line(MINUS, text);
  }

  outOfMemory(): void {
    this.error("OOM command not allowed when used memory > 'maxmemory'.");
  }

  integer(value: i64): void {
    this.header(COLON, value);
  }

  nil(): void {
    this.line(DOLLAR, '-1');
  }

  /** Begins an array: `count` replies follow. */
  array(count: u32): void {
    this.header(STAR, count);
  }

  bulk(bytes: usize, length: u32): void {
    if (!this.reserve(length + DIGITS_MAX + 5)) return;
    this.header(DOLLAR, length);
    memory.copy(this.bytes + this.length, bytes, length);
    this.length += length;
    this.endLine();
  }

  /** A bulk string of ASCII text. */
  bulkText(text: string): void {
    this.header(DOLLAR, text.length);
    this.text(text);
    this.endLine();
  }

  /** Begins an error of several pieces; `endLine` ends it. */
  errorStart(text: string): void {
    this.lineStart(MINUS, text);
  }

  /** A piece of a line, ASCII. */
  text(text: string): void {
    if (!this.reserve(text.length + 2)) return;
    this.length += writeAscii(this.bytes + this.length, text);
  }

  /** A piece of a line: what a client sent, shortened, with nothing that could end the line. */
  quote(bytes: usize, length: u32): void {
    const shown = min(length, QUOTE_BYTES_MAX);
    if (!this.reserve(shown + 2)) return;
    for (let i: u32 = 0; i < shown; i++) {
      const byte = load<u8>(bytes + i);
      store<u8>(this.bytes + this.length++, byte < 0x20 ? 0x20 : byte);
    }
  }

  /** A piece of a line: a number. */
  number(value: i64): void {
    if (!this.reserve(DIGITS_MAX + 2)) return;
    this.length += writeDecimal(this.bytes + this.length, value);
  }

  endLine(): void {
    if (!this.reserve(2)) return;
    store<u16>(this.bytes + this.length, CR_LF);
    this.length += 2;
  }

  private line(kind: u8, text: string): void {
    this.lineStart(kind, text);
    this.endLine();
  }

  private lineStart(kind: u8, text: string): void {
    if (!this.reserve(1)) return;
    store<u8>(this.bytes + this.length++, kind);
    this.text(text);
  }

  private header(kind: u8, value: i64): void {
    if (!this.reserve(DIGITS_MAX + 3)) return;
    store<u8>(this.bytes + this.length++, kind);
    this.number(value);
    this.endLine();
  }

  /** Makes room for `more` bytes; once that has failed, nothing is written until `end`. */
  private reserve(more: u32): bool {
    if (this.overflowed) return false;
    const needed = this.length + more;
    if (needed <= this.capacity) return true;
    return this.grow(needed);
  }

  /** Doubling spares copies; where memory is short, exactly what is needed must do. */
  private grow(needed: u32): bool {
    this.overflowed = !this.growTo(max(this.capacity << 1, needed)) && !this.growTo(needed);
    return !this.overflowed;
  }

  private growTo(capacity: u32): bool {
    const bytes = allocate(capacity);
    if (bytes == 0) return false;
    memory.copy(bytes, this.bytes, this.length);
    if (this.bytes != this.usual) release(this.bytes);
    this.bytes = bytes;
    this.capacity = capacity;
    return true;
  }
}
