import { EPOLLERR, EPOLLIN, EPOLLOUT } from '#host/abi/epoll.js';
import { AF_INET, AF_UNIX, decodeSockaddr } from '#host/address.js';
import { MESSAGES_MAX, MESSAGE_BYTES, SOCKADDR_BYTES } from '#host/kernel/kernel.js';
import { expect, test } from 'vitest';

import { MSG_PEEK, MSG_TRUNC, SOCK_DGRAM, type World, everyKernel, ok, said } from './world.js';

/** Two datagram sockets that know each other. */
function connected(world: World, domain: number): { near: number; far: number } {
  const near = world.bound(domain, SOCK_DGRAM);
  const far = world.bound(domain, SOCK_DGRAM);
  ok(world.kernel.connect(near, world.nameOf(far)));
  ok(world.kernel.connect(far, world.nameOf(near)));
  return { near, far };
}

everyKernel('UDP', (world) => {
  test('B91 E20 an empty datagram is readable, received as 0 bytes, and no end', () => {
    const { near, far } = connected(world(), AF_INET);
    ok(world().send(near, ''));
    ok(world().send(near, 'next'));
    world().until(far, EPOLLIN);
    expect(said(world().kernel.recv(far, world().room, 0, 8, 0))).toBe(0);
    expect(world().recv(far)).toBe('next');
    expect(world().recv(far)).toBe('EAGAIN');
  });

  test('B91 more than 65,507 bytes are EMSGSIZE, and 65,507 go through', () => {
    const { kernel, room } = world();
    const { near, far } = connected(world(), AF_INET);
    expect(said(kernel.send(near, room, 0, 65_508, 0))).toBe('EMSGSIZE');
    expect(said(kernel.send(near, room, 0, 65_507, 0))).toBe(65_507);
    world().until(far, EPOLLIN);
    expect(said(kernel.recv(far, room, 0, 65_536, 0))).toBe(65_507);
  });

  test('B91 a datagram too long for the buffer is cut; MSG_TRUNC tells its length', () => {
    const { kernel, room } = world();
    const { near, far } = connected(world(), AF_INET);
    for (const text of ['0123456789', '0123456789', 'next']) ok(world().send(near, text));
    world().until(far, EPOLLIN);
    expect(said(kernel.recv(far, room, 0, 4, 0))).toBe(4);
    expect(said(kernel.recv(far, room, 0, 4, MSG_TRUNC))).toBe(10);
    expect(world().recv(far)).toBe('next');
  });

  test('a peek leaves the datagram', () => {
    const { near, far } = connected(world(), AF_INET);
    ok(world().send(near, 'whole'));
    world().until(far, EPOLLIN);
    expect(world().recv(far, 2, MSG_PEEK)).toBe('wh');
    expect(world().recv(far)).toBe('whole');
  });

  test('recvmsg tells the sender, and sendmsg answers it', () => {
    const { kernel, room } = world();
    const client = world().bound(AF_INET, SOCK_DGRAM);
    const server = world().bound(AF_INET, SOCK_DGRAM);
    const iov = new Uint32Array([0, 4]);
    room.set(new TextEncoder().encode('ping'));
    expect(said(kernel.sendmsg(client, room, iov, 1, 0, world().nameOf(server)))).toBe(4);
    world().until(server, EPOLLIN);
    const sender = new Uint8Array(SOCKADDR_BYTES);
    expect(said(kernel.recvmsg(server, room, iov, 1, 0, sender, new ArrayBuffer(4)))).toBe(4);
    expect(decodeSockaddr(sender)).toEqual(decodeSockaddr(world().nameOf(client)));
    expect(said(kernel.sendmsg(server, room, iov, 1, 0, sender))).toBe(4);
    world().until(client, EPOLLIN);
    expect(world().recv(client)).toBe('ping');
  });

  test('recvmmsg tells each sender and length, and sendmmsg answers them', () => {
    const { kernel, room } = world();
    const clients = [1, 2, 3].map(() => world().bound(AF_INET, SOCK_DGRAM));
    const server = world().bound(AF_INET, SOCK_DGRAM);
    for (const [i, client] of clients.entries()) {
      ok(kernel.sendto(client, room, 0, i, 0, world().nameOf(server)));
      world().until(server, EPOLLIN);
    }
    const table = new Uint8Array(4 * MESSAGE_BYTES);
    const words = new Uint32Array(table.buffer);
    const rowWords = MESSAGE_BYTES / 4;
    for (let i = 0; i < 4; i++) words[i * rowWords] = 1;
    const iovs = new Uint32Array([0, 1, 8, 1, 16, 1, 24, 1]);
    expect(said(kernel.recvmmsg(server, room, iovs, table, 4, 0, 0, 0))).toBe(1);
    const rest = table.subarray(MESSAGE_BYTES);
    expect(said(kernel.recvmmsg(server, room, iovs, rest, 3, 0, -1, 0))).toBe(2);
    const told = [0, 1, 2].map((i) => [words[i * rowWords + 1], words[i * rowWords + 2]]);
    expect(told).toEqual([
      [0, 0],
      [1, 0],
      [1, MSG_TRUNC],
    ]);
    const senderOf = (i: number): unknown =>
      decodeSockaddr(table.subarray(i * MESSAGE_BYTES + 12, (i + 1) * MESSAGE_BYTES));
    expect([0, 1, 2].map(senderOf)).toEqual(
      clients.map((client) => decodeSockaddr(world().nameOf(client))),
    );
    room.set(new TextEncoder().encode('a'));
    expect(said(kernel.sendmmsg(server, room, iovs, table, 1, 0))).toBe(1);
    world().until(clients[0], EPOLLIN);
    expect(world().recv(clients[0])).toBe('a');
  });

  test('what is wrong with the messages of a call is told before any is sent', () => {
    const { kernel, room } = world();
    const { near, far } = connected(world(), AF_INET);
    const table = new Uint8Array(2 * MESSAGE_BYTES);
    const words = new Uint32Array(table.buffer);
    const send = (count: number, iovs: number[], of = table): unknown =>
      said(kernel.sendmmsg(near, room, new Uint32Array(iovs), of, count, 0));
    words[0] = 1;
    words[MESSAGE_BYTES / 4] = 1;
    expect(send(0, [0, 1])).toBe('EINVAL');
    expect(send(MESSAGES_MAX + 1, [0, 1])).toBe('EINVAL');
    expect(send(3, [0, 1, 0, 1, 0, 1])).toBe('EFAULT');
    expect(send(2, [0, 1])).toBe('EFAULT');
    expect(send(2, [0, 1, room.length, 1])).toBe('EFAULT');
    words[3] = 129;
    expect(send(2, [0, 1, 0, 1])).toBe('EINVAL');
    words[3] = 0;
    words[0] = 1025;
    expect(send(2, [0, 1, 0, 1])).toBe('EINVAL');
    expect(world().recv(far)).toBe('EAGAIN');
    words[0] = 1;
    ok(kernel.close(near));
    expect(send(2, [0, 1, 0, 1])).toBe('EBADF');
    expect(said(kernel.recvmmsg(near, room, new Uint32Array(2), table, 1, 0, -1, 0))).toBe('EBADF');
  });

  test('a connected socket hears its peer only', () => {
    const { kernel, room } = world();
    const { near, far } = connected(world(), AF_INET);
    const other = world().bound(AF_INET, SOCK_DGRAM);
    const iov = new Uint32Array([0, 5]);
    ok(kernel.sendmsg(other, room, iov, 1, 0, world().nameOf(near)));
    ok(world().send(far, 'peer'));
    world().until(near, EPOLLIN);
    expect(world().recv(near)).toBe('peer');
    expect(world().recv(near)).toBe('EAGAIN');
  });

  test('without an address there is nowhere to send', () => {
    expect(said(world().send(world().bound(AF_INET, SOCK_DGRAM), 'x'))).toBe('EDESTADDRREQ');
  });

  test('E8 E20 a port that nobody listens on comes back as an error of the next call', () => {
    const { kernel } = world();
    const near = world().bound(AF_INET, SOCK_DGRAM);
    ok(kernel.connect(near, world().nowhere(SOCK_DGRAM)));
    ok(world().send(near, 'anybody?'));
    world().until(near, EPOLLERR);
    expect(world().eventsOf(near, EPOLLIN | EPOLLOUT)).toBe(EPOLLOUT | EPOLLERR);
    expect(said(world().send(near, 'hello?'))).toBe('ECONNREFUSED');
    ok(world().send(near, 'once more'));
    world().until(near, EPOLLERR);
    expect(world().recv(near)).toBe('ECONNREFUSED');
  });
});

everyKernel('UNIX datagrams', (world) => {
  test('arrive whole and in order, empty ones too', () => {
    const { near, far } = connected(world(), AF_UNIX);
    for (const text of ['first', '', 'third']) ok(world().send(near, text));
    const texts = [1, 2, 3].map(() => world().recv(far));
    expect(texts).toEqual(['first', '', 'third']);
    expect(world().recv(far)).toBe('EAGAIN');
  });

  test('a peer that is gone refuses', () => {
    const { near, far } = connected(world(), AF_UNIX);
    ok(world().kernel.close(far));
    expect(said(world().send(near, 'x'))).toBe('ECONNREFUSED');
  });
});
