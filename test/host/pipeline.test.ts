/** Pipelines that run: driver guests for roles, joined by real channels. */
import { once } from 'node:events';

import { EFD_NONBLOCK } from '#host/abi/epoll.js';
import { Errno } from '#host/errno.js';
import {
  type Group,
  NO_GRANTS,
  type Pipeline,
  type PipelineEvent,
  type PipelineOptions,
  openPipelineListeners,
  parseNetRule,
  servePipeline,
  startPipeline,
} from '#host/index.js';
import { describe, expect, test } from 'vitest';

import { leakedSince, openDescriptors } from '../support/descriptors.js';
import { Driven } from '../support/driven.js';
import {
  type Message,
  opened,
  read,
  receive,
  send,
  setNonblocking,
  write,
} from '../support/events.js';
import { driverRole, ports } from '../support/pipeline.js';
import { inet4, textIovec } from '../support/wasmedge.js';
import { wat } from '../wasm/wat.js';

const CHANNEL = 4;
const OUT = 0x1_f000;
const TABLE = 0x1_0000;
const TEXTS = 0x1_1000;
const { ACCES, AGAIN, PIPE } = Errno;

/** A driver for each of the ports; whichever instance takes it. */
function drive(group: Pick<Group, 'ended' | 'listeners'>): Driven[] {
  return ports(group).map((port) => new Driven({ port, ended: group.ended }, 'long'));
}

const ANY_NET = { ...NO_GRANTS, net: { allow: [parseNetRule('*', '--allow-net')], deny: [] } };

const pair: Pipeline = {
  roles: [driverRole('a', { grants: ANY_NET }), driverRole('b', { grants: NO_GRANTS })],
  channels: [{ from: 'a', to: 'b' }],
};

/** Runs `body` with a driver for each role of one instance; nothing may be left of it. */
async function withDrivers(
  body: (drivers: Driven[], group: Group) => Promise<void>,
  pipeline: Pipeline = pair,
  options: PipelineOptions = {},
): Promise<void> {
  const before = openDescriptors();
  const group = await startPipeline(pipeline, options);
  const drivers = drive(group);
  try {
    await body(drivers, group);
  } finally {
    await group.stop();
    await Promise.all(drivers.map(async (driven) => driven.end()));
  }
  expect(await leakedSince(before)).toEqual([]);
}

async function environment(driven: Driven): Promise<string[]> {
  await driven.call('environ_sizes_get', OUT, OUT + 8);
  await driven.call('environ_get', TABLE, TEXTS);
  const bytes = await driven.read(TEXTS, await driven.u32(OUT + 8));
  return Buffer.from(bytes).toString().split('\0').slice(0, -1);
}

async function message(driven: Driven, channel = CHANNEL): Promise<Message> {
  const received = await receive(driven, channel);
  if (typeof received === 'number') throw new Error(`channel_recv failed with ${-received}`);
  return received;
}

