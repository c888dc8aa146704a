/** One client: what it sends goes back to it; and how it leaves is found out. */

import {
  ByteBuffer,
  Errno,
  Shutdown,
  SocketAddress,
  errnoName,
  peerAddress,
  recv,
  send,
  shutdown,
  takeError,
} from 'sandpoll/guest';
import { recv as recvFlags } from 'sandpoll/guest/bindings/sandpoll';
import { Epoll, Interests } from './interests';

const BUFFER_BYTES: i32 = 16384;
/** All clients receive here: what has not been sent when a call returns is kept by its client. */
const BUFFER: usize = memory.data(BUFFER_BYTES);
const PEER = new SocketAddress();

/** Receives the urgent byte, which goes past the others. */
const MSG_OOB: i32 = 1;
const URGENT: usize = memory.data(1);
const RESULT: usize = memory.data(4, 4);

/** How far the conversation is. */
const enum Phase {
  OPEN,
  /** It has sent FIN; what is left to be sent is on its way. */
  ANSWERING,
  /** We have sent FIN as well. */
  ENDED,
  LEFT,
}

export class Client {
  /** How it left, once it has; no text before. */
  farewell: string = '';

  private phase: Phase = Phase.OPEN;
  private unsent: ByteBuffer = new ByteBuffer();
  private asked: i32 = 0;

  /** `id` is what its events carry; `trigger` is `Epoll.ET`, or 0. */
  constructor(
    private interests: Interests,
    readonly fd: i32,
    readonly id: u64,
    private trigger: i32,
  ) {
    this.asked = this.wanted;
    const result = interests.add(fd, this.asked, id);
    if (result < 0) this.leave('is not watched: ' + errnoName(-result));
  }

  get hasLeft(): bool {
    return this.phase == Phase.LEFT;
  }

  /** Handles all that an event tells; then it has left, or is watched for what it needs. */
  handle(events: i32): string {
    const news = events & Epoll.PRI ? this.takeUrgent() : '';
    if (this.phase == Phase.ENDED) {
      this.judge();
    } else {
      if (events & Epoll.OUT) this.flush();
      // Data goes before errors: what was sent ahead of a FIN or an RST can still be received.
      const readable = Epoll.IN | Epoll.RDHUP | Epoll.HUP | Epoll.ERR;
      if (this.phase == Phase.OPEN && events & readable) this.receive();
      else if (this.phase == Phase.ANSWERING && events & Epoll.ERR) this.judge();
    }
    this.watch();
    return news;
  }

  /** Unless it is taken, PRI is level-triggered for ever: even while the client is not read. */
  private takeUrgent(): string {
    if (recvFlags(this.fd, URGENT, 1, MSG_OOB, RESULT) != 0) return '';
    return 'sent an urgent byte: ' + String.fromCharCode(load<u8>(URGENT));
  }

  /** Frees what the garbage collector does not. */
  free(): void {
    this.unsent.free();
  }

  /**
   * Level-triggered, one `recv` is enough: as long as there is more, epoll tells it again.
   * Edge-triggered it is told once: everything has to be received, until EAGAIN.
   */
  private receive(): void {
    do {
      // What is not sent comes first; when it is, MOD reports what has arrived meanwhile.
      if (this.unsent.length != 0) return;
      const length = recv(this.fd, BUFFER, BUFFER_BYTES);
      if (length == -Errno.AGAIN) return;
      if (length < 0) return this.leave(lossOf(-length));
      if (length == 0) return this.answerFin();
      this.unsent.append(BUFFER, length);
      this.flush();
    } while (this.trigger != 0 && this.phase == Phase.OPEN);
  }

  private flush(): void {
    while (this.unsent.length != 0) {
      const sent = send(this.fd, this.unsent.at, this.unsent.length);
      if (sent == -Errno.AGAIN) return;
      if (sent < 0) return this.phase == Phase.OPEN ? this.leave(lossOf(-sent)) : this.lost(-sent);
      this.unsent.consume(sent);
    }
    if (this.phase == Phase.ANSWERING) this.endOurSide();
  }

  /**
   * FIN is all that `close` and `shutdown(SHUT_WR)` send: the two look the same. They differ in
   * what becomes of an answer: who has closed meets it with RST, who still reads takes it.
   */
  private answerFin(): void {
    this.phase = Phase.ANSWERING;
    this.unsent.appendAscii('bye\n');
    this.flush();
  }

  private endOurSide(): void {
    this.phase = Phase.ENDED;
    shutdown(this.fd, Shutdown.WR);
    this.judge();
  }

  /** After our FIN: the connection is over when it has no peer any more. An error says why. */
  private judge(): void {
    const errno = takeError(this.fd);
    if (errno != 0) this.lost(errno);
    else if (peerAddress(this.fd, PEER) == -Errno.NOTCONN) {
      this.leave('half-closed: FIN, and it took our answer');
    }
  }

  /** The connection broke after FIN. */
  private lost(errno: i32): void {
    const refused = errno == Errno.PIPE || errno == Errno.CONNRESET;
    this.leave(refused ? 'closed: FIN, and RST to our answer' : lossOf(errno));
  }

  private leave(farewell: string): void {
    this.phase = Phase.LEFT;
    this.farewell = farewell;
  }

  private get wanted(): i32 {
    // HUP cannot be switched off, and lasts: level-triggered it would be reported for ever.
    if (this.phase == Phase.ENDED) return Epoll.ET;
    if (this.unsent.length != 0) return Epoll.OUT | Epoll.PRI | this.trigger;
    return Epoll.IN | Epoll.RDHUP | Epoll.PRI | this.trigger;
  }

  private watch(): void {
    if (this.hasLeft || this.asked == this.wanted) return;
    this.asked = this.wanted;
    const result = this.interests.change(this.fd, this.asked, this.id);
    if (result < 0) this.leave('is not watched: ' + errnoName(-result));
  }
}

/** Why a connection was lost before FIN. */
function lossOf(errno: i32): string {
  if (errno == Errno.CONNRESET || errno == Errno.PIPE) return 'was reset: RST';
  return 'was lost: ' + errnoName(errno);
}
