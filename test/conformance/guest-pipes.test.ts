/** Pipes and event counters as a guest sees them: `pipe2(2)`, `eventfd(2)`. */
import { describe, expect, test } from 'vitest';

import {
  EFD_NONBLOCK,
  EFD_SEMAPHORE,
  EPOLLERR,
  EPOLLHUP,
  EPOLLIN,
  EPOLLOUT,
} from '#host/abi/epoll.js';
import { Errno } from '#host/errno.js';

import { openDescriptors } from '../support/descriptors.js';
import { type Driven, iovecs, withDriven } from '../support/driven.js';
import { count, opened, read, write } from '../support/events.js';
import { epollCtl, epollWait, poll, reading, writing } from '../support/structs.js';

const NONBLOCK = 0o4000;
const CLOEXEC = 0o2000000;
const O_DIRECT = 0o40000;
const ADD = 1;
const OUT = 0x1_f000;
const IOVS = 0x1_0000;
/** What a pipe holds unless it is told otherwise. */
const PIPE_BYTES = 65_536;
const { INVAL, BADF, PIPE, AGAIN, MFILE, SPIPE } = Errno;

async function pipe(driven: Driven, flags = NONBLOCK): Promise<{ reader: number; writer: number }> {
  const reader = await opened(driven, 'pipe2', flags);
  return { reader, writer: await driven.u32(OUT + 4) };
}

describe('a guest’s pipe', () => {
  test('carries bytes one way', () =>
    withDriven({}, async (driven) => {
      const { reader, writer } = await pipe(driven, NONBLOCK | CLOEXEC);
      expect((await read(driven, reader, 8)).errno).toBe(AGAIN);
      expect(await write(driven, writer, Buffer.from('hello'))).toEqual({ errno: 0, size: 5 });
      const { events } = await poll(driven, [reading(reader), writing(writer, 1n)]);
      expect(events.map(({ error, nbytes }) => [error, nbytes])).toEqual([
        [0, 5],
        [0, 1],
      ]);
      expect(Buffer.from((await read(driven, reader, 8)).bytes).toString()).toBe('hello');
      expect((await write(driven, reader, new Uint8Array(1))).errno).toBe(BADF);
      expect((await read(driven, writer, 1)).errno).toBe(BADF);
      expect(await driven.call('fd_tell', reader, OUT)).toBe(SPIPE);
    }));

  test('E8: whose writer is gone is HUP, and 0 bytes; whose reader is gone ERR, and EPIPE', () =>
    withDriven({}, async (driven) => {
      const epfd = await opened(driven, 'epoll_create1', 0);
      const first = await pipe(driven);
      await epollCtl(driven, epfd, ADD, first.reader, EPOLLIN);
      await write(driven, first.writer, Buffer.from('x'));
      expect(await driven.call('fd_close', first.writer)).toBe(0);
      expect(await epollWait(driven, epfd)).toEqual([{ events: EPOLLIN | EPOLLHUP, data: 0n }]);
      expect((await read(driven, first.reader, 8)).bytes.length).toBe(1);
      expect(await epollWait(driven, epfd)).toEqual([{ events: EPOLLHUP, data: 0n }]);
      expect(await read(driven, first.reader, 8)).toEqual({ errno: 0, bytes: new Uint8Array() });
      await driven.call('fd_close', first.reader);
      const second = await pipe(driven);
      await epollCtl(driven, epfd, ADD, second.writer, EPOLLOUT);
      await driven.call('fd_close', second.reader);
      expect(await epollWait(driven, epfd)).toEqual([{ events: EPOLLOUT | EPOLLERR, data: 0n }]);
      // E17: no signal, which would end the host.
      expect((await write(driven, second.writer, new Uint8Array(1))).errno).toBe(PIPE);
    }));

  test('that is full is EAGAIN after what it took', () =>
    withDriven({}, async (driven) => {
      const { writer } = await pipe(driven);
      await driven.calls(iovecs(IOVS, [[0x1_0000, PIPE_BYTES + 4096]]));
      expect(await driven.call('fd_write', writer, IOVS, 1, OUT)).toBe(0);
      expect(await driven.u32(OUT)).toBe(PIPE_BYTES);
      expect(await driven.call('fd_write', writer, IOVS, 1, OUT)).toBe(AGAIN);
    }));

  test('B30: is whole or not at all: one free number is EMFILE, and nothing is open', () =>
    withDriven({ limits: { fds: 7 } }, async (driven) => {
      const event = await opened(driven, 'eventfd', 0, 0);
      const before = openDescriptors().length;
      expect(event).toBe(5);
      expect(await driven.call('pipe2', 0, OUT)).toBe(MFILE);
      expect(openDescriptors().length).toBe(before);
      await driven.call('fd_close', event);
      expect(await pipe(driven)).toEqual({ reader: 5, writer: 6 });
      expect(await driven.call('pipe2', 0, OUT)).toBe(MFILE);
    }));

  test('B24: packets (O_DIRECT) and other flags are EINVAL', () =>
    withDriven({}, async (driven) => {
      for (const flags of [O_DIRECT, O_DIRECT | NONBLOCK, 1, 2, 0o200, -1]) {
        expect(await driven.call('pipe2', flags, OUT)).toBe(INVAL);
      }
      expect(await pipe(driven)).toEqual({ reader: 5, writer: 6 });
    }));
});

describe('a guest’s event counter', () => {
  const ONE = Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0);

  test('gives all at once; a semaphore one at a time', () =>
    withDriven({}, async (driven) => {
      const counter = await opened(driven, 'eventfd', 2, EFD_NONBLOCK);
      const semaphore = await opened(driven, 'eventfd', 2, EFD_NONBLOCK | EFD_SEMAPHORE);
      for (const fd of [counter, semaphore]) {
        expect(await write(driven, fd, ONE)).toEqual({ errno: 0, size: 8 });
      }
      expect(await count(driven, counter)).toBe(3);
      expect(await count(driven, counter)).toBe(-AGAIN);
      for (let left = 3; left > 0; left--) expect(await count(driven, semaphore)).toBe(1);
      expect(await count(driven, semaphore)).toBe(-AGAIN);
    }));

  test('that is full is not writable, and EAGAIN; its largest word is EINVAL', () =>
    withDriven({}, async (driven) => {
      const fd = await opened(driven, 'eventfd', 0, EFD_NONBLOCK);
      const largest = new Uint8Array(8).fill(255);
      expect((await write(driven, fd, largest)).errno).toBe(INVAL);
      expect((await write(driven, fd, largest.with(0, 254))).errno).toBe(0);
      expect((await write(driven, fd, ONE)).errno).toBe(AGAIN);
      const { events } = await poll(driven, [reading(fd, 1n), writing(fd, 2n)]);
      expect(events.map(({ userdata, nbytes }) => [userdata, nbytes])).toEqual([[1n, 8]]);
      expect((await write(driven, fd, ONE.subarray(1))).errno).toBe(INVAL);
    }));
});
