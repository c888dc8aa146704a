/** Module `sandpoll`'s sockets: what Linux answers is what the guest gets. */
import { EPOLLIN, EPOLLOUT, EPOLLPRI, EPOLLRDHUP } from '#host/abi/epoll.js';
import {
  MSG_DONTWAIT,
  MSG_OOB,
  MSG_PEEK,
  MSG_TRUNC,
  MSG_WAITALL,
  Msghdr,
  SOCK_NONBLOCK,
  TCP_NODELAY,
} from '#host/abi/socket.js';
import { AF_INET, AF_INET6, AF_UNIX, AF_UNSPEC } from '#host/address.js';
import { Errno } from '#host/errno.js';
import { parseNetRule } from '#host/grants.js';
import { describe, expect, test } from 'vitest';

import { type Driven, LOOPBACK, iovecs, withDriven } from '../support/driven.js';
import {
  BYTES,
  SIZE,
  SOCK_DGRAM,
  SOCK_SEQPACKET,
  SOCK_STREAM,
  SOL_SOCKET,
  addressRoom,
  addressThere,
  boundInet,
  connection,
  eventsOf,
  getsockopt,
  inet,
  inet6,
  portOf,
  rawAddress,
  recv,
  send,
  sendto,
  setsockopt,
  socket,
  text,
} from '../support/linux-sockets.js';
import { opens } from '../support/wasmedge.js';

const NET = { net: LOOPBACK };
const SO_ERROR = 4;
const SO_LINGER = 13;

/** Sets a time to linger, which must be what is told then. */
async function linger(driven: Driven, fd: number, seconds: number): Promise<void> {
  const value = new Uint8Array(Int32Array.of(1, seconds).buffer);
  expect(await setsockopt(driven, fd, SOL_SOCKET, SO_LINGER, value)).toBe(0);
  await driven.call('store64', SIZE, value.length);
  expect(await driven.call('getsockopt', fd, SOL_SOCKET, SO_LINGER, BYTES, SIZE)).toBe(0);
  expect(await driven.read(BYTES, value.length)).toEqual(value);
}

/** Sends until there is no room for more. */
async function fill(driven: Driven, fd: number): Promise<void> {
  let errno = 0;
  while (errno === 0) errno = await driven.call('send', fd, BYTES, 60_000, MSG_DONTWAIT, SIZE);
  expect(errno).toBe(Errno.AGAIN);
}

