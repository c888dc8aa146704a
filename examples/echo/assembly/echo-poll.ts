/** Echo over `poll_oneoff`: it imports nothing that is not portable. */

import { PollPoller, exit } from 'sandpoll/guest';
import { openServer } from './server';

exit(-openServer(new PollPoller()).loop.run());
