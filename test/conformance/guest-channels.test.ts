/** Channels: what one guest hands to another, bytes and descriptors. */
import { once } from 'node:events';

import { describe, expect, test } from 'vitest';

import { EFD_NONBLOCK, EPOLLIN } from '#host/abi/epoll.js';
import { Errno } from '#host/errno.js';
import { createChannel, NO_GRANTS, startGuest } from '#host/index.js';

import { leakedSince, openDescriptors } from '../support/descriptors.js';
import {
  type Driven,
  type DrivenOptions,
  LISTENER,
  LOOPBACK,
  type Local,
  iovecs,
  startDriven,
  withDriven,
} from '../support/driven.js';
import { driverModule } from '../support/driver.js';
import {
  type Message,
  count,
  opened,
  read,
  receive,
  send,
  setNonblocking,
  write,
} from '../support/events.js';
import { epollCtl, epollWait, poll, reading } from '../support/structs.js';

const CHANNEL = 4;
const MSG_TRUNC = 0x20;
const IOVS = 0x1_0000;
const OUT = 0x1_f000;
const { AGAIN, BADF, NOTSOCK, NOTSUP, MFILE, PIPE, INVAL, INTR, MSGSIZE } = Errno;

/** Runs `body` with two guests, each with an end of one channel, NONBLOCK. */
async function withTwo(
  body: (a: Driven, b: Driven, locals: { a: Local; b: Local }) => Promise<void>,
  options: DrivenOptions = {},
): Promise<void> {
  const before = openDescriptors();
  const [first, second] = createChannel();
  const a = await startDriven({ ...options, channels: { peer: first } });
  const b = await startDriven({ ...options, channels: { peer: second } });
  try {
    await setNonblocking(a.driven, CHANNEL);
    await setNonblocking(b.driven, CHANNEL);
    await body(a.driven, b.driven, { a, b });
    await Promise.all([a.driven.end(), b.driven.end()]);
    for (const { guest } of [a, b]) expect(await guest.ended).toEqual({ kind: 'exited', code: 0 });
  } finally {
    await Promise.all([a.guest.stop(), b.guest.stop()]);
    await Promise.all([a.driven.end(), b.driven.end()]);
  }
  expect(await leakedSince(before)).toEqual([]);
}

/** What `receive` gives, which must be a message. */
async function message(driven: Driven, room?: number): Promise<Message> {
  const received = await receive(driven, CHANNEL, room);
  if (typeof received === 'number') throw new Error(`channel_recv failed with ${-received}`);
  return received;
}

/** Hands `fd` from one guest to the other; its number there. */
async function pass(from: Driven, to: Driven, fd: number): Promise<number> {
  expect(await send(from, CHANNEL, 'x', fd)).toBe(0);
  const { passed } = await message(to);
  expect(passed).toBeGreaterThan(CHANNEL);
  return passed;
}

