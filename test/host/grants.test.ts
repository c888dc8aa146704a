import { BlockList } from 'node:net';

import { encodeInet4, formatIp } from '#host/address.js';
import {
  DEFAULT_LIMITS,
  MEMORY_BYTES_MAX,
  NO_GRANTS,
  judge,
  parseNetRule,
  type Transport,
} from '#host/grants.js';
import { SOCKADDR_BYTES } from '#host/kernel/kernel.js';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { USES, binds, connects, inet, net, unix } from './net.js';

describe('without a rule', () => {
  it('nothing is permitted (B39)', () => {
    for (const use of USES) {
      for (const transport of ['tcp', 'udp'] as const) {
        for (const ip of ['127.0.0.1', '0.0.0.0', '::', '::1', '8.8.8.8']) {
          expect(judge(NO_GRANTS.net, use, transport, inet(ip, 0))).toBe(false);
        }
      }
      expect(judge(NO_GRANTS.net, use, 'unix', unix('/a'))).toBe(false);
    }
  });

  it('grants are plain data that crosses to a worker', () => {
    const grants = { ...NO_GRANTS, net: net(['tcp:10.0.0.0/8:80/out', 'unix:/a'], ['[::1]']) };
    expect(structuredClone(grants)).toEqual(grants);
    expect(connects(structuredClone(grants).net, '10.1.1.1')).toBe(true);
    expect(DEFAULT_LIMITS.memoryBytes).toBeLessThanOrEqual(MEMORY_BYTES_MAX);
    expect(() => Object.assign(NO_GRANTS.net, { allow: [] })).toThrow(TypeError);
  });
});

const PERMITTED_CONNECTS = [
  ['*', '8.8.8.8', 1, true],
  ['*', '2001:db8::1', 1, true],
  ['127.0.0.1', '127.0.0.1', 1, true],
  ['127.0.0.1', '127.0.0.2', 1, false],
  ['127.0.0.1:80', '127.0.0.1', 81, false],
  ['127.0.0.1:80,90-99', '127.0.0.1', 80, true],
  ['127.0.0.1:80,90-99', '127.0.0.1', 89, false],
  ['127.0.0.1:80,90-99', '127.0.0.1', 99, true],
  ['127.0.0.1:80,90-99', '127.0.0.1', 100, false],
  ['10.0.0.0/8', '10.255.0.1', 1, true],
  ['10.0.0.0/8', '11.0.0.0', 1, false],
  ['10.9.9.9/8:80', '10.1.1.1', 80, true],
  ['0.0.0.0/0', '::1', 1, false],
  ['[::]/0', '127.0.0.1', 1, false],
  ['[::1]', '::1', 1, true],
  ['[fd00::]/8:80', 'fd12::1', 80, true],
  ['[fd00::/8]:80', 'fd12::1', 80, true],
  ['[fd00::/8]:80', 'fe00::1', 80, false],
  ['localhost:80', '127.0.0.1', 80, true],
  ['localhost:80', '::1', 80, true],
  ['localhost:80', '127.0.0.2', 80, false],
  ['*:80/out', '1.1.1.1', 80, true],
  ['*:80/in', '1.1.1.1', 80, false],
  ['10.0.0.0/8/out', '10.1.1.1', 80, true],
  ['10.0.0.0/8/in', '10.1.1.1', 80, false],
  ['10.0.0.0/8:80/out', '10.1.1.1', 80, true],
  ['tcp:10.0.0.1:80/out', '10.0.0.1', 80, true],
  ['udp:10.0.0.1:80/out', '10.0.0.1', 80, false],
] as const;

