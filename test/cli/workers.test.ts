/** `--workers`: several instances of one module by the command line (design.md §8.2). */
import { describe, expect, test } from 'vitest';

import { sandpoll } from '../support/cli.js';
import { Client } from '../support/client.js';
import { type Command, startCommand } from '../support/command.js';
import { readArguments } from '../support/guest-here.js';
import { refusalOf } from '../support/refusal.js';
import { ROOT } from '../support/sources.js';

const WORKER = `${ROOT}test/guests/as/build/worker.wasm`;
const HTTP = `${ROOT}examples/http/build/http.wasm`;
const LISTEN = ['--listen', '127.0.0.1:0'];
const REQUEST = 'GET / HTTP/1.1\r\nHost: here\r\n\r\n';

/** Runs `body` with three workers that serve a port. */
async function withWorkers(
  wasm: string,
  options: readonly string[],
  body: (command: Command, port: number) => Promise<void>,
): Promise<void> {
  const command = startCommand(['run', '--workers', '3', ...LISTEN, ...options, wasm]);
  try {
    const [, port] = await command.said(/listening on tcp:\/\/127\.0\.0\.1:(\d+) \(fd 3\)\n/);
    await body(command, Number(port));
  } finally {
    command.child.kill('SIGKILL');
    await command.ended;
  }
}

/** A connection, and which worker it is with. */
async function dial(port: number): Promise<{ client: Client; worker: string }> {
  const client = await Client.connect(port);
  const worker = (await client.take(2)).toString().trim();
  return { client, worker };
}

/** Takes an answer with the home page. */
async function takeAnswer(client: Client): Promise<string> {
  let answer = '';
  while (!answer.endsWith('sandbox.\n')) answer += (await client.take(1)).toString();
  return answer;
}

describe('one of three that fails ends them all, and is named', () => {
  test('by a trap: 134', () =>
    withWorkers(WORKER, [], async ({ ended, stderr }, port) => {
      const { client, worker } = await dial(port);
      await client.send('t');
      expect(await ended).toMatchObject({ status: 134, signal: null });
      expect(stderr()).toContain(`sandpoll: worker.wasm#${worker} trapped: unreachable\n    at `);
      expect(stderr()).toContain('test/guests/as/lib/worker.ts:');
      expect(stderr().match(/trapped/g)).toHaveLength(1);
    }));

  test('by a status of its own, which is then the whole’s', () =>
    withWorkers(WORKER, [], async ({ ended, stderr }, port) => {
      const { client } = await dial(port);
      await client.send('x');
      expect(await ended).toMatchObject({ status: 3, signal: null });
      expect(stderr()).not.toContain('trapped');
    }));
});

test.each(['exclusive', 'reuseport'])('--share=%s: all serve the one port that is told', (share) =>
  withWorkers(WORKER, [`--share=${share}`], async ({ stderr }, port) => {
    const met = new Set<string>();
    while (met.size < 3) {
      const { client, worker } = await dial(port);
      met.add(worker);
      client.socket.resetAndDestroy();
    }
    expect([...met].toSorted()).toEqual(['0', '1', '2']);
    expect(stderr().match(/listening on/g)).toHaveLength(1);
  }),
);

test('SIGTERM: each of them drains, and the status is 0', () =>
  withWorkers(HTTP, ['--trace=epoll'], async ({ child, ended, said }, port) => {
    // Each of them takes signals: who does not yet is ended by this one.
    await said(/(?:signalfd\([^]*){3}/);
    const clients: Client[] = [];
    // More than one has a turn: a request for each, and half of another.
    for (let i = 0; i < 24; i++) {
      const client = await Client.connect(port);
      await client.send(REQUEST);
      await takeAnswer(client);
      await client.send(REQUEST.slice(0, 10));
      clients.push(client);
    }
    child.kill('SIGTERM');
    // Who has begun a request gets its answer, and that was the last one.
    await Promise.all(
      clients.map(async (client) => {
        await client.send(REQUEST.slice(10));
        expect((await client.takeAll()).toString()).toMatch(/^HTTP\/1.1 200 OK\r\n[^]*sandbox.\n$/);
        client.socket.end();
      }),
    );
    expect(await ended).toMatchObject({ status: 0, signal: null });
  }));

test('--timeout ends all of them: 124', async () => {
  const run = await sandpoll([...LISTEN, '--workers', '2', '--timeout', '300ms', WORKER]);
  expect(run.status).toBe(124);
  expect(run.stderr.match(/stopped after --timeout 300ms/g)).toHaveLength(1);
});

describe('wrong usage is a sentence and status 2', () => {
  test('["--workers","0"]', async () => {
    const run = await sandpoll(['--workers', '0', WORKER]);
    const stderr = 'sandpoll: --workers 0: must be from 1 to 256\n';
    expect(run).toEqual({ status: 2, stdout: '', stderr });
  });

  test.each([
    [['--workers', '10000'], '--workers 10000: must be from 1 to 256'],
    [['--workers', 'x'], '--workers x: not a whole number; write it as in --workers 100'],
    [['--workers=-1'], '--workers -1: not a whole number; write it as in --workers 100'],
    [
      ['--workers', '2', '--share', 'half'],
      '--share half: there is no such way; choose from exclusive, reuseport',
    ],
  ])('%j', async (options, sentence) => {
    const refusal = await refusalOf(() => readArguments([...options, WORKER]));
    expect(refusal).toEqual({ status: 2, sentence });
  });
});

test('an address in use is said once, and nothing runs', async () => {
  await withWorkers(WORKER, [], async (_command, port) => {
    const again = ['--workers', '2', '--share', 'reuseport', '--listen', `127.0.0.1:${port}`];
    const run = await sandpoll([...again, WORKER]);
    expect(run.status).toBe(1);
    expect(run.stderr).toMatch(/^sandpoll: cannot listen on 127\.0\.0\.1:\d+: it is in use;.*\n$/);
  });
});
