/** The key-value example, as its README runs it: its limits, and the real clients of Redis. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type GuestProcess, runGuest, startGuest } from '../support/guest-process.js';
import { type Reply, RespClient, encode } from './resp.ts';

const MIB = 1024 * 1024;
const KV = 'examples/kv/build/kv.wasm';
const OOM = "-OOM command not allowed when used memory > 'maxmemory'.";

describe('examples/kv: limits', () => {
  it('answers pipelined commands in one send', async () => {
    const server = await startServer('kv', [], ['--trace=sock']);
    const client = await Client.connect(server.port);
    await client.write(Buffer.concat(Array.from({ length: 100 }, () => encode('PING'))));
    await client.replies(100);
    await server.stop();
    client.close();
    expect(server.stderr().match(/sock_send\(.* size=700$/gm)).toHaveLength(1);
  });

  it.each([
    ['its own limit', ['--maxmemory', '2mb'], []],
    ["the host's limit", ['--maxclients', '100'], ['--max-memory', '8MiB']],
  ])('answers OOM at %s, and goes on', { timeout: 20_000 }, async (_, args, options) => {
    const server = await startServer('kv', args, options);
    const client = await Client.connect(server.port);
    let stored = 0;
    let reply: Reply;
    do {
      reply = await client.call('SET', `key ${stored}`, Buffer.alloc(10_000, stored));
    } while (reply === 'OK' && ++stored < 10_000);
    expect(reply).toBe(OOM);
    expect(stored).toBeGreaterThan(100);
    for (let i = 0; i < stored; i++) {
      expect(await client.call('GET', `key ${i}`)).toBe(
        String.fromCharCode(i & 255).repeat(10_000),
      );
    }
    // A reply larger than memory, a request larger than memory, more arguments than memory.
    const keys = Array.from({ length: 5000 }, () => 'key 1');
    expect(await client.call('MGET', ...keys)).toBe(OOM);
    expect(await client.call('SET', 'key 1', Buffer.alloc(15 * MIB))).toBe(OOM);
    await client.write('*1048576\r\n');
    await client.write('$0\r\n\r\n'.repeat(1_048_576));
    expect(await client.reply()).toBe(OOM);
    expect(await client.call('DEL', 'key 1', 'key 2')).toBe(2);
    expect(await client.call('SET', 'key 1', Buffer.alloc(10_000))).toBe('OK');
    expect(await client.call('FLUSHALL')).toBe('OK');
    expect(await client.call('DBSIZE')).toBe(0);
    client.close();
    expect(server.isRunning()).toBe(true);
    await server.stop();
    expect(server.stderr()).not.toMatch(/trapped/);
  });

  it('refuses more clients than permitted, and counts those that go', async () => {
    const server = await startServer('kv', ['--maxclients', '2']);
    const first = await Client.connect(server.port);
    const second = await Client.connect(server.port);
    expect([await first.call('PING'), await second.call('PING')]).toEqual(['PONG', 'PONG']);
    const third = await Client.connect(server.port);
    expect(await third.rest()).toBe('-ERR max number of clients reached\r\n');
    second.close();
    await poll(
      async () =>
        /connected_clients:\d+/.exec((await first.call('INFO', 'clients')) as string)?.[0] ?? null,
      (reply) => reply === 'connected_clients:1',
    );
    const fourth = await Client.connect(server.port);
    expect(await fourth.call('PING')).toBe('PONG');
    for (const client of [first, third, fourth]) client.close();
    await server.stop();
  });

  it.each([
    ['an argument it does not know', ['--what', '1'], /usage: .*--maxmemory/],
    ['a size that makes no sense', ['--maxmemory', '12xb'], /usage: /],
    ['nothing to listen on', [], /run it with --listen/],
  ])('ends with status 2 and a sentence when there is %s', async (_, args, sentence) => {
    const child = spawnGuest('kv', [], args);
    let stderr = '';
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    expect((await once(child, 'close'))[0]).toBe(2);
    expect(stderr).toMatch(sentence);
  });
});

function isInstalled(program: string): boolean {
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  return folders.some((folder) => existsSync(join(folder, program)));
}

function named(program: string, sentence: string): string {
  return isInstalled(program) ? sentence : `${sentence} (skipped: ${program} is not installed)`;
}

describe('examples/kv: real clients', () => {
  const run = promisify(execFile);
  let server: Server;
  beforeAll(async () => {
    server = await startServer('kv');
  });
  afterAll(() => server.stop());

  it.skipIf(!isInstalled('redis-cli'))(named('redis-cli', 'serves redis-cli'), async () => {
    const cli = async (...args: string[]): Promise<string> => {
      const { stdout, stderr } = await run('redis-cli', ['-p', `${server.port}`, ...args]);
      return stdout + stderr;
    };
    expect(await cli('SET', 'greeting', 'hello world', 'EX', '100')).toBe('OK\n');
    expect(await cli('GET', 'greeting')).toBe('hello world\n');
    expect(await cli('TTL', 'greeting')).toBe('100\n');
    expect(await cli('--no-raw', 'MGET', 'greeting', 'none')).toBe('1) "hello world"\n2) (nil)\n');
    expect(await cli('INFO', 'server')).toContain('redis_version:');
  });

  it.skipIf(!isInstalled('redis-benchmark'))(
    named('redis-benchmark', 'serves redis-benchmark, alone and pipelined'),
    { timeout: 20_000 },
    async () => {
      const tests = ['-t', 'ping,set,get,incr,mset', '-n', '5000', '-r', '1000', '--csv'];
      for (const pipeline of ['1', '16']) {
        const args = ['-p', `${server.port}`, ...tests, '-P', pipeline];
        const { stdout, stderr } = await run('redis-benchmark', args);
        expect(stderr).toBe('');
        const rates = [...stdout.matchAll(/^"([A-Z_]+)[^"]*","([\d.]+)"/gm)];
        expect(rates.map((row) => row[1])).toEqual([
          'PING_INLINE',
          'PING_MBULK',
          'SET',
          'GET',
          'INCR',
          'MSET',
        ]);
        for (const row of rates) expect(Number(row[2])).toBeGreaterThan(0);
      }
    },
  );
});
