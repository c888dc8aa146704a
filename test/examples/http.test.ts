/** The HTTP example, as its README runs it. */
import { Agent, request } from 'node:http';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { Client } from '../support/client.js';
import { type GuestHere, runGuest, startGuest } from '../support/guest-here.js';
import { type GuestProcess, startGuestProcess } from '../support/guest-process.js';

const guests: (GuestHere | GuestProcess)[] = [];

afterEach(async () => {
  await Promise.all(guests.splice(0).map(async (guest) => guest.stop()));
});

async function start(variant: string, options: readonly string[] = []): Promise<GuestHere> {
  const guest = await startGuest(`examples/http/build/${variant}.wasm`, options);
  guests.push(guest);
  return guest;
}

/** For what only the command shows: its trace, and what it does at signals. */
async function startProcess(variant: string, ...options: string[]): Promise<GuestProcess> {
  const guest = await startGuestProcess(`examples/http/build/${variant}.wasm`, options);
  guests.push(guest);
  return guest;
}

/** What the answers were, but for the time of day. */
function withoutDates(answers: Buffer): string {
  return answers.toString().replaceAll(/\r\nDate: [A-Z][a-z]{2}, [^\r]{20} GMT\r\n/gu, '\r\n');
}

/** Sends a text, and takes the answers to the end of the connection. */
async function ask(port: number, text: string): Promise<string> {
  const client = await Client.connect(port);
  const sent = client.send(text).catch(() => {});
  const answers = withoutDates(await client.takeAll());
  await sent;
  client.close();
  return answers;
}

function statusOf(answer: string): number {
  return Number(/^HTTP\/1\.1 (\d{3}) /u.exec(answer)?.[1]);
}

/** Whatever a connection can be asked for, in one breath; the last request ends it. */
const SCRIPT = [
  'GET / HTTP/1.1\r\nHost: x\r\n\r\n',
  '\r\nPOST /echo?q HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\n\r\nhello world',
  'HEAD / HTTP/1.1\r\nHost: x\r\n\r\n',
  'POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n',
  '3\r\nabc\r\n5;x=y\r\ndefgh\r\n0\r\nTrailer: t\r\n\r\n',
  'POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n',
  'DELETE / HTTP/1.1\r\nHost: x\r\n\r\n',
  'GET /nowhere HTTP/1.0\r\nConnection: close\r\n\r\n',
].join('');

const ECHO = 'HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: ';
const TEXT = 'Content-Type: text/plain; charset=utf-8\r\nContent-Length: ';
const ANSWERS = [
  `HTTP/1.1 200 OK\r\n${TEXT}31\r\n\r\nHello from inside the sandbox.\n`,
  `${ECHO}11\r\n\r\nhello world`,
  `HTTP/1.1 200 OK\r\n${TEXT}31\r\n\r\n`,
  `${ECHO}8\r\n\r\nabcdefgh`,
  `${ECHO}0\r\n\r\n`,
  `HTTP/1.1 405 Method Not Allowed\r\n${TEXT}19\r\nAllow: GET, HEAD\r\n\r\n`,
  'method not allowed\n',
  `HTTP/1.1 404 Not Found\r\n${TEXT}10\r\nConnection: close\r\n\r\nnot found\n`,
].join('');

const GET = 'GET / HTTP/1.1\r\nHost: x\r\n';
const POST = 'POST /echo HTTP/1.1\r\nHost: x\r\n';

