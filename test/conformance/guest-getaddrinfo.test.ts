/** `sock_getaddrinfo`: the system's resolver, behind a grant of its own (B41). */
import { Addrinfo, AddressFamily, ResolverErrno, SockType, Sockaddr } from '#host/abi/wasmedge.js';
import { Errno } from '#host/errno.js';
import { allowsName, isName, parseResolveRule } from '#host/grants.js';
import { describe, expect, test } from 'vitest';

import { type Driven, type DrivenOptions, withDriven } from '../support/driven.js';

const NODE = 0x1_1000;
const SERVICE = 0x1_2000;
const HINTS = 0x1_3000;
const HEAD = 0x1_3100;
const COUNT = 0x1_3200;
/** The guest's list: each node with its sockaddr and its bytes behind it. */
const LIST = 0x1_4000;
const NODE_BYTES = 128;

/** Lays out `count` nodes, as the Rust crate does: 26 bytes of data that say they are 14. */
async function layList(driven: Driven, count: number, says = 14): Promise<void> {
  const bytes = new Uint8Array(count * NODE_BYTES);
  const view = new DataView(bytes.buffer);
  for (let index = 0; index < count; index++) {
    const at = index * NODE_BYTES;
    Addrinfo.addr.set(view, at, LIST + at + 32);
    Addrinfo.next.set(view, at, index + 1 < count ? LIST + at + NODE_BYTES : 0);
    Sockaddr.dataLen.set(view, at + 32, says);
    Sockaddr.data.set(view, at + 32, LIST + at + 64);
  }
  await driven.write(LIST, bytes);
  await driven.call('store64', HEAD, LIST);
}

async function lookUp(
  driven: Driven,
  node: string,
  { service = '80', family = 1, max = 8 }: { service?: string; family?: number; max?: number } = {},
): Promise<number> {
  const nodeBytes = Buffer.from(`${node}\0`);
  const serviceBytes = Buffer.from(`${service}\0`);
  const hints = new Uint8Array(Addrinfo.SIZE);
  Addrinfo.family.set(new DataView(hints.buffer), 0, family);
  Addrinfo.socktype.set(new DataView(hints.buffer), 0, SockType.STREAM);
  await driven.write(NODE, nodeBytes);
  await driven.write(SERVICE, serviceBytes);
  await driven.write(HINTS, hints);
  const texts = [NODE, nodeBytes.length, SERVICE, serviceBytes.length] as const;
  return driven.call('sock_getaddrinfo', ...texts, HINTS, HEAD, max, COUNT);
}

/** Family, port and address bytes of the first answer. */
async function firstAnswer(driven: Driven, length: number): Promise<number[]> {
  const family = await driven.call('load8', LIST + 32);
  return [family, ...(await driven.read(LIST + 64, 2 + length))];
}

const granted = (...rules: string[]): DrivenOptions => ({ resolve: rules.map(parseResolveRule) });

describe('an address in text', () => {
  test('needs no grant, and comes back as bytes', async () => {
    await withDriven({}, async (driven) => {
      await layList(driven, 8);
      expect(await lookUp(driven, '127.0.0.9', { service: '8080' })).toBe(0);
      expect(await driven.u32(COUNT)).toBe(1);
      const answer = await firstAnswer(driven, 4);
      expect(answer).toEqual([AddressFamily.INET4, 0x1f, 0x90, 127, 0, 0, 9]);
      await layList(driven, 8);
      expect(await lookUp(driven, '::1', { family: AddressFamily.INET6 })).toBe(0);
      const loopback = [...Array<number>(15).fill(0), 1];
      const answer6 = await firstAnswer(driven, 16);
      expect(answer6).toEqual([AddressFamily.INET6, 0, 80, ...loopback]);
    });
  });

  test('B41 a list that leads out of memory is FAULT; no room is no answer', async () => {
    await withDriven({}, async (driven) => {
      await layList(driven, 1);
      expect(await lookUp(driven, '127.0.0.1', { max: 0 })).toBe(0);
      expect(await driven.u32(COUNT)).toBe(0);
      await driven.call('store64', HEAD, 0xffff_fff0);
      expect(await lookUp(driven, '127.0.0.1')).toBe(Errno.FAULT);
      await layList(driven, 1, 5);
      expect(await lookUp(driven, '127.0.0.1')).toBe(Errno.INVAL);
    });
  });
});

describe('a name', () => {
  test('B38 B41 is not looked up without its grant, and the denial names the flag', async () => {
    await withDriven({}, async (driven, { reported }) => {
      await layList(driven, 8);
      const said = reported();
      expect(await lookUp(driven, 'localhost')).toBe(Errno.ACCES);
      expect(await said).toBe(
        'denied: look-up of localhost; grant it with --allow-resolve=localhost',
      );
      // To the resolver, this is an address; to us, a name: nothing is gained by the spelling.
      expect(await lookUp(driven, '127.1')).toBe(Errno.ACCES);
    });
  });

  test('is looked up with it, and what it leads to is still to be granted', async () => {
    await withDriven(granted('local*'), async (driven) => {
      await layList(driven, 8);
      expect(await lookUp(driven, 'LOCALHOST')).toBe(0);
      expect(await firstAnswer(driven, 4)).toEqual([AddressFamily.INET4, 0, 80, 127, 0, 0, 1]);
    });
  });

  test('B41 names that are none never reach the resolver, however wide the grant', async () => {
    await withDriven(granted('*'), async (driven) => {
      await layList(driven, 8);
      for (const name of ['a b', 'x'.repeat(64), 'bücher.example', `${'a.'.repeat(200)}a`, '..']) {
        expect([name, await lookUp(driven, name)]).toEqual([name, ResolverErrno.AINONAME]);
      }
      expect(await lookUp(driven, '127.0.0.1', { family: 7 })).toBe(ResolverErrno.AIFAMILY);
    });
  });
});

test('B41 rules: any case, any characters for a star, the whole name and nothing less', () => {
  const rules = ['*.example.com', 'db'].map(parseResolveRule);
  const allowed = ['a.example.com', 'A.B.Example.COM.', 'db', 'DB.'];
  const denied = ['example.com', 'a.example.com.evil', 'adb', 'aXexampleYcom', '', '.'];
  expect(allowed.filter((name) => !allowsName(rules, name))).toEqual([]);
  expect(denied.filter((name) => allowsName(rules, name))).toEqual([]);
  expect(allowsName([], 'db')).toBe(false);
  for (const text of ['', 'a b', 'a/b', 'a\0', '[x]']) {
    expect(() => parseResolveRule(text)).toThrow(/--allow-resolve=/);
  }
  expect(['a'.repeat(63), 'a_b', 'x--y.z.'].every(isName)).toBe(true);
  expect(['a..b', '', 'a\n', '.a'].some(isName)).toBe(false);
});
