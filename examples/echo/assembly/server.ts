/** The echo server, whichever poller it waits with. */

import {
  EventLoop,
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
}

class EchoListener extends TcpListener {
  onAccept(fd: i32): void {
    new Echo(this.loop, fd);
  }
}

/** Serves the first listener that the host has opened, until the guest is stopped. */
export function serve(poller: Poller): void {
  const fd = listenerFd();
  if (fd < 0) {
    printError('echo: there is no listener; run it with --listen 127.0.0.1:7000\n');
    exit(1);
  }
  const loop = new EventLoop(poller);
  new EchoListener(loop, fd);
  exit(-loop.run());
}
