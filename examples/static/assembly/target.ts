/** The target of a request, as a path. */

import { isUtf8 } from 'sandpoll/guest';

const DOT: u8 = 0x2e;
const PERCENT: u8 = 0x25;
const QUESTION_MARK: u8 = 0x3f;
const SLASH: u8 = 0x2f;

/** How many bytes of a target come before its query. */
export function pathLength(target: usize, length: i32): i32 {
  let end = 0;
  while (end < length && load<u8>(target + end) != QUESTION_MARK) end++;
  return end;
}

/**
 * Decodes a path of `length` bytes. Null if it is none that is served: no UTF-8, with a wrong `%`
 * or a NUL, or with a name that is empty or begins with a dot, as `..` does and what is hidden.
 */
export function decodePath(path: usize, length: i32): string | null {
  const bytes = new StaticArray<u8>(length);
  const to = changetype<usize>(bytes);
  let size = 0;
  let before: u8 = 0;
  for (let i = 0; i < length; i++) {
    let byte = load<u8>(path + i);
    if (byte == PERCENT) {
      const code = i + 2 < length ? hexByte(path + i + 1) : 0;
      if (code <= 0) return null;
      byte = <u8>code;
      i += 2;
    }
    if (before == SLASH && (byte == DOT || byte == SLASH)) return null;
    store<u8>(to + size++, byte);
    before = byte;
  }
  // A long form of a dot, say, would become one only now.
  if (!isUtf8(to, size)) return null;
  return String.UTF8.decodeUnsafe(to, size);
}

/** The byte that two hexadecimal digits stand for; negative if they are not digits. */
function hexByte(digits: usize): i32 {
  const high = hexDigit(load<u8>(digits));
  const low = hexDigit(load<u8>(digits, 1));
  return high < 0 || low < 0 ? -1 : (high << 4) | low;
}

function hexDigit(byte: u8): i32 {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const letter = (byte | 0x20) - 0x61;
  return letter >= 0 && letter < 6 ? letter + 10 : -1;
}
