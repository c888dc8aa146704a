/** The C server of examples/tutorial-lt-et, as its README runs it: on Linux, and as a guest. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';

import {
  type CServer,
  compileC,
  guestCommand,
  startGuestServer,
  startServer,
} from '../support/c-program.js';
import { Client } from '../support/client.js';
import { ROOT } from '../support/sources.js';

const WASM = 'examples/tutorial-lt-et/c/server.wasm';
const folder = mkdtempSync(`${tmpdir()}/sandpoll-tutorial-`);
const servers: CServer[] = [];

const COMMANDS = {
  native: (...args: string[]) => [`${folder}/server`, ...args],
  guest: (...args: string[]) => guestCommand(WASM, ...args),
};

const SERVERS = {
  native: async (mode: string) => startServer(COMMANDS.native(mode)),
  guest: async (mode: string) => startGuestServer(WASM, mode),
};

beforeAll(() => compileC(['examples/tutorial-lt-et/c/server.c'], `${folder}/server`));

afterAll(() => rmSync(folder, { recursive: true }));

afterEach(async () => {
  await Promise.all(servers.splice(0).map(async (server) => server.stop()));
});

async function serve(which: keyof typeof SERVERS, mode: string): Promise<CServer> {
  const server = await SERVERS[which](mode);
  servers.push(server);
  return server;
}

/** A client that is known to the server by now. */
async function join(server: CServer): Promise<Client> {
  const client = await Client.connect(server.port);
  expect(await client.exchange('hello')).toBe('hello');
  return client;
}

/** Ways to leave, and what the server must say of each. */
const LEAVINGS: readonly (readonly [string, string, (client: Client) => Promise<void>])[] = [
  ['closes', 'closed: FIN, and RST to our answer', async (client) => client.close()],
  [
    'half-closes',
    'half-closed: FIN, and it took our answer',
    async (client) => {
      client.end();
      expect((await client.takeAll()).toString()).toBe('bye\n');
    },
  ],
  [
    'half-closes after megabytes',
    'half-closed: FIN, and it took our answer',
    async (client) => {
      const bytes = Buffer.alloc(3_000_001, 'a tutorial ');
      client.socket.end(bytes);
      const expected = Buffer.concat([bytes, Buffer.from('bye\n')]);
      expect((await client.takeAll()).equals(expected)).toBe(true);
    },
  ],
  ['resets', 'was reset: RST', async (client) => void client.socket.resetAndDestroy()],
  [
    'closes with unread data',
    'was reset: RST',
    async (client) => {
      client.socket.pause();
      await client.send(Buffer.alloc(100_000));
      client.close();
    },
  ],
];

describe.each(['lt', 'et', 'oneshot'])('%s', (mode) => {
  test.each(LEAVINGS)('tells of a client that %s: %s (E8)', async (_how, farewell, leave) => {
    const lines: string[] = [];
    for (const which of ['native', 'guest'] as const) {
      const server = await serve(which, mode);
      const client = await join(server);
      await leave(client);
      await server.printed(/^client 1 (closed|half-closed|was).*$/mu);
      lines.push(server.stdout());
    }
    const [native, guest] = lines;
    expect(native).toBe(`client 1 came\nclient 1 ${farewell}\n`);
    expect(guest).toBe(native);
  });

  test('sends back what it receives, to many clients at once', async () => {
    const server = await serve('guest', mode);
    const clients = await Promise.all(Array.from({ length: 50 }, async () => join(server)));
    const answers = clients.map(async (client, i) => client.exchange(`client ${i}`));
    expect(await Promise.all(answers)).toEqual(clients.map((_, i) => `client ${i}`));
    for (const client of clients) client.close();
  });
});

test.each(['native', 'guest'] as const)('%s: says how it is used', (which) => {
  const [file = '', ...args] = COMMANDS[which]('ot');
  const { status, stderr } = spawnSync(file, args, { cwd: ROOT, encoding: 'utf8' });
  expect(stderr).toBe('usage: server lt|et|oneshot [PORT]\n');
  expect(status).toBe(2);
});
