/** The standard streams that an embedder gives: files, nothing, streams and bytes. */
import { readFileSync, statSync } from 'node:fs';
import { PassThrough, Readable, Writable } from 'node:stream';
import { buffer } from 'node:stream/consumers';

import { Filetype } from '#host/abi/preview1.js';
import { Errno } from '#host/errno.js';
import {
  type Guest,
  type GuestOptions,
  ISOLATIONS,
  NO_GRANTS,
  type Stdio,
  serve,
  startGuest,
  startWorkers,
} from '#host/index.js';
import { describe, expect, test } from 'vitest';

import { iovecs, withDriven } from '../support/driven.js';
import { PAGE_BYTES } from '../support/driver.js';
import { withFiles } from '../support/files.js';
import { DATA, IOVS, OUT, read, told, write } from '../support/stdio.js';
import { poll, reading, writing } from '../support/structs.js';
import { wat } from '../wasm/wat.js';

const NONBLOCK = 4;
const PIPE_BYTES = 65_536;

const WASI = 'import "wasi_snapshot_preview1"';

/** Copies stdin to stdout; leaves with the errno that ends it. */
const CAT = wat(`(module
  (${WASI} "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (${WASI} "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (${WASI} "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 2)
  (func $check (param i32) (if (local.get 0) (then (call $exit (local.get 0)))))
  (func (export "_start")
    (loop $again
      (i32.store (i32.const 0) (i32.const ${PAGE_BYTES}))
      (i32.store (i32.const 4) (i32.const ${PAGE_BYTES}))
      (call $check (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))
      (if (i32.eqz (i32.load (i32.const 8))) (then (return)))
      (i32.store (i32.const 4) (i32.load (i32.const 8)))
      (call $check (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))
      (br $again))))`);

/** Prints 1,000 lines of 10 bytes to stdout, in one write each. */
const LINES = wat(`(module
  (${WASI} "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 16) "nine char\\n")
  (func (export "_start") (local $left i32)
    (i32.store (i32.const 0) (i32.const 16))
    (i32.store (i32.const 4) (i32.const 10))
    (local.set $left (i32.const 1000))
    (loop $again
      (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))
      (local.set $left (i32.sub (local.get $left) (i32.const 1)))
      (br_if $again (local.get $left)))))`);

function start(bytes: Uint8Array, stdio: Stdio, more: Partial<GuestOptions> = {}): Promise<Guest> {
  return startGuest({ bytes, name: 'guest.wasm', grants: NO_GRANTS, stdio, ...more });
}

const { CHARACTER_DEVICE, REGULAR_FILE, UNKNOWN } = Filetype;

