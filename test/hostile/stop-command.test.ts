/** The command in every blocking state: SIGINT 130, SIGTERM 143, --timeout 124. */
import { describe, expect, test } from 'vitest';

import { type Ended, startCommand, withCommand } from '../support/command.js';
import type { Driven } from '../support/driven.js';
import { sandpoll } from '../support/cli.js';
import { withFiles } from '../support/files.js';
import { untilAsleep } from '../support/tasks.js';
import { wat } from '../wasm/wat.js';
import { STATES, STDIO_STATES, type State, connectingState, fullListener } from './states.js';

const BOUND_MS = 1000;
const PIPES = { stdin: 'pipe', stdout: 'pipe' } as const;
/** Processes at a time: more only wait for each other. */
const AT_ONCE = 4;

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
    const states = [...ALL, connectingState(port)];
    const results = await each(states, (state) => signalled(state, 'SIGINT'));
    close();
    expect(Object.keys(results)).toHaveLength(states.length);
    for (const [name, { status, at }] of Object.entries(results)) {
      expect([name, status, at < BOUND_MS]).toEqual([name, 130, true]);
    }
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
  const recursion = wat(`(module (memory (export "memory") 1)
    (func $deeper (param i32) (result i32)
      (i32.add (local.get 0) (call $deeper (i32.add (local.get 0) (i32.const 1)))))
    (func (export "_start") (drop (call $deeper (i32.const 0)))))`);
  const loop = wat(`(module (memory (export "memory") 1)
    (func $for_ever (loop $again (br $again)))
    (start $for_ever) (func (export "_start")))`);

  test('B77: infinite recursion is a trap: 134, and it says so', async () => {
    await withFiles({ 'deep.wasm': recursion }, async (folder) => {
      const { status, stderr } = await sandpoll([`${folder}/deep.wasm`]);
      expect(status).toBe(134);
      expect(stderr).toMatch(/deep\.wasm trapped: .*call stack/);
    });
  });

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
