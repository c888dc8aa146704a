/** SHA-1 (RFC 3174) and Base64 (RFC 4648), as far as the opening handshake needs them. */

const BLOCK_BYTES: i32 = 64;
/** Size in bytes of a SHA-1 digest. */
export const SHA1_BYTES: i32 = 20;

const WORDS: usize = memory.data(320, 4);
const STATE: usize = memory.data(SHA1_BYTES, 4);
const LAST: usize = memory.data(2 * BLOCK_BYTES, 8);

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

function mixed(round: i32, b: u32, c: u32, d: u32): u32 {
  if (round < 20) return ((b & c) | (~b & d)) + 0x5a827999;
  if (round < 40) return (b ^ c ^ d) + 0x6ed9eba1;
  if (round < 60) return ((b & c) | (b & d) | (c & d)) + 0x8f1bbcdc;
  return (b ^ c ^ d) + 0xca62c1d6;
}

function addBlock(block: usize): void {
  for (let i = 0; i < 16; i++) store<u32>(WORDS + (i << 2), bswap(load<u32>(block + (i << 2))));
  for (let i = 16; i < 80; i++) {
    const at = WORDS + (i << 2);
    const word = load<u32>(at - 12) ^ load<u32>(at - 32) ^ load<u32>(at - 56) ^ load<u32>(at - 64);
    store<u32>(at, rotl<u32>(word, 1));
  }
  let a = load<u32>(STATE);
  let b = load<u32>(STATE, 4);
  let c = load<u32>(STATE, 8);
  let d = load<u32>(STATE, 12);
  let e = load<u32>(STATE, 16);
  for (let i = 0; i < 80; i++) {
    const next = rotl<u32>(a, 5) + mixed(i, b, c, d) + e + load<u32>(WORDS + (i << 2));
    e = d;
    d = c;
    c = rotl<u32>(b, 30);
    b = a;
    a = next;
  }
  store<u32>(STATE, load<u32>(STATE) + a);
  store<u32>(STATE, load<u32>(STATE, 4) + b, 4);
  store<u32>(STATE, load<u32>(STATE, 8) + c, 8);
  store<u32>(STATE, load<u32>(STATE, 12) + d, 12);
  store<u32>(STATE, load<u32>(STATE, 16) + e, 16);
}

/** Writes the digest of `length` bytes, `SHA1_BYTES` long, to `to`. */
export function sha1(data: usize, length: i32, to: usize): void {
  store<u32>(STATE, 0x67452301);
  store<u32>(STATE, 0xefcdab89, 4);
  store<u32>(STATE, 0x98badcfe, 8);
  store<u32>(STATE, 0x10325476, 12);
  store<u32>(STATE, 0xc3d2e1f0, 16);
  const whole = length & ~(BLOCK_BYTES - 1);
  for (let i = 0; i < whole; i += BLOCK_BYTES) addBlock(data + i);
  const rest = length - whole;
  memory.fill(LAST, 0, 2 * BLOCK_BYTES);
  memory.copy(LAST, data + whole, rest);
  store<u8>(LAST + rest, 0x80);
  const blocks = rest < BLOCK_BYTES - 8 ? 1 : 2;
  const end = LAST + blocks * BLOCK_BYTES;
  store<u64>(end - 8, bswap((<u64>length) << 3));
  for (let block = LAST; block < end; block += BLOCK_BYTES) addBlock(block);
  for (let i = 0; i < SHA1_BYTES; i += 4) store<u32>(to + i, bswap(load<u32>(STATE + i)));
}

/** The Base64 text of `length` bytes. */
export function base64(data: usize, length: i32): string {
  let text = '';
  for (let i = 0; i < length; i += 3) {
    const given = min(length - i, 3);
    let bits: u32 = 0;
    for (let k = 0; k < given; k++) bits |= (<u32>load<u8>(data + i + k)) << (16 - 8 * k);
    for (let k = 0; k < 4; k++) {
      text += k > given ? '=' : ALPHABET.charAt((bits >> (18 - 6 * k)) & 63);
    }
  }
  return text;
}
