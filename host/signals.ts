/** The signals that a host sends to its guests (`signal(7)`): name and Linux number. */
export const FORWARDED_SIGNALS = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGUSR1: 10,
  SIGUSR2: 12,
  SIGTERM: 15,
} as const;

export type GuestSignal = keyof typeof FORWARDED_SIGNALS;

/** The bit of a signal in a `sigset_t`. */
export function signalBit(signal: number): number {
  return 1 << (signal - 1);
}
