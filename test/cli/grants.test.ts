/** The flags that grant something which is not an address: denied without, and the flag named. */
import { AF_INET } from '#host/address.js';
import { Errno } from '#host/errno.js';
import { describe, expect, test } from 'vitest';

import { type Command, withCommand } from '../support/command.js';
import type { Driven } from '../support/driven.js';
import { readArguments } from '../support/guest-here.js';
import { SOCK_STREAM, setsockopt, socket } from '../support/linux-sockets.js';
import { lookUpCall } from '../support/lookup.js';
import { refusalOf } from '../support/refusal.js';

const IPPROTO_TCP = 6;
const TCP_FASTOPEN = 23;
const TCP_FASTOPEN_CONNECT = 30;

type Body = (driven: Driven, command: Command) => Promise<void>;

const withFlags = (flags: readonly string[], body: Body): Promise<void> =>
  withCommand(flags, {}, body);

async function lookUp(driven: Driven, name: string): Promise<number> {
  return driven.call(...(await lookUpCall(driven, name)));
}

describe('--allow-resolve', () => {
  test('B38 B41 without it no name is looked up, and the flag is named', () =>
    withFlags([], async (driven, { said }) => {
      expect(await lookUp(driven, 'localhost')).toBe(Errno.ACCES);
      await said(
        /^sandpoll: denied: look-up of localhost; grant it with --allow-resolve=localhost$/m,
      );
    }));

  test.each([['--allow-resolve'], ['--allow-resolve=*'], ['--allow-resolve=local*']])(
    '%s lets localhost be looked up',
    (flag) =>
      withFlags([flag], async (driven, { stderr }) => {
        expect(await lookUp(driven, 'localhost')).toBe(0);
        expect(stderr()).not.toContain('denied');
      }),
  );

  test('=GLOB lets no other name be looked up; it is given once for each', () =>
    withFlags(['--allow-resolve=localhost', '--allow-resolve=*.test'], async (driven, { said }) => {
      expect(await lookUp(driven, 'localhost')).toBe(0);
      expect(await lookUp(driven, 'example.invalid')).toBe(Errno.ACCES);
      await said(/grant it with --allow-resolve=example\.invalid$/m);
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
    withFlags([], async (driven, { said }) => {
      for (const option of OPTIONS) {
        const fd = await socket(driven, AF_INET, SOCK_STREAM);
        expect(await setsockopt(driven, fd, IPPROTO_TCP, option, 1)).toBe(Errno.ACCES);
        expect(await setsockopt(driven, fd, IPPROTO_TCP, option, 0)).toBe(0);
      }
      await said(/^sandpoll: denied: TCP Fast Open; grant it with --allow-fastopen$/m);
    }));

  test('with it, it can', () =>
    withFlags(['--allow-fastopen'], async (driven, { stderr }) => {
      for (const option of OPTIONS) {
        const fd = await socket(driven, AF_INET, SOCK_STREAM);
        expect(await setsockopt(driven, fd, IPPROTO_TCP, option, 1)).toBe(0);
      }
      expect(stderr()).not.toContain('denied');
    }));
});
