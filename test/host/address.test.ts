import {
  SocketAddress as NodeSocketAddress,
  connect,
  createServer,
  type AddressInfo,
} from 'node:net';
import { once } from 'node:events';

import {
  AF_INET,
  AF_INET6,
  AF_UNIX,
  AF_UNSPEC,
  decodeSockaddr,
  embeddedIpv4At,
  encodeInet4,
  encodeInet6,
  encodeSockaddr,
  encodeUnix,
  formatAddress,
  formatIp,
  formatUrl,
  parseIp,
  parseListen,
  sockaddrFamily,
  sockaddrIpBytes,
  sockaddrPathBytes,
  sockaddrPort,
  type SocketAddress,
} from '#host/address.js';
import { SOCKADDR_BYTES } from '#host/kernel/kernel.js';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

function encoded(address: SocketAddress): Uint8Array {
  // Whatever the last address left behind must not show.
  const buffer = new Uint8Array(SOCKADDR_BYTES).fill(0xaa);
  encodeSockaddr(buffer, address);
  return buffer;
}

function sockaddr(bytes: readonly number[], length = bytes.length): Uint8Array {
  const buffer = new Uint8Array(SOCKADDR_BYTES);
  new DataView(buffer.buffer).setUint32(0, length, true);
  buffer.set(bytes, 4);
  return buffer;
}

function hex(buffer: Uint8Array): string {
  const length = new DataView(buffer.buffer).getUint32(0, true);
  return Buffer.from(buffer.subarray(4, 4 + length)).toString('hex');
}

const ipv4 = fc.uint8Array({ minLength: 4, maxLength: 4 });
const ipv6 = fc.oneof(
  fc.uint8Array({ minLength: 16, maxLength: 16 }),
  // Mostly zero, so that compression has something to do.
  fc
    .array(fc.constantFrom(0, 0, 0, 1, 0xff), { minLength: 16, maxLength: 16 })
    .map((bytes) => Uint8Array.from(bytes)),
);

describe('bytes of a socket address', () => {
  it.each<[SocketAddress, string]>([
    [{ family: 'inet4', ip: '127.0.0.1', port: 8080 }, '02001f907f0000010000000000000000'],
    [
      { family: 'inet6', ip: 'fe80::1', port: 443, scopeId: 0x01020304 },
      '0a0001bb00000000fe80000000000000000000000000000104030201',
    ],
    [{ family: 'unix', path: '/a' }, '01002f6100'],
    [{ family: 'unix', path: '\0a' }, '01000061'],
    [{ family: 'unix', path: '' }, '0100'],
  ])('are those of Linux, and come back: %j', (address, expected) => {
    const buffer = encoded(address);
    expect(hex(buffer)).toBe(expected);
    expect(decodeSockaddr(buffer)).toEqual(address);
  });

  it('come back for every IP address and port', () => {
    const port = fc.nat(65_535);
    fc.assert(
      fc.property(fc.oneof(ipv4, ipv6), port, fc.nat(), (bytes, number, scopeId) => {
        const family = bytes.length === 4 ? 'inet4' : 'inet6';
        const scope = family === 'inet6' && scopeId !== 0 ? { scopeId } : {};
        const address = { family, ip: formatIp(bytes), port: number, ...scope } as const;
        const buffer = encoded(address);
        expect(decodeSockaddr(buffer)).toEqual(address);
        expect(sockaddrIpBytes(buffer)).toEqual(bytes);
        expect(sockaddrPort(buffer)).toBe(number);
      }),
    );
  });

  it('are built from raw bytes at an offset, without text', () => {
    const memory = Uint8Array.from({ length: 32 }, (_, i) => i);
    const buffer = new Uint8Array(SOCKADDR_BYTES).fill(0xaa);
    encodeInet4(buffer, memory, 5, 65_535);
    expect(hex(buffer)).toBe('0200ffff050607080000000000000000');
    encodeInet6(buffer, memory, 16, 1);
    expect(decodeSockaddr(buffer)).toEqual({
      family: 'inet6',
      ip: '1011:1213:1415:1617:1819:1a1b:1c1d:1e1f',
      port: 1,
    });
  });

  it.each([-1, 65_536, 2 ** 32, 1.5, Number.NaN])('are not made for port %d', (port) => {
    expect(() => encoded({ family: 'inet4', ip: '127.0.0.1', port })).toThrow(RangeError);
  });

  it.each<SocketAddress>([
    { family: 'inet4', ip: '::1', port: 1 },
    { family: 'inet6', ip: '127.0.0.1', port: 1 },
    { family: 'inet4', ip: '127.1', port: 1 },
  ])('are not made from %j', (address) => {
    expect(() => encoded(address)).toThrow(RangeError);
  });
});

