/** A guest can be stopped while a name is looked up, and the resolver never answers (B84, B85). */
import { setImmediate } from 'node:timers/promises';

import { parseResolveRule } from '#host/grants.js';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import { type Command, type Ended, withCommand } from '../support/command.js';
import { leakedSince, openDescriptors } from '../support/descriptors.js';
import { startDriven, withDriven } from '../support/driven.js';
import { lookUpCall } from '../support/lookup.js';
import { SLOW_NAME, SlowLookup, lookupsCanBeSlow } from '../support/slow-lookup.js';

/** What stopping may take on a machine that does much else; the promise is 50 ms. */
const BOUND_MS = 1000;

/** How a command ends that looks a name up for ever, by `stop` or by itself, and after how long. */
async function ended(
  slow: SlowLookup,
  options: readonly string[],
  stop: (command: Command) => void,
): Promise<Ended> {
  let result: Ended | undefined;
  await withCommand(['--allow-resolve', ...options], {}, async (driven, command) => {
    void driven.start(...(await lookUpCall(driven, SLOW_NAME)));
    await slow.underWay();
    const from = performance.now();
    stop(command);
    const end = await command.ended;
    result = { ...end, at: end.at - from };
  });
  if (result === undefined) throw new Error('it did not end');
  return result;
}

/** Waits until a look-up of this process waits in the FIFO; both ends of that, as descriptors. */
async function underWayHere(slow: SlowLookup): Promise<string[]> {
  await slow.underWay();
  for (;;) {
    const ends = openDescriptors().filter((each) => each.endsWith(` ${slow.path}`));
    if (ends.length === 2) return ends;
    await setImmediate();
  }
}

const possible = await lookupsCanBeSlow();
const skipped = possible ? '' : ' (skipped: this resolver asks no HOSTALIASES)';

describe.skipIf(!possible)(`a look-up that never ends${skipped}`, () => {
  let slow: SlowLookup;
  beforeEach(() => {
    slow = new SlowLookup();
  });
  afterEach(() => slow.close());

  test('keeps no guest from being stopped, and leaves nothing open', async () => {
    const before = openDescriptors();
    const { driven, guest } = await startDriven({ resolve: [parseResolveRule('*')] });
    void driven.start(...(await lookUpCall(driven, SLOW_NAME)));
    const ends = await underWayHere(slow);
    const from = performance.now();
    expect(await guest.stop()).toEqual({ kind: 'killed', reason: 'stopped' });
    expect(performance.now() - from).toBeLessThan(BOUND_MS);
    await driven.end();
    // The resolver is still at it, on a thread that nobody waits for.
    expect(slow.stillUnderWay()).toBe(true);
    expect(await leakedSince([...before, ...ends])).toEqual([]);
  });

  test('is in nobody else’s way', async () => {
    const { driven, guest } = await startDriven({ resolve: [parseResolveRule('*')] });
    void driven.start(...(await lookUpCall(driven, SLOW_NAME)));
    await underWayHere(slow);
    await withDriven({ resolve: [parseResolveRule('localhost')] }, async (other) => {
      expect(await other.call(...(await lookUpCall(other, 'localhost')))).toBe(0);
    });
    expect(await guest.stop()).toEqual({ kind: 'killed', reason: 'stopped' });
    await driven.end();
  });

  test.each([
    ['SIGTERM', 143],
    ['SIGINT', 130],
  ] as const)('keeps no command from ending at %s: %d', async (signal, status) => {
    const end = await ended(slow, [], ({ child }) => child.kill(signal));
    expect(end).toMatchObject({ status, signal: null });
    expect(end.at).toBeLessThan(BOUND_MS);
    expect(slow.stillUnderWay()).toBe(false);
  });

  test('keeps no command from its --timeout: 124', async () => {
    const end = await ended(slow, ['--timeout', '2s'], () => {});
    expect(end).toMatchObject({ status: 124, signal: null });
    expect(end.at).toBeLessThan(2000 + BOUND_MS);
    expect(slow.stillUnderWay()).toBe(false);
  });
});
