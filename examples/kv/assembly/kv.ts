/** The key-value server over epoll, with a graceful end. */

import { EpollPoller, Signal, SignalListener, exit } from 'sandpoll/guest';
import { Server, openServer } from './server';

/** Lets the commands that have arrived be answered; then there is nothing left to wait for. */
class Stop extends SignalListener {
  constructor(private readonly server: Server) {
    super(server.loop, [Signal.TERM, Signal.INT]);
  }

  onSignal(signal: i32): void {
    this.server.drain();
    this.close();
  }
}

const server = openServer(new EpollPoller());
new Stop(server);
exit(-server.loop.run());
