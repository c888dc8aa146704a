/** The listener guest: accepts, and hands each connection to the next I/O guest. */

import {
  Channel,
  EpollPoller,
  EventLoop,
  Signal,
  SignalListener,
  TcpListener,
  Trigger,
  channelFds,
  exit,
  listenerFd,
  printError,
} from 'sandpoll/guest';

/** The channel to one I/O guest, which sends nothing back. */
class Way extends Channel {
  constructor(
    private readonly door: Door,
    fd: i32,
  ) {
    super(door.loop, fd);
  }

  onMessage(data: usize, length: i32, fd: i32): void {}

  onDrain(): void {
    this.door.goOn();
  }
}

class Door extends TcpListener {
  private readonly ways: Array<Way> = [];
  /** Whose turn it is. */
  private next: i32 = 0;
  /** Connections for which no channel had room: the rest of one turn, then none is accepted. */
  private held: Array<i32> = [];
  private isDraining: bool = false;

  /** Opens the channel to an I/O guest. */
  addWay(fd: i32): void {
    this.ways.push(new Way(this, fd));
  }

  onAccept(fd: i32): void {
    if (this.held.length == 0 && this.handOver(fd)) return;
    this.held.push(fd);
    this.loop.watch(this, 0);
  }

  /** Accepts again, unless some wait who came before. */
  onTimeout(): void {
    if (this.held.length == 0) super.onTimeout();
  }

  /** There is room again: hands over those who wait, and accepts more. */
  goOn(): void {
    while (this.held.length != 0) {
      if (!this.handOver(this.held[0])) return;
      this.held.shift();
    }
    if (this.isDraining) this.end();
    else this.onTimeout();
  }

  /** Accepts those who have connected, then nobody; once all are handed over, ends. */
  drain(): void {
    this.isDraining = true;
    this.acceptAll();
    this.close();
    if (this.held.length == 0) this.end();
  }

  /** Gives a connection to the first I/O guest, from the next on, that has room. */
  private handOver(fd: i32): bool {
    for (let tries = 0; tries < this.ways.length; tries++) {
      const way = this.ways[this.next];
      this.next = this.next + 1 == this.ways.length ? 0 : this.next + 1;
      if (!way.isCongested && way.handOver(0, 0, fd) >= 0) return true;
    }
    return false;
  }

  /** The I/O guests find their channels closed, and end when they have answered. */
  private end(): void {
    for (let i = 0; i < this.ways.length; i++) this.ways[i].close();
  }
}

class Stop extends SignalListener {
  constructor(private readonly door: Door) {
    super(door.loop, [Signal.TERM, Signal.INT]);
  }

  onSignal(signal: i32): void {
    this.close();
    this.door.drain();
  }
}

const fd = listenerFd();
const ways = channelFds('IO');
if (fd < 0 || ways.length == 0) {
  printError('listener: it needs a listener, and channels to io\n');
  exit(1);
}
const door = new Door(new EventLoop(new EpollPoller(Trigger.LEVEL)), fd);
for (let i = 0; i < ways.length; i++) door.addWay(ways[i]);
new Stop(door);
exit(-door.loop.run());
