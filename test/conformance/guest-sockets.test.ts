/** The WasmEdge socket family as a guest sees it (abi.md §2), against Node's own sockets. */
import { type Socket as UdpSocket, createSocket } from 'node:dgram';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';

import { TCP_NODELAY } from '#host/abi/socket.js';
import { SockLevel, SockOpt } from '#host/abi/wasmedge.js';
import { Errno } from '#host/errno.js';
import { parseNetRule } from '#host/grants.js';
import { describe, expect, test } from 'vitest';

import { type Driven, LISTENER, LOOPBACK, withDriven } from '../support/driven.js';
import { withFiles } from '../support/files.js';
import {
  DGRAM,
  INET4,
  LENGTH,
  NONBLOCK,
  OUT,
  STREAM,
  UNIX,
  VALUE,
  addressBytes,
  addressV2,
  bufferText,
  inet4,
  iovec,
  opens,
  slot,
  textIovec,
  unixAddress,
} from '../support/wasmedge.js';

const SIZE = OUT + 16;
const ROFLAGS = OUT + 32;
const PORT = OUT + 48;
const TYPE = OUT + 64;
const LOCALHOST = [127, 0, 0, 1] as const;

/** A TCP server that sends back what it gets; `body` has its port. */
async function withEcho(body: (port: number) => Promise<void>): Promise<void> {
  const server = createServer((socket) => socket.pipe(socket));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    await body((server.address() as AddressInfo).port);
  } finally {
    server.close();
  }
}

/** A port of loopback that nobody listens on. */
async function freePort(): Promise<number> {
  let port = 0;
  await withEcho(async (taken) => {
    port = taken;
  });
  return port;
}

async function send(driven: Driven, fd: number, text: string): Promise<number> {
  const iovs = await textIovec(driven, text);
  return driven.call('sock_send', fd, iovs, 1, 0, SIZE);
}

async function receive(driven: Driven, fd: number): Promise<string> {
  const iovs = await iovec(driven, 64);
  expect(await driven.call('sock_recv', fd, iovs, 1, 0, SIZE, ROFLAGS)).toBe(Errno.SUCCESS);
  return bufferText(driven, await driven.u32(SIZE));
}

describe('a guest’s own TCP sockets', () => {
  test('a client connects, knows its peer, sends and receives', async () => {
    await withEcho((port) =>
      withDriven({ net: LOOPBACK }, async (driven) => {
        const fd = await opens(driven, 'sock_open', INET4, STREAM);
        const to = await inet4(driven, ...LOCALHOST);
        expect(await driven.call('sock_connect', fd, to, port)).toBe(Errno.SUCCESS);
        const address = await slot(driven, 16);
        expect(await driven.call('sock_getpeeraddr', fd, address, TYPE, PORT)).toBe(Errno.SUCCESS);
        expect(await addressBytes(driven, 4)).toEqual(LOCALHOST);
        expect([await driven.u32(TYPE), await driven.u32(PORT)]).toEqual([4, port]);
        expect(await send(driven, fd, 'round trip')).toBe(Errno.SUCCESS);
        expect(await receive(driven, fd)).toBe('round trip');
      }),
    );
  });

  test('a server binds, listens, tells its port and accepts', async () => {
    await withDriven({ net: LOOPBACK }, async (driven) => {
      const fd = await opens(driven, 'sock_open', INET4, STREAM);
      const at = await inet4(driven, ...LOCALHOST);
      expect(await driven.call('sock_bind', fd, at, 0)).toBe(Errno.SUCCESS);
      expect(await driven.call('sock_listen', fd, 16)).toBe(Errno.SUCCESS);
      await driven.call('sock_getlocaladdr', fd, await slot(driven, 4), TYPE, PORT);
      const peer = connect(await driven.u32(PORT), '127.0.0.1');
      const accepted = await opens(driven, 'sock_accept', fd, 0);
      expect(await send(driven, accepted, 'welcome')).toBe(Errno.SUCCESS);
      const [chunk] = (await once(peer, 'data')) as [Buffer];
      expect(chunk.toString()).toBe('welcome');
      peer.destroy();
    });
  });

  test('B96 a refusal is told by connect; with NONBLOCK by SO_ERROR, as a WASI errno', async () => {
    const port = await freePort();
    await withDriven({ net: LOOPBACK }, async (driven) => {
      const to = await inet4(driven, ...LOCALHOST);
      const blocking = await opens(driven, 'sock_open', INET4, STREAM);
      expect(await driven.call('sock_connect', blocking, to, port)).toBe(Errno.CONNREFUSED);
      const fd = await opens(driven, 'sock_open', INET4, STREAM);
      await driven.call('fd_fdstat_set_flags', fd, NONBLOCK);
      expect(await driven.call('sock_connect', fd, to, port)).toBe(Errno.INPROGRESS);
      const error = ['sock_getsockopt', fd, SockLevel.SOL_SOCKET, SockOpt.ERROR, VALUE, 4] as const;
      let told = 0;
      while (told === 0) {
        expect(await driven.call(...error)).toBe(Errno.SUCCESS);
        told = await driven.u32(VALUE);
      }
      expect(told).toBe(Errno.CONNREFUSED);
    });
  });

  test('a UNIX listener whose queue is full is AGAIN, even for a blocking connect', async () => {
    await withFiles({}, async (folder) => {
      const path = `${folder}/socket`;
      const net = { allow: [parseNetRule(`unix:${path}`, '--allow-net')], deny: [] };
      await withDriven({ net }, async (driven) => {
        const at = await unixAddress(driven, path);
        const server = await opens(driven, 'sock_open', UNIX, STREAM);
        expect(await driven.call('sock_bind', server, at, 0)).toBe(Errno.SUCCESS);
        expect(await driven.call('sock_listen', server, 0)).toBe(Errno.SUCCESS);
        const results: number[] = [];
        for (let i = 0; i < 2; i++) {
          const fd = await opens(driven, 'sock_open', UNIX, STREAM);
          results.push(await driven.call('sock_connect', fd, at, 0));
        }
        expect(results).toEqual([Errno.SUCCESS, Errno.AGAIN]);
      });
    });
  });
});