describe.each(ISOLATIONS)('in a %s', (isolate) => {
  test('ignored: nothing to read, and what is printed is lost; no terminal', async () => {
    const stdio = { stdin: 'ignore', stdout: 'ignore', stderr: 'ignore' } as const;
    await withDriven({ stdio, isolate }, async (driven) => {
      expect(await read(driven, 8)).toEqual(Buffer.alloc(0));
      for (const fd of [1, 2]) expect(await write(driven, fd, 'lost')).toBe(0);
      for (const fd of [0, 1, 2]) expect(await told(driven, fd)).toEqual([CHARACTER_DEVICE, true]);
      // Its access is the stream's, not the device's.
      expect(await write(driven, 0, 'no')).toBe(Errno.BADF);
      expect(await read(driven, 1, 1)).toBe(-Errno.BADF);
    });
  });

  test('files: read, emptied and added to, and files they are', () =>
    withFiles({ in: 'hello', out: 'what was', log: 'first\n' }, async (folder) => {
      const [stdin, stdout] = [{ file: `${folder}/in` }, { file: `${folder}/out` }];
      const stderr = { file: `${folder}/log`, append: true };
      await withDriven({ stdio: { stdin, stdout, stderr }, isolate }, async (driven) => {
        for (const fd of [0, 1, 2]) expect(await told(driven, fd)).toEqual([REGULAR_FILE, true]);
        expect(await read(driven, 4)).toEqual(Buffer.from('hell'));
        const { events } = await poll(driven, [reading(0, 1n), writing(1, 2n)]);
        expect(events).toMatchObject([{ userdata: 1n, nbytes: 1 }, { userdata: 2n }]);
        expect(await driven.call('fd_seek', 0, 1, 0, OUT)).toBe(0);
        expect(await read(driven, 100)).toEqual(Buffer.from('ello'));
        expect(await write(driven, 1, 'printed')).toBe(0);
        expect(await write(driven, 2, 'second\n')).toBe(0);
        await driven.calls(iovecs(IOVS, [[DATA, 1]]));
        const done = await driven.calls([
          ['fd_pread', 0, IOVS, 1, 0, OUT],
          ['fd_pwrite', 1, IOVS, 1, 0, OUT],
          ['fd_allocate', 1, 0, 100],
          ['fd_advise', 1, 0, 0, 0],
          ['fd_sync', 1],
          ['fd_datasync', 1],
          ['fd_filestat_set_size', 1, 5],
          ['fd_filestat_set_times', 1, 0, 1_000_000_000, 4],
        ]);
        expect(done).toEqual(done.map(() => 0));
        expect(await driven.call('fd_pwrite', 0, IOVS, 1, 0, OUT)).toBe(Errno.BADF);
        // What a file had before stays, when it is added to.
        expect(await driven.call('fd_filestat_set_size', 2, 0)).toBe(Errno.INVAL);
        expect(await driven.call('fd_fdstat_set_flags', 2, 0)).toBe(0);
        expect(await driven.call('fd_seek', 2, 0, 0, OUT)).toBe(0);
        expect(await write(driven, 2, 'third\n')).toBe(0);
      });
      expect(readFileSync(`${folder}/out`, 'utf8')).toBe('hrint');
      expect(statSync(`${folder}/out`).mtimeMs).toBe(1000);
      expect(readFileSync(`${folder}/log`, 'utf8')).toBe('first\nsecond\nthird\n');
    }));

  test('streams: every byte, with all that was printed there when it has ended', async () => {
    const bytes = Buffer.from(
      Uint8Array.from({ length: 1_000_003 }, (_each, i) => i * 7 + (i >> 9)),
    );
    const pieces = Array.from({ length: 100 }, (_each, i) => {
      return bytes.subarray(i * 10_007, (i + 1) * 10_007);
    });
    const written: Buffer[] = [];
    const stdout = new Writable({
      write(chunk: Buffer, _encoding, done) {
        written.push(chunk);
        setImmediate(done);
      },
    });
    const guest = await start(CAT, { stdin: Readable.from(pieces), stdout }, { isolate });
    expect(await guest.ended).toEqual({ kind: 'exited', code: 0 });
    stdout.end();
    await new Promise((resolve) => stdout.once('finish', resolve));
    expect(Buffer.concat(written).equals(bytes)).toBe(true);
  });
});

test('bytes in, a buffer out; to the guest they are pipes', async () => {
  const stdout = new PassThrough();
  const printed = buffer(stdout);
  const guest = await start(CAT, { stdin: Buffer.from('some bytes'), stdout });
  expect(await guest.ended).toEqual({ kind: 'exited', code: 0 });
  stdout.end();
  expect(String(await printed)).toBe('some bytes');
  await withDriven(
    { stdio: { stdin: new Uint8Array(3), stdout: new PassThrough() } },
    async (it) => {
      for (const fd of [0, 1]) expect(await told(it, fd)).toEqual([UNKNOWN, false]);
      expect((await poll(it, [reading(0, 1n)])).events).toMatchObject([{ error: 0 }]);
      expect(await read(it, 8)).toEqual(Buffer.alloc(3));
      expect(await read(it, 8)).toEqual(Buffer.alloc(0));
    },
  );
});

