/** Pipes and socket pairs: `pipe(7)`, `socketpair(2)`. */
import { EPOLLERR, EPOLLHUP, EPOLLIN, EPOLLOUT, EPOLLRDHUP } from '#host/abi/epoll.js';
import { AF_INET, AF_UNIX } from '#host/address.js';
import { SOCKADDR_BYTES } from '#host/kernel/kernel.js';
import { expect, test } from 'vitest';

import { openSockets } from '../native/sockets.js';
import {
  type Pair,
  SHUT_WR,
  SOCK_DGRAM,
  SOCK_SEQPACKET,
  SOCK_STREAM,
  type World,
  everyKernel,
  ok,
  said,
} from './world.js';

const S_IFMT = 0o170000;
const S_IFIFO = 0o010000;
const S_IFSOCK = 0o140000;
/** Everything that an end of a pipe or a pair could be. */
const ALL = EPOLLIN | EPOLLOUT | EPOLLRDHUP;

/** A pipe: what is written to `near` is read from `far`. */
function pipe(world: World): Pair {
  ok(world.kernel.pipe2(world.room, 4));
  const [far, near] = new Int32Array(world.room.buffer, 4, 2);
  return { near, far };
}

function write(world: World, { near }: Pair, text: string): number | string {
  const bytes = new TextEncoder().encode(text);
  return said(world.kernel.write(near, bytes, 0, bytes.length));
}

function read(world: World, { far }: Pair): string {
  const result = said(world.kernel.read(far, world.room, 0, 100));
  if (typeof result === 'string') return result;
  return new TextDecoder().decode(world.room.subarray(0, result));
}

everyKernel('pipes', (world) => {
  test('carry bytes one way, and never wait', () => {
    const ends = pipe(world());
    expect(read(world(), ends)).toBe('EAGAIN');
    expect([write(world(), ends, 'one'), write(world(), ends, ' way')]).toEqual([3, 4]);
    expect(world().kernel.fionread(ends.far)).toBe(7);
    expect(read(world(), ends)).toBe('one way');
    expect(world().kernel.fstat(ends.far) & S_IFMT).toBe(S_IFIFO);
  });

  test('are read at one end and written at the other, and at no third', () => {
    const { near, far } = pipe(world());
    expect(write(world(), { near: far, far: near }, 'x')).toBe('EBADF');
    expect(read(world(), { near: far, far: near })).toBe('EBADF');
    expect(world().recv(far, 1)).toBe('ENOTSOCK');
  });

  test('that are full take nothing and are not writable, until there is room', () => {
    const ends = pipe(world());
    const { kernel, room } = world();
    let sent = 0;
    for (let result = 0; result >= 0; result = kernel.write(ends.near, room, 0, 4096)) {
      sent += result;
    }
    expect(sent).toBe(65_536);
    expect(world().eventsOf(ends.near, ALL)).toBe(0);
    expect(kernel.read(ends.far, room, 0, 4096)).toBe(4096);
    expect(world().eventsOf(ends.near, ALL)).toBe(EPOLLOUT);
  });

  test('E8 the writer sees a reader that has gone as OUT and ERR', () => {
    const { near, far } = pipe(world());
    expect(world().eventsOf(near, ALL)).toBe(EPOLLOUT);
    ok(world().kernel.close(far));
    expect(world().eventsOf(near, ALL)).toBe(EPOLLOUT | EPOLLERR);
    expect(world().eventsOf(near, 0)).toBe(EPOLLERR);
  });

  test('E8 the reader sees a writer that has gone as HUP, with IN while there are bytes', () => {
    const ends = pipe(world());
    write(world(), ends, 'last');
    ok(world().kernel.close(ends.near));
    expect(world().eventsOf(ends.far, ALL)).toBe(EPOLLIN | EPOLLHUP);
    expect(read(world(), ends)).toBe('last');
    expect(world().eventsOf(ends.far, ALL)).toBe(EPOLLHUP);
    expect(read(world(), ends)).toBe('');
  });

  test('E17 B92 writing without a reader is EPIPE, and no signal', () => {
    const ends = pipe(world());
    ok(world().kernel.close(ends.far));
    expect(write(world(), ends, 'x')).toBe('EPIPE');
    const iovs = Uint32Array.from([0, 1]);
    expect(said(world().kernel.writev(ends.near, world().room, iovs, 1))).toBe('EPIPE');
  });

  test('B8 two handles need 8 bytes; without them nothing is opened', () => {
    const { kernel } = world();
    const session = ok(kernel.sessionOpen());
    ok(kernel.sessionEnter(session));
    for (const offset of [-1, 1, 8, 2 ** 32]) {
      expect(said(kernel.pipe2(new Uint8Array(8), offset))).toBe('EFAULT');
      const result = kernel.socketpair(AF_UNIX, SOCK_STREAM, 0, new Uint8Array(8), offset);
      expect(said(result)).toBe('EFAULT');
    }
    expect(ok(kernel.sessionClose(session))).toBe(0);
    ok(kernel.sessionEnter(world().session));
  });

  test('belong to the session, both ends', () => {
    const { kernel, room } = world();
    const session = ok(kernel.sessionOpen());
    ok(kernel.sessionEnter(session));
    ok(kernel.pipe2(room, 0));
    ok(kernel.socketpair(AF_UNIX, SOCK_STREAM, 0, room, 0));
    expect(ok(kernel.sessionClose(session))).toBe(4);
    ok(kernel.sessionEnter(world().session));
  });
});

