/** B7: what cannot be answered must not happen. */
import { type Socket, createSocket } from 'node:dgram';
import { once } from 'node:events';

import { describe, expect, test } from 'vitest';

import { EFD_NONBLOCK } from '#host/abi/epoll.js';
import { Errno } from '#host/errno.js';

import { type Driven, LISTENER, LOOPBACK, iovecs, withDriven } from '../support/driven.js';
import { PAGE_BYTES, type Shape } from '../support/driver.js';
import { MEMORY_END } from '../support/scene.js';

const IOVS = PAGE_BYTES;
const DATA = PAGE_BYTES + 0x100;
const ADDRESS = PAGE_BYTES + 0x200;
const BUF = PAGE_BYTES + 0x300;
const OUT = PAGE_BYTES + 0x400;
const [SIZE, ROFLAGS, PORT] = [OUT, OUT + 8, OUT + 16];
const { FAULT, INVAL, AFNOSUPPORT } = Errno;

const OUTSIDE = [MEMORY_END - 1, MEMORY_END, 2 ** 31, 2 ** 32 - 1];

/** An address of `len` bytes behind `ADDRESS`; 127.0.0.1 in the shape of 128 bytes. */
async function setAddress(driven: Driven, buf = BUF, len = 128): Promise<void> {
  await driven.calls(iovecs(ADDRESS, [[buf, len]]));
  await driven.write(BUF, Uint8Array.from([1, 0, 127, 0, 0, 1]));
}

async function text(driven: Driven, at: number, length: number): Promise<string> {
  return Buffer.from(await driven.read(at, length)).toString('latin1');
}

/** A datagram socket of the guest's on loopback, its port, and a peer to send from. */
async function datagram(
  driven: Driven,
  inet6 = false,
): Promise<{ fd: number; send: () => Promise<void> }> {
  expect(await driven.call('sock_open', inet6 ? 2 : 1, 1, OUT)).toBe(0);
  const fd = await driven.u32(OUT);
  await setAddress(driven, BUF, inet6 ? 16 : 4);
  const loopback = inet6 ? [...Array.from({ length: 15 }, () => 0), 1] : [127, 0, 0, 1];
  await driven.write(BUF, Uint8Array.from(loopback));
  expect(await driven.call('sock_bind', fd, ADDRESS, 0)).toBe(0);
  expect(await driven.call('sock_getlocaladdr', fd, ADDRESS, SIZE, PORT)).toBe(0);
  const port = await driven.u32(PORT);
  const send = async (): Promise<void> => {
    const peer: Socket = createSocket(inet6 ? 'udp6' : 'udp4');
    peer.send('datagram', port, inet6 ? '::1' : '127.0.0.1', () => peer.close());
    await once(peer, 'close');
  };
  await driven.calls(iovecs(IOVS, [[DATA, 64]]));
  return { fd, send };
}

