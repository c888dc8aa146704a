/** Stdio of a process of its own: what the test runner's cannot be used for. */
import { closeSync, openSync, readFileSync, readdirSync } from 'node:fs';
import type { Readable, Writable } from 'node:stream';
import { once } from 'node:events';

import { describe, expect, test } from 'vitest';

import { EPOLLIN, EPOLL_CTL_ADD } from '#host/abi/epoll.js';
import { Errno } from '#host/errno.js';

import { withCommand } from '../support/command.js';
import { type Driven, iovecs } from '../support/driven.js';
import { PAGE_BYTES } from '../support/driver.js';
import { clock, epollCtl, poll, reading, writing } from '../support/structs.js';

const IOVS = PAGE_BYTES;
const DATA = PAGE_BYTES + 0x200;
const OUT = PAGE_BYTES + 0x100;
const SECOND = 1_000_000_000n;

async function epoll(driven: Driven): Promise<number> {
  expect(await driven.call('epoll_create1', 0, OUT)).toBe(0);
  return driven.u32(OUT);
}

const fdFlags = (pid: number | undefined, fd: number): number => {
  const info = readFileSync(`/proc/${pid}/fdinfo/${fd}`, 'utf8');
  return Number.parseInt(/flags:\s*(\d+)/.exec(info)?.[1] ?? 'none', 8);
};

test('B62, E15: a regular file on stdin is PERM for epoll, always ready for poll_oneoff', async () => {
  const file = openSync(new URL(import.meta.url), 'r');
  await withCommand([], { stdin: file }, async (driven) => {
    const epfd = await epoll(driven);
    expect(await epollCtl(driven, epfd, EPOLL_CTL_ADD, 0, EPOLLIN)).toBe(Errno.PERM);
    const list = [reading(0, 1n), writing(0, 2n), clock(SECOND, { userdata: 3n })];
    for (let i = 0; i < 2; i++) {
      const { errno, events } = await poll(driven, list);
      expect(errno).toBe(0);
      expect(events.map(({ userdata, error }) => [userdata, error])).toEqual([
        [1n, 0],
        [2n, 0],
      ]);
    }
    await driven.calls(iovecs(IOVS, [[DATA, 14]]));
    expect(await driven.call('fd_read', 0, IOVS, 1, OUT)).toBe(0);
    expect(Buffer.from(await driven.read(DATA, 14)).toString()).toBe('/** Stdio of a');
    // It has a position, as it has for any program.
    expect(await driven.call('fd_tell', 0, OUT)).toBe(0);
    expect(await driven.call('load64', OUT)).toBe(14);
    expect(await driven.call('fd_seek', 0, 4, 0, OUT)).toBe(0);
    expect(await driven.call('fd_read', 0, IOVS, 1, OUT)).toBe(0);
    expect(Buffer.from(await driven.read(DATA, 14)).toString()).toBe('Stdio of a pro');
    // But it is the host's, not the guest's to cut off.
    expect(await driven.call('fd_filestat_set_size', 0, 0)).toBe(Errno.INVAL);
  });
  closeSync(file);
});

test('B62: /dev/null on stdin is always ready, and at its end', async () => {
  await withCommand([], {}, async (driven) => {
    const { events } = await poll(driven, [reading(0, 1n), clock(SECOND, { userdata: 2n })]);
    expect(events).toMatchObject([{ userdata: 1n, error: 0 }]);
    await driven.calls(iovecs(IOVS, [[DATA, 8]]));
    expect(await driven.call('fd_read', 0, IOVS, 1, OUT)).toBe(0);
    expect(await driven.u32(OUT)).toBe(0);
  });
});

test('B62: a pipe on stdin is ready with its bytes, and then with its end', async () => {
  await withCommand([], { stdin: 'pipe' }, async (driven, { child }) => {
    const stdin = child.stdin as Writable;
    const now = [reading(0, 1n), clock(0n, { userdata: 2n })];
    expect((await poll(driven, now)).events).toMatchObject([{ userdata: 2n }]);
    stdin.write('abc');
    const { events } = await poll(driven, [reading(0, 1n)]);
    expect(events).toMatchObject([{ userdata: 1n, nbytes: 3, flags: 0 }]);
    await driven.calls(iovecs(IOVS, [[DATA, 8]]));
    expect(await driven.call('fd_read', 0, IOVS, 1, OUT)).toBe(0);
    stdin.end();
    expect((await poll(driven, [reading(0, 1n)])).events).toMatchObject([
      { userdata: 1n, nbytes: 0, flags: 1 },
    ]);
    expect(await driven.call('fd_read', 0, IOVS, 1, OUT)).toBe(0);
    expect(await driven.u32(OUT)).toBe(0);
  });
});

