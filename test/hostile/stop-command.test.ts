/** The command in every blocking state: SIGINT 130, SIGTERM 143, --timeout 124. */
import { describe, expect, test } from 'vitest';

import { type Ended, startCommand, withCommand } from '../support/command.js';
import { type Driven } from '../support/driven.js';
import { sandpoll } from '../support/cli.js';
import { withFiles } from '../support/files.js';
import { untilAsleep } from '../support/tasks.js';
import { wat } from '../wasm/wat.js';
import { STATES, STDIO_STATES, type State, connectingState, fullListener } from './states.js';

const BOUND_MS = 1000;
const SIGNALS = { SIGINT: 130, SIGTERM: 143 } as const;
const PIPES = { stdin: 'pipe', stdout: 'pipe' } as const;
/** Processes at a time: more only wait for each other. */
const AT_ONCE = 4;

async function enter(driven: Driven, state: State): Promise<void> {
  const call = await state.enter(driven);
  void driven.calls([['trace', 0, 0], call]).catch(() => {});
}

/** How a command ends that is sent `signal` while its guest is in `state`, and after how long. */
async function signalled(state: State, signal: keyof typeof SIGNALS): Promise<Ended> {
  let result: Ended | undefined;
  await withCommand(['--allow-net=*', '--max-memory', '32MiB'], PIPES, async (driven, command) => {
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

async function timedOut(state: State): Promise<Ended> {
  let result: Ended | undefined;
  const options = ['--allow-net=*', '--timeout', '500ms', '--max-memory', '32MiB'];
  await withCommand(options, PIPES, async (driven, command) => {
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

async function withAllStates(body: (states: readonly State[]) => Promise<void>): Promise<void> {
  const { port, close } = fullListener();
  await body([...STATES, ...STDIO_STATES, connectingState(port)]);
  close();
}

describe('B86: in every state', () => {
  test.each(Object.keys(SIGNALS) as (keyof typeof SIGNALS)[])('%s', async (signal) => {
    await withAllStates(async (states) => {
      const results = await each(states, (state) => signalled(state, signal));
      for (const [name, { status, at }] of Object.entries(results)) {
        expect([name, status]).toEqual([name, SIGNALS[signal]]);
        expect(at, name).toBeLessThan(BOUND_MS);
      }
    });
  });

  test('--timeout', async () => {
    await withAllStates(async (states) => {
      const results = await each(states, timedOut);
      for (const [name, { status }] of Object.entries(results)) {
        expect([name, status]).toEqual([name, 124]);
      }
    });
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