describe('bytes of a unix address', () => {
  it('hold a path of 108 bytes and no more', () => {
    const buffer = new Uint8Array(SOCKADDR_BYTES);
    expect(encodeUnix(buffer, new Uint8Array(108).fill(0x61))).toBe(true);
    expect(decodeSockaddr(buffer)).toEqual({ family: 'unix', path: 'a'.repeat(108) });
    expect(encodeUnix(buffer, new Uint8Array(109).fill(0x61))).toBe(false);
    expect(() => encoded({ family: 'unix', path: 'é'.repeat(55) })).toThrow(RangeError);
  });

  it('end a path at its first NUL, and an abstract name nowhere (B43)', () => {
    const buffer = new Uint8Array(SOCKADDR_BYTES);
    encodeUnix(buffer, Buffer.from('/run/a\0/../b'));
    expect(decodeSockaddr(buffer)).toEqual({ family: 'unix', path: '/run/a' });
    encodeUnix(buffer, Buffer.from('\0a\0b'));
    expect(decodeSockaddr(buffer)).toEqual({ family: 'unix', path: '\0a\0b' });
    expect(() => encoded({ family: 'unix', path: '/a\0b' })).toThrow(RangeError);
  });
});

describe('a socket address that lies (B97)', () => {
  const inet6 = [10, 0, 0, 80, ...new Uint8Array(24)];

  it.each<[string, Uint8Array]>([
    ['nothing at all', sockaddr([])],
    ['one byte of family', sockaddr([2], 1)],
    ['an IPv4 address cut short', sockaddr([2, 0, 0, 80, 127, 0, 0, 1], 15)],
    ['an IPv6 address as long as IPv4', sockaddr(inet6, 16)],
    ['an IPv6 address one byte short', sockaddr(inet6, 27)],
    ['more than a sockaddr_storage', sockaddr([2, 0, 0, 80, 127, 0, 0, 1], 129)],
    ['a length of 2^32 - 1', sockaddr([2, 0, 0, 80, 127, 0, 0, 1], 2 ** 32 - 1)],
    ['a path longer than sun_path', sockaddr([1, 0, 0x2f], 111)],
    ['a netlink address', sockaddr([16, 0], 12)],
    ['a family whose low byte is AF_INET', sockaddr([2, 1, 0, 80, 127, 0, 0, 1], 16)],
    ['a buffer that is too short', sockaddr(inet6).subarray(0, 100)],
    ['no buffer', new Uint8Array(0)],
  ])('%s has no family, port or body', (_, buffer) => {
    expect(sockaddrFamily(buffer)).toBe(AF_UNSPEC);
    expect(sockaddrPort(buffer)).toBe(0);
    expect(sockaddrIpBytes(buffer)).toHaveLength(0);
    expect(sockaddrPathBytes(buffer)).toHaveLength(0);
    expect(decodeSockaddr(buffer)).toBeNull();
  });

  it('is never read beyond its buffer, whatever its bytes', () => {
    const arbitrary = fc.tuple(fc.constantFrom(0, 1, 2, 10, 16), fc.nat(140), fc.uint8Array());
    fc.assert(
      fc.property(arbitrary, ([family, length, rest]) => {
        const buffer = sockaddr([family, 0, ...rest.subarray(0, 126)], length);
        const decoded = decodeSockaddr(buffer);
        const known: number[] = [AF_INET, AF_INET6, AF_UNIX];
        expect(known.includes(sockaddrFamily(buffer))).toBe(decoded !== null);
        const body = sockaddrIpBytes(buffer).length + sockaddrPathBytes(buffer).length;
        expect(body).toBeLessThanOrEqual(Math.max(0, length - 2));
      }),
    );
  });
});

