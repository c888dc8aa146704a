/** Where a guest's process comes to take what is passed to it: an abstract unix socket. */
import { randomBytes } from 'node:crypto';

import { encodeSockaddr } from '../address.js';
import { linuxName } from '../errno.js';
import { type Handle, type Kernel, SOCKADDR_BYTES, type Session } from '../kernel/kernel.js';

const AF_UNIX = 1;
const SOCK_SEQPACKET = 5;
const SOL_SOCKET = 1;
const SO_PEERCRED = 17;
/** `struct ucred`: the process id comes first. */
const UCRED_BYTES = 12;
const NAME_BYTES = 16;
const BACKLOG = 8;

export interface Rendezvous {
  /** A `SockaddrBuffer` with a name that nobody can guess. */
  readonly address: Uint8Array;
  /** The connection of the process `pid`, which has connected; whoever else has is sent away. */
  accept(pid: number): Handle;
  close(): void;
}

function check(syscall: string, result: number): number {
  if (result >= 0) return result;
  const code = linuxName(-result);
  const error = new Error(`cannot talk to a process for the guest: ${syscall} failed: ${code}`);
  throw Object.assign(error, { code, errno: result, syscall });
}

/** Opens one; throws an error of Node's shape when the process has no descriptors left. */
export function openRendezvous(kernel: Kernel, session: Session): Rendezvous {
  const address = new Uint8Array(SOCKADDR_BYTES);
  const name = randomBytes(NAME_BYTES).toString('hex');
  encodeSockaddr(address, { family: 'unix', path: `\0sandpoll-${name}` });
  const listener = check('socket', kernel.socket(AF_UNIX, SOCK_SEQPACKET, 0));
  kernel.sessionAdopt(session, listener);
  check('bind', kernel.bind(listener, address));
  check('listen', kernel.listen(listener, BACKLOG));
  const credentials = new Uint8Array(UCRED_BYTES);
  const view = new DataView(credentials.buffer);
  return {
    address,
    accept: (pid) => {
      for (;;) {
        const peer = check('accept', kernel.accept4(listener, new Uint8Array(SOCKADDR_BYTES)));
        const asked = kernel.getsockopt(peer, SOL_SOCKET, SO_PEERCRED, credentials, 0, UCRED_BYTES);
        if (asked >= 0 && view.getInt32(0, true) === pid) return peer;
        kernel.close(peer);
      }
    },
    close: () => kernel.close(listener),
  };
}
