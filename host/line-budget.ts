/** How many lines somebody may say: so many at once, and in the long run so many a second. */

export const LINES_PER_S = 1000;
export const LINES_AT_ONCE = 5000;

/** Counts what it refuses. Times are in ms, on any one clock. */
export class LineBudget {
  #lines = LINES_AT_ONCE;
  #filledMs: number;
  #refused = 0;

  constructor(nowMs: number) {
    this.#filledMs = nowMs;
  }

  /** Lets time pass; whether there is room for a line. */
  hasRoom(nowMs: number): boolean {
    const earned = ((nowMs - this.#filledMs) * LINES_PER_S) / 1000;
    this.#lines = Math.min(LINES_AT_ONCE, this.#lines + earned);
    this.#filledMs = nowMs;
    return this.#lines >= 1;
  }

  /** Takes room for a line: false if there is none, and the line is refused. */
  spend(): boolean {
    if (this.#lines < 1) {
      this.#refused++;
      return false;
    }
    this.#lines--;
    return true;
  }

  /** How many lines were refused since this was asked last. */
  takeRefused(): number {
    const refused = this.#refused;
    this.#refused = 0;
    return refused;
  }
}