describe('channels', () => {
  const mesh: Pipeline = {
    roles: [
      driverRole('ask', { grants: { ...NO_GRANTS, env: { MINE: 'yes' } } }),
      driverRole('do_it', { instances: 2 }),
    ],
    channels: [{ from: 'ask', to: 'do_it' }],
  };

  test('join every instance to every one of the other role, which finds them by name', () =>
    withDrivers(async ([ask, one], group) => {
      expect(group.guests.map(({ name }) => name)).toEqual(['ask#0', 'do_it#0', 'do_it#1']);
      const other = new Driven({ port: ports(group)[1], ended: group.ended }, 'long');
      expect(await environment(ask)).toEqual([
        'LISTEN_FDS=1',
        'LISTEN_FDNAMES=unknown',
        'SANDPOLL_CHANNEL_FD_DO_IT_0=4',
        'SANDPOLL_CHANNEL_FD_DO_IT_1=5',
        'MINE=yes',
        'SANDPOLL_WORKER=0',
        'SANDPOLL_WORKERS=1',
      ]);
      // A driver guest takes one connection to be driven by: these are two of them.
      const told = await Promise.all([one, other].map(async (each) => environment(each)));
      for (const index of [0, 1]) {
        await send(ask, CHANNEL + index, `to ${index}`);
        const at = told.findIndex((each) => each.includes(`SANDPOLL_WORKER=${index}`));
        expect(told[at]).toContain('SANDPOLL_CHANNEL_FD_ASK_0=4');
        expect(told[at]).toContain('SANDPOLL_WORKERS=2');
        expect((await message([one, other][at])).text).toBe(`to ${index}`);
      }
      await group.stop();
      await other.end();
    }, mesh));

  test('bring a socket to a guest that may open none, which may do no more with it (B36)', () =>
    withDrivers(async ([a, b]) => {
      const { fd, peer } = await a.accept();
      expect(await send(a, CHANNEL, 'serve', fd)).toBe(0);
      expect(await a.call('fd_close', fd)).toBe(0);
      const { text, passed } = await message(b);
      expect(text).toBe('serve');
      peer.write('hello');
      expect(Buffer.from((await read(b, passed, 64)).bytes).toString()).toBe('hello');
      await write(b, passed, Buffer.from('and you'));
      expect(String((await once(peer, 'data'))[0])).toBe('and you');
      // Whoever made a socket, where it may send is a matter of who uses it.
      const datagram = await opened(a, 'sock_open', 1, 1);
      await send(a, CHANNEL, 'send', datagram);
      const theirs = (await message(b)).passed;
      const sent = async (driven: Driven, socket: number): Promise<number> => {
        const iovs = await textIovec(driven, 'x');
        const to = await inet4(driven, 127, 0, 0, 1);
        return driven.call('sock_send_to', socket, iovs, 1, to, 9, 0, OUT);
      };
      expect([await sent(a, datagram), await sent(b, theirs)]).toEqual([0, ACCES]);
      const reader = await opened(a, 'pipe2', 0);
      await send(a, CHANNEL, 'read', reader);
      const pipe = await message(b);
      expect((await write(b, pipe.passed, Buffer.from('x'))).errno).toBe(Errno.BADF);
    }));

  test('that are full make the sender wait or find EAGAIN, and hold no more (B73)', () =>
    withDrivers(async ([a, b]) => {
      await setNonblocking(a, CHANNEL);
      const text = 'x'.repeat(2000);
      let sent = 0;
      while ((await send(a, CHANNEL, text)) === 0) sent++;
      expect(sent * text.length).toBeLessThan(1 << 20);
      // A slow consumer: what it takes, and no more, is what can be sent.
      let more = 0;
      for (let round = 0; round < 200; round++) {
        await message(b);
        while ((await send(a, CHANNEL, text)) === 0) more++;
      }
      expect(more).toBeLessThanOrEqual(200);
      expect(more).toBeGreaterThan(150);
      expect(await send(a, CHANNEL, text)).toBe(AGAIN);
      // The same without NONBLOCK: it waits for the room that the other makes.
      expect(await a.call('fd_fdstat_set_flags', CHANNEL, 0)).toBe(0);
      const waiting = send(a, CHANNEL, 'at last');
      let last;
      do last = await message(b);
      while (last.text === text);
      expect(last.text).toBe('at last');
      expect(await waiting).toBe(0);
    }));
});

describe('the end of one instance', () => {
  test('is that of all, with its outcome', () =>
    withDrivers(async ([a], group) => {
      void a.start('proc_exit', 3);
      expect(await group.ended).toEqual({ kind: 'exited', code: 3 });
      const [, { guest }] = group.guests;
      expect(await guest.ended).toMatchObject({ kind: 'killed', reason: 'stopped' });
    }));

  test('is told to the others, who have their grace', () =>
    withDrivers(
      async ([a, b], group) => {
        await b.call('store64', TABLE, 1 << 14);
        const signals = await opened(b, 'signalfd', TABLE, EFD_NONBLOCK);
        await b.call('fd_fdstat_set_flags', signals, 0);
        void a.start('proc_exit', 0);
        // Waits for it: SIGTERM is what wakes it.
        const { bytes } = await read(b, signals, 128);
        expect(bytes[0]).toBe(15);
        expect(await receive(b, CHANNEL)).toBe(-PIPE);
        await b.start('proc_exit', 5).catch(() => {});
        expect(await group.ended).toEqual({ kind: 'exited', code: 5 });
      },
      pair,
      { graceMs: 20_000 },
    ));
});

