/** Takes connections from the channel FEEDER, greets them with its message, and echoes. */

import { Channel, EpollPoller, EventLoop, TcpStream, Trigger, channelFd } from 'sandpoll/guest';

class Echo extends TcpStream {
  onData(data: usize, length: i32): void {
    this.write(data, length);
  }
}

class Feeder extends Channel {
  onMessage(data: usize, length: i32, fd: i32): void {
    new Echo(this.loop, fd).write(data, length);
  }
}

const loop = new EventLoop(new EpollPoller(Trigger.EDGE));
new Feeder(loop, channelFd('FEEDER'));
loop.run();
