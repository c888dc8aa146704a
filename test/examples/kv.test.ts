/** The key-value example, as its README runs it: what it answers. */
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type GuestHere, startGuest } from '../support/guest-here.js';
import { startGuestProcess } from '../support/guest-process.js';
import { type Reply, RespClient, encode } from './resp.js';

const MIB = 1024 * 1024;

/** Asks until a reply is what it must become, but not for ever; returns the last one. */
async function last(ask: () => Promise<Reply>, wanted: Reply): Promise<Reply> {
  const deadline = performance.now() + 5000;
  let reply = await ask();
  while (reply !== wanted && performance.now() < deadline) reply = await ask();
  return reply;
}

async function usedMemory(client: RespClient): Promise<number> {
  const info = String(await client.call('INFO', 'memory'));
  return Number(/used_memory:(\d+)/u.exec(info)?.[1]);
}

/** The same numbers in every run: a linear congruential generator. */
function generator(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fff_ffff;
    return Math.floor((state / 0x8000_0000) * below);
  };
}

/** Commands in order, words separated by blanks, and the reply to each. */
const CONVERSATIONS: readonly (readonly [title: string, lines: [string, Reply][]])[] = [
  [
    'sets and gets, under conditions and with a time to live',
    [
      ['GET k', null],
      ['set k v', 'OK'],
      ['Get k', 'v'],
      ['SET k w NX', null],
      ['SET other w XX', null],
      ['SET k w XX GET', 'v'],
      ['SET k x NX XX', '-ERR syntax error'],
      ['SET k x EX 100', 'OK'],
      ['TTL k', 100],
      ['SET k y KEEPTTL', 'OK'],
      ['TTL k', 100],
      ['SET k y', 'OK'],
      ['TTL k', -1],
      ['SET k z EXAT 1', 'OK'],
      ['GET k', null],
      ['SET k z PXAT 99999999999999', 'OK'],
      ['EXISTS k k other', 2],
      ['SET k z EX 0', "-ERR invalid expire time in 'set' command"],
      ['SET k z EX', '-ERR syntax error'],
      ['SET k z PX ten', '-ERR value is not an integer or out of range'],
      ['SET k z EX 9223372036854775807', "-ERR invalid expire time in 'set' command"],
      ['SET k', "-ERR wrong number of arguments for 'set' command"],
    ],
  ],
  [
    'counts, to the last number of 64 bits',
    [
      ['INCR n', 1],
      ['INCRBY n 41', 42],
      ['DECR n', 41],
      ['DECRBY n 50', -9],
      ['SET n 9223372036854775807', 'OK'],
      ['INCR n', '-ERR increment or decrement would overflow'],
      ['GET n', '9223372036854775807'],
      ['SET n -9223372036854775808', 'OK'],
      ['DECR n', '-ERR increment or decrement would overflow'],
      ['DECRBY n -9223372036854775808', '-ERR decrement would overflow'],
      ['SET n 007', 'OK'],
      ['INCR n', '-ERR value is not an integer or out of range'],
      ['INCRBY m x', '-ERR value is not an integer or out of range'],
      ['SET n 5 EX 100', 'OK'],
      ['INCR n', 6],
      ['TTL n', 100],
    ],
  ],
  [
    'handles several keys at once',
    [
      ['MSET a 1 b 2 a 3', 'OK'],
      ['MGET a none b', ['3', null, '2']],
      ['MSET a 1 b', "-ERR wrong number of arguments for 'mset' command"],
      ['DBSIZE', 2],
      ['DEL a none b a', 2],
      ['DBSIZE', 0],
    ],
  ],
  [
    'lets keys expire under conditions',
    [
      ['EXPIRE k 10', 0],
      ['TTL k', -2],
      ['SET k v', 'OK'],
      ['EXPIRE k 10 XX', 0],
      ['EXPIRE k 10 NX', 1],
      ['EXPIRE k 5 GT', 0],
      ['EXPIRE k 5 LT', 1],
      ['EXPIRE k 5 NX LT', '-ERR NX and XX, GT or LT options at the same time are not compatible'],
      ['EXPIRE k 9223372036854775807', "-ERR invalid expire time in 'expire' command"],
      ['PERSIST k', 1],
      ['PTTL k', -1],
      ['PEXPIRE k -1', 1],
      ['EXISTS k', 0],
    ],
  ],
  [
    'answers what clients ask before they begin',
    [
      ['PING', 'PONG'],
      ['PING hi', 'hi'],
      ['ECHO hi', 'hi'],
      ['SELECT 0', 'OK'],
      ['SELECT 1', '-ERR DB index is out of range'],
      ['CONFIG GET save', ['save', '']],
      ['CONFIG GET nothing', []],
      ['COMMAND COUNT', 26],
      ['COMMAND DOCS', []],
      ['CLIENT SETNAME me', 'OK'],
      ['HELLO 3', '-NOPROTO unsupported protocol version'],
      ['NOPE a', "-ERR unknown command 'NOPE', with args beginning with: 'a' "],
    ],
  ],
];

