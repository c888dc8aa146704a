/** The event loop: one for a guest, over the poller that it is given. */

import { fd_close } from './bindings/wasi_snapshot_preview1';
import { monotonicNs } from './clock';
import { Errno } from './errno';
import { NEVER, Poller } from './poller/poller';
import { beforeExit } from './process';
import { PIECE_BYTES, Submissions, TOGETHER_MAX, TOGETHER_MIN } from './submissions';
import { Timer, TimerHeap } from './timers';

/** Size in bytes of the buffer into which every stream of a loop receives. */
export const RECEIVE_BYTES: i32 = 65536;
/** Readable behind it, for those who read eight bytes at once. */
const SLACK_BYTES: i32 = 8;
/** Size of a record of `Poller.events`. */
const EVENT_BYTES: usize = 16;

/**
 * The owner of one descriptor, called when it is ready. There are no closures in AssemblyScript:
 * subclass it, and keep in fields what a closure would have captured. It is a timer as well.
 */
export abstract class Handler extends Timer {
  readonly loop: EventLoop;
  /** The descriptor; −1 once it is closed, and before there is one. */
  fd: i32 = -1;
  /** Its place in the loop's table; −1 while the loop does not know it. */
  slot: i32 = -1;
  /** What it waits for: a combination of `Events`. */
  interest: i32 = 0;
  /** Whether bytes of its are among those that the loop is about to send. */
  isCollected: bool = false;

  constructor(loop: EventLoop) {
    super();
    this.loop = loop;
  }

  /** Called with the `Events` that are ready. */
  abstract onEvents(events: i32): void;

  onTimeout(): void {}

  /** Whether, with these events, it wants but to receive: then the loop does it for many. */
  receivesOnly(events: i32): bool {
    return false;
  }

  /** Called in place of `onEvents` with what was received, or minus an errno. */
  onReceived(data: usize, result: i32): void {}

  /** Called with bytes that could not be sent with the others: to be kept, and nothing else. */
  onUnsent(data: usize, length: i32): void {}

  /** Called after `onUnsent`, when all is as it was: with 0, or minus the errno of a send. */
  onSendsOver(result: i32): void {}
}

/** The loop that collects what its handlers send, for `exit`. */
let collecting: EventLoop | null = null;

function flushCollecting(): void {
  const loop = collecting;
  if (loop !== null) loop.flush();
}

/**
 * An event carries the slot and the generation of its handler, not its address, which the
 * garbage collector could not see: the table keeps the handlers alive, and an event that was
 * reported before its handler was closed is told by its generation, and dropped.
 */
export class EventLoop {
  readonly poller: Poller;
  /** Where every stream receives; what it holds is valid until the handler returns. */
  readonly receiveBuffer: usize = heap.alloc(RECEIVE_BYTES + SLACK_BYTES);

  private handlers: StaticArray<Handler | null> = new StaticArray<Handler | null>(0);
  /** For each slot: generation u32 @0, next free slot i32 @4. */
  private slots: usize = 0;
  private freeSlot: i32 = -1;
  private count: i32 = 0;

  private timers: TimerHeap = new TimerHeap();
  private timeNs: i64 = 0;
  private timeIsFresh: bool = false;
  private submissions: Submissions | null = null;
  /** Whether sends are collected at present. */
  private isCollecting: bool = false;
  /** For each event of a batch the number of its receive; −1 for none. */
  private received: StaticArray<i32> = new StaticArray<i32>(TOGETHER_MAX);
  private status: i32 = 0;
  private stopped: bool = false;

  constructor(poller: Poller) {
    this.poller = poller;
    this.status = poller.open();
  }

  /** How many handlers there are. */
  get size(): i32 {
    return this.count;
  }

  /** One more than the largest slot that a handler can have at present. */
  get slotCount(): i32 {
    return this.handlers.length;
  }

  /** The handler in a slot from 0 to below `slotCount`, or null: for visiting all there are. */
  handlerAt(slot: i32): Handler | null {
    return this.handlers[slot];
  }

