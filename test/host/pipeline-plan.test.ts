/** What is wrong with a pipeline, as plain data. */
import { createServer } from 'node:net';
import { once } from 'node:events';

import {
  DEFAULT_LIMITS,
  INSTANCES_MAX,
  NO_GRANTS,
  type Pipeline,
  type PipelineRole,
  parseDir,
  parseListen,
  startPipeline,
} from '#host/index.js';
import { pipelineProblems } from '#host/pipeline/plan.js';
import { describe, expect, test } from 'vitest';

import { leakedSince, openDescriptors } from '../support/descriptors.js';
import { driverRole } from '../support/pipeline.js';
import { wat } from '../wasm/wat.js';

const role = (name: string, options: Partial<PipelineRole> = {}): PipelineRole => ({
  name,
  bytes: new Uint8Array(),
  ...options,
});

/** Channels as `a>b`. */
function channels(...pairs: readonly string[]): Pipeline['channels'] {
  return pairs.map((pair) => {
    const [from, to] = pair.split('>');
    return { from, to };
  });
}

const roles = ['a', 'b', 'c', 'd'].map((name) => role(name));

/** Where there is something wrong, and what. */
function problems(pipeline: Pipeline): string[] {
  return pipelineProblems(pipeline).map(({ at, sentence }) => `${at.join('.')}: ${sentence}`);
}

const CYCLE =
  'when every channel of it is full, all wait for ever; leave one out: ' +
  'answers come back by the channel that brought the question';

describe('channels', () => {
  test('of chains, of fans and of meshes without a way back are right', () => {
    for (const list of [
      ['a>b', 'b>c'],
      ['a>b', 'a>c', 'a>d'],
      ['a>b', 'a>c', 'b>d', 'c>d'],
    ]) {
      expect(problems({ roles, channels: channels(...list) })).toEqual([]);
    }
  });

  test.each([
    [['a>b', 'b>a'], 'channel.0: the channels make a cycle: a -> b -> a'],
    [['a>b', 'b>c', 'c>d', 'd>b'], 'channel.1: the channels make a cycle: b -> c -> d -> b'],
    [['d>a', 'a>b', 'b>c', 'c>a'], 'channel.1: the channels make a cycle: a -> b -> c -> a'],
  ])('%s make a cycle, which is refused', (list, says) => {
    expect(problems({ roles, channels: channels(...list) })).toEqual([`${says}; ${CYCLE}`]);
  });

  test('of two cycles are both told', () => {
    const both = problems({ roles, channels: channels('a>b', 'b>a', 'c>d', 'd>c') });
    expect(both.map((each) => each.slice(0, 9))).toEqual(['channel.0', 'channel.2']);
  });

  test.each([
    ['a>a', 'channel.0: a channel from a to itself: its instances would wait for each other;'],
    ['a>nobody', "channel.0.to: there is no role 'nobody'; the roles are a, b, c, d"],
    ['nobody>a', "channel.0.from: there is no role 'nobody'; the roles are a, b, c, d"],
  ])('%s: is refused', (pair, says) => {
    const [first, ...more] = problems({ roles, channels: channels(pair) });
    expect(first).toContain(says);
    expect(more).toEqual([]);
  });

  test('between the same two roles are refused the second time', () => {
    expect(problems({ roles, channels: channels('a>b', 'a>b') })).toEqual([
      'channel.1: a and b are joined already; leave this one out',
    ]);
  });
});

describe('roles', () => {
  test.each([
    [[], ': there is no role; write [[role]] with name and module'],
    [[role('a-b')], "role.0.name: 'a-b' is not a name: write a letter, then letters, digits and _"],
    [[role('')], "role.0.name: '' is not a name"],
    [[role('io'), role('IO')], 'role.1.name: another role has the name IO; give each its own'],
    [[role('a', { instances: 0 })], 'role.0.instances: instances = 0: must be a whole number'],
    [[role('a', { instances: 1.5 })], 'role.0.instances: instances = 1.5: must be a whole number'],
    [
      [role('a', { instances: INSTANCES_MAX + 1 })],
      `instances = ${INSTANCES_MAX + 1}: must be a whole number from 1 to ${INSTANCES_MAX}`,
    ],
    [
      [role('a', { grants: { ...NO_GRANTS, env: { SANDPOLL_WORKER: '7' } } })],
      'role.0.env: env SANDPOLL_WORKER: a role may not have it, the pipeline sets it',
    ],
    [
      [role('a', { grants: { ...NO_GRANTS, env: { LISTEN_FDS: '7' } } })],
      'role.0.env: env LISTEN_FDS: a role may not have it',
    ],
    [
      [
        role('a', { listen: [parseListen('127.0.0.1:70')] }),
        role('b', { listen: [parseListen('127.0.0.1:70')] }),
      ],
      'role.1.listen: tcp://127.0.0.1:70: role a listens there already; choose another address',
    ],
  ])('%# are refused', (list, says) => {
    const [first, ...more] = problems({ roles: list, channels: [] });
    expect(first).toContain(says);
    expect(more).toEqual([]);
  });

  test('may listen on any free port as often as they like', () => {
    const listen = [parseListen('127.0.0.1:0'), parseListen('127.0.0.1:0')];
    const list = [role('a', { listen }), role('b', { listen, instances: INSTANCES_MAX })];
    expect(problems({ roles: list, channels: [] })).toEqual([]);
  });

  test('need as many descriptors as they start with', () => {
    const limited = (fds: number): Pipeline => ({
      roles: [
        role('a', {
          listen: [parseListen('127.0.0.1:0')],
          grants: { ...NO_GRANTS, dirs: [parseDir('/')], limits: { ...DEFAULT_LIMITS, fds } },
        }),
        role('b', { instances: 4 }),
      ],
      channels: channels('a>b'),
    });
    expect(problems(limited(9))).toEqual([]);
    expect(problems(limited(8))).toEqual([
      'role.0.max-fds: max-fds 8: an instance of a starts with 9 descriptors, its directories, ' +
        'listeners and channels among them; raise max-fds',
    ]);
  });
});

describe('startPipeline', () => {
  test('refuses what is wrong in one error, and names all of it', async () => {
    const wrong = { roles: [role('a'), role('a')], channels: channels('a>x') };
    await expect(startPipeline(wrong)).rejects.toMatchObject({
      code: 'ERR_SANDPOLL_USAGE',
      message:
        'pipeline: role 1: another role has the name a; give each its own\n' +
        "pipeline: channel 0: there is no role 'x'; the roles are a",
    });
  });

  test('leaves nothing open when a module, a listener or an instance fails', async () => {
    const before = openDescriptors();
    const good = driverRole('good', { instances: 2 });
    const join = channels('good>bad');
    const starting = async (bad: Partial<PipelineRole>): Promise<unknown> =>
      startPipeline({ roles: [good, driverRole('bad', bad)], channels: join });
    await expect(starting({ bytes: Buffer.from('text'), file: 'bad.wasm' })).rejects.toThrow(
      'bad.wasm is not WebAssembly',
    );
    const foreign =
      '(module (import "env" "nowhere" (func)) (memory (export "memory") 1)' +
      ' (func (export "_start")))';
    await expect(starting({ bytes: wat(foreign) })).rejects.toThrow('nowhere');
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const { port } = taken.address() as { port: number };
    await expect(starting({ listen: [parseListen(`127.0.0.1:${port}`)] })).rejects.toMatchObject({
      code: 'EADDRINUSE',
    });
    await new Promise((resolve) => {
      taken.close(resolve);
    });
    expect(await leakedSince(before)).toEqual([]);
  });
});
