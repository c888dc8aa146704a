/** Says which descriptors it finds: the first listener, those named a and b, and one named c. */

import { listenerFd, print } from 'sandpoll/guest';

const fds: StaticArray<i32> = [listenerFd(), listenerFd('a'), listenerFd('b'), listenerFd('c')];
print(fds.join(' ') + '\n');
