/** The server of the tutorial: `lt` or `et` as its argument. */

import { args, exit, listenerFd, printError } from 'sandpoll/guest';
import { Server } from './server';

const words = args();
const mode = words.length == 2 ? words[1] : '';
const listener = listenerFd();
if (mode != 'lt' && mode != 'et') {
  printError('tutorial-lt-et: give it one argument: lt (level-triggered) or et (edge-triggered)\n');
  exit(2);
}
if (listener < 0) {
  printError('tutorial-lt-et: there is no listener; run it with --listen 127.0.0.1:7000\n');
  exit(1);
}
exit(-new Server(listener, mode == 'et').run());
