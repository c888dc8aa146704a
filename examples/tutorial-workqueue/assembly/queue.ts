/**
 * The work queue: a channel from the loop to each worker. The first message brings the epoll;
 * then one with a descriptor is a new connection, and any other is a run of work items.
 */

import { ByteBuffer, Errno } from 'sandpoll/guest';
import { channel_recv, channel_send } from 'sandpoll/guest/bindings/sandpoll';
import { fd_close } from 'sandpoll/guest/bindings/wasi_snapshot_preview1';
import { EVENT_BYTES } from './interests';

/** The longest message: what does not fit goes with the next. */
const MESSAGE_BYTES: i32 = 256 * EVENT_BYTES;
const NO_DESCRIPTOR: i32 = -1;

const MESSAGE: usize = memory.data(MESSAGE_BYTES, 8);
const IOV: usize = memory.data(8, 4);
const SIZE: usize = memory.data(4, 4);
const PASSED: usize = memory.data(4, 4);
const FLAGS: usize = memory.data(4, 4);

/** The loop's end: non-blocking. */
export class QueueToWorker {
  /** Whether the channel had no room for something, and has not told that it has again. */
  isFull: bool = false;
  /** Whether the worker has ended. */
  isGone: bool = false;

  /**
   * Items that found no room. A connection has at most one, because its event disarmed it: so
   * there are never more than connections.
   */
  private items: ByteBuffer = new ByteBuffer();

  constructor(readonly fd: i32) {}

  get isEmpty(): bool {
    return this.items.length == 0;
  }

  /** Appends an item: an epoll_event. It goes with the next `flush`. */
  push(event: usize): void {
    if (!this.isGone) this.items.append(event, EVENT_BYTES);
  }

  /** Sends the items, as far as there is room. */
  flush(): void {
    while (this.items.length != 0) {
      const length = min(this.items.length, MESSAGE_BYTES);
      if (!this.send(this.items.at, length, NO_DESCRIPTOR)) return;
      this.items.consume(length);
    }
  }

  /** Gives the worker a descriptor with 64 bits about it: whether there was room. */
  give(fd: i32, data: u64): bool {
    store<u64>(MESSAGE, data);
    return this.send(MESSAGE, 8, fd);
  }

  /** The worker has ended: what it had is lost. */
  lose(): void {
    this.isGone = true;
    this.items.dispose();
    fd_close(this.fd);
  }

  private send(data: usize, length: i32, passed: i32): bool {
    store<usize>(IOV, data);
    store<i32>(IOV, length, 4);
    const errno = channel_send(this.fd, IOV, 1, passed, SIZE);
    if (errno == Errno.AGAIN) this.isFull = true;
    return errno == 0;
  }
}

/** The worker's end: blocking. */
export class QueueFromLoop {
  /** The descriptor that came with the last message, or −1. */
  passed: i32 = NO_DESCRIPTOR;
  /** The bytes of the last message. */
  readonly message: usize = MESSAGE;

  constructor(private fd: i32) {}

  /** Waits for the next message: its length, or minus an errno. */
  pop(): i32 {
    store<usize>(IOV, MESSAGE);
    store<i32>(IOV, MESSAGE_BYTES, 4);
    const errno = channel_recv(this.fd, IOV, 1, SIZE, PASSED, FLAGS);
    this.passed = errno == 0 ? load<i32>(PASSED) : NO_DESCRIPTOR;
    return errno == 0 ? load<i32>(SIZE) : -errno;
  }
}
