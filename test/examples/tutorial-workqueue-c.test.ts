/**
 * The C server of examples/tutorial-workqueue, as its README runs it: with pthreads on Linux, and
 * as a guest of several threads. It aborts if two threads ever have one connection.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { crc32 } from 'node:zlib';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';

import { type CServer, compileC, startGuestServer, startServer } from '../support/c-program.js';
import { sandpoll } from '../support/cli.js';
import { Client } from '../support/client.js';

const WASM = 'examples/tutorial-workqueue/c/server.wasm';
const WORKERS = '4';
/** As many connections as the server has room for. */
const CONNECTIONS = 256;

const folder = mkdtempSync(`${tmpdir()}/sandpoll-workqueue-`);
const servers: CServer[] = [];

const SERVERS = {
  native: async () => startServer([`${folder}/server`, WORKERS]),
  guest: async () => startGuestServer(WASM, WORKERS),
};

beforeAll(() => compileC(['examples/tutorial-workqueue/c/server.c'], `${folder}/server`));

afterAll(() => rmSync(folder, { recursive: true }));

afterEach(async () => {
  await Promise.all(servers.splice(0).map(async (server) => server.stop()));
});

async function serve(which: keyof typeof SERVERS): Promise<CServer> {
  const server = await SERVERS[which]();
  servers.push(server);
  return server;
}

/** What the server must answer to lines. */
function answersTo(lines: readonly string[]): string {
  const sum = (line: string): string => crc32(line).toString(16).padStart(8, '0');
  return lines.map((line, index) => `${index + 1} ${sum(line)}\n`).join('');
}

async function ask(client: Client, lines: readonly string[]): Promise<string> {
  await client.send(lines.map((line) => `${line}\n`).join(''));
  return (await client.take(answersTo(lines).length)).toString();
}

const many = (count: number, text: string): string[] =>
  Array.from({ length: count }, (_, index) => `${text} ${index}`);

describe.each(['native', 'guest'] as const)('%s', (which) => {
  test('answers each line once and in order, in whatever pieces it comes', async () => {
    const { port } = await serve(which);
    const clients = await Promise.all(many(40, '').map(async () => Client.connect(port)));
    const asked = clients.map(async (client, number) => {
      const lines = many(100, `client ${number}, line`);
      const bytes = Buffer.from(lines.map((line) => `${line}\n`).join(''));
      // Pieces of 1 to 97 bytes, each sent once the one before has left.
      let at = 0;
      for (let piece = number + 1; at < bytes.length; piece = (piece * 31) % 97 || 1) {
        await client.send(bytes.subarray(at, at + piece));
        at += piece;
      }
      expect((await client.take(answersTo(lines).length)).toString()).toBe(answersTo(lines));
      client.end();
      expect(await client.takeAll()).toHaveLength(0);
    });
    await Promise.all(asked);
  });

  test('forgets no direction of one that sends megabytes, and reads only then (E5)', async () => {
    const { port } = await serve(which);
    const client = await Client.connect(port);
    const lines = many(300_000, '');
    client.socket.pause();
    client.socket.end(lines.map((line) => `${line}\n`).join(''));
    // Others are served while it is full.
    const other = await Client.connect(port);
    expect(await ask(other, ['meanwhile'])).toBe(answersTo(['meanwhile']));
    client.socket.resume();
    expect((await client.takeAll()).toString() === answersTo(lines)).toBe(true);
    other.close();
  });

  test('strands none of those that break off between the event and the arming (E5)', async () => {
    const { port } = await serve(which);
    // Four times as many as there is room for: one that was stranded would keep its room.
    for (let round = 0; round < 16; round++) {
      const clients = await Promise.all(many(64, '').map(async () => Client.connect(port)));
      await Promise.all(clients.map(async (client) => client.send('a line\nand half a one')));
      for (const client of clients) client.socket.resetAndDestroy();
    }
    const clients: Client[] = [];
    // The last resets may still be on their way.
    await expect
      .poll(
        async () => {
          const client = await Client.connect(port);
          const answered = ask(client, ['here']).catch(() => '');
          if ((await answered) === answersTo(['here'])) clients.push(client);
          return clients.length;
        },
        { interval: 0, timeout: 10_000 },
      )
      .toBe(CONNECTIONS);
    for (const client of clients) client.close();
  });
});

test('a guest without the threads that it needs says which flag gives them', async () => {
  const args = ['--allow-net=tcp:127.0.0.1:0', '--max-threads', '3', WASM, WORKERS];
  const { status, stderr } = await sandpoll(args);
  expect(stderr).toContain('threads: 3 are running; allow more with --max-threads');
  // The guest writes piece by piece, and the host's line may come between.
  expect(stderr).toContain('pthread_create failed');
  expect(status).toBe(1);
});
