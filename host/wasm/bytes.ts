/** A cursor over the bytes of a module. Whatever it reads was checked to be there. */

/** Why a module was turned away. */
export type ModuleErrorCode =
  | 'ERR_SANDPOLL_NOT_WASM'
  | 'ERR_SANDPOLL_COMPONENT'
  | 'ERR_SANDPOLL_MALFORMED'
  | 'ERR_SANDPOLL_NO_COMMAND'
  | 'ERR_SANDPOLL_ADMISSION';

/** A module that is not run. The message is one sentence: what is wrong, and what to do. */
export class ModuleError extends Error {
  readonly code: ModuleErrorCode;

  constructor(code: ModuleErrorCode, message: string) {
    super(message);
    this.name = 'ModuleError';
    this.code = code;
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Names longer than this are refused: the limit of every JavaScript engine. */
const NAME_BYTES_MAX = 100_000;

/** Reads one module from `at` up to `end`; both move as sections and bodies are entered. */
export class Cursor {
  readonly bytes: Uint8Array;
  /** What messages call the module: its file name, as a rule. */
  readonly subject: string;
  at = 0;
  end: number;

  constructor(bytes: Uint8Array, subject: string) {
    this.bytes = bytes;
    this.subject = subject;
    this.end = bytes.length;
  }

  /** Throws `ERR_SANDPOLL_MALFORMED`, naming the place. */
  malformed(what: string): never {
    throw new ModuleError(
      'ERR_SANDPOLL_MALFORMED',
      `${this.subject} is malformed at byte ${this.at}: ${what}; build or copy the file again`,
    );
  }

  /** Throws `ERR_SANDPOLL_ADMISSION`: valid, perhaps, but not to be run here. */
  refuse(what: string): never {
    throw new ModuleError('ERR_SANDPOLL_ADMISSION', `${this.subject} is refused: ${what}`);
  }

  byte(): number {
    if (this.at >= this.end) this.malformed('it ends too early');
    return this.bytes[this.at++];
  }

  /** Steps over `count` bytes. */
  skip(count: number): void {
    if (count > this.end - this.at) this.malformed('it ends too early');
    this.at += count;
  }

  /** LEB128 of 32 bits, unsigned: at most five bytes, no bit above the 32nd. */
  u32(): number {
    const first = this.byte();
    return first < 0x80 ? first : this.u32Tail(first & 0x7f);
  }

  private u32Tail(low: number): number {
    let value = low;
    for (let shift = 7; shift < 28; shift += 7) {
      const byte = this.byte();
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    const last = this.byte();
    if (last > 0x0f) this.malformed('a number takes more than 32 bits');
    return value + last * 2 ** 28;
  }

  /** LEB128 of 64 bits, unsigned; above 2^53 it is rounded, which is far above every limit. */
  u64(): number {
    let value = 0;
    for (let shift = 0; shift < 63; shift += 7) {
      const byte = this.byte();
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    const last = this.byte();
    if (last > 0x01) this.malformed('a number takes more than 64 bits');
    return value + last * 2 ** 63;
  }

  /** Steps over a signed LEB128 of `bits` (32 or 64), as strictly as if it were read. */
  skipSigned(bits: number): void {
    const bytesMax = Math.ceil(bits / 7);
    for (let i = 1; i < bytesMax; i++) if (this.byte() < 0x80) return;
    const last = this.byte();
    // The bits of the last byte beyond the value's own must all repeat its sign.
    const signs = 0x7f & (-1 << (bits - 7 * (bytesMax - 1) - 1));
    const repeated = (last & signs) === 0 || (last & signs) === signs;
    if (last > 0x7f || !repeated) this.malformed(`a number takes more than ${bits} bits`);
  }

  /**
   * Reads how many items follow. Each takes at least `itemBytes`, so a count that the remaining
   * bytes cannot hold is refused before anything is allocated for it.
   */
  count(what: string, itemBytes: number, countMax: number): number {
    const count = this.u32();
    if (count * itemBytes > this.end - this.at) this.malformed(`${count} ${what} do not fit in it`);
    if (count > countMax) this.refuse(`it has ${count} ${what}; at most ${countMax} are run`);
    return count;
  }

  /** A length and so many bytes of UTF-8. */
  text(): string {
    const length = this.u32();
    const start = this.at;
    this.skip(length);
    if (length > NAME_BYTES_MAX) this.refuse(`it has a name of ${length} bytes`);
    try {
      return utf8.decode(this.bytes.subarray(start, this.at));
    } catch {
      return this.malformed('a name is not UTF-8');
    }
  }
}
