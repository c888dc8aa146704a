/** Echo of datagrams, over level-triggered epoll. */

import {
  DatagramSocket,
  EpollPoller,
  EventLoop,
  SocketAddress,
  args,
  errnoName,
  exit,
  printError,
} from 'sandpoll/guest';

class Echo extends DatagramSocket {
  onDatagram(data: usize, length: i32, truncated: bool): void {
    this.queueTo(data, length, this.sender);
  }
}

/** Serves the address of the argument until the guest is stopped. */
function serve(): void {
  const words = args();
  const address = words.length == 2 ? SocketAddress.parse(words[1]) : null;
  if (address === null) {
    printError('echo-udp: give it one argument, where to receive: 127.0.0.1:7000\n');
    exit(2);
    return;
  }
  const loop = new EventLoop(new EpollPoller());
  const echo = new Echo(loop);
  let result = echo.bind(address);
  if (result == 0) result = echo.localAddress(address);
  if (result < 0) {
    printError('echo-udp: cannot receive at ' + words[1] + ': ' + errnoName(-result) + '\n');
    exit(1);
  }
  printError('listening on udp://' + address.toString() + '\n');
  exit(-loop.run());
}

serve();
