/** Many datagrams by one call: `recvmmsg(2)` and `sendmmsg(2)`, and where their bytes are kept. */

import { RECEIVE_BYTES } from '../loop';
import { Poller } from '../poller/poller';
import { SOCKADDR_BYTES, SocketAddress } from './address';

/** How many datagrams one call takes. */
export const BATCH_MAX: i32 = 32;
/** How many bytes wait at most to be sent by one call: more than the longest datagram of UDP. */
export const QUEUE_BYTES: i32 = 65536;

/** `struct mmsghdr`: a `msghdr`, and the bytes that it came to. */
const HEADER_BYTES: usize = 32;
const NAME: usize = 0;
const NAMELEN: usize = 4;
const IOV: usize = 8;
const IOVLEN: usize = 12;
const FLAGS: usize = 24;
const LEN: usize = 28;
const IOVEC_BYTES: usize = 8;
const MSG_TRUNC: i32 = 0x20;

/** The headers of a batch, each with one iovec and room for one address. */
abstract class Headers {
  protected headers: usize = heap.alloc(<usize>BATCH_MAX * HEADER_BYTES);
  private iovecs: usize = heap.alloc(<usize>BATCH_MAX * IOVEC_BYTES);
  private names: usize = heap.alloc(BATCH_MAX * SOCKADDR_BYTES);

  constructor() {
    memory.fill(this.headers, 0, <usize>BATCH_MAX * HEADER_BYTES);
    memory.fill(this.iovecs, 0, <usize>BATCH_MAX * IOVEC_BYTES);
    for (let i: usize = 0; i < <usize>BATCH_MAX; i++) {
      const header = this.headers + i * HEADER_BYTES;
      store<usize>(header, this.names + i * <usize>SOCKADDR_BYTES, NAME);
      store<usize>(header, this.iovecs + i * IOVEC_BYTES, IOV);
      store<i32>(header, 1, IOVLEN);
    }
  }

  protected header(index: i32): usize {
    return this.headers + <usize>index * HEADER_BYTES;
  }

  protected iovec(index: i32): usize {
    return this.iovecs + <usize>index * IOVEC_BYTES;
  }

  protected name(index: i32): usize {
    return this.names + <usize>(index * SOCKADDR_BYTES);
  }
}

/** Datagrams that came. A buffer for the longest is made for each that is asked for at once. */
export class Incoming extends Headers {
  /** Receives up to `most` datagrams of up to `largestBytes`: how many, or minus an errno. */
  receive(poller: Poller, fd: i32, most: i32, largestBytes: i32): i32 {
    for (let i = 0; i < most; i++) {
      const iovec = this.iovec(i);
      if (load<usize>(iovec) == 0) store<usize>(iovec, heap.alloc(RECEIVE_BYTES));
      store<i32>(iovec, largestBytes, 4);
      store<i32>(this.header(i), SOCKADDR_BYTES, NAMELEN);
    }
    return poller.receiveDatagrams(fd, this.headers, most);
  }

  dataOf(index: i32): usize {
    return load<usize>(this.iovec(index));
  }

  lengthOf(index: i32): i32 {
    return load<i32>(this.header(index), LEN);
  }

  wasTruncated(index: i32): bool {
    return (load<i32>(this.header(index), FLAGS) & MSG_TRUNC) != 0;
  }

  readSender(index: i32, sender: SocketAddress): void {
    sender.readSockaddr(this.name(index), load<i32>(this.header(index), NAMELEN));
  }
}

/** Datagrams that are to go: their bytes are copied. */
export class Outgoing extends Headers {
  count: i32 = 0;
  private used: i32 = 0;
  private bytes: usize = heap.alloc(QUEUE_BYTES);

  /** Whether there is room for one more of this length. */
  hasRoom(length: i32): bool {
    return this.count < BATCH_MAX && length <= QUEUE_BYTES - this.used;
  }

  /** Takes one more, for which there is room; null is where the socket is connected to. */
  add(data: usize, length: i32, to: SocketAddress | null): void {
    const index = this.count++;
    const at = this.bytes + this.used;
    memory.copy(at, data, length);
    this.used += length;
    const iovec = this.iovec(index);
    store<usize>(iovec, at);
    store<i32>(iovec, length, 4);
    const nameBytes = to === null ? 0 : to.writeSockaddr(this.name(index));
    store<i32>(this.header(index), nameBytes, NAMELEN);
  }

  /** Sends those from `first` up to `end`: how many, or minus the errno of the first. */
  send(poller: Poller, fd: i32, first: i32, end: i32): i32 {
    return poller.sendDatagrams(fd, this.header(first), end - first);
  }

  clear(): void {
    this.count = 0;
    this.used = 0;
  }
}
