/**
 * SipHash-1-3 (Aumasson and Bernstein): a keyed hash, so that nobody who does not know the key
 * can choose keys that all fall into one slot.
 */

let key0: u64 = 0;
let key1: u64 = 0;

/** Sets the key: 128 bits that no client can guess. */
export function sipHashSeed(low: u64, high: u64): void {
  key0 = low;
  key1 = high;
}

/** Hashes `length` bytes at `bytes`. */
export function sipHash(bytes: usize, length: u32): u64 {
  let v0 = key0 ^ 0x736f6d6570736575;
  let v1 = key1 ^ 0x646f72616e646f6d;
  let v2 = key0 ^ 0x6c7967656e657261;
  let v3 = key1 ^ 0x7465646279746573;
  const words = length >> 3;
  // One round for each word and the last, shorter one; three with a word of 0 end it.
  for (let i: u32 = 0; i < words + 4; i++) {
    let word: u64 = 0;
    if (i < words) word = load<u64>(bytes + (i << 3));
    else if (i == words) word = lastWord(bytes + (i << 3), length);
    else if (i == words + 1) v2 ^= 0xff;
    v3 ^= word;
    v0 += v1;
    v1 = rotl(v1, 13) ^ v0;
    v0 = rotl(v0, 32);
    v2 += v3;
    v3 = rotl(v3, 16) ^ v2;
    v0 += v3;
    v3 = rotl(v3, 21) ^ v0;
    v2 += v1;
    v1 = rotl(v1, 17) ^ v2;
    v2 = rotl(v2, 32);
    v0 ^= word;
  }
  return v0 ^ v1 ^ v2 ^ v3;
}

/** The up to 7 bytes that are left, and the length in the highest byte. */
function lastWord(at: usize, length: u32): u64 {
  let word = (<u64>length) << 56;
  for (let i: u32 = 0; i < (length & 7); i++) word |= (<u64>load<u8>(at + i)) << (i << 3);
  return word;
}
