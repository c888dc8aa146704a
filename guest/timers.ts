/** Timers: a binary heap ordered by deadline. */

/** Something that wants to be called at a certain time. There are no closures: subclass it. */
export abstract class Timer {
  /** When it is due, on the loop's clock, in ns. */
  deadlineNs: i64 = 0;
  /** Its place in the heap; −1 while it is not armed. */
  heapIndex: i32 = -1;

  /** Called once the deadline has passed. The timer is not armed any more, and may be again. */
  abstract onTimeout(): void;
}

/** The armed timers, the next one due at the top. Arming and cancelling are O(log n). */
export class TimerHeap {
  private items: StaticArray<Timer | null> = new StaticArray<Timer | null>(16);
  /** How many timers are armed. */
  length: i32 = 0;

  /** The deadline of the next timer in ns; call it only while there is one. */
  get nextNs(): i64 {
    return this.item(0).deadlineNs;
  }

  /** Arms the timer, or moves it if it is armed already. */
  arm(timer: Timer, deadlineNs: i64): void {
    timer.deadlineNs = deadlineNs;
    if (timer.heapIndex < 0) {
      if (this.length == this.items.length) this.grow();
      timer.heapIndex = this.length++;
    }
    this.settle(timer);
  }

  /** Disarms the timer; nothing happens if it is not armed. */
  cancel(timer: Timer): void {
    const index = timer.heapIndex;
    if (index < 0) return;
    timer.heapIndex = -1;
    const last = this.item(--this.length);
    unchecked((this.items[this.length] = null));
    if (last === timer) return;
    last.heapIndex = index;
    this.settle(last);
  }

  /** Takes the next timer out if it is due. */
  takeDue(nowNs: i64): Timer | null {
    if (this.length == 0) return null;
    const timer = this.item(0);
    if (timer.deadlineNs > nowNs) return null;
    this.cancel(timer);
    return timer;
  }

  private item(index: i32): Timer {
    return changetype<Timer>(unchecked(this.items[index]));
  }

  private place(timer: Timer, index: i32): void {
    unchecked((this.items[index] = timer));
    timer.heapIndex = index;
  }

  /** Moves the timer from its index up or down to where it belongs. */
  private settle(timer: Timer): void {
    const deadlineNs = timer.deadlineNs;
    let index = timer.heapIndex;
    while (index > 0) {
      const parent = this.item((index - 1) >> 1);
      if (parent.deadlineNs <= deadlineNs) break;
      const above = parent.heapIndex;
      this.place(parent, index);
      index = above;
    }
    for (;;) {
      let below = index * 2 + 1;
      if (below >= this.length) break;
      if (
        below + 1 < this.length &&
        this.item(below + 1).deadlineNs < this.item(below).deadlineNs
      ) {
        below += 1;
      }
      const child = this.item(below);
      if (child.deadlineNs >= deadlineNs) break;
      this.place(child, index);
      index = below;
    }
    this.place(timer, index);
  }

  private grow(): void {
    const items = new StaticArray<Timer | null>(this.length * 2);
    for (let i = 0; i < this.length; i++) unchecked((items[i] = this.items[i]));
    this.items = items;
  }
}
