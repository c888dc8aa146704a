/** The HTTP server over epoll. */

import { EpollPoller } from 'sandpoll/guest';
import { serve } from './site';

serve(new EpollPoller());
