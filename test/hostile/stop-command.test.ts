/** The command in every blocking state: SIGINT 130, SIGTERM 143, --timeout 124. */
import { describe, expect, test } from 'vitest';

import { COMMAND_PAGES, type Ended, startCommand, withCommand } from '../support/command.js';
import { Driven } from '../support/driven.js';
import { driverModule } from '../support/driver.js';
import { sandpoll } from '../support/cli.js';
import { withFiles } from '../support/files.js';
import { untilAsleep } from '../support/tasks.js';
import { wat } from '../wasm/wat.js';
import { STATES, STDIO_STATES, type State, connectingState, fullListener } from './states.js';

const BOUND_MS = 1000;
const PIPES = { stdin: 'pipe', stdout: 'pipe' } as const;
/** Processes at a time: more only wait for each other. */
const AT_ONCE = 4;
/** Guests of one process at a time. */
const GUESTS = 5;

async function enter(driven: Driven, state: State): Promise<void> {
  const call = await state.enter(driven);
  void driven.calls([['trace', 0, 0], call]).catch(() => {});
}

/** How a command ends that is sent `signal` while its guest is in `state`, and after how long. */
async function signalled(state: State, signal: NodeJS.Signals): Promise<Ended> {
  let result: Ended | undefined;
  await withCommand(['--allow-net=*'], PIPES, async (driven, command) => {
    await enter(driven, state);
    await command.said(/trace:/);
    if (state.waits) await untilAsleep([], command.child.pid);
    const from = performance.now();
    command.child.kill(signal);
    const ended = await command.ended;
    result = { ...ended, at: ended.at - from };
  });
  if (result === undefined) throw new Error('it did not end');
  return result;
}

/** How a command ends that is sent `signal` while each of its guests is in one of `states`. */
async function signalledTogether(states: readonly State[], signal: NodeJS.Signals): Promise<Ended> {
  const files = { 'driver.wasm': driverModule('long', `${COMMAND_PAGES}`) };
  return withFiles(files, async (folder) => {
    const workers = ['--workers', `${states.length}`, '--share', 'exclusive'];
    const options = ['--listen', '127.0.0.1:0', '--allow-net=*', ...workers];
    const { child, said, ended } = startCommand([...options, `${folder}/driver.wasm`], PIPES);
    const [, port] = await said(/listening on tcp:\/\/127\.0\.0\.1:(\d+) /);
    const drivens = states.map(() => new Driven({ port: Number(port), ended }, 'long'));
    try {
      // Each has its guest before one of them opens another connection.
      await Promise.all(drivens.map(async (driven) => driven.call('memory.size')));
      for (const [index, state] of states.entries()) {
        await enter(drivens[index], state);
        await said(new RegExp(`(?:trace:[^]*){${index + 1}}`));
      }
      if (states.every(({ waits }) => waits)) await untilAsleep([], child.pid);
      const from = performance.now();
      child.kill(signal);
      const { at, ...others } = await ended;
      return { ...others, at: at - from };
    } finally {
      child.kill('SIGKILL');
      await Promise.all(drivens.map(async (driven) => driven.end()));
    }
  });
}

/** How a command ends whose guest is in `state` when its time is up. */
async function timedOut(state: State): Promise<Ended> {
  let result: Ended | undefined;
  await withCommand(['--allow-net=*', '--timeout', '1s'], PIPES, async (driven, command) => {
    await enter(driven, state);
    result = await command.ended;
  });
  if (result === undefined) throw new Error('it did not end');
  return result;
}

/** Runs all, some at a time; each with its name. */
async function each<T>(
  states: readonly State[],
  body: (state: State) => Promise<T>,
): Promise<Record<string, T>> {
  const results: Record<string, T> = {};
  const queue = [...states];
  const worker = async (): Promise<void> => {
    for (let state = queue.shift(); state !== undefined; state = queue.shift()) {
      results[state.name] = await body(state);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return results;
}

/** One of each kind: running, waiting in each way, on stdin, on stdout. */
const FEW = new Set(['a busy loop', 'epoll_wait(-1)', 'sock_accept', 'fd_read of stdin']);
const ALL = [...STATES, ...STDIO_STATES];
const few = ALL.filter(({ name }) => FEW.has(name));

describe('B86', () => {
  test('SIGINT in every state is 130', async () => {
    const { port, close } = fullListener();
    const states = [connectingState(port), ...STDIO_STATES, ...STATES];
    for (const waits of [true, false]) {
      const alike = states.filter((state) => state.waits === waits);
      for (let at = 0; at < alike.length; at += GUESTS) {
        const group = alike.slice(at, at + GUESTS);
        const names = group.map(({ name }) => name);
        const { status, at: endedMs } = await signalledTogether(group, 'SIGINT');
        expect([names, status, endedMs < BOUND_MS]).toEqual([names, 130, true]);
      }
    }
    close();
  });

  test('SIGTERM is 143', async () => {
    const results = await each(few, (state) => signalled(state, 'SIGTERM'));
    for (const [name, { status, at }] of Object.entries(results)) {
      expect([name, status, at < BOUND_MS]).toEqual([name, 143, true]);
    }
  });

  test('--timeout is 124', async () => {
    const results = await each(few, timedOut);
    for (const [name, { status }] of Object.entries(results)) {
      expect([name, status]).toEqual([name, 124]);
    }
  });
});

describe('without an end of its own', () => {
  const loop = wat(`(module (memory (export "memory") 1)
    (func $for_ever (loop $again (br $again)))
    (start $for_ever) (func (export "_start")))`);

  test('B77: a start function that never returns ends with --timeout and with a signal', async () => {
    await withFiles({ 'loop.wasm': loop }, async (folder) => {
      const file = `${folder}/loop.wasm`;
      expect((await sandpoll(['--timeout', '200ms', file])).status).toBe(124);
      const command = startCommand(['--listen', '127.0.0.1:0', file]);
      await command.said(/listening/);
      command.child.kill('SIGINT');
      expect(await command.ended).toMatchObject({ status: 130 });
    });
  });

  test('no process group’s second Ctrl-C is needed, and a second does no harm', async () => {
    await withFiles({ 'loop.wasm': loop }, async (folder) => {
      const command = startCommand(['--listen', '127.0.0.1:0', `${folder}/loop.wasm`]);
      await command.said(/listening/);
      command.child.kill('SIGINT');
      command.child.kill('SIGTERM');
      const { status, signal } = await command.ended;
      expect([130, 143, null]).toContain(status);
      expect(['SIGTERM', null]).toContain(signal);
    });
  });
});
