/** Module `sandpoll`'s sockets: asked for what nobody may have (B39–B44), told lies (B91–B97). */
import { Errno } from '#host/errno.js';
import { parseNetRule } from '#host/grants.js';
import { AF_INET, AF_INET6, AF_UNIX, AF_UNSPEC } from '#host/address.js';
import { SOCK_CLOEXEC, SOCK_NONBLOCK } from '#host/abi/socket.js';
import { describe, expect, test } from 'vitest';

import { type Driven, LOOPBACK, withDriven } from '../support/driven.js';
import {
  BYTES,
  SIZE,
  SOCK_DGRAM,
  SOCK_STREAM,
  SOL_SOCKET,
  addressRoom,
  boundInet,
  connection,
  getsockopt,
  inet,
  inet6,
  rawAddress,
  recv,
  send,
  sendto,
  setsockopt,
  socket,
  unix,
} from '../support/linux-sockets.js';

const NET = { net: LOOPBACK };
const OUT = 0x1_f000;
const everything = { allow: [parseNetRule('*', '--allow-net')], deny: [] };

describe('B39: no way round the judgement', () => {
  const kinds: readonly (readonly [string, number, number, number, number])[] = [
    ['MPTCP', AF_INET, SOCK_STREAM, 262, Errno.PROTONOSUPPORT],
    ['SCTP', AF_INET, SOCK_STREAM, 132, Errno.PROTONOSUPPORT],
    ['a stream that says UDP', AF_INET, SOCK_STREAM, 17, Errno.PROTONOSUPPORT],
    ['UDP-Lite', AF_INET6, SOCK_DGRAM, 136, Errno.PROTONOSUPPORT],
    ['SOCK_RAW', AF_INET, 3, 0, Errno.PROTONOSUPPORT],
    ['SOCK_PACKET', AF_INET, 10, 0, Errno.PROTONOSUPPORT],
    ['AF_PACKET', 17, SOCK_DGRAM, 0, Errno.AFNOSUPPORT],
    ['AF_NETLINK', 16, SOCK_DGRAM, 0, Errno.AFNOSUPPORT],
    ['AF_VSOCK', 40, SOCK_STREAM, 0, Errno.AFNOSUPPORT],
    ['an unknown type', AF_INET, 77, 0, Errno.INVAL],
    ['unknown flags', AF_INET, SOCK_STREAM | 0x100000, 0, Errno.INVAL],
    ['an Internet seqpacket', AF_INET, 5, 0, Errno.PROTONOSUPPORT],
  ];

  test('only protocols that the judgement knows are to be had', async () => {
    await withDriven({ net: everything }, async (driven) => {
      for (const [what, domain, type, protocol, errno] of kinds) {
        const answer = await driven.call('socket', domain, type, protocol, OUT);
        expect([what, answer]).toEqual([what, errno]);
      }
      const plain = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
      expect(await driven.call('socket', AF_INET, plain, 6, OUT)).toBe(0);
    });
  });

  test('AF_UNSPEC is no address: Linux would take it for AF_INET', async () => {
    await withDriven(NET, async (driven) => {
      const fd = await socket(driven, AF_INET, SOCK_DGRAM);
      const every = await rawAddress(driven, AF_UNSPEC, 0, 0, 9, ...Array<number>(12).fill(0));
      expect(await driven.call('bind', fd, ...every)).toBe(Errno.AFNOSUPPORT);
      expect(await sendto(driven, fd, 'x', every)).toBe(Errno.AFNOSUPPORT);
    });
  });

  test('a stream cannot shed its address by connecting to nobody', async () => {
    await withDriven(NET, async (driven) => {
      const [fd] = await connection(driven);
      const nobody = await rawAddress(driven, AF_UNSPEC, 0);
      expect(await driven.call('connect', fd, ...nobody)).toBe(Errno.AFNOSUPPORT);
    });
  });

  test('listening without a name is a bind to every interface', async () => {
    await withDriven(NET, async (driven, { reported }) => {
      const said = reported();
      const fd = await socket(driven, AF_INET, SOCK_STREAM);
      expect(await driven.call('listen', fd, 1)).toBe(Errno.ACCES);
      expect(await said).toContain('grant it with --allow-net=tcp:0.0.0.0:0/in');
    });
  });

  test('a UDP peer that is granted is no way to another', async () => {
    const one = parseNetRule('127.0.0.1', '--allow-net');
    await withDriven({ net: { allow: [one], deny: [] } }, async (driven) => {
      const [fd, port] = await boundInet(driven, SOCK_DGRAM);
      expect(await driven.call('connect', fd, ...(await inet(driven, port)))).toBe(0);
      const other = await inet(driven, port, [127, 0, 0, 2]);
      expect(await sendto(driven, fd, 'x', other)).toBe(Errno.ACCES);
    });
  });

  test('B93 flags that are unknown, or lead past the judgement, do not pass', async () => {
    const MSG_CONFIRM = 0x800;
    const MSG_ERRQUEUE = 0x2000;
    const MSG_ZEROCOPY = 0x400_0000;
    const MSG_FASTOPEN = 0x2000_0000;
    await withDriven(NET, async (driven) => {
      const [one, two] = await connection(driven);
      for (const flags of [MSG_CONFIRM, MSG_ERRQUEUE, MSG_ZEROCOPY, MSG_FASTOPEN, -1]) {
        const answers = [await send(driven, one, 'x', flags), await recv(driven, two, 8, flags)];
        expect([flags, ...answers]).toEqual([flags, Errno.NOTSUP, Errno.NOTSUP]);
      }
    });
  });

  test.each([
    ['TCP_FASTOPEN', 23],
    ['TCP_FASTOPEN_CONNECT', 30],
  ])('%s is off, and the denial names its flag', async (_what, name) => {
    await withDriven(NET, async (driven, { reported }) => {
      const fd = await socket(driven, AF_INET, SOCK_STREAM);
      expect(await setsockopt(driven, fd, 6, name, 0)).toBe(0);
      const said = reported();
      expect(await setsockopt(driven, fd, 6, name, 1)).toBe(Errno.ACCES);
      expect(await said).toContain('grant it with --allow-fastopen');
      expect(await getsockopt(driven, fd, 6, name)).toBe(0);
    });
  });
});

