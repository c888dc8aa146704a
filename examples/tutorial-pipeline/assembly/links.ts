/** The processing guests, as an I/O guest sees them, and what is under way to them. */

import { Errno, EventLoop, exit, printError } from 'sandpoll/guest';
import { Connection } from './connection';
import { HEAD_BYTES, Outbox } from './outbox';

/** No more is given to a processing guest for which so much waits already. */
const BACKLOG_BYTES: i32 = 65536;

/** The channel to one processing guest. */
class Link extends Outbox {
  /** How many of its batches are not answered. */
  underWay: i32 = 0;

  constructor(
    private readonly links: Links,
    fd: i32,
  ) {
    super(links.loop, fd);
  }

  onMessage(data: usize, length: i32, fd: i32): void {
    const end = data + length;
    let batch = data;
    while (batch < end) {
      const answer = batch + HEAD_BYTES;
      const bytes = load<i32>(batch, 4);
      this.underWay -= 1;
      this.links.deliver(load<u32>(batch), answer, bytes);
      batch = answer + bytes;
    }
  }

  onFlushed(): void {}

  onEnd(): void {
    printError('io: a processing guest has ended\n');
    exit(Errno.PIPE);
  }
}

/** Who waits for a batch. */
class Flight {
  connection: Connection | null = null;
  sequence: u32 = 0;
}

export class Links {
  private readonly links: Array<Link> = [];
  /** By the number of the batch. */
  private readonly flights: Array<Flight> = [];
  private readonly freeIds: Array<u32> = [];
  /** Connections with requests for which no link had room. */
  private waiting: Array<Connection> = [];

  constructor(readonly loop: EventLoop) {}

  add(fd: i32): void {
    this.links.push(new Link(this, fd));
  }

  /** Gives lines of a connection to the link with the fewest under way; false if none has room. */
  submit(connection: Connection, sequence: u32, lines: usize, length: i32): bool {
    const link = this.choose();
    if (link === null) {
      if (!connection.isQueued) this.waiting.push(connection);
      connection.isQueued = true;
      return false;
    }
    const id = this.takeOff(connection, sequence);
    link.begin(id).append(lines, length);
    link.seal();
    link.underWay += 1;
    return true;
  }

  /** Hands an answer to the connection that waits for it, if it still does. */
  deliver(id: u32, answer: usize, length: i32): void {
    const flight = this.flights[id];
    const connection = flight.connection;
    flight.connection = null;
    this.freeIds.push(id);
    if (connection !== null) connection.onAnswer(flight.sequence, answer, length);
  }

  /** Sends what the connections have given since the last time: once for a turn of the loop. */
  flush(): void {
    do {
      for (let i = 0; i < this.links.length; i++) this.links[i].flush();
    } while (this.waiting.length != 0 && this.wake());
  }

  /** Ends the channels: the processing guests end, unless others have some too. */
  close(): void {
    for (let i = 0; i < this.links.length; i++) this.links[i].close();
  }

  /** Lets those who wait try again, in their order; false if there is still no room. */
  private wake(): bool {
    if (this.choose() === null) return false;
    const waiting = this.waiting;
    this.waiting = [];
    for (let i = 0; i < waiting.length; i++) {
      waiting[i].isQueued = false;
      waiting[i].goOn();
    }
    return true;
  }

  private choose(): Link | null {
    let best: Link | null = null;
    for (let i = 0; i < this.links.length; i++) {
      const link = this.links[i];
      if (link.backlogBytes >= BACKLOG_BYTES) continue;
      if (best === null || link.underWay < best.underWay) best = link;
    }
    return best;
  }

  private takeOff(connection: Connection, sequence: u32): u32 {
    let id = <u32>this.flights.length;
    if (this.freeIds.length != 0) id = this.freeIds.pop();
    else this.flights.push(new Flight());
    const flight = this.flights[id];
    flight.connection = connection;
    flight.sequence = sequence;
    return id;
  }
}