everyKernel('socket pairs', (world) => {
  const types = [
    ['stream', SOCK_STREAM],
    ['datagram', SOCK_DGRAM],
    ['seqpacket', SOCK_SEQPACKET],
  ] as const;

  test.each(types)('%s: connected from the start, both ways, and never wait', (_name, type) => {
    const { near, far } = world().socketpair(type);
    expect(world().recv(far)).toBe('EAGAIN');
    expect([world().send(near, 'there'), world().send(far, 'and back')]).toEqual([5, 8]);
    expect([world().recv(far), world().recv(near)]).toEqual(['there', 'and back']);
    expect(world().kernel.fstat(near) & S_IFMT).toBe(S_IFSOCK);
    expect(ok(world().kernel.getpeername(near, new Uint8Array(SOCKADDR_BYTES)))).toBe(0);
  });

  test('a stream runs together, a datagram and a seqpacket keep their bounds', () => {
    const received = types.map(([, type]) => {
      const { near, far } = world().socketpair(type);
      world().send(near, 'abc');
      world().send(near, 'def');
      return [world().recv(far, 2), world().recv(far, 100), world().recv(far, 100)];
    });
    expect(received).toEqual([
      ['ab', 'cdef', 'EAGAIN'],
      ['ab', 'def', 'EAGAIN'],
      ['ab', 'def', 'EAGAIN'],
    ]);
  });

  test('E8 a peer that has gone is the end to a stream and a seqpacket', () => {
    for (const type of [SOCK_STREAM, SOCK_SEQPACKET]) {
      const { near, far } = world().socketpair(type);
      world().send(far, 'last');
      ok(world().kernel.close(far));
      expect(world().eventsOf(near, ALL)).toBe(ALL | EPOLLHUP);
      expect([world().recv(near), world().recv(near)]).toEqual(['last', '']);
      expect(said(world().send(near, 'x'))).toBe('EPIPE');
    }
  });

  test('E8 a peer that has gone refuses datagrams, and is no end', () => {
    const { near, far } = world().socketpair(SOCK_DGRAM);
    ok(world().kernel.close(far));
    expect(world().recv(near)).toBe('EAGAIN');
    expect(said(world().send(near, 'x'))).toBe('ECONNREFUSED');
  });

  test('one direction ends, and the other goes on', () => {
    const { near, far } = world().socketpair(SOCK_SEQPACKET);
    ok(world().kernel.shutdown(near, SHUT_WR));
    expect(world().eventsOf(far, ALL)).toBe(ALL);
    expect(world().recv(far)).toBe('');
    expect(world().send(far, 'still')).toBe(5);
    expect(world().recv(near)).toBe('still');
  });

  test('there are none of the internet, and none of other kinds', () => {
    const before = openSockets();
    const { kernel, room } = world();
    expect(said(kernel.socketpair(AF_INET, SOCK_STREAM, 0, room, 0))).toBe('EOPNOTSUPP');
    expect(said(kernel.socketpair(AF_UNIX, SOCK_STREAM, 6, room, 0))).toBe('EPROTONOSUPPORT');
    expect(said(kernel.socketpair(AF_UNIX, 9, 0, room, 0))).toBe('ESOCKTNOSUPPORT');
    expect(openSockets()).toEqual(before);
  });
});
