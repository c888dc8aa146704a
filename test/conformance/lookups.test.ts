/** Names, as the system's resolver has them: `getaddrinfo(3)` without the wait. */
import { EPOLLIN, EPOLLOUT } from '#host/abi/epoll.js';
import { AF_INET, AF_INET6 } from '#host/address.js';
import type { Handle } from '#host/kernel/kernel.js';
import { expect, test } from 'vitest';

import { SOCK_DGRAM, SOCK_STREAM, type World, everyKernel, ok, said } from './world.js';

const AI_PASSIVE = 1;
const AI_NUMERICHOST = 4;
const AI_NUMERICSERV = 0x400;
const NUMERIC = AI_NUMERICHOST | AI_NUMERICSERV;
const EAI_NONAME = -1002;
const EAI_FAMILY = -1006;
const AF_UNSPEC = 0;
const [IPPROTO_TCP, IPPROTO_UDP] = [6, 17];
const RECORD_BYTES = 140;

interface Asked {
  readonly node?: string;
  readonly service?: string;
  readonly family?: number;
  readonly type?: number;
  readonly flags?: number;
}

function resolve(world: World, asked: Asked): Handle {
  const node = new TextEncoder().encode(asked.node ?? '');
  const service = new TextEncoder().encode(asked.service ?? '');
  const bytes = Uint8Array.from([...node, ...service]);
  const { family = AF_UNSPEC, type = 0, flags = 0 } = asked;
  const ranges = [0, node.length, node.length, service.length] as const;
  return world.kernel.resolve(bytes, ...ranges, family, type, flags);
}

interface Found {
  readonly type: number;
  readonly protocol: number;
  /** The `struct sockaddr_*`. */
  readonly address: readonly number[];
}

/** The answer, once it is there; the resolver's error as a number. */
function answer(world: World, asked: Asked, room = 16): Found[] | number {
  const handle = ok(resolve(world, asked));
  world.until(handle, EPOLLIN);
  const bytes = new Uint8Array(room * RECORD_BYTES);
  const count = world.kernel.resolved(handle, bytes, 0, room);
  ok(world.kernel.close(handle));
  if (count < 0) return count;
  const view = new DataView(bytes.buffer);
  return Array.from({ length: count }, (_each, index) => {
    const at = index * RECORD_BYTES;
    const length = view.getUint32(at + 8, true);
    return {
      type: view.getUint32(at, true),
      protocol: view.getUint32(at + 4, true),
      address: Array.from(bytes.subarray(at + 12, at + 12 + length)),
    };
  });
}

/** A `sockaddr_in` or `sockaddr_in6`. */
function sockaddr(family: number, port: number, ip: readonly number[]): number[] {
  const head = [family, 0, port >> 8, port & 0xff];
  if (family === AF_INET) return [...head, ...ip, ...new Uint8Array(8)];
  return [...head, 0, 0, 0, 0, ...ip, 0, 0, 0, 0];
}

const LOOPBACK4 = [127, 0, 0, 1];
const LOOPBACK6 = [...new Uint8Array(15), 1];

