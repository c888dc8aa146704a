/** The event loop: stale events, connecting, stopping, with each poller. */

import {
  EpollPoller,
  Errno,
  EventLoop,
  Events,
  Handler,
  NS_PER_MS,
  Poller,
  PollPoller,
  SocketAddress,
  TcpStream,
  Timer,
  Trigger,
  accept,
  connect,
  listenOn,
  localAddress,
  openStream,
  recv,
  send,
} from 'sandpoll/guest';
import { check, checkSame, finish } from './lib/check';

const VICTIMS: i32 = 64;
const BYTE: usize = memory.data(16);

/** A listener of our own, and where it listens. */
const address = SocketAddress.ipv4(127, 0, 0, 1, 0);
const listener = listenOn(address);

/** One end of a new connection; the other is `farEnd`. */
let farEnd = -1;

function connectPair(): i32 {
  const near = openStream(address.family);
  const result = connect(near, address);
  if (result != 0 && result != -Errno.INPROGRESS) return result;
  farEnd = accept(listener);
  return near;
}

class Stopper extends Timer {
  constructor(readonly loop: EventLoop) {
    super();
  }

  onTimeout(): void {
    this.loop.stop();
  }
}

/** Takes the place of a victim, descriptor and slot; nothing ever happens to it. */
class Newcomer extends Handler {
  calls: i32 = 0;

  onEvents(events: i32): void {
    this.calls += 1;
  }
}

class Scene {
  victims: Array<Victim> = [];
  newcomers: Array<Newcomer> = [];
  calls: i32 = 0;
  reusedFds: i32 = 0;
  reusedSlots: i32 = 0;
}

/** All are ready at once; the first that is called closes the others, and fills their places. */
class Victim extends Handler {
  scene: Scene;

  constructor(loop: EventLoop, scene: Scene) {
    super(loop);
    this.scene = scene;
  }

  onEvents(events: i32): void {
    const scene = this.scene;
    scene.calls += 1;
    recv(this.fd, BYTE, 1);
    if (scene.calls > 1) return;
    for (let i = 0; i < VICTIMS; i++) {
      const victim = scene.victims[i];
      if (victim !== this) this.replace(victim);
    }
  }

  private replace(victim: Victim): void {
    const scene = this.scene;
    const fd = victim.fd;
    const slot = victim.slot;
    this.loop.close(victim);
    const newcomer = new Newcomer(this.loop);
    newcomer.fd = connectPair();
    this.loop.watch(newcomer, Events.IN);
    scene.newcomers.push(newcomer);
    scene.reusedFds += i32(newcomer.fd == fd);
    scene.reusedSlots += i32(newcomer.slot == slot);
  }
}

/** Stops the loop while others are ready in the same batch, and is ready for ever itself. */
class Interrupter extends Handler {
  calls: i32 = 0;

  onEvents(events: i32): void {
    this.calls += 1;
    this.loop.stop();
  }
}

function testStop(poller: Poller, name: string): void {
  const loop = new EventLoop(poller);
  const interrupters = new Array<Interrupter>();
  for (let i = 0; i < 3; i++) {
    const interrupter = new Interrupter(loop);
    interrupter.fd = connectPair();
    interrupters.push(interrupter);
    send(farEnd, BYTE, 1);
    loop.watch(interrupter, Events.IN);
  }
  loop.stop();
  checkSame(interrupters[0].calls, 0, name + ' is not running');
  checkSame(loop.run(), 0, name + ' runs, although it was stopped when it did not');
  for (let i = 0; i < 3; i++) checkSame(interrupters[i].calls, 1, name + ' ends its batch first');
  checkSame(loop.size, 3, name + ' stops with handlers left');
  for (let i = 0; i < 3; i++) loop.rearm(interrupters[i]);
  checkSame(loop.run(), 0, name + ' runs again');
  checkSame(interrupters[0].calls, 2, name + ' goes on where it was');
  for (let i = 0; i < 3; i++) loop.close(interrupters[i]);
}

