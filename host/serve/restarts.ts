/** When a member that has ended is started again, and when a service gives up. */
import type { Outcome } from '../trap.js';

/**
 * Which ends a new start follows, in the words of OTP's supervisors: every one; those that are
 * not an exit with code 0; none.
 */
export type RestartKind = 'permanent' | 'transient' | 'temporary';

export const RESTART_KINDS: readonly RestartKind[] = ['permanent', 'transient', 'temporary'];

export interface RestartPolicy {
  readonly kind: RestartKind;
  /** So many restarts of the whole service within `windowMs` are borne; one more is too many. */
  readonly count: number;
  readonly windowMs: number;
}

/** Ten restarts in a minute: with the delays between them, some twenty seconds of trying. */
export const DEFAULT_RESTARTS: RestartPolicy = Object.freeze({
  kind: 'permanent',
  count: 10,
  windowMs: 60_000,
});

/** The delay of a member's second restart within the window; each further one doubles it. */
const DELAY_MS = 100;
const DELAY_MAX_MS = 5000;

/** Whether an end is one that the policy answers with a new start. */
export function isRestarted(kind: RestartKind, outcome: Outcome): boolean {
  if (kind === 'temporary') return false;
  return kind === 'permanent' || outcome.kind !== 'exited' || outcome.code !== 0;
}

export interface Restart {
  /** How many there were within the window, with this one. */
  readonly count: number;
  /** How long to wait before it. */
  readonly delayMs: number;
}

/** The restarts of one service, as far as they lie within the window. */
export class Restarts {
  readonly #policy: RestartPolicy;
  #past: readonly { readonly name: string; readonly atMs: number }[] = [];

  constructor(policy: RestartPolicy) {
    this.#policy = policy;
  }

  /**
   * Notes one more restart of member `name` at `nowMs` of any steady clock; undefined if that is
   * one too many. The first of a member is at once: most crashes do not repeat.
   */
  next(name: string, nowMs: number): Restart | undefined {
    const { count, windowMs } = this.#policy;
    this.#past = this.#past.filter(({ atMs }) => nowMs - atMs < windowMs);
    if (this.#past.length >= count) return undefined;
    const before = this.#past.filter((each) => each.name === name).length;
    this.#past = [...this.#past, { name, atMs: nowMs }];
    const delayMs = before === 0 ? 0 : Math.min(DELAY_MS * 2 ** (before - 1), DELAY_MAX_MS);
    return { count: this.#past.length, delayMs };
  }
}
