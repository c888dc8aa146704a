/** Whether bytes, which may come in pieces, are UTF-8 (RFC 3629). */

/** A check that goes on from piece to piece, of one text at a time. */
@unmanaged
export class Utf8Check {
  /** How many bytes the present character still lacks. */
  private missing: i32 = 0;
  /** What the next byte of it must lie between. */
  private least: u8 = 0x80;
  private most: u8 = 0xbf;

  /** Whether the text may end here: no character is incomplete. */
  get isComplete(): bool {
    return this.missing == 0;
  }

  /** Forgets the text: the next piece begins another. */
  reset(): void {
    this.missing = 0;
    this.least = 0x80;
    this.most = 0xbf;
  }

  /** Whether the next piece can belong to the text. Once it cannot, call `reset`. */
  accept(data: usize, length: i32): bool {
    const end = data + length;
    let at = data;
    while (at < end) {
      // Eight characters of ASCII at once, where no other is open.
      if (this.missing == 0) {
        while (at + 8 <= end && (load<u64>(at) & 0x8080808080808080) == 0) at += 8;
        if (at == end) break;
      }
      if (!this.acceptByte(load<u8>(at++))) return false;
    }
    return true;
  }

  private acceptByte(byte: u8): bool {
    if (this.missing != 0) {
      if (byte < this.least || byte > this.most) return false;
      this.missing -= 1;
      this.least = 0x80;
      this.most = 0xbf;
      return true;
    }
    if (byte < 0x80) return true;
    // Longer forms of shorter ones, surrogates, and what lies beyond U+10FFFF are not UTF-8.
    if (byte < 0xc2 || byte > 0xf4) return false;
    this.missing = byte < 0xe0 ? 1 : byte < 0xf0 ? 2 : 3;
    if (byte == 0xe0) this.least = 0xa0;
    else if (byte == 0xed) this.most = 0x9f;
    else if (byte == 0xf0) this.least = 0x90;
    else if (byte == 0xf4) this.most = 0x8f;
    return true;
  }
}

/** Whether these bytes are a whole text: what is not, decoding makes into something else. */
export function isUtf8(data: usize, length: i32): bool {
  const check = new Utf8Check();
  const isText = check.accept(data, length) && check.isComplete;
  heap.free(changetype<usize>(check));
  return isText;
}