test('B74 a guest waits for a stream that takes nothing, and nothing piles up', async () => {
  let taken = 0;
  let take = (): void => {};
  const stdout = new Writable({
    highWaterMark: 1000,
    write(chunk: Buffer, _encoding, done) {
      taken += chunk.length;
      take = done;
    },
  });
  await withDriven({ stdio: { stdout } }, async (driven) => {
    await driven.call('fd_fdstat_set_flags', 1, NONBLOCK);
    await driven.calls(iovecs(IOVS, [[PAGE_BYTES, PAGE_BYTES]]));
    // Until it is full: what waits for room is told by AGAIN, not by a time.
    let printed = 0;
    let errno = 0;
    for (let refused = 0; refused < 100;) {
      errno = await driven.call('fd_write', 1, IOVS, 1, OUT);
      if (errno === 0) printed += await driven.u32(OUT);
      refused = errno === 0 ? 0 : refused + 1;
    }
    expect(errno).toBe(Errno.AGAIN);
    expect(stdout.writableLength).toBeLessThanOrEqual(2 * PIPE_BYTES);
    expect(printed).toBeLessThanOrEqual(stdout.writableLength + PIPE_BYTES);
    // A blocking write waits until there is room for all of it.
    await driven.call('fd_fdstat_set_flags', 1, 0);
    const writes = driven.start('fd_write', 1, IOVS, 1, OUT);
    stdout.on('drain', () => {});
    const drain = setInterval(() => {
      const done = take;
      take = () => {};
      done();
    }, 1);
    expect(await writes).toBe(0);
    clearInterval(drain);
    expect(taken).toBeLessThanOrEqual(printed + PIPE_BYTES);
  });
});

test('B74 a stream that is destroyed is a reader that is gone: PIPE', async () => {
  const stdout = new PassThrough();
  const stdin = new PassThrough();
  await withDriven({ stdio: { stdin, stdout } }, async (driven) => {
    expect(await write(driven, 1, 'first')).toBe(0);
    stdout.destroy();
    await poll(driven, [reading(1, 1n)]);
    for (let i = 0; i < 3; i++) expect(await write(driven, 1, 'again')).toBe(Errno.PIPE);
    // And a source is at its end, after what it has brought.
    const waiting = read(driven, 100);
    stdin.write('last');
    expect(await waiting).toEqual(Buffer.from('last'));
    stdin.destroy();
    expect(await read(driven, 100)).toEqual(Buffer.alloc(0));
  });
});

test('B74 of a stream no more is taken than the guest is about to read', async () => {
  let pulled = 0;
  const stdin = new Readable({
    highWaterMark: 1000,
    read() {
      pulled += 1000;
      this.push(Buffer.alloc(1000, pulled / 1000));
    },
  });
  await withDriven({ stdio: { stdin } }, async (driven) => {
    // Full, the pipe takes no more, however often the guest asks what it has.
    let held = 0;
    for (let same = 0; same < 20;) {
      const [{ nbytes }] = (await poll(driven, [reading(0, 1n)])).events;
      same = nbytes === held ? same + 1 : 0;
      held = nbytes;
    }
    expect(held).toBeGreaterThan(PIPE_BYTES / 2);
    expect(held).toBeLessThanOrEqual(PIPE_BYTES);
    expect(pulled).toBeLessThanOrEqual(held + 4000);
    expect(await read(driven, 2)).toEqual(Buffer.from([1, 1]));
  });
});

test('a guest that closes its stdin leaves the stream where it is', async () => {
  const stdin = new PassThrough();
  await withDriven({ stdio: { stdin } }, async (driven) => {
    expect(await driven.call('fd_close', 0)).toBe(0);
  });
  stdin.end('for another');
  expect(String(await buffer(stdin))).toBe('for another');
});

