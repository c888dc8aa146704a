/** The chat over `poll_oneoff`: it imports nothing that is not portable. */

import { PollPoller } from 'sandpoll/guest';
import { serve } from './room';

serve(new PollPoller());
