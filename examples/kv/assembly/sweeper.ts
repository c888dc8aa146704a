/** Removes the keys that expire and are never asked for again. */

import { EventLoop, NS_PER_MS, Timer } from 'sandpoll/guest';
import { clockTick } from './clock';
import { expiringCount, sweep } from './table';

const INTERVAL_NS: i64 = 100 * NS_PER_MS;
/** At most some ms of work each time. */
const SLOTS_PER_SWEEP: u32 = 65536;

/** A timer that runs only while there are keys that expire. */
export class Sweeper extends Timer {
  private retired: bool = false;

  constructor(private readonly loop: EventLoop) {
    super();
  }

  /** To be called when keys may have got a time to live. */
  wake(): void {
    if (this.retired) return;
    if (this.heapIndex < 0 && expiringCount() != 0) this.loop.arm(this, INTERVAL_NS);
  }

  /** From here on it keeps no loop running. */
  retire(): void {
    this.retired = true;
    this.loop.cancel(this);
  }

  onTimeout(): void {
    clockTick();
    sweep(SLOTS_PER_SWEEP);
    this.wake();
  }
}
