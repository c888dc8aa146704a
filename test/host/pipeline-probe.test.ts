/** Probes of roles: a pipeline is ready once they are answered, and not before. */
import { readFileSync } from 'node:fs';

import {
  NO_GRANTS,
  type Pipeline,
  type PipelineEvent,
  type PipelineRole,
  groupSource,
  parseListen,
  servePipeline,
  startPipeline,
} from '#host/index.js';
import { describe, expect, test } from 'vitest';

import { leakedSince, openDescriptors } from '../support/descriptors.js';
import { Driven } from '../support/driven.js';
import { withFiles } from '../support/files.js';
import { driverRole, ports } from '../support/pipeline.js';
import { Load } from '../support/request-load.js';
import { ROOT } from '../support/sources.js';

const HTTP = readFileSync(`${ROOT}examples/http/build/http.wasm`);

/** A role that answers `/health`, and 404 to what it does not know. */
function web(options: Partial<PipelineRole> = {}): PipelineRole {
  const listen = [parseListen('127.0.0.1:0')];
  return { name: 'web', bytes: HTTP, grants: NO_GRANTS, listen, probePath: '/health', ...options };
}

const alone = (options: Partial<PipelineRole> = {}): Pipeline => ({
  roles: [web(options)],
  channels: [],
});

/** Waits at its listener and answers nobody who does not know how to drive it. */
const silent = alone({ ...driverRole('web'), probePath: '/health' });

async function serves(port: number): Promise<boolean> {
  const load = new Load(port, 1);
  await load.stop();
  return load.sent === 1 && load.failures.length === 0;
}

describe('a pipeline starts', () => {
  test.each([
    ['127.0.0.1:0', 2],
    ['0.0.0.0:0', 1],
    ['[::]:0', 1],
  ])('when its probe is answered at %s', async (listen, instances) => {
    const service = await servePipeline(alone({ listen: [parseListen(listen)], instances }));
    expect(
      groupSource(
        () => service.group(),
        () => false,
      ).ready(),
    ).toBe(true);
    expect(await serves(ports(service)[0])).toBe(true);
    await service.stop();
  });

  test('also at a unix path', () =>
    withFiles({}, async (folder) => {
      const service = await servePipeline(alone({ listen: [parseListen(`unix:${folder}/s`)] }));
      expect(service.group().guests[0].guest.usage().running).toBe(true);
      await service.stop();
    }));

  test.each([
    [alone({ probePath: '/nowhere' }), 'web: the probe GET /nowhere failed: it answered with 404'],
    [silent, 'web: the probe GET /health failed: '],
  ])('or is ended, with the reason, and leaves nothing', async (pipeline, says) => {
    const before = openDescriptors();
    await expect(servePipeline(pipeline, { readyTimeoutMs: 300 })).rejects.toMatchObject({
      code: 'ERR_SANDPOLL_NOT_READY',
      message: expect.stringContaining(says),
    });
    expect(await leakedSince(before)).toEqual([]);
  });

  test('not at all with a probe that is none, or of a role that cannot be asked', async () => {
    await expect(startPipeline(alone({ probePath: 'health' }))).rejects.toThrow(
      "pipeline: role 0: probe 'health': write a path that web answers by HTTP, as in /health",
    );
    await expect(startPipeline(alone({ probePath: '/a b' }))).rejects.toThrow(
      "probe '/a b': write",
    );
    const datagrams = [parseListen('udp://127.0.0.1:0')];
    await expect(startPipeline(alone({ listen: datagrams }))).rejects.toThrow(
      'probe /health: web listens nowhere to be asked; give it a listen',
    );
  });
});

describe('a pipeline is reloaded', () => {
  test('when the new one answers its probe, on trial: the old one would answer too', async () => {
    const before = openDescriptors();
    const events: PipelineEvent[] = [];
    const service = await servePipeline(alone(), {
      readyTimeoutMs: 500,
      onEvent: (event) => events.push(event),
    });
    const [port] = ports(service);
    const first = service.group();
    const bad = [
      [
        alone({ probePath: '/nowhere' }),
        'web: the probe GET /nowhere failed: it answered with 404',
      ],
      [silent, 'web: the probe GET /health failed: '],
    ] as const;
    for (const [pipeline, says] of bad) {
      const [{ listen = [] }] = alone().roles;
      const roles = pipeline.roles.map((role) => ({ ...role, listen }));
      expect(await service.reload(() => ({ ...pipeline, roles }))).toBe(false);
      const last = events.at(-1);
      expect(last?.kind === 'reload failed' && last.error.message).toContain(says);
      expect([service.group(), await serves(port)]).toEqual([first, true]);
    }
    expect(await service.reload(() => alone({ instances: 2 }))).toBe(true);
    expect([service.group().guests.length, await serves(port)]).toEqual([2, true]);
    await service.stop();
    expect(await leakedSince(before)).toEqual([]);
  });

  test('no longer, when it is stopped meanwhile', async () => {
    const before = openDescriptors();
    const service = await servePipeline(alone(), { readyTimeoutMs: 60_000 });
    const reloading = service.reload(() => silent);
    const stopped = service.stop();
    expect(await reloading).toBe(false);
    expect(await stopped).toMatchObject({ kind: 'killed', reason: 'stopped' });
    expect(await leakedSince(before)).toEqual([]);
  });
});

test('a pipeline that is started again is asked again', async () => {
  const pipeline: Pipeline = { roles: [driverRole('a'), web()], channels: [] };
  const events: PipelineEvent[] = [];
  const service = await servePipeline(pipeline, { onEvent: (event) => events.push(event) });
  const first = service.group();
  const [port, webPort] = ports(service);
  const driven = new Driven({ port, ended: first.ended }, 'long');
  void driven.start('proc_exit', 3);
  await first.ended;
  expect(
    groupSource(
      () => service.group(),
      () => false,
    ).ready(),
  ).toBe(false);
  await expect.poll(() => service.group()).not.toBe(first);
  expect(await serves(webPort)).toBe(true);
  expect(events.map(({ kind }) => kind)).toEqual(['ended', 'restarting']);
  await driven.end();
  await service.stop();
});
