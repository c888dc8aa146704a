/** Module `sandpoll`: `recvmmsg(2)` and `sendmmsg(2)`, many messages by one call. */
import { EPOLLERR, EPOLLIN, EPOLLOUT, Timespec } from '../../abi/epoll.js';
import { MSG_KNOWN, MSG_OOB, MSG_WAITFORONE, Mmsghdr, Msghdr } from '../../abi/socket.js';
import { Kind } from '../../descriptors.js';
import { Errno, LinuxErrno, wasiErrno } from '../../errno.js';
import { type Handle, IOV_MAX, MESSAGES_MAX, MESSAGE_BYTES } from '../../kernel/kernel.js';
import type { Sandbox } from '../../sandbox.js';
import { type ImportRow, imported } from '../call.js';
import {
  MSG_DONTWAIT,
  MSG_WAITALL,
  isSocket,
  notSocket,
  permitSend,
  wouldBind,
} from '../socket/transfer.js';
import { readDestination, receiveHeader, transmitHeader } from './message.js';
import { sockaddrRoom } from './sockaddr.js';

/** What the host carries out for the kernel, which never waits here. */
const HOSTS_OWN = MSG_DONTWAIT | MSG_WAITALL | MSG_WAITFORONE;

const AGAIN = -LinuxErrno.AGAIN;

/** `UIO_MAXIOV`: no call sends more, as Linux has it. */
const SENDS_MAX = 1024;

/** Words of a row of the kernel port's table, and where they stand in it. */
const ROW_WORDS = MESSAGE_BYTES / 4;
const LENGTH = 1;
const FLAGS = 2;
const NAME = 3;
/** Where the sockaddr itself begins, in bytes. */
const NAME_AT = 16;

const CLOCK_MONOTONIC = 1;
const SECOND_NS = 1e9;
/** Seconds beyond this are for ever: 68 years. */
const SECONDS_MAX = 2 ** 31 - 1;
const NEVER = -1;

/** What was done before it went wrong; or, if that is nothing, what went wrong. */
function doneOr(done: number, error: number): number {
  return done > 0 ? done : error;
}

/** One instance's messages: they are read from the guest once, and judged before they go. */
class Messages {
  readonly #sandbox: Sandbox;
  readonly #table = new ArrayBuffer(MESSAGES_MAX * MESSAGE_BYTES);
  readonly #words = new Uint32Array(this.#table);
  readonly #bytes = new Uint8Array(this.#table);
  /** For each message that is awaited: where its sender's address is wanted, and the room there. */
  readonly #senders = new Uint32Array(2 * MESSAGES_MAX);
  readonly #now = new Uint32Array(2);
  #deadlineNs = NEVER;

  constructor(sandbox: Sandbox) {
    this.#sandbox = sandbox;
  }

  /**
   * Reads the `timespec` at `at`, 0 for none: 0, or minus an errno. As in Linux it ends the call
   * after the first message that comes late, and no wait.
   */
  readTimeout(at: number): number {
    this.#deadlineNs = NEVER;
    if (at === 0) return 0;
    const { memory } = this.#sandbox;
    if (!memory.fits(at, Timespec.SIZE)) return -LinuxErrno.FAULT;
    const { view } = memory;
    const high = Timespec.seconds.hi(view, at);
    const nanoseconds = Timespec.nanoseconds.lo(view, at);
    const odd = Timespec.nanoseconds.hi(view, at) !== 0 || nanoseconds >= SECOND_NS;
    if (high >= 2 ** 31 || odd) return -LinuxErrno.INVAL;
    const seconds = high > 0 ? SECONDS_MAX : Math.min(Timespec.seconds.lo(view, at), SECONDS_MAX);
    this.#deadlineNs = this.#nowNs() + seconds * SECOND_NS + nanoseconds;
    return 0;
  }

  /** Writes what is left of the time to the `timespec` at `at`, which fits; 0 is none. */
  tellTimeLeft(at: number): void {
    if (at === 0) return;
    const { view } = this.#sandbox.memory;
    const leftNs = this.#leftNs();
    Timespec.seconds.set(view, at, Math.floor(leftNs / SECOND_NS), 0);
    Timespec.nanoseconds.set(view, at, leftNs % SECOND_NS, 0);
  }

