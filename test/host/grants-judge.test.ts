import { decodeSockaddr, encodeInet6, formatIp, parseIp } from '#host/address.js';
import { NO_GRANTS, denialText, judge, type NetGrants, type Transport } from '#host/grants.js';
import { SOCKADDR_BYTES } from '#host/kernel/kernel.js';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { USES, binds, connects, inet, net, unix } from './net.js';

const WILDCARD_BINDS = [
  ['*', '0.0.0.0', true],
  ['*', '::', true],
  ['*', '::ffff:0.0.0.0', true],
  ['0.0.0.0/0', '0.0.0.0', true],
  ['0.0.0.0/0', '::', false],
  ['[::]/0', '::', false],
  ['[::]/0', '0.0.0.0', false],
  ['0.0.0.0', '0.0.0.0', true],
  ['0.0.0.0', '::', false],
  ['[::]', '::', true],
  ['0.0.0.0/8', '0.0.0.0', false],
  ['[::]/64', '::', false],
  ['127.0.0.1', '0.0.0.0', false],
  ['*:80', '0.0.0.0', true],
  ['*:81', '0.0.0.0', false],
  ['*/out', '0.0.0.0', false],
] as const;

describe('the unspecified address (B40)', () => {
  it.each(WILDCARD_BINDS)('bind: %s permits %s: %s', (rule, ip, permitted) => {
    expect(binds(net([rule]), ip)).toBe(permitted);
  });

  it.each([
    ['10.0.0.1', '0.0.0.0', false],
    ['10.0.0.1/in', '::', false],
    ['10.0.0.1/out', '0.0.0.0', true],
    ['10.0.0.1:81', '0.0.0.0', true],
    ['udp:10.0.0.1', '0.0.0.0', true],
    ['[fd00::1]', '0.0.0.0', true],
    ['[fd00::1]', '::', false],
  ])('bind is no way round --deny-net=%s: %s is permitted: %s (B39)', (rule, ip, permitted) => {
    expect(binds(net(['*'], [rule]), ip)).toBe(permitted);
  });

  it.each([
    [['*'], [], '0.0.0.0', true],
    [['*'], [], '::', true],
    [['*'], ['127.0.0.1'], '0.0.0.0', false],
    [['*'], ['127.0.0.1'], '::', false],
    [['*'], ['127.0.0.1'], '::ffff:0.0.0.0', false],
    [['*'], ['[::1]'], '::', false],
    [['*'], ['[::1]'], '0.0.0.0', true],
    // A socket bound to 10.0.0.1 that connects to 0.0.0.0 reaches 10.0.0.1.
    [['*'], ['10.0.0.1'], '0.0.0.0', false],
    [['0.0.0.0'], [], '0.0.0.0', false],
    [['127.0.0.1'], [], '0.0.0.0', false],
    [['0.0.0.0', '127.0.0.1'], [], '0.0.0.0', true],
    [['[::]', '[::1]'], [], '::', false],
    [['[::]', 'localhost'], [], '::', true],
  ])('connect leads to loopback: allow %j, deny %j, %s: %s', (allow, deny, ip, permitted) => {
    expect(connects(net(allow, deny), ip)).toBe(permitted);
    expect(judge(net(allow, deny), 'send', 'udp', inet(ip, 80))).toBe(permitted);
  });
});

describe('port 0 (B40)', () => {
  it.each([
    ['127.0.0.1', true],
    ['127.0.0.1:0', true],
    ['127.0.0.1:0-65535', true],
    ['127.0.0.1:1024-65535', true],
    ['127.0.0.1:80,0', true],
    ['127.0.0.1:0-100', false],
    ['127.0.0.1:32768-60999', false],
    ['127.0.0.1:32768-65535', false],
    ['127.0.0.1:80', false],
  ])('bind: %s permits it: %s', (rule, permitted) => {
    expect(binds(net([rule]), '127.0.0.1', 0)).toBe(permitted);
  });

  it.each([
    ['127.0.0.1:5000', false],
    ['127.0.0.1:0', false],
    ['127.0.0.1:1024', false],
    ['127.0.0.1:25', true],
    ['127.0.0.2', true],
  ])('bind is no way round --deny-net=%s: permitted: %s', (rule, permitted) => {
    expect(binds(net(['*'], [rule]), '127.0.0.1', 0)).toBe(permitted);
  });
});

