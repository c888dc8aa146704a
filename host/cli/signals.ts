/** What this process's signals mean to the guest it runs. */
import type { Guest } from '../guest.js';
import { FORWARDED_SIGNALS, type GuestSignal } from '../signals.js';

export interface ForwardOptions {
  /** How long a guest that takes TERM or INT has to leave by itself. */
  readonly graceMs: number;
  /** Says one line to the user. */
  readonly say: (line: string) => void;
}

/** A shell's status for a process that a signal ended. */
function signalStatus(signal: GuestSignal): number {
  return 128 + FORWARDED_SIGNALS[signal];
}

/**
 * Forwards TERM, INT, HUP, USR1 and USR2 to the guest's signalfd. TERM and INT give it its
 * grace; the second of them ends it at once. One that nobody takes: TERM, INT and HUP end the
 * guest, USR1 and USR2 are ignored. Returns how to ask for the status that a signal has decided;
 * none if the guest's own counts.
 */
export function forwardSignals(guest: Guest, options: ForwardOptions): () => number | undefined {
  const { graceMs, say } = options;
  let status: number | undefined;
  let draining = false;
  const handlers = new Map<GuestSignal, () => void>();
  const end = (signal: GuestSignal): void => {
    status ??= signalStatus(signal);
    void guest.stop();
    // From here on the next signal ends this process by itself.
    for (const [name, handler] of handlers) process.off(name, handler);
  };
  const drain = (signal: GuestSignal): void => {
    if (draining || !guest.signal(signal)) return end(signal);
    draining = true;
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
  return () => status;
}