describe('B40: one address, however it is written', () => {
  const embedded: readonly (readonly [string, readonly number[]])[] = [
    ['::ffff:127.0.0.2', [...Array<number>(10).fill(0), 255, 255, 127, 0, 0, 2]],
    ['::127.0.0.2', [...Array<number>(12).fill(0), 127, 0, 0, 2]],
    ['64:ff9b::127.0.0.2', [0, 0x64, 0xff, 0x9b, ...Array<number>(8).fill(0), 127, 0, 0, 2]],
    ['2002:7f00:2::', [0x20, 2, 127, 0, 0, 2, ...Array<number>(10).fill(0)]],
  ];

  test('every spelling of 127.0.0.2 is denied with it', async () => {
    const deny = [parseNetRule('127.0.0.2', '--deny-net')];
    await withDriven({ net: { ...everything, deny } }, async (driven) => {
      const fd = await socket(driven, AF_INET6, SOCK_DGRAM);
      for (const [spelling, ip] of embedded) {
        const to = await inet6(driven, 9, ip);
        const connected = await driven.call('connect', fd, ...to);
        const sent = await sendto(driven, fd, 'x', to);
        expect([spelling, connected, sent]).toEqual([spelling, Errno.ACCES, Errno.ACCES]);
      }
    });
  });

  test('a scope, flow information and bytes behind the address do not hide it', async () => {
    const deny = [parseNetRule('[::1]', '--deny-net')];
    await withDriven({ net: { ...everything, deny } }, async (driven) => {
      const fd = await socket(driven, AF_INET6, SOCK_DGRAM);
      const loopback = [...Array<number>(15).fill(0), 1];
      const odd = [10, 0, 0, 9, 1, 2, 3, 4, ...loopback, 7, 0, 0, 0, 0xa5, 0xa5];
      expect(await driven.call('connect', fd, ...(await rawAddress(driven, ...odd)))).toBe(
        Errno.ACCES,
      );
    });
  });
});

