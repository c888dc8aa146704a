/**
 * One command on its way in: a parser of RESP2 arrays and of inline commands that takes its
 * bytes in pieces of any size, and looks at each of them once.
 *
 * The bytes stay where the caller has them. A request begins at `base`; what the parser remembers
 * between two calls are offsets from there, so the caller may move the bytes meanwhile.
 */

import { equalsAsciiIgnoreCase } from 'sandpoll/guest';
import { allocate, reallocate, release } from './arena';
import { splitInline } from './inline';
import { ARGUMENTS_MAX, INLINE_BYTES_MAX, bulkBytesMax } from './settings';

/** What `parse` found. */
export const enum Parsed {
  /** More bytes are needed. */
  Incomplete,
  /** A command; an empty line is one with no arguments. */
  Complete,
  /** A command for which memory did not suffice; its bytes are gone. */
  Discarded,
  /** Not the protocol: `protocolError` says why. */
  Malformed,
}

/** Offset and length of an argument, u32 each. */
const ARGUMENT_BYTES: u32 = 8;
const ARGUMENTS_KEPT: u32 = 16;
/** A line with a number: a letter, at most 20 characters, CR LF, and some room. */
const HEADER_BYTES_MAX: u32 = 32;
const STAR: u8 = 0x2a;
const DOLLAR: u8 = 0x24;
const CR_LF: u16 = 0x0a0d;
const CR: u8 = 0x0d;
const LF: u8 = 0x0a;

export class Request {
  /** Number of arguments, the command's name among them. */
  count: u32 = 0;
  /** What is wrong, after `Parsed.Malformed`. */
  protocolError: string = '';
  /** What `readInteger` read. */
  integer: i64 = 0;
  /** Bytes parsed: the command's length when it is complete. */
  at: u32 = 0;
  private base: usize = 0;
  private arguments: usize = 0;
  private capacity: u32 = 0;
  /** Strings still to come; 0 before the first byte. */
  private left: u32 = 0;
  /** Of the string under way, bytes to come with CR LF; 0 before its length. */
  private bulkLeft: u32 = 0;
  private discarding: bool = false;

  /** Begins the next request. */
  reset(): void {
    this.count = 0;
    this.at = 0;
    this.left = 0;
    this.bulkLeft = 0;
    this.discarding = false;
    if (this.capacity > ARGUMENTS_KEPT) this.destroy();
  }

  /** Gives back the memory it holds. */
  destroy(): void {
    release(this.arguments);
    this.arguments = 0;
    this.capacity = 0;
  }

  /** Goes on with the request whose bytes are those from `base` to `base + length`. */
  parse(base: usize, length: u32): Parsed {
    this.base = base;
    if (this.left == 0) {
      if (length == 0) return Parsed.Incomplete;
      if (load<u8>(base) != STAR) return this.parseInline(length);
      const found = this.parseArrayHeader(length);
      if (found != Parsed.Complete || this.left == 0) return found;
    }
    while (this.left != 0) {
      const found = this.parseBulk(length);
      if (found != Parsed.Complete) return found;
      this.left--;
    }
    return this.discarding ? Parsed.Discarded : Parsed.Complete;
  }

  /** How many bytes of an incomplete request the caller need not keep; they count as gone. */
  drop(): u32 {
    if (!this.discarding) return 0;
    const dropped = this.at;
    this.at = 0;
    return dropped;
  }

  /** Whether the length of what is still to come is known, so that it can be discarded. */
  get canDiscard(): bool {
    return this.left != 0;
  }

  /** Memory does not suffice to keep this request: its bytes are only counted from here on. */
  discard(): void {
    this.discarding = true;
    this.count = 0;
    this.destroy();
  }

  /** Bytes of the request known to be still missing, when `length` of them are there. */
  missing(length: u32): u32 {
    const needed = this.at + this.bulkLeft;
    return needed > length ? needed - length : 1;
  }

  /** Where argument `i` lies. */
  argument(i: u32): usize {
    return this.base + load<u32>(this.arguments + i * ARGUMENT_BYTES);
  }

  /** Length of argument `i` in bytes. */
  length(i: u32): u32 {
    return load<u32>(this.arguments + i * ARGUMENT_BYTES, 4);
  }

  /** Adds an argument: `length` bytes at `offset` from the base; false when memory is short. */
  add(offset: u32, length: u32): bool {
    if (this.count == this.capacity && !this.grow()) return false;
    const to = this.arguments + this.count++ * ARGUMENT_BYTES;
    store<u32>(to, offset);
    store<u32>(to, length, 4);
    return true;
  }

  /** The first 8 bytes of argument `i` in capitals, packed into a word; 0 if it is longer. */
  word(i: u32): u64 {
    const length = this.length(i);
    if (length > 8) return 0;
    const from = this.argument(i);
    let word: u64 = 0;
    for (let k: u32 = 0; k < length; k++) {
      const byte = load<u8>(from + k);
      const capital = byte - 0x61 < 26 ? byte - 0x20 : byte;
      word |= (<u64>capital) << (k << 3);
    }
    return word;
  }

  /** Whether argument `i` is this word of at most 8 capitals, in whatever case. */
  is(i: u32, word: string): bool {
    return this.word(i) == packWord(word);
  }

