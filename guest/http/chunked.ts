/** A body in chunks (RFC 9112 §7.1), joined as it arrives. */

import { MAX_HEAD_BYTES } from './parser';

/** The longest line of a chunk's size in bytes, extensions included. */
const MAX_SIZE_LINE_BYTES: i32 = 256;
/** The most digits of a size: those of the largest positive i32, in hexadecimal. */
const MAX_SIZE_DIGITS: i32 = 7;

const CR: u8 = 0x0d;
const LF: u8 = 0x0a;
const SEMICOLON: u8 = 0x3b;

const enum State {
  SIZE,
  EXTENSION,
  SIZE_LF,
  DATA,
  DATA_CR,
  DATA_LF,
  TRAILER_START,
  TRAILER,
  TRAILER_LF,
  END_LF,
  DONE,
}

/** Decodes one body at a time, which may come in any number of pieces. */
export class ChunkDecoder {
  /** How many bytes the body has so far. */
  bodyLength: i32 = 0;
  /** What is wrong: the HTTP status to answer; 0 if nothing is. */
  status: i32 = 0;

  private state: i32 = State.SIZE;
  private left: i32 = 0;
  private digits: i32 = 0;
  private lineBytes: i32 = 0;
  private limit: i32 = 0;

  /** Begins a body of at most `limit` bytes. */
  start(limit: i32): void {
    this.state = State.SIZE;
    this.bodyLength = 0;
    this.status = 0;
    this.left = 0;
    this.digits = 0;
    this.lineBytes = 0;
    this.limit = limit;
  }

  /** Whether the whole body, and what follows it, has been decoded. */
  get isDone(): bool {
    return this.state == State.DONE;
  }

  /**
   * Decodes `length` bytes at `data`, and writes what is body to `to`, which may be `data` or lie
   * before it. Returns how many bytes it has used: all, unless the body ends or is wrong.
   */
  decode(data: usize, length: i32, to: usize): i32 {
    const end = data + length;
    let at = data;
    while (at < end && this.status == 0 && this.state != State.DONE) {
      if (this.state == State.DATA) {
        const count = min(this.left, <i32>(end - at));
        memory.copy(to, at, count);
        to += count;
        at += count;
        this.bodyLength += count;
        this.left -= count;
        if (this.left == 0) this.state = State.DATA_CR;
      } else {
        this.take(load<u8>(at++));
      }
    }
    return <i32>(at - data);
  }

  private take(byte: u8): void {
    switch (this.state) {
      case State.SIZE:
        return this.takeSize(byte);
      case State.EXTENSION:
        if (byte == CR) this.state = State.SIZE_LF;
        else if ((byte < 0x20 && byte != 0x09) || byte == 0x7f) this.status = 400;
        else if (++this.lineBytes > MAX_SIZE_LINE_BYTES) this.status = 400;
        return;
      case State.SIZE_LF:
        this.lineBytes = 0;
        return this.expect(byte, LF, this.left == 0 ? State.TRAILER_START : State.DATA);
      case State.DATA_CR:
        return this.expect(byte, CR, State.DATA_LF);
      case State.DATA_LF:
        this.digits = 0;
        return this.expect(byte, LF, State.SIZE);
      case State.TRAILER_START:
        if (byte == CR) this.state = State.END_LF;
        else this.takeTrailer(byte);
        return;
      case State.TRAILER:
        return this.takeTrailer(byte);
      case State.TRAILER_LF:
        return this.expect(byte, LF, State.TRAILER_START);
      default:
        return this.expect(byte, LF, State.DONE);
    }
  }

  private expect(byte: u8, expected: u8, next: i32): void {
    if (byte == expected) this.state = next;
    else this.status = 400;
  }

  private takeSize(byte: u8): void {
    const letter = (byte | 0x20) - 0x61;
    const digit = <u8>(byte - 0x30) < 10 ? byte - 0x30 : <u8>letter < 6 ? <u8>letter + 10 : 16;
    if (digit < 16) {
      this.left = (this.left << 4) | digit;
      if (++this.digits > MAX_SIZE_DIGITS || this.left > this.limit - this.bodyLength) {
        this.status = 413;
      }
    } else if (this.digits == 0) {
      this.status = 400;
    } else if (byte == CR) {
      this.state = State.SIZE_LF;
    } else if (byte == SEMICOLON) {
      this.state = State.EXTENSION;
    } else {
      this.status = 400;
    }
  }

  /** Trailers are read over: what they say is not needed to answer. */
  private takeTrailer(byte: u8): void {
    this.state = State.TRAILER;
    if (byte == CR) this.state = State.TRAILER_LF;
    else if ((byte < 0x20 && byte != 0x09) || byte == 0x7f) this.status = 400;
    else if (++this.lineBytes > MAX_HEAD_BYTES) this.status = 431;
  }
}