describe.each(['kv', 'kv-poll'])('%s', (variant) => {
  let guest: GuestHere;
  let client: RespClient;
  beforeAll(async () => {
    guest = await startGuest(`examples/kv/build/${variant}.wasm`);
    client = await RespClient.connect(guest.port);
  });
  afterAll(async () => {
    client.close();
    await guest.stop();
  });

  test.each(CONVERSATIONS)('%s', async (_, lines) => {
    await client.call('FLUSHALL');
    const heard: [string, Reply][] = [];
    for (const [line] of lines) heard.push([line, await client.call(...line.split(' '))]);
    expect(heard).toEqual(lines);
  });

  test('describes its commands and itself', async () => {
    const commands = (await client.call('COMMAND')) as Reply[][];
    expect(commands).toHaveLength(26);
    expect(commands).toContainEqual(['mset', -3, [], 1, -1, 2]);
    expect(await client.call('INFO')).toMatch(/redis_version:.*\r\n[^]*connected_clients:1\r\n/);
  });

  /** Sends bytes on a connection of their own, and takes all that comes until its end. */
  async function ask(bytes: string | Buffer): Promise<string> {
    const other = await RespClient.connect(guest.port);
    await other.raw.send(bytes);
    const answer = await other.raw.takeAll();
    other.close();
    return answer.toString('latin1');
  }

  test('ends the connection after QUIT, and executes nothing behind it', async () => {
    const other = await RespClient.connect(guest.port);
    const requests = [encode('SET', 'k', '1'), encode('QUIT'), encode('SET', 'k', '2')];
    await other.raw.send(Buffer.concat(requests));
    expect((await other.raw.takeAll()).toString()).toBe('+OK\r\n+OK\r\n');
    expect(await client.call('GET', 'k')).toBe('1');
    // It lingers: at once closed, it would answer the first byte with a reset, and break the next.
    await other.raw.send('x');
    await client.call('PING');
    await other.raw.send('x');
    other.close();
  });

  test('answers a person at a terminal, who then ends the input', async () => {
    const other = await RespClient.connect(guest.port);
    other.raw.socket.end('SET k "a \\x41"\r\n  get k\n\r\nPING\r\n');
    expect((await other.raw.takeAll()).toString()).toBe('+OK\r\n$3\r\na A\r\n+PONG\r\n');
    other.close();
  });

  test('answers the same when the bytes are split at any place', async () => {
    const request = Buffer.concat([
      encode('SET', 'sp\r\nlit', '\0$3\r\n*1\r\n'),
      Buffer.from('GET "sp\\r\\nlit"\r\n\r\n*0\r\n'),
      encode('MGET', 'sp\r\nlit', ''),
    ]);
    const expected: Reply[] = ['OK', '\0$3\r\n*1\r\n', ['\0$3\r\n*1\r\n', null]];
    const other = await RespClient.connect(guest.port);
    for (let at = 1; at < request.length; at++) {
      await other.raw.send(request.subarray(0, at));
      // It serves in order: when this is answered, the first part has been received.
      expect(await client.call('PING')).toBe('PONG');
      await other.raw.send(request.subarray(at));
      expect(await other.replies(3), `split at ${at}`).toEqual(expected);
    }
    other.close();
  });

  test('answers the same when every byte comes alone', async () => {
    const request = Buffer.concat([encode('SET', 'k', 'x'.repeat(40)), encode('GET', 'k')]);
    const other = await RespClient.connect(guest.port);
    for (const byte of request) {
      await other.raw.send(Buffer.of(byte));
      expect(await client.call('PING')).toBe('PONG');
    }
    expect(await other.replies(2)).toEqual(['OK', 'x'.repeat(40)]);
    other.close();
  });

  test('answers 10,000 pipelined commands in their order', async () => {
    await client.call('FLUSHALL');
    const numbers = Array.from({ length: 5000 }, (_, i) => `${i}`);
    const requests = numbers.flatMap((i) => [
      encode('SET', `key ${i}`, i),
      encode('GET', `key ${i}`),
    ]);
    expect(await client.pipeline(requests)).toEqual(numbers.flatMap((i) => ['OK', i]));
    expect(await client.call('DBSIZE')).toBe(5000);
  });

  test('keeps keys and values byte for byte', async () => {
    const bytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
    const keys = [Buffer.alloc(0), Buffer.of(0), Buffer.of(0, 0), bytes, bytes.subarray(1)];
    for (const key of keys) expect(await client.call('SET', key, key)).toBe('OK');
    expect(await client.call('MGET', ...keys)).toEqual(keys.map((key) => key.toString('latin1')));
    expect(await client.call('DEL', ...keys)).toBe(5);
  });

  test('agrees with a map on 30,000 random commands', async () => {
    await client.call('FLUSHALL');
    const random = generator(2);
    const model = new Map<string, string>();
    const requests: Buffer[] = [];
    const expected: Reply[] = [];
    for (let i = 0; i < 30_000; i++) {
      const key = `key ${random(3000)}`;
      const choice = random(5);
      if (choice < 2) {
        const value = 'v'.repeat(random(200));
        requests.push(encode('SET', key, value));
        expected.push('OK');
        model.set(key, value);
      } else if (choice < 4) {
        requests.push(encode('GET', key));
        expected.push(model.get(key) ?? null);
      } else {
        requests.push(encode('DEL', key));
        expected.push(model.delete(key) ? 1 : 0);
      }
    }
    expect(await client.pipeline(requests)).toEqual(expected);
    expect(await client.call('DBSIZE')).toBe(model.size);
  });

  test('removes what has expired, whether it is asked for or not', async () => {
    await client.call('FLUSHALL');
    expect(await client.call('SET', 'asked', 'v', 'PX', '30')).toBe('OK');
    expect(await client.call('PTTL', 'asked')).toBeLessThanOrEqual(30);
    expect(await last(async () => client.call('PTTL', 'asked'), -2)).toBe(-2);
    expect(await client.call('GET', 'asked')).toBeNull();
    for (let i = 0; i < 50; i++) await client.call('SET', `swept ${i}`, 'v', 'PX', '1');
    await client.call('SET', 'stays', 'v', 'EX', '100');
    expect(await last(async () => client.call('DBSIZE'), 1)).toBe(1);
    expect(await client.call('GET', 'stays')).toBe('v');
  });

  test.each([
    ['invalid multibulk length', '*x\r\n'],
    ['invalid multibulk length', '*1048577\r\n'],
    ['invalid multibulk length', '*99999999999999999999\r\n'],
    ['too big mbulk count string', `*${'1'.repeat(40)}`],
    ["expected '$', got ':'", '*1\r\n:1\r\n'],
    ['invalid bulk length', '*1\r\n$-1\r\n'],
    ['invalid bulk length', '*1\r\n$16777217\r\n'],
    ['invalid bulk length', '*1\r\n$4294967297\r\n'],
    ['too big bulk count string', `*1\r\n$${'1'.repeat(40)}`],
    ['expected CR LF after a bulk string', '*1\r\n$4\r\nPINGxx'],
    ['unbalanced quotes in request', 'SET "k v\r\n'],
    ['too big inline request', 'x'.repeat(70_000)],
  ])('answers what came before, a protocol error, and ends: %s', async (why, bytes) => {
    expect(await ask(`PING\r\n${bytes}`)).toBe(`+PONG\r\n-ERR Protocol error: ${why}\r\n`);
  });

  test('does not answer what a web page can send, nor execute what comes behind it', async () => {
    expect(await ask('POST / HTTP/1.1\r\nHost: kv\r\n\r\nPING\r\n')).toBe('');
  });

  test('takes no memory for lengths that are only declared', async () => {
    const before = await usedMemory(client);
    const declarations = [`*9\r\n$16777216\r\n${'x'.repeat(5000)}`, '*1048576\r\n$3\r\nSET\r\n'];
    const clients: RespClient[] = [];
    for (let i = 0; i < 100; i++) {
      const other = await RespClient.connect(guest.port);
      await other.raw.send(declarations[i % 2] ?? '');
      clients.push(other);
    }
    await client.call('PING');
    for (const other of clients) await other.raw.send('$');
    expect((await usedMemory(client)) - before).toBeLessThan(100 * 32 * 1024);
    for (const other of clients) other.close();
    expect(await last(async () => usedMemory(client), before)).toBe(before);
  });

  /** A client that has asked for 64 MiB, and reads nothing. */
  async function slowReader(): Promise<RespClient> {
    await client.call('SET', 'large', Buffer.alloc(MIB, 'v'));
    const slow = await RespClient.connect(guest.port);
    slow.raw.socket.pause();
    await slow.raw.send(Buffer.concat(Array.from({ length: 64 }, () => encode('GET', 'large'))));
    for (let i = 0; i < 100; i++) expect(await client.call('PING')).toBe('PONG');
    return slow;
  }

  test('keeps one reply for a slow reader, and serves others meanwhile (B73)', async () => {
    await client.call('SET', 'large', Buffer.alloc(MIB, 'v'));
    const before = await usedMemory(client);
    const slow = await slowReader();
    const kept = (await usedMemory(client)) - before;
    expect(kept).toBeGreaterThan(0);
    expect(kept).toBeLessThan(2.5 * MIB);
    slow.raw.socket.resume();
    const reply = `$${MIB}\r\n${'v'.repeat(MIB)}\r\n`;
    for (let i = 0; i < 64; i++) {
      expect((await slow.raw.take(reply.length)).equals(Buffer.from(reply))).toBe(true);
    }
    expect(await slow.call('PING')).toBe('PONG');
    slow.close();
  });

  test('forgets a client that resets while replies wait for it (E10)', async () => {
    await client.call('SET', 'large', Buffer.alloc(MIB, 'v'));
    const before = await usedMemory(client);
    const slow = await slowReader();
    slow.raw.socket.resetAndDestroy();
    expect(await last(async () => usedMemory(client), before)).toBe(before);
  });
});

