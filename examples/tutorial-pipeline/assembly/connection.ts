/** A connection: its lines go to whoever is free, its answers leave in the order of the lines. */

import { ByteBuffer, Events, NS_PER_S, TcpStream } from 'sandpoll/guest';
import { Crowd } from './crowd';
import { BATCH_BYTES, BATCH_LINES } from './outbox';

/** How many batches of one connection can be under way at the same time: a power of two. */
const WINDOW: u32 = 16;

/** How long one that has just connected has for its first line, when all are to leave. */
const FIRST_LINE_NS: i64 = 2 * NS_PER_S;

const LF: u8 = 0x0a;
const TOO_LONG: i32 = -1;

/** The length of the whole lines at the start, as many as a batch holds; 0 if none is whole. */
function batchLength(data: usize, length: i32): i32 {
  const limit = min(length, BATCH_BYTES);
  let whole = 0;
  let lines = 0;
  for (let i = 0; i < limit; i++) {
    if (load<u8>(data + i) != LF) continue;
    whole = i + 1;
    if (++lines == BATCH_LINES) break;
  }
  return whole == 0 && limit == BATCH_BYTES ? TOO_LONG : whole;
}

export class Connection extends TcpStream {
  /** Whether it stands in the queue for a link with room. */
  isQueued: bool = false;

  /** What was received and not yet submitted: part of a line, or what must wait. */
  private inbox: ByteBuffer = new ByteBuffer();
  /** Answers that came before those ahead of them, by sequence: a `ByteBuffer`, or 0. */
  private early: StaticArray<usize> = new StaticArray<usize>(WINDOW);
  /** The sequence of the answer that is to leave next, and of the next batch. */
  private head: u32 = 0;
  private next: u32 = 0;
  /** Whether requests wait in the inbox until `goOn`; nothing is read meanwhile. */
  private isHeld: bool = false;
  /** Whether nothing more is read, and the connection ends with the last answer. */
  private isLast: bool = false;
  private isRefused: bool = false;
  /** Whether it ends with the answers to its first lines. */
  private isLeaving: bool = false;

  constructor(
    private readonly crowd: Crowd,
    fd: i32,
  ) {
    super(crowd.loop, fd);
    if (this.fd >= 0) crowd.enter();
  }

  onData(data: usize, length: i32): void {
    const inbox = this.inbox;
    if (inbox.length == 0) {
      const taken = this.submit(data, length);
      if (taken < length) inbox.append(data + taken, length - taken);
    } else {
      inbox.append(data, length);
      inbox.consume(this.submit(inbox.at, inbox.length));
    }
    if (this.isLeaving && this.next != 0) return this.endWithLast();
    if (this.isHeld) this.pause();
    else if (this.isLast) this.endWhenAnswered();
  }

  /** The peer has ended its side: it still gets its answers. */
  onEnd(): void {
    this.isLast = true;
    this.endWhenAnswered();
  }

  onDrain(): void {
    this.goOn();
  }

  onClose(errno: i32): void {
    for (let i: u32 = 0; i < WINDOW; i++) this.takeEarly(i);
    this.inbox.dispose();
    this.crowd.leave();
  }

  /** Takes the answer to a batch. */
  onAnswer(sequence: u32, answer: usize, length: i32): void {
    if (!this.isOpen) return;
    if (sequence != this.head) {
      const kept = new ByteBuffer();
      kept.append(answer, length);
      this.early[sequence % WINDOW] = changetype<usize>(kept);
      return;
    }
    this.head += 1;
    this.write(answer, length);
    while (this.isOpen) {
      const kept = this.early[this.head % WINDOW];
      if (kept == 0) break;
      const buffer = changetype<ByteBuffer>(kept);
      this.write(buffer.at, buffer.length);
      this.takeEarly(this.head);
      this.head += 1;
    }
    if (this.isHeld) this.goOn();
    else if (this.isLast) this.endWhenAnswered();
  }

  /** Submits what was held, and reads on if all of it went. */
  goOn(): void {
    if (!this.isOpen || !this.isHeld) return;
    this.isHeld = false;
    this.inbox.consume(this.submit(this.inbox.at, this.inbox.length));
    if (this.isHeld) return;
    if (this.isLast) this.endWhenAnswered();
    else this.resume();
  }

  /** Answers what has arrived, and ends; one that has not asked yet may do so once. */
  drain(): void {
    this.onEvents(Events.IN);
    if (!this.isOpen || this.isLast) return;
    this.isLeaving = true;
    if (this.next != 0 || this.isHeld) this.endWithLast();
    else this.loop.arm(this, FIRST_LINE_NS);
  }

  private endWithLast(): void {
    this.isLast = true;
    this.pause();
    this.endWhenAnswered();
  }

  /** Submits whole lines as far as there is room for them; how many bytes that were. */
  private submit(data: usize, length: i32): i32 {
    let at = 0;
    while (at < length) {
      if (this.isRefused) return length;
      const count = batchLength(data + at, length - at);
      if (count == 0) return at;
      if (count == TOO_LONG) {
        this.isRefused = this.isLast = true;
        return length;
      }
      const isFull = this.next - this.head == WINDOW || this.isCongested;
      if (isFull || !this.crowd.links.submit(this, this.next, data + at, count)) {
        this.isHeld = true;
        return at;
      }
      this.next += 1;
      at += count;
    }
    return at;
  }

  private endWhenAnswered(): void {
    if (this.isHeld || this.head != this.next || this.isEnding) return;
    if (this.isRefused) {
      this.inbox.clear();
      this.inbox.appendAscii('error: a line of more than 4096 bytes\n');
      this.writeBuffer(this.inbox);
    }
    if (this.isOpen) this.end();
  }

  private takeEarly(sequence: u32): void {
    const kept = this.early[sequence % WINDOW];
    if (kept != 0) changetype<ByteBuffer>(kept).free();
    this.early[sequence % WINDOW] = 0;
  }
}
