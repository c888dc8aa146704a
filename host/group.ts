/** Several guests that make one service: workers of one module, the roles of a pipeline. */
import type { Guest, StopOptions } from './guest.js';
import type { GuestSignal } from './signals.js';
import type { Outcome } from './trap.js';

/** One guest of a group. */
export interface Member {
  /** `http.wasm#1`: the module or role, and which instance of it, from 0. */
  readonly name: string;
  readonly guest: Guest;
}

export interface Group {
  readonly guests: readonly Member[];
  readonly listeners: readonly { readonly url: string }[];
  /**
   * Settles when all have ended, and never rejects: with the first outcome that is not an exit
   * with code 0, or else with that.
   */
  readonly ended: Promise<Outcome>;
  /** Sends a signal to each, as `Guest.signal` does. True: a signalfd of one of them takes it. */
  signal(name: GuestSignal): boolean;
  /** Ends each, as `Guest.stop` does, at the same time; the same promise as `ended`. */
  stop(options?: StopOptions): Promise<Outcome>;
}

/** Which guest ended, and how. */
export interface Ending {
  readonly name: string;
  readonly outcome: Outcome;
}

function isSuccess(outcome: Outcome): boolean {
  return outcome.kind === 'exited' && outcome.code === 0;
}

/** Makes a group of guests that run; `onClose` is called once, when the last has ended. */
export function groupOf(
  guests: readonly Member[],
  listeners: readonly { readonly url: string }[],
  onClose: () => void = () => {},
): Group {
  let first: Outcome = { kind: 'exited', code: 0 };
  const ends = guests.map(async ({ guest }) => {
    const outcome = await guest.ended;
    if (isSuccess(first)) first = outcome;
  });
  const ended = Promise.all(ends).then(() => {
    onClose();
    return first;
  });
  return {
    guests,
    listeners,
    ended,
    // Each gets it, also behind one that took it.
    signal: (name) => guests.filter(({ guest }) => guest.signal(name)).length > 0,
    stop: (options) => {
      for (const { guest } of guests) void guest.stop(options);
      return ended;
    },
  };
}

/**
 * Stops the whole group once one of it has ended other than by an exit with code 0: what is left
 * would not be the service that was asked for. Settles then, with that ending; or, when all have
 * ended well, with undefined.
 */
export async function endTogether(
  group: Group,
  options?: StopOptions,
): Promise<Ending | undefined> {
  const first = await new Promise<Ending | undefined>((resolve) => {
    const watch = async ({ name, guest }: Member): Promise<void> => {
      const outcome = await guest.ended;
      if (!isSuccess(outcome)) resolve({ name, outcome });
    };
    const watched = group.guests.map(watch);
    // After the last of those, which may be the first that failed.
    void Promise.all([group.ended, ...watched]).then(() => resolve(undefined));
  });
  if (first !== undefined) void group.stop(options);
  return first;
}
