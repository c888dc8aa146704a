/** Signals as a guest gets them from its host: `signalfd(2)`; and how a guest drains and leaves. */
import { describe, expect, test } from 'vitest';

import { EPOLLIN, EPOLL_CTL_ADD } from '#host/abi/epoll.js';
import { Errno } from '#host/errno.js';
import { type Guest, type GuestSignal, NO_GRANTS, startGuest } from '#host/index.js';

import { type Driven, LISTENER, iovecs, withDriven } from '../support/driven.js';
import { opened, read, write } from '../support/events.js';
import { drainingGuest } from '../support/draining.js';
import { epollCtl, epollWait, poll, reading } from '../support/structs.js';

const NONBLOCK = 0o4000;
const MASK = 0x1_5000;
const OUT = 0x1_f000;
const SIGINFO_BYTES = 128;
const { INVAL, AGAIN, INTR } = Errno;

const NUMBERS = { SIGHUP: 1, SIGINT: 2, SIGUSR1: 10, SIGUSR2: 12, SIGTERM: 15 } as const;
const SIGNALS = Object.keys(NUMBERS) as GuestSignal[];

async function signalfd(
  driven: Driven,
  signals: readonly GuestSignal[],
  flags = NONBLOCK,
): Promise<number> {
  const mask = signals.reduce((bits, name) => bits | (1 << (NUMBERS[name] - 1)), 0);
  await driven.call('store64', MASK, mask);
  return opened(driven, 'signalfd', MASK, flags);
}

/** The numbers of the signals that one read takes; minus the errno if it takes none. */
async function taken(driven: Driven, fd: number, room = 8): Promise<number[] | number> {
  const { errno, bytes } = await read(driven, fd, room * SIGINFO_BYTES);
  if (errno !== 0) return -errno;
  const records = Buffer.from(bytes);
  return Array.from({ length: bytes.length / SIGINFO_BYTES }, (_each, index) =>
    records.readUInt32LE(index * SIGINFO_BYTES),
  );
}

describe('a guest’s signalfd', () => {
  test.each(SIGNALS)('%s makes it readable until it is read', (name) =>
    withDriven({}, async (driven, { guest }) => {
      const fd = await signalfd(driven, [name]);
      const epfd = await opened(driven, 'epoll_create1', 0);
      await epollCtl(driven, epfd, EPOLL_CTL_ADD, fd, EPOLLIN, 3n);
      expect(await epollWait(driven, epfd)).toEqual([]);
      const waited = epollWait(driven, epfd, -1);
      expect(guest.signal(name)).toBe(true);
      expect(await waited).toEqual([{ events: EPOLLIN, data: 3n }]);
      expect(await taken(driven, fd)).toEqual([NUMBERS[name]]);
      expect(await taken(driven, fd)).toBe(-AGAIN);
      expect(await epollWait(driven, epfd)).toEqual([]);
    }),
  );

  test('several are several records; the same one twice is one', () =>
    withDriven({}, async (driven, { guest }) => {
      const fd = await signalfd(driven, SIGNALS);
      for (const name of ['SIGTERM', 'SIGUSR1', 'SIGTERM'] as const) {
        expect(guest.signal(name)).toBe(true);
      }
      expect(await taken(driven, fd, 1)).toEqual([NUMBERS.SIGUSR1]);
      expect(await taken(driven, fd)).toEqual([NUMBERS.SIGTERM]);
      expect(await taken(driven, fd)).toBe(-AGAIN);
    }));

  test('what one takes is gone for the others', () =>
    withDriven({}, async (driven, { guest }) => {
      const first = await signalfd(driven, ['SIGTERM']);
      const second = await signalfd(driven, ['SIGTERM', 'SIGHUP']);
      expect(guest.signal('SIGTERM')).toBe(true);
      const { events } = await poll(driven, [reading(first, 1n), reading(second, 2n)]);
      expect(events.map(({ nbytes }) => nbytes)).toEqual([SIGINFO_BYTES, SIGINFO_BYTES]);
      expect(await taken(driven, second)).toEqual([NUMBERS.SIGTERM]);
      expect(await taken(driven, first)).toBe(-AGAIN);
    }));

  test('that is blocking is waited for', () =>
    withDriven({}, async (driven, { guest }) => {
      const fd = await signalfd(driven, ['SIGHUP'], 0);
      const waited = taken(driven, fd);
      expect(guest.signal('SIGHUP')).toBe(true);
      expect(await waited).toEqual([NUMBERS.SIGHUP]);
    }));

  test('of nothing, or of signals that are never sent, never becomes readable', () =>
    withDriven({}, async (driven, { guest }) => {
      await driven.call('store64', MASK, 0x7fff_ffff_0000_0100n);
      const fd = await opened(driven, 'signalfd', MASK, NONBLOCK);
      for (const name of SIGNALS) expect(guest.signal(name)).toBe(false);
      expect(await taken(driven, fd)).toBe(-AGAIN);
    }));

  test('a closed one takes nothing any more', () =>
    withDriven({}, async (driven, { guest }) => {
      const fd = await signalfd(driven, ['SIGTERM']);
      expect(guest.signal('SIGTERM')).toBe(true);
      expect(await driven.call('fd_close', fd)).toBe(0);
      expect(guest.signal('SIGTERM')).toBe(false);
    }));

  test('B24: refuses unknown flags, writing, and less room than a record', () =>
    withDriven({}, async (driven, { guest }) => {
      for (const flags of [1, 2, -1]) {
        expect(await driven.call('signalfd', MASK, flags, OUT)).toBe(INVAL);
      }
      const fd = await signalfd(driven, ['SIGTERM']);
      guest.signal('SIGTERM');
      expect((await read(driven, fd, SIGINFO_BYTES - 1)).errno).toBe(INVAL);
      expect((await write(driven, fd, new Uint8Array(8))).errno).toBe(INVAL);
      expect(await taken(driven, fd)).toEqual([NUMBERS.SIGTERM]);
    }));
});

