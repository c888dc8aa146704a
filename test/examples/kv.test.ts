/** The key-value example, as its README runs it: what it answers. */
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type GuestProcess, startGuest } from '../support/guest-process.js';
import { type Reply, RespClient, encode } from './resp.ts';

const MIB = 1024 * 1024;

/** Asks until a reply is what it must become. */
async function becomes(ask: () => Promise<Reply>, wanted: Reply): Promise<void> {
  const deadline = performance.now() + 5000;
  let reply = await ask();
  while (reply !== wanted && performance.now() < deadline) reply = await ask();
  expect(reply).toBe(wanted);
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

describe.each([
  ['kv', 'epoll'],
  ['kv-poll', 'poll_oneoff'],
])('examples/kv: %s.wasm over %s', (name) => {
  let server: Server;
  let client: Client;
  beforeAll(async () => {
    server = await startServer(name);
    client = await Client.connect(server.port);
  });
  afterAll(async () => {
    client.close();
    expect(await server.stop()).toBe(143);
    expect(server.stderr()).not.toMatch(/trapped/);
  });

  /** Calls a list of commands, words separated by blanks, and compares each reply. */
  async function converse(lines: [string, Reply][]): Promise<void> {
    expect(await client.call('FLUSHALL')).toBe('OK');
    const replies: [string, Reply][] = [];
    for (const [line] of lines) replies.push([line, await client.call(...line.split(' '))]);
    expect(replies).toEqual(lines);
  }

  it('sets and gets, under conditions and with a time to live', () =>
    converse([
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
    ]));

  it('counts, to the last number of 64 bits', () =>
    converse([
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
    ]));

  it('handles several keys at once', () =>
    converse([
      ['MSET a 1 b 2 a 3', 'OK'],
      ['MGET a none b', ['3', null, '2']],
      ['MSET a 1 b', "-ERR wrong number of arguments for 'mset' command"],
      ['DBSIZE', 2],
      ['DEL a none b a', 2],
      ['DBSIZE', 0],
    ]));

  it('lets keys expire under conditions', () =>
    converse([
      ['EXPIRE k 10', 0],
      ['TTL k', -2],
      ['SET k v', 'OK'],
      ['EXPIRE k 10 XX', 0],
      ['EXPIRE k 10 NX', 1],
      ['EXPIRE k 5 GT', 0],
      ['EXPIRE k 5 LT', 1],
      ['EXPIRE k 5 NX LT', expect.stringMatching(/^-ERR NX and XX, GT or LT/)],
      ['EXPIRE k 9223372036854775807', "-ERR invalid expire time in 'expire' command"],
      ['PERSIST k', 1],
      ['PTTL k', -1],
      ['PEXPIRE k -1', 1],
      ['EXISTS k', 0],
    ]));

  it('answers what clients ask before they begin', () =>
    converse([
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
    ]));

  it('describes its commands and itself', async () => {
    const commands = (await client.call('COMMAND')) as Reply[][];
    expect(commands).toHaveLength(26);
    expect(commands).toContainEqual(['mset', -3, [], 1, -1, 2]);
    expect(await client.call('INFO')).toMatch(/redis_version:.*\r\n[^]*connected_clients:1\r\n/);
  });

  it('ends the connection after QUIT, and executes nothing behind it', async () => {
    const quitting = await Client.connect(server.port);
    await quitting.write(Buffer.concat([encode('SET', 'k', '1'), encode('QUIT'), encode('PING')]));
    expect(await quitting.rest()).toBe('+OK\r\n+OK\r\n');
    quitting.close();
  });

  it('answers a client that has ended its side', async () => {
    const half = await Client.connect(server.port);
    await half.write('SET k "a \\x41"\r\n  get k\n\r\nPING\r\n');
    half.end();
    expect(await half.rest()).toBe('+OK\r\n$3\r\na A\r\n+PONG\r\n');
    half.close();
  });

  it('answers the same however the bytes are split: at every place', async () => {
    const request = Buffer.concat([
      encode('SET', 'sp\r\nlit', '\0$3\r\n*1\r\n'),
      Buffer.from('GET "sp\\r\\nlit"\r\n\r\n*0\r\n'),
      encode('MGET', 'sp\r\nlit', ''),
    ]);
    const expected: Reply[] = ['OK', '\0$3\r\n*1\r\n', ['\0$3\r\n*1\r\n', null]];
    const other = await Client.connect(server.port);
    for (let at = 1; at < request.length; at++) {
      await other.write(request.subarray(0, at));
      // The server serves in order: when this is answered, the first part has been received.
      expect(await client.call('PING')).toBe('PONG');
      await other.write(request.subarray(at));
      expect(await other.replies(3)).toEqual(expected);
    }
    other.close();
  });

  it('answers the same when every byte comes alone', async () => {
    const request = Buffer.concat([encode('SET', 'k', 'x'.repeat(40)), encode('GET', 'k')]);
    const other = await Client.connect(server.port);
    for (const byte of request) {
      await other.write(Buffer.of(byte));
      expect(await client.call('PING')).toBe('PONG');
    }
    expect(await other.replies(2)).toEqual(['OK', 'x'.repeat(40)]);
    other.close();
  });

  it('answers 10,000 pipelined commands in their order', async () => {
    await client.call('FLUSHALL');
    const requests: Buffer[] = [];
    for (let i = 0; i < 10_000; i += 2) {
      requests.push(encode('SET', `key:${i}`, `${i}`), encode('GET', `key:${i}`));
    }
    await client.write(Buffer.concat(requests));
    const replies = await client.replies(10_000);
    expect(replies.every((reply, i) => reply === (i % 2 ? `${i - 1}` : 'OK'))).toBe(true);
    expect(await client.call('DBSIZE')).toBe(5000);
  });

  it('keeps keys and values byte for byte', async () => {
    const bytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
    const keys = [Buffer.alloc(0), Buffer.of(0), Buffer.of(0, 0), bytes, bytes.subarray(1)];
    for (const key of keys) expect(await client.call('SET', key, key)).toBe('OK');
    expect(await client.call('MGET', ...keys)).toEqual(keys.map((key) => key.toString('latin1')));
    expect(await client.call('DEL', ...keys)).toBe(5);
  });

  it('agrees with a map on 30,000 random commands', async () => {
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
    await client.write(Buffer.concat(requests));
    expect(await client.replies(expected.length)).toEqual(expected);
    expect(await client.call('DBSIZE')).toBe(model.size);
  });

  it('removes what has expired, asked for or not', async () => {
    await client.call('FLUSHALL');
    expect(await client.call('SET', 'asked', 'v', 'PX', '30')).toBe('OK');
    await poll(
      () => client.call('PTTL', 'asked'),
      (reply) => {
        if (reply !== -2) expect(reply).toBeLessThanOrEqual(30);
        return reply === -2;
      },
    );
    expect(await client.call('GET', 'asked')).toBeNull();
    for (let i = 0; i < 50; i++) await client.call('SET', `swept ${i}`, 'v', 'PX', '1');
    await client.call('SET', 'stays', 'v', 'EX', '100');
    await poll(
      () => client.call('DBSIZE'),
      (reply) => reply === 1,
    );
    expect(await client.call('GET', 'stays')).toBe('v');
  });

  it.each([
    ['*x\r\n', 'invalid multibulk length'],
    ['*1048577\r\n', 'invalid multibulk length'],
    ['*99999999999999999999\r\n', 'invalid multibulk length'],
    [`*${'1'.repeat(40)}`, 'too big mbulk count string'],
    ['*1\r\n:1\r\n', "expected '$', got ':'"],
    ['*1\r\n$-1\r\n', 'invalid bulk length'],
    ['*1\r\n$16777217\r\n', 'invalid bulk length'],
    ['*1\r\n$4294967297\r\n', 'invalid bulk length'],
    [`*1\r\n$${'1'.repeat(40)}`, 'too big bulk count string'],
    ['*1\r\n$4\r\nPINGxx', 'expected CR LF after a bulk string'],
    ['SET "k v\r\n', 'unbalanced quotes in request'],
    ['x'.repeat(70_000), 'too big inline request'],
  ])('ends the connection with a protocol error: %.30j', async (bytes, why) => {
    const wrong = await Client.connect(server.port);
    await wrong.write(`PING\r\n${bytes}`);
    expect(await wrong.rest()).toBe(`+PONG\r\n-ERR Protocol error: ${why}\r\n`);
    wrong.close();
  });

  it('ends the connection of a web page, and does not answer it', async () => {
    const page = await Client.connect(server.port);
    await page.write('POST / HTTP/1.1\r\nHost: kv\r\n\r\nFLUSHALL\r\n');
    expect(await page.rest()).toBe('');
    page.close();
  });

  it('takes no memory for lengths that are only declared', async () => {
    const before = await usedMemory(client);
    const declaring = await Promise.all(
      Array.from({ length: 100 }, async (_, i) => {
        const other = await Client.connect(server.port);
        await other.write(i % 2 ? '*1048576\r\n$16777216\r\nx' : '*1048576\r\n$3\r\nSET\r\n');
        return other;
      }),
    );
    expect((await usedMemory(client)) - before).toBeLessThan(100 * 1024);
    for (const other of declaring) other.close();
    await poll(
      () => usedMemory(client),
      (used) => used === before,
    );
  });

  it(
    'does not buffer for a slow reader, and serves others meanwhile',
    { timeout: 20_000 },
    async () => {
      await client.call('FLUSHALL');
      const value = Buffer.alloc(MIB, 'v');
      expect(await client.call('SET', 'large', value)).toBe('OK');
      const before = await usedMemory(client);
      const slow = await Client.connect(server.port);
      slow.pause();
      await slow.write(Buffer.concat(Array.from({ length: 64 }, () => encode('GET', 'large'))));
      for (let i = 0; i < 100; i++) expect(await client.call('PING')).toBe('PONG');
      expect((await usedMemory(client)) - before).toBeLessThan(2 * MIB);
      slow.resume();
      await slow.skip(64 * (MIB + '$1048576\r\n\r\n'.length));
      expect(await slow.call('PING')).toBe('PONG');
      slow.close();
    },
  );
});
