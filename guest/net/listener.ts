/** Listeners: those that the host opened for us, and our own. */

import { NS_PER_MS } from '../clock';
import { Errno } from '../errno';
import { EventLoop, Handler } from '../loop';
import { Events } from '../poller/poller';
import { env } from '../process';
import { fd_close } from '../bindings/wasi_snapshot_preview1';
import { SocketAddress } from './address';
import { accept, bind, isStreamSocket, listen, openStream, setNonBlocking } from './socket';

/**
 * How many connections are accepted before others have their turn: the loop's other handlers, and
 * other guests with the same listener. Of those that sleep, Linux wakes the one that has watched
 * it for longest: whoever stayed there would get all of them.
 */
const ACCEPTS_PER_TURN: i32 = 8;
/** Longer queues than this are not accepted in one go: net.core.somaxconn. */
const QUEUE_MAX: i32 = 4096;
const INTEREST: i32 = Events.IN | Events.EXCLUSIVE;
/** How long accepting stops when there are no descriptors left. */
const BACK_OFF_NS: i64 = 100 * NS_PER_MS;
/** Where the guest's own descriptors begin: after stdin, stdout and stderr. */
const FIRST_FD: i32 = 3;
/** How far apart a listener and the first descriptor can be: directories come before it. */
const MOST_FDS: i32 = 256;

/**
 * A listening socket. Subclass it, and construct a stream in `onAccept`.
 *
 * An accept that fails never ends it: a connection that broke before it was accepted is passed
 * over; when descriptors or memory run out, it waits a little, and tries again.
 */
export abstract class TcpListener extends Handler {
  /** How many it has accepted in its turn. */
  private taken: i32 = 0;

  /** Takes over a listening descriptor, and makes it non-blocking. */
  constructor(loop: EventLoop, fd: i32) {
    super(loop);
    this.fd = fd;
    if (setNonBlocking(fd) < 0 || loop.watch(this, INTEREST) < 0) loop.close(this);
  }

  /** Called with each new connection, a non-blocking descriptor that is now the callee's. */
  abstract onAccept(fd: i32): void;

  /** Whether it is not closed. */
  get isOpen(): bool {
    return this.fd >= 0;
  }

  /** Closes it; connections go on. */
  close(): void {
    this.loop.close(this);
  }

  onEvents(events: i32): void {
    if (this.acceptSome() && this.loop.rearm(this) < 0) this.backOff();
  }

  /** Accepts all who have connected until now: done before `close`, none of them is lost. */
  acceptAll(): void {
    for (let i = 0; i < QUEUE_MAX && this.acceptSome(); i += ACCEPTS_PER_TURN) {}
  }

  onTimeout(): void {
    if (this.loop.watch(this, INTEREST) < 0) this.backOff();
  }

  /** Accepts until its turn is over, or nobody is left; whether it is over. */
  private acceptSome(): bool {
    while (this.fd >= 0) {
      const fd = accept(this.fd);
      if (fd >= 0) this.onAccept(fd);
      else if (fd == -Errno.AGAIN) return false;
      else if (!isTransient(-fd)) {
        this.backOff();
        return false;
      }
      if (++this.taken < ACCEPTS_PER_TURN) continue;
      this.taken = 0;
      return true;
    }
    return false;
  }

  private backOff(): void {
    this.loop.watch(this, 0);
    this.loop.arm(this, BACK_OFF_NS);
  }
}

/** Opens a listener: returns its descriptor, or minus an errno. The host must permit it. */
export function listenOn(address: SocketAddress, backlog: i32 = 511): i32 {
  const fd = openStream(address.family);
  if (fd < 0) return fd;
  let result = bind(fd, address);
  if (result == 0) result = listen(fd, backlog);
  if (result < 0) fd_close(fd);
  return result < 0 ? result : fd;
}

/**
 * The descriptor of a listener that the host opened: the one of that name, or the first; or
 * `-Errno.BADF`. A name is looked up in `SANDPOLL_LISTEN_FD_<NAME>`, then in `LISTEN_FDNAMES`.
 */
export function listenerFd(name: string = ''): i32 {
  let index = 0;
  if (name.length != 0) {
    const number = env('SANDPOLL_LISTEN_FD_' + name);
    if (number !== null) return I32.parseInt(number);
    const names = env('LISTEN_FDNAMES');
    index = names === null ? -1 : names.split(':').indexOf(name);
    if (index < 0) return -Errno.BADF;
  }
  for (let fd = FIRST_FD; fd < FIRST_FD + MOST_FDS; fd++) {
    if (isStreamSocket(fd) && index-- == 0) return fd;
  }
  return -Errno.BADF;
}

/** Whether an accept failed for the one connection only. */
function isTransient(errno: i32): bool {
  switch (errno) {
    case Errno.CONNABORTED:
    case Errno.CONNRESET:
    case Errno.INTR:
    case Errno.PROTO:
    case Errno.NETDOWN:
    case Errno.NETUNREACH:
    case Errno.HOSTUNREACH:
    case Errno.NOPROTOOPT:
    case Errno.PERM:
    case Errno.TIMEDOUT:
      return true;
    default:
      return false;
  }
}
