/** `poll_oneoff` over what is opened in a directory: always ready, but for FIFOs (abi.md §1.3). */
import { spawnSync } from 'node:child_process';
import { appendFileSync, closeSync, constants, openSync, truncateSync, writeSync } from 'node:fs';

import { EFD_NONBLOCK } from '#host/abi/epoll.js';
import { Event, Eventrwflags, Fdflags, Oflags, Rights } from '#host/abi/preview1.js';
import { Errno } from '#host/errno.js';
import { expect, test } from 'vitest';

import { type Driven, withDriven } from '../support/driven.js';
import { PAGE_BYTES } from '../support/driver.js';
import { withFiles } from '../support/files.js';
import { type Subscribed, clock, poll, reading, writing } from '../support/structs.js';

const DIR = 3;
const PATH = PAGE_BYTES + 0x6000;
const OUT = PAGE_BYTES + 0x6100;
/** Where `poll` has its events. */
const EVENTS = PAGE_BYTES + 0x8000;
const LONG = clock(60_000_000_000n, { userdata: 99n });
const AT_ONCE = clock(0n, { userdata: 99n });
const READ = BigInt(Rights.FD_READ);
const WRITE = BigInt(Rights.FD_WRITE);

/** Runs `body` with a guest that has a folder with these files. */
async function withFolder(
  files: Readonly<Record<string, string>>,
  body: (driven: Driven, folder: string) => Promise<void>,
): Promise<void> {
  await withFiles(files, async (folder) => {
    const dirs = [{ host: folder, guest: '/', readOnly: false }];
    await withDriven({ dirs }, (driven) => body(driven, folder));
  });
}

async function open(driven: Driven, name: string, rights: bigint, oflags = 0): Promise<number> {
  await driven.write(PATH, Buffer.from(name));
  const args = [DIR, 0, PATH, name.length, oflags, rights, 0n, 0, OUT] as const;
  expect([name, await driven.call('path_open', ...args)]).toEqual([name, Errno.SUCCESS]);
  return driven.u32(OUT);
}

/** Userdata, error, nbytes and flags of each event. */
async function told(driven: Driven, list: readonly Subscribed[]): Promise<unknown[]> {
  const { errno, events } = await poll(driven, list);
  expect(errno).toBe(Errno.SUCCESS);
  return events.map(({ userdata, error, nbytes, flags }) => [userdata, error, nbytes, flags]);
}

test('B62 files are ready for both, however they were opened, with what is left to read', async () => {
  await withFolder({ file: 'twelve bytes' }, async (driven, folder) => {
    const both = await open(driven, 'file', READ | WRITE);
    const reader = await open(driven, 'file', READ);
    const writer = await open(driven, 'file', WRITE);
    const list = [both, reader, writer].flatMap((fd, index) => [
      reading(fd, BigInt(index)),
      writing(fd, BigInt(index + 10)),
    ]);
    const write = [10n, 11n, 12n].map((userdata) => [userdata, 0, 1, 0]);
    const read = (...nbytes: number[]): unknown[] =>
      nbytes.map((each, index) => [BigInt(index), 0, each, 0]);
    expect(await told(driven, [...list, LONG])).toEqual([...read(12, 12, 12), ...write]);
    // Each from its own position: at the end, and behind it, there is nothing, and still ready.
    await driven.call('fd_seek', both, 12, 0, OUT);
    await driven.call('fd_seek', reader, 5, 0, OUT);
    await driven.call('fd_seek', writer, 100, 0, OUT);
    expect(await told(driven, [...list, LONG])).toEqual([...read(0, 7, 0), ...write]);
    appendFileSync(`${folder}/file`, '!');
    expect(await told(driven, [...list, LONG])).toEqual([...read(1, 8, 0), ...write]);
  });
});

test('more than 32 bits of a file are left', async () => {
  await withFolder({ sparse: '' }, async (driven, folder) => {
    truncateSync(`${folder}/sparse`, 5 * 2 ** 30 + 7);
    const fd = await open(driven, 'sparse', READ);
    expect(await told(driven, [reading(fd, 1n), LONG])).toHaveLength(1);
    expect(await driven.call('load64', EVENTS + Event.nbytes.offset)).toBe(5 * 2 ** 30 + 7);
  });
});

