/**
 * One behaviour suite for every kernel: what the cases have in common. The native kernel, which
 * is Linux itself, is the judge.
 */
import {
  EPOLLIN,
  EPOLLOUT,
  EPOLL_CTL_ADD,
  EPOLL_CTL_DEL,
  EPOLL_CTL_MOD,
  EpollEvent,
} from '#host/abi/epoll.js';
import { AF_INET, AF_UNIX, encodeSockaddr } from '#host/address.js';
import { linuxName } from '#host/errno.js';
import { type Handle, type Kernel, SOCKADDR_BYTES, type Session } from '#host/kernel/kernel.js';
import { openNativeKernel } from '#host/kernel/native.js';
import { afterEach, beforeEach, describe } from 'vitest';

/** The kernels that must behave so. */
export const KERNELS: readonly (readonly [name: string, open: () => Kernel])[] = [
  ['native', openNativeKernel],
];

export const SOCK_STREAM = 1;
export const SOCK_DGRAM = 2;
export const SOCK_SEQPACKET = 5;
export const [SHUT_RD, SHUT_WR, SHUT_RDWR] = [0, 1, 2];
export const MSG_OOB = 0x01;
export const MSG_PEEK = 0x02;
export const MSG_TRUNC = 0x20;
export const SOL_SOCKET = 1;
export const SO_ERROR = 4;
export const SO_SNDBUF = 7;
export const SO_LINGER = 13;

/** Where tests keep what they send and receive. */
const ROOM_BYTES = 1 << 17;
const EVENTS_MAX = 64;
/** Longer than anything here takes, for waits that must end by what they wait for. */
const PATIENCE_S = 10;

/** A result as a person reads it: a number, or the name of the error. */
export function said(result: number): number | string {
  return result < 0 ? linuxName(-result) : result;
}

/** A result that must not be an error. */
export function ok(result: number): number {
  if (result < 0) throw new Error(`the call failed with ${linuxName(-result)}`);
  return result;
}

export interface Pair {
  readonly near: Handle;
  readonly far: Handle;
}

export interface Ready {
  readonly events: number;
  readonly data: number;
}

/** One kernel during one case, and the words the sentences are made of. */
export class World {
  readonly kernel: Kernel;
  readonly room = new Uint8Array(ROOM_BYTES);
  readonly #events = new Uint8Array(EVENTS_MAX * EpollEvent.SIZE);
  readonly session: Session;

  constructor(kernel: Kernel) {
    this.kernel = kernel;
    this.session = ok(kernel.sessionOpen());
    ok(kernel.sessionEnter(this.session));
  }

  /** Closes all that the case has opened. */
  end(): void {
    ok(this.kernel.sessionClose(this.session));
  }

  /** The address of a handle: the buffer that the port takes. */
  nameOf(handle: Handle): Uint8Array {
    const address = new Uint8Array(SOCKADDR_BYTES);
    ok(this.kernel.getsockname(handle, address));
    return address;
  }

  /** A socket bound to an address of its own on loopback, or to a name that Linux picks. */
  bound(domain: number, type: number): Handle {
    const handle = ok(this.kernel.socket(domain, type, 0));
    ok(this.kernel.bind(handle, domain === AF_UNIX ? UNNAMED : loopback(0)));
    return handle;
  }

  listener(domain: number = AF_INET, backlog = 128): Handle {
    const handle = this.bound(domain, SOCK_STREAM);
    ok(this.kernel.listen(handle, backlog));
    return handle;
  }

  /** Two ends of one stream: `near` connected, `far` was accepted. */
  pair(domain: number = AF_INET, listener: Handle = this.listener(domain)): Pair {
    const { kernel } = this;
    const near = ok(kernel.socket(domain, SOCK_STREAM, 0));
    const address = this.nameOf(listener);
    kernel.connect(near, address);
    this.until(listener, EPOLLIN);
    const far = ok(kernel.accept4(listener, address));
    this.until(near, EPOLLOUT);
    return { near, far };
  }

  /** Two ends of a `socketpair(2)`. */
  socketpair(type: number): Pair {
    ok(this.kernel.socketpair(AF_UNIX, type, 0, this.room, 0));
    const [near, far] = new Int32Array(this.room.buffer, 0, 2);
    return { near, far };
  }

  /** An address on loopback that nobody listens on. */
  nowhere(type: number): Uint8Array {
    const handle = this.bound(AF_INET, type);
    const address = this.nameOf(handle);
    this.kernel.close(handle);
    return address;
  }

  send(handle: Handle, text: string, flags = 0): number {
    const bytes = new TextEncoder().encode(text);
    return this.kernel.send(handle, bytes, 0, bytes.length, flags);
  }

