/** The pipeline of the first tutorial: its own file, its own guests, real sockets. */
import { createHash } from 'node:crypto';

import { type Group, type Pipeline, startPipeline } from '#host/index.js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { Client } from '../support/client.js';
import { leakedSince, openDescriptors } from '../support/descriptors.js';
import { ports, readExample, withPipeline } from '../support/pipeline.js';

/** A pipeline that serves. */
interface Serving {
  readonly group: Group;
  readonly port: number;
  /** Ends it: it must be there until now, have said what is due, and leave nothing behind. */
  readonly finish: () => Promise<void>;
}

async function startServing(served: Pipeline, due: string[] = []): Promise<Serving> {
  const before = openDescriptors();
  const reports: string[] = [];
  const onReport = (line: string, name: string): void => void reports.push(`${name}: ${line}`);
  const group = await startPipeline(served, { graceMs: 10_000, onReport });
  let outcome: unknown;
  void group.ended.then((end) => (outcome = end));
  const [port] = ports(group);
  const finish = async (): Promise<void> => {
    expect([outcome, reports.toSorted()]).toEqual([undefined, due]);
    expect(group.signal('SIGTERM')).toBe(true);
    expect(await group.ended).toEqual({ kind: 'exited', code: 0 });
    expect(await leakedSince(before)).toEqual([]);
  };
  return { group, port, finish };
}

/** The pipeline as its file has it, for all tests that need no other. */
let pipeline: Pipeline;
let shared: Serving;

beforeAll(async () => {
  pipeline = readExample('examples/tutorial-pipeline/pipeline.toml');
  shared = await startServing(pipeline);
});

afterAll(async () => shared.group.stop());

/** Runs `body` with another pipeline, whose guests are to report what is `due`. */
async function serve(
  body: (port: number) => Promise<void>,
  other: Pipeline,
  due: string[] = [],
): Promise<void> {
  const { group, port, finish } = await startServing(other, due);
  try {
    await body(port);
    await finish();
  } finally {
    await group.stop();
  }
}

/** The pipeline with other options for some roles. */
function changing(changes: Readonly<Record<string, object>>): Pipeline {
  const roles = pipeline.roles.map((role) => ({ ...role, ...changes[role.name] }));
  return { ...pipeline, roles };
}

/** The same roles, but one that hashes each request very often. */
function slow(rounds: number): Pipeline {
  const [grants] = pipeline.roles.flatMap(({ name, grants: own }) =>
    name === 'process' && own !== undefined ? [own] : [],
  );
  return changing({ process: { grants: { ...grants, args: ['process', String(rounds)] } } });
}

/** What the answer to a request must be. */
function answer(request: string, rounds = 1): string {
  const named = request.split('&').map((field) => {
    const [name] = field.split('=');
    return { name: name.toLowerCase(), text: name.toLowerCase() + field.slice(name.length) };
  });
  const sorted = named.toSorted((a, b) => Number(a.name > b.name) - Number(a.name < b.name));
  const canonical = sorted.map(({ text }) => text).join('&');
  let digest = createHash('sha256').update(canonical).digest();
  for (let i = 1; i < rounds; i++) digest = createHash('sha256').update(digest).digest();
  return `${digest.toString('hex')} ${canonical}\n`;
}

function requestOf(client: number, index: number): string {
  return `Who=${client}&nr=${index}&Nr=again&a=${'x'.repeat((client * 7 + index * 13) % 300)}`;
}

async function ask(client: Client, request: string, rounds = 1): Promise<void> {
  const expected = answer(request, rounds);
  await client.send(`${request}\n`);
  expect((await client.take(expected.length)).toString()).toBe(expected);
}

