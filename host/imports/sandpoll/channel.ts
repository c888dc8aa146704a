/** Module `sandpoll`: channels, which hand bytes and descriptors to another guest. */
import { EPOLLIN, EPOLLOUT } from '../../abi/epoll.js';
import { MSG_PEEK } from '../../abi/socket.js';
import { Access, Kind } from '../../descriptors.js';
import { Errno, LinuxErrno, wasiErrno } from '../../errno.js';
import type { Handle } from '../../kernel/kernel.js';
import type { Sandbox } from '../../sandbox.js';
import { type ImportRow, imported } from '../call.js';

const AGAIN = -LinuxErrno.AGAIN;

/** In place of a descriptor: none. */
const NONE = -1;

/**
 * What can be passed. Not stdio, which is the host's own; not a signalfd, whose signals are its
 * guest's; not a channel, which could keep itself alive in its own queue.
 */
const PASSABLE: ReadonlySet<number> = new Set([
  Kind.LISTENER,
  Kind.STREAM,
  Kind.DATAGRAM,
  Kind.SEQPACKET,
  Kind.EPOLL,
  Kind.EVENT,
  Kind.TIMER,
  Kind.PIPE,
]);

/** A message's header says what came with it: its kind, and what may be done with it. */
const ACCESS_SHIFT = 8;
const KIND_MASK = (1 << ACCESS_SHIFT) - 1;
const ACCESS_MASK = Access.READ | Access.WRITE;

/** `ChannelInfo` of the kernel port: the header, the handle, and Linux's msg_flags. */
const INFO_BYTES = 12;
const HEADER_AT = 0;
const HEADER_BYTES = 4;
const HANDLE_AT = 4;
const FLAGS_AT = 8;

const MSG_TRUNC = 0x20;

/** Why a descriptor is no channel: `-EBADF` or `-ENOTSOCK`; 0 if it is one. */
function notChannel(kind: number): number {
  if (kind === Kind.CHANNEL) return 0;
  return kind === Kind.FREE ? -LinuxErrno.BADF : -LinuxErrno.NOTSOCK;
}

/** Sends one message; waits for room if the channel is blocking. */
function send(
  sandbox: Sandbox,
  fd: number,
  channel: Handle,
  count: number,
  header: number,
  passed: Handle,
): number {
  const { kernel, memory, descriptors } = sandbox;
  for (;;) {
    const result = kernel.channelSend(channel, memory.span, memory.iovs, count, header, passed);
    if (result !== AGAIN || descriptors.isNonblocking(fd)) return result;
    const ready = sandbox.waitReady(channel, EPOLLOUT, 0);
    if (ready < 0) return ready;
  }
}

/**
 * Sends one message, whole or not at all, and with it descriptor `passed` unless that is −1. The
 * sender keeps its own; the receiver may do with it what the sender may, no more. EAGAIN when
 * the channel is full and NONBLOCK; EPIPE when the other end is closed; EMSGSIZE for a message
 * that never fits; ENOTSUP for a kind that is not passed.
 */
const sendRow = imported(
  'channel_send',
  { fd: 'fd', iovs: 'ptr', iovs_len: 'size', passed: 'i32', 'result.size': '*u32' },
  (sandbox) => (fd: number, iovs: number, length: number, passed: number, result: number) => {
    const { memory, descriptors } = sandbox;
    const at = result >>> 0;
    if (!memory.fits(at, 4)) return Errno.FAULT;
    const count = memory.readIovecs(iovs >>> 0, length >>> 0);
    if (count < 0) return wasiErrno(count);
    const refused = notChannel(descriptors.kind(fd));
    if (refused < 0) return wasiErrno(refused);
    // Before the other is looked up: a thread may put something else in its place.
    const channel = descriptors.handle(fd);
    let header = 0;
    let handle = NONE;
    if (passed !== NONE) {
      const kind = descriptors.kind(passed);
      if (kind === Kind.FREE) return Errno.BADF;
      if (!PASSABLE.has(kind)) return Errno.NOTSUP;
      header = kind | (descriptors.access(passed) << ACCESS_SHIFT);
      handle = descriptors.handle(passed);
    }
    const n = send(sandbox, fd, channel, count, header, handle);
    if (n < 0) return wasiErrno(n);
    memory.view.setUint32(at, n, true);
    return Errno.SUCCESS;
  },
);

/** One thread's channel_recv. */
class Receiver {
  readonly #sandbox: Sandbox;
  readonly #info = new DataView(new ArrayBuffer(INFO_BYTES));
  readonly #infoBytes = new Uint8Array(this.#info.buffer);

  constructor(sandbox: Sandbox) {
    this.#sandbox = sandbox;
  }

