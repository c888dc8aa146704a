/** The ladder that ends a guest, and which word about its end counts. */
import type { Kernel, Session } from '../kernel/kernel.js';
import { FORWARDED_SIGNALS } from '../signals.js';
import type { Outcome } from '../trap.js';
import type { TimeLimit } from './limits.js';

/** Why a guest is ended from outside. */
type Reason = TimeLimit | 'stopped';

export class Ending {
  readonly #kernel: Kernel;
  readonly #session: Session;
  readonly #terminate: () => void;
  readonly #graces: NodeJS.Timeout[] = [];
  #outcome: Outcome | undefined;
  /** The limit that fired, if it left the guest time to leave. */
  #fired: TimeLimit | undefined;

  /** `terminate` ends all threads of the guest where they are. */
  constructor(kernel: Kernel, session: Session, terminate: () => void) {
    this.#kernel = kernel;
    this.#session = session;
    this.#terminate = terminate;
  }

  get outcome(): Outcome | undefined {
    return this.#outcome;
  }

  /**
   * One thread has said how it ended, which ends all. The first word counts. A guest that leaves
   * by itself when a limit says so was ended by it.
   */
  settle(outcome: Outcome): void {
    const reason = outcome.kind === 'exited' ? this.#fired : undefined;
    this.#outcome ??= reason === undefined ? outcome : { kind: 'killed', reason, rung: 'signal' };
    this.#endAll();
  }

  kill(reason: Reason): void {
    const rung = this.#kernel.sessionWaiting(this.#session) > 0 ? 'wake' : 'terminate';
    this.#outcome ??= { kind: 'killed', reason, ...(reason === 'stopped' ? {} : { rung }) };
    this.#endAll();
  }

  #endAll(): void {
    // Termination first: what is then let out of its wait runs no further. And closing, not one
    // wake: V8 may let a few more calls through, and none of them must wait again.
    this.#terminate();
    this.#kernel.sessionClose(this.#session);
  }

  /**
   * With a signalfd for SIGTERM the guest has `graceMs` to leave by itself. One that was asked
   * before may have closed it: it has the shorter of its times.
   */
  askOrKill(reason: Reason, graceMs: number): void {
    const { SIGTERM } = FORWARDED_SIGNALS;
    if (graceMs <= 0) return this.kill(reason);
    const wasAsked = this.#graces.length > 0;
    const isAsked = wasAsked || this.#kernel.sessionSignal(this.#session, SIGTERM) > 0;
    if (!isAsked) return this.kill(reason);
    if (reason !== 'stopped') this.#fired = reason;
    this.#graces.push(setTimeout(() => this.kill(reason), graceMs));
  }

  /** Its last thread has ended. */
  close(): void {
    for (const grace of this.#graces) clearTimeout(grace);
    this.#kernel.sessionClose(this.#session);
  }
}
