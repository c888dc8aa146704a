/** Connections: reading when there is something, writing at once, and never buffering for ever. */

import { ByteBuffer } from '../bytes';
import { NS_PER_S } from '../clock';
import { Errno } from '../errno';
import { EventLoop, Handler, RECEIVE_BYTES } from '../loop';
import { Events } from '../poller/poller';
import { PIECE_BYTES } from '../submissions';
import { SocketAddress } from './address';
import { Ending } from './ending';
import {
  Shutdown,
  connect,
  openStream,
  recv,
  resetOnClose,
  send,
  shutdown,
  takeError,
} from './socket';

/** How long a connection that we have ended may go on sending before it is closed. */
const LINGER_NS: i64 = 2 * NS_PER_S;
/** How many full buffers an edge-triggered stream reads before others have their turn. */
const READS_PER_EVENT: i32 = 16;

/**
 * A connected stream. Subclass it, and answer in `onData`:
 *
 *     class Echo extends TcpStream {
 *       onData(data: usize, length: i32): void {
 *         this.write(data, length);
 *       }
 *     }
 *
 * What the kernel does not take at once is kept in an outgoing buffer. While that holds more than
 * `highWaterBytes`, nothing is read: a peer that does not read cannot make it grow. The addresses
 * may be those of unix sockets as well.
 */
export abstract class TcpStream extends Handler {
  /** Above this many bytes in the outgoing buffer, reading pauses. */
  highWaterBytes: i32 = 65536;
  /** At this many bytes in the outgoing buffer, reading goes on. */
  lowWaterBytes: i32 = 16384;
  /** How many bytes wait in the outgoing buffer. */
  pendingBytes: i32 = 0;
  /** Whether the outgoing buffer has been above the high-water mark, and not yet at the low one. */
  isCongested: bool = false;

  private outgoing: ByteBuffer | null = null;
  private ending: i32 = Ending.NONE;
  private isConnecting: bool = false;
  /** Whether the last receive was as long as a piece: then it is not received with others. */
  private isBulk: bool = false;
  private isPaused: bool = false;
  private isHeldBack: bool = false;
  private wantsWritable: bool = false;
  private hasEnded: bool = false;

  /** Takes over a connected, non-blocking descriptor; with none, call `connect`. */
  constructor(loop: EventLoop, fd: i32 = -1) {
    super(loop);
    this.fd = fd;
    if (fd >= 0 && loop.watch(this, Events.IN) < 0) loop.close(this);
  }

  /** Called with bytes that arrived; they are valid until it returns. */
  abstract onData(data: usize, length: i32): void;

  /** Called when the peer has ended its side. By default sends what is left, and closes. */
  onEnd(): void {
    this.closeWhenSent();
  }

  /**
   * Called when the outgoing buffer has come above the high-water mark. By default the stream
   * stops reading until `onDrain`: whoever asks and takes no answers is asked nothing more.
   * A stream that passes on what another one received stops that one instead.
   */
  onCongestion(): void {
    this.isHeldBack = true;
  }

  /** Called when the outgoing buffer, having been above the high-water mark, is at the low one. */
  onDrain(): void {}

  /** Called once for each `whenWritable`. */
  onWritable(): void {}

  /** Called when `connect` has come to its end: with 0, or minus an errno. */
  onConnect(result: i32): void {}

  /** Called once, when the stream is closed: with 0, or the errno that broke it. */
  onClose(errno: i32): void {}

  /** Whether it is not closed. */
  get isOpen(): bool {
    return this.fd >= 0;
  }

  /** Whether our side has ended, or will: what is written now goes nowhere. */
  get isEnding(): bool {
    return this.ending != Ending.NONE;
  }

  /**
   * Connects: returns 0, with `onConnect` to follow, or minus an errno. After `timeoutNs` it has
   * failed with TIMEDOUT; 0 leaves that to the kernel, which takes minutes. Until then the
   * stream's own timer is taken.
   */
  connect(address: SocketAddress, timeoutNs: i64 = 0): i32 {
    if (this.fd >= 0) return -Errno.ISCONN;
    const fd = openStream(address.family);
    if (fd < 0) return fd;
    this.fd = fd;
    let result = connect(fd, address);
    if (result == 0 || result == -Errno.INPROGRESS) {
      this.isConnecting = true;
      result = this.loop.watch(this, Events.OUT);
    }
    if (result < 0) this.loop.close(this);
    else if (timeoutNs > 0) this.loop.arm(this, timeoutNs);
    return result;
  }

