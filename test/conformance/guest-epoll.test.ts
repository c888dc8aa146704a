/** Module `sandpoll` as a guest sees it: Linux's own epoll, through descriptors of the guest's. */
import { openSync } from 'node:fs';

import {
  EFD_NONBLOCK,
  EPOLLET,
  EPOLLEXCLUSIVE,
  EPOLLHUP,
  EPOLLIN,
  EPOLLONESHOT,
  EPOLLOUT,
  EPOLLPRI,
  EPOLLRDHUP,
  EPOLL_CLOEXEC,
  EPOLL_CTL_ADD,
  EPOLL_CTL_MOD,
} from '#host/abi/epoll.js';
import { Errno } from '#host/errno.js';
import { describe, expect, test } from 'vitest';

import { sandpoll } from '../support/cli.js';
import { type Driven, LISTENER, LOOPBACK, withDriven } from '../support/driven.js';
import { withFiles } from '../support/files.js';
import { epollCtl, epollWait } from '../support/structs.js';
import { wat } from '../wasm/wat.js';

const OUT = 0x1_f000;
const DATA = 0x8765_4321_0fed_cba9n;
const FOREVER = -1;
const SHUT_WR = 2;

async function opened(driven: Driven, name: string, ...args: number[]): Promise<number> {
  expect(await driven.call(name, ...args, OUT)).toBe(Errno.SUCCESS);
  return driven.u32(OUT);
}

const epollOf = (driven: Driven): Promise<number> => opened(driven, 'epoll_create1', 0);

