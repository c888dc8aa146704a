/** The flags that grant something which is not an address: denied without, and the flag named. */
import { AF_INET } from '#host/address.js';
import { Errno } from '#host/errno.js';
import { startGuest } from '#host/index.js';
import { describe, expect, test } from 'vitest';

import { withCommand } from '../support/command.js';
import { Driven } from '../support/driven.js';
import { driverModule } from '../support/driver.js';
import { readArguments } from '../support/guest-here.js';
import { SOCK_STREAM, setsockopt, socket } from '../support/linux-sockets.js';
import { portOf } from '../support/local-guest.js';
import { lookUpCall } from '../support/lookup.js';
import { refusalOf } from '../support/refusal.js';

const IPPROTO_TCP = 6;
const TCP_FASTOPEN = 23;
const TCP_FASTOPEN_CONNECT = 30;

type Body = (driven: Driven, reports: readonly string[]) => Promise<void>;

/** Runs `body` with a driver guest that has what the flags grant, and what is said of it. */
async function withFlags(flags: readonly string[], body: Body): Promise<void> {
  const options = readArguments(['--listen', '127.0.0.1:0', ...flags, 'driver.wasm']);
  const reports: string[] = [];
  const guest = await startGuest({
    ...options,
    bytes: driverModule('long', '3'),
    name: 'driver.wasm',
    onReport: (line) => reports.push(line),
  });
  const driven = new Driven({ port: portOf(guest), ended: guest.ended }, 'long');
  try {
    await body(driven, reports);
  } finally {
    await driven.end();
  }
}

async function lookUp(driven: Driven, name: string): Promise<number> {
  return driven.call(...(await lookUpCall(driven, name)));
}

describe('--allow-resolve', () => {
  test('B38 B41 without it no name is looked up, and the flag is named', () =>
    withFlags([], async (driven, reports) => {
      expect(await lookUp(driven, 'localhost')).toBe(Errno.ACCES);
      const line = 'denied: look-up of localhost; grant it with --allow-resolve=localhost';
      await expect.poll(() => reports).toContain(line);
    }));

  test.each([['--allow-resolve'], ['--allow-resolve=*'], ['--allow-resolve=local*']])(
    '%s lets localhost be looked up',
    (flag) =>
      withFlags([flag], async (driven, reports) => {
        expect(await lookUp(driven, 'localhost')).toBe(0);
        expect(reports.join()).not.toContain('denied');
      }),
  );

  test('=GLOB lets no other name be looked up; it is given once for each', () =>
    withFlags(['--allow-resolve=localhost', '--allow-resolve=*.test'], async (driven, reports) => {
      expect(await lookUp(driven, 'localhost')).toBe(0);
      expect(await lookUp(driven, 'example.invalid')).toBe(Errno.ACCES);
      await expect
        .poll(() => reports.join('\n'))
        .toMatch(/grant it with --allow-resolve=example\.invalid$/m);
    }));

  test('=GLOB that is no name is wrong usage', async () => {
    expect(await refusalOf(() => readArguments(['--allow-resolve=a b', 'guest.wasm']))).toEqual({
      status: 2,
      sentence: expect.stringContaining('--allow-resolve=a b: '),
    });
  });
});

describe('--allow-fastopen', () => {
  const OPTIONS = [TCP_FASTOPEN, TCP_FASTOPEN_CONNECT];

  test('B39 without it TCP Fast Open cannot be turned on, and the flag is named', () =>
    withCommand([], {}, async (driven, { said }) => {
      for (const option of OPTIONS) {
        const fd = await socket(driven, AF_INET, SOCK_STREAM);
        expect(await setsockopt(driven, fd, IPPROTO_TCP, option, 1)).toBe(Errno.ACCES);
        expect(await setsockopt(driven, fd, IPPROTO_TCP, option, 0)).toBe(0);
      }
      await said(/^sandpoll: denied: TCP Fast Open; grant it with --allow-fastopen$/m);
    }));

  test('with it, it can', () =>
    withFlags(['--allow-fastopen'], async (driven, reports) => {
      for (const option of OPTIONS) {
        const fd = await socket(driven, AF_INET, SOCK_STREAM);
        expect(await setsockopt(driven, fd, IPPROTO_TCP, option, 1)).toBe(0);
      }
      expect(reports.join()).not.toContain('denied');
    }));
});
