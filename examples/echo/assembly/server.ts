/** The echo server, whichever poller it waits with. */

import { EventLoop, Poller, TcpListener, TcpStream, exit, listenerFd } from 'sandpoll/guest';

class Echo extends TcpStream {
  onData(data: usize, length: i32): void {
    this.write(data, length);
  }
}

class EchoListener extends TcpListener {
  onAccept(fd: i32): void {
    new Echo(this.loop, fd);
  }
}

/** Serves the first listener that the host has opened, until the guest is stopped. */
export function serve(poller: Poller): void {
  const loop = new EventLoop(poller);
  new EchoListener(loop, listenerFd());
  exit(-loop.run());
}