describe('UDP', () => {
  test('E20 B91 a datagram of no bytes is one, too long is MSGSIZE, cut is told', async () => {
    await withDriven(NET, async (driven) => {
      const [receiver, port] = await boundInet(driven, SOCK_DGRAM);
      const [sender] = await boundInet(driven, SOCK_DGRAM);
      expect(await sendto(driven, sender, '', await inet(driven, port))).toBe(0);
      expect(await recv(driven, receiver)).toBe('');
      const to = await inet(driven, port);
      const tooLong = await driven.call('sendto', sender, 0, 65_508, 0, ...to, SIZE);
      expect(tooLong).toBe(Errno.MSGSIZE);
      expect(await sendto(driven, sender, 'seven b', to)).toBe(0);
      expect(await recv(driven, receiver, 3, MSG_PEEK | MSG_TRUNC)).toBe('sev');
      expect(await driven.u32(SIZE)).toBe(7);
      expect(await recv(driven, receiver, 3)).toBe('sev');
      expect(await driven.u32(SIZE)).toBe(3);
      expect(await recv(driven, receiver, 3, MSG_DONTWAIT)).toBe(Errno.AGAIN);
    });
  });

  test('recvfrom tells who sent, and as much of it as there is room for (B97)', async () => {
    await withDriven(NET, async (driven) => {
      const [receiver, port] = await boundInet(driven, SOCK_DGRAM);
      const [sender, from] = await boundInet(driven, SOCK_DGRAM);
      for (const room of [128, 16, 4, 0]) {
        expect(await sendto(driven, sender, 'x', await inet(driven, port))).toBe(0);
        await rawAddress(driven, ...Array<number>(16).fill(0xa5));
        const place = await addressRoom(driven, room);
        expect(await driven.call('recvfrom', receiver, BYTES, 8, 0, ...place, SIZE)).toBe(0);
        const there = await addressThere(driven);
        const whole = [2, 0, from >> 8, from & 255, 127, 0, 0, 1, ...Array<number>(8).fill(0)];
        const rest = Array<number>(Math.max(0, 16 - room)).fill(0xa5);
        expect([...there]).toEqual([...whole.slice(0, room), ...rest]);
      }
    });
  });

  test('a peer is connected to and dissolved; others are not heard meanwhile', async () => {
    await withDriven(NET, async (driven) => {
      const [one, port] = await boundInet(driven, SOCK_DGRAM);
      const [two, other] = await boundInet(driven, SOCK_DGRAM);
      const [three] = await boundInet(driven, SOCK_DGRAM);
      expect(await driven.call('connect', one, ...(await inet(driven, other)))).toBe(0);
      expect(await sendto(driven, three, 'stranger', await inet(driven, port))).toBe(0);
      expect(await sendto(driven, two, 'friend', await inet(driven, port))).toBe(0);
      expect(await recv(driven, one)).toBe('friend');
      expect(await send(driven, one, 'back')).toBe(0);
      expect(await recv(driven, two)).toBe('back');
      const nobody = await rawAddress(driven, AF_UNSPEC, 0);
      expect(await driven.call('connect', one, ...nobody)).toBe(0);
      expect(await send(driven, one, 'to whom?')).toBe(Errno.DESTADDRREQ);
      const place = await addressRoom(driven);
      expect(await driven.call('getpeername', one, ...place)).toBe(Errno.NOTCONN);
    });
  });

  test('sendmsg gathers and recvmsg scatters, tells the cut, and gives no control', async () => {
    await withDriven(NET, async (driven) => {
      const [receiver, port] = await boundInet(driven, SOCK_DGRAM);
      const [sender] = await boundInet(driven, SOCK_DGRAM);
      await text(driven, 'oneTWO');
      const IOV = 0x1_6000;
      const MSG = 0x1_6100;
      const write = async (name: number, namelen: number): Promise<void> => {
        const bytes = new Uint8Array(Msghdr.SIZE);
        const view = new DataView(bytes.buffer);
        Msghdr.name.set(view, 0, name);
        Msghdr.namelen.set(view, 0, namelen);
        Msghdr.iov.set(view, 0, IOV);
        Msghdr.iovlen.set(view, 0, 2);
        await driven.write(MSG, bytes);
      };
      await driven.calls(iovecs(IOV, [[BYTES + 3, 3], [BYTES, 3]])); // prettier-ignore
      await write(...(await inet(driven, port)));
      expect(await driven.call('sendmsg', sender, MSG, 0, SIZE)).toBe(0);
      expect(await driven.u32(SIZE)).toBe(6);
      await driven.calls(iovecs(IOV, [[BYTES, 1], [BYTES + 8, 2]])); // prettier-ignore
      await write(0, 0);
      await driven.call('store64', MSG + Msghdr.control.offset, 16n << 32n);
      expect(await driven.call('recvmsg', receiver, MSG, 0, SIZE)).toBe(0);
      expect(await driven.u32(SIZE)).toBe(3);
      expect([...(await driven.read(BYTES, 1)), ...(await driven.read(BYTES + 8, 2))]).toEqual([
        ...new TextEncoder().encode('TWO'),
      ]);
      expect(await driven.u32(MSG + Msghdr.flags.offset)).toBe(MSG_TRUNC);
      expect(await driven.u32(MSG + Msghdr.controllen.offset)).toBe(0);
    });
  });

  test('broadcast needs the option, and the grant of the address like any other', async () => {
    const everyone = [127, 255, 255, 255] as const;
    await withDriven(NET, async (driven) => {
      const [fd] = await boundInet(driven, SOCK_DGRAM);
      const to = await inet(driven, 9, everyone);
      expect(await sendto(driven, fd, 'x', to)).toBe(Errno.ACCES);
      expect(await setsockopt(driven, fd, SOL_SOCKET, 6, 1)).toBe(0);
      expect(await sendto(driven, fd, 'x', to)).toBe(0);
    });
    await withDriven({}, async (driven, { reported }) => {
      const fd = await socket(driven, AF_INET, SOCK_DGRAM);
      await setsockopt(driven, fd, SOL_SOCKET, 6, 1);
      const said = reported();
      expect(await sendto(driven, fd, 'x', await inet(driven, 9, everyone))).toBe(Errno.ACCES);
      expect(await said).toContain('--allow-net=udp:127.255.255.255:9/out');
    });
  });
});

