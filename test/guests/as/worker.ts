/** A worker over level-triggered epoll. */

import { EpollPoller } from 'sandpoll/guest';
import { serve } from './lib/worker';

serve(new EpollPoller());