  /** The monotonic clock in ns, read at most once for a batch of events. */
  nowNs(): i64 {
    if (!this.timeIsFresh) {
      this.timeNs = monotonicNs();
      this.timeIsFresh = true;
    }
    return this.timeNs;
  }

  /** Arms a timer to be called `delayNs` from now, and never earlier. */
  arm(timer: Timer, delayNs: i64): void {
    this.timers.arm(timer, monotonicNs() + max<i64>(delayNs, 1));
  }

  /** Disarms a timer. */
  cancel(timer: Timer): void {
    this.timers.cancel(timer);
  }

  /** Makes `handler.fd` wait for `interest`; 0 for nothing at all. Returns 0 or minus an errno. */
  watch(handler: Handler, interest: i32): i32 {
    const from = handler.interest;
    if (from == interest) return 0;
    if (handler.slot < 0) this.occupySlot(handler);
    handler.interest = interest;
    return this.update(handler, from);
  }

  /** Asks for what is ready to be reported anew. Returns 0 or minus an errno. */
  rearm(handler: Handler): i32 {
    return handler.interest == 0 ? 0 : this.update(handler, handler.interest);
  }

  /** Closes the handler's descriptor and forgets it; nothing happens if it is closed. */
  close(handler: Handler): void {
    if (handler.isCollected) this.flush();
    this.timers.cancel(handler);
    if (handler.slot >= 0) {
      this.poller.forget(handler.slot);
      this.freeSlotOf(handler);
    }
    handler.interest = 0;
    if (handler.fd >= 0) fd_close(handler.fd);
    handler.fd = -1;
  }

  /**
   * Waits and calls handlers until there is nothing left to wait for, or `stop` is called.
   * Returns 0, or minus an errno.
   */
  run(): i32 {
    this.stopped = false;
    while (this.status == 0 && this.hasWork) this.status = takeTurn(this);
    return this.status;
  }

  /**
   * Takes bytes that `handler` sends, to go out when the present batch of events is over: one call
   * sends for all. False where it must send by itself.
   */
  collect(handler: Handler, data: usize, length: i32): bool {
    if (!this.isCollecting || length > PIECE_BYTES) {
      if (handler.isCollected) this.flush();
      return false;
    }
    const submissions = this.submissions!;
    if (submissions.send(handler, data, length)) return true;
    const wasCollected = handler.isCollected;
    this.flush();
    return !wasCollected && submissions.send(handler, data, length);
  }

  /** Sends now what handlers have asked for in the present batch of events. */
  flush(): void {
    const submissions = this.submissions;
    if (submissions === null || submissions.sending == 0) return;
    const wasCollecting = this.isCollecting;
    this.isCollecting = false;
    submissions.carryOutSends();
    this.isCollecting = wasCollecting;
  }

  /** Makes `run` return after the present batch of events. */
  stop(): void {
    this.stopped = true;
  }

  /** Waits once, calls what is ready, and then what is due. Returns 0 or minus an errno. */
  turn(): i32 {
    const count = this.poller.wait(this.timers.length == 0 ? NEVER : this.timers.nextNs);
    this.timeIsFresh = false;
    if (count < 0) return count == -Errno.INTR ? 0 : count;
    this.dispatchAll(count);
    if (this.poller.timeIsUp && !this.stopped) this.expireTimers();
    return 0;
  }

  private dispatchAll(count: i32): void {
    let event = this.poller.events;
    const end = event + <usize>count * EVENT_BYTES;
    if (this.poller.submissionsMax >= TOGETHER_MAX) {
      while (end - event >= <usize>TOGETHER_MIN * EVENT_BYTES) {
        const next = min(event + <usize>TOGETHER_MAX * EVENT_BYTES, end);
        this.dispatchTogether(event, next);
        event = next;
      }
    }
    for (; event < end; event += EVENT_BYTES) this.dispatch(event);
  }

  private get hasWork(): bool {
    return !this.stopped && this.count + this.timers.length > 0;
  }

