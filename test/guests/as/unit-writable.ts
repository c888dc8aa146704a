/** Streams that are sent piece by piece, as the peer takes them, with each poller. */

import {
  EpollPoller,
  Errno,
  EventLoop,
  PollPoller,
  Poller,
  SocketAddress,
  TcpListener,
  TcpStream,
  Trigger,
  errnoName,
  listenOn,
  localAddress,
} from 'sandpoll/guest';
import { check, checkSame, finish } from './lib/check';

const PIECE_BYTES: i32 = 65536;
const PIECES: i32 = 100;
const PIECE: usize = heap.alloc(PIECE_BYTES);

/** Sends pieces, each when the one before is gone. */
class Sender extends TcpStream {
  pieces: i32 = 0;
  largestPending: i32 = 0;
  isInside: bool = false;
  closedWith: i32 = -1;

  onData(data: usize, length: i32): void {}

  onWritable(): void {
    check(!this.isInside, 'not called from within whenWritable');
    checkSame(this.pendingBytes, 0, 'called when all is sent');
    this.isInside = true;
    memory.fill(PIECE, <u8>this.pieces, PIECE_BYTES);
    this.write(PIECE, PIECE_BYTES);
    this.largestPending = max(this.largestPending, this.pendingBytes);
    this.pieces += 1;
    if (this.pieces < PIECES) this.whenWritable();
    else this.closeWhenSent();
    this.isInside = false;
  }

  onClose(errno: i32): void {
    this.closedWith = errno;
  }
}

/** Takes them, and knows which byte is next. */
class Receiver extends TcpStream {
  received: i32 = 0;
  wrong: i32 = 0;
  turns: i32 = 0;

  onData(data: usize, length: i32): void {
    this.turns += 1;
    for (let i = 0; i < length; i += 1000) {
      const piece = (this.received + i) / PIECE_BYTES;
      if (load<u8>(data + i) != <u8>piece) this.wrong += 1;
    }
    this.received += length;
  }
}

/** Breaks off as soon as something has come. */
class Breaker extends Receiver {
  onData(data: usize, length: i32): void {
    this.reset();
  }
}

class Acceptor extends TcpListener {
  receiver: Receiver | null = null;
  breaks: bool = false;

  onAccept(fd: i32): void {
    this.receiver = this.breaks ? new Breaker(this.loop, fd) : new Receiver(this.loop, fd);
    this.close();
  }
}

function run(loop: EventLoop, breaks: bool, name: string): Sender {
  const address = SocketAddress.ipv4(127, 0, 0, 1, 0);
  const acceptor = new Acceptor(loop, listenOn(address));
  acceptor.breaks = breaks;
  localAddress(acceptor.fd, address);
  const sender = new Sender(loop);
  checkSame(sender.connect(address), 0, name + ' connects');
  sender.whenWritable();
  checkSame(sender.pieces, 0, name + ' waits for its turn');
  checkSame(loop.run(), 0, name + ' runs to its end');
  const receiver = acceptor.receiver;
  check(receiver !== null, name + ' is accepted');
  if (receiver !== null && !breaks) {
    checkSame(receiver.received, PIECES * PIECE_BYTES, name + ' sends all');
    checkSame(receiver.wrong, 0, name + ' sends it in order');
    check(receiver.turns > 1, name + ' leaves the other its turns');
  }
  return sender;
}

function testPoller(poller: Poller, name: string): void {
  const loop = new EventLoop(poller);
  const sender = run(loop, false, name);
  checkSame(sender.pieces, PIECES, name + ' is called for each piece');
  check(sender.largestPending <= PIECE_BYTES, name + ' keeps one piece at most');
  checkSame(sender.closedWith, 0, name + ' closes');
  const broken = run(loop, true, name + ', broken off,');
  check(broken.pieces < PIECES, name + ' does not send to nobody');
  const reset = broken.closedWith == Errno.CONNRESET || broken.closedWith == Errno.PIPE;
  check(reset, name + ' is told: ' + errnoName(broken.closedWith));
  checkSame(loop.size, 0, name + ' leaves nothing');
}

testPoller(new EpollPoller(Trigger.LEVEL), 'epoll, level-triggered,');
testPoller(new EpollPoller(Trigger.EDGE), 'epoll, edge-triggered,');
testPoller(new PollPoller(), 'poll');
finish();
