/** Texts and numbers as bytes in memory. */

/** Writes an integer in decimal, at most 20 bytes; returns how many. */
export function writeDecimal(to: usize, value: i64): i32 {
  let at = to;
  let rest = <u64>value;
  if (value < 0) {
    store<u8>(at++, 0x2d);
    rest = 0 - rest;
  }
  let digits = 1;
  for (let bound: u64 = 10; digits < 20 && rest >= bound; digits++) bound *= 10;
  for (let i = digits - 1; i >= 0; i--) {
    store<u8>(at + i, 0x30 + <u8>(rest % 10));
    rest /= 10;
  }
  return <i32>(at - to) + digits;
}

/** Writes a text of which every character is ASCII; returns how many bytes. */
export function writeAscii(to: usize, text: string): i32 {
  const length = text.length;
  const from = changetype<usize>(text);
  for (let i = 0; i < length; i++) store<u8>(to + i, load<u8>(from + ((<usize>i) << 1)));
  return length;
}

/** Whether the bytes are exactly this ASCII text. */
export function equalsAscii(data: usize, length: i32, text: string): bool {
  if (length != text.length) return false;
  const from = changetype<usize>(text);
  for (let i = 0; i < length; i++) {
    if (<u16>load<u8>(data + i) != load<u16>(from + ((<usize>i) << 1))) return false;
  }
  return true;
}

/** As `equalsAscii`, for a text in lower case, with the bytes in either case. */
export function equalsAsciiIgnoreCase(data: usize, length: i32, lowerCase: string): bool {
  if (length != lowerCase.length) return false;
  const from = changetype<usize>(lowerCase);
  for (let i = 0; i < length; i++) {
    if (<u16>lowerCaseByte(load<u8>(data + i)) != load<u16>(from + ((<usize>i) << 1))) return false;
  }
  return true;
}

/** An ASCII letter in lower case; any other byte as it is. */
export function lowerCaseByte(byte: u8): u8 {
  return <u8>(byte - 0x41) < 26 ? byte | 0x20 : byte;
}
