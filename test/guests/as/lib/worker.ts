/** A worker that tells each connection which one it is, and does as it is told. */

import { EventLoop, Poller, TcpListener, TcpStream, env, exit, listenerFd } from 'sandpoll/guest';

/** One byte, an order. */
const enum Order {
  /** `c`: closes the connection. */
  CLOSE = 0x63,
  /** `d`: accepts who has connected, then nobody, and ends when its connections have. */
  DRAIN = 0x64,
  /** `l`: leaves when it is woken for the next connection, which it does not accept. */
  LEAVE_NEXT = 0x6c,
  /** `t`: traps. */
  TRAP = 0x74,
  /** `x`: leaves with status 3. */
  EXIT = 0x78,
}

class Connection extends TcpStream {
  constructor(
    private readonly server: Server,
    fd: i32,
  ) {
    super(server.loop, fd);
  }

  onData(data: usize, length: i32): void {
    switch (<i32>load<u8>(data)) {
      case Order.CLOSE:
        this.close();
        break;
      case Order.DRAIN:
        this.server.acceptAll();
        this.server.close();
        break;
      case Order.LEAVE_NEXT:
        this.server.leavesNext = true;
        this.write(data, 1);
        break;
      case Order.TRAP:
        unreachable();
      case Order.EXIT:
        exit(3);
      default:
        this.write(data, length);
    }
  }
}

class Server extends TcpListener {
  leavesNext: bool = false;
  private readonly name: ArrayBuffer;

  constructor(loop: EventLoop, fd: i32) {
    super(loop, fd);
    const worker = env('SANDPOLL_WORKER');
    this.name = String.UTF8.encode((worker === null ? '-' : worker) + '\n');
  }

  onEvents(events: i32): void {
    if (this.leavesNext) exit(0);
    super.onEvents(events);
  }

  onAccept(fd: i32): void {
    new Connection(this, fd).write(changetype<usize>(this.name), this.name.byteLength);
  }
}

/** Serves the first listener until it is told to end; says once that it is ready. */
export function serve(poller: Poller): void {
  const loop = new EventLoop(poller);
  new Server(loop, listenerFd());
  trace('ready');
  exit(-loop.run());
}
