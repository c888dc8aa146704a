import { EPOLLERR, EPOLLHUP, EPOLLIN, EPOLLOUT, EPOLLRDHUP } from '#host/abi/epoll.js';
import { AF_INET, decodeSockaddr } from '#host/address.js';
import { SOCKADDR_BYTES } from '#host/kernel/kernel.js';
import { expect, test } from 'vitest';

import {
  MSG_PEEK,
  SHUT_RD,
  SHUT_RDWR,
  SHUT_WR,
  SOCK_STREAM,
  everyKernel,
  loopback,
  ok,
  said,
} from './world.js';

everyKernel('TCP: connecting', (world) => {
  test('E19 connect is under way, then done, then EISCONN', () => {
    const { kernel } = world();
    const listener = world().listener();
    const address = world().nameOf(listener);
    const near = ok(kernel.socket(AF_INET, SOCK_STREAM, 0));
    expect(said(kernel.connect(near, address))).toBe('EINPROGRESS');
    expect(world().until(near, EPOLLOUT)).toBe(EPOLLOUT);
    expect(world().error(near)).toBe(0);
    expect(said(kernel.connect(near, address))).toBe(0);
    expect(said(kernel.connect(near, address))).toBe('EISCONN');
  });

  test('E8 B96 a refusal is an error event, told once by SO_ERROR; then ECONNABORTED once', () => {
    const { kernel } = world();
    const near = ok(kernel.socket(AF_INET, SOCK_STREAM, 0));
    const address = world().nowhere(SOCK_STREAM);
    expect(said(kernel.connect(near, address))).toBe('EINPROGRESS');
    world().until(near, EPOLLOUT);
    const all = EPOLLIN | EPOLLOUT | EPOLLRDHUP;
    expect(world().eventsOf(near, all)).toBe(all | EPOLLERR | EPOLLHUP);
    expect([world().error(near), world().error(near)]).toEqual(['ECONNREFUSED', 0]);
    expect(world().eventsOf(near, all)).toBe(all | EPOLLHUP);
    expect(said(kernel.connect(near, address))).toBe('ECONNABORTED');
    expect(said(kernel.connect(near, address))).toBe('EINPROGRESS');
  });

  test('accept on an empty queue is EAGAIN; connections come in the order they were made', () => {
    const { kernel } = world();
    const listener = world().listener();
    const peer = new Uint8Array(SOCKADDR_BYTES);
    expect(said(kernel.accept4(listener, peer))).toBe('EAGAIN');
    const nears = [1, 2, 3].map(() => {
      const near = ok(kernel.socket(AF_INET, SOCK_STREAM, 0));
      kernel.connect(near, world().nameOf(listener));
      world().until(near, EPOLLOUT);
      return near;
    });
    for (const near of nears) {
      ok(kernel.accept4(listener, peer));
      expect(decodeSockaddr(peer)).toEqual(decodeSockaddr(world().nameOf(near)));
    }
    expect(said(kernel.accept4(listener, peer))).toBe('EAGAIN');
  });

  test('each end knows the other by its address', () => {
    const { near, far } = world().pair();
    const peer = new Uint8Array(SOCKADDR_BYTES);
    ok(world().kernel.getpeername(near, peer));
    expect(decodeSockaddr(peer)).toEqual(decodeSockaddr(world().nameOf(far)));
    ok(world().kernel.getpeername(far, peer));
    expect(decodeSockaddr(peer)).toEqual(decodeSockaddr(world().nameOf(near)));
  });

  test('what is not connected cannot send, receive, name a peer or shut down', () => {
    const { kernel } = world();
    const socket = ok(kernel.socket(AF_INET, SOCK_STREAM, 0));
    expect(said(kernel.getpeername(socket, new Uint8Array(SOCKADDR_BYTES)))).toBe('ENOTCONN');
    expect(said(kernel.shutdown(socket, SHUT_WR))).toBe('ENOTCONN');
    expect(said(world().send(socket, 'x'))).toBe('EPIPE');
    expect(world().recv(socket)).toBe('ENOTCONN');
  });

  test('an address that is taken is EADDRINUSE, one of another machine EADDRNOTAVAIL', () => {
    const { kernel } = world();
    const address = world().nameOf(world().listener());
    const socket = ok(kernel.socket(AF_INET, SOCK_STREAM, 0));
    expect(said(kernel.bind(socket, address))).toBe('EADDRINUSE');
    const foreign = loopback(0);
    // 192.0.2.1 is for documentation only (RFC 5737).
    foreign.set([192, 0, 2, 1], 8);
    expect(said(kernel.bind(socket, foreign))).toBe('EADDRNOTAVAIL');
  });

  test('E18 a connection that was reset while it waited is accepted, and is broken', () => {
    const { kernel } = world();
    const listener = world().listener();
    const near = ok(kernel.socket(AF_INET, SOCK_STREAM, 0));
    kernel.connect(near, world().nameOf(listener));
    world().until(near, EPOLLOUT);
    world().reset(near);
    world().until(listener, EPOLLIN);
    const address = new Uint8Array(SOCKADDR_BYTES);
    const far = ok(kernel.accept4(listener, address));
    expect(said(kernel.getpeername(far, address))).toBe('ENOTCONN');
    expect(world().recv(far)).toBe('ECONNRESET');
    const next = world().pair(AF_INET, listener);
    expect(said(world().send(next.near, 'still here'))).toBe(10);
  });

  test('E8 a listener that is shut down is OUT and HUP, and accepts no more', () => {
    const { kernel } = world();
    const listener = world().listener();
    expect(said(kernel.shutdown(listener, SHUT_RDWR))).toBe(0);
    expect(world().eventsOf(listener, EPOLLIN | EPOLLOUT)).toBe(EPOLLOUT | EPOLLHUP);
    expect(said(kernel.accept4(listener, new Uint8Array(SOCKADDR_BYTES)))).toBe('EINVAL');
  });
});