describe('accept (B42)', () => {
  const accepts = (deny: readonly string[], ip: string, transport: Transport = 'tcp'): boolean =>
    judge(net([], deny), 'accept', transport, inet(ip, 40_000));

  it('needs no rule: who may listen may accept', () => {
    expect(accepts([], '8.8.8.8')).toBe(true);
    expect(judge(NO_GRANTS.net, 'accept', 'unix', unix(''))).toBe(true);
  });

  it.each([
    ['8.8.0.0/16', '8.8.8.8', false],
    ['8.8.0.0/16/in', '8.8.8.8', false],
    ['8.8.0.0/16/in', '::ffff:8.8.8.8', false],
    ['8.8.0.0/16/in', '64:ff9b::8.8.8.8', false],
    ['8.8.0.0/16/out', '8.8.8.8', true],
    ['udp:8.8.0.0/16', '8.8.8.8', true],
    ['8.9.0.0/16', '8.8.8.8', true],
    // The ports of a rule are ours, not the peer's; and a rule for every host is about binding.
    ['8.8.0.0/16:40000', '8.8.8.8', true],
    ['*', '8.8.8.8', true],
  ])('--deny-net=%s, peer %s: %s', (rule, ip, permitted) => {
    expect(accepts([rule], ip)).toBe(permitted);
  });
});

describe('unix paths (B43)', () => {
  const may = (grants: NetGrants, path: string): boolean =>
    judge(grants, 'connect', 'unix', unix(path)) && judge(grants, 'bind', 'unix', unix(path));

  it('are permitted by their own exact rule only', () => {
    const grants = net(['unix:/run/a', 'unix:@name']);
    expect(may(grants, '/run/a')).toBe(true);
    expect(may(grants, '\0name')).toBe(true);
    for (const path of [
      '/run/ab',
      '/run',
      '/run//a',
      '/run/../run/a',
      '\0/run/a',
      'name',
      '@name',
      '\0name\0',
      '\0nam',
      '',
      '/proc/self/fd/3',
    ]) {
      expect(may(grants, path)).toBe(false);
    }
  });

  it('are not among *', () => {
    const grants = net(['*', '0.0.0.0/0']);
    expect(may(grants, '/var/run/docker.sock')).toBe(false);
    expect(may(grants, '')).toBe(false);
  });

  it('take /in as part of the path, and obey deny', () => {
    expect(may(net(['unix:/run/in']), '/run/in')).toBe(true);
    expect(may(net(['unix:/run/in'], ['unix:/run/in']), '/run/in')).toBe(false);
    expect(may(net(['unix:/run/in'], ['*']), '/run/in')).toBe(true);
  });

  it('and IP addresses are not taken for one another', () => {
    expect(judge(net(['*', 'unix:/a']), 'connect', 'tcp', unix('/a'))).toBe(false);
    expect(judge(net(['*', 'unix:/a']), 'connect', 'unix', inet('127.0.0.1', 1))).toBe(false);
  });
});

