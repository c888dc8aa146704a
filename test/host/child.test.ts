/** A guest's process that is in the hands of its guest, as its supervisor finds it. */
import { once } from 'node:events';

import { Child } from '#host/guest/child.js';
import { injectFaults } from '#host/kernel/inject.js';
import type { Kernel } from '#host/kernel/kernel.js';
import { openNativeKernel } from '#host/kernel/native.js';
import { wrapKernel } from '#host/kernel/wrap.js';
import { expect, test } from 'vitest';

import { leakedSince, openDescriptors } from '../support/descriptors.js';

/** So many messages take a supervisor more than ten seconds. */
const FLOOD = 50_000_000;
const HANDLE_AT = 4;

/** A kernel where a process sends messages that are no answer all the time. */
function flooded(): Kernel {
  return injectFaults(openNativeKernel(), [
    { call: 'poll', from: 1, count: FLOOD, result: 1 },
    { call: 'channelRecv', from: 1, count: FLOOD, result: 0 },
  ]);
}

/** The same, and each of the first hundred brings a descriptor. */
function generous(): Kernel {
  const kernel = openNativeKernel();
  let gifts = 100;
  return wrapKernel(flooded(), (name, args, call) => {
    if (name !== 'channelRecv') return call();
    const { buffer } = args[4] as Uint8Array;
    new DataView(buffer).setInt32(HANDLE_AT, gifts-- > 0 ? kernel.eventfd(0, 0) : -1, true);
    return call();
  });
}

test.each([
  ['words', flooded],
  ['descriptors', generous],
])(
  'B75 one that floods the channel with %s costs a signal no more than silence',
  async (_, kernel) => {
    const setup = { parentPid: 0, channel: [], limits: [] };
    const rendezvous = { address: new Uint8Array(0), accept: () => -1, close: () => {} };
    const child = new Child(kernel(), setup, rendezvous, { handles: [], session: 0 });
    const gone = once(child, 'gone');
    const before = openDescriptors();
    const from = performance.now();
    expect(child.signal('SIGTERM')).toBe(true);
    expect(performance.now() - from).toBeLessThan(3000);
    expect(await leakedSince(before)).toEqual([]);
    child.kill();
    await gone;
  },
);
