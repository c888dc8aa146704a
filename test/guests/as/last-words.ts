/** Answers each connection, and leaves after the third answer, told how many there were. */

import {
  EpollPoller,
  EventLoop,
  TcpListener,
  TcpStream,
  exit,
  listenerFd,
  print,
} from 'sandpoll/guest';

const ANSWERS: i32 = 3;

let answers = 0;
let waiting: Array<i32> = [];

class Answerer extends TcpStream {
  onData(data: usize, length: i32): void {
    this.write(data, length);
    answers += 1;
    if (answers < ANSWERS) return;
    print(this.isCollected ? 'collected\n' : 'sent\n');
    exit(0);
  }
}

/** Reads nothing before all are there, so that they are ready together. */
class Acceptor extends TcpListener {
  onAccept(fd: i32): void {
    waiting.push(fd);
    if (waiting.length < ANSWERS + 1) return;
    for (let i = 0; i < waiting.length; i++) new Answerer(this.loop, waiting[i]);
  }
}

const loop = new EventLoop(new EpollPoller());
new Acceptor(loop, listenerFd());
exit(-loop.run());
