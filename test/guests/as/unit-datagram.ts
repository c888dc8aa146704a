/** Datagrams: UDP and unix, connected or not, with each poller. */

import {
  DatagramSocket,
  EpollPoller,
  Errno,
  EventLoop,
  Poller,
  PollPoller,
  SocketAddress,
  Trigger,
  args,
  equalsAscii,
  errnoName,
  writeAscii,
} from 'sandpoll/guest';
import { check, checkSame, checkText, finish } from './lib/check';

const MESSAGE: usize = memory.data(66000);
/** Where the host lets us make unix sockets: two paths, as arguments. */
const paths = args();

class Echo extends DatagramSocket {
  onDatagram(data: usize, length: i32, truncated: bool): void {
    this.sendTo(data, length, this.sender);
  }
}

/** Sends what it is told, one datagram after the other, each when the last one is answered. */
class Asker extends DatagramSocket {
  to: SocketAddress | null = null;
  lengths: Array<i32> = [];
  answers: Array<i32> = [];
  truncations: i32 = 0;
  errno: i32 = 0;
  lastSender: string = '';
  private next: i32 = 0;

  ask(): void {
    if (this.next == this.lengths.length) return this.loop.stop();
    const length = this.lengths[this.next++];
    const to = this.to;
    const sent = to === null ? this.send(MESSAGE, length) : this.sendTo(MESSAGE, length, to);
    if (sent != length) this.loop.stop();
  }

  onDatagram(data: usize, length: i32, truncated: bool): void {
    this.answers.push(length);
    this.truncations += i32(truncated);
    this.lastSender = this.sender.toString();
    this.ask();
  }

  onError(errno: i32): void {
    this.errno = errno;
    this.loop.stop();
  }

  onTimeout(): void {
    this.loop.stop();
  }
}

function local(): SocketAddress {
  return SocketAddress.ipv4(127, 0, 0, 1, 0);
}

function testUdp(poller: Poller, name: string): void {
  const loop = new EventLoop(poller);
  const here = local();
  const echo = new Echo(loop);
  checkSame(echo.bind(here), 0, name + ' binds');
  checkSame(echo.localAddress(here), 0, name + ' has a port');
  const asker = new Asker(loop);
  checkSame(asker.bind(local()), 0, name + ' binds the asker');
  asker.to = here;
  asker.largestBytes = 1000;
  asker.lengths = [5, 0, 1000, 1001, 0, 60000, 1];
  asker.ask();
  checkSame(loop.run(), 0, name + ' runs');
  checkText(asker.answers.join(' '), '5 0 1000 1000 0 1000 1', name + ' has every datagram (B91)');
  checkSame(asker.truncations, 2, name + ' tells which were cut off (E20)');
  checkText(asker.lastSender, here.toString(), name + ' knows the sender');
  checkSame(asker.sendTo(MESSAGE, 65508, here), -Errno.MSGSIZE, name + ' has a limit (B91)');
  const connected = new Asker(loop);
  checkSame(connected.connect(here), 0, name + ' connects');
  connected.lengths = [7, 0];
  connected.ask();
  loop.run();
  checkText(connected.answers.join(' '), '7 0', name + ' is answered when connected');
  echo.close();
  check(!echo.isOpen, name + ' closes');
  connected.lengths = [7, 0, 1];
  connected.ask();
  loop.run();
  checkText(errnoName(connected.errno), 'CONNREFUSED', name + ' learns that nobody is there (E20)');
  check(connected.isOpen, name + ' survives that');
  connected.close();
  asker.close();
  checkSame(loop.size, 0, name + ' leaves nothing');
}

function unixAddress(index: i32, suffix: string): SocketAddress {
  const address = SocketAddress.unix(paths[index] + suffix);
  return address === null ? local() : address;
}

function testUnix(poller: Poller, name: string, suffix: string): void {
  const loop = new EventLoop(poller);
  const here = unixAddress(1, suffix);
  const echo = new Echo(loop);
  checkSame(echo.bind(here), 0, name + ' binds a path');
  const asker = new Asker(loop);
  checkSame(asker.bind(unixAddress(2, suffix)), 0, name + ' binds another path');
  asker.to = here;
  asker.lengths = [3, 0, 60000];
  asker.ask();
  loop.run();
  checkText(asker.answers.join(' '), '3 0 60000', name + ' has every datagram of unix');
  checkText(asker.lastSender, here.toString(), name + ' knows the path of the sender');
  echo.close();
  asker.close();
}

checkSame(paths.length, 3, 'there are two paths to use');
check(equalsAscii(MESSAGE, writeAscii(MESSAGE, 'hello'), 'hello'), 'there is a message');
testUdp(new EpollPoller(Trigger.LEVEL), 'epoll, level-triggered,');
testUdp(new EpollPoller(Trigger.EDGE), 'epoll, edge-triggered,');
testUdp(new PollPoller(), 'poll');
testUnix(new EpollPoller(Trigger.LEVEL), 'epoll, level-triggered,', '-lt');
testUnix(new EpollPoller(Trigger.EDGE), 'epoll, edge-triggered,', '-et');
testUnix(new PollPoller(), 'poll', '-poll');
finish();