test('listeners that were opened before outlive it, and so do those who wait there', async () => {
  const before = openDescriptors();
  const listeners = openPipelineListeners(pair);
  const [{ url }] = listeners.of('a');
  // From the second on, those who are to drive it connect between two lives.
  let drivers: Driven[] = [];
  const forPorts = ports({ listeners: [...listeners.of('a'), ...listeners.of('b')] });
  for (let life = 0; life < 3; life++) {
    const group = await startPipeline(pair, { listeners });
    expect(group.listeners[0].url).toBe(url);
    if (life === 0) drivers = drive(group);
    expect(await Promise.all(drivers.map(async (each) => each.call('memory.size')))).toEqual([
      3, 3,
    ]);
    await group.stop();
    await Promise.all(drivers.map(async (each) => each.end()));
    drivers = forPorts.map((port) => new Driven({ port, ended: Promise.resolve() }, 'long'));
  }
  await Promise.all(drivers.map(async (each) => each.end()));
  listeners.close();
  listeners.close();
  expect(await leakedSince(before)).toEqual([]);
});

describe('servePipeline', () => {
  test('starts all anew when one has failed, and serves those who came in between', async () => {
    const before = openDescriptors();
    const events: PipelineEvent[] = [];
    const service = await servePipeline(pair, {
      restarts: { kind: 'transient' },
      onEvent: (event) => events.push(event),
    });
    const first = service.group();
    const [a, b] = drive(first);
    await b.call('memory.size');
    void a.start('proc_exit', 3);
    await first.ended;
    const [c, d] = drive({ listeners: service.listeners, ended: service.ended });
    expect(await Promise.all([c, d].map(async (each) => each.call('memory.size')))).toEqual([3, 3]);
    expect(service.group()).not.toBe(first);
    expect(events).toEqual([
      { kind: 'ended', name: 'a#0', outcome: { kind: 'exited', code: 3 }, asked: false },
      { kind: 'restarting', name: 'a#0', delayMs: 0, count: 1, windowMs: 60_000 },
    ]);
    expect(await service.stop()).toMatchObject({ kind: 'killed', reason: 'stopped' });
    await Promise.all([a, b, c, d].map(async (each) => each.end()));
    expect(events.slice(2)).toMatchObject([{ kind: 'ended', asked: true }]);
    expect(await leakedSince(before)).toEqual([]);
  });

  test('gives up when that is too often, with the last outcome', async () => {
    const before = openDescriptors();
    const events: PipelineEvent[] = [];
    const trap = wat('(module (memory (export "memory") 1) (func (export "_start") unreachable))');
    const service = await servePipeline(
      { roles: [driverRole('a'), { name: 'bad', bytes: trap }], channels: [] },
      { restarts: { count: 3, windowMs: 60_000 }, onEvent: (event) => events.push(event) },
    );
    expect(await service.ended).toMatchObject({ kind: 'trapped', message: 'unreachable' });
    expect(events.map(({ kind }) => kind)).toEqual([
      ...Array.from({ length: 3 }, () => ['ended', 'restarting']).flat(),
      'ended',
      'gave up',
    ]);
    expect(await leakedSince(before)).toEqual([]);
  });

  test('is reloaded, the new one over the same listeners; a bad one changes nothing', async () => {
    const before = openDescriptors();
    const events: PipelineEvent[] = [];
    const service = await servePipeline(pair, { onEvent: (event) => events.push(event) });
    const first = service.group();
    const [a, b] = drive(first);
    expect(await a.call('memory.size')).toBe(3);
    const trap = wat('(module (memory (export "memory") 1) (func (export "_start") unreachable))');
    const bad: readonly (readonly [Pipeline, string])[] = [
      [{ ...pair, roles: [] }, 'pipeline: there is no role'],
      [{ ...pair, roles: [driverRole('a'), driverRole('b', { bytes: trap })] }, 'ended before it'],
    ];
    for (const [pipeline, says] of bad) {
      expect(await service.reload(() => pipeline)).toBe(false);
      const last = events.at(-1);
      expect(last?.kind === 'reload failed' && last.error.message).toContain(says);
      expect([service.group(), await a.call('memory.size')]).toEqual([first, 3]);
    }
    const reloading = service.reload(() => pair);
    expect(await service.reload(() => pair)).toBe(false);
    expect(await reloading).toBe(true);
    expect(await first.ended).toMatchObject({ kind: 'killed', reason: 'stopped' });
    const [c, d] = drive(service.group());
    expect(await Promise.all([c, d].map(async (each) => each.call('memory.size')))).toEqual([3, 3]);
    expect(events.slice(4).map(({ kind }) => kind)).toEqual(['reloading', 'reloaded', 'ended']);
    await service.stop();
    await Promise.all([a, b, c, d].map(async (each) => each.end()));
    expect(await leakedSince(before)).toEqual([]);
  });
});
