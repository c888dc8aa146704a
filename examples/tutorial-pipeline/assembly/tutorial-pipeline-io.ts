/** An I/O guest: reads lines from its connections, has them processed, and writes the answers. */

import {
  Channel,
  EpollPoller,
  EventLoop,
  Trigger,
  channelFds,
  exit,
  printError,
} from 'sandpoll/guest';
import { Connection } from './connection';
import { Crowd } from './crowd';

/** The channel by which connections come from a listener guest. */
class Intake extends Channel {
  constructor(
    private readonly crowd: Crowd,
    fd: i32,
  ) {
    super(crowd.loop, fd);
    crowd.addIntake();
  }

  onMessage(data: usize, length: i32, fd: i32): void {
    if (fd >= 0) new Connection(this.crowd, fd);
  }

  onEnd(): void {
    this.close();
    this.crowd.endIntake();
  }
}

const intakes = channelFds('LISTENER');
const links = channelFds('PROCESS');
if (intakes.length == 0 || links.length == 0) {
  printError('io: it needs channels to listener and to process\n');
  exit(1);
}
const crowd = new Crowd(new EventLoop(new EpollPoller(Trigger.LEVEL)));
for (let i = 0; i < links.length; i++) crowd.links.add(links[i]);
for (let i = 0; i < intakes.length; i++) new Intake(crowd, intakes[i]);

/** One turn, and one message to each processing guest for all that it brought. */
const takeTurn: (crowd: Crowd) => i32 = (crowd: Crowd): i32 => {
  const result = crowd.loop.turn();
  crowd.links.flush();
  return result;
};

let status = 0;
while (status == 0 && crowd.loop.size > 0) status = takeTurn(crowd);
exit(-status);
