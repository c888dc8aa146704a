/** The proxy over level-triggered epoll. */

import { EpollPoller } from 'sandpoll/guest';
import { serve } from './server';

serve(new EpollPoller());
