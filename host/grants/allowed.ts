/** Addresses that were judged a moment ago, and allowed: a server sends to its clients again. */

/** How many are remembered: 2 to the power of `ROW_BITS`. */
const ROW_BITS = 10;
/** Words of the longest that is remembered, a `sockaddr_in6`; a `sockaddr_in` has 4. */
const WORDS = 7;

/** Grants never change while a guest lives, so what was allowed stays allowed. */
export class AllowedAddresses {
  readonly #rows = new Int32Array(WORDS << ROW_BITS);

  /** `words` is a `SockaddrBuffer` as u32: the address's length in bytes, then the address. */
  has(words: Int32Array): boolean {
    const count = words[0] >>> 2;
    if (count > WORDS || count === 0) return false;
    const rows = this.#rows;
    const at = this.#rowOf(words, count);
    for (let i = 0; i < count; i++) if (rows[at + i] !== words[1 + i]) return false;
    return true;
  }

  add(words: Int32Array): void {
    const count = words[0] >>> 2;
    if (count > WORDS) return;
    const at = this.#rowOf(words, count);
    for (let i = 0; i < count; i++) this.#rows[at + i] = words[1 + i];
  }

  #rowOf(words: Int32Array, count: number): number {
    // The port, and of the IP address the part that differs from host to host.
    const mixed = Math.imul(words[1] ^ words[count === WORDS ? 6 : 2], 0x9e3779b1);
    return (mixed >>> (32 - ROW_BITS)) * WORDS;
  }
}