  /**
   * Sends bytes: together with those of other streams when the handlers of the present events have
   * run, or now, or as soon as the peer takes them. Returns `length`, or minus an errno: then the
   * stream is closed.
   */
  write(data: usize, length: i32): i32 {
    if (this.canSend && this.loop.collect(this, data, length)) return length;
    // Asked again: what was collected before may have been more than the kernel takes.
    if (this.canSend) {
      const sent = send(this.fd, data, length);
      if (sent == length) return length;
      if (sent >= 0) return this.enqueue(data + sent, length - sent, length);
      if (sent != -Errno.AGAIN) return this.fail(-sent);
    }
    return this.enqueue(data, length, length);
  }

  /** Sends what a buffer holds, and clears it. Returns how much that was, or minus an errno. */
  writeBuffer(buffer: ByteBuffer): i32 {
    const length = buffer.length;
    if (length == 0) return 0;
    const result = this.write(buffer.at, length);
    buffer.clear();
    return result;
  }

  /**
   * Has `onWritable` called, once and in a turn to come, when all that was written is sent and the
   * peer takes more. Who sends without end, a piece each time, leaves the others their turns.
   */
  whenWritable(): void {
    if (this.isCollected) this.loop.flush();
    this.wantsWritable = true;
    this.updateInterest();
  }

  /** Reads nothing until `resume`, but for what this turn of the loop has read by then. */
  pause(): void {
    this.isPaused = true;
    this.updateInterest();
  }

  /** Reads again after `pause`. */
  resume(): void {
    this.isPaused = false;
    this.updateInterest();
  }

  /**
   * Ends our side when all is sent, then waits a while for the peer to end its own, and discards
   * what it still sends: closing at once could destroy our last bytes on their way.
   */
  end(): void {
    this.finish(Ending.SHUTDOWN);
  }

  /**
   * Ends our side when all is sent, as `shutdown(2)` does: what the peer still sends goes to
   * `onData` as before. Once both sides have ended, the stream closes.
   */
  endWriting(): void {
    this.finish(Ending.HALF);
  }

  /** Closes when all is sent. */
  closeWhenSent(): void {
    this.finish(Ending.CLOSE);
  }

  /** Closes at once; `errno` is what `onClose` is told. */
  close(errno: i32 = 0): void {
    if (this.isCollected) this.loop.flush();
    if (this.fd < 0) return;
    this.loop.close(this);
    const outgoing = this.outgoing;
    if (outgoing !== null) outgoing.free();
    this.outgoing = null;
    this.pendingBytes = 0;
    this.ending = Ending.CLOSE;
    this.onClose(errno);
  }

  /** Closes at once, and the peer sees that it was broken off: RST, where `close` sends FIN. */
  reset(errno: i32 = 0): void {
    if (this.fd >= 0) resetOnClose(this.fd);
    this.close(errno);
  }

  /** Called when the stream's own timer, `loop.arm(stream, …)`, is due. By default closes. */
  onTimer(): void {
    this.close(Errno.TIMEDOUT);
  }

  /** Not to be overridden: the timer also bounds how long an ended stream lingers. */
  onTimeout(): void {
    if (this.isConnecting) this.finishConnect(Errno.TIMEDOUT);
    else if (this.ending == Ending.LINGERING) this.close();
    else this.onTimer();
  }

  onEvents(events: i32): void {
    if (this.isConnecting) return this.finishConnect(takeError(this.fd));
    if (this.pendingBytes != 0) {
      this.flush();
      if (this.fd < 0) return;
    }
    if (this.wantsWritable && this.pendingBytes == 0 && (events & Events.OUT) != 0) {
      this.wantsWritable = false;
      this.onWritable();
      if (this.fd < 0) return;
      this.updateInterest();
      // What stays writable is no new edge.
      if (this.wantsWritable && this.loop.poller.edgeTriggered) this.loop.rearm(this);
    }
    if (this.interest & Events.IN) this.receive(events);
    else if (events & (Events.ERR | Events.HUP)) this.close(Errno.CONNRESET);
  }

  receivesOnly(events: i32): bool {
    return (
      events == Events.IN &&
      this.interest == Events.IN &&
      !this.isBulk &&
      !this.isConnecting &&
      this.pendingBytes == 0
    );
  }

  onReceived(data: usize, result: i32): void {
    if (result <= 0) {
      // A stream that another one has paused since finds its end anew when it resumes.
      if (result < 0 || (this.interest & Events.IN) != 0) this.receiveNone(result);
      return;
    }
    if (this.ending <= Ending.HALF_CLOSED) this.onData(data, result);
    if (result < PIECE_BYTES) return;
    this.isBulk = true;
    if (this.loop.poller.edgeTriggered && (this.interest & Events.IN) != 0) this.receive(Events.IN);
  }

  onSendsOver(result: i32): void {
    if (result < 0) this.fail(-result);
    else if (this.fd >= 0) this.announce();
  }

  private get canSend(): bool {
    return this.pendingBytes == 0 && this.ending == Ending.NONE && !this.isConnecting;
  }

