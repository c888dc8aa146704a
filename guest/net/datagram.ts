/** Datagram sockets: UDP, and those of unix paths. */

import { Errno } from '../errno';
import { EventLoop, Handler, RECEIVE_BYTES } from '../loop';
import { Events } from '../poller/poller';
import { SocketAddress } from './address';
import {
  bind,
  connect,
  localAddress,
  openDatagram,
  recvFrom,
  send,
  sendTo,
  wasTruncated,
} from './socket';

/** How many datagrams are received before others have their turn. */
const DATAGRAMS_PER_EVENT: i32 = 64;

/**
 * A datagram socket. Subclass it, and answer in `onDatagram`:
 *
 *     class Echo extends DatagramSocket {
 *       onDatagram(data: usize, length: i32, truncated: bool): void {
 *         this.sendTo(data, length, this.sender);
 *       }
 *     }
 *
 * Nothing is kept for later: a datagram that the kernel does not take now is `-Errno.AGAIN`, and
 * lost, as it might have been on its way.
 */
export abstract class DatagramSocket extends Handler {
  /** Where the present datagram came from; the next one overwrites it. */
  readonly sender: SocketAddress = new SocketAddress();
  /** Longer datagrams are cut off at this many bytes, at most `RECEIVE_BYTES`. */
  largestBytes: i32 = RECEIVE_BYTES;

  constructor(loop: EventLoop) {
    super(loop);
  }

  /** Called with each datagram, valid until it returns; one of no bytes is one, and no end. */
  abstract onDatagram(data: usize, length: i32, truncated: bool): void;

  /** Called with an error that an earlier datagram met, such as CONNREFUSED; the socket goes on. */
  onError(errno: i32): void {}

  /** Whether it is not closed. */
  get isOpen(): bool {
    return this.fd >= 0;
  }

  /** Receives at this address; port 0 is one that the system picks. Returns 0 or minus an errno. */
  bind(address: SocketAddress): i32 {
    let result = this.open(address.family);
    if (result == 0) result = bind(this.fd, address);
    return this.receiveOrClose(result);
  }

  /**
   * Sends to this address from now on, and receives from nobody else; again, to another one.
   * Returns 0 or minus an errno.
   */
  connect(address: SocketAddress): i32 {
    let result = this.open(address.family);
    if (result == 0) result = connect(this.fd, address);
    return this.receiveOrClose(result);
  }

  /** Sends a datagram to where the socket is connected to: its length, or minus an errno. */
  send(data: usize, length: i32): i32 {
    return send(this.fd, data, length);
  }

  /** Sends a datagram: its length, or minus an errno. The host must permit the address. */
  sendTo(data: usize, length: i32, to: SocketAddress): i32 {
    return sendTo(this.fd, data, length, to);
  }

  /** The socket's own address. Returns 0 or minus an errno. */
  localAddress(address: SocketAddress): i32 {
    return localAddress(this.fd, address);
  }

  /** Closes it. */
  close(): void {
    this.loop.close(this);
  }

  onEvents(events: i32): void {
    const buffer = this.loop.receiveBuffer;
    for (let i = 0; i < DATAGRAMS_PER_EVENT; i++) {
      const length = recvFrom(this.fd, buffer, min(this.largestBytes, RECEIVE_BYTES), this.sender);
      if (length >= 0) this.onDatagram(buffer, length, wasTruncated());
      else if (length == -Errno.AGAIN) return;
      else this.onError(-length);
      if (this.fd < 0) return;
    }
    if (this.loop.poller.edgeTriggered) this.loop.rearm(this);
  }

  private open(family: i32): i32 {
    if (this.fd >= 0) return 0;
    const fd = openDatagram(family);
    if (fd >= 0) this.fd = fd;
    return min(fd, 0);
  }

  private receiveOrClose(result: i32): i32 {
    const status = result < 0 ? result : this.loop.watch(this, Events.IN);
    if (status < 0) this.close();
    return status;
  }
}
