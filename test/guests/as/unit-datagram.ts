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
    this.queueTo(data, length, this.sender);
  }
}

const CLIENTS: i32 = 5;
const BURST: i32 = 40;

/** Sends a burst of numbers, and marks each that comes back. */
class Client extends DatagramSocket {
  private marks: StaticArray<bool> = new StaticArray<bool>(BURST);
  private missing: i32 = BURST;
  private id: i32 = -1;
  strange: i32 = 0;

  burst(id: i32, to: SocketAddress): void {
    this.id = id;
    for (let i = 0; i < BURST; i++) {
      store<i32>(MESSAGE, id);
      store<i32>(MESSAGE, i, 4);
      if (this.sendTo(MESSAGE, 8 + i, to) != 8 + i) this.strange += 1;
    }
  }

  onDatagram(data: usize, length: i32, truncated: bool): void {
    const index = load<i32>(data, 4);
    if (load<i32>(data) != this.id || length != 8 + index || this.marks[index]) {
      this.strange += 1;
      return;
    }
    this.marks[index] = true;
    this.missing -= 1;
    if (this.missing == 0) this.close();
  }
}

/** Answers with what cannot be sent among what can, then closes. */
class Careless extends DatagramSocket {
  errnos: Array<i32> = [];
  nowhere: SocketAddress = SocketAddress.ipv4(192, 0, 2, 1, 9);

  onDatagram(data: usize, length: i32, truncated: bool): void {
    this.queueTo(data, 1, this.sender);
    this.queueTo(MESSAGE, 65508, this.sender);
    this.queueTo(data, 2, this.sender);
    this.queueTo(data, 3, this.nowhere);
    this.queueTo(MESSAGE, 40000, this.sender);
    this.queueTo(data, 4, this.sender);
    this.close();
    this.queueTo(data, 5, this.sender);
  }

  onSendError(errno: i32): void {
    this.errnos.push(errno);
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
    if (this.next >= this.lengths.length) return this.loop.stop();
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

function testBurst(poller: Poller, name: string): void {
  const loop = new EventLoop(poller);
  const here = local();
  const echo = new Echo(loop);
  checkSame(echo.bind(here) | echo.localAddress(here), 0, name + ' binds');
  const clients: Array<Client> = [];
  for (let id = 0; id < CLIENTS; id++) {
    const client = new Client(loop);
    checkSame(client.bind(local()), 0, name + ' binds a client');
    client.burst(id, here);
    clients.push(client);
  }
  while (loop.size > 1) loop.turn();
  let strange = 0;
  for (let id = 0; id < CLIENTS; id++) strange += clients[id].strange;
  checkSame(strange, 0, name + ' answers each of 200 datagrams of 5 clients once, and to its own');
  echo.close();
}

function testUnsent(poller: Poller, name: string): void {
  const loop = new EventLoop(poller);
  const here = local();
  const careless = new Careless(loop);
  checkSame(careless.bind(here) | careless.localAddress(here), 0, name + ' binds');
  const asker = new Asker(loop);
  checkSame(asker.bind(local()), 0, name + ' binds the asker');
  asker.to = here;
  asker.lengths = [10];
  asker.ask();
  while (asker.answers.length < 4) loop.turn();
  checkText(asker.answers.join(' '), '1 2 40000 4', name + ' sends what can be sent');
  const errnos = careless.errnos;
  const told = errnos.map<string>((errno) => errnoName(errno)).join(' ');
  checkText(told, 'MSGSIZE ACCES BADF', name + ' tells of what cannot');
  asker.close();
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
testBurst(new EpollPoller(Trigger.LEVEL), 'epoll, level-triggered,');
testBurst(new EpollPoller(Trigger.EDGE), 'epoll, edge-triggered,');
testBurst(new PollPoller(), 'poll');
testUnsent(new EpollPoller(Trigger.LEVEL), 'epoll');
testUnsent(new PollPoller(), 'poll');
testUnix(new EpollPoller(Trigger.LEVEL), 'epoll, level-triggered,', '-lt');
testUnix(new EpollPoller(Trigger.EDGE), 'epoll, edge-triggered,', '-et');
testUnix(new PollPoller(), 'poll', '-poll');
finish();