everyKernel('TCP: bytes', (world) => {
  test('bytes arrive in order, however they were cut', () => {
    const { near, far } = world().pair();
    for (const part of ['a', 'bc', '', 'def']) ok(world().send(near, part));
    world().until(far, EPOLLIN);
    expect(world().recv(far, 2)).toBe('ab');
    expect(world().recv(far)).toBe('cdef');
    expect(world().recv(far)).toBe('EAGAIN');
  });

  test('a peek leaves what it saw', () => {
    const { near, far } = world().pair();
    ok(world().send(near, 'seen'));
    world().until(far, EPOLLIN);
    expect(world().recv(far, 2, MSG_PEEK)).toBe('se');
    expect(said(world().kernel.fionread(far))).toBe(4);
    expect(world().recv(far)).toBe('seen');
    expect(said(world().kernel.fionread(far))).toBe(0);
  });

  test('B12 vectors are filled and emptied one after the other, empty ones passed over', () => {
    const { kernel, room } = world();
    const { near, far } = world().pair();
    room.set(new TextEncoder().encode('onetwo'));
    const out = new Uint32Array([0, 0, 3, 3, 0, 0, 0, 3]);
    expect(said(kernel.sendmsg(near, room, out, 4, 0, null))).toBe(6);
    world().until(far, EPOLLIN);
    const into = new Uint32Array([100, 0, 101, 1, 110, 64]);
    expect(said(kernel.recvmsg(far, room, into, 3, 0, null, new ArrayBuffer(4)))).toBe(6);
    expect(Buffer.from(room.subarray(101, 102)).toString()).toBe('t');
    expect(Buffer.from(room.subarray(110, 115)).toString()).toBe('woone');
  });

  test('a peer that does not read stops the sender with EAGAIN; reading lets it go on', () => {
    const { near, far } = world().pair();
    const sent = world().fill(near);
    expect(sent).toBeGreaterThan(0);
    expect(said(world().send(near, 'x'))).toBe('EAGAIN');
    expect(world().eventsOf(near, EPOLLOUT)).toBe(0);
    let received = 0;
    while (received < sent) {
      world().until(far, EPOLLIN);
      received += world().drain(far);
    }
    expect(received).toBe(sent);
    expect(world().until(near, EPOLLOUT)).toBe(EPOLLOUT);
  });
});

everyKernel('TCP: ending', (world) => {
  test('a half-close ends one direction: what was sent is read, then 0; the other goes on', () => {
    const { kernel } = world();
    const { near, far } = world().pair();
    ok(world().send(near, 'last words'));
    expect(said(kernel.shutdown(near, SHUT_WR))).toBe(0);
    world().until(far, EPOLLRDHUP);
    expect(world().recv(far)).toBe('last words');
    expect([world().recv(far), world().recv(far)]).toEqual(['', '']);
    ok(world().send(far, 'an answer'));
    world().until(near, EPOLLIN);
    expect(world().recv(near)).toBe('an answer');
    expect(said(world().send(near, 'more'))).toBe('EPIPE');
  });

  test('B92 E17 sending to a peer that has closed is EPIPE in the end, and no signal', () => {
    const { near, far } = world().pair();
    ok(world().kernel.close(far));
    expect(said(world().send(near, 'into the void'))).toBe(13);
    world().until(near, EPOLLERR | EPOLLHUP);
    expect(said(world().send(near, 'again'))).toBe('EPIPE');
    expect(said(world().kernel.write(near, world().room, 0, 1))).toBe('EPIPE');
  });

  test('E8 a reset is read once as ECONNRESET, then as the end; writing is EPIPE', () => {
    const { near, far } = world().pair();
    world().reset(far);
    world().until(near, EPOLLHUP);
    const all = EPOLLIN | EPOLLOUT | EPOLLRDHUP;
    expect(world().eventsOf(near, all)).toBe(all | EPOLLERR | EPOLLHUP);
    expect([world().recv(near), world().recv(near)]).toEqual(['ECONNRESET', '']);
    expect(said(world().send(near, 'x'))).toBe('EPIPE');
  });

  test('a peer that closes with our bytes unread resets us', () => {
    const { near, far } = world().pair();
    ok(world().send(near, 'unread'));
    world().until(far, EPOLLIN);
    ok(world().kernel.close(far));
    world().until(near, EPOLLHUP);
    expect(world().recv(near)).toBe('ECONNRESET');
  });

  test('E9 all that was sent before the end is there to read', () => {
    const { near, far } = world().pair();
    ok(world().send(near, 'x'.repeat(10_000)));
    ok(world().kernel.close(near));
    world().until(far, EPOLLRDHUP);
    expect(world().recv(far)).toHaveLength(10_000);
    expect(world().recv(far)).toBe('');
  });

  test('E11 our own SHUT_RD reads as the end, yet later bytes still come', () => {
    const { near, far } = world().pair();
    expect(said(world().kernel.shutdown(far, SHUT_RD))).toBe(0);
    expect(world().recv(far)).toBe('');
    ok(world().send(near, 'late'));
    world().until(far, EPOLLIN);
    expect(world().recv(far)).toBe('late');
  });

  test('B94 shutdown knows three ways; twice the same is no error', () => {
    const { near } = world().pair();
    for (const how of [-1, 3]) {
      expect(said(world().kernel.shutdown(near, how))).toBe('EINVAL');
    }
    const twice = [SHUT_WR, SHUT_WR].map((how) => said(world().kernel.shutdown(near, how)));
    expect(twice).toEqual([0, 0]);
  });
});
