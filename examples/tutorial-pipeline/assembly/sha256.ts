/** SHA-256 (FIPS 180-4). */

const BLOCK_BYTES: i32 = 64;
/** Size in bytes of a digest. */
export const SHA256_BYTES: i32 = 32;

const WORDS: usize = memory.data(256, 4);
const STATE: usize = memory.data(SHA256_BYTES, 4);
const LAST: usize = memory.data(2 * BLOCK_BYTES, 8);

/** The first 32 bits of the fractions of the cube roots of the first 64 primes. */
const ROUND: usize = memory.data<u32>([
  0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
  0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
  0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
  0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
  0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
  0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
  0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
  0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
]);

/** The same of the square roots of the first 8. */
const INITIAL: usize = memory.data<u32>([
  0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
]);

function extend(block: usize): void {
  for (let i = 0; i < 64; i += 4) store<u32>(WORDS + i, bswap(load<u32>(block + i)));
  for (let i = 64; i < 256; i += 4) {
    const at = WORDS + i;
    const before = load<u32>(at - 60);
    const late = load<u32>(at - 8);
    const s0 = rotr<u32>(before, 7) ^ rotr<u32>(before, 18) ^ (before >> 3);
    const s1 = rotr<u32>(late, 17) ^ rotr<u32>(late, 19) ^ (late >> 10);
    store<u32>(at, load<u32>(at - 64) + s0 + load<u32>(at - 28) + s1);
  }
}

function addBlock(block: usize): void {
  extend(block);
  let a = load<u32>(STATE);
  let b = load<u32>(STATE, 4);
  let c = load<u32>(STATE, 8);
  let d = load<u32>(STATE, 12);
  let e = load<u32>(STATE, 16);
  let f = load<u32>(STATE, 20);
  let g = load<u32>(STATE, 24);
  let h = load<u32>(STATE, 28);
  for (let i = 0; i < 256; i += 4) {
    const s1 = rotr<u32>(e, 6) ^ rotr<u32>(e, 11) ^ rotr<u32>(e, 25);
    const chosen = g ^ (e & (f ^ g));
    const t1 = h + s1 + chosen + load<u32>(ROUND + i) + load<u32>(WORDS + i);
    const s0 = rotr<u32>(a, 2) ^ rotr<u32>(a, 13) ^ rotr<u32>(a, 22);
    const most = (a & b) | (c & (a | b));
    h = g;
    g = f;
    f = e;
    e = d + t1;
    d = c;
    c = b;
    b = a;
    a = t1 + s0 + most;
  }
  store<u32>(STATE, load<u32>(STATE) + a);
  store<u32>(STATE, load<u32>(STATE, 4) + b, 4);
  store<u32>(STATE, load<u32>(STATE, 8) + c, 8);
  store<u32>(STATE, load<u32>(STATE, 12) + d, 12);
  store<u32>(STATE, load<u32>(STATE, 16) + e, 16);
  store<u32>(STATE, load<u32>(STATE, 20) + f, 20);
  store<u32>(STATE, load<u32>(STATE, 24) + g, 24);
  store<u32>(STATE, load<u32>(STATE, 28) + h, 28);
}

/** Writes the digest of `length` bytes, `SHA256_BYTES` long, to `to`. */
export function sha256(data: usize, length: i32, to: usize): void {
  memory.copy(STATE, INITIAL, SHA256_BYTES);
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
  for (let i = 0; i < SHA256_BYTES; i += 4) store<u32>(to + i, bswap(load<u32>(STATE + i)));
}