/** A guest's UDP socket on loopback, and one of ours; `body` has their ports. */
async function withDatagrams(
  body: (driven: Driven, fd: number, port: number, peer: UdpSocket) => Promise<void>,
): Promise<void> {
  const peer = createSocket('udp4');
  peer.bind(0, '127.0.0.1');
  await once(peer, 'listening');
  try {
    await withDriven({ net: LOOPBACK }, async (driven) => {
      const fd = await opens(driven, 'sock_open', INET4, DGRAM);
      await driven.call('sock_bind', fd, await inet4(driven, ...LOCALHOST), 0);
      await driven.call('sock_getlocaladdr', fd, await slot(driven, 16), TYPE, PORT);
      await body(driven, fd, await driven.u32(PORT), peer);
    });
  } finally {
    peer.close();
  }
}

/** One `sock_recv_from`, version 2: what came, from which port, and the flags. */
async function receiveFrom(
  driven: Driven,
  fd: number,
  room: number,
): Promise<{ text: string; port: number; roflags: number }> {
  const iovs = await iovec(driven, room);
  const address = await slot(driven, 128);
  await driven.call('store64', PORT, 0);
  const errno = await driven.call('sock_recv_from', fd, iovs, 1, address, 0, PORT, SIZE, ROFLAGS);
  expect(errno).toBe(Errno.SUCCESS);
  const text = await bufferText(driven, await driven.u32(SIZE));
  const roflags = (await driven.u32(ROFLAGS)) & 0xffff;
  return { text, port: await driven.u32(PORT), roflags };
}

describe('a guest’s own UDP sockets', () => {
  test('an echo: sock_recv_from tells the sender, sock_send_to answers it', async () => {
    await withDatagrams(async (driven, fd, port, peer) => {
      peer.send('ping', port, '127.0.0.1');
      const from = await receiveFrom(driven, fd, 64);
      expect(from).toEqual({ text: 'ping', port: peer.address().port, roflags: 0 });
      expect(await addressBytes(driven, 6)).toEqual([INET4, 0, ...LOCALHOST]);
      const iovs = await textIovec(driven, 'pong');
      const to = await addressV2(driven, INET4, Uint8Array.from(LOCALHOST));
      const answered = once(peer, 'message');
      expect(await driven.call('sock_send_to', fd, iovs, 1, to, from.port, 0, SIZE)).toBe(0);
      const [answer] = (await answered) as [Buffer];
      expect([answer.toString(), await driven.u32(SIZE)]).toEqual(['pong', 4]);
    });
  });

  test('B91 an empty datagram is one; a cut one is flagged, and the rest is lost', async () => {
    await withDatagrams(async (driven, fd, port, peer) => {
      for (const text of ['', 'too long', 'next']) peer.send(text, port, '127.0.0.1');
      const got = [];
      for (let i = 0; i < 3; i++) got.push(await receiveFrom(driven, fd, 4));
      expect(got.map(({ text, roflags }) => [text, roflags])).toEqual([
        ['', 0],
        ['too ', 1],
        ['next', 0],
      ]);
    });
  });
});

async function setOption(
  driven: Driven,
  fd: number,
  level: number,
  name: number,
  value: bigint,
  size = 4,
): Promise<number> {
  await driven.call('store64', VALUE, value);
  await driven.call('store64', VALUE + 8, 0);
  return driven.call('sock_setsockopt', fd, level, name, VALUE, size);
}

