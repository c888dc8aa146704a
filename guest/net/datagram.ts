/** Datagram sockets: UDP, and those of unix paths. */

import { Errno } from '../errno';
import { EventLoop, Handler, RECEIVE_BYTES } from '../loop';
import { Events } from '../poller/poller';
import { SocketAddress } from './address';
import { BATCH_MAX, Incoming, Outgoing, QUEUE_BYTES } from './batch';
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

/** After how many events of one datagram each two are asked for. */
const PATIENCE: i32 = 8;

/** What every socket receives into and sends from: handlers are called one after the other. */
let incoming: Incoming | null = null;
let outgoing: Outgoing | null = null;

function theIncoming(): Incoming {
  let made = incoming;
  if (made === null) {
    made = new Incoming();
    incoming = made;
  }
  return made;
}

function theOutgoing(): Outgoing {
  let made = outgoing;
  if (made === null) {
    made = new Outgoing();
    outgoing = made;
  }
  return made;
}

/**
 * A datagram socket. Subclass it, and answer in `onDatagram`:
 *
 *     class Echo extends DatagramSocket {
 *       onDatagram(data: usize, length: i32, truncated: bool): void {
 *         this.queueTo(data, length, this.sender);
 *       }
 *     }
 *
 * Over epoll the datagrams that are there are received by one call, and what is queued meanwhile
 * goes out by another. Nothing is kept for longer: a datagram that the kernel does not take is
 * lost, as it might have been on its way, and told as `Errno.AGAIN`.
 */
export abstract class DatagramSocket extends Handler {
  /** Where the present datagram came from; the next one overwrites it. */
  readonly sender: SocketAddress = new SocketAddress();
  /** Longer datagrams are cut off at this many bytes, at most `RECEIVE_BYTES`. */
  largestBytes: i32 = RECEIVE_BYTES;
  /** How many datagrams are asked for at once. */
  private asked: i32 = 1;
  /** How many times in a row there was one, and one was asked for. */
  private alone: i32 = 0;
  /** Whether `onDatagram` is being called for what one call has received. */
  private isDelivering: bool = false;

  constructor(loop: EventLoop) {
    super(loop);
  }

  /** Called with each datagram, valid until it returns; one of no bytes is one, and no end. */
  abstract onDatagram(data: usize, length: i32, truncated: bool): void;

  /** Called with an error that an earlier datagram met, such as CONNREFUSED; the socket goes on. */
  onError(errno: i32): void {}

  /** Called for each datagram that was queued and could not be sent; it is lost. */
  onSendError(errno: i32): void {}

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
    this.flush();
    return send(this.fd, data, length);
  }

  /** Sends a datagram: its length, or minus an errno. The host must permit the address. */
  sendTo(data: usize, length: i32, to: SocketAddress): i32 {
    this.flush();
    return sendTo(this.fd, data, length, to);
  }

  /**
   * Sends a datagram to where the socket is connected to, by one call with others: when those that
   * came have been given to `onDatagram`, or now, if none are. The bytes are copied.
   */
  queue(data: usize, length: i32): void {
    if (!this.enqueue(data, length, null)) this.tellUnsent(this.send(data, length));
  }

  /** As `queue`, to an address. The host must permit it. */
  queueTo(data: usize, length: i32, to: SocketAddress): void {
    if (!this.enqueue(data, length, to)) this.tellUnsent(this.sendTo(data, length, to));
  }

  /** The socket's own address. Returns 0 or minus an errno. */
  localAddress(address: SocketAddress): i32 {
    return localAddress(this.fd, address);
  }

  /** Closes it; what is queued is sent. */
  close(): void {
    this.flush();
    this.isDelivering = false;
    this.loop.close(this);
  }

  onEvents(events: i32): void {
    const finished = this.loop.poller.takesDatagrams ? this.receiveMany() : this.receiveEach();
    if (!finished && this.loop.poller.edgeTriggered) this.loop.rearm(this);
  }

  /** Receives one after the other; whether there are no more, or nobody to take them. */
  private receiveEach(): bool {
    const buffer = this.loop.receiveBuffer;
    for (let i = 0; i < DATAGRAMS_PER_EVENT; i++) {
      const length = recvFrom(this.fd, buffer, min(this.largestBytes, RECEIVE_BYTES), this.sender);
      if (length >= 0) this.onDatagram(buffer, length, wasTruncated());
      else if (length == -Errno.AGAIN) return true;
      else this.onError(-length);
      if (this.fd < 0) return true;
    }
    return false;
  }

  /** Likewise, many by one call. */
  private receiveMany(): bool {
    const poller = this.loop.poller;
    const incoming = theIncoming();
    for (let received = 0; received < DATAGRAMS_PER_EVENT;) {
      const asked = this.asked;
      const largestBytes = min(this.largestBytes, RECEIVE_BYTES);
      const count = incoming.receive(poller, this.fd, asked, largestBytes);
      if (count > 0) this.deliver(incoming, count);
      else if (count == -Errno.AGAIN) return true;
      else this.onError(-count);
      if (this.fd < 0) return true;
      this.adapt(count);
      // There were no more, or an error has come, and is an event of its own. And whoever is sent
      // one at a time need not look for a second: there would be another event.
      if (count > 0 && (count < asked || asked == 1) && !poller.edgeTriggered) return true;
      received += max(1, count);
    }
    return false;
  }

  /** Asks for twice as many as there were; for one, as long as that seems to be all. */
  private adapt(count: i32): void {
    this.alone = this.asked == 1 && count == 1 ? this.alone + 1 : 0;
    const single = count <= 1 && (this.asked > 1 || this.alone < PATIENCE);
    this.asked = single ? 1 : min(2 * count, BATCH_MAX);
  }

  private deliver(incoming: Incoming, count: i32): void {
    this.isDelivering = true;
    for (let i = 0; i < count && this.isDelivering; i++) {
      incoming.readSender(i, this.sender);
      this.onDatagram(incoming.dataOf(i), incoming.lengthOf(i), incoming.wasTruncated(i));
    }
    this.flush();
    this.isDelivering = false;
  }

  /** Whether a datagram waits now to be sent with others. */
  private enqueue(data: usize, length: i32, to: SocketAddress | null): bool {
    if (!this.isDelivering || length > QUEUE_BYTES) return false;
    const outgoing = theOutgoing();
    if (!outgoing.hasRoom(length)) this.flush();
    // Its handler of errors may have closed it.
    if (!this.isDelivering) return false;
    outgoing.add(data, length, to);
    return true;
  }

  /** Sends what is queued. */
  private flush(): void {
    if (!this.isDelivering) return;
    const outgoing = theOutgoing();
    const count = outgoing.count;
    if (count == 0) return;
    // What `onSendError` sends goes by itself.
    this.isDelivering = false;
    const fd = this.fd;
    let first = 0;
    while (first < count && this.fd == fd) {
      const sent = outgoing.send(this.loop.poller, fd, first, count);
      first += max(1, sent);
      this.tellUnsent(sent);
    }
    outgoing.clear();
    this.isDelivering = this.fd == fd;
  }

  private tellUnsent(result: i32): void {
    if (result < 0) this.onSendError(-result);
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
