/** A worker: takes items from its queue, does what they are about, and arms again. */

import { Errno, errnoName, exit, printError, setNonBlocking } from 'sandpoll/guest';
import { eventfd } from 'sandpoll/guest/bindings/sandpoll';
import { fd_close } from 'sandpoll/guest/bindings/wasi_snapshot_preview1';
import { Connection } from './connection';
import { EVENT_BYTES, Epoll, Interests } from './interests';
import { QueueFromLoop } from './queue';

const NONE: i32 = -1;
const RESULT: usize = memory.data(4, 4);

export class Worker {
  /** By what their events carry. */
  private connections: Map<u64, Connection> = new Map<u64, Connection>();
  /** A descriptor given up to take, and refuse, a connection for which there is none left. */
  private reserve: i32 = NONE;

  /** `interests` is the loop's epoll. */
  constructor(
    private interests: Interests,
    private queue: QueueFromLoop,
    private name: string,
  ) {
    this.keepReserve();
  }

  /** Waits for one message and does all of it: whether there will be others. */
  turn(): bool {
    const length = this.queue.pop();
    if (length < 0) return this.popNone(-length);
    const passed = this.queue.passed;
    if (passed >= 0) {
      this.admit(passed, load<u64>(this.queue.message));
      return true;
    }
    const end = this.queue.message + length;
    for (let item = this.queue.message; item < end; item += EVENT_BYTES) {
      this.handle(load<u64>(item, 8));
    }
    return true;
  }

  /**
   * The connection is watched by the descriptor that we have of it: nobody but us can arm it,
   * and it leaves the epoll when we close it.
   */
  private admit(fd: i32, data: u64): void {
    setNonBlocking(fd);
    const wanted = Epoll.IN | Epoll.RDHUP;
    if (this.reserve < 0 || this.interests.add(fd, wanted, data) < 0) {
      fd_close(fd);
      return this.keepReserve();
    }
    this.connections.set(data, new Connection(fd, this.name));
  }

  /**
   * An item is ours alone until its connection is armed again: nothing is reported of it till
   * then, not even that it broke. What came meanwhile is reported at that moment.
   */
  private handle(data: u64): void {
    // It is closed by none but who holds its one item: one for nobody would be a second one.
    if (!this.connections.has(data)) {
      printError('an item that nobody armed\n');
      return exit(1);
    }
    const connection = this.connections.get(data);
    connection.handle();
    const wanted = connection.wanted;
    if (wanted != 0 && this.interests.arm(connection.fd, wanted, data) == 0) return;
    this.connections.delete(data);
    fd_close(connection.fd);
    connection.free();
    this.keepReserve();
  }

  /** Nothing was taken from the queue: whether to try again. */
  private popNone(errno: i32): bool {
    if (errno == Errno.MFILE && this.reserve >= 0) {
      fd_close(this.reserve);
      this.reserve = NONE;
      return true;
    }
    if (errno != Errno.INTR && errno != Errno.PIPE) {
      printError('cannot take from the queue: ' + errnoName(errno) + '\n');
    }
    return errno == Errno.INTR;
  }

  private keepReserve(): void {
    if (this.reserve < 0 && eventfd(0, 0, RESULT) == 0) this.reserve = load<i32>(RESULT);
  }
}