/** What is refused, and with which status: each ends the connection. */
const REFUSED: readonly (readonly [number, string, string])[] = [
  [400, 'nonsense', 'hello\r\n\r\n'],
  [400, 'TLS', '\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03\r\n'],
  [400, 'HTTP/0.9', 'GET /\r\n'],
  [400, 'line feeds alone', 'GET / HTTP/1.1\nHost: x\n\n'],
  [400, 'a line feed alone in the head', `${GET}A: b\nC: d\r\n\r\n`],
  [400, 'no Host', 'GET / HTTP/1.1\r\n\r\n'],
  [400, 'two Hosts', `${GET}Host: y\r\n\r\n`],
  [400, 'a folded line', `${GET}A: b\r\n c\r\n\r\n`],
  [400, 'a space before the colon', `${GET}A : b\r\n\r\n`],
  [400, 'a NUL', `${GET}A: b\0c\r\n\r\n`],
  [400, 'length and chunks', `${POST}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n`],
  [400, 'two lengths', `${POST}Content-Length: 4\r\nContent-Length: 5\r\n\r\n`],
  [400, 'a list of lengths', `${POST}Content-Length: 4, 4\r\n\r\n`],
  [400, 'a negative length', `${POST}Content-Length: -4\r\n\r\n`],
  [400, 'a chunk size of no digits', `${POST}Transfer-Encoding: chunked\r\n\r\n\r\n`],
  [400, 'a chunk size of other digits', `${POST}Transfer-Encoding: chunked\r\n\r\n0x4\r\n`],
  [400, 'a chunk that is too long', `${POST}Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n`],
  [413, 'a long body', `${POST}Content-Length: 1048577\r\n\r\n`],
  [413, 'a body of many digits', `${POST}Content-Length: 9999999999999999999999\r\n\r\n`],
  [413, 'a long chunk', `${POST}Transfer-Encoding: chunked\r\n\r\n100001\r\n`],
  [413, 'a chunk of 32 bits', `${POST}Transfer-Encoding: chunked\r\n\r\nffffffff\r\n`],
  [414, 'a long target', `GET /${'a'.repeat(9000)}`],
  [417, 'another expectation', `${POST}Expect: a-miracle\r\nContent-Length: 1\r\n\r\n`],
  [431, 'a long head', `${GET}A: ${'b'.repeat(9000)}\r\n\r\n`],
  [431, 'many headers', `${GET}${'A: b\r\n'.repeat(101)}\r\n`],
  [501, 'another encoding', `${POST}Transfer-Encoding: gzip, chunked\r\n\r\n`],
  [505, 'HTTP/2', 'GET / HTTP/2.0\r\nHost: x\r\n\r\n'],
];

