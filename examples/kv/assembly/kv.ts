/** The key-value server over epoll. */

import { EpollPoller } from 'sandpoll/guest';
import { serve } from './server';

serve(new EpollPoller());