  /** Calls the handlers of some events, all receives before them and all sends behind them. */
  private dispatchTogether(from: usize, to: usize): void {
    let submissions = this.submissions;
    if (submissions === null) {
      submissions = new Submissions(this.poller);
      this.submissions = submissions;
    }
    const received = this.received;
    for (let event = from, i = 0; event < to; event += EVENT_BYTES, i++) {
      const handler = this.handlerOf(event);
      const together = handler !== null && handler.receivesOnly(load<i32>(event));
      unchecked((received[i] = together ? submissions.receive(handler!.fd) : -1));
    }
    if (submissions.receiving != 0) submissions.carryOutReceives();
    this.isCollecting = true;
    collecting = this;
    beforeExit(flushCollecting);
    for (let event = from, i = 0; event < to; event += EVENT_BYTES, i++) {
      const handler = this.handlerOf(event);
      if (handler === null) continue;
      const index = unchecked(received[i]);
      if (index < 0) handler.onEvents(load<i32>(event));
      else handler.onReceived(submissions.pieceOf(index), submissions.receivedBy(index));
    }
    this.isCollecting = false;
    collecting = null;
    this.flush();
  }

  private dispatch(event: usize): void {
    const handler = this.handlerOf(event);
    if (handler !== null) handler.onEvents(load<i32>(event));
  }

  /** The handler of an event, if it is still the one that asked for it. */
  private handlerOf(event: usize): Handler | null {
    const slot = load<u32>(event, 8);
    if (load<u32>(this.slots + (slot << 3)) != load<u32>(event, 12)) return null;
    return unchecked(this.handlers[slot]);
  }

  /** Calls the timers that are due. */
  private expireTimers(): void {
    this.timeIsFresh = false;
    // One that is armed again by its own call waits for the next turn: events come between.
    const nowNs = this.nowNs();
    for (;;) {
      const timer = this.timers.takeDue(nowNs);
      if (timer === null) break;
      timer.onTimeout();
    }
  }

  private update(handler: Handler, from: i32): i32 {
    const slot = handler.slot;
    const generation = load<u32>(this.slots + ((<usize>slot) << 3));
    return this.poller.update(handler.fd, slot, generation, from, handler.interest);
  }

  private occupySlot(handler: Handler): void {
    if (this.freeSlot < 0) this.growSlots();
    const slot = this.freeSlot;
    this.freeSlot = load<i32>(this.slots + ((<usize>slot) << 3), 4);
    unchecked((this.handlers[slot] = handler));
    handler.slot = slot;
    this.count += 1;
  }

  private freeSlotOf(handler: Handler): void {
    const slot = handler.slot;
    const at = this.slots + ((<usize>slot) << 3);
    store<u32>(at, load<u32>(at) + 1);
    store<i32>(at, this.freeSlot, 4);
    this.freeSlot = slot;
    unchecked((this.handlers[slot] = null));
    handler.slot = -1;
    this.count -= 1;
  }

  private growSlots(): void {
    const before = this.handlers.length;
    const after = max(64, before * 2);
    const handlers = new StaticArray<Handler | null>(after);
    for (let i = 0; i < before; i++) unchecked((handlers[i] = this.handlers[i]));
    this.handlers = handlers;
    const slots = heap.alloc((<usize>after) << 3);
    memory.copy(slots, this.slots, (<usize>before) << 3);
    if (this.slots != 0) heap.free(this.slots);
    this.slots = slots;
    for (let i = after - 1; i >= before; i--) {
      store<u32>(slots + ((<usize>i) << 3), 1);
      store<i32>(slots + ((<usize>i) << 3), this.freeSlot, 4);
      this.freeSlot = i;
    }
  }
}

/**
 * A turn as a function value, which the compiler cannot make part of the loop: V8 never replaces
 * the code of a call that is under way by faster code, and the loop's is under way for ever.
 */
const takeTurn: (loop: EventLoop) => i32 = (loop: EventLoop): i32 => loop.turn();
