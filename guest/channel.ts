/** Channels: messages and descriptors between guests. They need the import module `sandpoll`. */

import { channel_recv, channel_send } from './bindings/sandpoll';
import { fd_close } from './bindings/wasi_snapshot_preview1';
import { NS_PER_MS } from './clock';
import { Errno } from './errno';
import { EventLoop, Handler, RECEIVE_BYTES } from './loop';
import { setNonBlocking } from './net/socket';
import { Events } from './poller/poller';
import { env } from './process';

/** How many messages are received before others have their turn. */
const MESSAGES_PER_EVENT: i32 = 64;
/** How long receiving stops when there are no descriptors left. */
const BACK_OFF_NS: i64 = 10 * NS_PER_MS;
const MSG_TRUNC: i32 = 0x20;
const ENVIRONMENT: string = 'SANDPOLL_CHANNEL_FD_';

const IOV: usize = memory.data(8, 4);
const SIZE: usize = memory.data(4, 4);
const PASSED: usize = memory.data(4, 4);
const FLAGS: usize = memory.data(4, 4);

/**
 * One end of a channel. Subclass it, and take what the other guest sends in `onMessage`:
 *
 *     class Work extends Channel {
 *       onMessage(data: usize, length: i32, fd: i32): void {
 *         new Session(this.loop, fd);
 *       }
 *     }
 *
 *     new Work(loop, channelFd('work'));
 *
 * A message comes whole, in its order, and may be empty. Nothing is kept for later: when the
 * channel is full, `send` says so, and `onDrain` when there is room again.
 */
export abstract class Channel extends Handler {
  /** Whether the channel was full at the last `send`, and `onDrain` is to follow. */
  isCongested: bool = false;
  /** Whether the present message was longer than `RECEIVE_BYTES`, and cut off there. */
  isTruncated: bool = false;

  private isPaused: bool = false;

  /** Takes over a channel, and makes it non-blocking. */
  constructor(loop: EventLoop, fd: i32) {
    super(loop);
    this.fd = fd;
    if (setNonBlocking(fd) < 0 || loop.watch(this, Events.IN) < 0) loop.close(this);
  }

  /**
   * Called with each message, valid until it returns. `fd` is the descriptor that came with it,
   * non-blocking and now the callee's to close, or −1.
   */
  abstract onMessage(data: usize, length: i32, fd: i32): void;

  /** Called when there is room again, after `send` has found none; or the other end is gone. */
  onDrain(): void {}

  /** Called when the other end is closed and all it sent is received. By default closes. */
  onEnd(): void {
    this.close();
  }

  /** Whether it is not closed. */
  get isOpen(): bool {
    return this.fd >= 0;
  }

  /**
   * Sends a message, whole or not at all, and with it descriptor `fd` unless that is −1; ours
   * stays open. Returns `length`; `-Errno.AGAIN` when the channel is full, and `onDrain` follows;
   * `-Errno.PIPE` when the other end is closed; `-Errno.MSGSIZE` for more than fits at all;
   * `-Errno.NOTSUP` for a descriptor of a kind that is not passed.
   */
  send(data: usize, length: i32, fd: i32 = -1): i32 {
    store<usize>(IOV, data);
    store<i32>(IOV, length, 4);
    const errno = channel_send(this.fd, IOV, 1, fd, SIZE);
    if (errno == 0) return length;
    // What it had not read itself, the other end leaves behind as this error.
    if (errno == Errno.CONNRESET) return -Errno.PIPE;
    if (errno == Errno.AGAIN && !this.isCongested) {
      this.isCongested = true;
      this.updateInterest();
    }
    return -errno;
  }

  /** Sends as `send` does, and closes our own `fd` if the message went. */
  handOver(data: usize, length: i32, fd: i32): i32 {
    const result = this.send(data, length, fd);
    if (result >= 0) fd_close(fd);
    return result;
  }

  /** Receives nothing until `resume`: the channel fills, and the other guest finds it full. */
  pause(): void {
    this.isPaused = true;
    this.updateInterest();
  }

  /** Receives again after `pause`. */
  resume(): void {
    this.isPaused = false;
    this.updateInterest();
  }

  /** Closes it: what was sent is still received, and then the other end ends. */
  close(): void {
    this.loop.close(this);
  }

  onEvents(events: i32): void {
    // Without an interest in OUT, HUP alone tells that the other end is gone.
    if (this.isCongested && (events & (Events.OUT | Events.ERR | Events.HUP)) != 0) {
      this.isCongested = false;
      this.updateInterest();
      this.onDrain();
    }
    if (this.fd >= 0 && (this.interest & Events.IN) != 0) this.receive();
  }

  /** Not to be overridden: receiving goes on after a lack of descriptors. */
  onTimeout(): void {
    this.updateInterest();
  }

  private receive(): void {
    const buffer = this.loop.receiveBuffer;
    for (let i = 0; i < MESSAGES_PER_EVENT; i++) {
      store<usize>(IOV, buffer);
      store<i32>(IOV, RECEIVE_BYTES, 4);
      const errno = channel_recv(this.fd, IOV, 1, SIZE, PASSED, FLAGS);
      if (errno == 0) this.deliver(buffer);
      else if (errno != Errno.CONNRESET) return this.receiveNone(errno);
      if ((this.interest & Events.IN) == 0) return;
    }
    if (this.loop.poller.edgeTriggered) this.loop.rearm(this);
  }

  private deliver(buffer: usize): void {
    const fd = load<i32>(PASSED);
    this.isTruncated = (load<i32>(FLAGS) & MSG_TRUNC) != 0;
    if (fd >= 0) setNonBlocking(fd);
    this.onMessage(buffer, load<i32>(SIZE), fd);
  }

  private receiveNone(errno: i32): void {
    if (errno == Errno.AGAIN) return;
    if (errno == Errno.MFILE || errno == Errno.NFILE || errno == Errno.NOMEM) {
      // The message waits in the channel, as long as there is no descriptor for what it brings.
      this.loop.watch(this, this.interest & ~Events.IN);
      this.loop.arm(this, BACK_OFF_NS);
      return;
    }
    // Nothing comes any more, which would be reported for ever.
    this.isPaused = true;
    this.updateInterest();
    this.onEnd();
  }

  private updateInterest(): void {
    if (this.fd < 0) return;
    let interest = this.isCongested ? Events.OUT : 0;
    if (!this.isPaused) interest |= Events.IN;
    if (this.loop.watch(this, interest) < 0) this.close();
  }
}

/**
 * The descriptor of a channel that the host gave us under this name, exactly as it is spelt; with
 * an index, of the one to that instance of a role: `channelFd('WORKER', 2)`. Or `-Errno.BADF`.
 */
export function channelFd(name: string, index: i32 = -1): i32 {
  const suffix = index < 0 ? '' : '_' + index.toString();
  const number = env(ENVIRONMENT + name + suffix);
  return number === null ? -Errno.BADF : I32.parseInt(number);
}

/** The channels to all instances of a role, in their order: none if there is no such role. */
export function channelFds(name: string): Array<i32> {
  const fds = new Array<i32>();
  for (let fd = channelFd(name, 0); fd >= 0; fd = channelFd(name, fds.length)) fds.push(fd);
  return fds;
}
