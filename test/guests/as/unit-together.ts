/** Streams whose receives and sends the loop carries out together: what they see is as ever. */

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
  listenOn,
  localAddress,
} from 'sandpoll/guest';
import { check, checkSame, finish } from './lib/check';

const CLIENTS: i32 = 40;
const LARGEST_BYTES: i32 = 20000;
const MESSAGE: usize = heap.alloc(LARGEST_BYTES);

/** How a server's stream answers. */
const enum Manner {
  ONCE,
  /** Three writes. */
  IN_PARTS,
  /** One byte, and then the rest. */
  SHORT_THEN_LONG,
  THEN_CLOSE,
  THEN_CLOSE_WHEN_SENT,
  THEN_END_WRITING,
  /** Writes to the one before as well. */
  TO_TWO,
  /** Closes the next one, which may have been received for already. */
  CLOSES_NEXT,
  COUNT,
}

/** The bytes that client `number` sends. */
function lengthOf(number: i32): i32 {
  return 1 + ((number * number * 13) % LARGEST_BYTES);
}

class Answerer extends TcpStream {
  place: i32 = -1;
  received: i32 = 0;

  onData(data: usize, length: i32): void {
    if (this.place < 0) this.place = load<u8>(data);
    this.received += length;
    const manner = this.place % Manner.COUNT;
    if (manner == Manner.IN_PARTS && length > 2) {
      this.write(data, 1);
      this.write(data + 1, 1);
      this.write(data + 2, length - 2);
    } else if (manner == Manner.SHORT_THEN_LONG && length > 1) {
      this.write(data, 1);
      this.write(data + 1, length - 1);
    } else {
      checkSame(this.write(data, length), length, 'what was written is taken');
    }
    if (this.isCollected) scene.collected += 1;
    // What is written after it must not change what was written before.
    memory.fill(data, 0xee, min(length, 4));
    if (this.received == lengthOf(this.place)) this.finishAs(manner);
  }

  private finishAs(manner: i32): void {
    const answerers = scene.answerers;
    if (manner == Manner.THEN_CLOSE) this.close();
    else if (manner == Manner.THEN_CLOSE_WHEN_SENT) this.closeWhenSent();
    else if (manner == Manner.THEN_END_WRITING) this.endWriting();
    else if (manner == Manner.TO_TWO && answerers.length != 0) {
      const other = answerers[0];
      if (other !== this && other.isOpen && !other.isEnding) other.write(MESSAGE, 0);
    } else if (manner == Manner.CLOSES_NEXT) {
      for (let i = 0; i < answerers.length; i++) {
        if (answerers[i].place == scene.victim) answerers[i].close();
      }
    }
  }
}

class Client extends TcpStream {
  number: i32 = 0;
  echoed: i32 = 0;
  wrong: i32 = 0;
  closedWith: i32 = -1;

  onConnect(result: i32): void {
    for (let i = 0; i < LARGEST_BYTES; i++) store<u8>(MESSAGE + i, <u8>(this.number + i * 7));
    this.write(MESSAGE, lengthOf(this.number));
  }

  onData(data: usize, length: i32): void {
    for (let i = 0; i < length; i++) {
      if (load<u8>(data + i) != <u8>(this.number + (this.echoed + i) * 7)) this.wrong += 1;
    }
    this.echoed += length;
    if (this.echoed == lengthOf(this.number)) this.endWriting();
  }

  onClose(errno: i32): void {
    this.closedWith = errno;
  }
}

class Acceptor extends TcpListener {
  onAccept(fd: i32): void {
    scene.answerers.push(new Answerer(this.loop, fd));
    if (scene.answerers.length == CLIENTS) this.close();
  }
}

/** What the streams of one run share. */
class Scene {
  answerers: Array<Answerer> = [];
  collected: i32 = 0;
  /** The place of one that another closes: none until it is said. */
  victim: i32 = -2;
}

let scene = new Scene();

function testPoller(poller: Poller, together: bool, name: string): void {
  scene = new Scene();
  const loop = new EventLoop(poller);
  const address = SocketAddress.ipv4(127, 0, 0, 1, 0);
  const acceptor = new Acceptor(loop, listenOn(address));
  localAddress(acceptor.fd, address);
  const clients: Array<Client> = [];
  for (let number = 0; number < CLIENTS; number++) {
    const client = new Client(loop);
    client.number = number;
    checkSame(client.connect(address), 0, name + ' connects');
    clients.push(client);
  }
  checkSame(loop.run(), 0, name + ' runs to its end');
  for (let number = 0; number < CLIENTS; number++) {
    const client = clients[number];
    const who = name + ' client ' + number.toString();
    checkSame(client.echoed, lengthOf(number), who + ' gets all');
    checkSame(client.wrong, 0, who + ' gets it in order');
    checkSame(client.closedWith, 0, who + ' is closed');
  }
  check(scene.collected > 0 == together, name + ' collects where it can');
  checkSame(loop.size, 0, name + ' leaves nothing');
}

/** Receives, closes the others at once, and is told of no bytes behind that. */
class Jealous extends TcpStream {
  static calls: i32 = 0;
  static all: Array<Jealous> = [];

  onData(data: usize, length: i32): void {
    Jealous.calls += 1;
    check(this.isOpen, 'who is closed hears nothing');
    for (let i = 0; i < Jealous.all.length; i++) {
      if (Jealous.all[i] !== this) Jealous.all[i].close();
    }
    this.write(data, length);
    this.reset();
    checkSame(this.write(data, length), -Errno.PIPE, 'nothing is written after the end');
  }
}

class JealousAcceptor extends TcpListener {
  private waiting: Array<i32> = [];

  onAccept(fd: i32): void {
    this.waiting.push(fd);
    if (this.waiting.length < 4) return;
    // All have something to read when they are first waited for.
    for (let i = 0; i < 4; i++) Jealous.all.push(new Jealous(this.loop, this.waiting[i]));
    this.close();
  }
}

class Caller extends TcpStream {
  closedWith: i32 = -1;

  onConnect(result: i32): void {
    this.write(MESSAGE, 10);
  }

  onData(data: usize, length: i32): void {}

  onClose(errno: i32): void {
    this.closedWith = errno;
  }
}

function testJealous(): void {
  const loop = new EventLoop(new EpollPoller());
  const address = SocketAddress.ipv4(127, 0, 0, 1, 0);
  const acceptor = new JealousAcceptor(loop, listenOn(address));
  localAddress(acceptor.fd, address);
  const callers: Array<Caller> = [];
  for (let i = 0; i < 4; i++) {
    callers.push(new Caller(loop));
    checkSame(callers[i].connect(address), 0, 'a caller connects');
  }
  checkSame(loop.run(), 0, 'they run to their end');
  checkSame(Jealous.calls, 1, 'one was first');
  for (let i = 0; i < 4; i++) check(callers[i].closedWith >= 0, 'each caller is told of the end');
  checkSame(loop.size, 0, 'nothing is left');
}

testPoller(new EpollPoller(Trigger.LEVEL), true, 'epoll, level-triggered,');
testPoller(new EpollPoller(Trigger.EDGE), true, 'epoll, edge-triggered,');
testPoller(new PollPoller(), false, 'poll');
testJealous();
finish();
