/** Guests in processes of their own (`--isolate=process`): what confines them, how they end. */
import { once } from 'node:events';
import { readFileSync, readdirSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';

import { beforeAll, describe, expect, test } from 'vitest';

import { Errno } from '#host/errno.js';
import {
  type Guest,
  type GuestOptions,
  ModuleError,
  NO_GRANTS,
  createChannel,
  parseListen,
  parseNetRule,
  shareListener,
  startGuest,
} from '#host/index.js';

import { COMMAND_PAGES } from '../support/command.js';
import { leakedSince, openDescriptors } from '../support/descriptors.js';
import { type DrivenOptions, type Local, startDriven, withDriven } from '../support/driven.js';
import { SOCK_STREAM, inet, socket } from '../support/linux-sockets.js';
import { lookUpCall } from '../support/lookup.js';
import { threadedModule } from '../support/threaded.js';
import { wat } from '../wasm/wat.js';
import { STATES, type State } from './states.js';

const AF_INET = 2;
const OUT = 0x1_0000;

/** What the end of a process may take on a machine that does much else. */
const BOUND_MS = 1000;

const isolated = (options: DrivenOptions = {}): DrivenOptions => ({
  ...options,
  isolate: 'process',
});

/** The process of a guest, from what the host says of it. */
function pidOf(reports: readonly string[]): number {
  const [, pid] = /isolated in process (\d+)/.exec(reports.join('\n')) ?? [];
  if (pid === undefined) throw new Error(`no process in: ${reports.join('\n')}`);
  return Number(pid);
}

function status(path: string): Readonly<Record<string, string>> {
  const lines = readFileSync(path, 'utf8').trim().split('\n');
  return Object.fromEntries(lines.map((line) => line.split(/:\s*/, 2)));
}

/** The ids of this process's children, zombies among them. */
function children(): string[] {
  return readdirSync('/proc/self/task').flatMap((task) =>
    readFileSync(`/proc/self/task/${task}/children`, 'utf8').split(' ').filter(Boolean),
  );
}

/** A command whose `_start` is this. */
function command(body: string, memory = '1'): Uint8Array {
  return wat(`(module (memory (export "memory") ${memory})
    (func (export "_start") ${body}))`);
}

async function start(bytes: Uint8Array, options: Partial<GuestOptions> = {}): Promise<Guest> {
  return startGuest({
    bytes,
    name: 'guest.wasm',
    grants: NO_GRANTS,
    isolate: 'process',
    ...options,
  });
}

describe('the process of a guest', () => {
  let openAtFirst: readonly string[];
  let local: Local;

  beforeAll(async () => {
    openAtFirst = openDescriptors();
    local = await startDriven(isolated());
  });

  test('is confined in every thread, and says by what', () => {
    const [line = ''] = local.reports;
    const pid = pidOf(local.reports);
    expect(line).toMatch(/^isolated in process \d+: rlimits, no_new_privs\b/);
    const threads = readdirSync(`/proc/${pid}/task`);
    for (const thread of threads) {
      const { NoNewPrivs, Seccomp } = status(`/proc/${pid}/task/${thread}/status`);
      expect(Seccomp === '2').toBe(/, seccomp/.test(line));
      // A filter for all threads brings it to all threads.
      if (Seccomp === '2') expect(NoNewPrivs).toBe('1');
    }
    const limits = readFileSync(`/proc/${pid}/limits`, 'utf8');
    expect(limits).toMatch(/^Max core file size +0 +0 /m);
    expect(limits).toMatch(/^Max data size +\d+ +\d+ /m);
  });

  test('has nothing of the environment of the host', () => {
    const names = readFileSync(`/proc/${pidOf(local.reports)}/environ`, 'utf8')
      .split('\0')
      .filter(Boolean)
      .map((each) => each.split('=')[0]);
    expect(names).toEqual(['SANDPOLL_CHILD']);
  });

  test('B38 a denial names its flag there too', async () => {
    const report = local.reported();
    await expect(socket(local.driven, AF_INET, SOCK_STREAM)).rejects.toThrow(String(Errno.ACCES));
    expect(await report).toMatch(/denied: a socket of its own; grant it with --allow-net/);
  });

  test('a signal is taken by its signalfd', async () => {
    const { driven, guest } = local;
    expect(guest.signal('SIGUSR1')).toBe(false);
    await driven.call('store64', OUT, 1n << 9n);
    expect(await driven.call('signalfd', OUT, 0, OUT + 8)).toBe(0);
    expect(guest.signal('SIGUSR1')).toBe(true);
    expect(() => guest.signal('SIGKILL' as 'SIGTERM')).toThrow(TypeError);
  });

  test('ends with its guest, and leaves nothing open', async () => {
    await local.driven.end();
    expect(await local.guest.ended).toEqual({ kind: 'exited', code: 0 });
    expect(await leakedSince(openAtFirst)).toEqual([]);
    expect(children()).toEqual([]);
  });

  test('gives the errors that a thread gives, and leaves nothing behind', async () => {
    const before = openDescriptors();
    await expect(start(new Uint8Array(8))).rejects.toBeInstanceOf(ModuleError);
    const unlinkable = wat(`(module (import "nowhere" "f" (func))
      (memory (export "memory") 1) (func (export "_start")))`);
    await expect(start(unlinkable)).rejects.toMatchObject({ code: 'ERR_SANDPOLL_LINK' });
    const { limits } = NO_GRANTS;
    const few = { ...NO_GRANTS, limits: { ...limits, fds: 3 } };
    const listen = [parseListen('127.0.0.1:0')];
    await expect(start(command(''), { grants: few, listen })).rejects.toMatchObject({
      code: 'ERR_SANDPOLL_USAGE',
    });
    const taken = shareListener(parseListen('127.0.0.1:0'));
    const again = [parseListen(taken.url)];
    await expect(start(command(''), { listen: again })).rejects.toMatchObject({
      code: 'EADDRINUSE',
    });
    taken.close();
    expect(await leakedSince(before)).toEqual([]);
    expect(children()).toEqual([]);
  });

  test('exits, traps and prints as in a thread', async () => {
    expect(await (await start(command(''))).ended).toEqual({ kind: 'exited', code: 0 });
    const trap = await start(command('unreachable'));
    expect(await trap.ended).toMatchObject({ kind: 'trapped', message: 'unreachable' });
    const lines: string[] = [];
    const bytes = wat(`(module
      (import "wasi_snapshot_preview1" "fd_write"
        (func $write (param i32 i32 i32 i32) (result i32)))
      (memory (export "memory") 1)
      (data (i32.const 0) "\\10\\00\\00\\00\\06\\00\\00\\00")
      (data (i32.const 16) "hello\\n")
      (func (export "_start")
        (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))))`);
    const prints = await start(bytes, {
      onOutput: (output) => output.kind === 'line' && lines.push(output.text),
    });
    await prints.ended;
    expect(lines).toEqual(['hello']);
  });

  test('opens sockets on the ports that are granted and looks names up', async () => {
    const server = createServer((peer) => peer.destroy()).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const rules = [`tcp:127.0.0.1:${port}/out`, 'tcp:127.0.0.1:0/in'];
    const allow = rules.map((rule) => parseNetRule(rule, '--allow-net'));
    const net = { allow, deny: [] };
    await withDriven(isolated({ net, resolve: ['localhost'] }), async (driven) => {
      const connected = await socket(driven, AF_INET, SOCK_STREAM);
      expect(await driven.call('connect', connected, ...(await inet(driven, port)))).toBe(0);
      const bound = await socket(driven, AF_INET, SOCK_STREAM);
      expect(await driven.call('bind', bound, ...(await inet(driven, 0)))).toBe(0);
      expect(await driven.call('listen', bound, 1)).toBe(0);
      expect(await driven.call(...(await lookUpCall(driven, 'localhost')))).toBe(0);
    });
    server.close();
  });

  test('runs the threads of its guest', async () => {
    const bytes = threadedModule({
      start: '(call $start_thread (i32.const 0)) (call $wait (i32.const 16) (i32.const 0))',
      thread: '(call $proc_exit (i32.const 7))',
    });
    const guest = await start(bytes);
    expect(await guest.ended).toEqual({ kind: 'exited', code: 7 });
  });

  test('takes channels, and passes what comes over them on', async () => {
    const [one, other] = createChannel();
    const sender = await startDriven(isolated({ channels: { PEER: one } }));
    const receiver = await startDriven(isolated({ channels: { PEER: other } }));
    const channel = 4;
    const IOVS = 0x1_0100;
    await sender.driven.calls([
      ['store64', IOVS, (5n << 32n) | 0x1_0200n],
      ['store64', 0x1_0200, 0x6f_6c6c_6568n],
    ]);
    const { fd, peer } = await sender.driven.accept();
    expect(await sender.driven.call('channel_send', channel, IOVS, 1, fd, OUT)).toBe(0);
    await receiver.driven.calls([['store64', IOVS, (16n << 32n) | 0x1_0200n]]);
    const received = await receiver.driven.call(
      'channel_recv',
      channel,
      IOVS,
      1,
      OUT,
      OUT + 4,
      OUT + 8,
    );
    expect([received, await receiver.driven.u32(OUT)]).toEqual([0, 5]);
    const passed = await receiver.driven.u32(OUT + 4);
    await receiver.driven.calls([['store64', IOVS, (5n << 32n) | 0x1_0200n]]);
    const answer = new Promise((resolve) => peer.once('data', resolve));
    expect(await receiver.driven.call('sock_send', passed, IOVS, 1, 0, OUT)).toBe(0);
    expect(String(await answer)).toBe('hello');
    await sender.driven.end();
    await receiver.driven.end();
  });
});

/** Says something, then enters the state: whoever hears it knows that it is on its way. */
async function enter({ driven, reported }: Local, state: State): Promise<void> {
  const heard = reported();
  const call = await state.enter(driven);
  void driven.calls([['trace', 0, 0], call]).catch(() => {});
  await heard;
}

async function inState(
  state: State,
  body: (local: Local) => Promise<void>,
  options: DrivenOptions = {},
): Promise<void> {
  const before = openDescriptors();
  const local = await startDriven(isolated({ ...options, memory: `${COMMAND_PAGES}` }));
  await enter(local, state);
  await body(local);
  await local.driven.end();
  expect(await leakedSince(before)).toEqual([]);
}

/** B75, B78, B80 and B85: one each of what runs and what waits, and what V8 cannot interrupt. */
const BAD = STATES.filter(({ name }) =>
  ['a busy loop', 'memory.fill of 16 MiB', 'epoll_wait(-1)', 'sock_accept'].includes(name),
);

test.each(BAD)('a guest in $name, in its process, is killed by stop()', (state) =>
  inState(state, async ({ guest }) => {
    const from = performance.now();
    expect(await guest.stop()).toEqual({ kind: 'killed', reason: 'stopped', rung: 'kill' });
    expect(performance.now() - from).toBeLessThan(BOUND_MS);
  }),
);

/** Those that do not end at a SIGTERM have their grace for nothing. */
test.each(BAD.slice(1, 3))('a guest in $name, in its process, has its grace only', (state) =>
  inState(state, async ({ guest }) => {
    const from = performance.now();
    expect(await guest.stop({ graceMs: 50 })).toMatchObject({ kind: 'killed' });
    expect(performance.now() - from).toBeLessThan(BOUND_MS);
  }),
);

test('Atomics.wait for ever ends too, by the limit of wall time', async () => {
  const waits = wat(`(module (memory (export "memory") 1 1 shared)
    (func (export "_start")
      (drop (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const -1)))))`);
  const guest = await start(waits, { timeoutMs: 50 });
  expect(await guest.ended).toMatchObject({ kind: 'killed', reason: 'timeout' });
});

describe('this process survives', () => {
  test.each(['SIGSEGV', 'SIGKILL'] as const)('the %s of one for a guest', (signal) =>
    withDriven(
      isolated(),
      async (_driven, { guest, reports }) => {
        process.kill(pidOf(reports), signal);
        const message = `the guest's process was killed by ${signal}`;
        expect(await guest.ended).toEqual({ kind: 'trapped', message, frames: [] });
        expect(guest.signal('SIGTERM')).toBe(false);
        expect(guest.usage().running).toBe(false);
      },
      { kind: 'trapped' },
    ),
  );

  test('a process that is stopped: it does not answer, and is killed', () =>
    withDriven(
      isolated(),
      async (_driven, { guest, reports }) => {
        process.kill(pidOf(reports), 'SIGSTOP');
        // For all that is known it may take it.
        expect(guest.signal('SIGUSR1')).toBe(true);
        expect(await guest.stop({ graceMs: 10 })).toMatchObject({ kind: 'killed', rung: 'kill' });
      },
      { kind: 'killed' },
    ));

  test('a guest that takes all the memory that a process may have', async () => {
    // Four gigabytes, and each page of them touched: the limit of data is in the way.
    const takes = command(
      `(local $at i32)
      (drop (memory.grow (i32.const 65534)))
      (loop $next
        (i32.store (local.get $at) (i32.const 1))
        (local.set $at (i32.add (local.get $at) (i32.const 65536)))
        (br_if $next (i32.lt_u (local.get $at) (i32.mul (memory.size) (i32.const 65536)))))`,
    );
    const guest = await start(takes);
    // What is beyond its grant it does not get: it goes on, and ends.
    expect(await guest.ended).toEqual({ kind: 'exited', code: 0 });
  });
});

test('many stopped at the same time leave nothing behind', async () => {
  const before = openDescriptors();
  const locals = await Promise.all(Array.from({ length: 4 }, async () => startDriven(isolated())));
  const outcomes = await Promise.all(locals.map(async ({ guest }) => guest.stop()));
  expect(outcomes).toEqual(locals.map(() => ({ kind: 'killed', reason: 'stopped', rung: 'kill' })));
  await Promise.all(locals.map(async ({ driven }) => driven.end()));
  expect(await leakedSince(before)).toEqual([]);
  expect(children()).toEqual([]);
});

/** Each takes 0.2 s of CPU time. */
const STARTS = Number(process.env['SANDPOLL_ISOLATE_STARTS'] ?? 10);

test('many starts leave no process and no descriptor behind', async () => {
  const before = openDescriptors();
  const bytes = command('');
  const listen = [parseListen('127.0.0.1:0')];
  let left = STARTS;
  const lane = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      expect(await (await start(bytes, { listen })).ended).toEqual({ kind: 'exited', code: 0 });
    }
  };
  await Promise.all([lane(), lane(), lane()]);
  expect(await leakedSince(before)).toEqual([]);
  expect(children()).toEqual([]);
});