describe('socket options', () => {
  test('are read as they were set, by the length itself or a pointer to it', async () => {
    await withDriven({ net: LOOPBACK }, async (driven) => {
      const fd = await opens(driven, 'sock_open', INET4, STREAM);
      const level = SockLevel.SOL_SOCKET;
      expect(await setOption(driven, fd, level, SockOpt.KEEPALIVE, 1n)).toBe(Errno.SUCCESS);
      for (const length of [4, LENGTH]) {
        await driven.calls([
          ['store64', LENGTH, 4],
          ['store64', VALUE, 0],
        ]);
        const args = [fd, level, SockOpt.KEEPALIVE, VALUE, length];
        expect(await driven.call('sock_getsockopt', ...args)).toBe(Errno.SUCCESS);
        expect([await driven.u32(VALUE), await driven.u32(LENGTH)]).toEqual([1, 4]);
      }
    });
  });

  test('TYPE is WASI’s: streams are 2, datagrams 1; TCP_NODELAY is on, and can be off', async () => {
    await withDriven({ net: LOOPBACK }, async (driven) => {
      const stream = await opens(driven, 'sock_open', INET4, STREAM);
      const datagram = await opens(driven, 'sock_open', INET4, DGRAM);
      const read = async (fd: number, level: number, name: number): Promise<number> => {
        expect(await driven.call('sock_getsockopt', fd, level, name, VALUE, 4)).toBe(0);
        return driven.u32(VALUE);
      };
      expect(await read(stream, SockLevel.SOL_SOCKET, SockOpt.TYPE)).toBe(STREAM);
      expect(await read(datagram, SockLevel.SOL_SOCKET, SockOpt.TYPE)).toBe(DGRAM);
      expect(await read(stream, SockLevel.TCP, TCP_NODELAY)).toBe(1);
      expect(await setOption(driven, stream, SockLevel.TCP, TCP_NODELAY, 0n)).toBe(0);
      expect(await read(stream, SockLevel.TCP, TCP_NODELAY)).toBe(0);
    });
  });

  test('RCVTIMEO ends a blocking receive with AGAIN, and not before its time', async () => {
    await withDriven({ net: LOOPBACK }, async (driven) => {
      const { fd } = await driven.accept(0);
      const option = SockOpt.RCVTIMEO;
      const level = SockLevel.SOL_SOCKET;
      await driven.calls([
        ['store64', VALUE, 0],
        ['store64', VALUE + 8, 20_000],
      ]);
      expect(await driven.call('sock_setsockopt', fd, level, option, VALUE, 16)).toBe(0);
      const iovs = await iovec(driven, 8);
      const [, before, errno, , after] = await driven.calls([
        ['clock_time_get', 1, 0, OUT],
        ['load64', OUT],
        ['sock_recv', fd, iovs, 1, 0, SIZE, ROFLAGS],
        ['clock_time_get', 1, 0, OUT],
        ['load64', OUT],
      ]);
      expect(errno).toBe(Errno.AGAIN);
      expect(after - before).toBeGreaterThanOrEqual(20_000_000);
    });
  });

  test('B44 E30 what is not in the table does not pass; what cannot be kept is refused', async () => {
    await withDriven({ net: LOOPBACK }, async (driven) => {
      const fd = await opens(driven, 'sock_open', INET4, STREAM);
      const socket = SockLevel.SOL_SOCKET;
      const refused = [
        [socket, SockOpt.BINDTODEVICE, 1n, 4, Errno.NOPROTOOPT],
        [socket, 99, 1n, 4, Errno.NOPROTOOPT],
        [255, SockOpt.KEEPALIVE, 1n, 4, Errno.NOPROTOOPT],
        [socket, SockOpt.TYPE, 1n, 4, Errno.NOPROTOOPT],
        [socket, SockOpt.KEEPALIVE, 1n, 1, Errno.INVAL],
        [socket, SockOpt.RCVLOWAT, 100n, 4, Errno.NOTSUP],
      ] as const;
      for (const [level, name, value, size, errno] of refused) {
        const result = await setOption(driven, fd, level, name, value, size);
        expect([level, name, size, result]).toEqual([level, name, size, errno]);
      }
    });
  });
});

describe('the two versions', () => {
  test('the short shapes: sock_accept/2, sock_getlocaladdr/3, sock_recv_from/7', async () => {
    await withDriven({ net: LOOPBACK, shape: 'short' }, async (driven) => {
      const { fd, peer } = await driven.accept();
      await driven.call('fd_fdstat_set_flags', fd, 0);
      const address = await slot(driven, 128);
      expect(await driven.call('sock_getlocaladdr', LISTENER, address, PORT)).toBe(0);
      expect(await addressBytes(driven, 6)).toEqual([INET4, 0, ...LOCALHOST]);
      expect(await driven.u32(PORT)).toBe(peer.remotePort);
      peer.write('seven');
      const iovs = await iovec(driven, 8);
      expect(await driven.call('sock_recv_from', fd, iovs, 1, address, 0, SIZE, ROFLAGS)).toBe(0);
      expect(await bufferText(driven, await driven.u32(SIZE))).toBe('seven');
    });
  });
});
