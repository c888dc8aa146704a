/** Timers: the heap against a model, and the loop that calls them. */

import {
  EpollPoller,
  EventLoop,
  Events,
  Handler,
  NS_PER_MS,
  PollPoller,
  Poller,
  Timer,
  TimerHeap,
  monotonicNs,
} from 'sandpoll/guest';
import { eventfd } from 'sandpoll/guest/bindings/sandpoll';
import { fd_close } from 'sandpoll/guest/bindings/wasi_snapshot_preview1';
import { Dice, check, checkSame, finish } from './lib/check';

const TIMERS: i32 = 200;

class Plain extends Timer {
  onTimeout(): void {}
}

/** Arms, moves, cancels and takes at random; the next one must always be the earliest. */
function testHeap(): void {
  const dice = new Dice();
  const heap = new TimerHeap();
  const timers = new StaticArray<Plain>(TIMERS);
  for (let i = 0; i < TIMERS; i++) timers[i] = new Plain();
  let holds = true;
  for (let step = 0; step < 20000; step++) {
    const timer = timers[dice.below(TIMERS)];
    if (dice.below(3) != 0) heap.arm(timer, dice.below(1000));
    else heap.cancel(timer);
    if (dice.below(10) == 0) {
      const nowNs = dice.below(100);
      const due = heap.takeDue(nowNs);
      if (due !== null && (due.deadlineNs > nowNs || due.heapIndex != -1)) holds = false;
    }
    let armed = 0;
    let earliest = i64.MAX_VALUE;
    for (let i = 0; i < TIMERS; i++) {
      if (timers[i].heapIndex < 0) continue;
      armed += 1;
      earliest = min(earliest, timers[i].deadlineNs);
    }
    if (armed != heap.length || (armed != 0 && heap.nextNs != earliest)) holds = false;
  }
  check(holds, 'the next timer is always the earliest of those that are armed');
}

class Probe extends Timer {
  calls: i32 = 0;
  early: i32 = 0;
  order: i32 = 0;
  notBeforeNs: i64 = 0;
  again: i32 = 0;

  constructor(readonly loop: EventLoop) {
    super();
  }

  arm(delayNs: i64): void {
    this.notBeforeNs = monotonicNs() + delayNs;
    this.loop.arm(this, delayNs);
  }

  onTimeout(): void {
    if (monotonicNs() < this.notBeforeNs) this.early += 1;
    this.calls += 1;
    this.order = ++calls;
    if (this.again-- > 0) this.arm(0);
  }
}

let calls = 0;

const MANY: i32 = 100_000;

class Tally {
  calls: i32 = 0;
  lastNs: i64 = 0;
  unordered: i32 = 0;
  early: i32 = 0;
}

class Counted extends Timer {
  wasCancelled: bool = false;

  constructor(readonly tally: Tally) {
    super();
  }

  onTimeout(): void {
    const tally = this.tally;
    tally.calls += 1;
    if (this.wasCancelled) tally.early += 1;
    if (this.deadlineNs < tally.lastNs) tally.unordered += 1;
    if (this.deadlineNs > monotonicNs()) tally.early += 1;
    tally.lastNs = this.deadlineNs;
  }
}

/** Arms very many timers in no order, moves some, cancels some: the others come in order. */
function testMany(): void {
  const dice = new Dice();
  const loop = new EventLoop(new EpollPoller());
  const tally = new Tally();
  const timers = new Array<Counted>(MANY);
  for (let i = 0; i < MANY; i++) {
    const timer = new Counted(tally);
    timers[i] = timer;
    loop.arm(timer, dice.below(100_000) * 1000 + NS_PER_MS);
  }
  let armed = MANY;
  for (let i = 0; i < MANY; i += 10) {
    const timer = timers[i];
    if (i % 20 == 0) {
      loop.arm(timer, dice.below(100_000) * 1000 + NS_PER_MS);
    } else {
      loop.cancel(timer);
      timer.wasCancelled = true;
      armed -= 1;
    }
  }
  checkSame(armed, 95_000, 'that many timers are armed');
  checkSame(loop.run(), 0, 'the loop ends when the last of them is done');
  checkSame(tally.calls, armed, 'every timer is called once');
  checkSame(tally.unordered, 0, 'the timers are called in the order of their deadlines');
  checkSame(tally.early, 0, 'no timer is called early, or after it is cancelled');
}

