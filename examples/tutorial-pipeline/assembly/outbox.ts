/** What I/O and processing guests say to each other: batches of lines, in both directions. */

import { ByteBuffer, Channel, EventLoop, Errno } from 'sandpoll/guest';

/** The most bytes and the most lines of a batch of requests; no line is longer. */
export const BATCH_BYTES: i32 = 4096;
export const BATCH_LINES: i32 = 64;

/** Before each batch: its number u32 @0, the length of its lines u32 @4. */
export const HEAD_BYTES: i32 = 8;

/**
 * What a message holds at most, unless it is one batch alone. The answers to the shortest lines are
 * 33 times as long: this bounds what a processing guest can have to keep.
 */
const MESSAGE_BYTES: i32 = 8192;

/**
 * A channel that gathers batches, and sends many of them in one message. What a full channel does
 * not take waits here: whoever writes looks at `backlogBytes`, and writes no more when it is long.
 */
export abstract class Outbox extends Channel {
  private batches: ByteBuffer = new ByteBuffer();
  private headAt: i32 = 0;

  constructor(loop: EventLoop, fd: i32) {
    super(loop, fd);
  }

  /** Called when all is sent that a full channel had left waiting. */
  abstract onFlushed(): void;

  /** How many bytes wait to be sent. */
  get backlogBytes(): i32 {
    return this.batches.length;
  }

  /** Begins a batch; its lines are appended to what this returns, and `seal` ends it. */
  begin(id: u32): ByteBuffer {
    this.headAt = this.batches.length;
    store<u32>(this.batches.reserve(HEAD_BYTES), id);
    this.batches.commit(HEAD_BYTES);
    return this.batches;
  }

  seal(): void {
    const length = this.batches.length - this.headAt - HEAD_BYTES;
    store<i32>(this.batches.at + this.headAt, length, 4);
  }

  /** Sends what there is, as far as the channel takes it. */
  flush(): void {
    while (this.batches.length != 0 && !this.isCongested) {
      const length = this.messageLength();
      const result = this.send(this.batches.at, length);
      if (result == -Errno.AGAIN) return;
      // The other end is gone, and `onEnd` tells of it.
      if (result < 0) return this.batches.clear();
      this.batches.consume(length);
    }
  }

  onDrain(): void {
    this.flush();
    if (this.batches.length == 0) this.onFlushed();
  }

  /** The length of the batches that go in one message: at least one. */
  private messageLength(): i32 {
    const at = this.batches.at;
    const all = this.batches.length;
    if (all <= MESSAGE_BYTES) return all;
    let length = HEAD_BYTES + load<i32>(at, 4);
    while (length < all) {
      const after = length + HEAD_BYTES + load<i32>(at + length, 4);
      if (after > MESSAGE_BYTES) break;
      length = after;
    }
    return length;
  }
}
