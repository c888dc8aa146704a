/** Says its arguments and environment, and leaves with the status that STATUS names. */

import { args, env, environment, exit, print, printError } from 'sandpoll/guest';

function say(texts: Array<string>): void {
  for (let i = 0; i < texts.length; i++) print(texts[i] + '\n');
}

say(args());
say(environment());
printError('said it all\n');
const status = env('STATUS') || '0';
exit(<i32>parseInt(status));