function testLoop(poller: Poller): void {
  const loop = new EventLoop(poller);
  const late = new Probe(loop);
  const soon = new Probe(loop);
  const never = new Probe(loop);
  const often = new Probe(loop);
  late.arm(20 * NS_PER_MS);
  soon.arm(1);
  never.arm(5 * NS_PER_MS);
  often.again = 9;
  often.arm(0);
  loop.cancel(never);
  checkSame(loop.run(), 0, 'the loop ends when no timer is left');
  checkSame(late.calls, 1, 'a timer is called once');
  check(soon.order < late.order, 'the earlier timer is called first');
  checkSame(never.calls, 0, 'a cancelled timer is not called');
  checkSame(often.calls, 10, 'a timer may arm itself again');
  checkSame(late.early + soon.early + often.early, 0, 'no timer is called early (E12)');
}

const RESULT: usize = memory.data(4, 4);

/** A descriptor that can always be read. */
class Busy extends Handler {
  events: i32 = 0;

  constructor(loop: EventLoop) {
    super(loop);
    check(eventfd(1, 0, RESULT) == 0, 'an eventfd is opened');
    this.fd = load<i32>(RESULT);
    check(loop.watch(this, Events.IN) == 0, 'an eventfd is watched');
  }

  onEvents(events: i32): void {
    this.events += 1;
  }
}

/** Ends the loop by closing what keeps it busy. */
class Closing extends Probe {
  constructor(readonly busy: Busy) {
    super(busy.loop);
  }

  onTimeout(): void {
    super.onTimeout();
    this.loop.close(this.busy);
  }
}

function testBusyLoop(poller: Poller): void {
  const loop = new EventLoop(poller);
  const busy = new Busy(loop);
  const timer = new Closing(busy);
  // The first alarm is of a timer that is gone, the second is set while there is no time to wait.
  const gone = new Probe(loop);
  gone.arm(NS_PER_MS);
  timer.arm(3 * NS_PER_MS);
  loop.cancel(gone);
  checkSame(loop.run(), 0, 'a loop that always has events comes to its timers');
  checkSame(timer.calls, 1, 'the timer of a busy loop is called once');
  checkSame(timer.early + gone.calls, 0, 'no timer is called early, or after it is cancelled');
  check(busy.events > 0, 'events and timers take turns');
}

/** With a full table there is no timerfd to be had. */
function testFullTable(): void {
  const poller = new EpollPoller();
  const loop = new EventLoop(poller);
  const fds = new Array<i32>();
  while (eventfd(0, 0, RESULT) == 0) fds.push(load<i32>(RESULT));
  const late = new Probe(loop);
  const soon = new Probe(loop);
  late.arm(2 * NS_PER_MS);
  soon.arm(NS_PER_MS);
  checkSame(loop.run(), 0, 'without a descriptor for it the loop still keeps the time');
  check(soon.order < late.order, 'and the order of its timers');
  checkSame(late.early + soon.early, 0, 'and calls none early');
  for (let i = 0; i < fds.length; i++) fd_close(fds[i]);
  late.arm(NS_PER_MS);
  checkSame(loop.run(), 0, 'and takes a descriptor when there is one again');
  checkSame(late.calls + soon.calls, 3, 'each timer was called as often as it was armed');
}

testHeap();
testLoop(new EpollPoller());
testLoop(new PollPoller());
testBusyLoop(new EpollPoller());
testBusyLoop(new PollPoller());
testFullTable();
testMany();
finish();
