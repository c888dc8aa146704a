/** Several handles for one thing: `dup(2)`, and what epoll makes of it (E1, E22). */
import { EPOLLEXCLUSIVE, EPOLLIN, EPOLLOUT } from '#host/abi/epoll.js';
import { AF_INET, AF_UNIX } from '#host/address.js';
import type { Handle } from '#host/kernel/kernel.js';
import { expect, test } from 'vitest';

import { leakedSince, openDescriptors } from '../support/descriptors.js';
import { SOCK_STREAM, type World, everyKernel, ok, said } from './world.js';

const USR1 = 1 << 9;

/** An eventfd's number, 8 bytes. */
const ONE = Uint8Array.from([1, 0, 0, 0, 0, 0, 0, 0]);

/** A socket that connects to where `listener` listens. */
function dial({ kernel }: World, address: Uint8Array): Handle {
  const handle = ok(kernel.socket(AF_INET, SOCK_STREAM, 0));
  kernel.connect(handle, address);
  return handle;
}

everyKernel('dup', (world) => {
  test('makes another handle for the same thing', () => {
    const { kernel, room } = world();
    const event = ok(kernel.eventfd(0, 0));
    const copy = ok(kernel.dup(event));
    expect(copy).not.toBe(event);
    ok(kernel.write(event, ONE, 0, 8));
    expect(kernel.read(copy, room, 0, 8)).toBe(8);
    expect(said(kernel.read(event, room, 0, 8))).toBe('EAGAIN');
  });

  test.each([
    ['the first', 0],
    ['the second', 1],
  ])('of a listener: it goes on when %s handle is closed, and ends with the last', (_name, at) => {
    const { kernel } = world();
    const listener = world().listener();
    const address = world().nameOf(listener);
    const handles = [listener, ok(kernel.dup(listener))];
    const [closed] = handles.splice(at, 1);
    const [left] = handles;
    ok(kernel.close(closed));
    expect(said(kernel.dup(closed))).toBe('EBADF');
    const near = dial(world(), address);
    world().until(left, EPOLLIN);
    const far = ok(kernel.accept4(left, world().nameOf(left)));
    world().send(near, 'as ever');
    world().until(far, EPOLLIN);
    expect(world().recv(far)).toBe('as ever');
    ok(kernel.close(left));
    const refused = dial(world(), address);
    world().until(refused, EPOLLOUT);
    expect(world().error(refused)).toBe('ECONNREFUSED');
  });

  test('of what belongs to a session is EINVAL, of nothing EBADF', () => {
    const { kernel, room } = world();
    room.set(Buffer.from('127.0.0.1'));
    const own = [
      world().epoll(),
      ok(kernel.signalfd(USR1)),
      ok(kernel.resolve(room, 0, 9, 0, 0, AF_INET, SOCK_STREAM, 0)),
    ];
    expect(own.map((handle) => said(kernel.dup(handle)))).toEqual(['EINVAL', 'EINVAL', 'EINVAL']);
    expect(said(kernel.dup(-1))).toBe('EBADF');
  });

  test('gives the copy to the session that asked: it is closed with that', async () => {
    const { kernel } = world();
    const before = openDescriptors();
    const outside = ok(kernel.sessionOpen());
    const listener = world().listener();
    ok(kernel.sessionAdopt(outside, listener));
    const copy = ok(kernel.dup(listener));
    ok(kernel.sessionClose(outside));
    expect(said(kernel.dup(listener))).toBe('EBADF');
    expect(world().nameOf(copy)).toBeInstanceOf(Uint8Array);
    ok(kernel.close(copy));
    expect(await leakedSince(before)).toEqual([]);
  });
});

everyKernel('the interest lists of copies', (world) => {
  test('have one entry for each handle: two events (E22)', () => {
    const { kernel } = world();
    const event = ok(kernel.eventfd(1, 0));
    const copy = ok(kernel.dup(event));
    const epoll = world().epoll();
    ok(world().add(epoll, event, EPOLLIN));
    expect(said(world().add(epoll, event, EPOLLIN))).toBe('EEXIST');
    ok(world().add(epoll, copy, EPOLLIN));
    expect(world().readyHandles(epoll)).toEqual([event, copy].toSorted((a, b) => a - b));
  });

  test.each([
    ['TCP', AF_INET, EPOLLIN],
    ['TCP, EXCLUSIVE', AF_INET, EPOLLIN | EPOLLEXCLUSIVE],
    ['UNIX, EXCLUSIVE', AF_UNIX, EPOLLIN | EPOLLEXCLUSIVE],
  ])(
    'lose a listener whose handle is closed, though it lives on (E1): %s',
    (_name, domain, events) => {
      const { kernel } = world();
      const listener = world().listener(domain);
      const address = world().nameOf(listener);
      const copy = ok(kernel.dup(listener));
      // One of the closing guest, and one of another that has both: a stale entry in neither.
      const epolls = [world().epoll(), world().epoll()];
      for (const epoll of epolls) {
        for (const handle of [listener, copy]) ok(world().add(epoll, handle, events));
      }
      ok(kernel.close(copy));
      const near = ok(kernel.socket(domain, SOCK_STREAM, 0));
      kernel.connect(near, address);
      world().until(listener, EPOLLIN);
      expect(epolls.map((epoll) => world().readyHandles(epoll))).toEqual([[listener], [listener]]);
      expect(said(world().del(epolls[0] ?? -1, copy))).toBe('EBADF');
      // The number of the descriptor is free for another, which nobody has asked about.
      const event = ok(kernel.eventfd(1, 0));
      expect(epolls.map((epoll) => world().readyHandles(epoll))).toEqual([[listener], [listener]]);
      expect(world().add(epolls[0] ?? -1, event, EPOLLIN)).toBe(0);
    },
  );

  test('keep a listener through the leaving of others, who wake whoever waits: it goes on', () => {
    const { kernel } = world();
    for (const domain of [AF_INET, AF_UNIX]) {
      const listener = world().listener(domain);
      const epoll = world().epoll();
      ok(world().add(epoll, listener, EPOLLIN | EPOLLEXCLUSIVE));
      for (let i = 0; i < 3; i++) ok(kernel.close(ok(kernel.dup(listener))));
      expect(world().ready(epoll)).toEqual([]);
      const { near, far } = world().pair(domain, listener);
      world().send(far, 'hello');
      world().until(near, EPOLLIN);
      expect(world().recv(near)).toBe('hello');
      world().send(near, 'back');
      world().until(far, EPOLLIN);
      expect(world().recv(far)).toBe('back');
    }
  });
});
