/** A guest can be stopped in whatever state it is: B75, B77, B78, B80, B84–B86. */
import { afterAll, describe, expect, test } from 'vitest';

import { type Guest, NO_GRANTS, startGuest } from '#host/index.js';
import { COMMAND_PAGES } from '../support/command.js';
import { leakedSince, openDescriptors } from '../support/descriptors.js';
import { type Driven, LOOPBACK, startDriven } from '../support/driven.js';
import { tasks, untilAsleep } from '../support/tasks.js';
import { wat } from '../wasm/wat.js';
import { STATES, type State, connectingState, fullListener } from './states.js';

/** What stopping may take on a machine that does much else; the promise is 50 ms. */
const BOUND_MS = 1000;
const ROUNDS = 2;

const measured: number[] = [];

/** Stops a guest and notes how long that took, in milliseconds. */
async function stopNoted(guest: Guest): Promise<number> {
  const from = performance.now();
  expect(await guest.stop()).toEqual({ kind: 'killed', reason: 'stopped' });
  measured.push(performance.now() - from);
  return measured.at(-1) as number;
}

afterAll(() => {
  const sorted = measured.toSorted((a, b) => a - b);
  const at = (share: number): string =>
    (sorted[Math.floor(share * (sorted.length - 1))] ?? 0).toFixed(1);
  console.info(
    `stop: ${sorted.length} times, median ${at(0.5)} ms, 90 % ${at(0.9)} ms, worst ${at(1)} ms`,
  );
});

/** Says something, then enters the state, in one batch: whoever hears it knows it is on its way. */
async function enter(driven: Driven, state: State): Promise<void> {
  const call = await state.enter(driven);
  void driven.calls([['trace', 0, 0], call]).catch(() => {});
}

/** Starts a guest, stops it in `state`, and returns after how many milliseconds it had ended. */
async function stopIn(state: State, settled: boolean): Promise<number> {
  const before = openDescriptors();
  const tasksBefore = tasks();
  const { driven, guest, reported } = await startDriven({
    net: LOOPBACK,
    memory: `${COMMAND_PAGES}`,
  });
  const heard = reported();
  await enter(driven, state);
  await heard;
  if (settled && state.waits) await untilAsleep(tasksBefore);
  const stopMs = await stopNoted(guest);
  await driven.end();
  expect(await leakedSince(before)).toEqual([]);
  return stopMs;
}

describe('stop() ends a guest', () => {
  test.each(STATES)('in $name', async (state) => {
    for (let round = 0; round < ROUNDS; round++) {
      expect(await stopIn(state, round > 0)).toBeLessThan(BOUND_MS);
    }
  });

  test('in sock_connect', async () => {
    const { port, close } = fullListener();
    for (let round = 0; round < ROUNDS; round++) {
      expect(await stopIn(connectingState(port), round > 0)).toBeLessThan(BOUND_MS);
    }
    close();
  });

  test('that has ended already, and twice: the outcome stays', async () => {
    const { driven, guest } = await startDriven();
    await driven.end();
    expect(await guest.stop()).toEqual({ kind: 'exited', code: 0 });
    expect(await guest.stop()).toEqual({ kind: 'exited', code: 0 });
  });

  test('right after its start', async () => {
    const before = openDescriptors();
    const { guest } = await startDriven();
    expect(await Promise.all([guest.stop(), guest.stop()])).toEqual([
      { kind: 'killed', reason: 'stopped' },
      { kind: 'killed', reason: 'stopped' },
    ]);
    expect(await leakedSince(before)).toEqual([]);
  });
});

/** A module whose start function or `_start` never returns, and says so before. */
function endless(where: 'start function' | '_start', loop: string, memory = '1'): Uint8Array {
  const start = where === '_start' ? '' : '(start $main)';
  const exported =
    where === '_start' ? '(export "_start" (func $main))' : '(func (export "_start"))';
  return wat(`(module
    (import "env" "trace" (func $trace (param i32 i32 f64 f64 f64 f64 f64)))
    (memory (export "memory") ${memory})
    (table $table 100000 funcref)
    (func $main
      (call $trace (i32.const 0) (i32.const 0)
        (f64.const 0) (f64.const 0) (f64.const 0) (f64.const 0) (f64.const 0))
      ${loop})
    ${start} ${exported})`);
}

/** Starts a module; `said` is its first report. */
async function startEndless(
  bytes: Uint8Array,
  timeoutMs?: number,
): Promise<{ guest: Guest; said: Promise<string> }> {
  let heard = (_line: string): void => {};
  const said = new Promise<string>((resolve) => {
    heard = resolve;
  });
  const guest = await startGuest({
    bytes,
    name: 'endless.wasm',
    grants: NO_GRANTS,
    onReport: (line) => heard(line),
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
  });
  return { guest, said };
}

describe('without help of the driver', () => {
  const LOOPS = {
    'an empty loop': '(loop $again (br $again))',
    'memory.fill': `(loop $again
      (memory.fill (i32.const 0) (i32.const 1) (i32.const 65536)) (br $again))`,
    'table.fill': `(loop $again
      (table.fill $table (i32.const 0) (ref.null func) (i32.const 100000)) (br $again))`,
    'table.grow by 0':
      '(loop $again (drop (table.grow $table (ref.null func) (i32.const 0))) (br $again))',
  };
  const cases = Object.entries(LOOPS).flatMap(([name, loop]) =>
    (['start function', '_start'] as const).map((where) => ({ name, loop, where })),
  );

  test.each(cases)(
    'B77, B78: $name in a $where: stop() and the time-out end it',
    async ({ loop, where }) => {
      const bytes = endless(where, loop);
      const { guest, said } = await startEndless(bytes);
      await said;
      expect(await stopNoted(guest)).toBeLessThan(BOUND_MS);
      const timeoutMs = 100;
      const started = performance.now();
      const limited = await startEndless(bytes, timeoutMs);
      expect(await limited.guest.ended).toMatchObject({ kind: 'killed', reason: 'timeout' });
      const lasted = performance.now() - started;
      expect(lasted).toBeGreaterThanOrEqual(timeoutMs);
      expect(lasted).toBeLessThan(timeoutMs + BOUND_MS);
    },
  );

  test('B80: memory.atomic.wait for ever, on a shared memory of its own', async () => {
    const wait = '(drop (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const -1)))';
    const bytes = endless('_start', wait, '1 1 shared');
    for (let round = 0; round < ROUNDS; round++) {
      const tasksBefore = tasks();
      const { guest, said } = await startEndless(bytes);
      await said;
      if (round > 0) await untilAsleep(tasksBefore);
      expect(await stopNoted(guest)).toBeLessThan(BOUND_MS);
    }
  });

  test('B80: memory.atomic.wait on memory that is not shared is a trap', async () => {
    const bytes = wat(`(module (memory (export "memory") 1)
      (func (export "_start")
        (drop (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const -1)))))`);
    const guest = await startGuest({ bytes, name: 'wait.wasm', grants: NO_GRANTS });
    expect(await guest.ended).toMatchObject({ kind: 'trapped' });
  });
});
