/** The C library for guests: ordinary Linux programs, compiled unchanged. */
import { spawnSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { afterEach, expect, test } from 'vitest';

import { type CServer, compileC, startGuestServer } from '../support/c-program.js';
import { Client } from '../support/client.js';
import { withFiles } from '../support/files.js';
import { LOOPBACK, runGuest } from '../support/guest-here.js';
import { ROOT } from '../support/sources.js';

const servers: CServer[] = [];

afterEach(async () => {
  await Promise.all(servers.splice(0).map(async (server) => server.stop()));
});

async function serve(wasm: string, ...args: string[]): Promise<number> {
  const server = await startGuestServer(wasm, ...args);
  servers.push(server);
  return server.port;
}

/** All that the guests are made of, what makes them, and what they are. */
function fingerprint(): string {
  const hash = createHash('sha256');
  const { stdout } = spawnSync(process.env['CLANG'] ?? 'clang-19', ['--version']);
  hash.update(stdout ?? '').update(readFileSync(`${ROOT}dist/cli/build.js`));
  for (const folder of ['guest/c', 'test', 'examples']) {
    const files = readdirSync(`${ROOT}${folder}`, { recursive: true, encoding: 'utf8' });
    const ours = files.filter((file) => /\.(?:c|h|mjs|wasm)$/.test(file) && !/build\//.test(file));
    for (const file of ours.toSorted((a, b) => (a < b ? -1 : 1))) {
      hash.update(`\0${file}\0`).update(readFileSync(`${ROOT}${folder}/${file}`));
    }
  }
  return hash.digest('hex');
}

interface Check {
  readonly status: number | null;
  readonly stderr: string;
}

/** Where the fingerprint is kept of what was found good; it is no part of the repository. */
const KEPT = `${ROOT}native/build/test`;

/** Compiles all guests, and compares: again only after a change, as it takes ten seconds. */
function checkGuests(): Check {
  const stamp = `${KEPT}/c-guests`;
  const found = fingerprint();
  mkdirSync(KEPT, { recursive: true });
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === found) return { status: 0, stderr: '' };
  const args = ['guest/c/build-guests.mjs', '--check'];
  const check = spawnSync(process.execPath, args, { cwd: ROOT, encoding: 'utf8' });
  if (check.status === 0 && check.stderr === '') writeFileSync(stamp, found);
  return check;
}

const check = checkGuests();
const SKIPPED = 77;
const why = check.status === SKIPPED ? ` (not here: ${check.stderr.trim()})` : '';

test.skipIf(why !== '')(`the committed guests are what their sources give${why}`, () => {
  expect(check.stderr).toBe('');
  expect(check.status).toBe(0);
});

test.each(['library', 'inet'])('%s.c answers in a guest as it does on Linux', async (name) => {
  await withFiles({}, async (folder) => {
    compileC([`test/guests/c/${name}.c`], `${folder}/${name}`);
    const native = spawnSync(`${folder}/${name}`, { cwd: ROOT, encoding: 'utf8' });
    const guest = await runGuest([LOOPBACK, `test/guests/c/${name}.wasm`]);
    expect(guest.stdout).toBe(native.stdout);
    expect(guest.status).toBe(0);
    // A program that says nothing would be equal too.
    expect(native.stdout.split('\n').length).toBeGreaterThan(80);
  });
});

test.each(['lt', 'et'])('the echo server of the benchmark, unchanged: %s', async (mode) => {
  const port = await serve('test/bench/c/echo.wasm', mode);
  const clients = await Promise.all(Array.from({ length: 50 }, async () => Client.connect(port)));
  const answers = clients.map(async (client, i) => client.exchange(`client ${i}`));
  expect(await Promise.all(answers)).toEqual(clients.map((_, i) => `client ${i}`));
  const [client] = clients;
  const bytes = randomBytes(3_000_001);
  const sent = client?.send(bytes);
  expect(bytes.equals((await client?.take(bytes.length)) ?? Buffer.alloc(0))).toBe(true);
  await sent;
  for (const each of clients) each.close();
});

test('the HTTP server of the benchmark, unchanged', async () => {
  const port = await serve('test/bench/c/http.wasm');
  const client = await Client.connect(port);
  const request = 'GET / HTTP/1.1\r\nHost: here\r\n';
  await client.send(`${request}\r\n${request}Connection: close\r\n\r\n`);
  const answer = (await client.takeAll()).toString();
  expect(answer.match(/^HTTP\/1\.1 200 OK\r$/gm)).toHaveLength(2);
  expect(answer.match(/^Hello from inside the sandbox\.$/gm)).toHaveLength(2);
  client.close();
});

test('threads are joined, lock, wait for conditions, and have an errno each', async () => {
  await withFiles({}, async (folder) => {
    compileC(['test/guests/c/threads/threads.c'], `${folder}/threads`);
    const native = spawnSync(`${folder}/threads`, { encoding: 'utf8' });
    const guest = await runGuest([LOOPBACK, 'test/guests/c/threads/threads.wasm']);
    for (const { status, stderr } of [native, guest]) expect([stderr, status]).toEqual(['', 0]);
  });
});
