/** What a loop does for many sockets by one call of the host, where its poller has such a call. */

import { Errno } from './errno';
import { Handler } from './loop';
import { Poller } from './poller/poller';

const OP_SEND: i32 = 26;
const OP_RECV: i32 = 27;

const SUBMISSION_BYTES: usize = 20;

/** How many operations are carried out together; more would keep the first answers waiting. */
export const TOGETHER_MAX: i32 = 32;
/** With fewer events than this, single calls cost no more. */
export const TOGETHER_MIN: i32 = 3;
/** How much of a connection is received, or sent, together with others. */
export const PIECE_BYTES: i32 = 4096;
/** Readable behind the last piece, for those who read eight bytes at once. */
const SLACK_BYTES: i32 = 8;

/**
 * Two rows of operations, each with room for `TOGETHER_MAX` pieces: the receives of a batch of
 * events, and the sends that its handlers have asked for.
 */
export class Submissions {
  /** How many receives are asked for. */
  receiving: i32 = 0;
  /** How many sends are asked for. */
  sending: i32 = 0;

  private poller: Poller;
  private receives: usize = heap.alloc(<usize>TOGETHER_MAX * SUBMISSION_BYTES);
  private sends: usize = heap.alloc(<usize>TOGETHER_MAX * SUBMISSION_BYTES);
  private pieces: usize = heap.alloc(TOGETHER_MAX * PIECE_BYTES + SLACK_BYTES);
  private outgoing: usize = heap.alloc(TOGETHER_MAX * PIECE_BYTES);
  private outgoingBytes: i32 = 0;
  private senders: StaticArray<Handler | null> = new StaticArray<Handler | null>(TOGETHER_MAX);

  constructor(poller: Poller) {
    this.poller = poller;
  }

  /** Asks for what there is to receive, up to `PIECE_BYTES`. Returns the number to ask after. */
  receive(fd: i32): i32 {
    const index = this.receiving++;
    const at = this.receives + <usize>index * SUBMISSION_BYTES;
    store<i32>(at, OP_RECV);
    store<i32>(at, fd, 4);
    store<usize>(at, this.pieceOf(index), 8);
    store<i32>(at, PIECE_BYTES, 12);
    return index;
  }

  /** Where receive number `index` leaves its bytes, until the next ones are carried out. */
  pieceOf(index: i32): usize {
    return this.pieces + <usize>(index * PIECE_BYTES);
  }

  /** What receive number `index` has brought: bytes, or minus an errno. */
  receivedBy(index: i32): i32 {
    return load<i32>(this.receives + <usize>index * SUBMISSION_BYTES, 16);
  }

  /** Carries out the receives. */
  carryOutReceives(): void {
    this.carryOut(this.receives, this.receiving);
    this.receiving = 0;
  }

  /**
   * Takes bytes to be sent, a copy of them; false if there is no room left, or bytes of the sender
   * are there that others have come behind.
   */
  send(sender: Handler, data: usize, length: i32): bool {
    if (this.outgoingBytes + length > TOGETHER_MAX * PIECE_BYTES) return false;
    let index = this.sending - 1;
    if (!sender.isCollected) {
      if (this.sending == TOGETHER_MAX) return false;
      index = this.sending++;
      const at = this.sends + <usize>index * SUBMISSION_BYTES;
      store<i32>(at, OP_SEND);
      store<i32>(at, sender.fd, 4);
      store<usize>(at, this.outgoing + <usize>this.outgoingBytes, 8);
      store<i32>(at, 0, 12);
      unchecked((this.senders[index] = sender));
      sender.isCollected = true;
    } else if (unchecked(this.senders[index]) !== sender) {
      return false;
    }
    const at = this.sends + <usize>index * SUBMISSION_BYTES;
    memory.copy(this.outgoing + <usize>this.outgoingBytes, data, length);
    store<i32>(at, load<i32>(at, 12) + length, 12);
    this.outgoingBytes += length;
    return true;
  }

  /** Sends what was taken. What the kernel did not take goes back to its senders, all first. */
  carryOutSends(): void {
    const count = this.sending;
    this.carryOut(this.sends, count);
    this.sending = 0;
    this.outgoingBytes = 0;
    for (let index = 0; index < count; index++) {
      const sender = unchecked(this.senders[index])!;
      sender.isCollected = false;
      const at = this.sends + <usize>index * SUBMISSION_BYTES;
      const sent = load<i32>(at, 16);
      const length = load<i32>(at, 12);
      if (sent == length) unchecked((this.senders[index] = null));
      else if (sent >= 0) sender.onUnsent(load<usize>(at, 8) + <usize>sent, length - sent);
      else if (sent == -Errno.AGAIN) sender.onUnsent(load<usize>(at, 8), length);
    }
    for (let index = 0; index < count; index++) {
      const sender = unchecked(this.senders[index]);
      if (sender === null) continue;
      unchecked((this.senders[index] = null));
      const sent = load<i32>(this.sends + <usize>index * SUBMISSION_BYTES, 16);
      sender.onSendsOver(sent < 0 && sent != -Errno.AGAIN ? sent : 0);
    }
  }

  private carryOut(operations: usize, count: i32): void {
    const result = this.poller.submit(operations, count);
    if (result == 0) return;
    for (let index = 0; index < count; index++) {
      store<i32>(operations + <usize>index * SUBMISSION_BYTES, result, 16);
    }
  }
}