const GROUP = [239, 255, 12, 34] as const;
const membership = (): Uint8Array => Uint8Array.from([...GROUP, 127, 0, 0, 1]);
const IP_MULTICAST_IF = 32;
const IP_ADD_MEMBERSHIP = 35;
const IP_DROP_MEMBERSHIP = 36;

describe('multicast', () => {
  test('join, receive on loopback, leave', async () => {
    const group = parseNetRule(GROUP.join('.'), '--allow-net');
    const net = { allow: [...LOOPBACK.allow, group], deny: [] };
    await withDriven({ net }, async (driven) => {
      const fd = await socket(driven, AF_INET, SOCK_DGRAM | SOCK_NONBLOCK);
      expect(await driven.call('bind', fd, ...(await inet(driven, 0, GROUP)))).toBe(0);
      const port = await portOf(driven, fd);
      expect(await setsockopt(driven, fd, 0, IP_ADD_MEMBERSHIP, membership())).toBe(0);
      const [sender] = await boundInet(driven, SOCK_DGRAM);
      const via = Uint8Array.of(127, 0, 0, 1);
      expect(await setsockopt(driven, sender, 0, IP_MULTICAST_IF, via)).toBe(0);
      expect(await sendto(driven, sender, 'all', await inet(driven, port, GROUP))).toBe(0);
      expect(await eventsOf(driven, fd, EPOLLIN)).toBe(EPOLLIN);
      expect(await recv(driven, fd)).toBe('all');
      expect(await setsockopt(driven, fd, 0, IP_DROP_MEMBERSHIP, membership())).toBe(0);
      const again = await setsockopt(driven, fd, 0, IP_DROP_MEMBERSHIP, membership());
      expect(again).toBe(Errno.ADDRNOTAVAIL);
    });
  });

  test('B39 to join is to bind: denied without the grant, which the denial names', async () => {
    await withDriven(NET, async (driven, { reported }) => {
      const [fd, port] = await boundInet(driven, SOCK_DGRAM);
      const said = reported();
      const joined = await setsockopt(driven, fd, 0, IP_ADD_MEMBERSHIP, membership());
      expect(joined).toBe(Errno.ACCES);
      expect(await said).toContain(`--allow-net=udp:${GROUP.join('.')}:${port}/in`);
    });
  });
});

describe('unix', () => {
  test.each([
    ['stream', SOCK_STREAM, 'onetwo', 'three'],
    ['datagram', SOCK_DGRAM, 'one', 'two'],
    ['seqpacket', SOCK_SEQPACKET, 'one', 'two'],
  ])('a pair of %s: bounds are kept where there are any', async (_what, type, first, second) => {
    await withDriven({}, async (driven) => {
      const pair = 0x1_6000;
      expect(await driven.call('socketpair', AF_UNIX, type, 0, pair)).toBe(0);
      const [one, two] = [await driven.u32(pair), await driven.u32(pair + 4)];
      for (const message of ['one', 'two']) expect(await send(driven, one, message)).toBe(0);
      expect(await recv(driven, two)).toBe(first);
      if (type === SOCK_STREAM) expect(await send(driven, one, 'three')).toBe(0);
      expect(await recv(driven, two)).toBe(second);
      expect(await recv(driven, two, 8, MSG_DONTWAIT)).toBe(Errno.AGAIN);
      await driven.call('fd_close', one);
      const closed = type === SOCK_DGRAM ? Errno.CONNRESET : '';
      if (type !== SOCK_DGRAM) expect(await recv(driven, two)).toBe(closed);
      expect(await send(driven, two, 'x')).toBe(
        type === SOCK_DGRAM ? Errno.CONNREFUSED : Errno.PIPE,
      );
    });
  });

  test('seqpacket through a listener: what is accepted keeps the bounds', async () => {
    const net = { allow: [parseNetRule('unix:@sandpoll-seqpacket', '--allow-net')], deny: [] };
    await withDriven({ net }, async (driven) => {
      const name = () => rawAddress(driven, AF_UNIX, 0, ...Buffer.from('\0sandpoll-seqpacket'));
      const listener = await socket(driven, AF_UNIX, SOCK_SEQPACKET);
      const client = await socket(driven, AF_UNIX, SOCK_SEQPACKET);
      expect(await driven.call('bind', listener, ...(await name()))).toBe(0);
      expect(await driven.call('listen', listener, 1)).toBe(0);
      expect(await driven.call('connect', client, ...(await name()))).toBe(0);
      const accepted = await opens(driven, 'accept4', listener, 0, 0, 0);
      for (const message of ['longer', 'x']) expect(await send(driven, client, message)).toBe(0);
      expect(await recv(driven, accepted, 3)).toBe('lon');
      expect(await recv(driven, accepted, 3, MSG_WAITALL)).toBe('x');
    });
  });
});