describe('a request', () => {
  test('is parsed, brought into one form, and hashed', async () => {
    const { port } = shared;
    const client = await Client.connect(port);
    await ask(client, 'b=2&A=1&b=1&c');
    for (const length of [40, 55, 56, 63, 64, 65, 119, 120, 4000]) {
      await ask(client, `x=${'y'.repeat(length)}`);
    }
    await client.send('=1\r\na=1&&b\n\nok=1\r\n');
    const expected =
      'error: field 1 has no name\nerror: field 2 has no name\nerror: field 1 has no name\n' +
      answer('ok=1');
    expect((await client.take(expected.length)).toString()).toBe(expected);
    const many = `${Array.from({ length: 129 }, (_, i) => `f${i}`).join('&')}\n`;
    await client.send(many);
    expect((await client.take(28)).toString()).toBe('error: field 129 is too much');
    client.close();
  });

  test('may come in any pieces', async () => {
    const { port } = shared;
    const client = await Client.connect(port);
    const requests = [requestOf(3, 5), requestOf(4, 6)];
    for (const byte of requests.map((each) => `${each}\n`).join('')) await client.send(byte);
    const expected = requests.map((each) => answer(each)).join('');
    expect((await client.take(expected.length)).toString()).toBe(expected);
    client.close();
  });

  test('of more than 4096 bytes is refused, after the answers to those before it', async () => {
    const { port } = shared;
    const client = await Client.connect(port);
    await client.send(`first=1\n${'x'.repeat(5000)}`);
    const all = (await client.takeAll()).toString();
    expect(all).toBe(`${answer('first=1')}error: a line of more than 4096 bytes\n`);
    client.close();
  });
});

describe('answers come in the order of the requests', () => {
  test('on many connections at once, each with many requests under way', async () => {
    const { port } = shared;
    const clients = await Promise.all(Array.from({ length: 60 }, async () => Client.connect(port)));
    const served = clients.map(async (client, number) => {
      const requests = Array.from({ length: 300 }, (_, index) => requestOf(number, index));
      const expected = requests.map((each) => answer(each)).join('');
      const sent = client.send(requests.map((each) => `${each}\n`).join(''));
      expect((await client.take(expected.length)).toString()).toBe(expected);
      await sent;
      client.close();
    });
    await Promise.all(served);
  });

  test('although the processing guests are slower with some than with others', () =>
    serve(async (port) => {
      const client = await Client.connect(port);
      const long = `long=${'x'.repeat(4000)}`;
      const requests = Array.from({ length: 200 }, (_, i) => (i % 3 === 0 ? long : `short=${i}`));
      const sent = client.send(requests.map((each) => `${each}\n`).join(''));
      const expected = requests.map((each) => answer(each, 20)).join('');
      expect((await client.take(expected.length)).toString()).toBe(expected);
      await sent;
      client.close();
    }, slow(20)));

  test('also to a client that has ended its side', async () => {
    const { port } = shared;
    const client = await Client.connect(port);
    const requests = Array.from({ length: 500 }, (_, index) => requestOf(9, index));
    client.socket.end(requests.map((each) => `${each}\n`).join(''));
    const expected = requests.map((each) => answer(each)).join('');
    expect((await client.takeAll()).toString()).toBe(expected);
    client.close();
  });
});

