/** The proxy example, as its README runs it. */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, type Server, type Socket, createServer } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { Client } from '../support/client.js';
import { leakedSince, openDescriptors } from '../support/descriptors.js';
import { type GuestHere, runGuest, startGuest } from '../support/guest-here.js';
import { type GuestProcess, startGuestProcess } from '../support/guest-process.js';

const guests: (GuestHere | GuestProcess)[] = [];
const upstreams: Upstream[] = [];

/** More than sockets, and a guest that kept it, have room for. */
const MUCH = randomBytes(32 << 20);

afterEach(async () => {
  await Promise.all(guests.splice(0).map(async (guest) => guest.stop()));
  await Promise.all(upstreams.splice(0).map(async (upstream) => upstream.close()));
});

/** A server behind the proxy; its connections are clients that a test can tell what to do. */
class Upstream {
  readonly #server: Server;
  readonly #sockets: Socket[] = [];
  readonly #waiting: ((client: Client) => void)[] = [];
  readonly #come: Client[] = [];

  constructor(server: Server) {
    this.#server = server;
    server.on('connection', (socket: Socket) => {
      this.#sockets.push(socket);
      const client = new Client(socket);
      const next = this.#waiting.shift();
      if (next === undefined) this.#come.push(client);
      else next(client);
    });
  }

  static async listen(): Promise<Upstream> {
    const server = createServer({ allowHalfOpen: true });
    const upstream = new Upstream(server.listen(0, '127.0.0.1'));
    upstreams.push(upstream);
    await once(server, 'listening');
    return upstream;
  }

  get address(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** The next connection that the proxy makes. */
  async accept(): Promise<Client> {
    return this.#come.shift() ?? new Promise((resolve) => this.#waiting.push(resolve));
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
    });
  }
}

/** Starts the proxy in front of an address, by either of the ways to start a guest. */
async function start<Started extends GuestHere | GuestProcess>(
  starter: (wasm: string, options: readonly string[], args: readonly string[]) => Promise<Started>,
  variant: string,
  address: string,
  options: readonly string[] = [],
): Promise<Started> {
  const grant = `--allow-net=tcp:${address}/out`;
  const wasm = `examples/proxy/build/${variant}.wasm`;
  const guest = await starter(wasm, [grant, ...options], [address]);
  guests.push(guest);
  return guest;
}

interface Line<Started> {
  readonly guest: Started;
  readonly upstream: Upstream;
  readonly client: Client;
  readonly server: Client;
}

/** A connection through the proxy, and both of its ends. */
async function connectBy<Started extends GuestHere | GuestProcess>(
  starter: Parameters<typeof start<Started>>[0],
  variant: string,
  options: readonly string[] = [],
): Promise<Line<Started>> {
  const upstream = await Upstream.listen();
  const guest = await start(starter, variant, upstream.address, options);
  const client = await Client.connect(guest.port);
  return { guest, upstream, client, server: await upstream.accept() };
}

async function connectThrough(
  variant: string,
  options: readonly string[] = [],
): Promise<Line<GuestHere>> {
  return connectBy(startGuest, variant, options);
}

/** How a connection ends: with the code of an error, or in peace. */
async function endOf(client: Client): Promise<string> {
  await client.takeAll();
  const error: NodeJS.ErrnoException | null = client.socket.errored;
  return error?.code ?? 'in peace';
}

/** How a new connection ends; it may be reset before it is told that it is one. */
async function endOfNew(port: number): Promise<string> {
  try {
    return await endOf(await Client.connect(port));
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? String(error);
  }
}

/** Lets one message go each way. */
async function roundTrip(client: Client, server: Client): Promise<void> {
  await client.send('.');
  await server.send(await server.take(1));
  await client.take(1);
}

