/** Terminals as standard streams: `isatty(3)`, readiness, and whose their flags are (B34). */
import { Filetype, Rights } from '#host/abi/preview1.js';
import { Errno } from '#host/errno.js';
import { describe, expect, test } from 'vitest';

import { withDriven } from '../support/driven.js';
import { withFiles } from '../support/files.js';
import { read, told, write } from '../support/stdio.js';
import { clock, poll, reading, writing } from '../support/structs.js';
import { HAS_TERMINALS, withTerminal } from '../support/terminal.js';
import { wat } from '../wasm/wat.js';

const NONBLOCK = 4;
const WASI = 'import "wasi_snapshot_preview1"';
const { CHARACTER_DEVICE } = Filetype;

/** Leaves with a bit for each stream that is a terminal and can be made NONBLOCK. */
const NONBLOCKING = wat(`(module
  (${WASI} "fd_fdstat_set_flags" (func $set (param i32 i32) (result i32)))
  (${WASI} "fd_fdstat_get" (func $get (param i32 i32) (result i32)))
  (${WASI} "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (func $bit (param $fd i32) (result i32)
    (drop (call $get (local.get $fd) (i32.const 0)))
    (i32.shl
      (i32.and
        (i32.eqz (call $set (local.get $fd) (i32.const ${NONBLOCK})))
        (i32.and
          (i32.eq (i32.load8_u (i32.const 0)) (i32.const ${CHARACTER_DEVICE}))
          (i32.eqz (i32.and (i32.load (i32.const 8))
            (i32.const ${Rights.FD_SEEK | Rights.FD_TELL})))))
      (local.get $fd)))
  (func (export "_start")
    (call $exit (i32.or (call $bit (i32.const 0))
      (i32.or (call $bit (i32.const 1)) (call $bit (i32.const 2)))))))`);

describe.skipIf(!HAS_TERMINALS)('a terminal', () => {
  test('is one to isatty, waits for a line, and can be written', () =>
    withTerminal('sleep 1000', async ({ path, type, shows }) => {
      const [stdin, stdout] = [{ file: path }, { file: path }];
      await withDriven({ stdio: { stdin, stdout } }, async (driven) => {
        // As wasi-libc has it: a character device without FD_SEEK and FD_TELL.
        for (const fd of [0, 1]) expect(await told(driven, fd)).toEqual([CHARACTER_DEVICE, false]);
        const now = clock(0n, { userdata: 9n });
        expect((await poll(driven, [reading(0, 1n), now])).events).toMatchObject([
          { userdata: 9n },
        ]);
        expect((await poll(driven, [writing(1, 2n)])).events).toMatchObject([{ userdata: 2n }]);
        await driven.call('fd_fdstat_set_flags', 0, NONBLOCK);
        expect(await read(driven, 9)).toBe(-Errno.AGAIN);
        const line = poll(driven, [reading(0, 3n)]);
        type('typed\n');
        expect((await line).events).toMatchObject([{ userdata: 3n, nbytes: 6 }]);
        expect(await read(driven, 9)).toEqual(Buffer.from('typed\n'));
        expect(await write(driven, 1, 'shown')).toBe(0);
        await shows(/shown/);
      });
    }));

  test('B34 that is the host’s own stays blocking, whatever the guest sets', () =>
    withFiles({ 'nonblock.wasm': NONBLOCKING }, async (folder) => {
      const flags = `grep flags /proc/self/fdinfo/0`;
      const run = `${process.execPath} dist/cli/main.cjs ${folder}/nonblock.wasm`;
      await withTerminal(`${flags}; ${run}; echo status $?; ${flags}; sleep 1000`, async (it) => {
        const [, before, status, after] = await it.shows(
          /flags:\s*(\d+)\r\nstatus (\d+)\r\nflags:\s*(\d+)\r\n/,
        );
        // Seven: each stream is a terminal to the guest, and took the flag.
        expect([status, after]).toEqual(['7', before]);
      });
    }));
});
