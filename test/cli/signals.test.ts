/** What the command line makes of signals (design.md §6, §9). */
import { existsSync } from 'node:fs';

import { COPY_MS } from '#host/cli/signals.js';
import { describe, expect, test } from 'vitest';

import { type Command, startCommand } from '../support/command.js';
import { drainingGuest } from '../support/draining.js';
import { withFiles } from '../support/files.js';
import { readArguments } from '../support/guest-here.js';
import { refusalOf } from '../support/refusal.js';

type Draining = Parameters<typeof drainingGuest>[0];

/** Runs `body` with a guest that has said it is ready. */
async function withGuest(
  draining: Draining,
  options: readonly string[],
  body: (command: Command) => Promise<void>,
): Promise<void> {
  await withFiles({ 'guest.wasm': drainingGuest(draining) }, async (folder) => {
    const command = startCommand([...options, `${folder}/guest.wasm`]);
    try {
      await command.said(/trace: ready/);
      await body(command);
    } finally {
      command.child.kill('SIGKILL');
      await command.ended;
    }
  });
}

/** Sends a signal, and waits until the guest has it. */
async function told({ child, said }: Command, signal: NodeJS.Signals, number: number) {
  child.kill(signal);
  await said(new RegExp(`trace: signal ${number}\\n`));
}

describe('a guest with a signalfd', () => {
  test.each([
    ['SIGTERM', 15],
    ['SIGINT', 2],
  ] as const)('drains at %s and leaves: 0', (signal, number) =>
    withGuest({ leaves: true }, [], async (command) => {
      await told(command, signal, number);
      expect(await command.ended).toMatchObject({ status: 0, signal: null });
    }),
  );

  test('gets SIGHUP, SIGUSR1 and SIGUSR2 as often as they are sent, and goes on', () =>
    withGuest({ leaves: false }, [], async (command) => {
      for (const [signal, number] of [
        ['SIGHUP', 1],
        ['SIGUSR1', 10],
        ['SIGUSR2', 12],
      ] as const) {
        await told(command, signal, number);
        command.child.kill(signal);
        await command.said(new RegExp(`(trace: signal ${number}\\n[^]*){2}`));
      }
      // Node's own answer to USR1 would be a debugger that listens.
      expect(command.stderr()).not.toContain('Debugger');
    }));

  test('that does not leave is killed by the second signal: the first had its grace', () =>
    withGuest({ leaves: false }, [], async (command) => {
      await told(command, 'SIGTERM', 15);
      command.child.kill('SIGINT');
      expect(await command.ended).toMatchObject({ status: 130, signal: null });
    }));

  test('takes a signal that comes twice within a moment, as npm makes it, as one', () =>
    withGuest({ leaves: false }, [], async (command) => {
      await told(command, 'SIGINT', 2);
      command.child.kill('SIGINT');
      // Had the copy ended the guest, there would be none to take this.
      await told(command, 'SIGUSR1', 10);
      expect(command.stderr().match(/signal 2\n/g)).toHaveLength(1);
      command.child.kill('SIGTERM');
      expect(await command.ended).toMatchObject({ status: 143, signal: null });
    }));

  test('that does not leave is killed by the same signal again, once the moment is over', () =>
    withGuest({ leaves: false }, [], async (command) => {
      const from = performance.now();
      const again = setInterval(() => command.child.kill('SIGINT'), 20);
      const { status, at } = await command.ended;
      clearInterval(again);
      expect(status).toBe(130);
      expect(at - from).toBeGreaterThan(COPY_MS);
      expect(command.stderr().match(/signal 2\n/g)).toHaveLength(1);
    }));

  test('that does not leave is killed when its grace runs out', () =>
    withGuest({ leaves: false }, ['--grace', '100ms'], async (command) => {
      const from = performance.now();
      command.child.kill('SIGTERM');
      expect(await command.ended).toMatchObject({ status: 143, signal: null });
      expect(performance.now() - from).toBeGreaterThan(99);
      expect(command.stderr()).toMatch(/sandpoll: stopped after --grace 100ms\n$/);
    }));
});

describe('a guest without one', () => {
  test.each([
    ['SIGTERM', 143],
    ['SIGINT', 130],
    ['SIGHUP', 129],
  ] as const)('is ended by %s at once: %d', (signal, status) =>
    withGuest({ leaves: false, mask: 0 }, [], async (command) => {
      command.child.kill(signal);
      expect(await command.ended).toMatchObject({ status, signal: null });
    }),
  );

  test('is ended in good order by a signal that comes many times: its socket is removed', () =>
    withFiles({}, async (folder) => {
      const options = ['--listen', `unix:${folder}/socket`];
      await withGuest({ leaves: false, mask: 0 }, options, async (command) => {
        const again = setInterval(() => command.child.kill('SIGINT'), 1);
        expect(await command.ended).toMatchObject({ status: 130, signal: null });
        clearInterval(again);
        expect(existsSync(`${folder}/socket`)).toBe(false);
      });
    }));

  test('SIGUSR1 and SIGUSR2 are ignored, and that is said', () =>
    withGuest({ leaves: false, mask: 0 }, [], async (command) => {
      for (const signal of ['SIGUSR1', 'SIGUSR2'] as const) {
        command.child.kill(signal);
        await command.said(new RegExp(`${signal} ignored: the guest has no signalfd for it\\n`));
      }
      command.child.kill('SIGTERM');
      expect(await command.ended).toMatchObject({ status: 143 });
    }));
});

test.each(['10', 'soon', '-1s', '30d'])('--grace %s is wrong usage', async (grace) => {
  const refusal = await refusalOf(() => readArguments(['--grace', grace, 'guest.wasm']));
  expect(refusal).toEqual({ status: 2, sentence: expect.stringContaining(`--grace ${grace}: `) });
});