  /** What is received at once: the text, or the name of the error. */
  recv(handle: Handle, length: number = ROOM_BYTES, flags = 0): string {
    const result = this.kernel.recv(handle, this.room, 0, length, flags);
    if (result < 0) return linuxName(-result);
    return new TextDecoder().decode(this.room.subarray(0, Math.min(result, length)));
  }

  /** Sends until the kernel takes no more; how many bytes it took. */
  fill(handle: Handle): number {
    for (let sent = 0; ;) {
      const result = this.kernel.send(handle, this.room, 0, ROOM_BYTES, 0);
      if (result < 0) return sent;
      sent += result;
    }
  }

  /** Receives until there is no more; how many bytes there were. */
  drain(handle: Handle): number {
    for (let received = 0; ;) {
      const result = this.kernel.recv(handle, this.room, 0, ROOM_BYTES, 0);
      if (result <= 0) return received;
      received += result;
    }
  }

  /** Waits until a handle has any of `events`, as `poll(2)` has them. */
  until(handle: Handle, events: number): number {
    const ready = ok(this.kernel.poll(handle, events, PATIENCE_S, 0));
    if (ready === 0) throw new Error('waited in vain');
    return ready;
  }

  /** SO_ERROR by its name, read and cleared; 0 for none. */
  error(handle: Handle): number | string {
    const { kernel, room } = this;
    ok(kernel.getsockopt(handle, SOL_SOCKET, SO_ERROR, room, 0, 4));
    return said(-(room[0] ?? 0) | 0);
  }

  /** Closes a stream so that its peer gets a reset. */
  reset(handle: Handle): void {
    const linger = Uint8Array.from([1, 0, 0, 0, 0, 0, 0, 0]);
    ok(this.kernel.setsockopt(handle, SOL_SOCKET, SO_LINGER, linger, 0, linger.length));
    ok(this.kernel.close(handle));
  }

  epoll(): Handle {
    return ok(this.kernel.epollCreate1(0));
  }

  add(epoll: Handle, handle: Handle, events: number, data: number = handle): number {
    return this.kernel.epollCtl(epoll, EPOLL_CTL_ADD, handle, events, data, 0);
  }

  mod(epoll: Handle, handle: Handle, events: number, data: number = handle): number {
    return this.kernel.epollCtl(epoll, EPOLL_CTL_MOD, handle, events, data, 0);
  }

  del(epoll: Handle, handle: Handle): number {
    return this.kernel.epollCtl(epoll, EPOLL_CTL_DEL, handle, 0, 0, 0);
  }

  /** What is ready now, or within `timeoutMs`. */
  ready(epoll: Handle, maxevents: number = EVENTS_MAX, timeoutMs = 0): Ready[] {
    const n = ok(this.kernel.epollPwait(epoll, this.#events, 0, maxevents, timeoutMs));
    const view = new DataView(this.#events.buffer);
    return Array.from({ length: n }, (_each, index) => ({
      events: EpollEvent.events.get(view, index * EpollEvent.SIZE),
      data: EpollEvent.data.lo(view, index * EpollEvent.SIZE),
    }));
  }

  /** The handles that are ready, in no order. */
  readyHandles(epoll: Handle): Handle[] {
    return this.ready(epoll)
      .map(({ data }) => data)
      .toSorted((a, b) => a - b);
  }

  /** The events that are ready of a handle by itself, level-triggered. */
  eventsOf(handle: Handle, mask: number): number {
    const epoll = this.epoll();
    ok(this.add(epoll, handle, mask));
    const [ready] = this.ready(epoll);
    this.kernel.close(epoll);
    return ready?.events ?? 0;
  }
}

/** A UNIX address without a name: `bind` with it picks an abstract one (`unix(7)`). */
const UNNAMED = new Uint8Array(SOCKADDR_BYTES);
UNNAMED.set([2, 0, 0, 0, AF_UNIX]);

/** 127.0.0.1 at a port; 0 asks for a free one. */
export function loopback(port: number): Uint8Array {
  const address = new Uint8Array(SOCKADDR_BYTES);
  encodeSockaddr(address, { family: 'inet4', ip: '127.0.0.1', port });
  return address;
}

/** Describes how every kernel behaves; `world` gives the world of the case that runs. */
export function everyKernel(what: string, cases: (world: () => World) => void): void {
  describe.each(KERNELS)(`${what} (%s kernel)`, (_name, open) => {
    const kernel = open();
    let current: World | undefined;
    beforeEach(() => {
      current = new World(kernel);
    });
    afterEach(() => current?.end());
    cases(() => current as World);
  });
}
