/** Imports that are entered while they are on the stack already (B87). */
import { Errno } from '#host/errno.js';
import { describe, expect, test } from 'vitest';

import { hostileRows, validArguments, withScene, writeInputs } from '../support/scene.js';
import { startThreaded } from '../support/threaded.js';

describe('B87: an import that is on the stack', () => {
  test('is not entered again by its own thread: no import calls the guest', () =>
    // What a driver guest exports traps, but for its start, which has not returned.
    withScene({}, async (driven, scene) => {
      let good = 0;
      for (const named of hostileRows('long')) {
        const { name } = named.row;
        if (['fd_close', 'fd_renumber', 'sock_shutdown', 'shutdown'].includes(name)) continue;
        await writeInputs(driven, scene);
        const result = await driven.call(name, ...validArguments(scene, named));
        if (result === Errno.SUCCESS) good++;
      }
      // Most of them have done what they do.
      expect(good).toBeGreaterThan(60);
    }));

  test('is entered by another thread, and each has its own result', async () => {
    const [MINE, THEIRS, HERE, DONE] = [80, 96, 16, 20];
    const read = (fd: number, iov: number, buffer: number): string => `
      (i32.store (i32.const ${iov}) (i32.const ${buffer}))
      (i32.store (i32.const ${iov + 4}) (i32.const 8))
      (call $ok (call $fd_read (i32.load (i32.const ${fd})) (i32.const ${iov}) (i32.const 1)
        (i32.const ${iov + 8})))`;
    const holds = (at: number, value: number): string =>
      `(if (i64.ne (i64.load (i32.const ${at})) (i64.const ${value})) (then unreachable))`;
    const thread = `
      (call $set (i32.const ${HERE}) (i32.const 1))
      ${read(THEIRS, 200, 1000)}
      ${holds(1000, 9)}
      (call $set (i32.const ${DONE}) (i32.const 1))`;
    const start = `
      (call $ok (call $eventfd (i32.const 7) (i32.const 0) (i32.const ${MINE})))
      (call $ok (call $eventfd (i32.const 0) (i32.const 0) (i32.const ${THEIRS})))
      (call $start_thread (i32.const 0))
      (call $wait (i32.const ${HERE}) (i32.const 0))
      ${read(MINE, 300, 2000)}
      ${holds(2000, 7)}
      (i64.store (i32.const 3000) (i64.const 9))
      (i32.store (i32.const 400) (i32.const 3000))
      (i32.store (i32.const 404) (i32.const 8))
      (call $ok (call $fd_write (i32.load (i32.const ${THEIRS})) (i32.const 400) (i32.const 1)
        (i32.const 408)))
      (call $wait (i32.const ${DONE}) (i32.const 0))
      ${holds(2000, 7)}
      (call $proc_exit (i32.const 3))`;
    const guest = await startThreaded({ start, thread });
    expect(await guest.ended).toEqual({ kind: 'exited', code: 3 });
  });
});
