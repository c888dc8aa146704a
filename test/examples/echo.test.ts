/** The echo example, as its README runs it. */
import { randomBytes } from 'node:crypto';
import { afterEach, describe, expect, test } from 'vitest';
import { Client } from '../support/client.js';
import { leakedSince, openDescriptors } from '../support/descriptors.js';
import { type GuestHere, runGuest, startGuest } from '../support/guest-here.js';
import { type GuestProcess, startGuestProcess } from '../support/guest-process.js';

const guests: (GuestHere | GuestProcess)[] = [];

/** More than sockets, and a guest that kept it, have room for. */
const MUCH = randomBytes(32 << 20);

afterEach(async () => {
  await Promise.all(guests.splice(0).map(async (guest) => guest.stop()));
});

async function start(variant: string, options: readonly string[] = []): Promise<GuestHere> {
  const guest = await startGuest(`examples/echo/build/${variant}.wasm`, options);
  guests.push(guest);
  return guest;
}

/** For what only a process shows: its descriptors, and its trace. */
async function startProcess(variant: string, ...options: string[]): Promise<GuestProcess> {
  const guest = await startGuestProcess(`examples/echo/build/${variant}.wasm`, options);
  guests.push(guest);
  return guest;
}

/** Whether something comes to hold, looking again whenever another client has had an answer. */
async function becomes(holds: () => boolean, pulse: Client): Promise<boolean> {
  for (let i = 0; i < 20_000 && !holds(); i++) await pulse.exchange('.');
  return holds();
}

describe.each(['echo-lt', 'echo-et', 'echo-poll'])('%s', (variant) => {
  test('sends back what it receives, over many connections at once', async () => {
    const { port } = await start(variant);
    const clients = await Promise.all(
      Array.from({ length: 100 }, async () => Client.connect(port)),
    );
    for (let round = 0; round < 3; round++) {
      const texts = clients.map((_, i) => `round ${round} of client ${i}`);
      const answers = clients.map(async (client, i) => client.exchange(texts[i] ?? ''));
      expect(await Promise.all(answers)).toEqual(texts);
    }
    for (const client of clients) client.close();
  });

  test('sends back megabytes unchanged (E3)', async () => {
    const { port } = await start(variant);
    const client = await Client.connect(port);
    const bytes = randomBytes(5_000_001);
    const sent = client.send(bytes);
    expect(bytes.equals(await client.take(bytes.length))).toBe(true);
    await sent;
    client.close();
  });

  test('answers all that came before the end, then ends (E9)', async () => {
    const { port } = await start(variant);
    for (const length of [0, 1, 65_536, 65_537, 1_000_000]) {
      const client = await Client.connect(port);
      const bytes = randomBytes(length);
      client.socket.end(bytes);
      const answer = await client.takeAll();
      expect(bytes.equals(answer), `${length} bytes`).toBe(true);
      client.close();
    }
  });

  test('a client that does not read makes it neither grow nor stop (B73)', async () => {
    // A guest that kept all that it could not send would trap at this limit.
    const { port } = await start(variant, ['--max-memory', '2MiB']);
    const client = await Client.connect(port);
    client.socket.pause();
    const sent = client.send(MUCH);
    const other = await Client.connect(port);
    for (let i = 0; i < 1000; i++) expect(await other.exchange(`ping ${i}`)).toBe(`ping ${i}`);
    client.socket.resume();
    expect(MUCH.equals(await client.take(MUCH.length))).toBe(true);
    await sent;
    client.close();
    other.close();
  });

  test('a paused connection that is reset is closed, and does not spin (E10)', async () => {
    const guest = await startProcess(variant);
    const pulse = await Client.connect(guest.port);
    await pulse.exchange('.');
    const before = guest.countDescriptors();
    const client = await Client.connect(guest.port);
    client.socket.pause();
    client.socket.on('error', () => {});
    client.socket.write(MUCH);
    expect(await becomes(() => guest.countDescriptors() === before + 1, pulse)).toBe(true);
    for (let i = 0; i < 200; i++) await pulse.exchange('.');
    client.socket.resetAndDestroy();
    expect(await becomes(() => guest.countDescriptors() === before, pulse)).toBe(true);
    pulse.close();
  });

  test('without descriptors it serves those it has, and later the others (E16)', async () => {
    const guest = await startProcess(variant, '--max-fds', '12', '--trace');
    const connecting = Array.from({ length: 30 }, async () => Client.connect(guest.port));
    const clients = await Promise.all(connecting);
    const answered = clients.map(async (client, i) => {
      expect(await client.exchange(`client ${i}`)).toBe(`client ${i}`);
      client.close();
    });
    await Promise.all(answered);
    await guest.stop();
    // It waits between two attempts: the number of refusals is that of the waits, not of a spin.
    const refusals = guest.stderr.match(/^sock_accept.*MFILE/gmu)?.length ?? 0;
    expect(refusals).toBeGreaterThan(0);
    expect(refusals).toBeLessThan(100);
  });

  test('connections that come and go leave no descriptor behind', async () => {
    const { port } = await start(variant);
    const pulse = await Client.connect(port);
    await pulse.exchange('.');
    const before = openDescriptors();
    for (let i = 0; i < 100; i++) {
      const client = await Client.connect(port);
      if (i % 3 !== 0) await client.exchange('x');
      if (i % 2 === 0) client.socket.resetAndDestroy();
      else client.close();
    }
    expect(await becomes(() => openDescriptors().length <= before.length, pulse)).toBe(true);
    expect(await leakedSince(before)).toEqual([]);
    pulse.close();
  });

  test('an echo costs a wait, a recv and a send', async () => {
    const guest = await startProcess(variant, '--trace');
    const client = await Client.connect(guest.port);
    await client.exchange('warm up');
    for (let i = 0; i < 20; i++) await client.exchange('hello');
    client.close();
    await guest.stop();
    const wait = variant === 'echo-poll' ? 'poll_oneoff' : 'epoll_wait';
    const echoes = Array.from({ length: 20 }, () => `${wait} sock_recv sock_send`);
    expect(guest.calls().join(' ')).toContain(echoes.join(' '));
  });

  test('without a listener it says so, and ends', async () => {
    const { status, stderr } = await runGuest([`examples/echo/build/${variant}.wasm`]);
    expect(stderr).toContain('there is no listener; run it with --listen');
    expect(status).toBe(1);
  });
});