describe.each(['http', 'http-poll'])('%s', (variant) => {
  /** The guest of those tests that need no options. */
  let shared: GuestHere;
  let port: number;

  beforeAll(async () => {
    shared = await startGuest(`examples/http/build/${variant}.wasm`);
    port = shared.port;
  });

  afterAll(async () => {
    await shared.stop();
  });

  test('answers requests that come in one segment, in order', async () => {
    expect(await ask(port, SCRIPT)).toBe(ANSWERS);
  });

  test('answers the same wherever the bytes are split', async () => {
    const pulse = await Client.connect(port);
    for (let split = 1; split < SCRIPT.length; split++) {
      const client = await Client.connect(port);
      await client.send(SCRIPT.slice(0, split));
      await breathe(pulse);
      await client.send(SCRIPT.slice(split));
      expect(withoutDates(await client.takeAll()), `split at ${split}`).toBe(ANSWERS);
      client.close();
    }
    pulse.close();
  });

  test('answers the same when every byte comes alone', async () => {
    const pulse = await Client.connect(port);
    const client = await Client.connect(port);
    for (const byte of SCRIPT) {
      await client.send(byte);
      await breathe(pulse);
    }
    expect(withoutDates(await client.takeAll())).toBe(ANSWERS);
    client.close();
    pulse.close();
  });

  test.each(REFUSED)('%i for %s', async (status, _, text) => {
    const whole = await ask(port, text);
    expect(statusOf(whole)).toBe(status);
    expect(whole).toContain('Connection: close\r\n');
    // Behind valid requests it is refused as well, and they are answered.
    const behind = await ask(port, `${GET}\r\n${GET}\r\n${text}`);
    expect(behind.match(/^HTTP\/1\.1 \d{3}/gmu)).toEqual([
      'HTTP/1.1 200',
      'HTTP/1.1 200',
      `HTTP/1.1 ${status}`,
    ]);
    expect(await askInTwo(port, text)).toBe(whole);
  });

  test('what follows a refused request is not answered', async () => {
    const answers = await ask(port, `${POST}Content-Length: 1, 1\r\n\r\n${GET}\r\n${GET}\r\n`);
    expect(answers.match(/^HTTP/gmu)).toHaveLength(1);
  });

  test('100 Continue comes before the body, once', async () => {
    const client = await Client.connect(port);
    const interim = 'HTTP/1.1 100 Continue\r\n\r\n';
    await client.send(`${POST}Expect: 100-continue\r\nContent-Length: 4\r\n\r\n`);
    expect((await client.take(interim.length)).toString()).toBe(interim);
    await client.send('ab');
    await client.send('cd');
    await client.send(`${POST}Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n`);
    await client.send(`1\r\ne\r\n0\r\n\r\n${GET}Connection: close\r\n\r\n`);
    const answers = withoutDates(await client.takeAll());
    expect(answers.startsWith(`${ECHO}4\r\n\r\nabcd`)).toBe(true);
    expect(answers.match(/HTTP\/1\.1 200/gu)).toHaveLength(3);
    client.close();
  });

  test('HTTP/1.0 closes unless it is asked not to', async () => {
    expect(await ask(port, 'GET /health HTTP/1.0\r\n\r\nGET / HTTP/1.0\r\n\r\n')).toBe(
      `HTTP/1.1 200 OK\r\n${TEXT}3\r\nConnection: close\r\n\r\nok\n`,
    );
    const keep = 'GET /health HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n';
    const answers = await ask(port, `${keep}GET /health HTTP/1.0\r\n\r\n`);
    expect(answers).toContain('Connection: keep-alive\r\n\r\nok\nHTTP/1.1 200');
  });

  test('sixteen requests of one segment cost one recv and one send', async () => {
    const guest = await startProcess(variant, '--trace');
    const client = await Client.connect(guest.port);
    await client.send(`${GET}\r\n`.repeat(16));
    let answers = '';
    while (answers.split('sandbox.\n').length < 17) answers += String(await client.take(1));
    client.close();
    expect(await guest.said(/^sock_send\(.*$/mu)).toBe(true);
    await guest.stop();
    const calls = guest.calls();
    expect(calls.filter((name) => name === 'sock_send')).toHaveLength(1);
    const sent = calls.indexOf('sock_send');
    expect(calls.slice(0, sent).filter((name) => name === 'sock_recv')).toHaveLength(1);
  });

  test('a client that is slow with its head or body gets 408, an idle one is let go', async () => {
    const guest = await start(variant, ['--env', 'TIMEOUT_MS=50']);
    for (const part of ['G', GET, `${POST}Content-Length: 9\r\n\r\nabc`]) {
      expect(statusOf(await ask(guest.port, part))).toBe(408);
    }
    const chunks = `${POST}Transfer-Encoding: chunked\r\n\r\n4\r\nab`;
    expect(statusOf(await ask(guest.port, chunks))).toBe(408);
    expect(await ask(guest.port, '')).toBe('');
    const answer = await ask(guest.port, `${GET}\r\n`);
    expect(answer.match(/^HTTP/gmu)).toHaveLength(1);
  });

  test('one byte now and then does not hold a head open for ever', async () => {
    const guest = await start(variant, ['--env', 'TIMEOUT_MS=100']);
    const client = await Client.connect(guest.port);
    const pulse = await Client.connect(guest.port);
    await client.send(`${GET}A: `);
    while (!client.hasEnded) {
      await client.send('b').catch(() => {});
      await breathe(pulse);
    }
    expect(statusOf(String(await client.takeAll()))).toBe(408);
    client.close();
    pulse.close();
  });

  test('a client that asks and does not read makes it neither grow nor stop (B73)', async () => {
    const guest = await start(variant, ['--max-memory', '3MiB']);
    const client = await Client.connect(guest.port);
    client.socket.pause();
    const body = 'x'.repeat(50_000);
    const count = 400;
    const text = `${POST}Content-Length: ${body.length}\r\n\r\n${body}`;
    const sent = client.send(text.repeat(count));
    const other = await Client.connect(guest.port);
    for (let i = 0; i < 500; i++) await breathe(other);
    client.socket.resume();
    const answer = `${ECHO}${body.length}\r\n\r\n${body}`;
    for (let i = 0; i < count; i++) {
      const length = answer.length + 'Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n'.length;
      expect(withoutDates(await client.take(length)) === answer, `answer ${i}`).toBe(true);
    }
    await sent;
    client.close();
    other.close();
  });

  test("serves Node's client over a kept connection", async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const bodies = ['', 'short', 'long '.repeat(100_000)];
    for (const body of bodies) expect(await post(agent, port, body)).toBe(body);
    agent.destroy();
  });

  test('without a listener it says so, and ends', async () => {
    const { status, stderr } = await runGuest([`examples/http/build/${variant}.wasm`]);
    expect(stderr).toContain('there is no listener; run it with --listen');
    expect(status).toBe(1);
  });
});