describe('an address that lies (B97)', () => {
  it('is refused for every use, whatever is granted', () => {
    const whole = inet('127.0.0.1', 80);
    const short = whole.slice();
    short[0] = 15;
    const long = whole.slice();
    long[3] = 0xff;
    const foreign = whole.slice();
    foreign[4] = 16;
    const empty = new Uint8Array(SOCKADDR_BYTES);
    for (const buffer of [short, long, foreign, empty, new Uint8Array(0)]) {
      for (const use of [...USES, 'accept'] as const) {
        expect(judge(net(['*']), use, 'tcp', buffer)).toBe(false);
        expect(denialText(use, 'tcp', buffer)).toContain('no flag grants it');
      }
    }
    expect(connects(net(['*']), '127.0.0.1')).toBe(true);
  });

  it('is judged the same whatever its scope and flow', () => {
    const buffer = new Uint8Array(SOCKADDR_BYTES);
    encodeInet6(buffer, parseIp('fe80::1') ?? new Uint8Array(16), 0, 80, 7);
    buffer.fill(0xff, 8, 12);
    expect(judge(net(['[fe80::1]']), 'connect', 'tcp', buffer)).toBe(true);
    expect(judge(net(['*'], ['[fe80::1]']), 'connect', 'tcp', buffer)).toBe(false);
  });
});

describe('a denial', () => {
  it.each([
    [
      'connect',
      '10.0.0.1',
      'denied: connect to tcp 10.0.0.1:443; grant it with --allow-net=tcp:10.0.0.1:443/out',
    ],
    ['bind', '::', 'denied: bind to tcp [::]:443; grant it with --allow-net=tcp:[::]:443/in'],
    [
      'send',
      '::ffff:10.0.0.1',
      'denied: send to tcp [::ffff:10.0.0.1]:443; ' +
        'grant it with --allow-net=tcp:10.0.0.1:443/out',
    ],
    [
      'connect',
      '0.0.0.0',
      'denied: connect to tcp 0.0.0.0:443; grant it with ' +
        '--allow-net=tcp:0.0.0.0:443/out --allow-net=tcp:127.0.0.1:443/out',
    ],
  ] as const)('of %s to %s says so', (use, ip, text) => {
    expect(denialText(use, 'tcp', inet(ip, 443))).toBe(text);
  });

  it('names the rule that forbids', () => {
    const grants = net(['*'], ['10.0.0.0/8']);
    const text = 'denied: bind to udp 0.0.0.0:53; --deny-net=10.0.0.0/8 forbids it';
    expect(denialText('bind', 'udp', inet('0.0.0.0', 53), grants)).toBe(text);
    const peer = 'denied: accept from tcp 10.1.1.1:1; --deny-net=10.0.0.0/8 forbids it';
    expect(denialText('accept', 'tcp', inet('10.1.1.1', 1), grants)).toBe(peer);
    const path = 'denied: bind to unix unix:/a; --deny-net=unix:/a forbids it';
    expect(denialText('bind', 'unix', unix('/a'), net([], ['unix:/a']))).toBe(path);
  });

  it('of an unnamed unix address names no flag', () => {
    expect(denialText('bind', 'unix', unix(''))).toContain('no flag grants an unnamed address');
  });

  it('names flags that do grant it, for every address', () => {
    const ip = fc.oneof(
      fc.constantFrom('0.0.0.0', '::', '::1', '::ffff:0.0.0.0', '64:ff9b::1'),
      fc.uint8Array({ minLength: 4, maxLength: 4 }).map((bytes) => formatIp(bytes)),
      fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => formatIp(bytes)),
    );
    const buffers = fc.oneof(
      fc.tuple(ip, fc.nat(65_535)).map(([text, port]) => inet(text, port)),
      fc.constantFrom('/run/a', '\0name', 'relative').map((path) => unix(path)),
    );
    fc.assert(
      fc.property(buffers, fc.constantFrom(...USES), (buffer, use) => {
        const transport = decodeSockaddr(buffer)?.family === 'unix' ? 'unix' : 'udp';
        const text = denialText(use, transport, buffer, NO_GRANTS.net);
        const flags = [...text.matchAll(/--allow-net=(\S+)/g)].map(([, value]) => value);
        expect(judge(net(flags), use, transport, buffer)).toBe(true);
      }),
    );
  });
});
