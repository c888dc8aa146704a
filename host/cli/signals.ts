/** What this process's signals mean to the guest it runs, or to each of several. */
import type { Guest } from '../guest.js';
import { FORWARDED_SIGNALS, type GuestSignal } from '../signals.js';

export interface ForwardOptions {
  /** Signals that came while the guest was being started. */
  readonly held: HeldSignals;
  /** How long a guest that takes TERM or INT has to leave by itself. */
  readonly graceMs: number;
  /** Says one line to the user. */
  readonly say: (line: string) => void;
  /** Called, perhaps more than once, when the guest is asked to leave, or ended. */
  readonly onLeave?: () => void;
}

/**
 * For how long after a signal the same one counts as its copy. A terminal sends Ctrl-C to all of
 * `npm start`, and npm passes its own on: within milliseconds, or later on a machine that is busy.
 * Somebody who has seen the first do nothing presses again after longer.
 */
export const COPY_MS = 1000;

function ignoreCopy(): void {}

/** A shell's status for a process that a signal ended. */
function signalStatus(signal: GuestSignal): number {
  return 128 + FORWARDED_SIGNALS[signal];
}

/** Signals for a guest that is being started: it may take them before its start is told of. */
export interface HeldSignals {
  /** Ends the holding; those that came, in their order. */
  readonly release: () => readonly GuestSignal[];
}

/** Holds signals from here on. The second TERM or INT, if it is no copy, ends this process. */
export function holdSignals(): HeldSignals {
  const came: GuestSignal[] = [];
  const names = Object.keys(FORWARDED_SIGNALS) as GuestSignal[];
  let endsAt: { readonly signal: GuestSignal; readonly ms: number } | undefined;
  const hold = (signal: GuestSignal): void => {
    if (signal === 'SIGTERM' || signal === 'SIGINT') {
      const ms = performance.now();
      if (endsAt?.signal === signal && ms - endsAt.ms < COPY_MS) return;
      if (endsAt !== undefined) process.exit(signalStatus(signal));
      endsAt = { signal, ms };
    }
    came.push(signal);
  };
  for (const name of names) process.on(name, hold);
  return {
    release: () => {
      for (const name of names) process.off(name, hold);
      return came;
    },
  };
}

/**
 * Forwards TERM, INT, HUP, USR1 and USR2 to the guest's signalfd. TERM and INT give it its
 * grace; the second of them, if it is no copy, ends it at once. One that nobody takes: TERM, INT
 * and HUP end the guest, USR1 and USR2 are ignored. Returns how to ask for the status that a
 * signal has decided; none if the guest's own counts.
 */
export function forwardSignals(
  guest: Pick<Guest, 'signal' | 'stop'>,
  options: ForwardOptions,
): () => number | undefined {
  const { graceMs, say } = options;
  let status: number | undefined;
  /** The signal that the guest drains at, and when it came, on the clock of `performance`. */
  let drainsAt: { readonly signal: GuestSignal; readonly ms: number } | undefined;
  const handlers = new Map<GuestSignal, () => void>();
  const end = (signal: GuestSignal): void => {
    status ??= signalStatus(signal);
    options.onLeave?.();
    void guest.stop();
    // From here on the next signal ends this process by itself, if it is no copy.
    process.on(signal, ignoreCopy);
    for (const [name, handler] of handlers) process.off(name, handler);
    setTimeout(() => process.off(signal, ignoreCopy), COPY_MS);
  };
  const drain = (signal: GuestSignal): void => {
    const ms = performance.now();
    if (drainsAt?.signal === signal && ms - drainsAt.ms < COPY_MS) return;
    if (drainsAt !== undefined || !guest.signal(signal)) return end(signal);
    drainsAt = { signal, ms };
    options.onLeave?.();
    setTimeout(() => {
      say(`stopped after --grace ${graceMs}ms`);
      end(signal);
    }, graceMs);
  };
  const ignore = (signal: GuestSignal): void => {
    if (!guest.signal(signal)) say(`${signal} ignored: the guest has no signalfd for it`);
  };
  handlers.set('SIGTERM', () => drain('SIGTERM'));
  handlers.set('SIGINT', () => drain('SIGINT'));
  handlers.set('SIGHUP', () => {
    if (!guest.signal('SIGHUP')) end('SIGHUP');
  });
  handlers.set('SIGUSR1', () => ignore('SIGUSR1'));
  handlers.set('SIGUSR2', () => ignore('SIGUSR2'));
  for (const [name, handler] of handlers) process.on(name, handler);
  for (const signal of options.held.release()) handlers.get(signal)?.();
  return () => status;
}
