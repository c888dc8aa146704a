/** Parts of files: RFC 9110 §14. */

import { equalsAscii } from 'sandpoll/guest';

const UNIT: string = 'bytes=';
const MINUS: u8 = 0x2d;
/** What is larger is as good as endless. */
const LARGEST: i64 = 1 << 53;

/** Which bytes of a file are to be sent. */
export class ByteRange {
  first: i64 = 0;
  length: i64 = 0;

  /**
   * Reads the value of `Range` for a file of `size` bytes. Returns the status that answers it: 206
   * for one range, 416 for one that the file has nothing of, 200 for what is not understood.
   */
  read(value: usize, valueLength: i32, size: i64): i32 {
    this.first = 0;
    this.length = size;
    const end = value + valueLength;
    if (valueLength < UNIT.length || !equalsAscii(value, UNIT.length, UNIT)) return 200;
    const start = value + UNIT.length;
    const minus = afterDigits(start, end);
    if (minus == end || load<u8>(minus) != MINUS) return 200;
    const rest = minus + 1;
    if (afterDigits(rest, end) != end) return 200;
    if (minus > start) return this.take(start, minus, rest, end, size);
    if (rest == end) return 200;
    const last = min(readNumber(rest, end), size);
    this.first = size - last;
    this.length = last;
    return last > 0 ? 206 : 416;
  }

  private take(start: usize, minus: usize, rest: usize, end: usize, size: i64): i32 {
    const first = readNumber(start, minus);
    const last = rest < end ? readNumber(rest, end) : LARGEST;
    if (last < first) return 200;
    this.first = first;
    this.length = min(last + 1, size) - first;
    return first < size ? 206 : 416;
  }

  /** The value of `Content-Range`. */
  describe(size: i64): string {
    const last = this.first + this.length - 1;
    return 'bytes ' + this.first.toString() + '-' + last.toString() + '/' + size.toString();
  }
}

function afterDigits(at: usize, end: usize): usize {
  while (at < end && <u8>(load<u8>(at) - 0x30) < 10) at++;
  return at;
}

function readNumber(at: usize, end: usize): i64 {
  let number: i64 = 0;
  for (; at < end; at++) number = min(number * 10 + (load<u8>(at) - 0x30), LARGEST);
  return number;
}