describe('a client', () => {
  const small = (): Pipeline => {
    const limited = pipeline.roles.map(({ name, grants }) => {
      const limits = { ...grants?.limits, memoryBytes: 4 << 20 };
      return [name, { grants: { ...grants, limits } }] as const;
    });
    return changing(Object.fromEntries(limited));
  };

  test('that does not read makes nothing grow, and others are served (B73)', () =>
    // A guest that kept what it could not pass on would trap at this limit.
    serve(async (port) => {
      const lazy = await Client.connect(port);
      lazy.socket.pause();
      // Long ones: it is their bytes that have to wait somewhere.
      const long = `long=${'x'.repeat(4000)}`;
      const count = Math.ceil((24 << 20) / long.length);
      const sent = lazy.send(`${long}\n`.repeat(count));
      const other = await Client.connect(port);
      for (let i = 0; i < 300; i++) await ask(other, requestOf(2, i));
      lazy.socket.resume();
      const expected = answer(long);
      const all = await lazy.take(expected.length * count);
      expect(all.equals(Buffer.from(expected.repeat(count)))).toBe(true);
      await sent;
      lazy.close();
      other.close();
    }, small()));

  test('that asks more than can be processed waits, and nothing grows (B73)', () =>
    serve(async (port) => {
      const clients = await Promise.all(
        Array.from({ length: 40 }, async () => Client.connect(port)),
      );
      // The shortest requests: their answers are 34 times as long, and together 20 MB.
      const expected = Buffer.from(answer('a').repeat(7500));
      const served = clients.map(async (client) => {
        const sent = client.send('a\n'.repeat(7500));
        expect((await client.take(expected.length)).equals(expected)).toBe(true);
        await sent;
        client.close();
      });
      await Promise.all(served);
    }, small()));

  test('that comes when there are no descriptors left is served later (E16)', async () => {
    let count = 0;
    const few = pipeline.roles.map(({ name, grants }) => {
      const limits = { ...grants?.limits, ...(name === 'io' ? { fds: 12 } : {}) };
      return [name, { grants: { ...grants, limits } }] as const;
    });
    await serve(
      async (port) => {
        // More than the channels to the I/O guests hold: the listener guest has to wait as well.
        const clients = await Promise.all(
          Array.from({ length: 700 }, async () => Client.connect(port)),
        );
        const served = clients.map(async (client, number) => {
          await ask(client, requestOf(number, 1));
          client.close();
          count++;
        });
        await Promise.all(served);
      },
      changing(Object.fromEntries(few)),
      [0, 1].map((k) => `io#${k}: descriptors: 12 are open; allow more with --max-fds`),
    );
    expect(count).toBe(700);
  });

  test('that leaves while its requests are processed takes nobody with it', () =>
    serve(async (port) => {
      const pulse = await Client.connect(port);
      const other = await Client.connect(port);
      // Enough for every guest to have begun: what is open then stays as it is.
      const many = answer('here=1', 100).repeat(500);
      for (const client of [pulse, other]) {
        await client.send('here=1\n'.repeat(500));
        expect((await client.take(many.length)).toString()).toBe(many);
      }
      const before = openDescriptors();
      for (let round = 0; round < 30; round++) {
        const client = await Client.connect(port);
        await client.send(
          Array.from({ length: 60 }, (_, i) => `${requestOf(round, i)}\n`).join(''),
        );
        if (round % 2 === 0) client.socket.resetAndDestroy();
        else client.close();
        await ask(pulse, requestOf(round, 1), 100);
      }
      expect(await leakedSince(before)).toEqual([]);
      pulse.close();
      other.close();
    }, slow(100)));
});

test('the pipeline that served leaves with 0, and leaves nothing behind', async () => {
  await shared.finish();
  expect(await shared.group.ended).toEqual({ kind: 'exited', code: 0 });
});

test('at SIGTERM what has arrived is answered, then all leave with 0', () =>
  withPipeline(
    slow(2000),
    async (group) => {
      const [port] = ports(group);
      const idle = await Client.connect(port);
      await ask(idle, 'here=1', 2000);
      const busy = await Client.connect(port);
      const requests = Array.from({ length: 20 }, (_, index) => requestOf(5, index));
      await busy.send(requests.map((each) => `${each}\n`).join(''));
      const fresh = await Client.connect(port);
      await ask(idle, 'again=1', 2000);
      group.signal('SIGTERM');
      const expected = requests.map((each) => answer(each, 2000)).join('');
      expect((await busy.takeAll()).toString()).toBe(expected);
      expect((await idle.takeAll()).toString()).toBe('');
      // It has connected in time, and not asked yet: it may, once.
      await fresh.send('late=1\n');
      expect((await fresh.takeAll()).toString()).toBe(answer('late=1', 2000));
      fresh.close();
      idle.close();
      busy.close();
      expect(await group.ended).toEqual({ kind: 'exited', code: 0 });
    },
    { graceMs: 10_000 },
  ));
