/** What the command line makes of signals (design.md §6, §9). */
import { describe, expect, test } from 'vitest';

import { type Command, startCommand } from '../support/command.js';
import { sandpoll } from '../support/cli.js';
import { drainingGuest } from '../support/draining.js';
import { withFiles } from '../support/files.js';

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

  test.each([
    ['SIGHUP', 1],
    ['SIGUSR1', 10],
    ['SIGUSR2', 12],
  ] as const)('gets %s as often as it is sent, and goes on', (signal, number) =>
    withGuest({ leaves: false }, [], async (command) => {
      await told(command, signal, number);
      command.child.kill(signal);
      await command.said(new RegExp(`(trace: signal ${number}\\n[^]*){2}`));
      // Node's own answer to USR1 would be a debugger that listens.
      expect(command.stderr()).not.toContain('Debugger');
    }),
  );

  test('that does not leave is killed by the second signal: the first had its grace', () =>
    withGuest({ leaves: false }, [], async (command) => {
      await told(command, 'SIGTERM', 15);
      command.child.kill('SIGINT');
      expect(await command.ended).toMatchObject({ status: 130, signal: null });
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
  const { status, stderr } = await sandpoll(['--grace', grace, 'guest.wasm']);
  expect(status).toBe(2);
  expect(stderr).toContain(`--grace ${grace}: `);
});