  private receive(events: i32): void {
    const buffer = this.loop.receiveBuffer;
    const edgeTriggered = this.loop.poller.edgeTriggered;
    for (let i = 0; i < READS_PER_EVENT; i++) {
      const length = recv(this.fd, buffer, RECEIVE_BYTES);
      if (length <= 0) return this.receiveNone(length);
      if (length < PIECE_BYTES) this.isBulk = false;
      if (this.ending <= Ending.HALF_CLOSED) this.onData(buffer, length);
      if (!edgeTriggered || (this.interest & Events.IN) == 0) return;
      // A short read has emptied the socket. But an end that is already known is no new edge.
      if (length < RECEIVE_BYTES && (events & ~(Events.IN | Events.OUT)) == 0) return;
    }
    this.loop.rearm(this);
  }

  private receiveNone(result: i32): void {
    if (result == -Errno.AGAIN) return;
    if (result < 0) {
      this.fail(-result);
      return;
    }
    this.hasEnded = true;
    if (this.ending == Ending.LINGERING) return this.close();
    if (this.ending <= Ending.HALF_CLOSED) this.onEnd();
    if (this.ending == Ending.HALF_CLOSED) return this.close();
    this.updateInterest();
  }

  private enqueue(data: usize, length: i32, result: i32): i32 {
    if (this.fd < 0 || this.ending != Ending.NONE) return -Errno.PIPE;
    this.onUnsent(data, length);
    this.announce();
    return result;
  }

  onUnsent(data: usize, length: i32): void {
    let outgoing = this.outgoing;
    if (outgoing === null) {
      outgoing = new ByteBuffer();
      this.outgoing = outgoing;
    }
    outgoing.append(data, length);
    this.pendingBytes = outgoing.length;
  }

  /** Tells of what was kept. */
  private announce(): void {
    if (!this.isCongested && this.pendingBytes > this.highWaterBytes) {
      this.isCongested = true;
      this.onCongestion();
    }
    this.updateInterest();
  }

  private flush(): void {
    const outgoing = this.outgoing;
    if (outgoing === null || this.isConnecting) return;
    const sent = send(this.fd, outgoing.at, outgoing.length);
    if (sent == -Errno.AGAIN) return;
    if (sent < 0) {
      this.fail(-sent);
      return;
    }
    outgoing.consume(sent);
    this.pendingBytes = outgoing.length;
    if (this.pendingBytes == 0) outgoing.dispose();
    const drained = this.isCongested && this.pendingBytes <= this.lowWaterBytes;
    if (drained) this.isCongested = this.isHeldBack = false;
    if (this.pendingBytes == 0 && this.ending != Ending.NONE) return this.finish(this.ending);
    this.updateInterest();
    if (drained) this.onDrain();
  }

  private finish(ending: i32): void {
    if (this.isCollected) this.loop.flush();
    if (this.fd < 0 || this.ending == Ending.LINGERING) return;
    if (ending == Ending.HALF && this.ending > Ending.HALF) return;
    const wasHalfClosed = this.ending == Ending.HALF_CLOSED;
    this.ending = ending;
    // A connection that is still being made would be broken off by shutdown(2).
    if (this.pendingBytes != 0 || (this.isConnecting && ending != Ending.CLOSE)) {
      return this.updateInterest();
    }
    if (ending == Ending.CLOSE || this.hasEnded) return this.close();
    const result = wasHalfClosed ? 0 : shutdown(this.fd, Shutdown.WR);
    if (result < 0) return this.close(-result);
    if (ending == Ending.HALF) {
      this.ending = Ending.HALF_CLOSED;
    } else {
      this.ending = Ending.LINGERING;
      this.isPaused = false;
      this.loop.arm(this, LINGER_NS);
    }
    this.updateInterest();
  }

  /** Connecting has come to its end: with 0, or an errno. */
  private finishConnect(errno: i32): void {
    this.loop.cancel(this);
    this.isConnecting = false;
    if (errno != 0) {
      this.onConnect(-errno);
      this.close(errno);
      return;
    }
    this.updateInterest();
    this.onConnect(0);
    if (this.fd < 0) return;
    if (this.pendingBytes != 0) this.flush();
    else if (this.ending == Ending.HALF || this.ending == Ending.SHUTDOWN) this.finish(this.ending);
  }

  private fail(errno: i32): i32 {
    this.close(errno);
    return -errno;
  }

  private updateInterest(): void {
    if (this.fd < 0 || this.isConnecting) return;
    let interest = this.pendingBytes != 0 || this.wantsWritable ? Events.OUT : 0;
    if (!this.isPaused && !this.isHeldBack && !this.hasEnded) interest |= Events.IN;
    if (this.loop.watch(this, interest) < 0) this.close(Errno.NOMEM);
  }
}
