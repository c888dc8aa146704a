/** Connections that several guests accept, and connections that the kernel has given up. */
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { type Socket, connect, createServer } from 'node:net';

import { EPOLLEXCLUSIVE, EPOLLIN, EPOLL_CTL_ADD } from '#host/abi/epoll.js';
import { SOCK_NONBLOCK } from '#host/abi/socket.js';
import { AF_INET } from '#host/address.js';
import { Errno } from '#host/errno.js';
import { createChannel } from '#host/index.js';
import { describe, expect, test } from 'vitest';

import { type Driven, LISTENER, LOOPBACK, startDriven, withDriven } from '../support/driven.js';
import { opened, receive, send, setNonblocking } from '../support/events.js';
import {
  SOCK_STREAM,
  SOL_SOCKET,
  addressRoom,
  inet,
  portOf,
  recv,
  setsockopt,
  socket,
} from '../support/linux-sockets.js';
import { epollCtl, epollWait } from '../support/structs.js';

const CHANNEL = 4;
const SO_REUSEPORT = 15;
const OUT = 0x1_f000;
const TURN_MS = 20;
const BURST = 40;
const BURSTS = 6;

/** A guest with a listener of its own or of others, and an epoll over it. */
interface Acceptor {
  readonly driven: Driven;
  readonly listener: number;
  readonly epfd: number;
}

async function acceptor(driven: Driven, listener: number, events: number): Promise<Acceptor> {
  await setNonblocking(driven, listener);
  const epfd = await opened(driven, 'epoll_create1', 0);
  expect(await epollCtl(driven, epfd, EPOLL_CTL_ADD, listener, events)).toBe(0);
  return { driven, listener, epfd };
}

/** Accepts one connection for each event, and closes it; how many until `isOver`. */
async function acceptAll(
  { driven, listener, epfd }: Acceptor,
  isOver: () => boolean,
): Promise<number> {
  let count = 0;
  while (!isOver()) {
    const [event] = await epollWait(driven, epfd, TURN_MS, 1);
    if (event === undefined) continue;
    const errno = await driven.call('accept4', listener, 0, 0, SOCK_NONBLOCK, OUT);
    if (errno === Errno.AGAIN) continue;
    expect(errno).toBe(0);
    count++;
    expect(await driven.call('fd_close', await driven.u32(OUT))).toBe(0);
  }
  return count;
}

/** Dials in bursts, and waits each time until all of one are served; then how many each had. */
async function shares(port: number, acceptors: readonly Acceptor[]): Promise<number[]> {
  let isOver = false;
  const counts = acceptors.map((each) => acceptAll(each, () => isOver));
  for (let burst = 0; burst < BURSTS; burst++) {
    const clients = Array.from({ length: BURST }, () => connect(port, '127.0.0.1').resume());
    await Promise.all(clients.map((client) => once(client, 'close')));
  }
  isOver = true;
  return Promise.all(counts);
}

/** Runs `body` with guests that each have a channel to the first. */
async function withGuests(
  count: number,
  body: (guests: readonly Driven[]) => Promise<void>,
): Promise<void> {
  const pairs = Array.from({ length: count - 1 }, () => createChannel());
  const ours = Object.fromEntries(pairs.map(([end], index) => [`to${index}`, end]));
  const locals = [await startDriven({ net: LOOPBACK, channels: ours })];
  for (const [, end] of pairs) {
    locals.push(await startDriven({ net: LOOPBACK, channels: { first: end } }));
  }
  try {
    await body(locals.map(({ driven }) => driven));
    await Promise.all(locals.map(async ({ driven }) => driven.end()));
  } finally {
    await Promise.all(locals.map(async ({ guest }) => guest.stop()));
    await Promise.all(locals.map(async ({ driven }) => driven.end()));
  }
}

function expectFair(counts: readonly number[]): void {
  expect(counts.reduce((sum, each) => sum + each, 0)).toBe(BURST * BURSTS);
  for (const count of counts) expect(count).toBeGreaterThan(0);
}

describe('E7: under load', () => {
  test('of guests with an exclusive epoll each over one listener none starves', () =>
    withGuests(4, async (guests) => {
      const [first, ...others] = guests;
      const acceptors = [await acceptor(first, LISTENER, EPOLLIN | EPOLLEXCLUSIVE)];
      for (const [index, driven] of others.entries()) {
        expect(await send(first, CHANNEL + index, 'listener', LISTENER)).toBe(0);
        const received = await receive(driven, CHANNEL);
        if (typeof received === 'number') throw new Error(`channel_recv failed with ${-received}`);
        acceptors.push(await acceptor(driven, received.passed, EPOLLIN | EPOLLEXCLUSIVE));
      }
      expectFair(await shares(first.host.port, acceptors));
    }));

  test('of guests with a listener each on one port (SO_REUSEPORT) none starves', () =>
    withGuests(3, async (guests) => {
      const acceptors: Acceptor[] = [];
      let port = 0;
      for (const driven of guests) {
        const fd = await socket(driven, AF_INET, SOCK_STREAM);
        expect(await setsockopt(driven, fd, SOL_SOCKET, SO_REUSEPORT, 1)).toBe(0);
        expect(await driven.call('bind', fd, ...(await inet(driven, port)))).toBe(0);
        expect(await driven.call('listen', fd, BURST)).toBe(0);
        port = await portOf(driven, fd);
        acceptors.push(await acceptor(driven, fd, EPOLLIN));
      }
      expectFair(await shares(port, acceptors));
    }));
});

/**
 * Makes the kernel give up the end of a connection that was accepted, or waits to be; what `ss`
 * says of it: nothing if it is not there or may not.
 */
function abort(port: number, client: Socket): string {
  const filter = ['state', 'established', 'sport', '=', `:${port}`];
  const peer = ['and', 'dport', '=', `:${client.localPort}`];
  const args = ['-K', '-t', '-n', '-H', ...filter, ...peer];
  return spawnSync('ss', args, { encoding: 'utf8' }).stdout ?? '';
}

/** Whether there is an `ss` that can do so, and this process may. */
async function canAbort(): Promise<boolean> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const client = connect(port, '127.0.0.1');
  client.on('error', () => {});
  const accepted = once(server, 'connection');
  await once(client, 'connect');
  const [end] = (await accepted) as [Socket];
  end.on('error', () => {});
  const killed = abort(port, client) !== '';
  end.destroy();
  client.destroy();
  server.close();
  return killed;
}

const isPossible = await canAbort();
const reason = isPossible ? '' : ' (skipped: no ss here that may abort connections)';

test.skipIf(!isPossible)(
  `E18: a connection that the kernel aborted is accepted, and broken${reason}`,
  async () => {
    await withDriven({}, async (driven) => {
      const client = await driven.dial();
      expect(abort(driven.host.port, client)).not.toBe('');
      await new Promise((resolve) => client.once('close', resolve));
      const fd = await opened(driven, 'accept4', LISTENER, 0, 0, SOCK_NONBLOCK);
      const name = await addressRoom(driven);
      expect(await driven.call('getpeername', fd, ...name)).toBe(Errno.NOTCONN);
      expect(await recv(driven, fd)).toBe(Errno.CONNABORTED);
      expect(await recv(driven, fd)).toBe('');
      const next = await driven.accept(0);
      next.peer.write('as ever');
      expect(await recv(driven, next.fd)).toBe('as ever');
    });
  },
);