describe.each(['echo-lt', 'echo-et'])('%s, told to stop', (variant) => {
  test.each(['SIGTERM', 'SIGINT'] as const)(
    'at %s sends back what has arrived, and ends',
    async (signal) => {
      const guest = await start(variant);
      const idle = await Client.connect(guest.port);
      await idle.exchange('here');
      const late = await Client.connect(guest.port);
      await late.send('last words');
      const ended = guest.stop(signal);
      expect((await late.takeAll()).toString()).toBe('last words');
      expect((await idle.takeAll()).toString()).toBe('');
      await expect(Client.connect(guest.port)).rejects.toThrow('ECONNREFUSED');
      idle.close();
      late.close();
      expect(await ended).toBe(0);
    },
  );

  test('sends what it still has to those who read late', async () => {
    const guest = await start(variant);
    const pulse = await Client.connect(guest.port);
    const client = await Client.connect(guest.port);
    client.socket.pause();
    client.send(MUCH).catch(() => {});
    for (let i = 0; i < 100; i++) await pulse.exchange('.');
    const ended = guest.stop();
    await pulse.takeAll();
    pulse.close();
    client.socket.resume();
    const answer = await client.takeAll();
    expect(answer.length).toBeGreaterThan(0);
    expect(answer.equals(MUCH.subarray(0, answer.length))).toBe(true);
    client.close();
    expect(await ended).toBe(0);
  });
});

test('echo-poll is portable, has no signals, and just ends', async () => {
  const guest = await start('echo-poll');
  const client = await Client.connect(guest.port);
  await client.exchange('here');
  expect(await guest.stop()).toBe(143);
  client.close();
});