  /** Linux's msg_flags of the last message, of which MSG_TRUNC alone is told. */
  get flags(): number {
    return this.#info.getUint32(FLAGS_AT, true) & MSG_TRUNC;
  }

  /** Receives one message into the buffers; waits for it if `fd` is blocking. */
  receive(fd: number, count: number): number {
    const { kernel, memory, descriptors } = this.#sandbox;
    const channel = descriptors.handle(fd);
    for (;;) {
      const result = kernel.channelRecv(channel, memory.span, memory.iovs, count, this.#infoBytes);
      if (result !== AGAIN || descriptors.isNonblocking(fd)) return result;
      const ready = this.#sandbox.waitReady(channel, EPOLLIN, 0);
      if (ready < 0) return ready;
    }
  }

  /**
   * 0 if the next message brings no descriptor, `full` if it does; or minus an errno. Waits for
   * the message if `fd` is blocking.
   */
  bringsNone(fd: number, full: number): number {
    const { kernel, descriptors } = this.#sandbox;
    const channel = descriptors.handle(fd);
    for (;;) {
      const result = kernel.recv(channel, this.#infoBytes, HEADER_AT, HEADER_BYTES, MSG_PEEK);
      if (result === AGAIN && !descriptors.isNonblocking(fd)) {
        const ready = this.#sandbox.waitReady(channel, EPOLLIN, 0);
        if (ready < 0) return ready;
      } else if (result > 0) {
        return this.#info.getUint32(HEADER_AT, true) === 0 ? 0 : full;
      } else {
        return result;
      }
    }
  }

  /**
   * Opens what came with the message as `claimed`; −1, and the number given back, if nothing.
   * Without a number what comes is closed: another thread has taken the message looked at.
   */
  open(claimed: number): number {
    const { kernel, descriptors } = this.#sandbox;
    const handle = this.#info.getInt32(HANDLE_AT, true);
    if (handle < 0 || claimed === NONE) {
      if (claimed !== NONE) descriptors.abandon(claimed);
      else if (handle >= 0) kernel.close(handle);
      return NONE;
    }
    const header = this.#info.getUint32(HEADER_AT, true);
    const kind = header & KIND_MASK;
    // Only hosts write to channels: whoever sent this did not look.
    if (!PASSABLE.has(kind)) throw new Error(`a channel brought a descriptor of kind ${kind}`);
    descriptors.open(claimed, handle, kind, (header >>> ACCESS_SHIFT) & ACCESS_MASK, 0);
    return claimed;
  }
}

/**
 * Receives one message; what does not fit the buffers is lost, and MSG_TRUNC (0x20) told. The
 * descriptor that came with it, blocking at first, or −1. EMFILE, and a message that brings one
 * stays where it is, as long as no descriptor is free, or no connection more is allowed; EPIPE when
 * the other end is closed and all is read.
 */
const recvRow = imported(
  'channel_recv',
  {
    fd: 'fd',
    iovs: 'ptr',
    iovs_len: 'size',
    'result.size': '*u32',
    'result.fd': '*u32',
    'result.flags': '*u32',
  },
  (sandbox) => {
    const { descriptors } = sandbox;
    const receiver = new Receiver(sandbox);
    return (
      fd: number,
      iovs: number,
      length: number,
      size: number,
      passed: number,
      flags: number,
    ) => {
      const { memory } = sandbox;
      const sizeAt = size >>> 0;
      const passedAt = passed >>> 0;
      const flagsAt = flags >>> 0;
      if (!memory.fits(sizeAt, 4) || !memory.fits(passedAt, 4)) return Errno.FAULT;
      if (!memory.fits(flagsAt, 4)) return Errno.FAULT;
      const count = memory.readIovecs(iovs >>> 0, length >>> 0);
      if (count < 0) return wasiErrno(count);
      const refused = notChannel(descriptors.kind(fd));
      if (refused < 0) return wasiErrno(refused);
      // First, so that nothing is lost on a full table.
      const permitted = sandbox.permitConnections(1);
      let claimed = permitted < 0 ? permitted : sandbox.claimDescriptor();
      if (claimed < 0) {
        // Who waits for an answer before it closes anything must still hear it.
        const full = receiver.bringsNone(fd, claimed);
        if (full < 0) return wasiErrno(full);
        claimed = NONE;
      }
      const n = receiver.receive(fd, count);
      if (n < 0) {
        if (claimed !== NONE) descriptors.abandon(claimed);
        return wasiErrno(n);
      }
      memory.view.setUint32(passedAt, receiver.open(claimed), true);
      memory.view.setUint32(sizeAt, n, true);
      memory.view.setUint32(flagsAt, receiver.flags, true);
      return Errno.SUCCESS;
    };
  },
);

export const CHANNEL_ROWS: readonly ImportRow[] = [sendRow, recvRow];