test('B43 abstract names and paths need their own exact rule', async () => {
  const net = { allow: [parseNetRule('unix:@mine', '--allow-net'), ...everything.allow], deny: [] };
  await withDriven({ net }, async (driven) => {
    const fd = await socket(driven, AF_UNIX, SOCK_STREAM);
    const abstract = (name: string) => rawAddress(driven, AF_UNIX, 0, 0, ...Buffer.from(name));
    for (const name of ['', 'min', 'mine\0', 'mine2']) {
      const errno = await driven.call('bind', fd, ...(await abstract(name)));
      expect([name, errno]).toEqual([name, Errno.ACCES]);
    }
    for (const path of ['/proc/self/root/tmp/x', '/tmp/x']) {
      expect(await driven.call('connect', fd, ...(await unix(driven, path)))).toBe(Errno.ACCES);
    }
    expect(await driven.call('bind', fd, ...(await rawAddress(driven, AF_UNIX, 0)))).toBe(
      Errno.ACCES,
    );
  });
});

describe('B44: options', () => {
  const absent = [
    ['SO_BINDTODEVICE', SOL_SOCKET, 25],
    ['SO_MARK', SOL_SOCKET, 36],
    ['SO_ATTACH_FILTER', SOL_SOCKET, 26],
    ['SO_ATTACH_REUSEPORT_CBPF', SOL_SOCKET, 51],
    ['SO_RCVBUFFORCE', SOL_SOCKET, 33],
    ['SO_PASSCRED', SOL_SOCKET, 16],
    ['IP_TRANSPARENT', 0, 19],
    ['IP_FREEBIND', 0, 15],
    ['IP_OPTIONS', 0, 4],
    ['TCP_ULP', 6, 31],
    ['TCP_REPAIR', 6, 19],
    ['a level of none', 99, 1],
    ['a negative name', SOL_SOCKET, -1],
  ] as const;

  test('what is not in the table does not pass, whatever its length', async () => {
    await withDriven(NET, async (driven) => {
      const fd = await socket(driven, AF_INET, SOCK_STREAM);
      for (const [what, level, name] of absent) {
        const int = await setsockopt(driven, fd, level, name, 1);
        const long = await setsockopt(driven, fd, level, name, new Uint8Array(1000));
        const read = await getsockopt(driven, fd, level, name);
        const { NOPROTOOPT } = Errno;
        expect([what, int, long, read]).toEqual([what, NOPROTOOPT, NOPROTOOPT, -NOPROTOOPT]);
      }
    });
  });

  test('a value too short is INVAL, one too long is cut to what it is', async () => {
    await withDriven(NET, async (driven) => {
      const fd = await socket(driven, AF_INET, SOCK_STREAM);
      expect(await setsockopt(driven, fd, SOL_SOCKET, 9, new Uint8Array(0))).toBe(Errno.INVAL);
      expect(await setsockopt(driven, fd, SOL_SOCKET, 9, new Uint8Array(3))).toBe(Errno.INVAL);
      const long = new Uint8Array(1000).fill(1, 0, 1);
      expect(await setsockopt(driven, fd, SOL_SOCKET, 9, long)).toBe(0);
      expect(await getsockopt(driven, fd, SOL_SOCKET, 9)).toBe(1);
      expect(await driven.call('setsockopt', fd, SOL_SOCKET, 9, OUT, -1)).toBe(Errno.INVAL);
    });
  });

  test('buffers are capped: 2^31−1 and −1 get no more than 4 MiB', async () => {
    await withDriven(NET, async (driven) => {
      const fd = await socket(driven, AF_INET, SOCK_STREAM);
      for (const name of [7, 8]) {
        for (const asked of [2 ** 31 - 1, -1]) {
          expect(await setsockopt(driven, fd, SOL_SOCKET, name, asked)).toBe(0);
          // Linux tells double what was set: its own bookkeeping counts.
          const told = await getsockopt(driven, fd, SOL_SOCKET, name);
          expect(told).toBeGreaterThan(0);
          expect(told).toBeLessThanOrEqual(2 * 4 * 2 ** 20);
        }
      }
    });
  });

  test('SO_REUSEPORT takes no port from one who did not share it', async () => {
    await withDriven(NET, async (driven) => {
      const [, port] = await boundInet(driven, SOCK_DGRAM);
      const thief = await socket(driven, AF_INET, SOCK_DGRAM);
      expect(await setsockopt(driven, thief, SOL_SOCKET, 15, 1)).toBe(0);
      const theirs = await inet(driven, port);
      expect(await driven.call('bind', thief, ...theirs)).toBe(Errno.ADDRINUSE);
      // Nor is it a way past the grants.
      const elsewhere = await inet(driven, port, [0, 0, 0, 0]);
      expect(await driven.call('bind', thief, ...elsewhere)).toBe(Errno.ACCES);
    });
  });
});

