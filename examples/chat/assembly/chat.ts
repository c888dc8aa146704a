/** The chat over epoll. */

import { EpollPoller } from 'sandpoll/guest';
import { serve } from './room';

serve(new EpollPoller());
