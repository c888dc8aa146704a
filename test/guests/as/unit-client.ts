/** Client connections: refused, timed out, over unix paths, and ended half by half. */

import {
  EpollPoller,
  Errno,
  EventLoop,
  NS_PER_MS,
  Poller,
  PollPoller,
  SocketAddress,
  TcpListener,
  TcpStream,
  Trigger,
  args,
  errnoName,
  listenOn,
  localAddress,
  monotonicNs,
} from 'sandpoll/guest';
import { check, checkSame, checkText, finish } from './lib/check';

const BYTES: usize = memory.data(8);
const paths = args();
/** What happened, in order. */
let diary: Array<string> = [];

class Caller extends TcpStream {
  onConnect(result: i32): void {
    diary.push('connect ' + errnoName(-result));
  }

  onData(data: usize, length: i32): void {
    diary.push('data ' + length.toString());
  }

  onEnd(): void {
    diary.push('end');
    if (!this.isEnding) this.closeWhenSent();
  }

  onClose(errno: i32): void {
    diary.push('close ' + errnoName(errno));
    this.loop.stop();
  }
}

/** Answers only when it has heard all. */
class Patient extends TcpStream {
  private heard: i32 = 0;

  onData(data: usize, length: i32): void {
    this.heard += length;
  }

  onEnd(): void {
    this.write(BYTES, this.heard);
    this.closeWhenSent();
  }
}

class PatientListener extends TcpListener {
  onAccept(fd: i32): void {
    new Patient(this.loop, fd);
  }
}

/** Listens, and accepts nobody: with a backlog of 0 the second connection has to wait. */
class Deaf extends TcpListener {
  onEvents(events: i32): void {}

  onAccept(fd: i32): void {}
}

function local(): SocketAddress {
  return SocketAddress.ipv4(127, 0, 0, 1, 0);
}

function run(loop: EventLoop): string {
  diary = [];
  checkSame(loop.run(), 0, 'the loop runs');
  return diary.join(', ');
}

function testHalfClose(poller: Poller, name: string, at: SocketAddress): void {
  const loop = new EventLoop(poller);
  const listener = new PatientListener(loop, listenOn(at));
  check(listener.isOpen, name + ' listens');
  checkSame(localAddress(listener.fd, at), 0, name + ' has an address');
  const caller = new Caller(loop);
  checkSame(caller.connect(at, 5000 * NS_PER_MS), 0, name + ' connects');
  checkSame(caller.write(BYTES, 3), 3, name + ' writes before it is connected');
  caller.endWriting();
  checkSame(caller.write(BYTES, 1), -Errno.PIPE, name + ' writes nothing after its end');
  const story = run(loop);
  checkText(story, 'connect SUCCESS, data 3, end, close SUCCESS', name + ' is answered (E9)');
  const mute = new Caller(loop);
  mute.connect(at);
  mute.endWriting();
  checkText(
    run(loop),
    'connect SUCCESS, end, close SUCCESS',
    name + ' ends before it is connected',
  );
  checkSame(mute.heapIndex, -1, name + ' has no timer left');
  listener.close();
  const refused = new Caller(loop);
  const result = refused.connect(at);
  if (result == 0) {
    checkText(run(loop), 'connect CONNREFUSED, close CONNREFUSED', name + ' is refused (E19)');
  } else {
    checkText(errnoName(-result), 'CONNREFUSED', name + ' is refused at once (E19)');
  }
  check(!refused.isOpen, name + ' is closed');
}

function testTimeout(poller: Poller, name: string): void {
  const loop = new EventLoop(poller);
  const here = local();
  const listener = new Deaf(loop, listenOn(here, 0));
  localAddress(listener.fd, here);
  const fillers: Array<Caller> = [];
  for (let i = 0; i < 3; i++) {
    const filler = new Caller(loop);
    checkSame(filler.connect(here), 0, name + ' fills the queue');
    fillers.push(filler);
  }
  loop.watch(listener, 0);
  const startNs = monotonicNs();
  const late = new Caller(loop);
  checkSame(late.connect(here, 30 * NS_PER_MS), 0, name + ' begins to connect');
  const story = run(loop);
  check(story.endsWith('connect TIMEDOUT, close TIMEDOUT'), name + ' is told: ' + story);
  check(monotonicNs() - startNs >= 30 * NS_PER_MS, name + ' is not told early (E12)');
  for (let i = 0; i < fillers.length; i++) fillers[i].close();
  listener.close();
  checkSame(loop.size, 0, name + ' leaves nothing');
}

function testPath(poller: Poller, name: string, suffix: string): void {
  const address = SocketAddress.parse('unix:' + paths[1] + suffix);
  check(address !== null, name + ' reads a path');
  if (address !== null) testHalfClose(poller, name, address);
}

testHalfClose(new EpollPoller(Trigger.LEVEL), 'epoll, level-triggered,', local());
testHalfClose(new EpollPoller(Trigger.EDGE), 'epoll, edge-triggered,', local());
testHalfClose(new PollPoller(), 'poll', local());
testTimeout(new EpollPoller(Trigger.LEVEL), 'epoll, level-triggered,');
testTimeout(new EpollPoller(Trigger.EDGE), 'epoll, edge-triggered,');
testTimeout(new PollPoller(), 'poll');
testPath(new EpollPoller(Trigger.LEVEL), 'unix, level-triggered,', '-stream-lt');
testPath(new EpollPoller(Trigger.EDGE), 'unix, edge-triggered,', '-stream-et');
testPath(new PollPoller(), 'unix, poll', '-stream-poll');
finish();
