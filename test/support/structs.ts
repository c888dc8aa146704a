/** What guests hand to poll_oneoff and epoll, and what they get of files too, as plain records. */
import { EpollEvent } from '#host/abi/epoll.js';
import { Filestat } from '#host/abi/files.js';
import { Event, Eventtype, Subscription } from '#host/abi/preview1.js';

import type { Driven } from './driven.js';

export interface Subscribed {
  readonly tag: number;
  readonly userdata?: bigint;
  readonly fd?: number;
  readonly id?: number;
  readonly timeout?: bigint;
  readonly precision?: bigint;
  readonly flags?: number;
}

export const MONOTONIC = 1;

export function clock(timeout: bigint, more: Omit<Subscribed, 'tag' | 'timeout'> = {}): Subscribed {
  return { tag: Eventtype.CLOCK, id: MONOTONIC, timeout, ...more };
}

export function reading(fd: number, userdata = 0n): Subscribed {
  return { tag: Eventtype.FD_READ, fd, userdata };
}

export function writing(fd: number, userdata = 0n): Subscribed {
  return { tag: Eventtype.FD_WRITE, fd, userdata };
}

export function subscriptionBytes(list: readonly Subscribed[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(list.length * Subscription.SIZE));
  list.forEach((each, index) => {
    const at = index * Subscription.SIZE;
    view.setBigUint64(at, each.userdata ?? 0n, true);
    Subscription.tag.set(view, at, each.tag);
    if (each.fd !== undefined) Subscription.fd.set(view, at, each.fd);
    if (each.id === undefined) return;
    Subscription.clockId.set(view, at, each.id);
    view.setBigUint64(at + Subscription.clockTimeout.offset, each.timeout ?? 0n, true);
    view.setBigUint64(at + Subscription.clockPrecision.offset, each.precision ?? 0n, true);
    Subscription.clockFlags.set(view, at, each.flags ?? 0);
  });
  return new Uint8Array(view.buffer);
}

export interface Happened {
  readonly userdata: bigint;
  readonly error: number;
  readonly type: number;
  readonly nbytes: number;
  readonly flags: number;
}

export interface Polled {
  readonly errno: number;
  readonly events: readonly Happened[];
}

export function happened(bytes: Uint8Array): Happened[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return Array.from({ length: bytes.length / Event.SIZE }, (_each, index) => {
    const at = index * Event.SIZE;
    return {
      userdata: view.getBigUint64(at, true),
      error: Event.error.get(view, at),
      type: Event.type.get(view, at),
      nbytes: Event.nbytes.lo(view, at),
      flags: Event.flags.get(view, at),
    };
  });
}

/** Where `poll` and `epollWait` put what they need. */
export interface PollPlaces {
  readonly in: number;
  readonly out: number;
  readonly nevents: number;
}

/** One poll_oneoff; its events by userdata. */
export async function poll(
  driven: Driven,
  list: readonly Subscribed[],
  at: PollPlaces = { in: 0x1_0000, out: 0x1_8000, nevents: 0x1_ff00 },
): Promise<Polled> {
  await driven.write(at.in, subscriptionBytes(list));
  const errno = await driven.call('poll_oneoff', at.in, at.out, list.length, at.nevents);
  if (errno !== 0) return { errno, events: [] };
  const n = await driven.u32(at.nevents);
  const events = happened(await driven.read(at.out, n * Event.SIZE));
  return {
    errno,
    events: events.toSorted((a, b) => Number(a.userdata - b.userdata) || a.type - b.type),
  };
}

export interface Epolled {
  readonly events: number;
  readonly data: bigint;
}

const EPOLL_OUT = 0x1_8000;
const EPOLL_N = 0x1_ff00;
const EPOLL_EVENT = 0x1_7000;

/** One epoll_ctl; its errno. */
export async function epollCtl(
  driven: Driven,
  epfd: number,
  op: number,
  fd: number,
  events = 0,
  data = 0n,
): Promise<number> {
  const view = new DataView(new ArrayBuffer(EpollEvent.SIZE));
  EpollEvent.events.set(view, 0, events);
  view.setBigUint64(EpollEvent.data.offset, data, true);
  await driven.write(EPOLL_EVENT, new Uint8Array(view.buffer));
  return driven.call('epoll_ctl', epfd, op, fd, EPOLL_EVENT);
}

/** One epoll_wait that must succeed; its events in their order. */
export async function epollWait(
  driven: Driven,
  epfd: number,
  timeoutMs = 0,
  maxevents = 64,
): Promise<Epolled[]> {
  const errno = await driven.call('epoll_wait', epfd, EPOLL_OUT, maxevents, timeoutMs, EPOLL_N);
  if (errno !== 0) throw new Error(`epoll_wait failed with ${errno}`);
  const n = await driven.u32(EPOLL_N);
  const bytes = await driven.read(EPOLL_OUT, n * EpollEvent.SIZE);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return Array.from({ length: n }, (_each, index) => {
    const at = index * EpollEvent.SIZE;
    return {
      events: EpollEvent.events.get(view, at),
      data: view.getBigUint64(at + EpollEvent.data.offset, true),
    };
  });
}

/** A filestat's fields: u64 all but the filetype. */
export interface Stat {
  readonly dev: bigint;
  readonly ino: bigint;
  readonly filetype: number;
  readonly nlink: bigint;
  readonly size: bigint;
  readonly atim: bigint;
  readonly mtim: bigint;
  readonly ctim: bigint;
}

/** The filestat at the begin of `bytes`. */
export function statIn(bytes: Uint8Array): Stat {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const [dev, ino, nlink, size, atim, mtim, ctim] = (
    ['dev', 'ino', 'nlink', 'size', 'atim', 'mtim', 'ctim'] as const
  ).map((name) => view.getBigUint64(Filestat[name].offset, true));
  // The whole word: the padding is zero.
  const filetype = Number(view.getBigUint64(Filestat.filetype.offset, true));
  return { dev, ino, filetype, nlink, size, atim, mtim, ctim };
}
