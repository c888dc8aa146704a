/** The proxy over `poll_oneoff`: it imports nothing that is not portable. */

import { PollPoller } from 'sandpoll/guest';
import { serve } from './server';

serve(new PollPoller());
