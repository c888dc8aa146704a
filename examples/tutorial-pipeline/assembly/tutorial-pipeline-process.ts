/** The processing guest: no listener, no network; lines come by channels, answers go back. */

import {
  EpollPoller,
  EventLoop,
  Trigger,
  args,
  channelFds,
  exit,
  printError,
} from 'sandpoll/guest';
import { HEAD_BYTES, Outbox } from './outbox';
import { answer } from './work';

const LF: u8 = 0x0a;
const CR: u8 = 0x0d;

/** The channel to one I/O guest. */
class Desk extends Outbox {
  constructor(
    loop: EventLoop,
    fd: i32,
    private readonly rounds: i32,
  ) {
    super(loop, fd);
  }

  onMessage(data: usize, length: i32, fd: i32): void {
    const end = data + length;
    let batch = data;
    while (batch < end) {
      const lines = batch + HEAD_BYTES;
      const after = lines + load<u32>(batch, 4);
      this.work(load<u32>(batch), lines, after);
      batch = after;
    }
    this.flush();
    // Nothing more is taken on until these answers are gone.
    if (this.backlogBytes != 0) this.pause();
  }

  onFlushed(): void {
    this.resume();
  }

  /** Answers each line of a batch. */
  private work(id: u32, lines: usize, end: usize): void {
    const out = this.begin(id);
    let line = lines;
    for (let at = lines; at < end; at++) {
      if (load<u8>(at) != LF) continue;
      const length = <i32>(at - line);
      const bare = length > 0 && load<u8>(at - 1) == CR ? length - 1 : length;
      answer(line, bare, this.rounds, out);
      line = at + 1;
    }
    this.seal();
  }
}

const loop = new EventLoop(new EpollPoller(Trigger.LEVEL));
const given = args();
const rounds = given.length > 1 ? I32.parseInt(given[1]) : 1;
const fds = channelFds('IO');
if (fds.length == 0 || rounds < 1) {
  printError('process: it needs channels to io, and a number of rounds of at least 1\n');
  exit(1);
}
for (let i = 0; i < fds.length; i++) new Desk(loop, fds[i], rounds);
exit(-loop.run());