describe('a result that cannot be written', () => {
  test.each<Shape>(['long', 'short'])(
    'costs no connection: sock_accept, %s form',
    async (shape) => {
      await withDriven({ shape }, async (driven) => {
        const peer = await driven.dial();
        const flags = shape === 'long' ? [0] : [];
        for (const out of [...OUTSIDE, MEMORY_END - 3]) {
          expect(await driven.call('sock_accept', LISTENER, ...flags, out)).toBe(FAULT);
        }
        expect(await driven.call('sock_accept', LISTENER, ...flags, OUT)).toBe(0);
        const fd = await driven.u32(OUT);
        peer.write('hello');
        await driven.calls(iovecs(IOVS, [[DATA, 64]]));
        expect(await driven.call('fd_read', fd, IOVS, 1, SIZE)).toBe(0);
        expect(await text(driven, DATA, await driven.u32(SIZE))).toBe('hello');
      });
    },
  );

  test('costs no bytes of a stream, and sends none', async () => {
    await withDriven({ net: LOOPBACK }, async (driven) => {
      const { fd, peer } = await driven.accept(0);
      await setAddress(driven);
      peer.write('request');
      await driven.calls(iovecs(IOVS, [[DATA, 64]]));
      for (const out of OUTSIDE) {
        const results = await driven.calls([
          ['fd_read', fd, IOVS, 1, out],
          ['sock_recv', fd, IOVS, 1, 0, out, ROFLAGS],
          ['sock_recv', fd, IOVS, 1, 0, SIZE, out],
          ['sock_recv_from', fd, IOVS, 1, ADDRESS, 0, PORT, out, ROFLAGS],
          ['sock_recv_from', fd, IOVS, 1, ADDRESS, 0, out, SIZE, ROFLAGS],
          ['sock_recv_from', fd, IOVS, 1, out, 0, PORT, SIZE, ROFLAGS],
          ['fd_write', fd, IOVS, 1, out],
          ['sock_send', fd, IOVS, 1, 0, out],
          ['sock_send_to', fd, IOVS, 1, ADDRESS, 1, 0, out],
        ]);
        expect(results).toEqual(results.map(() => FAULT));
      }
      expect(await driven.call('fd_read', fd, IOVS, 1, SIZE)).toBe(0);
      expect(await text(driven, DATA, await driven.u32(SIZE))).toBe('request');
      await driven.calls(iovecs(IOVS, [[DATA, 7]]));
      expect(await driven.call('fd_write', fd, IOVS, 1, SIZE)).toBe(0);
      expect(String((await once(peer, 'data'))[0])).toBe('request');
    });
  });

  test('costs no datagram', async () => {
    await withDriven({ net: LOOPBACK }, async (driven) => {
      const { fd, send } = await datagram(driven);
      await send();
      for (const out of OUTSIDE) {
        const results = await driven.calls([
          ['sock_recv_from', fd, IOVS, 1, ADDRESS, 0, PORT, out, ROFLAGS],
          ['sock_recv_from', fd, IOVS, 1, ADDRESS, 0, PORT, SIZE, out],
          ['sock_recv_from', fd, IOVS, 1, ADDRESS, 0, out, SIZE, ROFLAGS],
          ['sock_recv_from', fd, IOVS, 1, out, 0, PORT, SIZE, ROFLAGS],
          ['sock_recv', fd, IOVS, 1, 0, SIZE, out],
        ]);
        expect(results).toEqual(results.map(() => FAULT));
      }
      for (const [buf, len] of [
        [MEMORY_END - 127, 128],
        [BUF, 2 ** 32 - 1],
        [2 ** 31, 16],
      ]) {
        await setAddress(driven, buf, len);
        const args = [IOVS, 1, ADDRESS, 0, PORT, SIZE, ROFLAGS];
        expect(await driven.call('sock_recv_from', fd, ...args)).toBe(FAULT);
      }
      await setAddress(driven);
      expect(
        await driven.call('sock_recv_from', fd, IOVS, 1, ADDRESS, 0, PORT, SIZE, ROFLAGS),
      ).toBe(0);
      expect(await text(driven, DATA, await driven.u32(SIZE))).toBe('datagram');
    });
  });

  test('costs no datagram where the sender’s address does not fit', async () => {
    await withDriven({ net: LOOPBACK }, async (driven) => {
      const { fd, send } = await datagram(driven, true);
      await send();
      for (const len of [0, 1, 3, 4, 15]) {
        await driven.calls(iovecs(ADDRESS, [[BUF, len]]));
        const args = [IOVS, 1, ADDRESS, 0, PORT, SIZE, ROFLAGS];
        expect([len, await driven.call('sock_recv_from', fd, ...args)]).toEqual([len, INVAL]);
      }
      await driven.calls(iovecs(ADDRESS, [[BUF, 16]]));
      const args = [IOVS, 1, ADDRESS, 0, PORT, SIZE, ROFLAGS];
      expect(await driven.call('sock_recv_from', fd, ...args)).toBe(0);
      expect(await text(driven, DATA, await driven.u32(SIZE))).toBe('datagram');
      expect(await driven.read(BUF + 12, 4)).toEqual(Uint8Array.from([0, 0, 0, 1]));
    });
  });

  test('costs an eventfd nothing of its value', async () => {
    await withDriven({}, async (driven) => {
      expect(await driven.call('eventfd', 5, EFD_NONBLOCK, OUT)).toBe(0);
      const fd = await driven.u32(OUT);
      await driven.calls(iovecs(IOVS, [[DATA, 8]]));
      for (const out of OUTSIDE) {
        expect(await driven.call('fd_read', fd, IOVS, 1, out)).toBe(FAULT);
        expect(await driven.call('fd_write', fd, IOVS, 1, out)).toBe(FAULT);
      }
      expect(await driven.call('fd_read', fd, IOVS, 1, SIZE)).toBe(0);
      expect(await driven.u32(DATA)).toBe(5);
    });
  });

  test('costs a socket nothing of its error', async () => {
    await withDriven({ net: LOOPBACK }, async (driven) => {
      const { fd, peer } = await driven.accept();
      peer.resetAndDestroy();
      const [SOL_SOCKET, ERROR, LENGTH] = [0, 2, OUT + 32];
      const error = (value: number, length: number): Promise<number> =>
        driven.call('sock_getsockopt', fd, SOL_SOCKET, ERROR, value, length);
      // Until the reset is there: HUP is an event of its own.
      expect(await driven.call('epoll_create1', 0, OUT)).toBe(0);
      const epfd = await driven.u32(OUT);
      await driven.call('memory.fill', BUF, 0, 16);
      await driven.call('epoll_ctl', epfd, 1, fd, BUF);
      await driven.call('epoll_wait', epfd, DATA, 1, -1, SIZE);
      await driven.call('store64', LENGTH, 4);
      for (const at of OUTSIDE) {
        expect(await error(at, LENGTH)).toBe(FAULT);
        expect(await error(OUT, at)).toBe(FAULT);
      }
      await driven.call('store64', LENGTH, 3);
      expect(await error(OUT, LENGTH)).toBe(INVAL);
      await driven.call('store64', LENGTH, 4);
      expect(await error(OUT, LENGTH)).toBe(0);
      expect(await driven.u32(OUT)).toBe(Errno.CONNRESET);
      expect(await error(OUT, LENGTH)).toBe(0);
      expect(await driven.u32(OUT)).toBe(0);
    });
  });
});

