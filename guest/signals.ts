/** Signals that the host passes on: `signalfd(2)`. It needs the import module `sandpoll`. */

import { signalfd } from './bindings/sandpoll';
import { fd_read } from './bindings/wasi_snapshot_preview1';
import { EventLoop, Handler } from './loop';
import { Events } from './poller/poller';

/** The signals that a host sends: `signal(7)`. */
export const enum Signal {
  HUP = 1,
  INT = 2,
  USR1 = 10,
  USR2 = 12,
  TERM = 15,
}

const SFD_NONBLOCK: i32 = 0x800;
/** Size of a `signalfd_siginfo`: the number of the signal u32 @0. */
const SIGINFO_BYTES: i32 = 128;

const MASK: usize = memory.data(8, 8);
const RESULT: usize = memory.data(4, 4);
const IOV: usize = memory.data(8, 4);
const SIGINFO: usize = memory.data(SIGINFO_BYTES, 8);

/**
 * Is told of signals, which no longer have their usual effect. Subclass it:
 *
 *     class Stop extends SignalListener {
 *       onSignal(signal: i32): void {
 *         this.loop.stop();
 *       }
 *     }
 *
 *     new Stop(loop, [Signal.TERM, Signal.INT]);
 *
 * As any handler it keeps the loop running: close it, if what is left shall end by itself.
 */
export abstract class SignalListener extends Handler {
  constructor(loop: EventLoop, signals: Array<i32>) {
    super(loop);
    let mask: u64 = 0;
    for (let i = 0; i < signals.length; i++) mask |= (<u64>1) << (signals[i] - 1);
    store<u64>(MASK, mask);
    if (signalfd(MASK, SFD_NONBLOCK, RESULT) == 0) {
      this.fd = load<i32>(RESULT);
      if (loop.watch(this, Events.IN) < 0) loop.close(this);
    }
  }

  /** Called with each signal. */
  abstract onSignal(signal: i32): void;

  /** Whether it is not closed. */
  get isOpen(): bool {
    return this.fd >= 0;
  }

  /** Closes it: the signals have their usual effect again. */
  close(): void {
    this.loop.close(this);
  }

  onEvents(events: i32): void {
    while (this.fd >= 0) {
      store<usize>(IOV, SIGINFO);
      store<i32>(IOV, SIGINFO_BYTES, 4);
      if (fd_read(this.fd, IOV, 1, RESULT) != 0) return;
      if (load<i32>(RESULT) != SIGINFO_BYTES) return;
      this.onSignal(load<i32>(SIGINFO));
    }
  }
}
