/** When a member is started again, and when a service gives up: as OTP's supervisors have it. */
import { describe, expect, test } from 'vitest';

import { RESTART_KINDS, type RestartPolicy, Restarts, isRestarted } from '#host/serve/restarts.js';
import type { Outcome } from '#host/trap.js';

const OUTCOMES: Readonly<Record<string, Outcome>> = {
  'an exit with 0': { kind: 'exited', code: 0 },
  'an exit with 1': { kind: 'exited', code: 1 },
  'a trap': { kind: 'trapped', message: 'unreachable', frames: [] },
  'a limit': { kind: 'killed', reason: 'cpu', rung: 'terminate' },
};

test('permanent answers every end, transient all but an exit with 0, temporary none', () => {
  const answered = RESTART_KINDS.map((kind) => {
    const ends = Object.keys(OUTCOMES).filter((each) => isRestarted(kind, OUTCOMES[each]));
    return [kind, ends];
  });
  expect(answered).toEqual([
    ['permanent', Object.keys(OUTCOMES)],
    ['transient', ['an exit with 1', 'a trap', 'a limit']],
    ['temporary', []],
  ]);
});

describe('restarts within a window', () => {
  const policy: RestartPolicy = { kind: 'permanent', count: 10, windowMs: 60_000 };

  /** What becomes of restarts at these times, each of the member that stands first. */
  function delays(times: readonly (readonly [name: string, atMs: number])[]) {
    const restarts = new Restarts(policy);
    return times.map(([name, atMs]) => restarts.next(name, atMs)?.delayMs);
  }

  test('the first is at once, each further one waits twice as long, up to 5 seconds', () => {
    const times = Array.from({ length: 10 }, (_none, index) => ['a', index] as const);
    expect(delays(times)).toEqual([0, 100, 200, 400, 800, 1600, 3200, 5000, 5000, 5000]);
  });

  test('each member has its own delays', () => {
    expect(
      delays([
        ['a', 0],
        ['a', 1],
        ['b', 2],
        ['b', 3],
        ['a', 4],
      ]),
    ).toEqual([0, 100, 0, 100, 200]);
  });

  test('the limit is of all members together; what is long ago does not count', () => {
    const restarts = new Restarts({ ...policy, count: 2, windowMs: 1000 });
    expect(restarts.next('a', 0)).toEqual({ count: 1, delayMs: 0 });
    expect(restarts.next('b', 10)).toEqual({ count: 2, delayMs: 0 });
    expect(restarts.next('a', 999)).toBeUndefined();
    expect(restarts.next('a', 1000)).toEqual({ count: 2, delayMs: 0 });
    expect(restarts.next('a', 1001)).toBeUndefined();
  });

  test('a limit of 0 bears none', () => {
    expect(new Restarts({ ...policy, count: 0 }).next('a', 0)).toBeUndefined();
  });
});
