import { EPOLLERR, EPOLLHUP, EPOLLIN, EPOLLOUT, EPOLLRDHUP } from '#host/abi/epoll.js';
import { AF_UNIX } from '#host/address.js';
import { SOCKADDR_BYTES } from '#host/kernel/kernel.js';
import { expect, test } from 'vitest';

import { SHUT_WR, SOCK_STREAM, everyKernel, ok, said } from './world.js';

everyKernel('UNIX streams', (world) => {
  test('connect at once, and carry bytes both ways', () => {
    const { kernel } = world();
    const listener = world().listener(AF_UNIX);
    const near = ok(kernel.socket(AF_UNIX, SOCK_STREAM, 0));
    expect(said(kernel.connect(near, world().nameOf(listener)))).toBe(0);
    const far = ok(kernel.accept4(listener, new Uint8Array(SOCKADDR_BYTES)));
    ok(world().send(near, 'there'));
    ok(world().send(far, 'and back'));
    expect([world().recv(far), world().recv(near)]).toEqual(['there', 'and back']);
  });

  test('a name that nobody listens on refuses', () => {
    const { kernel } = world();
    const name = world().nameOf(world().bound(AF_UNIX, SOCK_STREAM));
    const near = ok(kernel.socket(AF_UNIX, SOCK_STREAM, 0));
    expect(said(kernel.connect(near, name))).toBe('ECONNREFUSED');
  });

  test('a full queue of connections is EAGAIN, not a wait', () => {
    const { kernel } = world();
    const listener = world().listener(AF_UNIX, 0);
    const results = [1, 2, 3].map(() => {
      const near = ok(kernel.socket(AF_UNIX, SOCK_STREAM, 0));
      return said(kernel.connect(near, world().nameOf(listener)));
    });
    expect(results).toEqual([0, 'EAGAIN', 'EAGAIN']);
  });

  test('a half-close is RDHUP and the end; the other direction goes on', () => {
    const { near, far } = world().pair(AF_UNIX);
    ok(world().kernel.shutdown(near, SHUT_WR));
    expect(world().eventsOf(far, EPOLLIN | EPOLLRDHUP)).toBe(EPOLLIN | EPOLLRDHUP);
    expect(world().recv(far)).toBe('');
    ok(world().send(far, 'x'));
    expect(world().recv(near)).toBe('x');
  });

  test('E8 a peer that closes with our bytes unread is ERR, read as ECONNRESET', () => {
    const { near, far } = world().pair(AF_UNIX);
    ok(world().send(near, 'unread'));
    ok(world().kernel.close(far));
    const all = EPOLLIN | EPOLLOUT | EPOLLRDHUP;
    expect(world().eventsOf(near, all)).toBe(all | EPOLLERR | EPOLLHUP);
    expect(world().recv(near)).toBe('ECONNRESET');
  });

  test('B92 sending to a peer that has closed is EPIPE at once, and no signal', () => {
    const { near, far } = world().pair(AF_UNIX);
    ok(world().kernel.close(far));
    expect(said(world().send(near, 'x'))).toBe('EPIPE');
  });
});