  #nowNs(): number {
    this.#sandbox.kernel.clockGettime(CLOCK_MONOTONIC, this.#now.buffer, 0);
    return this.#now[1] * 2 ** 32 + this.#now[0];
  }

  #leftNs(): number {
    return Math.max(this.#deadlineNs - this.#nowNs(), 0);
  }

  #isLate(): boolean {
    return this.#deadlineNs !== NEVER && this.#leftNs() === 0;
  }

  /** `recvmmsg(2)`: how many messages came, or minus an errno. */
  receive(fd: number, at: number, count: number, flags: number): number {
    if ((flags & ~(MSG_KNOWN | MSG_WAITFORONE)) !== 0) return -LinuxErrno.NOTSUP;
    const { descriptors } = this.#sandbox;
    const kind = descriptors.kind(fd);
    if (!isSocket(kind)) return notSocket(kind);
    if (kind !== Kind.DATAGRAM) return this.#receiveEach(fd, at, count, flags);
    const waits = (flags & MSG_DONTWAIT) === 0 && !descriptors.isNonblocking(fd);
    return this.#receiveMany(fd, at, count, flags, waits);
  }

  /** What keeps no bounds, or hands over connections: one after the other, as `recvmsg` does. */
  #receiveEach(fd: number, at: number, count: number, flags: number): number {
    const { memory } = this.#sandbox;
    let told = flags & ~MSG_WAITFORONE;
    for (let done = 0; done < count; done++) {
      const from = at + done * Mmsghdr.SIZE;
      if (!memory.fits(from, Mmsghdr.SIZE)) return doneOr(done, -LinuxErrno.FAULT);
      const n = receiveHeader(this.#sandbox, fd, from, told);
      if (n < 0) return doneOr(done, n);
      Mmsghdr.len.set(memory.view, from, n);
      const urgent = (Msghdr.flags.get(memory.view, from) & MSG_OOB) !== 0;
      if (urgent || this.#isLate()) return done + 1;
      if ((flags & MSG_WAITFORONE) !== 0) told |= MSG_DONTWAIT;
    }
    return count;
  }

  #receiveMany(fd: number, at: number, count: number, flags: number, waiting: boolean): number {
    const handle = this.#sandbox.descriptors.handle(fd);
    const timeoutMs = this.#sandbox.descriptors.timeoutMs(fd, false);
    let waits = waiting;
    let done = 0;
    while (done < count) {
      const from = at + done * Mmsghdr.SIZE;
      const asked = this.#gatherReceives(from, count - done);
      if (asked < 0) return doneOr(done, asked);
      if (done > 0 && !this.#mayGoOn(handle, waits, timeoutMs)) return done;
      const n = this.#receiveGathered(handle, asked, flags, waits, timeoutMs);
      if (n < 0) return doneOr(done, n);
      this.#tellReceived(from, n);
      done += n;
      if ((flags & MSG_WAITFORONE) !== 0) waits = false;
      if ((n < asked && !waits) || this.#isLate()) return done;
    }
    return done;
  }

  /** Receives into the messages that were read, after a wait for the first one if it `waits`. */
  #receiveGathered(
    handle: Handle,
    count: number,
    flags: number,
    waits: boolean,
    timeoutMs: number,
  ): number {
    const { kernel, memory } = this.#sandbox;
    const told = flags & ~HOSTS_OWN;
    for (;;) {
      const leftNs = this.#deadlineNs === NEVER ? NEVER : this.#leftNs();
      const seconds = leftNs === NEVER ? NEVER : Math.floor(leftNs / SECOND_NS);
      const nanoseconds = leftNs === NEVER ? 0 : leftNs % SECOND_NS;
      const { span, iovs } = memory;
      const table = this.#table;
      const n = kernel.recvmmsg(handle, span, iovs, table, count, told, seconds, nanoseconds);
      if (n !== AGAIN || !waits) return n;
      const ready = this.#sandbox.waitReady(handle, EPOLLIN, timeoutMs);
      if (ready < 0) return ready;
    }
  }

  /**
   * Whether there are messages to follow those that came, after a wait for them if it `waits`. An
   * error that the socket has is left for the next call to meet.
   */
  #mayGoOn(handle: Handle, waits: boolean, timeoutMs: number): boolean {
    const ready = waits
      ? this.#sandbox.waitReady(handle, EPOLLIN, timeoutMs)
      : this.#sandbox.kernel.poll(handle, EPOLLIN, 0, 0);
    return ready > 0 && (ready & EPOLLERR) === 0;
  }

  /** Reads the buffers of the message at `from`, behind those `used`: how many, or `-errno`. */
  #readBuffers(from: number, used: number): number {
    const { memory } = this.#sandbox;
    if (!memory.fits(from, Mmsghdr.SIZE)) return -LinuxErrno.FAULT;
    const count = Msghdr.iovlen.get(memory.view, from);
    if (count > IOV_MAX - used) return -LinuxErrno.MSGSIZE;
    return memory.readIovecs(Msghdr.iov.get(memory.view, from), count, used);
  }

  /**
   * Reads messages to receive, as many as one call of the port takes, and up to the first that
   * cannot be: how many, or why the first one cannot.
   */
  #gatherReceives(at: number, count: number): number {
    const { memory } = this.#sandbox;
    const most = Math.min(count, MESSAGES_MAX);
    let used = 0;
    for (let i = 0; i < most; i++) {
      const from = at + i * Mmsghdr.SIZE;
      const buffers = this.#readBuffers(from, used);
      if (buffers < 0) return doneOr(i, buffers);
      const name = Msghdr.name.get(memory.view, from);
      const lenAt = from + Msghdr.namelen.offset;
      const room = name === 0 ? 0 : sockaddrRoom(this.#sandbox, name, lenAt);
      if (room < 0) return doneOr(i, room);
      this.#senders[2 * i] = name;
      this.#senders[2 * i + 1] = room;
      this.#words[i * ROW_WORDS] = buffers;
      used += buffers;
    }
    return most;
  }

  /** Writes what came to the `count` messages at `at`, whose places were judged before. */
  #tellReceived(at: number, count: number): void {
    const { view, bytes } = this.#sandbox.memory;
    for (let i = 0; i < count; i++) {
      const to = at + i * Mmsghdr.SIZE;
      const row = i * ROW_WORDS;
      const name = this.#senders[2 * i];
      if (name !== 0) {
        const length = this.#words[row + NAME];
        const written = Math.min(length, this.#senders[2 * i + 1]);
        const nameAt = i * MESSAGE_BYTES + NAME_AT;
        for (let k = 0; k < written; k++) bytes[name + k] = this.#bytes[nameAt + k];
        Msghdr.namelen.set(view, to, length);
      }
      Msghdr.controllen.set(view, to, 0);
      Msghdr.flags.set(view, to, this.#words[row + FLAGS]);
      Mmsghdr.len.set(view, to, this.#words[row + LENGTH]);
    }
  }

  /** `sendmmsg(2)`: how many messages were sent, or minus an errno. */
  send(fd: number, at: number, count: number, flags: number): number {
    if ((flags & ~MSG_KNOWN) !== 0) return -LinuxErrno.NOTSUP;
    const { descriptors } = this.#sandbox;
    const kind = descriptors.kind(fd);
    if (!isSocket(kind)) return notSocket(kind);
    const most = Math.min(count, SENDS_MAX);
    if (kind !== Kind.DATAGRAM) return this.#sendEach(fd, at, most, flags);
    const waits = (flags & MSG_DONTWAIT) === 0 && !descriptors.isNonblocking(fd);
    return this.#sendMany(fd, at, most, flags, waits);
  }

  #sendEach(fd: number, at: number, count: number, flags: number): number {
    const { memory } = this.#sandbox;
    for (let done = 0; done < count; done++) {
      const from = at + done * Mmsghdr.SIZE;
      if (!memory.fits(from, Mmsghdr.SIZE)) return doneOr(done, -LinuxErrno.FAULT);
      const n = transmitHeader(this.#sandbox, fd, from, flags);
      if (n < 0) return doneOr(done, n);
      Mmsghdr.len.set(memory.view, from, n);
    }
    return count;
  }

  #sendMany(fd: number, at: number, count: number, flags: number, waits: boolean): number {
    const { kernel, memory, descriptors } = this.#sandbox;
    const handle = descriptors.handle(fd);
    const timeoutMs = descriptors.timeoutMs(fd, true);
    let done = 0;
    while (done < count) {
      const from = at + done * Mmsghdr.SIZE;
      const asked = this.#gatherSends(fd, from, count - done);
      if (asked < 0) return doneOr(done, asked);
      const n = this.#sendGathered(handle, asked, flags, waits, timeoutMs);
      if (n < 0) return doneOr(done, n);
      for (let i = 0; i < n; i++) {
        Mmsghdr.len.set(memory.view, from + i * Mmsghdr.SIZE, this.#words[i * ROW_WORDS + LENGTH]);
      }
      done += n;
      // With room left it was no want of room that ended it, but an error, which Linux drops.
      if (n < asked && (!waits || kernel.poll(handle, EPOLLOUT, 0, 0) !== 0)) return done;
    }
    return done;
  }

  /** Sends the messages that were read, after a wait for room if it `waits`. */
  #sendGathered(
    handle: Handle,
    count: number,
    flags: number,
    waits: boolean,
    timeoutMs: number,
  ): number {
    const { kernel, memory } = this.#sandbox;
    const { span, iovs } = memory;
    for (;;) {
      const n = kernel.sendmmsg(handle, span, iovs, this.#table, count, flags & ~HOSTS_OWN);
      if (n !== AGAIN || !waits) return n;
      const ready = this.#sandbox.waitReady(handle, EPOLLOUT, timeoutMs);
      if (ready < 0) return ready;
    }
  }

  /** As `gatherReceives`; each address is judged, once it lies where no guest can change it. */
  #gatherSends(fd: number, at: number, count: number): number {
    const most = Math.min(count, MESSAGES_MAX);
    let used = 0;
    for (let i = 0; i < most; i++) {
      const from = at + i * Mmsghdr.SIZE;
      const buffers = this.#readBuffers(from, used);
      if (buffers < 0) return doneOr(i, buffers);
      const named = this.#judge(fd, from);
      if (named < 0) return doneOr(i, named);
      const row = i * ROW_WORDS;
      this.#words[row] = buffers;
      this.#words[row + NAME] = 0;
      if (named === 1) {
        const { addressWords } = this.#sandbox;
        const nameWords = 1 + ((addressWords[0] + 3) >>> 2);
        for (let k = 0; k < nameWords; k++) this.#words[row + NAME + k] = addressWords[k];
      }
      used += buffers;
    }
    return most;
  }

  /** Whether the message at `from` may go: 1 to the sandbox's address, 0 to none, `-errno`. */
  #judge(fd: number, from: number): number {
    const named = readDestination(this.#sandbox, from);
    if (named < 0) return named;
    if (named === 0) return wouldBind(this.#sandbox, fd) ? -LinuxErrno.DESTADDRREQ : 0;
    const permitted = permitSend(this.#sandbox, fd);
    return permitted < 0 ? permitted : 1;
  }
}

/**
 * `recvmmsg(2)`. Of an error that a message meets nothing is told but that it ends the call: those
 * before it have come. `timeout` may be 0; Linux, and so this, looks at it after each message, and
 * not while it waits for one.
 */
const recvmmsgRow = imported(
  'recvmmsg',
  { fd: 'fd', msgvec: 'ptr', vlen: 'size', flags: 'u32', timeout: 'ptr', 'result.n': '*u32' },
  (sandbox) => {
    const messages = new Messages(sandbox);
    return (
      fd: number,
      msgvec: number,
      vlen: number,
      flags: number,
      timeout: number,
      result: number,
    ) => {
      const { memory } = sandbox;
      const nAt = result >>> 0;
      if (!memory.fits(nAt, 4)) return Errno.FAULT;
      const timed = messages.readTimeout(timeout >>> 0);
      if (timed < 0) return wasiErrno(timed);
      const n = messages.receive(fd, msgvec >>> 0, vlen >>> 0, flags);
      if (n < 0) return wasiErrno(n);
      if (n > 0) messages.tellTimeLeft(timeout >>> 0);
      memory.view.setUint32(nAt, n, true);
      return Errno.SUCCESS;
    };
  },
);

/** `sendmmsg(2)`, at most 1,024 messages; one that is denied ends it as any other error does. */
const sendmmsgRow = imported(
  'sendmmsg',
  { fd: 'fd', msgvec: 'ptr', vlen: 'size', flags: 'u32', 'result.n': '*u32' },
  (sandbox) => {
    const messages = new Messages(sandbox);
    return (fd: number, msgvec: number, vlen: number, flags: number, result: number) => {
      const { memory } = sandbox;
      const nAt = result >>> 0;
      if (!memory.fits(nAt, 4)) return Errno.FAULT;
      const n = messages.send(fd, msgvec >>> 0, vlen >>> 0, flags);
      if (n < 0) return wasiErrno(n);
      memory.view.setUint32(nAt, n, true);
      return Errno.SUCCESS;
    };
  },
);

export const MMSG_ROWS: readonly ImportRow[] = [recvmmsgRow, sendmmsgRow];
