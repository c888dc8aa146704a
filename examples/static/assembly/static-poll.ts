/** The same over `poll_oneoff`: it imports nothing that is not portable. */

import { PollPoller, exit } from 'sandpoll/guest';
import { openSite } from './site';

exit(-openSite(new PollPoller()).loop.run());
