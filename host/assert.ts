/** An assertion that stays on in production: a failure is our bug, and ends the guest. */
export function assert(condition: boolean, what: string): asserts condition {
  if (!condition) throw new Error(`assertion failed: ${what}`);
}