/** Waits for an answer on another connection: what was sent before has then been received. */
async function breathe(pulse: Client): Promise<void> {
  await pulse.send('HEAD /health HTTP/1.1\r\nHost: x\r\n\r\n');
  let head = '';
  while (!head.endsWith('\r\n\r\n')) head += String(await pulse.take(1));
}

describe('http, told to stop', () => {
  test.each(['SIGTERM', 'SIGINT'] as const)(
    '%s lets requests be answered, and ends',
    async (signal) => {
      const guest = await start('http');
      const idle = await Client.connect(guest.port);
      expect(statusOf(await exchangePage(idle))).toBe(200);
      const busy = await Client.connect(guest.port);
      await busy.send(`${POST}Content-Length: 6\r\n\r\nabc`);
      await exchangePage(idle);
      const ended = guest.stop(signal);
      expect((await idle.takeAll()).toString()).toBe('');
      idle.close();
      await expect(Client.connect(guest.port)).rejects.toThrow('ECONNREFUSED');
      await busy.send('def');
      const answer = (await busy.takeAll()).toString();
      expect(answer).toContain('Connection: close\r\n\r\nabcdef');
      busy.close();
      expect(await ended).toBe(0);
    },
  );

  test('a second signal ends it at once', async () => {
    const guest = await startProcess('http');
    const idle = await Client.connect(guest.port);
    const busy = await Client.connect(guest.port);
    await busy.send(`${POST}Content-Length: 6\r\n\r\nabc`);
    await exchangePage(idle);
    const ended = guest.stop();
    await idle.takeAll();
    void guest.stop('SIGINT');
    expect(await ended).toBe(130);
    idle.close();
    busy.close();
  });
});

/** Asks for the page, and takes the answer; the connection stays. */
async function exchangePage(client: Client): Promise<string> {
  await client.send(`${GET}\r\n`);
  let answer = '';
  while (!answer.endsWith('sandbox.\n')) answer += String(await client.take(1));
  return answer;
}

/** As `ask`, in two segments. */
async function askInTwo(port: number, text: string): Promise<string> {
  const pulse = await Client.connect(port);
  const client = await Client.connect(port);
  const half = text.length >> 1;
  await client.send(text.slice(0, half));
  await breathe(pulse);
  await client.send(text.slice(half)).catch(() => {});
  const answers = withoutDates(await client.takeAll());
  client.close();
  pulse.close();
  return answers;
}

/** Posts a body in chunks; the promise is of the body of the answer. */
async function post(agent: Agent, port: number, body: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { agent, port, host: '127.0.0.1', path: '/echo', method: 'POST' };
    const sending = request(options, (answer) => {
      let text = '';
      answer.setEncoding('utf8');
      answer.on('data', (chunk: string) => (text += chunk));
      answer.on('end', () => resolve(text));
    });
    sending.on('error', reject);
    for (let at = 0; at < body.length; at += 7000) sending.write(body.slice(at, at + 7000));
    sending.end();
  });
}
