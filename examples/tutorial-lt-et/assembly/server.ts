/** The listener, the clients, and the loop. */

import { Errno, accept, errnoName, print, setNonBlocking } from 'sandpoll/guest';
import { fd_close } from 'sandpoll/guest/bindings/wasi_snapshot_preview1';
import { Client } from './client';
import { Epoll, Interests } from './interests';

/** What the listener's events carry; the clients are counted from 1. */
const LISTENER: u64 = 0;

export class Server {
  private interests: Interests = new Interests();
  /**
   * By number, not by descriptor: no number is given twice, so that an event that was under way
   * when its client left finds nobody, not even the next user of the same descriptor.
   */
  private clients: Map<u64, Client> = new Map<u64, Client>();
  private count: u64 = 0;
  private trigger: i32;
  private isListening: bool = false;

  constructor(
    private listener: i32,
    edgeTriggered: bool,
  ) {
    this.trigger = edgeTriggered ? Epoll.ET : 0;
  }

  /** Serves for ever; returns minus an errno if it cannot. */
  run(): i32 {
    let result = setNonBlocking(this.listener);
    if (result == 0) result = this.interests.open();
    if (result == 0) result = this.listen();
    while (result >= 0 || result == -Errno.INTR) result = this.turn();
    return result;
  }

  private turn(): i32 {
    const count = this.interests.wait();
    for (let i = 0; i < count; i++) {
      this.dispatch(this.interests.eventsOf(i), this.interests.dataOf(i));
    }
    return count;
  }

  private dispatch(events: i32, data: u64): void {
    if (data == LISTENER) return this.acceptAll();
    if (!this.clients.has(data)) return;
    const client = this.clients.get(data);
    const news = client.handle(events);
    if (news.length != 0) tell(client, news);
    if (client.hasLeft) this.remove(client);
  }

  private listen(): i32 {
    this.isListening = true;
    return this.interests.add(this.listener, Epoll.IN | this.trigger, LISTENER);
  }

  /** Accepts until EAGAIN: several may have come, and edge-triggered that is told once. */
  private acceptAll(): void {
    for (;;) {
      const fd = accept(this.listener);
      if (fd == -Errno.AGAIN) return;
      if (fd == -Errno.MFILE || fd == -Errno.NFILE) return this.pauseListening();
      if (fd >= 0) this.welcome(fd);
      else print('a connection was not accepted: ' + errnoName(-fd) + '\n');
    }
  }

  /** No descriptors: the listener would be ready for ever. It waits for a client to leave. */
  private pauseListening(): void {
    print('no more descriptors: new clients wait\n');
    this.interests.remove(this.listener);
    this.isListening = false;
  }

  private welcome(fd: i32): void {
    const client = new Client(this.interests, fd, ++this.count, this.trigger);
    this.clients.set(client.id, client);
    tell(client, 'came');
    if (client.hasLeft) this.remove(client);
  }

  private remove(client: Client): void {
    tell(client, client.farewell);
    this.clients.delete(client.id);
    // Closing takes it off the interest list too.
    fd_close(client.fd);
    client.free();
    if (!this.isListening) this.listen();
  }
}

function tell(client: Client, news: string): void {
  print('client ' + client.id.toString() + ' ' + news + '\n');
}
