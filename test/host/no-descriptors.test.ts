/** A host that has no descriptors left: the guest is refused with a reason, and the host lives. */
import { closeSync, openSync, readFileSync } from 'node:fs';

import { NO_GRANTS, startGuest } from '#host/index.js';
import { openNativeKernel } from '#host/kernel/native.js';
import { expect, test } from 'vitest';

import { leakedSince, openDescriptors } from '../support/descriptors.js';
import { wat } from '../wasm/wat.js';

const RLIMIT_NOFILE = 7;
/** How many numbers stay free: what the host makes itself, and one end of a stream to a child. */
const FREE = 2;

const QUIET = wat('(module (memory (export "memory") 1) (func (export "_start")))');

/** Runs `action` while this process can open `FREE` descriptors more. */
async function withFewDescriptors<T>(action: () => Promise<T>): Promise<T> {
  const kernel = openNativeKernel();
  const limits = readFileSync('/proc/self/limits', 'utf8');
  const [, soft, hard] = /^Max open files\s+(\d+)\s+(\d+)/m.exec(limits) ?? [];
  const most = Math.max(...openDescriptors().map((each) => Number.parseInt(each, 10)));
  const held: number[] = [];
  try {
    kernel.setrlimit(RLIMIT_NOFILE, most + 1 + FREE, Number(hard));
    try {
      for (;;) held.push(openSync('/dev/null', 'r'));
    } catch {
      for (const fd of held.splice(-FREE)) closeSync(fd);
    }
    return await action();
  } finally {
    for (const fd of held) closeSync(fd);
    kernel.setrlimit(RLIMIT_NOFILE, Number(soft), Number(hard));
  }
}

test('B30 no process can be started: an error with a reason, nothing left open', async () => {
  const options = { bytes: QUIET, name: 'quiet.wasm', grants: NO_GRANTS } as const;
  // What is loaded at the first start is loaded now.
  await (
    await startGuest({ ...options, isolate: 'process' })
  ).ended;
  const before = openDescriptors();
  const started = withFewDescriptors(() => startGuest({ ...options, isolate: 'process' }));
  await expect(started).rejects.toMatchObject({
    code: 'ERR_SANDPOLL_PROCESS',
    message: expect.stringMatching(/^the guest's process: spawn .* EMFILE before the guest ran$/),
  });
  expect(await leakedSince(before)).toEqual([]);
});