async function listenInet6(driven: Driven, only: number): Promise<number> {
  const fd = await socket(driven, AF_INET6, SOCK_STREAM);
  expect(await setsockopt(driven, fd, 41, 26, only)).toBe(0);
  expect(await getsockopt(driven, fd, 41, 26)).toBe(only);
  const every = await inet6(driven, 0, Array<number>(16).fill(0));
  expect(await driven.call('bind', fd, ...every)).toBe(0);
  expect(await driven.call('listen', fd, 4)).toBe(0);
  return portOf(driven, fd);
}

describe('TCP', () => {
  test.each([
    ['V6ONLY keeps IPv4 out', 1, Errno.CONNREFUSED],
    ['a dual-stack listener takes IPv4 too', 0, 0],
  ])('%s', async (_what, only, answer) => {
    const net = { allow: [parseNetRule('*', '--allow-net')], deny: [] };
    await withDriven({ net }, async (driven) => {
      const port = await listenInet6(driven, only);
      const four = await socket(driven, AF_INET, SOCK_STREAM);
      expect(await driven.call('connect', four, ...(await inet(driven, port)))).toBe(answer);
      const six = await socket(driven, AF_INET6, SOCK_STREAM);
      expect(await driven.call('connect', six, ...(await inet6(driven, port)))).toBe(0);
    });
  });

  test('B96 a non-blocking connect, SO_ERROR, and connecting twice', async () => {
    await withDriven(NET, async (driven) => {
      const [listener, port] = await boundInet(driven, SOCK_STREAM);
      expect(await driven.call('listen', listener, 4)).toBe(0);
      const fd = await socket(driven, AF_INET, SOCK_STREAM | SOCK_NONBLOCK);
      const to = await inet(driven, port);
      expect(await driven.call('connect', fd, ...to)).toBe(Errno.INPROGRESS);
      expect(await eventsOf(driven, fd, EPOLLOUT)).toBe(EPOLLOUT);
      expect(await getsockopt(driven, fd, SOL_SOCKET, SO_ERROR)).toBe(0);
      expect(await driven.call('connect', fd, ...to)).toBe(0);
      expect(await driven.call('connect', fd, ...to)).toBe(Errno.ISCONN);
      // Bound and not listening: nobody answers there.
      const [, closed] = await boundInet(driven, SOCK_STREAM);
      const refused = await socket(driven, AF_INET, SOCK_STREAM | SOCK_NONBLOCK);
      const nowhere = await inet(driven, closed);
      expect(await driven.call('connect', refused, ...nowhere)).toBe(Errno.INPROGRESS);
      await eventsOf(driven, refused, EPOLLOUT);
      expect(await getsockopt(driven, refused, SOL_SOCKET, SO_ERROR)).toBe(Errno.CONNREFUSED);
      expect(await getsockopt(driven, refused, SOL_SOCKET, SO_ERROR)).toBe(0);
    });
  });

  test('B94 half-close: the other end reads to the end, and its bytes still come', async () => {
    await withDriven(NET, async (driven) => {
      const [one, two] = await connection(driven);
      expect(await send(driven, one, 'last')).toBe(0);
      expect(await driven.call('shutdown', one, 1)).toBe(0);
      expect(await eventsOf(driven, two, EPOLLIN | EPOLLRDHUP)).toBe(EPOLLIN | EPOLLRDHUP);
      expect(await recv(driven, two, 64, MSG_WAITALL)).toBe('last');
      expect(await recv(driven, two)).toBe('');
      expect(await send(driven, two, 'answer')).toBe(0);
      expect(await recv(driven, one)).toBe('answer');
      expect(await send(driven, one, 'x')).toBe(Errno.PIPE);
      for (const how of [3, -1]) expect(await driven.call('shutdown', one, how)).toBe(Errno.INVAL);
    });
  });

  test('E27 an urgent byte is PRI, and lies beside the stream', async () => {
    await withDriven(NET, async (driven) => {
      const [one, two] = await connection(driven);
      expect(await send(driven, one, '!', MSG_OOB)).toBe(0);
      expect(await eventsOf(driven, two, EPOLLPRI)).toBe(EPOLLPRI);
      expect(await recv(driven, two, 1, MSG_OOB)).toBe('!');
      expect(await recv(driven, two, 1, MSG_OOB)).toBe(Errno.INVAL);
      expect(await recv(driven, two, 1, MSG_DONTWAIT)).toBe(Errno.AGAIN);
    });
  });

  test('a linger of 0 resets; a longer one is kept, and no close waits for it (B44)', async () => {
    await withDriven(NET, async (driven) => {
      const [one, two] = await connection(driven);
      await linger(driven, one, 60);
      await linger(driven, one, 0);
      await driven.call('fd_close', one);
      expect(await recv(driven, two)).toBe(Errno.CONNRESET);
      const [patient] = await connection(driven);
      await linger(driven, patient, 60);
      await fill(driven, patient);
      const from = performance.now();
      await driven.call('fd_close', patient);
      expect(performance.now() - from).toBeLessThan(2000);
    });
  });

  test('a linger keeps no guest from its end (B44 B83)', async () => {
    const from = performance.now();
    await withDriven(NET, async (driven) => {
      const [one] = await connection(driven);
      await linger(driven, one, 60);
      await fill(driven, one);
    });
    expect(performance.now() - from).toBeLessThan(10_000);
  });
});