describe('addresses that lie (B97)', () => {
  const CALLS = [
    ['sock_bind', 1],
    ['sock_connect', 1],
    ['sock_send_to', 3],
  ] as const;

  function args(name: string, port = 1): number[] {
    return name === 'sock_send_to' ? [IOVS, 1, ADDRESS, port, 0, SIZE] : [ADDRESS, port];
  }

  test.each(CALLS)('%s', async (name) => {
    await withDriven({ net: LOOPBACK }, async (driven) => {
      expect(await driven.call('sock_open', 1, 1, OUT)).toBe(0);
      const fd = await driven.u32(OUT);
      await driven.calls(iovecs(IOVS, [[DATA, 1]]));
      const call = (port?: number): Promise<number> => driven.call(name, fd, ...args(name, port));
      for (const [buf, len] of [
        [MEMORY_END - 3, 4],
        [MEMORY_END - 127, 128],
        [BUF, 2 ** 31],
        [BUF, 2 ** 32 - 1],
        [2 ** 31, 4],
        [2 ** 32 - 1, 4],
      ]) {
        await setAddress(driven, buf, len);
        expect([buf, len, await call()]).toEqual([buf, len, FAULT]);
      }
      for (const len of [0, 1, 3, 5, 15, 17, 127, 129, 1000]) {
        await setAddress(driven, BUF, len);
        expect([len, await call()]).toEqual([len, INVAL]);
      }
      await setAddress(driven);
      for (const port of [65_536, 2 ** 31, -1]) expect(await call(port)).toBe(INVAL);
      for (const family of [0, 4, 255, 65_535]) {
        await driven.write(BUF, Uint8Array.from([family & 255, family >> 8]));
        expect([family, await call()]).toEqual([family, AFNOSUPPORT]);
      }
      // A unix address without a name.
      await driven.write(BUF, Uint8Array.from([3, 0, 0, 0]));
      expect(await call()).toBe(INVAL);
      // Still unbound, and as good as new.
      await setAddress(driven);
      expect(await driven.call('sock_bind', fd, ADDRESS, 0)).toBe(0);
    });
  });
});
