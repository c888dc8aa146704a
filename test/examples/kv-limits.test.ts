/** The key-value example, as its README runs it: its limits, and the real clients of Redis. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { type GuestHere, runGuest, startGuest } from '../support/guest-here.js';
import { type GuestProcess, startGuestProcess } from '../support/guest-process.js';
import { RespClient, encode } from './resp.js';

const MIB = 1024 * 1024;
const KV = 'examples/kv/build/kv.wasm';
const OOM = "-OOM command not allowed when used memory > 'maxmemory'.";

const guests: (GuestHere | GuestProcess)[] = [];

afterEach(async () => {
  await Promise.all(guests.splice(0).map(async (guest) => guest.stop()));
});

async function start(args: readonly string[], options: readonly string[] = []): Promise<GuestHere> {
  const guest = await startGuest(KV, options, args);
  guests.push(guest);
  return guest;
}

describe('kv', () => {
  test('answers pipelined commands in one send', async () => {
    const guest = await startGuestProcess(KV, ['--trace']);
    guests.push(guest);
    const client = await RespClient.connect(guest.port);
    await client.pipeline(Array.from({ length: 100 }, () => encode('PING')));
    client.close();
    // The host prints in its own time: once the close has been told of, all before it has been.
    await vi.waitFor(() => expect(guest.calls()).toContain('fd_close'));
    expect(guest.calls().filter((name) => name === 'sock_send')).toHaveLength(1);
  });

  /** Sets keys of 10,000 bytes until it is refused; returns how many there are then. */
  async function fill(client: RespClient): Promise<number> {
    for (let i = 0; ; i++) {
      const reply = await client.call('SET', `key ${i}`, Buffer.alloc(10_000, i));
      if (reply !== 'OK') {
        expect(reply).toBe(OOM);
        return i;
      }
    }
  }

  test.each([
    ['its own limit', ['--maxmemory', '2mb'], []],
    ["the host's limit", [], ['--max-memory', '8MiB']],
  ])('answers OOM at %s, keeps what it has, and goes on (B76)', async (_, args, options) => {
    const guest = await start(args, options);
    const client = await RespClient.connect(guest.port);
    const stored = await fill(client);
    expect(stored).toBeGreaterThan(50);
    for (let i = 0; i < stored; i++) {
      const value = Buffer.alloc(10_000, i).toString('latin1');
      expect(await client.call('GET', `key ${i}`)).toBe(value);
    }
    const keys = Array.from({ length: 5000 }, () => 'key 1');
    expect(await client.call('MGET', ...keys), 'a reply larger than memory').toBe(OOM);
    const huge = Buffer.alloc(15 * MIB);
    expect(await client.call('SET', 'key 1', huge), 'a request larger than memory').toBe(OOM);
    const empty = Buffer.from(`*1048576\r\n${'$0\r\n\r\n'.repeat(1_048_576)}`);
    expect(await client.pipeline([empty]), 'more arguments than memory').toEqual([OOM]);
    expect(await client.call('DEL', 'key 1', 'key 2')).toBe(2);
    expect(await client.call('SET', 'key 1', Buffer.alloc(10_000))).toBe('OK');
    expect(await client.call('FLUSHALL')).toBe('OK');
    // The same but for what the connection itself holds.
    expect(await fill(client)).toBeGreaterThan(stored - 5);
    client.close();
    expect(await guest.stop()).toBe(0);
  });

  test('refuses more clients than permitted, and counts those that go', async () => {
    const { port } = await start(['--maxclients', '2']);
    const first = await RespClient.connect(port);
    const second = await RespClient.connect(port);
    expect([await first.call('PING'), await second.call('PING')]).toEqual(['PONG', 'PONG']);
    const third = await RespClient.connect(port);
    const refusal = await third.raw.takeAll();
    expect(refusal.toString()).toBe('-ERR max number of clients reached\r\n');
    second.close();
    for (;;) {
      const info = String(await first.call('INFO', 'clients'));
      if (info.includes('connected_clients:1\r\n')) break;
    }
    const fourth = await RespClient.connect(port);
    expect(await fourth.call('PING')).toBe('PONG');
    for (const client of [first, third, fourth]) client.close();
  });

  test.each([
    ['an argument it does not know', ['--what', '1'], /^usage: .*--maxmemory/u],
    ['a value without its name', ['--maxmemory'], /^usage: /u],
    ['a size that makes no sense', ['--maxmemory', '12xb'], /^usage: /u],
    ['nothing to listen on', [], /run it with --listen/u],
  ])('ends with status 2 and a sentence when there is %s', async (_, args, sentence) => {
    const { status, stderr } = await runGuest([KV, ...args]);
    expect(status).toBe(2);
    expect(stderr).toMatch(sentence);
  });
});

/** Whether a program is missing here, and what a test that needs it then adds to its name. */
function lookFor(program: string): { isMissing: boolean; note: string } {
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  const isMissing = !folders.some((folder) => existsSync(join(folder, program)));
  return { isMissing, note: isMissing ? ' (skipped: it is not installed)' : '' };
}

describe('kv serves the clients of Redis', () => {
  const run = promisify(execFile);
  const redisCli = lookFor('redis-cli');
  const redisBenchmark = lookFor('redis-benchmark');

  test.skipIf(redisCli.isMissing).each([redisCli.note])('redis-cli%s', async () => {
    const { port } = await start([]);
    const cli = async (...args: string[]): Promise<string> => {
      const { stdout, stderr } = await run('redis-cli', ['-p', `${port}`, ...args]);
      return stdout + stderr;
    };
    expect(await cli('SET', 'greeting', 'hello world', 'EX', '100')).toBe('OK\n');
    expect(await cli('GET', 'greeting')).toBe('hello world\n');
    expect(await cli('TTL', 'greeting')).toBe('100\n');
    expect(await cli('--no-raw', 'MGET', 'greeting', 'none')).toBe('1) "hello world"\n2) (nil)\n');
    expect(await cli('INFO', 'server')).toContain('redis_version:');
  });

  test.skipIf(redisBenchmark.isMissing).each([redisBenchmark.note])(
    'redis-benchmark%s',
    async () => {
      const { port } = await start([]);
      const tests = ['-t', 'ping,set,get,incr,mset', '-n', '5000', '-r', '1000', '--csv'];
      for (const pipeline of ['1', '16']) {
        const args = ['-p', `${port}`, ...tests, '-P', pipeline];
        const { stdout, stderr } = await run('redis-benchmark', args);
        expect(stderr).toBe('');
        const rows = [...stdout.matchAll(/^"([A-Z_]+)[^"]*","([\d.]+)"/gmu)];
        const names = ['PING_INLINE', 'PING_MBULK', 'SET', 'GET', 'INCR', 'MSET'];
        expect(rows.map(([, name]) => name)).toEqual(names);
        for (const [, , perSecond] of rows) expect(Number(perSecond)).toBeGreaterThan(0);
      }
    },
  );
});
