/** The proxy over edge-triggered epoll. */

import { EpollPoller, Trigger } from 'sandpoll/guest';
import { serve } from './server';

serve(new EpollPoller(Trigger.EDGE));
