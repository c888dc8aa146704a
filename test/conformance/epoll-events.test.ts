/** Which events Linux reports in which situation: the golden table (E8, LTP, epoll-shim). */
import { EPOLLERR, EPOLLHUP, EPOLLIN, EPOLLOUT, EPOLLPRI, EPOLLRDHUP } from '#host/abi/epoll.js';
import { AF_INET, AF_UNIX } from '#host/address.js';
import type { Handle } from '#host/kernel/kernel.js';
import { expect, test } from 'vitest';

import {
  MSG_OOB,
  SHUT_RD,
  SHUT_RDWR,
  SHUT_WR,
  SOCK_DGRAM,
  SOCK_STREAM,
  type World,
  everyKernel,
  ok,
} from './world.js';

const ALL = EPOLLIN | EPOLLPRI | EPOLLOUT | EPOLLRDHUP;

interface Situation {
  readonly what: string;
  /** Brings it about; the handle to look at. */
  readonly arrange: (world: World) => Handle;
  readonly mask?: number;
  readonly events: number;
}

/** A stream after its own end and its peer's were shut down so. */
function shut(domain: number, own: readonly number[], peers: readonly number[]) {
  return (world: World): Handle => {
    const { near, far } = world.pair(domain);
    for (const how of own) ok(world.kernel.shutdown(near, how));
    for (const how of peers) ok(world.kernel.shutdown(far, how));
    // A FIN is on its way in the kernel of a loopback: at its end it shows at the other.
    if (peers.length > 0 && peers[0] !== SHUT_RD) world.until(near, EPOLLRDHUP);
    return near;
  };
}

function eventfd(initval: number) {
  return (world: World): Handle => ok(world.kernel.eventfd(initval, 0));
}

const SITUATIONS: readonly Situation[] = [
  {
    what: 'a new TCP socket',
    arrange: ({ kernel }) => ok(kernel.socket(AF_INET, SOCK_STREAM, 0)),
    events: EPOLLOUT | EPOLLHUP,
  },
  {
    what: 'a new TCP socket of which nothing is asked (E10)',
    arrange: ({ kernel }) => ok(kernel.socket(AF_INET, SOCK_STREAM, 0)),
    mask: 0,
    events: EPOLLHUP,
  },
  { what: 'a listener', arrange: (world) => world.listener(), events: 0 },
  {
    what: 'a listener with a connection',
    arrange: (world) => {
      const listener = world.listener();
      const near = ok(world.kernel.socket(AF_INET, SOCK_STREAM, 0));
      world.kernel.connect(near, world.nameOf(listener));
      world.until(listener, EPOLLIN);
      return listener;
    },
    events: EPOLLIN,
  },
  { what: 'a connection', arrange: shut(AF_INET, [], []), events: EPOLLOUT },
  {
    what: 'a connection whose buffer is full',
    arrange: (world) => {
      const { near } = world.pair(AF_UNIX);
      world.fill(near);
      return near;
    },
    events: 0,
  },
  {
    what: 'the peer has ended (FIN)',
    arrange: shut(AF_INET, [], [SHUT_WR]),
    events: EPOLLIN | EPOLLOUT | EPOLLRDHUP,
  },
  {
    what: 'both have ended',
    arrange: shut(AF_INET, [SHUT_WR], [SHUT_WR]),
    events: EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLHUP,
  },
  { what: 'we have ended', arrange: shut(AF_INET, [SHUT_WR], []), events: EPOLLOUT },
  {
    what: 'we read no more',
    arrange: shut(AF_INET, [SHUT_RD], []),
    events: EPOLLIN | EPOLLOUT | EPOLLRDHUP,
  },
  {
    what: 'we neither read nor write (TCP)',
    arrange: shut(AF_INET, [SHUT_RDWR], []),
    events: EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLHUP,
  },
  {
    what: 'we neither read nor write (UNIX)',
    arrange: shut(AF_UNIX, [SHUT_RDWR], []),
    events: EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLHUP,
  },
  {
    what: 'the peer has broken off (RST), and nothing is asked (E10)',
    arrange: (world) => {
      const { near, far } = world.pair();
      world.reset(far);
      world.until(near, EPOLLHUP);
      return near;
    },
    mask: 0,
    events: EPOLLERR | EPOLLHUP,
  },
  {
    what: 'a byte out of band',
    arrange: (world) => {
      const { near, far } = world.pair();
      ok(world.send(near, '!', MSG_OOB));
      world.until(far, EPOLLPRI);
      return far;
    },
    mask: EPOLLPRI,
    events: EPOLLPRI,
  },
  {
    what: 'a UDP socket',
    arrange: (world) => world.bound(AF_INET, SOCK_DGRAM),
    events: EPOLLOUT,
  },
  {
    what: 'a UDP socket with an empty datagram (E20)',
    arrange: (world) => {
      const handle = world.bound(AF_INET, SOCK_DGRAM);
      ok(world.kernel.connect(handle, world.nameOf(handle)));
      ok(world.send(handle, ''));
      world.until(handle, EPOLLIN);
      return handle;
    },
    events: EPOLLIN | EPOLLOUT,
  },
  { what: 'an eventfd of 0', arrange: eventfd(0), events: EPOLLOUT },
  { what: 'an eventfd of 1', arrange: eventfd(1), events: EPOLLIN | EPOLLOUT },
  {
    what: 'an epoll with nothing ready',
    arrange: (world) => world.epoll(),
    events: 0,
  },
];

everyKernel('events', (world) => {
  test.each(SITUATIONS)('E8 $what', ({ arrange, mask = ALL, events }) => {
    expect(world().eventsOf(arrange(world()), mask)).toBe(events);
  });
});