test('kv-poll imports nothing that is not portable', async () => {
  const module = await WebAssembly.compile(await readFile('examples/kv/build/kv-poll.wasm'));
  const modules = WebAssembly.Module.imports(module).map((each) => each.module);
  expect([...new Set(modules)].toSorted()).toEqual(['wasi_snapshot_preview1']);
});

describe('kv, told to stop', () => {
  test.each(['SIGTERM', 'SIGINT'] as const)(
    'at %s answers the commands that have arrived, and ends',
    async (signal) => {
      const guest = await startGuest('examples/kv/build/kv.wasm');
      const idle = await RespClient.connect(guest.port);
      const value = Buffer.alloc(MIB, 'v').toString('latin1');
      expect(await idle.call('SET', 'k', value, 'EX', '100')).toBe('OK');
      const slow = await RespClient.connect(guest.port);
      slow.raw.socket.pause();
      const gets = Array.from({ length: 20 }, () => encode('GET', 'k'));
      // Behind them, a command that never comes to its end.
      await slow.raw.send(Buffer.concat([...gets, Buffer.from('*2\r\n$3\r\nGET')]));
      expect(await idle.call('PING')).toBe('PONG');
      const late = await RespClient.connect(guest.port);
      await late.raw.send(encode('TTL', 'none'));
      const ended = guest.stop(signal);
      expect((await late.raw.takeAll()).toString()).toBe(':-2\r\n');
      expect((await idle.raw.takeAll()).toString()).toBe('');
      await expect(RespClient.connect(guest.port)).rejects.toThrow('ECONNREFUSED');
      slow.raw.socket.resume();
      expect((await slow.replies(20)).every((reply) => reply === value)).toBe(true);
      expect((await slow.raw.takeAll()).toString()).toBe('');
      for (const client of [idle, slow, late]) client.close();
      expect(await ended).toBe(0);
    },
  );

  test('kv-poll is portable, has no signals, and just ends', async () => {
    const guest = await startGuestProcess('examples/kv/build/kv-poll.wasm');
    const client = await RespClient.connect(guest.port);
    expect(await client.call('PING')).toBe('PONG');
    expect(await guest.stop()).toBe(143);
    client.close();
  });
});
