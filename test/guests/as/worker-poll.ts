/** A worker over `poll_oneoff`. */

import { PollPoller } from 'sandpoll/guest';
import { serve } from './lib/worker';

serve(new PollPoller());