describe('text of an IP address', () => {
  it('is what inet_ntop(3) says, for every IPv6 address', () => {
    fc.assert(
      fc.property(ipv6, (bytes) => {
        const long = Buffer.from(bytes)
          .toString('hex')
          .replace(/....(?!$)/g, '$&:');
        const theirs = new NodeSocketAddress({ address: long, family: 'ipv6' }).address;
        expect(parseIp(long)).toEqual(bytes);
        expect(parseIp(theirs)).toEqual(bytes);
        expect(parseIp(formatIp(bytes))).toEqual(bytes);
        // inet_ntop(3) also writes the deprecated ::a.b.c.d with dots; we do not.
        if (embeddedIpv4At(bytes, 0) !== 12) expect(formatIp(bytes)).toBe(theirs);
      }),
    );
  });

  it('is four decimal numbers for IPv4', () => {
    fc.assert(
      fc.property(ipv4, (bytes) => {
        expect(parseIp(formatIp(bytes))).toEqual(bytes);
      }),
    );
  });

  it.each([
    '127.1',
    '0x7f.0.0.1',
    '0177.0.0.1',
    '2130706433',
    '1.2.3.4.5',
    '256.0.0.1',
    '',
    ' ::1',
    '[::1]',
    '::1%2',
    '1::2::3',
    '1:2:3:4:5:6:7',
    'localhost',
    '١.1.1.1',
  ])('%j is none (B40)', (text) => {
    expect(parseIp(text)).toBeNull();
  });

  it.each([
    ['0:0:0:0:0:FFFF:0a00:0001', '::ffff:10.0.0.1'],
    ['::10.0.0.1', '::a00:1'],
    ['64:ff9b::10.0.0.1', '64:ff9b::a00:1'],
    ['2001:DB8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['10.0.0.1', '10.0.0.1'],
  ])('%s is canonically %s (B40)', (text, canonical) => {
    expect(formatIp(parseIp(text) ?? new Uint8Array(0))).toBe(canonical);
  });

  it.each([
    ['64:ff9b::10.0.0.1', 12],
    ['64:ff9b:1::10.0.0.1', -1],
    ['::10.0.0.1', 12],
    ['::2', 12],
    ['2002:0a00:0001::', 2],
    ['::', -1],
    ['::1', -1],
    ['2001:db8::1', -1],
  ])('%s hides an IPv4 address at byte %d (B40)', (text, at) => {
    expect(embeddedIpv4At(parseIp(text) ?? new Uint8Array(16), 0)).toBe(at);
  });
});

describe('text of a socket address', () => {
  it.each<[SocketAddress, string, string]>([
    [{ family: 'inet4', ip: '127.0.0.1', port: 80 }, '127.0.0.1:80', 'tcp://127.0.0.1:80'],
    [{ family: 'inet6', ip: '::1', port: 80 }, '[::1]:80', 'tcp://[::1]:80'],
    [
      { family: 'inet6', ip: 'fe80::1', port: 80, scopeId: 2 },
      '[fe80::1%2]:80',
      'tcp://[fe80::1%2]:80',
    ],
    [{ family: 'unix', path: '/run/a' }, 'unix:/run/a', 'unix:/run/a'],
    [{ family: 'unix', path: '\0a' }, 'unix:@a', 'unix:@a'],
    [{ family: 'unix', path: '' }, 'unix:', 'unix:'],
    [{ family: 'unix', path: '/\x1b[2J' }, 'unix:/\\x1b[2J', 'unix:/\\x1b[2J'],
  ])('%j', (address, text, url) => {
    expect(formatAddress(address)).toBe(text);
    expect(formatUrl('tcp', address)).toBe(url);
  });
});

const inet4 = (ip: string, port: number): SocketAddress => ({ family: 'inet4', ip, port });
const inet6 = (ip: string, port: number): SocketAddress => ({ family: 'inet6', ip, port });
const unix = (path: string): SocketAddress => ({ family: 'unix', path });

const LISTENS = [
  ['8080', 'tcp', inet4('127.0.0.1', 8080)],
  [':8080', 'tcp', inet4('127.0.0.1', 8080)],
  ['0', 'tcp', inet4('127.0.0.1', 0)],
  ['10.0.0.1:65535', 'tcp', inet4('10.0.0.1', 65_535)],
  ['localhost:80', 'tcp', inet4('127.0.0.1', 80)],
  ['0.0.0.0:80', 'tcp', inet4('0.0.0.0', 80)],
  ['*:80', 'tcp', inet4('0.0.0.0', 80)],
  ['[::1]:80', 'tcp', inet6('::1', 80)],
  ['[0:0::0:1]:80', 'tcp', inet6('::1', 80)],
  ['tcp://:80', 'tcp', inet4('127.0.0.1', 80)],
  ['udp://53', 'udp', inet4('127.0.0.1', 53)],
  ['udp://[::]:53', 'udp', inet6('::', 53)],
  ['unix:/run/a=b', 'unix', unix('/run/a=b')],
  ['unix:///run/a', 'unix', unix('/run/a')],
  ['unix:guest.sock', 'unix', unix('guest.sock')],
  ['unix:@name', 'unix', unix('\0name')],
] as const;

const LISTEN_REFUSALS = [
  ['', 'not an address with a port'],
  ['127.0.0.1', 'not an address with a port'],
  ['http=', 'not an address with a port'],
  ['127.0.0.1:', 'not an address with a port'],
  ['127.0.0.1:80 ', 'not an address with a port'],
  ['127.0.0.1:http', 'not an address with a port'],
  ['127.0.0.1:65536', 'a port is at most 65535'],
  ['999999999999', 'a port is at most 65535'],
  ['127.1:80', "'127.1' is not an IP address"],
  ['example.com:80', 'names are not looked up'],
  ['::1', 'IPv6 stands in brackets'],
  ['::1:80', 'IPv6 stands in brackets'],
  ['[127.0.0.1]:80', 'is not IPv6'],
  ['[fe80::1%eth0]:80', 'an interface is given by its number'],
  ['[fe80::1%0]:80', 'an interface is given by its number'],
  ['[fe80::1%4294967296]:80', 'an interface is given by its number'],
  ['http://127.0.0.1:80', "'http://' is not tcp:// or udp://"],
  ['1st=:80', "'1st' is not a name"],
  ['=:80', "'' is not a name"],
  ['a-b=:80', "'a-b' is not a name"],
  ['unix:', 'no path'],
  ['unix:@', 'no path'],
  [`unix:/${'a'.repeat(107)}`, 'at most 107 bytes'],
  ['unix:/a\0b', 'none of them zero'],
] as const;

describe('--listen', () => {
  it.each(LISTENS)('%s', (text, transport, address) => {
    expect(parseListen(text)).toEqual({ transport, address });
    expect(parseListen(`Web_1=${text}`)).toEqual({ name: 'Web_1', transport, address });
  });

  it('takes an interface by its number', () => {
    const address = { family: 'inet6', ip: 'fe80::1', port: 80, scopeId: 2 };
    expect(parseListen('[fe80::1%2]:80').address).toEqual(address);
  });

  it('takes back what the ready line prints', () => {
    for (const text of ['127.0.0.1:1', 'udp://[::1]:2', '[fe80::1%2]:80', 'unix:/a', 'unix:@a']) {
      const { transport, address } = parseListen(text);
      expect(parseListen(formatUrl(transport, address))).toEqual({ transport, address });
    }
  });

  it.each(LISTEN_REFUSALS)('%j is refused: %s', (text, reason) => {
    let caught: unknown;
    try {
      parseListen(text);
    } catch (error) {
      caught = error;
    }
    expect(caught).toMatchObject({ code: 'ERR_SANDPOLL_USAGE' });
    const { message } = caught as Error;
    expect(message).toContain(`--listen ${text}: `);
    expect(message).toContain(reason);
    // The right form that the sentence shows is one.
    const right = /write it as in --listen (\S+)$/.exec(message)?.[1] ?? '';
    expect(parseListen(right)).toHaveProperty('address');
  });

  it('does nothing but parse or refuse, whatever the text', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        try {
          const { transport, address } = parseListen(text);
          expect(encoded(address)).toHaveLength(SOCKADDR_BYTES);
          expect(formatUrl(transport, address)).not.toBe('');
        } catch (error) {
          expect(error).toMatchObject({ code: 'ERR_SANDPOLL_USAGE' });
        }
      }),
    );
  });
});

describe('this machine', () => {
  it('leads a connection to 0.0.0.0 to loopback, as the rules suppose (B40)', async () => {
    const server = createServer((socket) => socket.end()).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const client = connect((server.address() as AddressInfo).port, '0.0.0.0');
    await once(client, 'connect');
    expect(client.remoteAddress).toBe('127.0.0.1');
    client.destroy();
    server.close();
  });
});