describe.each(['proxy', 'proxy-et', 'proxy-poll'])('%s', (variant) => {
  test('relays both ways, over many connections at once', async () => {
    const upstream = await Upstream.listen();
    const guest = await start(startGuest, variant, upstream.address);
    const clients = await Promise.all(
      Array.from({ length: 50 }, async () => Client.connect(guest.port)),
    );
    await Promise.all(clients.map(async (client, i) => client.send(`client ${i} `.padEnd(16))));
    for (let i = 0; i < clients.length; i++) {
      const server = await upstream.accept();
      await server.send(`to ${(await server.take(16)).toString()}`);
    }
    const answers = await Promise.all(clients.map(async (client) => client.take(19)));
    const expected = clients.map((_, i) => `to ${`client ${i} `.padEnd(16)}`);
    expect(answers.map(String)).toEqual(expected);
  });

  test('relays megabytes both ways at once, unchanged (E3)', async () => {
    const { client, server } = await connectThrough(variant);
    const [up, down] = [randomBytes(8_000_001), randomBytes(7_000_003)];
    const sent = Promise.all([client.send(up), server.send(down)]);
    const [arrivedUp, arrivedDown] = await Promise.all([
      server.take(up.length),
      client.take(down.length),
    ]);
    await sent;
    expect([arrivedUp.equals(up), arrivedDown.equals(down)]).toEqual([true, true]);
  });

  test('preserves the half-close of a client (E9)', async () => {
    const { client, server } = await connectThrough(variant);
    const question = randomBytes(1_000_000);
    client.socket.end(question);
    expect((await server.takeAll()).equals(question)).toBe(true);
    expect(client.hasEnded).toBe(false);
    const answer = randomBytes(2_000_000);
    server.socket.end(answer);
    expect((await client.takeAll()).equals(answer)).toBe(true);
  });

  test('preserves the half-close of a server (E9)', async () => {
    const { client, server } = await connectThrough(variant);
    server.socket.end('welcome');
    expect((await client.takeAll()).toString()).toBe('welcome');
    await client.send('still here');
    expect((await server.take(10)).toString()).toBe('still here');
    client.end();
    expect((await server.takeAll()).length).toBe(0);
  });

  test('an end that comes before the upstream has accepted is passed on', async () => {
    const upstream = await Upstream.listen();
    const guest = await start(startGuest, variant, upstream.address);
    const client = await Client.connect(guest.port);
    client.end();
    const server = await upstream.accept();
    expect((await server.takeAll()).length).toBe(0);
    server.socket.end('bye');
    expect((await client.takeAll()).toString()).toBe('bye');
  });

  test('passes on a reset, from either side', async () => {
    const one = await connectThrough(variant);
    one.client.socket.resetAndDestroy();
    expect(await endOf(one.server)).toBe('ECONNRESET');
    const other = await connectThrough(variant);
    other.server.socket.resetAndDestroy();
    expect(await endOf(other.client)).toBe('ECONNRESET');
  });

  test.each(['client', 'server'] as const)(
    'a %s that does not read makes it neither grow nor stop (B73)',
    async (sleeper) => {
      // A guest that kept all that it could not send would trap at this limit.
      const line = await connectThrough(variant, ['--max-memory', '2MiB']);
      const [slow, fast] =
        sleeper === 'client' ? [line.client, line.server] : [line.server, line.client];
      slow.socket.pause();
      const sent = fast.send(MUCH);
      const other = await Client.connect(line.guest.port);
      const otherServer = await line.upstream.accept();
      for (let i = 0; i < 200; i++) {
        await other.send('ping');
        await otherServer.send(await otherServer.take(4));
        expect((await other.take(4)).toString()).toBe('ping');
      }
      // The other direction goes on while this one waits.
      await slow.send('meanwhile');
      expect((await fast.take(9)).toString()).toBe('meanwhile');
      slow.socket.resume();
      expect(MUCH.equals(await slow.take(MUCH.length))).toBe(true);
      await sent;
    },
  );

  test('an upstream that refuses resets the client, and is named', async () => {
    const upstream = await Upstream.listen();
    const { address } = upstream;
    await upstream.close();
    const guest = await start(startGuest, variant, address);
    for (let i = 0; i < 3; i++) {
      expect(await endOfNew(guest.port)).toBe('ECONNRESET');
    }
    await guest.said(new RegExp(`^proxy: cannot reach ${address}: CONNREFUSED$`, 'm'));
  });

  test('without the grant it reaches nobody, and says what is missing (B39)', async () => {
    const upstream = await Upstream.listen();
    const wasm = `examples/proxy/build/${variant}.wasm`;
    const guest = await startGuest(wasm, [], [upstream.address]);
    guests.push(guest);
    expect(await endOfNew(guest.port)).toBe('ECONNRESET');
    await guest.stop();
    expect(guest.stderr).toContain(`proxy: cannot reach ${upstream.address}: `);
    expect(guest.stderr).toContain('--allow-net');
  });

  test('connections that come and go leave no descriptor behind', async () => {
    const { guest, upstream, client, server } = await connectThrough(variant);
    await roundTrip(client, server);
    const before = openDescriptors();
    for (let i = 0; i < 30; i++) {
      const passer = await Client.connect(guest.port);
      const behind = await upstream.accept();
      if (i % 3 === 0) await passer.send('x');
      if (i % 2 === 0) passer.socket.resetAndDestroy();
      else passer.end();
      await endOf(behind);
      behind.close();
    }
    for (let i = 0; i < 1000 && openDescriptors().length > before.length; i++) {
      await roundTrip(client, server);
    }
    expect(await leakedSince(before)).toEqual([]);
  });

  test('a message costs a wait, a recv and a send', async () => {
    const { guest, client, server } = await connectBy(startGuestProcess, variant, ['--trace']);
    const message = randomBytes(16_384);
    for (let i = 0; i < 20; i++) {
      await client.send(message);
      await server.take(message.length);
    }
    await guest.stop();
    const wait = variant === 'proxy-poll' ? 'poll_oneoff' : 'epoll_wait';
    expect(guest.calls().slice(-31).join(' ')).toContain(`${wait} sock_recv sock_send ${wait}`);
    expect(guest.calls().filter((name) => name === 'sock_recv').length).toBeLessThan(60);
  });

  test('without a listener or an address it says so, and ends', async () => {
    const wasm = `examples/proxy/build/${variant}.wasm`;
    const listening = ['--listen', '127.0.0.1:0', wasm];
    const [deaf, mute, lost] = await Promise.all([
      runGuest([wasm, '127.0.0.1:1']),
      runGuest(listening),
      runGuest([...listening, 'localhost:80']),
    ]);
    expect(deaf.stderr).toContain('there is no listener; run it with --listen');
    expect(mute.stderr).toContain('give it one argument, where to connect to');
    expect([deaf.status, mute.status, lost.status]).toEqual([1, 2, 2]);
  });
});