describe('messages', () => {
  test('keep their order and their bounds, and may be empty', () =>
    withTwo(async (a, b) => {
      for (const text of ['one', '', 'three']) expect(await send(a, CHANNEL, text)).toBe(0);
      for (const text of ['one', '', 'three']) {
        expect(await message(b)).toEqual({ text, passed: -1, flags: 0 });
      }
      expect(await receive(b, CHANNEL)).toBe(-AGAIN);
      expect(await send(b, CHANNEL, 'back')).toBe(0);
      expect(await message(a)).toMatchObject({ text: 'back' });
    }));

  test('that do not fit are cut, and that is told', () =>
    withTwo(async (a, b) => {
      await send(a, CHANNEL, 'a long one');
      await send(a, CHANNEL, 'next');
      expect(await message(b, 6)).toEqual({ text: 'a long', passed: -1, flags: MSG_TRUNC });
      expect(await message(b, 4)).toEqual({ text: 'next', passed: -1, flags: 0 });
    }));

  test('are gathered from and scattered to several buffers', () =>
    withTwo(async (a, b) => {
      await a.write(0x1_2000, Buffer.from('abcdef'));
      const pairs = [
        [0x1_2004, 2],
        [0x1_2000, 3],
      ] as const;
      await a.calls(iovecs(IOVS, pairs));
      expect(await a.call('channel_send', CHANNEL, IOVS, 2, -1, OUT)).toBe(0);
      expect(await a.u32(OUT)).toBe(5);
      await b.calls(iovecs(IOVS, pairs));
      const outs = [OUT, OUT + 8, OUT + 16];
      expect(await b.call('channel_recv', CHANNEL, IOVS, 2, ...outs)).toBe(0);
      expect(Buffer.from(await b.read(0x1_2000, 6)).toString('latin1')).toBe('abc\0ef');
    }));

  test('B73: find a full channel: EAGAIN, then room for one when one is read', () =>
    withTwo(async (a, b) => {
      let sent = 0;
      while ((await send(a, CHANNEL, 'x'.repeat(1000))) === 0) sent++;
      expect(sent).toBeGreaterThan(10);
      expect(await send(a, CHANNEL, '')).toBe(AGAIN);
      for (let i = 0; i < sent; i++) expect((await message(b)).text.length).toBe(1000);
      expect(await receive(b, CHANNEL)).toBe(-AGAIN);
      expect(await send(a, CHANNEL, 'x')).toBe(0);
    }));

  test('too long to ever fit are EMSGSIZE', () =>
    withTwo(
      async (a) => {
        await a.calls(iovecs(IOVS, [[0x1_0000, 1 << 20]]));
        expect(await a.call('channel_send', CHANNEL, IOVS, 1, -1, OUT)).toBe(MSGSIZE);
      },
      { memory: '32' },
    ));

  test('are waited for where the channel is blocking; a signal ends that wait', () =>
    withTwo(async (a, b, locals) => {
      expect(await b.call('fd_fdstat_set_flags', CHANNEL, 0)).toBe(0);
      const waited = message(b);
      expect(await send(a, CHANNEL, 'at last')).toBe(0);
      expect(await waited).toMatchObject({ text: 'at last' });
      const heard = locals.b.reported();
      const outs = [OUT, OUT + 8, OUT + 16];
      const call = ['channel_recv', CHANNEL, IOVS, 1, ...outs] as const;
      const interrupted = b.calls([['trace', 0, 0], call]);
      await heard;
      expect(locals.b.guest.signal('SIGHUP')).toBe(false);
      expect(await interrupted).toEqual([0, INTR]);
    }));

  test('wake epoll and poll_oneoff', () =>
    withTwo(async (a, b) => {
      const epfd = await opened(b, 'epoll_create1', 0);
      await epollCtl(b, epfd, 1, CHANNEL, EPOLLIN, 9n);
      const waited = epollWait(b, epfd, -1);
      await send(a, CHANNEL, 'x');
      expect(await waited).toEqual([{ events: EPOLLIN, data: 9n }]);
      const { events } = await poll(b, [reading(CHANNEL)]);
      expect(events).toMatchObject([{ error: 0, nbytes: 1 }]);
    }));

  test('sent before the other end was closed are still read; then EPIPE, both ways', () =>
    withTwo(async (a, b) => {
      await send(a, CHANNEL, '');
      expect(await a.call('fd_close', CHANNEL)).toBe(0);
      expect(await message(b)).toMatchObject({ text: '' });
      expect(await receive(b, CHANNEL)).toBe(-PIPE);
      expect(await send(b, CHANNEL, 'x')).toBe(PIPE);
    }));
});

