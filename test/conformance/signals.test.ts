/** signalfd, and the signals that a session is told of: `signalfd(2)`, `signal(7)`. */
import { EPOLLET, EPOLLIN, EPOLLOUT, SignalfdSiginfo } from '#host/abi/epoll.js';
import type { Handle } from '#host/kernel/kernel.js';
import { expect, test } from 'vitest';

import { asleep, startThread, stopped } from '../native/threads.js';
import { SOCK_SEQPACKET, type World, everyKernel, ok, said } from './world.js';

const [SIGHUP, SIGINT, SIGKILL, SIGUSR1, SIGUSR2, SIGTERM, SIGSTOP] = [1, 2, 9, 10, 12, 15, 19];

function maskOf(...signals: readonly number[]): number {
  return signals.reduce((mask, signal) => mask | (1 << (signal - 1)), 0);
}

function signalfd(world: World, ...signals: readonly number[]): Handle {
  return ok(world.kernel.signalfd(maskOf(...signals)));
}

function send(world: World, signal: number): number | string {
  return said(world.kernel.sessionSignal(world.session, signal));
}

/** The signals that one read gives, in their order, or the name of the error. */
function taken(world: World, handle: Handle, room = 8 * SignalfdSiginfo.SIZE): number[] | string {
  const bytes = new Uint8Array(room).fill(0xee);
  const result = said(world.kernel.read(handle, bytes, 0, room));
  if (typeof result === 'string') return result;
  const view = new DataView(bytes.buffer);
  return Array.from({ length: result / SignalfdSiginfo.SIZE }, (_each, index) =>
    view.getUint32(index * SignalfdSiginfo.SIZE, true),
  );
}

