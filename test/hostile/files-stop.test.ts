/**
 * B84 for files: a guest that does nothing but file calls is stopped anywhere in them.
 *
 * The whole form stops it fifty times:
 *   SANDPOLL_FILE_STOPS=50 npx vitest run test/hostile/files-stop.test.ts
 */
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { expect, test } from 'vitest';

import { Oflags, Rights } from '#host/abi/preview1.js';
import { NO_GRANTS, startGuest } from '#host/index.js';

import { leakedSince, openDescriptors } from '../support/descriptors.js';
import { withFiles } from '../support/files.js';
import { wat } from '../wasm/wat.js';

const STOPS = Number(process.env['SANDPOLL_FILE_STOPS'] ?? 10);
/** The longest that a guest is let run: so many turns of the event loop. */
const TURNS_MAX = 150;
const WROTE = 'written '.repeat(64);

const P1 = 'wasi_snapshot_preview1';
const OPENING = `(i64.const ${Rights.FD_READ | Rights.FD_WRITE}) (i64.const 0) (i32.const 0)`;

/** Names at 0, of two bytes each; then what calls write, and what is written. */
const NAMES = ['f0', 'f1', 'd0', 'd1'];
const [OUT, IOVS, ENTRIES, TEXT] = [64, 96, 1024, 8192];
const named = (index: number): string => `(i32.const ${2 * index}) (i32.const 2)`;

const LOOPING = wat(`(module
  (import "env" "trace" (func $trace (param i32 i32 f64 f64 f64 f64 f64)))
  (import "${P1}" "path_open"
    (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "${P1}" "path_rename" (func $rename (param i32 i32 i32 i32 i32 i32) (result i32)))
  (import "${P1}" "path_create_directory" (func $mkdir (param i32 i32 i32) (result i32)))
  (import "${P1}" "path_remove_directory" (func $rmdir (param i32 i32 i32) (result i32)))
  (import "${P1}" "path_unlink_file" (func $unlink (param i32 i32 i32) (result i32)))
  (import "${P1}" "fd_pwrite" (func $pwrite (param i32 i32 i32 i64 i32) (result i32)))
  (import "${P1}" "fd_readdir" (func $readdir (param i32 i32 i32 i64 i32) (result i32)))
  (import "${P1}" "fd_close" (func $close (param i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "${NAMES.join('')}")
  (data (i32.const ${TEXT}) "${WROTE}")
  (func (export "_start")
    (i32.store (i32.const ${IOVS}) (i32.const ${TEXT}))
    (i32.store (i32.const ${IOVS + 4}) (i32.const ${WROTE.length}))
    (call $trace (i32.const 0) (i32.const 0)${' (f64.const 0)'.repeat(5)})
    (loop $again
      (drop (call $open (i32.const 3) (i32.const 0) ${named(0)} (i32.const ${Oflags.CREAT})
        ${OPENING} (i32.const ${OUT})))
      (drop (call $pwrite (i32.load (i32.const ${OUT})) (i32.const ${IOVS}) (i32.const 1)
        (i64.const 0) (i32.const ${OUT + 8})))
      (drop (call $mkdir (i32.const 3) ${named(2)}))
      (drop (call $rename (i32.const 3) ${named(0)} (i32.const 3) ${named(1)}))
      (drop (call $readdir (i32.const 3) (i32.const ${ENTRIES}) (i32.const 4096) (i64.const 0)
        (i32.const ${OUT + 8})))
      (drop (call $rename (i32.const 3) ${named(2)} (i32.const 3) ${named(3)}))
      (drop (call $rmdir (i32.const 3) ${named(3)}))
      (drop (call $unlink (i32.const 3) ${named(1)}))
      (drop (call $close (i32.load (i32.const ${OUT}))))
      (br $again))))`);

/** Starts it, lets it run for some turns of the event loop, and stops it. */
async function stopAfter(turns: number, host: string): Promise<void> {
  let heard = (): void => {};
  const began = new Promise<void>((resolve) => {
    heard = resolve;
  });
  const guest = await startGuest({
    bytes: LOOPING,
    name: 'looping.wasm',
    grants: { ...NO_GRANTS, dirs: [{ host, guest: '/', readOnly: false }] },
    onReport: heard,
  });
  await began;
  for (let turn = 0; turn < turns; turn++) await new Promise(setImmediate);
  expect(await guest.stop()).toEqual({ kind: 'killed', reason: 'stopped' });
}

test('B84: stopped in the midst of file calls, a guest leaves no descriptor and no half of a write', () =>
  withFiles({ 'beside/secret': 'a secret', 'inside/own': 'the guest’s own' }, async (folder) => {
    const host = join(folder, 'inside');
    mkdirSync(join(host, 'full'));
    writeFileSync(join(host, 'full/file'), '');
    const before = openDescriptors();
    for (let stop = 0; stop < STOPS; stop++) {
      await stopAfter(Math.floor((stop * TURNS_MAX) / STOPS), host);
      for (const name of readdirSync(host)) {
        expect(['own', 'full', ...NAMES]).toContain(name);
        // One write of a file is whole, or it is not there yet.
        if (name.startsWith('f') && name !== 'full') {
          expect(['', WROTE]).toContain(readFileSync(join(host, name), 'latin1'));
        }
      }
    }
    expect(await leakedSince(before)).toEqual([]);
    expect(readdirSync(join(folder, 'beside'))).toEqual(['secret']);
    expect(readFileSync(join(host, 'own'), 'utf8')).toBe('the guest’s own');
    expect(readdirSync(join(host, 'full'))).toEqual(['file']);
  }));
