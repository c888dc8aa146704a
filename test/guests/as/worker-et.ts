/** A worker over edge-triggered epoll. */

import { EpollPoller, Trigger } from 'sandpoll/guest';
import { serve } from './lib/worker';

serve(new EpollPoller(Trigger.EDGE));
