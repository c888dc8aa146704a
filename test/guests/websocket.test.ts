/** The WebSocket server of the guest library against RFC 6455. */
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';

import { Client } from '../support/client.js';
import { type GuestHere, startGuest } from '../support/guest-here.js';
import {
  Opcode,
  WebSocketClient,
  closeFrame,
  final,
  frame,
  handshake,
  takeHead,
} from '../support/websocket.js';

const WASM = 'test/guests/as/build/websocket.wasm';

let guest: GuestHere;

beforeAll(async () => {
  guest = await startGuest(WASM);
});

afterAll(async () => {
  await guest.stop();
});

async function open(): Promise<WebSocketClient> {
  return WebSocketClient.open(guest.port, '/echo');
}

test('messages come back, of every length at which the head changes', async () => {
  const socket = await open();
  for (const length of [0, 1, 125, 126, 127, 65_535, 65_536, 70_000, 1 << 20]) {
    const bytes = randomBytes(length);
    void socket.send(final(Opcode.BINARY, bytes));
    const answer = await socket.take();
    expect(answer.opcode).toBe(Opcode.BINARY);
    expect(bytes.equals(answer.payload), `${length} bytes`).toBe(true);
  }
  socket.client.close();
});

test('it does not matter in what pieces the bytes arrive', async () => {
  const socket = await open();
  const bytes = Buffer.concat([
    frame(Opcode.TEXT, 'Grü'),
    final(Opcode.PING, 'between'),
    frame(Opcode.CONTINUATION, 'ß G'),
    final(Opcode.CONTINUATION, 'ott'),
    final(Opcode.TEXT, 'x'.repeat(300)),
  ]);
  for (const byte of bytes) await socket.send(Buffer.from([byte]));
  expect(await socket.take()).toEqual({ opcode: Opcode.PONG, payload: Buffer.from('between') });
  expect(await socket.takeText()).toBe('Grüß Gott');
  expect(await socket.takeText()).toBe('x'.repeat(300));
  socket.client.close();
});

test('a character may be split between fragments, but not left incomplete', async () => {
  const euro = Buffer.from('€');
  const whole = await open();
  await whole.send(frame(Opcode.TEXT, euro.subarray(0, 1)));
  await whole.send(final(Opcode.CONTINUATION, euro.subarray(1)));
  expect(await whole.takeText()).toBe('€');
  await whole.send(closeFrame(1000));
  expect(await whole.takeClose()).toBe(1000);
  const cut = await open();
  await cut.send(final(Opcode.TEXT, euro.subarray(0, 2)));
  expect(await cut.takeClose()).toBe(1007);
});

test.each([1000, 1001, 1003, 1011, 3000, 4999])('close %i is answered with it', async (code) => {
  const socket = await open();
  await socket.send(closeFrame(code, 'goodbye'));
  expect(await socket.takeClose()).toBe(code);
});

test('a close without a code is answered without one', async () => {
  const socket = await open();
  await socket.send(final(Opcode.CLOSE));
  expect(await socket.takeClose()).toBe(1005);
});

const TEXT = Buffer.from('text');

test.each<[what: string, code: number, bytes: Uint8Array]>([
  ['no mask', 1002, Buffer.from([0x81, 0x01, 0x61])],
  ['a reserved bit', 1002, frame(0xc1, 'a')],
  ['an unknown opcode', 1002, final(3)],
  ['an unknown control opcode', 1002, final(11)],
  ['a long ping', 1002, final(Opcode.PING, 'x'.repeat(126))],
  ['a fragmented ping', 1002, frame(Opcode.PING, '')],
  ['a continuation of nothing', 1002, final(Opcode.CONTINUATION, TEXT)],
  ['a text within a text', 1002, Buffer.concat([frame(1, 'a'), final(1, 'b')])],
  ['a length in too long a form', 1002, Buffer.from([0x81, 0xfe, 0, 5, 0, 0, 0, 0])],
  [
    'a length of 64 bits in vain',
    1002,
    Buffer.from([0x82, 0xff, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0]),
  ],
  ['a negative length', 1002, Buffer.from([0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0])],
  ['a close of one byte', 1002, final(Opcode.CLOSE, 'x')],
  ['a close code that is not to be sent', 1002, closeFrame(1005)],
  ['a close reason that is not UTF-8', 1007, closeFrame(1000, Buffer.from([0xff]))],
  ['a text that is not UTF-8', 1007, final(Opcode.TEXT, Buffer.from([0xc3, 0x28]))],
  [
    'a message beyond the limit',
    1009,
    Buffer.from([0x82, 0xff, 0, 0, 0, 0, 0, 16, 0, 1, 0, 0, 0, 0]),
  ],
])('%s closes with %i', async (_what, code, bytes) => {
  const socket = await open();
  await socket.send(bytes);
  expect(await socket.takeClose()).toBe(code);
});