/** What each length of a good IPv4 or IPv6 address is answered by `connect`. */
async function connectAnswers(driven: Driven, family: number, length: number): Promise<number> {
  const fd = await socket(driven, family, SOCK_DGRAM);
  const [addr] = await (family === AF_INET ? inet(driven, 9) : inet6(driven, 9));
  const errno = await driven.call('connect', fd, addr, length);
  await driven.call('fd_close', fd);
  return errno;
}

describe('B95 B97: lengths that lie', () => {
  test.each([
    [AF_INET, 16, [0, 1, 2, 15, 129, -1, 2 ** 31]],
    [AF_INET6, 28, [0, 1, 2, 23, 129, -1, 2 ** 31]],
  ])('family %d', async (family, whole, lengths) => {
    await withDriven(NET, async (driven) => {
      expect(await connectAnswers(driven, family, whole)).toBe(0);
      expect(await connectAnswers(driven, family, 128)).toBe(0);
      for (const length of lengths) {
        const errno = await connectAnswers(driven, family, length);
        expect([length, errno]).toEqual([length, Errno.INVAL]);
      }
    });
  });

  test('an accept that has nowhere to write leaves the connection in the queue', async () => {
    await withDriven(NET, async (driven) => {
      const [listener, port] = await boundInet(driven, SOCK_STREAM);
      expect(await driven.call('listen', listener, 0)).toBe(0);
      const client = await socket(driven, AF_INET, SOCK_STREAM);
      expect(await driven.call('connect', client, ...(await inet(driven, port)))).toBe(0);
      const [addr, addrlen] = await addressRoom(driven);
      const { FAULT, INVAL } = Errno;
      expect(await driven.call('accept4', listener, addr, addrlen, 0, -4)).toBe(FAULT);
      expect(await driven.call('accept4', listener, -4, addrlen, 0, OUT)).toBe(FAULT);
      expect(await driven.call('accept4', listener, addr, -4, 0, OUT)).toBe(FAULT);
      expect(await driven.call('accept4', listener, addr, addrlen, 1, OUT)).toBe(INVAL);
      expect(await driven.call('accept4', listener, addr, addrlen, 0, OUT)).toBe(0);
    });
  });

  test('B92 sending on what is closed is PIPE, and the guest lives', async () => {
    await withDriven(NET, async (driven) => {
      const [one] = await connection(driven);
      expect(await driven.call('shutdown', one, 2)).toBe(0);
      expect(await driven.call('send', one, BYTES, 1, 0, SIZE)).toBe(Errno.PIPE);
    });
  });
});