describe('a descriptor that is passed', () => {
  test('an accepted connection is served by the other guest', () =>
    withTwo(async (a, b) => {
      const { fd, peer } = await a.accept();
      const passed = await pass(a, b, fd);
      expect(await a.call('fd_close', fd)).toBe(0);
      peer.write('hello');
      // Blocking, as any descriptor is at first.
      const { bytes } = await read(b, passed, 64);
      expect(Buffer.from(bytes).toString()).toBe('hello');
      expect(await write(b, passed, bytes)).toEqual({ errno: 0, size: 5 });
      expect(String((await once(peer, 'data'))[0])).toBe('hello');
      const ended = once(peer, 'end');
      peer.resume();
      await b.call('fd_close', passed);
      await ended;
    }));

  test('stays open here, and is one thing with two names', () =>
    withTwo(async (a, b) => {
      const event = await opened(a, 'eventfd', 3, EFD_NONBLOCK);
      const passed = await pass(a, b, event);
      expect(await write(a, event, Uint8Array.of(4, 0, 0, 0, 0, 0, 0, 0))).toMatchObject({
        size: 8,
      });
      expect(await count(b, passed)).toBe(7);
      expect(await count(a, event)).toBe(-AGAIN);
    }));

  test('a listener accepts, a datagram socket is one, a timer fires, an epoll reports', () =>
    withTwo(
      async (a, b) => {
        const listener = await pass(a, b, LISTENER);
        const client = await a.dial();
        const connection = await opened(b, 'sock_accept', listener, 0);
        client.write('x');
        expect((await read(b, connection, 8)).bytes.length).toBe(1);
        const datagram = await pass(a, b, await opened(a, 'sock_open', 1, 1));
        expect(await b.call('fd_fdstat_get', datagram, OUT)).toBe(0);
        expect(await b.call('load8', OUT)).toBe(5);
        const timer = await pass(a, b, await opened(a, 'timerfd_create', 1, 0));
        await b.write(IOVS, new Uint8Array(32).with(24, 1));
        expect(await b.call('timerfd_settime', timer, 0, IOVS, 0)).toBe(0);
        expect(await count(b, timer)).toBe(1);
        const watching = await opened(a, 'epoll_create1', 0);
        const event = await opened(a, 'eventfd', 1, EFD_NONBLOCK);
        expect(await epollCtl(a, watching, 1, event, EPOLLIN, 5n)).toBe(0);
        const epfd = await pass(a, b, watching);
        expect(await epollWait(b, epfd)).toEqual([{ events: EPOLLIN, data: 5n }]);
      },
      { net: LOOPBACK },
    ));

  test('B36: may do no more than it could', () =>
    withTwo(async (a, b) => {
      const reader = await opened(a, 'pipe2', 0);
      const writer = await a.u32(OUT + 4);
      const passedReader = await pass(a, b, reader);
      const passedWriter = await pass(a, b, writer);
      expect((await write(b, passedReader, new Uint8Array(1))).errno).toBe(BADF);
      expect((await read(b, passedWriter, 1)).errno).toBe(BADF);
      expect((await write(b, passedWriter, Buffer.from('x'))).errno).toBe(0);
      expect((await read(b, passedReader, 8)).bytes.length).toBe(1);
    }));

  test('stdio, signals and channels are not passed, nor what is not open', () =>
    withTwo(async (a, b) => {
      await a.call('store64', IOVS, 1 << 14);
      const signals = await opened(a, 'signalfd', IOVS, 0);
      for (const fd of [0, 1, 2, signals, CHANNEL]) {
        expect([fd, await send(a, CHANNEL, 'x', fd)]).toEqual([fd, NOTSUP]);
      }
      for (const fd of [99, -2, 2 ** 31]) expect(await send(a, CHANNEL, 'x', fd)).toBe(BADF);
      expect(await receive(b, CHANNEL)).toBe(-AGAIN);
    }));

  test('B30: waits in the channel while the table is full: EMFILE', () =>
    withTwo(
      async (a, b) => {
        const event = await opened(a, 'eventfd', 6, EFD_NONBLOCK);
        expect(await send(a, CHANNEL, 'it', event)).toBe(0);
        const filler = await opened(b, 'eventfd', 0, 0);
        expect(filler).toBe(6);
        const open = openDescriptors().length;
        expect(await receive(b, CHANNEL)).toBe(-MFILE);
        expect(openDescriptors().length).toBe(open);
        await b.call('fd_close', filler);
        expect(await message(b)).toEqual({ text: 'it', passed: filler, flags: 0 });
        expect(await count(b, filler)).toBe(6);
      },
      { limits: { fds: 7 } },
    ));

  test('B30: holds up nobody but those behind it: a full table still hears messages without', () =>
    withTwo(
      async (a, b) => {
        const event = await opened(a, 'eventfd', 6, EFD_NONBLOCK);
        await opened(b, 'eventfd', 0, 0);
        expect(await receive(b, CHANNEL)).toBe(-AGAIN);
        await send(a, CHANNEL, 'an answer');
        await send(a, CHANNEL, 'it', event);
        await send(a, CHANNEL, 'behind it');
        expect(await message(b)).toEqual({ text: 'an answer', passed: -1, flags: 0 });
        for (let i = 0; i < 2; i++) expect(await receive(b, CHANNEL)).toBe(-MFILE);
        await a.call('fd_close', CHANNEL);
        expect(await receive(b, CHANNEL)).toBe(-MFILE);
        await b.call('fd_close', 6);
        expect(await message(b)).toMatchObject({ text: 'it', passed: 6 });
        expect(await message(b)).toMatchObject({ text: 'behind it', passed: -1 });
        expect(await receive(b, CHANNEL)).toBe(-PIPE);
      },
      { limits: { fds: 7 } },
    ));

  test('B30: and a blocking one waits there for a message without', () =>
    withTwo(
      async (a, b, { b: local }) => {
        await opened(b, 'eventfd', 0, 0);
        expect(await b.call('fd_fdstat_set_flags', CHANNEL, 0)).toBe(0);
        const heard = local.reported();
        const outs = [OUT, OUT + 8, OUT + 16];
        await b.calls(iovecs(IOVS, [[0x1_1000, 64]]));
        const waiting = b.calls([
          ['trace', 0, 0],
          ['channel_recv', CHANNEL, IOVS, 1, ...outs],
        ]);
        await heard;
        await send(a, CHANNEL, 'an answer');
        expect(await waiting).toEqual([0, 0]);
        expect(await b.u32(OUT)).toBe(9);
      },
      { limits: { fds: 7 } },
    ));

  test('never received, is closed with the channel', () =>
    withTwo(async (a, b) => {
      const { fd, peer } = await a.accept();
      expect(await send(a, CHANNEL, 'x', fd)).toBe(0);
      await a.call('fd_close', fd);
      const ended = once(peer, 'close');
      peer.resume();
      await b.call('fd_close', CHANNEL);
      await ended;
    }));

  test('E1: and closed here is out of every epoll here, its number good for another', () =>
    withTwo(async (a, b) => {
      const epfd = await opened(a, 'epoll_create1', 0);
      const event = await opened(a, 'eventfd', 0, EFD_NONBLOCK);
      await epollCtl(a, epfd, 1, event, EPOLLIN, 1n);
      const control = await opened(a, 'eventfd', 1, EFD_NONBLOCK);
      expect((await poll(a, [reading(event, 1n), reading(control, 2n)])).events).toHaveLength(1);
      const passed = await pass(a, b, event);
      await a.call('fd_close', event);
      await write(b, passed, Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0));
      expect(await epollWait(a, epfd)).toEqual([]);
      expect(await opened(a, 'eventfd', 0, EFD_NONBLOCK)).toBe(event);
      const { events } = await poll(a, [reading(event, 1n), reading(control, 2n)]);
      expect(events.map(({ userdata }) => userdata)).toEqual([2n]);
    }));
});

