/** The loop's guest: see README.md. */

import { channelFds, errnoName, exit, listenerFd, printError } from 'sandpoll/guest';
import { Interests, createEpoll } from './interests';
import { Loop } from './loop';

function main(): i32 {
  const channels = channelFds('WORKER');
  if (channels.length == 0) {
    printError('there are no channels WORKER_0, WORKER_1, … to workers\n');
    return 2;
  }
  const loop = new Loop(new Interests(createEpoll()), listenerFd());
  const result = loop.open(channels);
  if (result < 0) {
    printError('cannot start: ' + errnoName(-result) + '\n');
    return 1;
  }
  while (loop.isRunning) takeTurn(loop);
  return loop.status;
}

/** As a function value, so that it is a call of its own: V8 never replaces code under way. */
const takeTurn: (loop: Loop) => void = (loop: Loop): void => loop.turn();

exit(main());
