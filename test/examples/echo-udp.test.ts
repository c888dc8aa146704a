/** The datagram echo, as the README of examples/echo runs it. */
import { randomBytes } from 'node:crypto';
import { type Socket, createSocket } from 'node:dgram';
import { once } from 'node:events';
import { expect, onTestFinished, test } from 'vitest';
import { runGuest, startGuest } from '../support/guest-here.js';

const WASM = 'examples/echo/build/echo-udp.wasm';

async function exchange(socket: Socket, port: number, bytes: Buffer): Promise<Buffer> {
  socket.send(bytes, port, '127.0.0.1');
  const [answer] = (await once(socket, 'message')) as [Buffer];
  return answer;
}

test('sends back each datagram as it came, to whoever sent it', async () => {
  const guest = await startGuest(WASM, ['--allow-net=udp:127.0.0.1'], ['127.0.0.1:0']);
  onTestFinished(async () => void (await guest.stop()));
  const [, announced] = await guest.said(/listening on udp:\/\/127\.0\.0\.1:(\d+)/);
  const port = Number(announced);
  const sockets = Array.from({ length: 20 }, () => createSocket('udp4'));
  for (const length of [0, 1, 1_400]) {
    const sent = sockets.map((_, i) => Buffer.alloc(length, i));
    const answers = sockets.map(async (socket, i) => exchange(socket, port, sent[i]));
    expect(await Promise.all(answers)).toEqual(sent);
  }
  // More of these at once than the socket has room for would be lost.
  const large = randomBytes(60_000);
  expect(await exchange(sockets[0], port, large)).toEqual(large);
  for (const socket of sockets) socket.close();
});

test('an address that is not granted ends it with a sentence', async () => {
  const { status, stderr } = await runGuest([WASM, '127.0.0.1:0']);
  expect(stderr).toContain('echo-udp: cannot receive at 127.0.0.1:0');
  expect(status).toBe(1);
});
