/** Channels, with both ends in one guest: `LT_0` and `LT_1`, and the same for each poller. */

import {
  Channel,
  EpollPoller,
  Errno,
  EventLoop,
  Handler,
  Poller,
  PollPoller,
  RECEIVE_BYTES,
  Trigger,
  channelFd,
  channelFds,
} from 'sandpoll/guest';
import { eventfd } from 'sandpoll/guest/bindings/sandpoll';
import { fd_close, fd_read } from 'sandpoll/guest/bindings/wasi_snapshot_preview1';
import { check, checkSame, checkText, finish } from './lib/check';

const MESSAGE: usize = memory.data(100_000, 8);
const RESULT: usize = memory.data(4, 4);
const IOV: usize = memory.data(8, 4);
/** More than any channel holds. */
const MANY: i32 = 100_000;

/** Notes what comes; a message's first bytes are a number. */
class End extends Channel {
  numbers: Array<i32> = [];
  lengths: Array<i32> = [];
  lastFd: i32 = -1;
  truncations: i32 = 0;
  drains: i32 = 0;
  ends: i32 = 0;
  /** Stops the loop when so many messages have come. */
  enough: i32 = i32.MAX_VALUE;
  /** What is still to be sent, in `onDrain`. */
  next: i32 = 0;
  last: i32 = 0;

  onMessage(data: usize, length: i32, fd: i32): void {
    this.numbers.push(length >= 4 ? load<i32>(data) : -1);
    this.lengths.push(length);
    this.lastFd = fd;
    this.truncations += i32(this.isTruncated);
    if (this.numbers.length >= this.enough) this.loop.stop();
  }

  onDrain(): void {
    this.drains += 1;
    this.sendOn();
  }

  onEnd(): void {
    this.ends += 1;
    this.loop.stop();
  }

  /** Sends numbers until the last one, or the channel is full: the last result. */
  sendOn(): i32 {
    let result = 0;
    while (this.next < this.last) {
      store<i32>(MESSAGE, this.next);
      result = this.send(MESSAGE, 4);
      if (result < 0) break;
      this.next += 1;
    }
    return result;
  }

  forget(): void {
    this.numbers = [];
    this.lengths = [];
  }
}

/** Stops the loop, so that what has not happened by then does not. */
class Stopper extends Handler {
  onEvents(events: i32): void {}

  onTimeout(): void {
    this.loop.stop();
  }
}

function runFor(loop: EventLoop, ms: i64): void {
  const stopper = new Stopper(loop);
  loop.arm(stopper, ms * 1_000_000);
  loop.run();
  loop.cancel(stopper);
}

function testMessages(loop: EventLoop, near: End, far: End, name: string): void {
  store<i32>(MESSAGE, 7);
  checkSame(near.send(MESSAGE, 4), 4, name + ' sends');
  checkSame(near.send(MESSAGE, 0), 0, name + ' sends nothing, which is a message');
  checkSame(near.send(MESSAGE, RECEIVE_BYTES + 1), RECEIVE_BYTES + 1, name + ' sends much');
  checkSame(near.send(MESSAGE, 4), 4, name + ' sends again');
  far.enough = 4;
  loop.run();
  checkText(far.lengths.join(' '), '4 0 65536 4', name + ' has whole messages in their order');
  checkText(far.numbers.join(' '), '7 -1 7 7', name + ' has their bytes');
  checkSame(far.truncations, 1, name + ' tells what is cut off');
  checkSame(far.lastFd, -1, name + ' has no descriptor that nobody sent');
  far.forget();
}

function testDescriptors(loop: EventLoop, near: End, far: End, name: string): void {
  eventfd(5, 0, RESULT);
  const fd = load<i32>(RESULT);
  far.enough = 1;
  checkSame(near.send(MESSAGE, 4, 1), -Errno.NOTSUP, name + ' does not pass stdio');
  checkSame(near.handOver(MESSAGE, 0, fd), 0, name + ' hands over');
  checkSame(fd_close(fd), Errno.BADF, name + ' has not any more what it handed over');
  loop.run();
  check(far.lastFd >= 0, name + ' receives a descriptor');
  store<usize>(IOV, MESSAGE);
  store<i32>(IOV, 8, 4);
  checkSame(fd_read(far.lastFd, IOV, 1, RESULT), 0, name + ' reads from it');
  checkSame(load<i32>(MESSAGE), 5, name + ' reads what it held');
  checkSame(fd_read(far.lastFd, IOV, 1, RESULT), Errno.AGAIN, name + ' finds it non-blocking');
  checkSame(fd_close(far.lastFd), 0, name + ' owns it');
  far.forget();
}

