/** What a module exports to be run: `_start` or `_initialize` (application-abi.md). */
import { NO_GRANTS, startGuest } from '#host/index.js';
import { describe, expect, test } from 'vitest';

import { EXIT, SAY, TRACE, runText } from '../support/text-guest.js';
import { wat } from '../wasm/wat.js';

describe('a reactor', () => {
  const memory = '(memory (export "memory") 1)';

  test('runs its _initialize, and has then ended as a command that returns', async () => {
    const source = `${TRACE} ${memory} (func (export "_initialize") ${SAY})
      (func (export "handler") ${SAY})`;
    const { outcome, reports } = await runText(source);
    expect(outcome).toEqual({ kind: 'exited', code: 0 });
    expect(reports).toHaveLength(1);
  });

  test('may leave, or trap, there', async () => {
    const body = (code: string): string =>
      `${EXIT} ${memory} (func (export "_initialize") ${code})`;
    const left = await runText(body('(call $exit (i32.const 3))'));
    expect(left.outcome).toEqual({ kind: 'exited', code: 3 });
    expect((await runText(body('unreachable'))).outcome).toMatchObject({ kind: 'trapped' });
  });

  test.each([
    ['neither', '', /exports no _start; build it as a program/],
    ['both', '(func (export "_start")) (func (export "_initialize"))', /both _start and _init/],
  ])('and a command: %s is refused before anything runs', async (_what, exports, sentence) => {
    const bytes = wat(`(module ${memory} ${exports})`);
    const starting = startGuest({ bytes, name: 'guest.wasm', grants: NO_GRANTS });
    await expect(starting).rejects.toMatchObject({
      code: 'ERR_SANDPOLL_NO_COMMAND',
      message: expect.stringMatching(sentence),
    });
  });
});