describe('stdout', () => {
  test('B74: a reader that is gone is PIPE, and no signal', async () => {
    await withCommand([], { stdout: 'pipe' }, async (driven, { child }) => {
      (child.stdout as Readable).destroy();
      await driven.calls(iovecs(IOVS, [[DATA, 8]]));
      // Until the reader's end is closed: polling tells of it.
      await poll(driven, [writing(1)]);
      for (let i = 0; i < 3; i++) {
        expect(await driven.call('fd_write', 1, IOVS, 1, OUT)).toBe(Errno.PIPE);
      }
    });
  });

  test('B34, B74: a full pipe is AGAIN to a NONBLOCK guest, and stays blocking itself', async () => {
    await withCommand([], { stdout: 'pipe' }, async (driven, { child }) => {
      const before = [0, 1, 2].map((fd) => fdFlags(child.pid, fd));
      for (const fd of [0, 1, 2]) await driven.call('fd_fdstat_set_flags', fd, 4);
      expect([0, 1, 2].map((fd) => fdFlags(child.pid, fd))).toEqual(before);
      await driven.calls(iovecs(IOVS, [[DATA, 0x8000]]));
      let errno = 0;
      let written = 0;
      for (let i = 0; i < 1000 && errno === 0; i++) {
        errno = await driven.call('fd_write', 1, IOVS, 1, OUT);
        if (errno === 0) written += await driven.u32(OUT);
      }
      expect(errno).toBe(Errno.AGAIN);
      expect(written).toBeGreaterThan(0);
      expect([0, 1, 2].map((fd) => fdFlags(child.pid, fd))).toEqual(before);
      let read = 0;
      for await (const chunk of child.stdout as Readable) {
        read += (chunk as Buffer).length;
        if (read === written) break;
      }
      expect(read).toBe(written);
    });
  });

  test('B27: closed, its number goes to a connection, and nothing of that comes out', async () => {
    await withCommand([], { stdout: 'pipe' }, async (driven, { child, ended }) => {
      let out = '';
      (child.stdout as Readable).on('data', (chunk: Buffer) => {
        out += chunk.toString();
      });
      expect(await driven.call('fd_close', 1)).toBe(0);
      const { fd, peer } = await driven.accept();
      expect(fd).toBe(1);
      await driven.calls(iovecs(IOVS, [[DATA, 4]]));
      await driven.call('memory.fill', DATA, 0x71, 4);
      expect(await driven.call('fd_write', 1, IOVS, 1, OUT)).toBe(0);
      expect(String((await once(peer, 'data'))[0])).toBe('qqqq');
      const closed = once(child, 'close');
      await driven.end();
      await closed;
      expect(await ended).toMatchObject({ status: 0 });
      expect(out).toBe('');
    });
  });
});

test('B74: a reader of --trace that falls behind slows the guest down, and loses no line', async () => {
  const calls = 20_000;
  await withCommand(['--trace=clock'], {}, async (driven, { child, stderr }) => {
    child.stderr?.pause();
    const list = Array.from({ length: calls }, () => ['clock_time_get', 1, 0n, OUT] as const);
    const results = driven.calls(list);
    // The guest stands still: nobody reads what it has to say. Whoever asks goes on.
    const ticked = await Promise.race([results.then(() => 'done'), full(child.pid)]);
    expect(ticked).toBe('full');
    child.stderr?.resume();
    expect(new Set(await results)).toEqual(new Set([0]));
    const closed = once(child, 'close');
    await driven.end();
    await closed;
    expect(stderr().match(/^clock_time_get\(/gm)).toHaveLength(calls);
  });
});

/** Settles once a thread of the process waits in poll(2), or it has had long enough to do so. */
async function full(pid: number | undefined): Promise<'full'> {
  // Where the kernel does not tell what a thread waits in, the bound is all there is.
  for (let i = 0; i < 5000; i++) {
    const threads = readdirSync(`/proc/${pid}/task`);
    const waits = threads.map((tid) => readFileSync(`/proc/${pid}/task/${tid}/wchan`, 'utf8'));
    if (waits.some((wait) => /poll_schedule|do_sys_poll|do_poll/.test(wait))) break;
    await new Promise((resolve) => setImmediate(resolve));
  }
  return 'full';
}