describe('an allow rule', () => {
  it.each(PERMITTED_CONNECTS)('%s: connect to %s port %d: %s', (rule, ip, port, permitted) => {
    expect(connects(net([rule]), ip, port)).toBe(permitted);
  });

  it('tells in from out and tcp from udp', () => {
    const grants = net(['udp:10.0.0.1/in']);
    const at = inet('10.0.0.1', 53);
    expect(judge(grants, 'bind', 'udp', at)).toBe(true);
    expect(judge(grants, 'send', 'udp', at)).toBe(false);
    expect(judge(grants, 'connect', 'udp', at)).toBe(false);
    expect(judge(grants, 'bind', 'tcp', at)).toBe(false);
  });

  it('permits what node:net BlockList finds, for every network', () => {
    const bytes = fc.oneof(
      fc.uint8Array({ minLength: 4, maxLength: 4 }),
      fc.uint8Array({ minLength: 16, maxLength: 16 }),
    );
    const flip = fc.option(fc.nat(127), { nil: undefined });
    fc.assert(
      fc.property(bytes, fc.nat(128), flip, (network, wantedBits, bit) => {
        const bits = network.length * 8;
        const prefixBits = wantedBits % (bits + 1);
        const probe = network.slice();
        if (bit !== undefined) probe[(bit % bits) >>> 3] ^= 0x80 >>> (bit & 7);
        fc.pre(probe.some((byte) => byte !== 0));
        const family = network.length === 4 ? 'ipv4' : 'ipv6';
        const list = new BlockList();
        // BlockList asks for at least one bit.
        fc.pre(prefixBits > 0);
        list.addSubnet(formatIp(network), prefixBits, family);
        const grants = net([`[${formatIp(network)}]/${prefixBits}`]);
        expect(connects(grants, formatIp(probe))).toBe(list.check(formatIp(probe), family));
      }),
      { numRuns: 500 },
    );
  });

  it.each([
    [['*'], '::ffff:1.2.3.4', true],
    [['1.2.3.4'], '::ffff:1.2.3.4', true],
    [['[::ffff:1.2.3.4]'], '1.2.3.4', true],
    [['[::ffff:10.0.0.0]/104'], '10.9.9.9', true],
    [['[::ffff:10.0.0.0]/104'], '11.0.0.0', false],
    [['[::]/0'], '::ffff:1.2.3.4', false],
    [['1.2.3.4'], '::1.2.3.4', false],
    [['1.2.3.4'], '64:ff9b::1.2.3.4', false],
    [['[::1.2.3.4]'], '1.2.3.4', false],
  ])('%j judges an IPv4-mapped %s as the IPv4 address: %s (B40)', (rules, ip, permitted) => {
    expect(connects(net(rules), ip)).toBe(permitted);
  });
});

describe('a deny rule', () => {
  it.each(['10.0.0.1', '10.0.0.0/8', '[::ffff:10.0.0.1]', 'tcp:10.0.0.1:80/out', '*'])(
    '%s wins over every allow rule, whatever the spelling of the address (B40)',
    (rule) => {
      const grants = net(['*', '10.0.0.1', '[::]/0'], [rule]);
      for (const ip of [
        '10.0.0.1',
        '::ffff:10.0.0.1',
        '::10.0.0.1',
        '64:ff9b::10.0.0.1',
        '2002:a00:1::1',
      ]) {
        expect(connects(grants, ip)).toBe(false);
      }
    },
  );

  it('leaves the rest alone', () => {
    const grants = net(['*'], ['10.0.0.1:80-89/out']);
    expect(connects(grants, '10.0.0.2')).toBe(true);
    expect(connects(grants, '10.0.0.1', 90)).toBe(true);
    expect(connects(grants, '64:ff9b::10.0.0.2')).toBe(true);
    expect(binds(grants, '10.0.0.1')).toBe(true);
    expect(binds(grants, '0.0.0.0')).toBe(true);
  });

  it('never permits more, for any rules and address', () => {
    const rule = fc
      .record({
        host: fc.constantFrom('*', '10.0.0.1', '127.0.0.0/8', '0.0.0.0', '[::]', '[::1]', '[::]/0'),
        ports: fc.constantFrom('', ':0', ':80', ':0-65535', ':1024-65535'),
        direction: fc.constantFrom('', '/in', '/out'),
      })
      .map(({ host, ports, direction }) => `${host}${ports}${direction}`);
    const ip = fc.constantFrom('0.0.0.0', '::', '::ffff:0.0.0.0', '127.0.0.1', '::1', '10.0.0.1');
    const transport = fc.constantFrom<Transport>('tcp', 'udp');
    fc.assert(
      fc.property(
        fc.tuple(fc.array(rule), rule, ip, fc.constantFrom(0, 80, 5000)),
        fc.constantFrom(...USES),
        transport,
        ([allow, deny, address, port], use, over) => {
          const buffer = inet(address, port);
          const before = judge(net(allow), use, over, buffer);
          const after = judge(net(allow, [deny]), use, over, buffer);
          expect(before || !after).toBe(true);
          expect(judge(net([...allow, deny], [deny]), use, over, buffer) && !before).toBe(false);
        },
      ),
      { numRuns: 500 },
    );
  });
});

