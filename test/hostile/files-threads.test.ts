/** B17 for paths: bytes that another thread of the guest changes between check and use. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { Oflags } from '#host/abi/preview1.js';
import { Errno } from '#host/errno.js';

import { leakedSince, openDescriptors } from '../support/descriptors.js';
import { startThreaded } from '../support/threaded.js';
import { snapshot } from '../support/grounds.js';

/** The directories; where paths lie, and what calls write. */
const [DIRECTORY, READ_ONLY] = [3, 4];
const [TARGET, NAME, ROOM, OUT, STAT] = [64, 128, 192, 256, 320];
const ROUNDS = 10_000;
/** On a busy machine the other thread is late. */
const ROUNDS_MAX = 100 * ROUNDS;

const folder = mkdtempSync(join(tmpdir(), 'sandpoll-threads-'));
const inside = join(folder, 'inside');
const readOnlyFolder = join(folder, 'read-only');

beforeAll(() => {
  mkdirSync(join(inside, 'a'), { recursive: true });
  mkdirSync(readOnlyFolder);
  writeFileSync(join(inside, 'a/secret'), 'inside');
  writeFileSync(join(folder, 'secret'), 'a secret');
});
afterAll(() => rmSync(folder, { recursive: true }));

/** Writes text to guest memory. */
function text(at: number, bytes: string): string {
  const stores = Array.from(
    bytes,
    (byte, index) => `(i32.store8 (i32.const ${at + index}) (i32.const ${byte.charCodeAt(0)}))`,
  );
  return stores.join('\n');
}

/** A thread that writes two texts of one length in turn, byte by byte, for ever. */
const flipping = (at: number, one: string, other: string): string =>
  `(loop $for_ever ${text(at, one)} ${text(at, other)} (br $for_ever))`;

/** What a call may answer besides SUCCESS: `refused` must be seen, `between` is no harm. */
interface Refusals {
  readonly refused: number;
  readonly between: number;
}

/** To one text, and to half of one and half of the other. */
const NOT_INSIDE: Refusals = { refused: Errno.PERM, between: Errno.NOENT };
/** To a read-only directory, and to one that was closed since it was looked up. */
const NOT_MUTABLE: Refusals = { refused: Errno.ROFS, between: Errno.BADF };

/** Goes round so often; 0 if each answer was one of these, and SUCCESS and `refused` were seen. */
function rounds(
  target: string,
  call: string,
  after: string,
  { refused, between }: Refusals = NOT_INSIDE,
): string {
  return `(local $i i32) (local $errno i32) (local $refusals i32) (local $successes i32)
    ${text(NAME, 'link')}
    ${text(TARGET, target)}
    (call $start_thread (i32.const 0))
    (loop $again
      (local.set $errno ${call})
      (if (local.get $errno)
        (then
          (if (i32.ne (local.get $errno) (i32.const ${between}))
            (then
              (if (i32.ne (local.get $errno) (i32.const ${refused})) (then unreachable))
              (local.set $refusals (i32.add (local.get $refusals) (i32.const 1))))))
        (else
          (local.set $successes (i32.add (local.get $successes) (i32.const 1)))
          ${after}))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $again (i32.lt_u (local.get $i) (i32.const ${ROUNDS})))
      (if (i32.or (i32.eqz (local.get $refusals)) (i32.eqz (local.get $successes)))
        (then (br_if $again (i32.lt_u (local.get $i) (i32.const ${ROUNDS_MAX}))) unreachable)))
    (call $proc_exit (i32.const 0))`;
}

/** Runs it; what is beside the guest's directory, and its read-only one, stay as they were. */
async function outcomeOf(start: string, thread: string, functions = ''): Promise<unknown> {
  const kept = (): string[] => [...snapshot(folder, 'secret'), ...snapshot(readOnlyFolder)];
  const [open, before] = [openDescriptors(), kept()];
  const dirs = [
    { host: inside, guest: '/data', readOnly: false },
    { host: readOnlyFolder, guest: '/read-only', readOnly: true },
  ];
  const guest = await startThreaded(
    { start, thread, functions },
    { grants: { dirs }, onReport: () => {} },
  );
  const outcome = await guest.ended;
  expect(await leakedSince(open)).toEqual([]);
  expect(kept()).toEqual(before);
  return outcome;
}

const DONE = { kind: 'exited', code: 0 };

describe('B17: a path that another thread changes meanwhile', () => {
  test('is opened inside, or refused', async () => {
    const call = `(call $path_open (i32.const ${DIRECTORY}) (i32.const 1)
      (i32.const ${TARGET}) (i32.const 9) (i32.const 0) (i64.const 2) (i64.const 0) (i32.const 0)
      (i32.const ${OUT}))`;
    // The secret outside is 8 bytes, the one inside 6.
    const look = `
      (call $ok (call $fd_filestat_get (i32.load (i32.const ${OUT})) (i32.const ${STAT})))
      (if (i64.ne (i64.load (i32.const ${STAT + 32})) (i64.const 6)) (then unreachable))
      (call $ok (call $fd_close (i32.load (i32.const ${OUT}))))`;
    const start = rounds('../secret', call, look);
    expect(await outcomeOf(start, flipping(TARGET, '../secret', 'a//secret'))).toEqual(DONE);
  });

  test('is no target of a link that begins with a slash', async () => {
    const call = `(call $path_symlink (i32.const ${TARGET}) (i32.const 4) (i32.const ${DIRECTORY})
      (i32.const ${NAME}) (i32.const 4))`;
    const look = `
      (call $ok (call $path_readlink (i32.const ${DIRECTORY}) (i32.const ${NAME}) (i32.const 4)
        (i32.const ${ROOM}) (i32.const 16) (i32.const ${OUT})))
      (if (i32.eq (i32.load8_u (i32.const ${ROOM})) (i32.const 47)) (then unreachable))
      (call $ok
        (call $path_unlink_file (i32.const ${DIRECTORY}) (i32.const ${NAME}) (i32.const 4)))`;
    const start = rounds('/etc', call, look);
    expect(await outcomeOf(start, flipping(TARGET, '/etc', 'xetc'))).toEqual(DONE);
  });
});