/** What a full channel says, and when it goes on. */
function testCongestion(loop: EventLoop, near: End, far: End, name: string): void {
  far.pause();
  near.next = 0;
  near.last = MANY;
  checkSame(near.sendOn(), -Errno.AGAIN, name + ' is full at last (B73)');
  const held = near.next;
  check(held > 0 && held < 1000, name + ' holds a few messages');
  check(near.isCongested, name + ' is congested');
  checkSame(near.sendOn(), -Errno.AGAIN, name + ' is full still');
  runFor(loop, 2);
  checkSame(near.drains, 0, name + ' does not drain while nobody receives');
  near.last = held + 500;
  far.enough = near.last;
  far.resume();
  loop.run();
  checkSame(far.numbers.length, near.last, name + ' has all that waited');
  let inOrder = true;
  for (let i = 0; i < far.numbers.length; i++) inOrder = inOrder && far.numbers[i] == i;
  check(inOrder, name + ' has it in its order, and once');
  check(near.drains > 0 && !near.isCongested, name + ' has drained');
  far.forget();
}

/** A descriptor for which there is no number left waits in the channel. */
function testNoDescriptors(loop: EventLoop, near: End, far: End, name: string): void {
  const fds = new Array<i32>();
  while (eventfd(1, 0, RESULT) == 0) fds.push(load<i32>(RESULT));
  checkSame(near.send(MESSAGE, 4, fds[0]), 4, name + ' sends to a full table');
  far.enough = 1;
  runFor(loop, 2);
  checkSame(far.numbers.length, 0, name + ' keeps the message (B30)');
  for (let i = 0; i < fds.length; i++) fd_close(fds[i]);
  loop.run();
  check(far.lastFd >= 0, name + ' has the descriptor once there is room');
  fd_close(far.lastFd);
  far.forget();
}

function testEnd(loop: EventLoop, near: End, far: End, name: string): void {
  far.enough = i32.MAX_VALUE;
  checkSame(far.send(MESSAGE, 4), 4, name + ' sends what is never read');
  checkSame(near.send(MESSAGE, 4), 4, name + ' sends before it closes');
  near.pause();
  near.close();
  check(!near.isOpen, name + ' is closed');
  checkSame(far.send(MESSAGE, 4), -Errno.PIPE, name + ' learns it when it sends');
  loop.run();
  checkText(far.lengths.join(' '), '4', name + ' still receives what came before');
  checkSame(far.ends, 1, name + ' is told of the end');
  checkSame(far.send(MESSAGE, 4), -Errno.PIPE, name + ' cannot send any more');
  // One that stays open after its end is not reported for ever.
  const stopper = new Stopper(loop);
  loop.arm(stopper, 1_000_000);
  loop.run();
  checkSame(far.ends, 1, name + ' is told once');
  far.close();
  checkSame(loop.size, 0, name + ' leaves nothing');
}

/** The other end goes while this one is full and paused. */
function testEndWhileCongested(poller: Poller, role: string, name: string): void {
  const loop = new EventLoop(poller);
  const near = new End(loop, channelFd(role, 2));
  const far = new End(loop, channelFd(role, 3));
  far.pause();
  near.pause();
  near.last = MANY;
  near.sendOn();
  check(near.isCongested, name + ' is full');
  far.close();
  runFor(loop, 2);
  checkSame(near.drains, 1, name + ' goes on when nobody is there, to learn it');
  checkSame(near.sendOn(), -Errno.PIPE, name + ' learns it');
  checkSame(near.ends, 0, name + ' is paused');
  near.resume();
  loop.run();
  checkSame(near.ends, 1, name + ' ends');
  near.close();
}

function testAll(poller: Poller, second: Poller, role: string, name: string): void {
  const fds = channelFds(role);
  checkSame(fds.length, 4, name + ' finds all its channels');
  const loop = new EventLoop(poller);
  const near = new End(loop, fds[0]);
  const far = new End(loop, channelFd(role, 1));
  testMessages(loop, near, far, name);
  testDescriptors(loop, near, far, name);
  testCongestion(loop, near, far, name);
  testNoDescriptors(loop, near, far, name);
  testEnd(loop, near, far, name);
  testEndWhileCongested(second, role, name);
}

testAll(new EpollPoller(), new EpollPoller(), 'LT', 'epoll, level-triggered,');
testAll(
  new EpollPoller(Trigger.EDGE),
  new EpollPoller(Trigger.EDGE),
  'ET',
  'epoll, edge-triggered,',
);
testAll(new PollPoller(), new PollPoller(), 'POLL', 'poll');
checkSame(channelFd('one'), channelFds('POLL')[3] + 1, 'a channel is found by its name');
checkSame(channelFd('ONE'), -Errno.BADF, 'which is spelt exactly');
checkSame(channelFds('one').length, 0, 'and is no role');
checkSame(new End(new EventLoop(new EpollPoller()), -1).fd, -1, 'what is no channel is closed');
finish();
