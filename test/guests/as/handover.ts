/**
 * Measures a hand-over: one instance passes an accepted connection by a channel, again and again,
 * and the other takes the time from before the send to after the receive, and closes its own.
 * Each waits for the other in epoll_wait: a hand-over includes the wake. The role that listens
 * passes to TAKER; the other answers GIVER, and prints the nanoseconds when it has them all.
 */

import {
  Channel,
  EpollPoller,
  EventLoop,
  TcpListener,
  Trigger,
  args,
  channelFd,
  exit,
  listenerFd,
  monotonicNs,
  print,
} from 'sandpoll/guest';
import { fd_close } from 'sandpoll/guest/bindings/wasi_snapshot_preview1';

const STAMP_BYTES: i32 = 8;
const STAMP: usize = memory.data(STAMP_BYTES, 8);

/** The giver's end: each answer asks for the next. */
class ToTaker extends Channel {
  connection: i32 = -1;

  give(): void {
    store<i64>(STAMP, monotonicNs());
    this.send(STAMP, STAMP_BYTES, this.connection);
  }

  onMessage(data: usize, length: i32, fd: i32): void {
    this.give();
  }

  onEnd(): void {
    exit(0);
  }
}

class Door extends TcpListener {
  constructor(
    loop: EventLoop,
    private readonly taker: ToTaker,
  ) {
    super(loop, listenerFd());
  }

  onAccept(fd: i32): void {
    this.taker.connection = fd;
    this.taker.give();
  }
}

/** The taker's end. */
class ToGiver extends Channel {
  private readonly times: Array<i64> = [];

  onMessage(data: usize, length: i32, fd: i32): void {
    const nowNs = monotonicNs();
    fd_close(fd);
    this.times.push(nowNs - load<i64>(data));
    if (this.times.length == count) this.finish();
    else this.send(data, 0);
  }

  private finish(): void {
    print(this.times.join('\n') + '\n');
    exit(0);
  }
}

const loop = new EventLoop(new EpollPoller(Trigger.LEVEL));
const given = args();
const count = given.length > 1 ? I32.parseInt(given[1]) : 1000;
const taker = channelFd('TAKER', 0);
if (taker >= 0) new Door(loop, new ToTaker(loop, taker));
else new ToGiver(loop, channelFd('GIVER', 0));
exit(-loop.run());
