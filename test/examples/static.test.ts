/** The static example, as its README runs it. */
import { randomBytes } from 'node:crypto';
import {
  mkdirSync,
  mkdtempSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { Agent, type IncomingHttpHeaders, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';

import { Client } from '../support/client.js';
import { type GuestHere, runGuest, startGuest } from '../support/guest-here.js';

const wasm = (variant: string): string => `examples/static/build/${variant}.wasm`;

const SMALL = 'a small file\n';
const LARGE = randomBytes(5_000_000);
/** More than the kernel keeps for two ends of a connection. */
const HUGE = Buffer.alloc(16_000_000, randomBytes(65_521));
const SECRET = 'not to be served';

const FILES: Readonly<Record<string, string | Buffer>> = {
  'outside.txt': SECRET,
  'public/index.html': '<h1>home</h1>\n',
  'public/small.txt': SMALL,
  'public/empty.css': '',
  'public/large.bin': LARGE,
  'public/huge.bin': HUGE,
  'public/.hidden': SECRET,
  'public/.git/config': SECRET,
  'public/docs/index.html': '<h1>docs</h1>\n',
  'public/plain/page.HTML': '<p>page</p>\n',
  'public/a b/ü?.json': '{}',
};

let folder = '';
const guests: GuestHere[] = [];

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sandpoll-static-'));
  for (const [name, contents] of Object.entries(FILES)) {
    mkdirSync(join(folder, name, '..'), { recursive: true });
    writeFileSync(join(folder, name), contents);
  }
  symlinkSync('../outside.txt', join(folder, 'public/out.txt'));
  symlinkSync('..', join(folder, 'public/up'));
  symlinkSync('/etc', join(folder, 'public/etc'));
  symlinkSync('small.txt', join(folder, 'public/in.txt'));
});

afterAll(() => rmSync(folder, { recursive: true }));

afterEach(async () => {
  await Promise.all(guests.splice(0).map(async (guest) => guest.stop()));
});

/** Starts it over the folder, read-only, in less memory than the larger files need. */
async function start(variant: string, ...options: string[]): Promise<GuestHere> {
  const grants = [`--dir=${folder}/public::/www:ro`, '--max-memory', '3MiB'];
  return startGuest(wasm(variant), [...grants, ...options], ['/www']);
}

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

interface Question {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly agent?: Agent;
}

/** Asks for a path exactly as it is written. */
async function ask(port: number, path: string, question: Question = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const options = { port, path, host: '127.0.0.1', agent: false as const, ...question };
    const asking = request(options, (answer) => {
      const chunks: Buffer[] = [];
      answer.on('data', (chunk: Buffer) => chunks.push(chunk));
      answer.on('error', reject);
      answer.on('end', () => {
        const { statusCode: status = 0, headers } = answer;
        resolve({ status, headers, body: Buffer.concat(chunks) });
      });
    });
    asking.on('error', reject);
    asking.end();
  });
}

async function text(port: number, path: string): Promise<string> {
  return String((await ask(port, path)).body);
}