test('a stream of objects is destroyed, and at its end for the guest', async () => {
  const stdin = Readable.from([Buffer.from('ab'), 'c', 7]);
  const failed = new Promise<Error>((resolve) => stdin.once('error', resolve));
  const stdout = new PassThrough();
  const printed = buffer(stdout);
  const guest = await start(CAT, { stdin, stdout });
  expect(await guest.ended).toEqual({ kind: 'exited', code: 0 });
  stdout.end();
  expect(String(await printed)).toBe('abc');
  expect(await failed).toBeInstanceOf(TypeError);
});

test('onOutput takes what no stream is named for', async () => {
  const lines: string[] = [];
  await withFiles({}, async (folder) => {
    const guest = await start(
      CAT,
      { stdin: Buffer.from('one\ntwo\n') },
      { onOutput: (output) => output.kind === 'line' && lines.push(output.text) },
    );
    await guest.ended;
    const file = `${folder}/out`;
    const other = await start(
      CAT,
      { stdin: Buffer.from('three\n'), stdout: { file } },
      { onOutput: (output) => output.kind === 'line' && lines.push(output.text) },
    );
    await other.ended;
    expect(readFileSync(file, 'utf8')).toBe('three\n');
  });
  expect(lines).toEqual(['one', 'two']);
});

describe('workers', () => {
  test('add to one file, which is emptied once; streams take what all of them print', () =>
    withFiles({ out: 'what was\n' }, async (folder) => {
      const file = `${folder}/out`;
      for (const workers of [1, 3]) {
        const stdio = { stdin: 'ignore', stdout: { file } } as const;
        const options = { bytes: LINES, name: 'g.wasm', grants: NO_GRANTS, workers };
        await (
          await startWorkers({ ...options, stdio })
        ).ended;
        expect(readFileSync(file, 'utf8')).toBe('nine char\n'.repeat(1000 * workers));
        const stdout = new PassThrough();
        const printed = buffer(stdout);
        await (
          await startWorkers({ ...options, stdio: { stdout } })
        ).ended;
        stdout.end();
        expect((await printed).length).toBe(10_000 * workers);
      }
    }));

  test('that are started again add to what their predecessors have printed', () =>
    withFiles({ out: 'what was\n' }, async (folder) => {
      const file = `${folder}/out`;
      const service = await serve({
        module: () => LINES,
        grants: NO_GRANTS,
        restarts: { kind: 'permanent', count: 1 },
        stdio: { stdin: 'ignore', stdout: { file } },
      });
      await service.ended;
      expect(readFileSync(file, 'utf8')).toBe('nine char\n'.repeat(2000));
    }));

  test('cannot share a stream to read', async () => {
    const stdio = { stdin: new PassThrough() };
    const options = { bytes: LINES, name: 'g.wasm', grants: NO_GRANTS, workers: 2, stdio };
    await expect(startWorkers(options)).rejects.toMatchObject({
      name: 'TypeError',
      code: 'ERR_SANDPOLL_USAGE',
      message: expect.stringMatching(/^stdio\.stdin: a stream can be read by one guest only/),
    });
  });
});

test('B27 closed, their numbers go to others, and nothing of these comes out', async () => {
  const stdout = new PassThrough();
  const printed = buffer(stdout);
  await withDriven({ stdio: { stdin: 'ignore', stdout } }, async (driven) => {
    expect(await write(driven, 1, 'before')).toBe(0);
    for (const fd of [0, 1]) expect(await driven.call('fd_close', fd)).toBe(0);
    const { fd, peer } = await driven.accept();
    expect(fd).toBe(0);
    const { fd: other } = await driven.accept();
    expect(other).toBe(1);
    const heard = new Promise((resolve) => peer.once('data', resolve));
    expect(await write(driven, 0, 'to the peer')).toBe(0);
    expect(String(await heard)).toBe('to the peer');
    expect(await write(driven, 1, 'to another')).toBe(0);
  });
  stdout.end();
  expect(String(await printed)).toBe('before');
});
