/** The work on one request: parse its fields, bring them into one form, hash that. */

import { ByteBuffer } from 'sandpoll/guest';
import { SHA256_BYTES, sha256 } from './sha256';

/** The most fields of a request. */
const FIELDS_MAX: i32 = 128;
/** Of each field: its address u32 @0, its length u32 @4, the length of its name u32 @8. */
const FIELD_BYTES: i32 = 12;

const FIELDS: usize = memory.data(FIELDS_MAX * FIELD_BYTES, 4);
const DIGEST: usize = memory.data(SHA256_BYTES, 8);

const AMPERSAND: u8 = 0x26;
const EQUALS: u8 = 0x3d;

function isUpper(byte: u8): bool {
  return <u8>(byte - 0x41) < 26;
}

/** Finds the fields between `&`, their names in lower case. The count, or −1 − a bad one's. */
function parse(line: usize, length: i32): i32 {
  const end = line + length;
  let count = 0;
  for (let at = line; count == 0 || at <= end; at++) {
    if (count == FIELDS_MAX) return -1 - count;
    const field = FIELDS + count * FIELD_BYTES;
    const start = at;
    while (at < end && load<u8>(at) != AMPERSAND && load<u8>(at) != EQUALS) {
      const byte = load<u8>(at);
      if (isUpper(byte)) store<u8>(at, byte | 0x20);
      at++;
    }
    const name = <i32>(at - start);
    if (name == 0) return -1 - count;
    while (at < end && load<u8>(at) != AMPERSAND) at++;
    store<usize>(field, start);
    store<i32>(field, <i32>(at - start), 4);
    store<i32>(field, name, 8);
    count++;
  }
  return count;
}

/** Whether the name of field `a` comes before that of `b`. */
function isBefore(a: usize, b: usize): bool {
  const lengthA = load<i32>(a, 8);
  const lengthB = load<i32>(b, 8);
  const order = memory.compare(load<usize>(a), load<usize>(b), min(lengthA, lengthB));
  return order == 0 ? lengthA < lengthB : order < 0;
}

/** Sorts the fields by their names; those of one name keep their order. */
function sort(count: i32): void {
  for (let i = 1; i < count; i++) {
    for (let k = i; k > 0; k--) {
      const field = FIELDS + k * FIELD_BYTES;
      const before = field - FIELD_BYTES;
      if (!isBefore(field, before)) break;
      for (let part = 0; part < FIELD_BYTES; part += 4) {
        const kept = load<u32>(field + part);
        store<u32>(field + part, load<u32>(before + part));
        store<u32>(before + part, kept);
      }
    }
  }
}

function appendFields(count: i32, out: ByteBuffer): void {
  for (let i = 0; i < count; i++) {
    if (i > 0) out.appendByte(AMPERSAND);
    const field = FIELDS + i * FIELD_BYTES;
    out.append(load<usize>(field), load<i32>(field, 4));
  }
}

function writeHex(to: usize, data: usize, length: i32): void {
  for (let i = 0; i < length; i++) {
    const byte = <u32>load<u8>(data + i);
    const high = byte >> 4;
    const low = byte & 15;
    store<u8>(to + 2 * i, high + (high < 10 ? 0x30 : 0x57));
    store<u8>(to + 2 * i, low + (low < 10 ? 0x30 : 0x57), 1);
  }
}

/**
 * Appends the answer to one line, whose letters may be changed: the SHA-256 of its fields sorted
 * by name (and of that digest, `rounds` − 1 times), and the fields; or what is wrong with them.
 */
export function answer(line: usize, length: i32, rounds: i32, out: ByteBuffer): void {
  const count = parse(line, length);
  if (count < 0) {
    out.appendAscii('error: field ');
    out.appendDecimal(-count);
    out.appendAscii(-1 - count == FIELDS_MAX ? ' is too much\n' : ' has no name\n');
    return;
  }
  sort(count);
  const before = out.length;
  out.reserve(2 * SHA256_BYTES + 1 + length + 1);
  out.commit(2 * SHA256_BYTES);
  out.appendByte(0x20);
  appendFields(count, out);
  const hex = out.at + before;
  sha256(hex + 2 * SHA256_BYTES + 1, length, DIGEST);
  for (let round = 1; round < rounds; round++) sha256(DIGEST, SHA256_BYTES, DIGEST);
  writeHex(hex, DIGEST, SHA256_BYTES);
  out.appendByte(0x0a);
}