/** Level, name and a value that is not the default, for a TCP socket of IPv4. */
const OPTIONS: readonly (readonly [string, number, number, number])[] = [
  ['SO_REUSEPORT', SOL_SOCKET, 15, 1],
  ['SO_KEEPALIVE', SOL_SOCKET, 9, 1],
  ['SO_OOBINLINE', SOL_SOCKET, 10, 1],
  ['TCP_NODELAY', 6, TCP_NODELAY, 0],
  ['TCP_KEEPIDLE', 6, 4, 33],
  ['TCP_KEEPINTVL', 6, 5, 7],
  ['TCP_KEEPCNT', 6, 6, 5],
  ['TCP_DEFER_ACCEPT', 6, 9, 1],
  ['TCP_USER_TIMEOUT', 6, 18, 4000],
  ['IP_TTL', 0, 2, 42],
  ['IP_MULTICAST_LOOP', 0, 34, 0],
];

describe('options', () => {
  test('are set and read back', async () => {
    await withDriven({}, async (driven) => {
      const fd = await socket(driven, AF_INET, SOCK_STREAM);
      for (const [what, level, name, value] of OPTIONS) {
        const set = await setsockopt(driven, fd, level, name, value);
        const read = await getsockopt(driven, fd, level, name);
        expect([what, set, read]).toEqual([what, 0, value]);
      }
    });
  });

  test('new and accepted connections have Nagle off; SO_TYPE and SO_DOMAIN tell', async () => {
    await withDriven(NET, async (driven) => {
      for (const fd of await connection(driven)) {
        expect(await getsockopt(driven, fd, 6, TCP_NODELAY)).toBe(1);
        expect(await getsockopt(driven, fd, SOL_SOCKET, 3)).toBe(SOCK_STREAM);
        expect(await getsockopt(driven, fd, SOL_SOCKET, 39)).toBe(AF_INET);
        expect(await setsockopt(driven, fd, SOL_SOCKET, 3, 1)).toBe(Errno.NOPROTOOPT);
      }
    });
  });
});
