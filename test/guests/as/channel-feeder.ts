/** Accepts connections and hands them to the workers in turn, each with a greeting. */

import {
  Channel,
  EpollPoller,
  Errno,
  EventLoop,
  Events,
  TcpListener,
  channelFds,
  listenerFd,
  writeAscii,
} from 'sandpoll/guest';

const GREETING: usize = memory.data(16);

class Feeder extends TcpListener {
  private workers: Array<Worker> = [];
  private next: i32 = 0;
  /** Connections for which no worker had room; there are none while we accept. */
  private waiting: Array<i32> = [];

  constructor(loop: EventLoop) {
    super(loop, listenerFd());
    const fds = channelFds('WORKER');
    for (let i = 0; i < fds.length; i++) this.workers.push(new Worker(loop, fds[i], this));
  }

  onAccept(fd: i32): void {
    this.waiting.push(fd);
    this.feed();
  }

  /** Hands over what waits; accepts no more as long as something does. */
  feed(): void {
    while (this.waiting.length != 0 && this.giveAway(this.waiting[0])) this.waiting.shift();
    this.loop.watch(this, this.waiting.length == 0 ? Events.IN : 0);
  }

  /** Whether the connection went to the next worker that has room. */
  private giveAway(fd: i32): bool {
    const length = writeAscii(GREETING, 'welcome\n');
    for (let tries = this.workers.length; tries > 0; tries--) {
      const worker = this.workers[this.next++ % this.workers.length];
      if (worker.handOver(GREETING, length, fd) != -Errno.AGAIN) return true;
    }
    return false;
  }
}

class Worker extends Channel {
  constructor(
    loop: EventLoop,
    fd: i32,
    private feeder: Feeder,
  ) {
    super(loop, fd);
  }

  onMessage(data: usize, length: i32, fd: i32): void {}

  onDrain(): void {
    this.feeder.feed();
  }
}

const loop = new EventLoop(new EpollPoller());
new Feeder(loop);
loop.run();
