/** A connection through the proxy: two streams, each of which passes on what it receives. */

import {
  EventLoop,
  NS_PER_S,
  SocketAddress,
  TcpStream,
  errnoName,
  printError,
} from 'sandpoll/guest';

const CONNECT_TIMEOUT_NS: i64 = 5 * NS_PER_S;

/**
 * One of the two. What it receives it sends to the other one at once, out of the buffer that all
 * share. What the other one's socket does not take is kept there, and until that is gone this
 * one reads nothing: each direction holds one buffer at most, and stops the sender by itself.
 */
class Side extends TcpStream {
  private other: Side | null = null;

  constructor(loop: EventLoop, fd: i32 = -1) {
    super(loop, fd);
    this.highWaterBytes = 0;
    this.lowWaterBytes = 0;
  }

  /** Makes two sides one connection. */
  join(other: Side): void {
    this.other = other;
    other.other = this;
  }

  onData(data: usize, length: i32): void {
    const other = this.other;
    if (other !== null) other.write(data, length);
  }

  /** The peer has sent all it will, and may still receive: so may the other peer now. */
  onEnd(): void {
    const other = this.other;
    if (other !== null) other.endWriting();
  }

  onCongestion(): void {
    const other = this.other;
    if (other !== null) other.pause();
  }

  onDrain(): void {
    const other = this.other;
    if (other !== null) other.resume();
  }

  /** Both have ended when one closes in peace; a connection that breaks, breaks on both sides. */
  onClose(errno: i32): void {
    const other = this.other;
    this.other = null;
    if (other === null) return;
    other.other = null;
    if (errno == 0) other.closeWhenSent();
    else other.reset(errno);
  }
}

/** The side that connects out. */
class Upstream extends Side {
  private address: SocketAddress;

  constructor(loop: EventLoop, address: SocketAddress) {
    super(loop);
    this.address = address;
  }

  open(): void {
    const result = this.connect(this.address, CONNECT_TIMEOUT_NS);
    if (result >= 0) return;
    this.onConnect(result);
    this.onClose(-result);
  }

  onConnect(result: i32): void {
    if (result == 0) return;
    printError('proxy: cannot reach ' + this.address.toString() + ': ' + errnoName(-result) + '\n');
  }
}

/** Relays between a new connection and the address. */
export function relay(loop: EventLoop, fd: i32, address: SocketAddress): void {
  const upstream = new Upstream(loop, address);
  upstream.join(new Side(loop, fd));
  upstream.open();
}
