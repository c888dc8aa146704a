/** Inline commands: a line as a person types it, with quotes as Redis understands them. */

import { Request } from './request';

const DOUBLE_QUOTE: u8 = 0x22;
const QUOTE: u8 = 0x27;
const BACKSLASH: u8 = 0x5c;

/** Where the reading and the writing of the line stand. */
let from: usize = 0;
let to: usize = 0;
let end: usize = 0;

/**
 * Splits a line of `length` bytes into the arguments of `request`. Quoted arguments are unescaped
 * where they lie, which never makes them longer. Returns 1, 0 when memory is short, or -1 when a
 * quote is not closed, or is followed by something other than a blank.
 */
export function splitInline(request: Request, line: usize, length: u32): i32 {
  from = line;
  to = line;
  end = line + length;
  while (true) {
    while (from < end && isBlank(load<u8>(from))) from++;
    if (from == end) return 1;
    const start = to;
    if (!unquote()) return -1;
    if (!request.add(<u32>(start - line), <u32>(to - start))) {
      request.discard();
      return 0;
    }
  }
}

/** Copies one argument from `from` to `to`. */
function unquote(): bool {
  while (from < end) {
    const byte = load<u8>(from);
    if (isBlank(byte)) return true;
    from++;
    if (byte != DOUBLE_QUOTE && byte != QUOTE) {
      store<u8>(to++, byte);
      continue;
    }
    if (!copyQuoted(byte)) return false;
    return from == end || isBlank(load<u8>(from));
  }
  return true;
}

/** Copies what stands up to the closing quote; false if there is none. */
function copyQuoted(quote: u8): bool {
  while (from < end) {
    const byte = load<u8>(from++);
    if (byte == quote) return true;
    if (byte != BACKSLASH || from == end) {
      store<u8>(to++, byte);
    } else if (quote == DOUBLE_QUOTE) {
      store<u8>(to++, readEscape());
    } else if (load<u8>(from) == QUOTE) {
      store<u8>(to++, load<u8>(from++));
    } else {
      store<u8>(to++, BACKSLASH);
    }
  }
  return false;
}

/** What stands after a backslash between double quotes. */
function readEscape(): u8 {
  const byte = load<u8>(from++);
  switch (byte) {
    case 0x6e: // n
      return 0x0a;
    case 0x72: // r
      return 0x0d;
    case 0x74: // t
      return 0x09;
    case 0x62: // b
      return 0x08;
    case 0x61: // a
      return 0x07;
    case 0x78: // x, with two hexadecimal digits
      if (end - from < 2) return byte;
      const high = hexDigit(load<u8>(from));
      const low = hexDigit(load<u8>(from, 1));
      if (high < 0 || low < 0) return byte;
      from += 2;
      return <u8>((high << 4) | low);
    default:
      return byte;
  }
}

function hexDigit(byte: u8): i32 {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const letter = byte | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1;
}

function isBlank(byte: u8): bool {
  return byte == 0x20 || (byte >= 0x09 && byte <= 0x0d) || byte == 0;
}
