/** The proxy, whichever poller it waits with. */

import {
  EventLoop,
  Poller,
  SocketAddress,
  TcpListener,
  args,
  exit,
  listenerFd,
  printError,
} from 'sandpoll/guest';
import { relay } from './relay';

class ProxyListener extends TcpListener {
  private upstream: SocketAddress;

  constructor(loop: EventLoop, fd: i32, upstream: SocketAddress) {
    super(loop, fd);
    this.upstream = upstream;
  }

  onAccept(fd: i32): void {
    relay(this.loop, fd, this.upstream);
  }
}

/** Relays from the first listener that the host has opened to the address of the argument. */
export function serve(poller: Poller): void {
  const words = args();
  const upstream = words.length == 2 ? SocketAddress.parse(words[1]) : null;
  if (upstream === null) {
    printError('proxy: give it one argument, where to connect to: 127.0.0.1:8080, [::1]:8080\n');
    printError('or unix:/run/app.sock, without the name of a host\n');
    exit(2);
    return;
  }
  const fd = listenerFd();
  if (fd < 0) {
    printError('proxy: there is no listener; run it with --listen 127.0.0.1:7000\n');
    exit(1);
  }
  const loop = new EventLoop(poller);
  new ProxyListener(loop, fd, upstream);
  exit(-loop.run());
}