describe('what is no channel', () => {
  test('B24: is ENOTSOCK; and a channel is read and written with its own calls alone', () =>
    withTwo(async (a) => {
      const event = await opened(a, 'eventfd', 1, 0);
      for (const fd of [0, LISTENER, event]) {
        expect(await send(a, fd, 'x')).toBe(NOTSOCK);
        expect(await receive(a, fd)).toBe(-NOTSOCK);
      }
      expect(await send(a, 99, 'x')).toBe(BADF);
      expect((await write(a, CHANNEL, Buffer.from('forged'))).errno).toBe(INVAL);
      expect((await read(a, CHANNEL, 64)).errno).toBe(INVAL);
      expect(await a.call('sock_send', CHANNEL, IOVS, 1, 0, OUT)).toBe(NOTSOCK);
      expect(await a.call('sock_recv', CHANNEL, IOVS, 1, 0, OUT, OUT + 8)).toBe(NOTSOCK);
    }));
});

describe('createChannel', () => {
  const guest = (channels: NonNullable<Parameters<typeof startGuest>[0]['channels']>) =>
    startGuest({
      bytes: driverModule('long', '3'),
      name: 'driver.wasm',
      grants: NO_GRANTS,
      channels,
    });

  test('an end is given once, under a name that an environment can have', async () => {
    const before = openDescriptors();
    const [a, b] = createChannel();
    const [c, d] = createChannel();
    await expect(guest({ 'a=b': c })).rejects.toMatchObject({ code: 'ERR_SANDPOLL_USAGE' });
    await expect(guest({ d: c })).rejects.toThrow('channels.d: closed, or given to a guest before');
    d.close();
    const started = await guest({ a });
    await expect(guest({ a })).rejects.toThrow('channels.a: closed, or given to a guest before');
    await started.stop();
    b.close();
    b.close();
    await expect(guest({ b })).rejects.toMatchObject({ code: 'ERR_SANDPOLL_USAGE' });
    expect(await leakedSince(before)).toEqual([]);
  });

  test('a guest finds its ends by name, after its listeners', async () => {
    const [first, second] = createChannel();
    await withDriven({ channels: { first, second }, env: { A: 'b' } }, async (driven) => {
      await driven.call('environ_sizes_get', OUT, OUT + 8);
      await driven.call('environ_get', IOVS, IOVS + 0x1000);
      const bytes = await driven.read(IOVS + 0x1000, await driven.u32(OUT + 8));
      expect(Buffer.from(bytes).toString().split('\0')).toEqual([
        'LISTEN_FDS=1',
        'LISTEN_FDNAMES=unknown',
        'SANDPOLL_CHANNEL_FD_first=4',
        'SANDPOLL_CHANNEL_FD_second=5',
        'A=b',
        '',
      ]);
      expect(await send(driven, 4, 'to itself')).toBe(0);
      expect(await receive(driven, 5)).toMatchObject({ text: 'to itself' });
    });
  });
});