test('fragments that together go beyond the limit close with 1009', async () => {
  const small = await startGuest(WASM, ['--env', 'SIZE=10']);
  const socket = await WebSocketClient.open(small.port, '/echo');
  await socket.send(Buffer.concat([frame(Opcode.BINARY, '12345'), final(0, '67890')]));
  expect((await socket.take()).payload.toString()).toBe('1234567890');
  await socket.send(Buffer.concat([frame(Opcode.BINARY, '123456'), final(0, '78901')]));
  expect(await socket.takeClose()).toBe(1009);
  await small.stop();
});

test('a silent peer is pinged, and given up when it goes on being silent', async () => {
  const idle = await startGuest(WASM, ['--env', 'IDLE_MS=20']);
  const socket = await WebSocketClient.open(idle.port, '/echo');
  for (let i = 0; i < 3; i++) {
    expect((await socket.take()).opcode).toBe(Opcode.PING);
    await socket.send(final(Opcode.PONG));
  }
  expect((await socket.take()).opcode).toBe(Opcode.PING);
  expect(await socket.client.takeAll()).toHaveLength(0);
  await idle.stop();
});

test.each<[what: string, status: number, headers: Record<string, string>]>([
  ['another version', 426, { 'Sec-WebSocket-Version': '8' }],
  ['no version', 426, { 'Sec-WebSocket-Version': '' }],
  ['no key', 400, { 'Sec-WebSocket-Key': '' }],
  ['a short key', 400, { 'Sec-WebSocket-Key': 'abc=' }],
  ['no upgrade', 404, { Upgrade: '' }],
  ['no upgrade among the connection options', 404, { Connection: 'keep-alive' }],
])('a handshake with %s is answered with %i', async (_what, status, headers) => {
  const client = await Client.connect(guest.port);
  await client.send(handshake('/echo', headers));
  expect(await takeHead(client)).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
  client.close();
});

test('a path without WebSockets answers as to any request', async () => {
  const client = await Client.connect(guest.port);
  await client.send(handshake('/elsewhere', { Connection: 'keep-alive, Upgrade' }));
  expect(await takeHead(client)).toMatch(/^HTTP\/1\.1 404 /);
  client.close();
});

test('frames right behind the handshake are not lost', async () => {
  const client = await Client.connect(guest.port);
  await client.send(Buffer.concat([Buffer.from(handshake('/echo')), final(1, 'early')]));
  expect(await takeHead(client)).toContain('s3pPLMBiTxaQ9kYGzzhZRbK+xOo=');
  expect(await new WebSocketClient(client).takeText()).toBe('early');
  client.close();
});

test('a peer that does not read is not read either, and loses nothing', async () => {
  const socket = await open();
  const bytes = randomBytes(1 << 20);
  socket.client.socket.pause();
  const sent = Promise.all(
    Array.from({ length: 16 }, async () => socket.send(final(Opcode.BINARY, bytes))),
  );
  // Another is served meanwhile.
  const other = await open();
  await other.send(final(Opcode.TEXT, 'hello'));
  expect(await other.takeText()).toBe('hello');
  socket.client.socket.resume();
  for (let i = 0; i < 16; i++) expect(bytes.equals((await socket.take()).payload)).toBe(true);
  await sent;
  socket.client.close();
  other.client.close();
});
