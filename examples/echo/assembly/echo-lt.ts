/** Echo over level-triggered epoll, with a graceful end. */

import { EpollPoller, Trigger, exit } from 'sandpoll/guest';
import { openServer } from './server';
import { Stop } from './stop';

const server = openServer(new EpollPoller(Trigger.LEVEL));
new Stop(server);
exit(-server.loop.run());