  /** Whether argument `i` is this ASCII text in lower case, in whatever case. */
  equals(i: u32, text: string): bool {
    return equalsAsciiIgnoreCase(this.argument(i), this.length(i), text);
  }

  /** Reads argument `i` into `integer`; false if it is not a decimal number of 64 bits. */
  readInteger(i: u32): bool {
    return this.parseInteger(this.argument(i), this.length(i));
  }

  /** Reads `length` bytes into `integer`, as strictly as Redis: no sign +, no leading 0. */
  parseInteger(from: usize, length: u32): bool {
    const negative = length != 0 && load<u8>(from) == 0x2d;
    let at = from + <usize>negative;
    const end = from + length;
    if (at == end || length > 20) return false;
    if (load<u8>(at) == 0x30 && length > 1) return false;
    let value: u64 = 0;
    for (; at != end; at++) {
      const digit = load<u8>(at) - 0x30;
      if (digit > 9 || value > (u64.MAX_VALUE - 9) / 10) return false;
      value = value * 10 + digit;
    }
    if (value > <u64>i64.MAX_VALUE + <u64>negative) return false;
    this.integer = negative ? 0 - <i64>value : <i64>value;
    return true;
  }

  private malformed(why: string): Parsed {
    this.protocolError = why;
    return Parsed.Malformed;
  }

  private parseArrayHeader(length: u32): Parsed {
    const end = this.lineEnd(length);
    if (end == 0) {
      if (length < HEADER_BYTES_MAX) return Parsed.Incomplete;
      return this.malformed('too big mbulk count string');
    }
    const valid = this.parseInteger(this.base + 1, end - 1);
    if (!valid || this.integer > <i64>ARGUMENTS_MAX) {
      return this.malformed('invalid multibulk length');
    }
    this.at = end + 2;
    this.left = this.integer > 0 ? <u32>this.integer : 0;
    return Parsed.Complete;
  }

  private parseBulk(length: u32): Parsed {
    if (this.bulkLeft == 0) {
      const found = this.parseBulkHeader(length);
      if (found != Parsed.Complete) return found;
    }
    const there = length - this.at;
    if (there < this.bulkLeft) {
      if (this.discarding) {
        this.at += there;
        this.bulkLeft -= there;
      }
      return Parsed.Incomplete;
    }
    const bytes = this.bulkLeft - 2;
    if (!this.discarding && load<u16>(this.base + this.at + bytes) != CR_LF) {
      return this.malformed('expected CR LF after a bulk string');
    }
    if (!this.discarding && !this.add(this.at, bytes)) this.discard();
    this.at += this.bulkLeft;
    this.bulkLeft = 0;
    return Parsed.Complete;
  }

  private parseBulkHeader(length: u32): Parsed {
    if (this.at == length) return Parsed.Incomplete;
    const kind = load<u8>(this.base + this.at);
    if (kind != DOLLAR) {
      const shown = kind >= 0x20 && kind < 0x7f ? String.fromCharCode(kind) : '?';
      return this.malformed("expected '$', got '" + shown + "'");
    }
    const end = this.lineEnd(length);
    if (end == 0) {
      if (length - this.at < HEADER_BYTES_MAX) return Parsed.Incomplete;
      return this.malformed('too big bulk count string');
    }
    const valid = this.parseInteger(this.base + this.at + 1, end - this.at - 1);
    if (!valid || this.integer < 0 || this.integer > <i64>bulkBytesMax) {
      return this.malformed('invalid bulk length');
    }
    this.at = end + 2;
    this.bulkLeft = <u32>this.integer + 2;
    return Parsed.Complete;
  }

  /** Where the line from `at` ends (at its CR), if it does within a header's length; else 0. */
  private lineEnd(length: u32): u32 {
    const end = min(length, this.at + HEADER_BYTES_MAX) - 1;
    for (let i = this.at; i < end; i++) {
      if (load<u16>(this.base + i) == CR_LF) return i;
    }
    return 0;
  }

  private parseInline(length: u32): Parsed {
    // `at` is as far as an end of line has been sought.
    while (this.at < length && load<u8>(this.base + this.at) != LF) this.at++;
    if (this.at > INLINE_BYTES_MAX) return this.malformed('too big inline request');
    if (this.at == length) return Parsed.Incomplete;
    const hasCr = this.at != 0 && load<u8>(this.base + this.at - 1) == CR;
    const split = splitInline(this, this.base, this.at - <u32>hasCr);
    this.at++;
    if (split == -1) return this.malformed('unbalanced quotes in request');
    return split == 0 ? Parsed.Discarded : Parsed.Complete;
  }

  private grow(): bool {
    const capacity = max(this.capacity << 1, ARGUMENTS_KEPT);
    const bytes = capacity * ARGUMENT_BYTES;
    const moved = this.arguments == 0 ? allocate(bytes) : reallocate(this.arguments, bytes);
    if (moved == 0) return false;
    this.arguments = moved;
    this.capacity = capacity;
    return true;
  }
}

/** A word of at most 8 capitals as `Request.word` gives it. */
export function packWord(text: string): u64 {
  let word: u64 = 0;
  for (let i = 0; i < text.length; i++) word |= (<u64>text.charCodeAt(i)) << (i << 3);
  return word;
}