describe('a guest’s epoll', () => {
  test('level-triggered: told as long as it lasts, data to the last bit', async () => {
    await withDriven({}, async (driven) => {
      const epfd = await epollOf(driven);
      const { fd, peer } = await driven.accept();
      expect(await epollCtl(driven, epfd, EPOLL_CTL_ADD, fd, EPOLLIN, DATA)).toBe(0);
      expect(await epollWait(driven, epfd)).toEqual([]);
      peer.write('x');
      const told = [{ events: EPOLLIN, data: DATA }];
      expect(await epollWait(driven, epfd, FOREVER)).toEqual(told);
      expect(await epollWait(driven, epfd)).toEqual(told);
    });
  });

  test('E3 edge-triggered: told when it begins, and again after MOD', async () => {
    await withDriven({}, async (driven) => {
      const epfd = await epollOf(driven);
      const { fd, peer } = await driven.accept();
      await epollCtl(driven, epfd, EPOLL_CTL_ADD, fd, EPOLLIN | EPOLLET, DATA);
      peer.write('x');
      const told = [{ events: EPOLLIN, data: DATA }];
      expect(await epollWait(driven, epfd, FOREVER)).toEqual(told);
      expect(await epollWait(driven, epfd)).toEqual([]);
      await epollCtl(driven, epfd, EPOLL_CTL_MOD, fd, EPOLLIN | EPOLLET, DATA);
      expect(await epollWait(driven, epfd)).toEqual(told);
    });
  });

  test('E5 one-shot: told once, until MOD', async () => {
    await withDriven({}, async (driven) => {
      const epfd = await epollOf(driven);
      const { fd, peer } = await driven.accept();
      await epollCtl(driven, epfd, EPOLL_CTL_ADD, fd, EPOLLIN | EPOLLONESHOT, 1n);
      peer.write('x');
      expect(await epollWait(driven, epfd, FOREVER)).toEqual([{ events: EPOLLIN, data: 1n }]);
      expect(await epollWait(driven, epfd)).toEqual([]);
      await epollCtl(driven, epfd, EPOLL_CTL_MOD, fd, EPOLLIN | EPOLLONESHOT, 2n);
      expect(await epollWait(driven, epfd)).toEqual([{ events: EPOLLIN, data: 2n }]);
    });
  });

  test('E8 a new socket, a peer that ends, both ended', async () => {
    await withDriven({ net: LOOPBACK }, async (driven) => {
      const epfd = await epollOf(driven);
      const fresh = await opened(driven, 'sock_open', 1, 2);
      const all = EPOLLIN | EPOLLOUT | EPOLLRDHUP;
      await epollCtl(driven, epfd, EPOLL_CTL_ADD, fresh, all, 1n);
      expect(await epollWait(driven, epfd)).toEqual([{ events: EPOLLOUT | EPOLLHUP, data: 1n }]);
      await driven.call('fd_close', fresh);
      const { fd, peer } = await driven.accept();
      await epollCtl(driven, epfd, EPOLL_CTL_ADD, fd, EPOLLRDHUP, 2n);
      peer.end();
      expect(await epollWait(driven, epfd, FOREVER)).toEqual([{ events: EPOLLRDHUP, data: 2n }]);
      await epollCtl(driven, epfd, EPOLL_CTL_MOD, fd, all, 3n);
      expect(await epollWait(driven, epfd)).toEqual([{ events: all, data: 3n }]);
      await driven.call('sock_shutdown', fd, SHUT_WR);
      expect(await epollWait(driven, epfd)).toEqual([{ events: all | EPOLLHUP, data: 3n }]);
    });
  });

  test('a listener is ready while connections wait', async () => {
    await withDriven({}, async (driven) => {
      const epfd = await epollOf(driven);
      await epollCtl(driven, epfd, EPOLL_CTL_ADD, LISTENER, EPOLLIN, 3n);
      const { peer } = await driven.accept();
      expect(await epollWait(driven, epfd)).toEqual([]);
      const next = await driven.dial();
      expect(await epollWait(driven, epfd, FOREVER)).toEqual([{ events: EPOLLIN, data: 3n }]);
      for (const socket of [peer, next]) socket.destroy();
    });
  });

  /** Masks with EPOLLEXCLUSIVE, and what ADD answers. */
  test.each([
    ['IN', EPOLLIN, Errno.SUCCESS],
    ['IN, OUT and ET', EPOLLIN | EPOLLOUT | EPOLLET, Errno.SUCCESS],
    ['ONESHOT', EPOLLIN | EPOLLONESHOT, Errno.INVAL],
    ['RDHUP', EPOLLIN | EPOLLRDHUP, Errno.INVAL],
    ['PRI', EPOLLIN | EPOLLPRI, Errno.INVAL],
  ])('E4 exclusive with %s', async (_what, events, errno) => {
    await withDriven({}, async (driven) => {
      const epfd = await epollOf(driven);
      const fd = await opened(driven, 'eventfd', 1, 0);
      const mask = events | EPOLLEXCLUSIVE;
      expect(await epollCtl(driven, epfd, EPOLL_CTL_ADD, fd, mask)).toBe(errno);
      expect(await epollWait(driven, epfd)).toHaveLength(errno === Errno.SUCCESS ? 1 : 0);
    });
  });

  test('EPOLL_CLOEXEC is the one flag there is', async () => {
    await withDriven({}, async (driven) => {
      expect(await driven.call('epoll_create1', EPOLL_CLOEXEC, OUT)).toBe(Errno.SUCCESS);
      expect(await driven.call('epoll_create1', EPOLL_CLOEXEC | 1, OUT)).toBe(Errno.INVAL);
    });
  });

  test('E15 a file or a directory cannot be watched: PERM', async () => {
    const guest = wat(`(module
      (import "sandpoll" "epoll_create1" (func $create (param i32 i32) (result i32)))
      (import "sandpoll" "epoll_ctl" (func $ctl (param i32 i32 i32 i32) (result i32)))
      (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
      (memory (export "memory") 1)
      (data (i32.const 16) "\\01")
      (func (export "_start")
        (drop (call $create (i32.const 0) (i32.const 0)))
        (call $exit
          (call $ctl (i32.load (i32.const 0)) (i32.const 1) (i32.const 0) (i32.const 16)))))`);
    await withFiles({ 'watch.wasm': guest }, async (folder) => {
      for (const path of [`${folder}/watch.wasm`, folder]) {
        const run = await sandpoll([`${folder}/watch.wasm`], { stdin: openSync(path, 'r') });
        expect([path, run]).toEqual([path, { status: Errno.PERM, stdout: '', stderr: '' }]);
      }
    });
  });
});

describe('a guest’s eventfd', () => {
  test('is read and written with fd_read and fd_write, and watched', async () => {
    await withDriven({}, async (driven) => {
      const fd = await opened(driven, 'eventfd', 2, 0);
      const epfd = await epollOf(driven);
      await epollCtl(driven, epfd, EPOLL_CTL_ADD, fd, EPOLLIN, 1n);
      const [iovs, bytes] = [0x1_0100, 0x1_0110];
      await driven.call('store64', iovs, BigInt(bytes) | (8n << 32n));
      expect(await driven.call('fd_read', fd, iovs, 1, OUT)).toBe(Errno.SUCCESS);
      expect([await driven.u32(OUT), await driven.u32(bytes)]).toEqual([8, 2]);
      expect(await epollWait(driven, epfd)).toEqual([]);
      expect(await driven.call('fd_write', fd, iovs, 1, OUT)).toBe(Errno.SUCCESS);
      expect(await epollWait(driven, epfd)).toEqual([{ events: EPOLLIN, data: 1n }]);
    });
  });

  test('with EFD_NONBLOCK an empty one is AGAIN', async () => {
    await withDriven({}, async (driven) => {
      const fd = await opened(driven, 'eventfd', 0, EFD_NONBLOCK);
      await driven.call('store64', 0x1_0100, 0x1_0110n | (8n << 32n));
      expect(await driven.call('fd_read', fd, 0x1_0100, 1, OUT)).toBe(Errno.AGAIN);
    });
  });
});
