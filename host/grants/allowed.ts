/** Addresses that were judged a moment ago, and allowed: a server sends to its clients again. */

/** Each address has its place in one of as many pairs of rows: 2 to the power of `PAIR_BITS`. */
const PAIR_BITS = 9;
/** Words of the longest that is remembered, a `sockaddr_in6`; a `sockaddr_in` has 4. */
const WORDS = 7;
const PAIR_WORDS = 2 * WORDS;

/** Grants never change while a guest lives, so what was allowed stays allowed. */
export class AllowedAddresses {
  readonly #rows = new Int32Array(PAIR_WORDS << PAIR_BITS);

  /** `words` is a `SockaddrBuffer` as u32: the address's length in bytes, then the address. */
  has(words: Int32Array): boolean {
    const count = words[0] >>> 2;
    if (count > WORDS || count === 0) return false;
    const at = this.#pairOf(words, count);
    return this.#holds(at, words, count) || this.#holds(at + WORDS, words, count);
  }

  /** Remembers an address, and forgets the older one of those in its place. */
  add(words: Int32Array): void {
    const count = words[0] >>> 2;
    if (count > WORDS) return;
    const at = this.#pairOf(words, count);
    this.#rows.copyWithin(at + WORDS, at, at + WORDS);
    for (let i = 0; i < count; i++) this.#rows[at + i] = words[1 + i];
  }

  #holds(at: number, words: Int32Array, count: number): boolean {
    for (let i = 0; i < count; i++) if (this.#rows[at + i] !== words[1 + i]) return false;
    return true;
  }

  #pairOf(words: Int32Array, count: number): number {
    // The port, and of the IP address the part that differs from host to host.
    const mixed = Math.imul(words[1] ^ words[count === WORDS ? 6 : 2], 0x9e3779b1);
    return (mixed >>> (32 - PAIR_BITS)) * PAIR_WORDS;
  }
}
