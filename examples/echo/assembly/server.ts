/** The echo server, whichever poller it waits with. */

import {
  EventLoop,
  Events,
  Poller,
  TcpListener,
  TcpStream,
  exit,
  listenerFd,
  printError,
} from 'sandpoll/guest';

class Echo extends TcpStream {
  onData(data: usize, length: i32): void {
    this.write(data, length);
  }

  /** Sends back what has arrived, and ends. */
  drain(): void {
    if (this.isEnding) return;
    this.onEvents(Events.IN);
    this.end();
  }
}

export class Server extends TcpListener {
  onAccept(fd: i32): void {
    new Echo(this.loop, fd);
  }

  /** Accepts those who have just connected, then nobody, and ends every connection. */
  drain(): void {
    this.acceptAll();
    this.close();
    for (let slot = 0; slot < this.loop.slotCount; slot++) {
      const handler = this.loop.handlerAt(slot);
      if (handler instanceof Echo) (handler as Echo).drain();
    }
  }
}

/** A server of the first listener that the host has opened. */
export function openServer(poller: Poller): Server {
  const fd = listenerFd();
  if (fd < 0) {
    printError('echo: there is no listener; run it with --listen 127.0.0.1:7000\n');
    exit(1);
  }
  return new Server(new EventLoop(poller), fd);
}
