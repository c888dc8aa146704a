/** The end of a server: `SIGTERM` and `SIGINT`. */

import { Signal, SignalListener } from 'sandpoll/guest';
import { Server } from './server';

/** Lets what has arrived be sent back; then there is nothing left to wait for. */
export class Stop extends SignalListener {
  constructor(private readonly server: Server) {
    super(server.loop, [Signal.TERM, Signal.INT]);
  }

  onSignal(signal: i32): void {
    this.server.drain();
    this.close();
  }
}