everyKernel('signalfd', (world) => {
  test('is readable once a signal of its mask is pending, until it is read', () => {
    const handle = signalfd(world(), SIGTERM);
    expect(world().eventsOf(handle, EPOLLIN)).toBe(0);
    expect(taken(world(), handle)).toBe('EAGAIN');
    expect(send(world(), SIGTERM)).toBe(1);
    expect(world().eventsOf(handle, EPOLLIN)).toBe(EPOLLIN);
    expect(taken(world(), handle)).toEqual([SIGTERM]);
    expect(world().eventsOf(handle, EPOLLIN)).toBe(0);
    expect(taken(world(), handle)).toBe('EAGAIN');
  });

  test('a record says the number of the signal, and of nobody who sent it', () => {
    const handle = signalfd(world(), SIGHUP);
    send(world(), SIGHUP);
    const bytes = new Uint8Array(SignalfdSiginfo.SIZE).fill(0xee);
    expect(world().kernel.read(handle, bytes, 0, SignalfdSiginfo.SIZE)).toBe(SignalfdSiginfo.SIZE);
    expect(Array.from(bytes)).toEqual([SIGHUP, ...new Uint8Array(SignalfdSiginfo.SIZE - 1)]);
  });

  test('a signal that is pending already is not pending twice', () => {
    const handle = signalfd(world(), SIGUSR1);
    expect([1, 2, 3].map(() => send(world(), SIGUSR1))).toEqual([1, 1, 1]);
    expect(taken(world(), handle)).toEqual([SIGUSR1]);
    expect(taken(world(), handle)).toBe('EAGAIN');
    expect(send(world(), SIGUSR1)).toBe(1);
    expect(taken(world(), handle)).toEqual([SIGUSR1]);
  });

  test('gives as many as there is room for, the lowest first', () => {
    const handle = signalfd(world(), SIGHUP, SIGINT, SIGUSR1, SIGTERM);
    for (const signal of [SIGTERM, SIGUSR1, SIGHUP, SIGINT]) send(world(), signal);
    expect(taken(world(), handle, 2 * SignalfdSiginfo.SIZE + 127)).toEqual([SIGHUP, SIGINT]);
    expect(world().eventsOf(handle, EPOLLIN)).toBe(EPOLLIN);
    expect(taken(world(), handle)).toEqual([SIGUSR1, SIGTERM]);
  });

  test('readv lays the records across its buffers', () => {
    const handle = signalfd(world(), SIGINT, SIGTERM);
    send(world(), SIGINT);
    send(world(), SIGTERM);
    const { kernel } = world();
    const bytes = new Uint8Array(512).fill(0xee);
    const iovs = Uint32Array.from([0, 2, 300, 0, 10, 126, 200, 130]);
    expect(kernel.readv(handle, bytes, iovs, 4)).toBe(2 * SignalfdSiginfo.SIZE);
    expect([bytes[0], bytes[1], bytes[2], bytes[10]]).toEqual([SIGINT, 0, 0xee, 0]);
    expect([bytes[135], bytes[136], bytes[200], bytes[328]]).toEqual([0, 0xee, SIGTERM, 0xee]);
  });

  test('B8 a buffer shorter than a record is EINVAL, and the signal stays pending', () => {
    const handle = signalfd(world(), SIGTERM);
    send(world(), SIGTERM);
    expect(taken(world(), handle, SignalfdSiginfo.SIZE - 1)).toBe('EINVAL');
    const iovs = Uint32Array.from([0, 100, 100, 27]);
    expect(said(world().kernel.readv(handle, new Uint8Array(128), iovs, 2))).toBe('EINVAL');
    expect(said(world().kernel.read(handle, new Uint8Array(127), 0, 128))).toBe('EFAULT');
    expect(taken(world(), handle)).toEqual([SIGTERM]);
  });

  test('a signal that no descriptor takes is not pending, then or later', () => {
    expect(send(world(), SIGTERM)).toBe(0);
    const handle = signalfd(world(), SIGINT);
    expect(send(world(), SIGTERM)).toBe(0);
    expect(taken(world(), handle)).toBe('EAGAIN');
    expect(taken(world(), signalfd(world(), SIGTERM))).toBe('EAGAIN');
  });

  test('two descriptors see one signal, and the first to read has it', () => {
    const one = signalfd(world(), SIGTERM, SIGINT);
    const other = signalfd(world(), SIGTERM);
    expect(send(world(), SIGTERM)).toBe(2);
    expect(send(world(), SIGINT)).toBe(1);
    expect([one, other].map((handle) => world().eventsOf(handle, EPOLLIN))).toEqual([1, 1]);
    expect(taken(world(), other)).toEqual([SIGTERM]);
    expect([one, other].map((handle) => world().eventsOf(handle, EPOLLIN))).toEqual([1, 0]);
    expect(taken(world(), one)).toEqual([SIGINT]);
  });

  test('a signal outlives the descriptor it came for', () => {
    const first = signalfd(world(), SIGTERM);
    send(world(), SIGTERM);
    ok(world().kernel.close(first));
    const second = signalfd(world(), SIGTERM);
    expect(world().eventsOf(second, EPOLLIN)).toBe(EPOLLIN);
    expect(taken(world(), second)).toEqual([SIGTERM]);
  });

  test('a closed descriptor takes nothing more', () => {
    ok(world().kernel.close(signalfd(world(), SIGTERM)));
    expect(send(world(), SIGTERM)).toBe(0);
  });

  test('E3 with edges: each new signal is one, a signal already pending is none', () => {
    const epoll = world().epoll();
    const handle = signalfd(world(), SIGUSR1, SIGUSR2);
    ok(world().add(epoll, handle, EPOLLIN | EPOLLET));
    const edge = () => world().ready(epoll).length;
    const seen = [SIGUSR1, SIGUSR1, SIGUSR2].map((signal) => [send(world(), signal), edge()]);
    expect(seen).toEqual([
      [1, 1],
      [1, 0],
      [1, 1],
    ]);
    expect(taken(world(), handle, SignalfdSiginfo.SIZE)).toEqual([SIGUSR1]);
    expect(edge()).toBe(0);
  });

  test('is never writable, and knows neither writing nor passing on', () => {
    const { kernel, room } = world();
    const handle = signalfd(world(), SIGTERM);
    expect(world().eventsOf(handle, EPOLLIN | EPOLLOUT)).toBe(0);
    expect(said(kernel.poll(handle, EPOLLOUT, 0, 0))).toBe(0);
    expect(said(kernel.write(handle, room, 0, 8))).toBe('EINVAL');
    const { near } = world().socketpair(SOCK_SEQPACKET);
    expect(said(kernel.channelSend(near, room, new Uint32Array(), 0, 0, handle))).toBe('EINVAL');
    expect(taken(world(), handle)).toBe('EAGAIN');
  });

  test('KILL and STOP are left out of every mask without a word', () => {
    const handle = signalfd(world(), SIGKILL, SIGSTOP, SIGTERM);
    const results = [SIGKILL, SIGSTOP, SIGTERM].map((signal) => send(world(), signal));
    expect(results).toEqual([0, 0, 1]);
    expect(taken(world(), handle)).toEqual([SIGTERM]);
  });

  test('signals are 1 to 31, and of a session that is open', () => {
    const { kernel } = world();
    const handle = ok(kernel.signalfd(0xffff_ffff));
    for (const signal of [0, -1, 32, 64]) expect(send(world(), signal)).toBe('EINVAL');
    expect([send(world(), 1), send(world(), 31)]).toEqual([1, 1]);
    expect(taken(world(), handle)).toEqual([1, 31]);
    const closed = ok(kernel.sessionOpen());
    ok(kernel.sessionClose(closed));
    expect(said(kernel.sessionSignal(closed, SIGTERM))).toBe('ESRCH');
  });

  test('no session sees the signals of another', () => {
    const { kernel } = world();
    const handle = signalfd(world(), SIGTERM);
    const other = ok(kernel.sessionOpen());
    expect(said(kernel.sessionSignal(other, SIGTERM))).toBe(0);
    expect(taken(world(), handle)).toBe('EAGAIN');
    ok(kernel.sessionClose(other));
  });

  test('a wake ends a wait for a signal with EINTR, and takes no signal', () => {
    const { kernel } = world();
    const handle = signalfd(world(), SIGTERM);
    ok(kernel.sessionWake(world().session));
    expect(said(kernel.poll(handle, EPOLLIN, -1, 0))).toBe('EINTR');
    send(world(), SIGTERM);
    expect(taken(world(), handle)).toEqual([SIGTERM]);
  });
});

everyKernel('signals and threads', (world) => {
  test('outside a session a signalfd is EINVAL', async () => {
    const thread = startThread((native) => native.signalfd(1), null);
    expect(said(await thread.outcome)).toBe('EINVAL');
    await stopped(thread);
  });

  test('a signal ends the wait of another thread', async () => {
    const thread = startThread((native, session, ready) => {
      native.sessionEnter(session);
      const handle = native.signalfd(1 << 14);
      const epoll = native.epollCreate1(0);
      const bytes = new Uint8Array(256);
      native.epollCtl(epoll, 1, handle, 1, 0, 0);
      ready();
      const count = native.epollPwait(epoll, bytes, 0, 8, -1);
      return [count, native.read(handle, bytes, 0, 256), bytes[0]];
    }, world().session);
    await asleep(thread);
    expect(send(world(), SIGTERM)).toBe(1);
    expect(await thread.outcome).toEqual([1, SignalfdSiginfo.SIZE, SIGTERM]);
    await stopped(thread);
  });
});