const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`;

/** A request that is the last one of its connection. */
const getLast = (path: string): string => `GET ${path} HTTP/1.0\r\n\r\n`;

/** All that comes until the end, and where the body of its first answer begins. */
async function takeAnswer(client: Client): Promise<{ head: string; body: Buffer }> {
  const all = await client.takeAll();
  client.close();
  const end = all.indexOf('\r\n\r\n') + 4;
  return { head: String(all.subarray(0, end)), body: all.subarray(end) };
}

const TYPES = [
  ['/', 'text/html; charset=utf-8', FILES['public/index.html']],
  ['/?query', 'text/html; charset=utf-8', FILES['public/index.html']],
  ['/small.txt', 'text/plain; charset=utf-8', SMALL],
  ['/sm%61ll.txt?a=/../b', 'text/plain; charset=utf-8', SMALL],
  ['/in.txt', 'text/plain; charset=utf-8', SMALL],
  ['/empty.css', 'text/css; charset=utf-8', ''],
  ['/docs/', 'text/html; charset=utf-8', FILES['public/docs/index.html']],
  ['/plain/page.HTML', 'text/html; charset=utf-8', FILES['public/plain/page.HTML']],
  ['/a%20b/%C3%BC%3f.json', 'application/json', '{}'],
] as const;

/** What is not there, what is not meant to be, and ways out. */
const NOT_FOUND = [
  '/nothing',
  '/small.txt/',
  '/plain/',
  '/../outside.txt',
  '/docs/../../outside.txt',
  '/docs/..',
  '/%2e%2e/outside.txt',
  '/..%2foutside.txt',
  '/docs%2f..%2f..%2foutside.txt',
  '/out.txt',
  '/up/outside.txt',
  '/up/',
  '/etc/passwd',
  '//etc/passwd',
  '/%2fetc/passwd',
  '/.hidden',
  '/.git/config',
  '/%2egit/config',
  '/small.txt%00',
  '/small.txt%',
  '/small.txt%4',
  '/small.txt%zz',
  '/%ff%fe',
  '/small.txt%ff',
  '/%c0%ae%c0%ae/outside.txt',
  `/${'n'.repeat(300)}`,
];

/** Ranges of `small.txt`, and what they are answered with. */
const RANGES = [
  ['bytes=0-4', 206, 'bytes 0-4/13', 'a sma'],
  ['bytes=2-', 206, 'bytes 2-12/13', 'small file\n'],
  ['bytes=12-99999999999999999999', 206, 'bytes 12-12/13', '\n'],
  ['bytes=-5', 206, 'bytes 8-12/13', 'file\n'],
  ['bytes=-99', 206, 'bytes 0-12/13', SMALL],
  ['bytes=13-', 416, 'bytes */13', undefined],
  ['bytes=-0', 416, 'bytes */13', undefined],
  ['bytes=4-2', 200, undefined, SMALL],
  ['bytes=0-1,3-4', 200, undefined, SMALL],
  ['bytes=', 200, undefined, SMALL],
  ['bytes=-', 200, undefined, SMALL],
  ['lines=0-1', 200, undefined, SMALL],
] as const;

describe.each(['static', 'static-poll'])('%s', (variant) => {
  let guest: GuestHere;
  let port: number;

  beforeAll(async () => {
    guest = await start(variant);
    port = guest.port;
  });

  afterAll(async () => {
    await guest.stop();
  });

  test.each(TYPES)('%s is %s', async (path, type, contents) => {
    const { status, headers, body } = await ask(port, path);
    expect({ status, type: headers['content-type'], body: String(body) }).toEqual({
      status: 200,
      type,
      body: contents,
    });
    const head = await ask(port, path, { method: 'HEAD' });
    expect({ ...head.headers, date: '' }).toEqual({ ...headers, date: '' });
    expect(head.body).toHaveLength(0);
  });

  test.each(NOT_FOUND)('%s is not found, and tells nothing (B45, B46)', async (path) => {
    const { status, headers, body } = await ask(port, path);
    expect([status, String(body)]).toEqual([404, 'not found\n']);
    expect(headers.etag).toBeUndefined();
  });

  test('a directory is sent to its slash, and is not listed', async () => {
    const { status, headers, body } = await ask(port, '/docs?q=1');
    expect([status, headers.location]).toEqual([301, '/docs/?q=1']);
    expect(String(body)).not.toContain('index.html');
  });

  test('other methods are refused', async () => {
    const { status, headers } = await ask(port, '/small.txt', { method: 'PUT' });
    expect([status, headers.allow]).toEqual([405, 'GET, HEAD']);
  });

  test.each(RANGES)('%s is answered with %i', async (range, status, contentRange, contents) => {
    const answer = await ask(port, '/small.txt', { headers: { range } });
    expect([answer.status, answer.headers['content-range']]).toEqual([status, contentRange]);
    if (contents !== undefined) expect(String(answer.body)).toBe(contents);
  });

  test('what the client has is not sent again', async () => {
    const { headers: known } = await ask(port, '/small.txt');
    const { etag = '', 'last-modified': modified = '' } = known;
    expect(modified).toBe(statSync(`${folder}/public/small.txt`).mtime.toUTCString());
    const statuses = async (...all: Record<string, string>[]): Promise<number[]> => {
      const answers = all.map(async (headers) => ask(port, '/small.txt', { headers }));
      return (await Promise.all(answers)).map(({ status }) => status);
    };
    expect(
      await statuses(
        { 'If-None-Match': etag },
        { 'If-None-Match': `"other", W/${etag}` },
        { 'If-None-Match': '*' },
        { 'If-Modified-Since': modified },
      ),
    ).toEqual([304, 304, 304, 304]);
    expect(
      await statuses(
        { 'If-None-Match': '"other"', 'If-Modified-Since': modified },
        { 'If-Modified-Since': 'Sun, 06 Nov 1994 08:49:37 GMT' },
        { 'If-Range': '"other"', Range: 'bytes=0-1' },
        { 'If-Range': etag, Range: 'bytes=0-1' },
      ),
    ).toEqual([200, 200, 200, 206]);
  });

  test('large files and small ones follow each other on one connection', async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const paths = ['/large.bin', '/small.txt', '/large.bin', '/nothing', '/small.txt'];
    const bodies = paths.map(async (path) => (await ask(port, path, { agent })).body);
    const [first, second, third, , last] = await Promise.all(bodies);
    agent.destroy();
    expect([first?.equals(LARGE), third?.equals(LARGE)]).toEqual([true, true]);
    expect([String(second), String(last)]).toEqual([SMALL, SMALL]);
    const headers = { Range: 'bytes=1000000-4999998' };
    const part = await ask(port, '/large.bin', { headers });
    expect(part.body.equals(LARGE.subarray(1_000_000, 4_999_999))).toBe(true);
  });

  test('requests of one segment are answered in order, around a large file', async () => {
    const client = await Client.connect(port);
    await client.send(`${get('/large.bin')}${get('/nothing')}${getLast('/small.txt')}`);
    const { head, body } = await takeAnswer(client);
    expect(head).toContain(`Content-Length: ${LARGE.length}\r\n`);
    expect(body.subarray(0, LARGE.length).equals(LARGE)).toBe(true);
    const [missing, small, end] = String(body.subarray(LARGE.length)).split(/(?=^HTTP)/mu);
    expect([missing, small, end]).toEqual([
      expect.stringMatching(/^HTTP\/1\.1 404 [^]*\r\n\r\nnot found\n$/u),
      expect.stringMatching(/^HTTP\/1\.1 200 [^]*Connection: close\r\n\r\na small file\n$/u),
      undefined,
    ]);
  });

  test('those who do not read hold nothing up, in bounded memory (B73)', async () => {
    const slow = await Promise.all(Array.from({ length: 3 }, async () => Client.connect(port)));
    for (const client of slow) {
      client.socket.pause();
      await client.send(getLast('/huge.bin'));
    }
    for (let i = 0; i < 50; i++) expect(await text(port, '/small.txt')).toBe(SMALL);
    for (const client of slow) {
      client.socket.resume();
      expect((await takeAnswer(client)).body.equals(HUGE)).toBe(true);
    }
  });
});

test('those who leave in the middle leave no descriptor open', async () => {
  const guest = await start('static', '--max-fds', '12');
  guests.push(guest);
  for (let i = 0; i < 30; i++) {
    const client = await Client.connect(guest.port);
    await client.send(get('/huge.bin'));
    await client.take(1000);
    client.close();
    expect(await text(guest.port, '/small.txt')).toBe(SMALL);
  }
});

test('a file that becomes shorter breaks its answers off', async () => {
  const guest = await start('static');
  guests.push(guest);
  const path = `${folder}/public/shrinks.bin`;
  writeFileSync(path, HUGE);
  const client = await Client.connect(guest.port);
  client.socket.pause();
  await client.send(get('/shrinks.bin'));
  expect(await text(guest.port, '/small.txt')).toBe(SMALL);
  truncateSync(path, 1000);
  client.socket.resume();
  expect((await takeAnswer(client)).body.length).toBeLessThan(HUGE.length);
  expect(await text(guest.port, '/small.txt')).toBe(SMALL);
});

test('a client that takes nothing for long is let go', async () => {
  const guest = await start('static', '--env', 'TIMEOUT_MS=50');
  guests.push(guest);
  const descriptors = (): number => guest.guest.usage().descriptors;
  // Standard streams, the directory, the listener, epoll and signals.
  const idle = 7;
  while (descriptors() < idle) await turn();
  const client = await Client.connect(guest.port);
  client.socket.pause();
  await client.send(get('/huge.bin'));
  // The connection, the file, and the loop's timer, which stays.
  while (descriptors() < idle + 3) await turn();
  while (descriptors() > idle + 1) await turn();
  client.socket.resume();
  expect((await takeAnswer(client)).body.length).toBeLessThan(HUGE.length);
});

test('SIGTERM lets what is under way be sent, and ends', async () => {
  const guest = await start('static');
  const client = await Client.connect(guest.port);
  client.socket.pause();
  await client.send(get('/huge.bin'));
  expect(await text(guest.port, '/small.txt')).toBe(SMALL);
  const ended = guest.stop();
  client.socket.resume();
  expect((await takeAnswer(client)).body.equals(HUGE)).toBe(true);
  expect(await ended).toBe(0);
});

test('without what it needs it says so, and ends', async () => {
  const listen = ['--listen', '127.0.0.1:0'];
  const dir = `--dir=${folder}/public::/www:ro`;
  const starts = [
    [[dir, wasm('static'), '/www'], 'there is no listener; run it with --listen 127.0.0.1:8080'],
    [[...listen, dir, wasm('static')], 'which directory? Run it with --dir ./public::/www:ro, and'],
    [[...listen, wasm('static'), '/www'], '/www: NOTCAPABLE; --dir ./public::/www grants it'],
    [[...listen, dir, wasm('static'), '/www/small.txt'], '/www/small.txt is not a directory'],
  ] as const;
  for (const [args, sentence] of starts) {
    const { status, stderr } = await runGuest(args);
    expect([status, stderr]).toEqual([1, expect.stringContaining(`static: ${sentence}`)]);
  }
});
