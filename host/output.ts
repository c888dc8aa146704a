/** What guests print, as lines of bounded length and number that do nothing to a terminal. */
import { LineBudget } from './line-budget.js';
import { escapeControls } from './wasm/text.js';

export type OutputStream = 'stdout' | 'stderr';

export type Output =
  /** A line without its end; `cutBytes` of it are missing. */
  | {
      readonly kind: 'line';
      readonly instance: string;
      readonly stream: OutputStream;
      readonly text: string;
      readonly cutBytes: number;
    }
  /** So many lines were left out since the last line: the guest prints too many. */
  | {
      readonly kind: 'dropped';
      readonly instance: string;
      readonly stream: OutputStream;
      readonly lines: number;
    };

/** The longest line in bytes; the rest of a longer one is cut off. */
export const LINE_BYTES_MAX = 4096;

const NEWLINE = 10;
const RETURN = 13;

/** A guest's words as one line: control characters are escapes (B98); a tab does no harm. */
export function neutral(text: string): string {
  return text.split('\t').map(escapeControls).join('\t');
}

/** One stream of one guest; it holds one line at most. Times are in ms on one clock. */
export class OutputLines {
  readonly #instance: string;
  readonly #stream: OutputStream;
  readonly #take: (output: Output) => void;
  readonly #line = Buffer.alloc(LINE_BYTES_MAX);
  #length = 0;
  #cutBytes = 0;
  readonly #budget: LineBudget;

  constructor(
    instance: string,
    stream: OutputStream,
    take: (output: Output) => void,
    nowMs: number,
  ) {
    this.#instance = instance;
    this.#stream = stream;
    this.#take = take;
    this.#budget = new LineBudget(nowMs);
  }

  /** Takes what was printed, in pieces of any size; also none, so that time passes. */
  push(bytes: Uint8Array, nowMs: number): void {
    if (this.#budget.hasRoom(nowMs)) this.#tellDropped();
    let at = 0;
    for (let end = bytes.indexOf(NEWLINE); end >= 0; end = bytes.indexOf(NEWLINE, at)) {
      this.#hold(bytes.subarray(at, end));
      this.#endLine();
      at = end + 1;
    }
    this.#hold(bytes.subarray(at));
  }

  /** The stream has ended: what is left is a line too. */
  end(): void {
    if (this.#length > 0) this.#endLine();
    this.#tellDropped();
  }

  #hold(part: Uint8Array): void {
    const kept = part.subarray(0, LINE_BYTES_MAX - this.#length);
    this.#line.set(kept, this.#length);
    this.#length += kept.length;
    this.#cutBytes += part.length - kept.length;
  }

  #endLine(): void {
    const [length, cutBytes] = [this.#length, this.#cutBytes];
    this.#length = 0;
    this.#cutBytes = 0;
    if (!this.#budget.spend()) return;
    const end = this.#line[length - 1] === RETURN && cutBytes === 0 ? length - 1 : length;
    // Of a line that is cut, half a character may be left: that is left out too.
    const bytes = this.#line.subarray(0, end);
    const text = neutral(new TextDecoder().decode(bytes, { stream: cutBytes > 0 }));
    this.#take({
      kind: 'line',
      instance: this.#instance,
      stream: this.#stream,
      text,
      cutBytes,
    });
  }

  #tellDropped(): void {
    const lines = this.#budget.takeRefused();
    if (lines === 0) return;
    this.#take({ kind: 'dropped', instance: this.#instance, stream: this.#stream, lines });
  }
}