test('B25, B36: a number that becomes a read-only directory’s gives no access to it', async () => {
  const opened = (directory: number): string => `
    (call $ok (call $path_open (i32.const ${directory}) (i32.const 0) (i32.const ${NAME + 8})
      (i32.const 1) (i32.const ${Oflags.DIRECTORY}) (i64.const 0) (i64.const 0) (i32.const 0)
      (i32.const ${ROOM})))`;
  const moved = (directory: number): string => `${opened(directory)}
    (call $ok
      (call $fd_renumber (i32.load (i32.const ${ROOM})) (i32.load (i32.const ${ROOM + 8}))))`;
  const thread = `(loop $for_ever ${moved(READ_ONLY)} ${moved(DIRECTORY)} (br $for_ever))`;
  const make = `(call $path_open (i32.load (i32.const ${ROOM + 8})) (i32.const 0)
    (i32.const ${TARGET}) (i32.const 4) (i32.const ${Oflags.CREAT | Oflags.TRUNC}) (i64.const 64)
    (i64.const 0) (i32.const 0) (i32.const ${OUT}))`;
  const close = `(call $ok (call $fd_close (i32.load (i32.const ${OUT}))))`;
  const [locals, ...rest] = rounds('made', make, close, NOT_MUTABLE).split('\n');
  // A number of its own, that is always one directory or the other.
  const begin = `${text(NAME + 8, '.')} ${opened(DIRECTORY)}
    (i32.store (i32.const ${ROOM + 8}) (i32.load (i32.const ${ROOM})))`;
  expect(await outcomeOf([locals, begin, ...rest].join('\n'), thread)).toEqual(DONE);
});

/** Each name's bytes in one word; `.` and `..` come to them. */
const MANY = Array.from({ length: 300 }, (_each, index) => `f${String(index).padStart(3, '0')}`);
const WORDS = MANY.reduce((sum, name) => (sum + Buffer.from(name).readInt32LE()) | 0, 0);
const LIST_BYTES = 512;

/** Lists the directory that OUT names, by way of memory at `$buf`; traps unless that is all. */
const LIST = `(func $list (param $buf i32)
  (local $cookie i64) (local $at i32) (local $end i32) (local $namlen i32)
  (local $count i32) (local $words i32)
  (loop $more
    (call $ok (call $fd_readdir (i32.load (i32.const ${OUT})) (local.get $buf)
      (i32.const ${LIST_BYTES}) (local.get $cookie) (i32.sub (local.get $buf) (i32.const 8))))
    (local.set $at (local.get $buf))
    (local.set $end
      (i32.add (local.get $buf) (i32.load (i32.sub (local.get $buf) (i32.const 8)))))
    (block $read
      (loop $entry
        (br_if $read (i32.gt_u (i32.add (local.get $at) (i32.const 24)) (local.get $end)))
        (local.set $namlen (i32.load offset=16 (local.get $at)))
        (br_if $read (i32.gt_u
          (i32.add (i32.add (local.get $at) (i32.const 24)) (local.get $namlen))
          (local.get $end)))
        (local.set $cookie (i64.load (local.get $at)))
        (if (i32.eq (local.get $namlen) (i32.const 4)) (then (local.set $words
          (i32.add (local.get $words) (i32.load offset=24 (local.get $at))))))
        (local.set $count (i32.add (local.get $count) (i32.const 1)))
        (local.set $at (i32.add (i32.add (local.get $at) (i32.const 24)) (local.get $namlen)))
        (br $entry)))
    (br_if $more (i32.eq (i32.sub (local.get $end) (local.get $buf)) (i32.const ${LIST_BYTES}))))
  (if (i32.ne (local.get $count) (i32.const ${MANY.length + 2})) (then unreachable))
  (if (i32.ne (local.get $words) (i32.const ${WORDS})) (then unreachable)))`;

test('B36, B54: two threads that list one directory find all of it, each of them', async () => {
  mkdirSync(join(inside, 'many'));
  for (const name of MANY) writeFileSync(join(inside, 'many', name), '');
  const counted = (at: number): string =>
    `(drop (i32.atomic.rmw.add (i32.const ${at}) (i32.const 1)))`;
  const again = (at: number): string =>
    `(br_if $again (i32.lt_u (i32.atomic.load (i32.const ${at})) (i32.const 100)))`;
  const start = `${text(NAME, 'many')}
    (call $ok (call $path_open (i32.const ${DIRECTORY}) (i32.const 0) (i32.const ${NAME})
      (i32.const 4) (i32.const ${Oflags.DIRECTORY}) (i64.const 0) (i64.const 0) (i32.const 0)
      (i32.const ${OUT})))
    (call $start_thread (i32.const 0))
    (loop $again (call $list (i32.const 4096)) ${counted(ROOM)} ${again(ROOM)} ${again(STAT)})
    (call $proc_exit (i32.const 0))`;
  const thread = `(loop $for_ever (call $list (i32.const 8192)) ${counted(STAT)} (br $for_ever))`;
  expect(await outcomeOf(start, thread, LIST)).toEqual(DONE);
});