test('B62 directories are ready, granted or opened; so is all else that is ready with them', async () => {
  await withFolder({ file: 'x' }, async (driven) => {
    const opened = await open(driven, '.', 0n, Oflags.DIRECTORY);
    const file = await open(driven, 'file', READ);
    const events: number[] = [];
    for (const initval of [0, 1]) {
      await driven.call('eventfd', initval, EFD_NONBLOCK, OUT);
      events.push(await driven.u32(OUT));
    }
    const list = [
      ...[DIR, opened].map((fd, index) => reading(fd, BigInt(index))),
      writing(opened, 3n),
      reading(events[0], 4n),
      reading(events[1], 5n),
      reading(file, 6n),
      reading(99, 7n),
    ];
    const expected = [
      [0n, 0, 0, 0],
      [1n, 0, 0, 0],
      [3n, 0, 1, 0],
      [5n, 0, 8, 0],
      [6n, 0, 1, 0],
      [7n, Errno.BADF, 0, 0],
    ];
    // With what is watched, and without: in whatever order.
    expect(await told(driven, [LONG, ...list])).toEqual(expected);
    expect(await told(driven, [...list.toReversed(), LONG])).toEqual(expected);
    await driven.call('fd_close', opened);
    expect(await told(driven, [reading(opened, 1n), LONG])).toEqual([[1n, Errno.BADF, 0, 0]]);
    // A file in the place of what is watched, and the other way round.
    await driven.call('fd_renumber', file, events[0]);
    expect(await told(driven, [reading(events[0], 1n), LONG])).toEqual([[1n, 0, 1, 0]]);
    await driven.call('fd_renumber', events[1], events[0]);
    expect(await told(driven, [reading(events[0], 1n), LONG])).toEqual([[1n, 0, 8, 0]]);
  });
});

test('B62 a FIFO is ready when it is: with bytes, with room, and when the other end is gone', async () => {
  await withFolder({}, async (driven, folder) => {
    expect(spawnSync('mkfifo', [`${folder}/fifo`]).status).toBe(0);
    const other = openSync(`${folder}/fifo`, constants.O_RDWR | constants.O_NONBLOCK);
    const reader = await open(driven, 'fifo', READ);
    const writer = await open(driven, 'fifo', WRITE);
    const list = [reading(reader, 1n), writing(writer, 2n), AT_ONCE];
    const clockEvent = [99n, 0, 0, 0];
    expect(await told(driven, list)).toEqual([[2n, 0, 1, 0], clockEvent]);
    writeSync(other, 'five!');
    expect(await told(driven, list)).toEqual([[1n, 0, 5, 0], [2n, 0, 1, 0], clockEvent]);
    // Full, it has no room.
    const full = Buffer.alloc(65_536 - 5);
    expect(writeSync(other, full)).toBe(full.length);
    expect(await told(driven, list)).toEqual([[1n, 0, 65_536, 0], clockEvent]);
    await driven.call('fd_close', writer);
    const waiting = poll(driven, [writing(99, 5n), reading(reader, 1n)]);
    expect((await waiting).events).toMatchObject([
      { userdata: 1n, nbytes: 65_536, flags: 0 },
      { userdata: 5n, error: Errno.BADF },
    ]);
    closeSync(other);
    const { HANGUP } = Eventrwflags;
    expect(await told(driven, [reading(reader, 1n)])).toEqual([[1n, 0, 65_536, HANGUP]]);
  });
});

test('NONBLOCK and APPEND of a file change nothing about its readiness', async () => {
  await withFolder({ file: 'abc' }, async (driven) => {
    const fd = await open(driven, 'file', READ | WRITE);
    const list = [reading(fd, 1n), writing(fd, 2n), LONG];
    for (const flags of [Fdflags.NONBLOCK, Fdflags.APPEND, 0]) {
      expect(await driven.call('fd_fdstat_set_flags', fd, flags)).toBe(0);
      expect(await told(driven, list)).toEqual([
        [1n, 0, 3, 0],
        [2n, 0, 1, 0],
      ]);
    }
  });
});
