/** What a supervised service is to whoever watches it: plain states, and events as plain data. */
import type { Guest } from '../guest.js';
import type { GuestSignal } from '../signals.js';
import type { Outcome } from '../trap.js';

/**
 * Where a member stands: `starting` until it is proved ready, `serving` from then on, `draining`
 * once it was asked to leave, `waiting` between its end and its next start, `ended` for good.
 */
export type MemberPhase = 'starting' | 'serving' | 'draining' | 'waiting' | 'ended';

/** One member of a service: a place that one instance after another takes. */
export interface MemberState {
  /** `<module>#<index>`. */
  readonly name: string;
  readonly phase: MemberPhase;
  /** Counts the instances that were started in this place, from 1. */
  readonly generation: number;
  /** How often it was started again after an end that nobody asked for. */
  readonly restarts: number;
  /** The instance, while there is one. */
  readonly guest?: Guest;
}

export interface ServiceState {
  /** Whether all of it takes new work: every member serves, and nobody asked it to stop. */
  readonly ready: boolean;
  /** How many modules it has run: 1, and 1 more for each reload that succeeded. */
  readonly version: number;
  readonly members: readonly MemberState[];
  /** Instances that a reload has replaced and that still have connections to end. */
  readonly draining: readonly { readonly name: string; readonly guest: Guest }[];
}

/** What happens in a service, in the order in which it happens. */
export type ServiceEvent =
  /** An instance runs, and is not proved ready yet. */
  | { readonly kind: 'started'; readonly name: string; readonly generation: number }
  /** It waits at its listeners. */
  | { readonly kind: 'ready'; readonly name: string; readonly generation: number }
  /** The host has something to say about it: a denial, `env.trace`. */
  | { readonly kind: 'report'; readonly name: string; readonly line: string }
  /** It was asked to leave, and has `graceMs` for that. */
  | { readonly kind: 'draining'; readonly name: string; readonly graceMs: number }
  /** It has ended: `asked` for, or by itself. */
  | {
      readonly kind: 'ended';
      readonly name: string;
      readonly outcome: Outcome;
      readonly asked: boolean;
    }
  /** It could not be started again. */
  | { readonly kind: 'unstartable'; readonly name: string; readonly error: Error }
  /** It is started again after `delayMs`: restart `count` of the last `windowMs`. */
  | {
      readonly kind: 'restarting';
      readonly name: string;
      readonly delayMs: number;
      readonly count: number;
      readonly windowMs: number;
    }
  /** One restart more would be beyond the limit: the service stops. */
  | {
      readonly kind: 'gave up';
      readonly name: string;
      readonly count: number;
      readonly windowMs: number;
    }
  | { readonly kind: 'reloading'; readonly version: number }
  | { readonly kind: 'reloaded'; readonly version: number }
  /** The new module was not good; what ran goes on. */
  | { readonly kind: 'reload failed'; readonly version: number; readonly error: Error };

/** Several members over one set of listeners, kept alive. */
export interface Service {
  /** The listeners, which outlive every instance. */
  readonly listeners: readonly { readonly url: string }[];
  /** Settles when nothing runs any more and nothing will: see `serve`. Never rejects. */
  readonly ended: Promise<Outcome>;
  /** What `/readyz` answers. */
  ready(): boolean;
  describe(): ServiceState;
  /** Sends a signal to every instance; whether any took it. */
  signal(name: GuestSignal): boolean;
  /**
   * Replaces the module: loaded anew, started beside the old one, proved ready, and only then is
   * the old one asked to leave. False if it could not be done; a `reload failed` event says why.
   */
  reload(): Promise<boolean>;
  /** Asks every instance to leave, with `graceMs` (as given to `serve` unless said). */
  stop(options?: { readonly graceMs?: number }): Promise<Outcome>;
}