const RULE_REFUSALS = [
  ['', 'not an address with ports'],
  [':80', 'not an address with ports'],
  ['::1', 'IPv6 stands in brackets'],
  ['tcp:::1:80', 'IPv6 stands in brackets'],
  ['127.0.0.1/inn', 'not an address with ports'],
  ['127.0.0.1:80/in/out', 'not an address with ports'],
  ['tcp://127.0.0.1:80', 'not an address with ports'],
  ['10.0.0.0/33', 'a prefix is a number from 0 to 32'],
  ['[::]/129', 'a prefix is a number from 0 to 128'],
  ['[::/64]/64', 'a prefix is a number from 0 to 128'],
  ['[::/]', 'a prefix is a number from 0 to 128'],
  ['*/8', "'*' is not an IP address"],
  ['127.1:80', "'127.1' is not an IP address"],
  ['0177.0.0.1', "'0177.0.0.1' is not an IP address"],
  ['[fe80::1%2]', "'fe80::1%2' is not an IP address"],
  ['example.com:443', '--allow-resolve'],
  ['*:', "'' is not a port or a range"],
  ['*:65536', "'65536' is not a port or a range"],
  ['*:90-80', "'90-80' is not a port or a range"],
  ['*:80,', "'' is not a port or a range"],
  ['*:http', "'http' is not a port or a range"],
  ['unix:', 'a unix path has 1 to 108 bytes'],
  ['unix:@', 'a unix path has 1 to 108 bytes'],
  [`unix:${'a'.repeat(109)}`, 'a unix path has 1 to 108 bytes'],
  ['unix:/a\0b', 'none of them zero'],
] as const;

describe('--allow-net and --deny-net', () => {
  it.each(RULE_REFUSALS)('%j is refused: %s', (text, reason) => {
    for (const option of ['--allow-net', '--deny-net'] as const) {
      let caught: unknown;
      try {
        parseNetRule(text, option);
      } catch (error) {
        caught = error;
      }
      expect(caught).toMatchObject({ code: 'ERR_SANDPOLL_USAGE' });
      const { message } = caught as Error;
      expect(message).toContain(`${option}=${text}: `);
      expect(message).toContain(reason);
      const right = /write it as in --(?:allow|deny)-net=(\S+)$/.exec(message)?.[1] ?? '';
      expect(parseNetRule(right, option)).toHaveProperty('text', right);
    }
  });

  it('do nothing but parse or refuse, whatever the text', () => {
    const text = fc.oneof(
      fc.string(),
      fc.array(fc.constantFrom('tcp:', '10.0.0.1', '*', '/8', ':80', '-90', ',', '/in', '[::1]')),
    );
    const probe = new Uint8Array(SOCKADDR_BYTES);
    encodeInet4(probe, Uint8Array.of(10, 0, 0, 1), 0, 80);
    fc.assert(
      fc.property(text, (parts) => {
        try {
          const rule = parseNetRule(
            typeof parts === 'string' ? parts : parts.join(''),
            '--allow-net',
          );
          expect(judge({ allow: [rule], deny: [rule] }, 'connect', 'tcp', probe)).toBe(false);
        } catch (error) {
          expect(error).toMatchObject({ code: 'ERR_SANDPOLL_USAGE' });
        }
      }),
    );
  });
});
