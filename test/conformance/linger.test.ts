/** SO_LINGER: Linux keeps it, `close` waits for nobody, and what is sent stays the same (B44). */
import { EPOLLIN, EPOLLRDHUP } from '#host/abi/epoll.js';
import type { Handle } from '#host/kernel/kernel.js';
import { expect, test } from 'vitest';

import { SOL_SOCKET, SO_LINGER, type World, everyKernel, ok } from './world.js';

const LINGER_S = 60;
/** A close that lingers takes a minute here; one that does not, no time. */
const AT_ONCE_MS = 2000;
const NO_HANDLE = -1;

/** `struct linger`: l_onoff, l_linger. */
type Linger = readonly [onoff: number, seconds: number];

function setLinger({ kernel }: World, handle: Handle, value: Linger): void {
  const bytes = new Uint8Array(Int32Array.from(value).buffer);
  ok(kernel.setsockopt(handle, SOL_SOCKET, SO_LINGER, bytes, 0, 8));
}

function lingerOf({ kernel }: World, handle: Handle): number[] {
  const value = new Int32Array(2);
  ok(kernel.getsockopt(handle, SOL_SOCKET, SO_LINGER, new Uint8Array(value.buffer), 0, 8));
  return [...value];
}

/** Another handle of the same thing, as it comes out of a channel. */
function passed(world: World, handle: Handle): Handle {
  const { near, far } = world.socketpair(5);
  const info = new Int32Array(3);
  ok(world.kernel.channelSend(near, world.room, new Uint32Array(0), 0, 0, handle));
  const bytes = new Uint8Array(info.buffer);
  ok(world.kernel.channelRecv(far, world.room, new Uint32Array(0), 0, bytes));
  return ok(info[1] ?? NO_HANDLE);
}

/** How long something takes, in milliseconds. */
function elapsed(body: () => unknown): number {
  const from = performance.now();
  body();
  return performance.now() - from;
}

/** Sends until the peer has no room, and closes: how long that took, and what the peer got. */
function closeFull(world: World, handle: Handle, peer: Handle) {
  const sent = world.fill(handle);
  const ms = elapsed(() => ok(world.kernel.close(handle)));
  let received = 0;
  while ((world.eventsOf(peer, EPOLLRDHUP) & EPOLLRDHUP) === 0) {
    world.until(peer, EPOLLIN);
    received += world.drain(peer);
  }
  received += world.drain(peer);
  return { atOnce: ms < AT_ONCE_MS, lost: sent - received, end: world.recv(peer) };
}

const IN_PEACE = { atOnce: true, lost: 0, end: '' };

everyKernel('a time to linger', (world) => {
  test('is kept, told, and taken back', () => {
    const { near } = world().pair();
    for (const value of [
      [1, LINGER_S],
      [1, 0],
      [0, 0],
    ] as const) {
      setLinger(world(), near, value);
      expect(lingerOf(world(), near)).toEqual(value);
    }
  });

  test('does not keep a close waiting, and nothing sent is lost', () => {
    const { near, far } = world().pair();
    setLinger(world(), near, [1, LINGER_S]);
    expect(closeFull(world(), near, far)).toEqual(IN_PEACE);
  });

  test('does not keep the end of a session waiting', () => {
    const { kernel } = world();
    const session = ok(kernel.sessionOpen());
    const { near } = world().pair();
    setLinger(world(), near, [1, LINGER_S]);
    ok(kernel.sessionAdopt(session, near));
    world().fill(near);
    expect(elapsed(() => ok(kernel.sessionClose(session)))).toBeLessThan(AT_ONCE_MS);
  });

  test('is inherited by what a listener accepts, even when it has it no more', () => {
    const listener = world().listener();
    setLinger(world(), listener, [1, LINGER_S]);
    const { near, far } = world().pair(undefined, listener);
    expect(lingerOf(world(), far)).toEqual([1, LINGER_S]);
    setLinger(world(), listener, [0, 0]);
    expect(closeFull(world(), far, near)).toEqual(IN_PEACE);
  });

  test('set on a listener that was passed is inherited by what the other handle accepts', () => {
    const listener = world().listener();
    const other = passed(world(), listener);
    setLinger(world(), listener, [1, LINGER_S]);
    const { near, far } = world().pair(undefined, other);
    expect(lingerOf(world(), far)).toEqual([1, LINGER_S]);
    expect(closeFull(world(), far, near)).toEqual(IN_PEACE);
  });

  test('keeps no close of a passed socket waiting, whichever is the last', () => {
    for (const last of ['own', 'other'] as const) {
      const { near, far } = world().pair();
      const other = passed(world(), near);
      setLinger(world(), near, [1, LINGER_S]);
      ok(world().kernel.close(last === 'own' ? other : near));
      expect(closeFull(world(), last === 'own' ? near : other, far)).toEqual(IN_PEACE);
    }
  });

  test('of 0 resets, whatever time there was before', () => {
    const { near, far } = world().pair();
    setLinger(world(), near, [1, LINGER_S]);
    setLinger(world(), near, [1, 0]);
    ok(world().kernel.close(near));
    world().until(far, EPOLLIN);
    expect(world().recv(far)).toBe('ECONNRESET');
  });
});
