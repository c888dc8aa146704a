/** The example tutorial-lt-et, as its README runs it. */
import { afterEach, describe, expect, test } from 'vitest';
import { Client } from '../support/client.js';
import { type GuestHere, runGuest, startGuest } from '../support/guest-here.js';
import { type GuestProcess, startGuestProcess } from '../support/guest-process.js';

const WASM = 'examples/tutorial-lt-et/build/tutorial-lt-et.wasm';
const guests: (GuestHere | GuestProcess)[] = [];

afterEach(async () => {
  await Promise.all(guests.splice(0).map(async (guest) => guest.stop()));
});

async function start(mode: string, options: readonly string[] = []): Promise<GuestHere> {
  const guest = await startGuest(WASM, options, [mode]);
  guests.push(guest);
  return guest;
}

/** For what only a process shows: its trace. */
async function startTraced(mode: string, ...options: string[]): Promise<GuestProcess> {
  const guest = await startGuestProcess(WASM, options, [mode]);
  guests.push(guest);
  return guest;
}

/** A client that is known to the server by now. */
async function join(guest: Pick<GuestHere, 'port'>): Promise<Client> {
  const client = await Client.connect(guest.port);
  expect(await client.exchange('hello')).toBe('hello');
  return client;
}

describe.each(['lt', 'et'])('%s', (mode) => {
  test('sends back what it receives, to many clients at once', async () => {
    const guest = await start(mode);
    const clients = await Promise.all(Array.from({ length: 100 }, async () => join(guest)));
    for (let round = 0; round < 3; round++) {
      const texts = clients.map((_, i) => `round ${round} of client ${i}`);
      const answers = clients.map(async (client, i) => client.exchange(texts[i] ?? ''));
      expect(await Promise.all(answers)).toEqual(texts);
    }
    for (const client of clients) client.close();
  });

  test('a client that half-closes has all it sent answered, and is told from others', async () => {
    const guest = await start(mode);
    const client = await join(guest);
    const bytes = Buffer.alloc(3_000_001, 'a tutorial ');
    client.socket.end(bytes);
    const answer = await client.takeAll();
    expect(answer.equals(Buffer.concat([bytes, Buffer.from('bye\n')]))).toBe(true);
    expect(await guest.printed(/^client 1 half-closed: FIN, and it took our answer$/mu)).toBe(true);
  });

  test('a client that closes is told by its answer to ours', async () => {
    const guest = await start(mode);
    const client = await join(guest);
    client.close();
    expect(await guest.printed(/^client 1 closed: FIN, and RST to our answer$/mu)).toBe(true);
  });

  test('a client that resets is told by its RST (E8)', async () => {
    const guest = await start(mode);
    const client = await join(guest);
    client.socket.resetAndDestroy();
    expect(await guest.printed(/^client 1 was reset: RST$/mu)).toBe(true);
  });

  test('a client with unread data resets when it closes', async () => {
    const guest = await start(mode);
    const client = await join(guest);
    client.socket.pause();
    await client.send(Buffer.alloc(100_000));
    client.close();
    expect(await guest.printed(/^client 1 was reset: RST$/mu)).toBe(true);
  });

  test('a client that does not read is not read, and neither is waited for (B73)', async () => {
    const guest = await start(mode, ['--max-memory', '2MiB']);
    const client = await join(guest);
    client.socket.pause();
    const bytes = Buffer.alloc(32 << 20, 'x');
    const sent = client.send(bytes);
    const other = await join(guest);
    for (let i = 0; i < 100; i++) expect(await other.exchange(`ping ${i}`)).toBe(`ping ${i}`);
    client.socket.resume();
    expect(bytes.equals(await client.take(bytes.length))).toBe(true);
    await sent;
    client.close();
    other.close();
  });

  test('without descriptors new clients wait for others to leave (E16)', async () => {
    const guest = await startTraced(mode, '--max-fds', '10', '--trace');
    const clients = await Promise.all(
      Array.from({ length: 30 }, async () => Client.connect(guest.port)),
    );
    await Promise.all(
      clients.map(async (client, i) => {
        expect(await client.exchange(`client ${i}`)).toBe(`client ${i}`);
        client.close();
      }),
    );
    expect(await guest.printed(/^client 30 closed/mu)).toBe(true);
    const refusals = guest.stderr.match(/^sock_accept.*MFILE/gmu)?.length ?? 0;
    expect(refusals).toBeGreaterThan(0);
    expect(refusals).toBeLessThan(40);
  });

  test('a client that takes nothing and then resets is waited for without spinning (E10)', async () => {
    const guest = await startTraced(mode, '--trace=epoll');
    const client = await join(guest);
    const other = await join(guest);
    client.socket.pause();
    client.socket.on('error', () => {});
    client.socket.end(Buffer.alloc(32 << 20));
    // It has changed over to waiting until it can send.
    while (!/^epoll_ctl.*op=3/mu.test(guest.stderr)) await other.exchange('.');
    const before = guest.calls().length;
    for (let i = 0; i < 100; i++) await other.exchange('.');
    expect(guest.calls().length - before).toBeLessThan(300);
    client.socket.resetAndDestroy();
    expect(await guest.printed(/^client 1 was reset: RST$/mu)).toBe(true);
  });
});

test.each(['', 'ot', 'lt et'])('says what its argument is, when it is "%s"', async (line) => {
  const words = line.split(' ').filter((word) => word !== '');
  const { status, stderr } = await runGuest(['--listen', '127.0.0.1:0', WASM, ...words]);
  expect(stderr).toContain('give it one argument: lt (level-triggered) or et (edge-triggered)');
  expect(status).toBe(2);
});

test('without a listener it says so, and ends', async () => {
  const { status, stderr } = await runGuest([WASM, 'lt']);
  expect(stderr).toContain('there is no listener; run it with --listen');
  expect(status).toBe(1);
});
