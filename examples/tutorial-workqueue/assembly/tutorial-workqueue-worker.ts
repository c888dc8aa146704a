/** A worker's guest: see README.md. */

import { Errno, channelFd, env, errnoName, exit, printError } from 'sandpoll/guest';
import { Interests } from './interests';
import { QueueFromLoop } from './queue';
import { Worker } from './worker';

function main(): i32 {
  const fd = channelFd('LOOP', 0);
  if (fd < 0) {
    printError('there is no channel LOOP_0 to the loop\n');
    return 2;
  }
  const queue = new QueueFromLoop(fd);
  let result = queue.pop();
  while (result == -Errno.INTR) result = queue.pop();
  if (queue.passed < 0) {
    printError('the loop gave no epoll: ' + errnoName(-result) + '\n');
    return 1;
  }
  const number = env('SANDPOLL_WORKER');
  const name = ' worker ' + (number === null ? '0' : number) + '\n';
  const worker = new Worker(new Interests(queue.passed), queue, name);
  while (takeTurn(worker)) {}
  return 0;
}

/** As a function value, so that it is a call of its own: V8 never replaces code under way. */
const takeTurn: (worker: Worker) => bool = (worker: Worker): bool => worker.turn();

exit(main());
