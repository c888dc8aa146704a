/** `--isolate`: what a guest runs in. */
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';

import { describe, expect, test } from 'vitest';

import { Client } from '../support/client.js';
import { type Command, startCommand } from '../support/command.js';
import { drainingGuest } from '../support/draining.js';
import { withFiles } from '../support/files.js';
import { readArguments, startGuest } from '../support/guest-here.js';
import { refusalOf } from '../support/refusal.js';
import { ROOT } from '../support/sources.js';

const PROCESS = '--isolate=process';

/** Runs `body` with a guest, from the root of the repository, and ends it with SIGKILL. */
async function withServer(
  wasm: string,
  options: readonly string[],
  body: (port: number, command: Command) => Promise<void>,
): Promise<void> {
  const args = [PROCESS, '--listen', '127.0.0.1:0', ...options, `${ROOT}${wasm}`];
  const command = startCommand(args);
  try {
    const [, port] = await command.said(/listening on tcp:\/\/127\.0\.0\.1:(\d+)/);
    await body(Number(port), command);
  } finally {
    command.child.kill('SIGKILL');
    await command.ended;
  }
}

/** The processes of guests, as the command says; it says so before that they listen. */
function processesOf({ stderr }: Command): number[] {
  return [...stderr().matchAll(/isolated in process (\d+)/g)].map(([, pid]) => Number(pid));
}

const GONE_MS = 5000;

/** Whether a process that is not ours ends soon; one that only waits for its parent has ended. */
async function isGone(pid: number): Promise<boolean> {
  const deadline = performance.now() + GONE_MS;
  const runs = (): boolean => {
    try {
      return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
    } catch {
      return false;
    }
  };
  while (runs()) {
    if (performance.now() > deadline) return false;
    await setImmediate();
  }
  return true;
}

const EXAMPLES = readdirSync(`${ROOT}examples/echo/build`)
  .filter((name) => /^echo-(lt|et|poll)\.wasm$/.test(name))
  .map((name) => `examples/echo/build/${name}`);

test.each(EXAMPLES)(`%s runs with ${PROCESS}`, async (wasm) => {
  const guest = await startGuest(wasm, [PROCESS]);
  const client = await Client.connect(guest.port);
  expect(await client.exchange('hello')).toBe('hello');
  client.close();
  await guest.stop();
  expect(guest.stderr).toContain('isolated in process');
});

test.each(['http', 'http-poll'])(`%s runs with ${PROCESS}`, async (name) => {
  const guest = await startGuest(`examples/http/build/${name}.wasm`, [PROCESS]);
  const answer = await fetch(`http://127.0.0.1:${guest.port}/`);
  expect(answer.status).toBe(200);
  await answer.arrayBuffer();
  await guest.stop();
  expect(guest.stderr).toContain('isolated in process');
});

test('workers run in processes of their own, and one that is killed ends all', () =>
  withServer('examples/echo/build/echo-lt.wasm', ['--workers', '2'], async (_port, command) => {
    const [first = 0, second = 0] = processesOf(command);
    expect(second).not.toBe(first);
    process.kill(first, 'SIGSEGV');
    await command.said(/echo-lt\.wasm#\d trapped: the guest's process was killed by SIGSEGV/);
    expect(await command.ended).toMatchObject({ status: 134 });
    expect(await isGone(second)).toBe(true);
  }));

test('when the host is killed, the process of its guest dies too', () =>
  withServer('examples/echo/build/echo-lt.wasm', [], async (_port, command) => {
    const [pid = 0] = processesOf(command);
    expect(existsSync(`/proc/${pid}`)).toBe(true);
    command.child.kill('SIGKILL');
    await command.ended;
    expect(await isGone(pid)).toBe(true);
  }));

describe('a guest in a process', () => {
  test.each([
    [true, 0],
    [false, 143],
  ])('drains at SIGTERM or is killed: leaves %s, status %d', (leaves, status) =>
    withFiles({ 'guest.wasm': drainingGuest({ leaves }) }, async (folder) => {
      const command = startCommand([PROCESS, '--grace', '1s', `${folder}/guest.wasm`]);
      await command.said(/trace: ready/);
      command.child.kill('SIGTERM');
      await command.said(/trace: signal 15\n/);
      expect(await command.ended).toMatchObject({ status, signal: null });
    }),
  );
});

test('a signal for the whole group of processes is the business of the host alone', () =>
  withServer('examples/echo/build/echo-lt.wasm', [], async (port, command) => {
    const [pid = 0] = processesOf(command);
    for (const signal of ['SIGHUP', 'SIGINT', 'SIGTERM', 'SIGUSR1', 'SIGUSR2'] as const) {
      process.kill(pid, signal);
      const client = await Client.connect(port);
      expect(await client.exchange(signal)).toBe(signal);
      client.close();
    }
  }));

test('--isolate with a tier that there is not is wrong usage', async () => {
  expect(await refusalOf(() => readArguments(['--isolate=vm', 'guest.wasm']))).toEqual({
    status: 2,
    sentence: '--isolate vm: there is no such tier; choose from thread, process',
  });
});