describe('a signal that nobody takes', () => {
  test('E13: ends the present wait with EINTR', () =>
    withDriven({}, async (driven, { guest, reported }) => {
      const fd = await opened(driven, 'eventfd', 0, 0);
      const epfd = await opened(driven, 'epoll_create1', 0);
      await driven.calls(iovecs(MASK, [[MASK + 8, 8]]));
      const waits = [
        ['epoll_wait', epfd, MASK + 8, 8, -1, OUT],
        ['epoll_pwait2', epfd, MASK + 8, 8, 0, OUT],
        ['fd_read', fd, MASK, 1, OUT],
        ['sock_accept', LISTENER, 0, OUT],
      ] as const;
      for (const wait of waits) {
        const heard = reported();
        const waited = driven.calls([['trace', 0, 0], wait]);
        // It is on its way into the wait: whenever it gets there, the signal was not lost.
        await heard;
        expect(guest.signal('SIGUSR1')).toBe(false);
        expect([wait[0], await waited]).toEqual([wait[0], [0, INTR]]);
      }
    }));

  test('must be one that a host sends', () =>
    withDriven({}, async (_driven, { guest }) => {
      expect(() => guest.signal('SIGKILL' as GuestSignal)).toThrow(TypeError);
      await Promise.resolve();
    }));
});

/** A guest that has said it is ready. */
async function started(bytes: Uint8Array): Promise<Guest> {
  let ready = (_line: string): void => {};
  const said = new Promise<string>((resolve) => {
    ready = resolve;
  });
  const guest = await startGuest({
    bytes,
    name: 'guest.wasm',
    grants: NO_GRANTS,
    onReport: (line) => ready(line),
  });
  expect(await said).toBe('trace: ready 0');
  return guest;
}

describe('stop({ graceMs })', () => {
  test('lets a guest with a signalfd leave by itself', async () => {
    const guest = await started(drainingGuest({ leaves: true }));
    expect(await guest.stop({ graceMs: 60_000 })).toEqual({ kind: 'exited', code: 0 });
    expect(guest.signal('SIGTERM')).toBe(false);
  });

  test('kills one that does not, after that time', async () => {
    const guest = await started(drainingGuest({ leaves: false }));
    const from = performance.now();
    expect(await guest.stop({ graceMs: 50 })).toEqual({ kind: 'killed', reason: 'stopped' });
    expect(performance.now() - from).toBeGreaterThan(49);
  });

  test('kills one without a signalfd at once; and any at once without grace', async () => {
    const killed = { kind: 'killed', reason: 'stopped' };
    const deaf = await started(drainingGuest({ leaves: true, mask: 0 }));
    expect(await deaf.stop({ graceMs: 60_000 })).toEqual(killed);
    const ready = await started(drainingGuest({ leaves: true }));
    expect(await ready.stop()).toEqual(killed);
  });

  test('refuses a time that no timer can wait for', async () => {
    const guest = await started(drainingGuest({ leaves: true }));
    for (const graceMs of [-1, Number.NaN, 2 ** 31]) {
      expect(() => guest.stop({ graceMs })).toThrow(RangeError);
    }
    await guest.stop();
  });
});