function testStaleEvents(poller: Poller, name: string): void {
  const loop = new EventLoop(poller);
  const scene = new Scene();
  for (let i = 0; i < VICTIMS; i++) {
    const victim = new Victim(loop, scene);
    victim.fd = connectPair();
    scene.victims.push(victim);
    send(farEnd, BYTE, 1);
    checkSame(loop.watch(victim, Events.IN), 0, name + ' watches');
  }
  loop.arm(new Stopper(loop), 20 * NS_PER_MS);
  checkSame(loop.run(), 0, name + ' runs until it is stopped');
  checkSame(scene.calls, 1, name + ' does not call a handler that is closed (E2)');
  check(scene.reusedFds > 0, name + ' has seen descriptors again');
  checkSame(scene.reusedSlots, VICTIMS - 1, name + ' has seen slots again');
  let calls = 0;
  for (let i = 0; i < scene.newcomers.length; i++) {
    calls += scene.newcomers[i].calls;
    loop.close(scene.newcomers[i]);
  }
  checkSame(calls, 0, name + ' does not give an old event to a newcomer (E1, E2)');
  checkSame(loop.size, 1, name + ' knows only those that are open');
}

class Caller extends TcpStream {
  connected: i32 = 1;
  closed: i32 = -1;
  received: i32 = 0;

  onConnect(result: i32): void {
    this.connected = result;
    if (result == 0) this.write(BYTE, 3);
  }

  onData(data: usize, length: i32): void {
    this.received += length;
    this.close();
  }

  onClose(errno: i32): void {
    this.closed = errno;
  }
}

class Answerer extends Handler {
  onEvents(events: i32): void {
    const fd = accept(this.fd);
    const echo = new Echo(this.loop, fd);
    check(echo.isOpen, 'an accepted stream is open');
    this.loop.close(this);
  }
}

class Echo extends TcpStream {
  onData(data: usize, length: i32): void {
    this.write(data, length);
  }
}

function testConnect(poller: Poller, name: string): void {
  const loop = new EventLoop(poller);
  const here = SocketAddress.ipv4(127, 0, 0, 1, 0);
  const answerer = new Answerer(loop);
  answerer.fd = listenOn(here);
  checkSame(localAddress(answerer.fd, here), 0, name + ' has a port');
  loop.watch(answerer, Events.IN);
  const caller = new Caller(loop);
  checkSame(caller.connect(here), 0, name + ' connects');
  checkSame(caller.connect(here), -Errno.ISCONN, name + ' connects once');
  checkSame(loop.run(), 0, name + ' runs until nothing is left');
  checkSame(caller.connected, 0, name + ' is told that it is connected');
  checkSame(caller.received, 3, name + ' is answered');
  checkSame(caller.closed, 0, name + ' is told that it is closed');
  // The listener is closed by now.
  const refused = new Caller(loop);
  if (refused.connect(here) == 0) loop.run();
  check(refused.connected != 0 && !refused.isOpen, name + ' is told that it is refused (E19)');
}

check(listener >= 0, 'there is a listener');
checkSame(localAddress(listener, address), 0, 'it has a port');
testStaleEvents(new EpollPoller(Trigger.LEVEL), 'epoll, level-triggered,');
testStaleEvents(new EpollPoller(Trigger.EDGE), 'epoll, edge-triggered,');
testStaleEvents(new PollPoller(), 'poll');
testStop(new EpollPoller(Trigger.LEVEL), 'epoll, level-triggered,');
testStop(new EpollPoller(Trigger.EDGE), 'epoll, edge-triggered,');
testStop(new PollPoller(), 'poll');
testConnect(new EpollPoller(Trigger.LEVEL), 'epoll, level-triggered,');
testConnect(new EpollPoller(Trigger.EDGE), 'epoll, edge-triggered,');
testConnect(new PollPoller(), 'poll');
finish();