everyKernel('lookups', (world) => {
  test('of numbers answer with the address they are', () => {
    const tcp = { type: SOCK_STREAM, flags: NUMERIC };
    expect(answer(world(), { node: '127.0.0.1', service: '8080', ...tcp })).toEqual([
      {
        type: SOCK_STREAM,
        protocol: IPPROTO_TCP,
        address: sockaddr(AF_INET, 8080, LOOPBACK4),
      },
    ]);
    const udp = { type: SOCK_DGRAM, flags: NUMERIC };
    expect(answer(world(), { node: '::1', service: '53', ...udp })).toEqual([
      { type: SOCK_DGRAM, protocol: IPPROTO_UDP, address: sockaddr(AF_INET6, 53, LOOPBACK6) },
    ]);
  });

  test('of localhost answer with a loopback address', () => {
    const asked = { node: 'localhost', service: '80', family: AF_INET, type: SOCK_STREAM };
    expect(answer(world(), asked)).toContainEqual({
      type: SOCK_STREAM,
      protocol: IPPROTO_TCP,
      address: sockaddr(AF_INET, 80, LOOPBACK4),
    });
  });

  test('without a name are of any address when passive, else of loopback', () => {
    const asked = { service: '80', family: AF_INET, type: SOCK_STREAM };
    const [any] = Object.values(answer(world(), { ...asked, flags: AI_PASSIVE }));
    const [own] = Object.values(answer(world(), asked));
    expect(any.address).toEqual(sockaddr(AF_INET, 80, [0, 0, 0, 0]));
    expect(own.address).toEqual(sockaddr(AF_INET, 80, LOOPBACK4));
  });

  test('of what is no name are EAI_NONAME, as the resolver numbers it', () => {
    expect(answer(world(), { node: 'not a number', flags: AI_NUMERICHOST })).toBe(EAI_NONAME);
    expect(answer(world(), {})).toBe(EAI_NONAME);
    expect(answer(world(), { node: '127.0.0.1', family: 77 })).toBe(EAI_FAMILY);
  });

  test('write as many records as there is room for, and no byte more', () => {
    // Without a type there is one record for each of three: stream, datagram, raw.
    const asked = { node: '127.0.0.1', flags: NUMERIC };
    expect(answer(world(), asked, 16)).toHaveLength(3);
    expect(answer(world(), asked, 2)).toHaveLength(2);
    expect(answer(world(), asked, 0)).toEqual([]);
  });

  test('B8 the room is checked before anything is written', () => {
    const { kernel } = world();
    const handle = ok(resolve(world(), { node: '127.0.0.1', flags: NUMERIC }));
    world().until(handle, EPOLLIN);
    const bytes = new Uint8Array(RECORD_BYTES).fill(0xee);
    for (const [offset, room] of [
      [1, 1],
      [0, 2],
      [-1, 1],
      [0, 2 ** 31 - 1],
    ] as const) {
      expect(said(kernel.resolved(handle, bytes, offset, room))).toBe('EFAULT');
    }
    for (const room of [-1, 2 ** 31]) {
      expect(said(kernel.resolved(handle, bytes, 0, room))).toBe('EINVAL');
    }
    expect(bytes.every((byte) => byte === 0xee)).toBe(true);
    expect(kernel.resolved(handle, bytes, 0, 1)).toBe(1);
  });

  test('stay answered, are readable and never writable, and hold no bytes', () => {
    const { kernel, room } = world();
    const handle = ok(resolve(world(), { node: '127.0.0.1', flags: NUMERIC }));
    world().until(handle, EPOLLIN);
    expect(world().eventsOf(handle, EPOLLIN | EPOLLOUT)).toBe(EPOLLIN);
    expect(said(kernel.read(handle, room, 0, 8))).toBe('EINVAL');
    expect(said(kernel.write(handle, room, 0, 8))).toBe('EINVAL');
    expect([1, 2].map(() => kernel.resolved(handle, room, 0, 16))).toEqual([3, 3]);
  });

  test('take names without NUL of up to 1,024 bytes, in memory', () => {
    const { kernel } = world();
    const bytes = new Uint8Array(2000).fill(0x61);
    const flags = AI_NUMERICHOST;
    expect(said(kernel.resolve(bytes, 0, 1025, 0, 0, 0, 0, flags))).toBe('EINVAL');
    expect(said(kernel.resolve(bytes, 0, 1, 0, 32, 0, 0, flags))).toBe('EINVAL');
    expect(said(kernel.resolve(bytes, 0, 2001, 0, 0, 0, 0, flags))).toBe('EFAULT');
    expect(said(kernel.resolve(bytes, 0, 1, 1999, 2, 0, 0, flags))).toBe('EFAULT');
    expect(said(resolve(world(), { node: 'localhost\0.example.org' }))).toBe('EINVAL');
    expect(said(resolve(world(), { node: 'a', service: '8\0' }))).toBe('EINVAL');
    expect(answer(world(), { node: 'a'.repeat(1024), flags })).toBe(EAI_NONAME);
  });

  test('are what `resolved` takes, and nothing else is', () => {
    const { kernel, room } = world();
    expect(said(kernel.resolved(ok(kernel.eventfd(1, 0)), room, 0, 1))).toBe('EINVAL');
    const handle = ok(resolve(world(), { node: '::1', flags: NUMERIC }));
    ok(kernel.close(handle));
    expect(said(kernel.resolved(handle, room, 0, 1))).toBe('EBADF');
  });

  test('a wake ends a wait for an answer, and the answer comes all the same', () => {
    const { kernel, room } = world();
    const handle = ok(resolve(world(), { node: '127.0.0.1', flags: NUMERIC }));
    ok(kernel.sessionWake(world().session));
    expect(said(kernel.poll(handle, EPOLLIN, -1, 0))).toBe('EINTR');
    world().until(handle, EPOLLIN);
    expect(kernel.resolved(handle, room, 0, 16)).toBe(3);
  });

  test('a session that closes gives up those under way', () => {
    const { kernel } = world();
    const session = ok(kernel.sessionOpen());
    ok(kernel.sessionEnter(session));
    for (let at = 0; at < 4; at++) {
      let handle = resolve(world(), { node: 'localhost' });
      while (said(handle) === 'EAGAIN') handle = resolve(world(), { node: 'localhost' });
      ok(handle);
    }
    expect(kernel.sessionClose(session)).toBe(4);
    ok(kernel.sessionEnter(world().session));
  });
});
