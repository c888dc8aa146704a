/** The one epoll loop: it accepts, and puts what is ready into the queues. It never reads. */

import { Errno, accept, errnoName, printError, setNonBlocking } from 'sandpoll/guest';
import { signalfd } from 'sandpoll/guest/bindings/sandpoll';
import { fd_close } from 'sandpoll/guest/bindings/wasi_snapshot_preview1';
import { EVENT_BYTES, Epoll, FOR_EVER, Interests } from './interests';
import { QueueToWorker } from './queue';

/** What the events of our own descriptors carry; queue `k` has `FIRST_QUEUE + k`. */
const LISTENER: u64 = 0;
const SIGNALS: u64 = 1;
const FIRST_QUEUE: u64 = 2;
/** Connection `n` has `FIRST_CONNECTION + n`, and belongs to worker `n` modulo their number. */
const FIRST_CONNECTION: u64 = 1 << 32;

/** How long accepting stops when the machine has nothing left for another connection. */
const RETRY_MS: i32 = 100;
const SIGTERM: i32 = 15;
const NONE: i32 = -1;
const MASK: usize = memory.data(8, 8);
const RESULT: usize = memory.data(4, 4);

export class Loop {
  private queues: Array<QueueToWorker> = [];
  /** How many connections there have been. */
  private count: u64 = 0;
  /** Whether there is somebody to accept; the listener is disarmed meanwhile. */
  private isAccepting: bool = false;
  /** A connection for which there was no room in a queue. */
  private held: i32 = NONE;
  private isStopped: bool = false;
  /** What the guest ends with. */
  status: i32 = 0;

  constructor(
    private interests: Interests,
    private listener: i32,
  ) {}

  /** Gets everything ready: 0, or minus an errno. */
  open(channels: Array<i32>): i32 {
    setNonBlocking(this.listener);
    let result = this.interests.add(this.listener, Epoll.IN, LISTENER);
    if (result < 0) return result;
    store<u64>(MASK, (<u64>1) << (SIGTERM - 1));
    result = -signalfd(MASK, 0, RESULT);
    if (result == 0) result = this.interests.add(load<i32>(RESULT), Epoll.IN, SIGNALS);
    for (let k = 0; k < channels.length && result == 0; k++) {
      const queue = new QueueToWorker(channels[k]);
      setNonBlocking(queue.fd);
      queue.give(this.interests.epfd, 0);
      this.queues.push(queue);
      // For nothing but HUP: that its worker has ended.
      result = this.interests.add(queue.fd, 0, FIRST_QUEUE + k);
    }
    return result;
  }

  /** Whether to go on. */
  get isRunning(): bool {
    return !this.isStopped;
  }

  /** Waits once, and puts what is ready into the queues. */
  turn(): void {
    const isShort = this.isAccepting && this.held < 0;
    const count = this.interests.wait(isShort ? RETRY_MS : FOR_EVER);
    if (count == -Errno.INTR) return;
    if (count < 0) return this.stop('cannot wait: ' + errnoName(-count));
    let event = this.interests.events;
    for (let i = 0; i < count; i++, event += EVENT_BYTES) this.take(event);
    for (let k = 0; k < this.queues.length; k++) this.serve(k);
    if (this.isAccepting) this.acceptAll();
  }

  private take(event: usize): void {
    const data = load<u64>(event, 8);
    if (data >= FIRST_CONNECTION) {
      this.queueOf(data - FIRST_CONNECTION).push(event);
    } else if (data == LISTENER) {
      this.isAccepting = true;
    } else if (data == SIGNALS) {
      this.isStopped = true;
    } else {
      this.tell(<i32>(data - FIRST_QUEUE), load<i32>(event));
    }
  }

  private queueOf(number: u64): QueueToWorker {
    return this.queues[<i32>(number % this.queues.length)];
  }

  /** A queue has room again, or its worker has ended. */
  private tell(k: i32, events: i32): void {
    const queue = this.queues[k];
    queue.isFull = false;
    if ((events & (Epoll.HUP | Epoll.ERR)) == 0) {
      this.interests.arm(queue.fd, 0, FIRST_QUEUE + k);
      return;
    }
    queue.lose();
    printError('worker ' + k.toString() + ' has ended\n');
    for (let i = 0; i < this.queues.length; i++) if (!this.queues[i].isGone) return;
    this.stop('no worker is left');
  }

  /** Sends what queue `k` still has. */
  private serve(k: i32): void {
    const queue = this.queues[k];
    if (queue.isEmpty || queue.isFull) return;
    queue.flush();
    this.hearOf(k);
  }

  /** A full queue is heard of when it has room again. */
  private hearOf(k: i32): void {
    const queue = this.queues[k];
    if (queue.isFull) this.interests.arm(queue.fd, Epoll.OUT, FIRST_QUEUE + k);
  }

  /** Accepts until EAGAIN, or until all queues are full: the others wait in the listener then. */
  private acceptAll(): void {
    while (!this.isStopped && this.findRoom()) {
      if (this.held < 0) this.held = accept(this.listener);
      if (this.held >= 0) this.give();
      else if (!this.canGoOn(-this.held)) return;
    }
  }

  /** Leaves out the numbers of connections whose worker is gone, or has no room. */
  private findRoom(): bool {
    for (let tries = this.queues.length; tries > 0; tries--) {
      const queue = this.queueOf(this.count);
      if (!queue.isFull && !queue.isGone) return true;
      this.count += 1;
    }
    return false;
  }

  /** Gives the connection that is held to the worker whose turn it is, if that has room. */
  private give(): void {
    const queue = this.queueOf(this.count);
    queue.give(this.held, FIRST_CONNECTION + this.count);
    if (queue.isFull) return this.hearOf(<i32>(this.count % this.queues.length));
    // The worker has a descriptor of its own for it. This one has done its duty.
    fd_close(this.held);
    this.held = NONE;
    this.count += 1;
  }

  /** After an accept that failed: whether the next one may succeed. */
  private canGoOn(errno: i32): bool {
    switch (errno) {
      case Errno.AGAIN:
        this.isAccepting = false;
        this.interests.arm(this.listener, Epoll.IN, LISTENER);
        return false;
      case Errno.MFILE:
      case Errno.NFILE:
      case Errno.NOBUFS:
      case Errno.NOMEM:
        return false;
      default:
        // It was the one connection's, which is gone.
        return true;
    }
  }

  private stop(reason: string): void {
    printError(reason + '\n');
    this.status = 1;
    this.isStopped = true;
  }
}
