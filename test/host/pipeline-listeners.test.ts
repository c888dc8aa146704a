/** A reload of a pipeline whose roles listen elsewhere than before. */
import { existsSync } from 'node:fs';
import { type NetConnectOpts, connect } from 'node:net';

import {
  type Pipeline,
  type PipelineEvent,
  parseListen,
  servePipeline,
  shareListener,
} from '#host/index.js';
import { expect, test } from 'vitest';

import { Driven } from '../support/driven.js';
import { withFiles } from '../support/files.js';
import { driverRole, ports } from '../support/pipeline.js';

/** How a connection to an address begins: `open`, or the error's code. */
function dial(where: NetConnectOpts): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(where);
    const tell = (text: string) => (): void => {
      socket.destroy();
      resolve(text);
    };
    socket.once('connect', tell('open'));
    socket.once('error', ({ code = '' }: NodeJS.ErrnoException) => tell(code)());
  });
}

/** Role a at `first`, and b at `others`. */
function pipelineAt(first: readonly string[], others: readonly string[]): Pipeline {
  const at = (listen: readonly string[]) => ({ listen: listen.map(parseListen) });
  return { roles: [driverRole('a', at(first)), driverRole('b', at(others))], channels: [] };
}

/** An address of the loopback that no other test uses. */
const APART = '127.0.0.7';

/** A port of it. */
function freePort(): number {
  const taken = shareListener(parseListen(`${APART}:0`));
  taken.close();
  return Number(new URL(taken.url).port);
}

test('keeps the listeners that stay, opens the others, and drops what is no longer said', () =>
  withFiles({}, async (folder) => {
    const [old, path] = [`${folder}/old`, `${folder}/new`];
    const port = freePort();
    const before = pipelineAt(['127.0.0.1:0'], [`unix:${old}`]);
    const service = await servePipeline(before);
    const first = service.group();
    const [kept] = ports(service);
    const driven = new Driven({ port: kept, ended: first.ended }, 'long');
    await driven.call('memory.size');
    const after = pipelineAt(['127.0.0.1:0', `unix:${path}`], [`${APART}:${port}`]);
    expect(await service.reload(() => after)).toBe(true);
    expect(service.listeners.map(({ url }) => url)).toEqual([
      `tcp://127.0.0.1:${kept}`,
      `unix:${path}`,
      `tcp://${APART}:${port}`,
    ]);
    expect(existsSync(old)).toBe(false);
    await first.ended;
    await driven.end();
    const places = [{ port: kept }, { path }, { port, host: APART }, { path: old }];
    const answers = await Promise.all(places.map(dial));
    expect(answers).toEqual(['open', 'open', 'open', 'ENOENT']);
    // And back again: what was dropped is opened anew.
    expect(await service.reload(() => before)).toBe(true);
    expect(await Promise.all([{ path: old }, { path }].map(dial))).toEqual(['open', 'ENOENT']);
    await expect.poll(() => dial({ port, host: APART })).toBe('ECONNREFUSED');
    await service.stop();
    expect([existsSync(old), existsSync(path)]).toEqual([false, false]);
  }));

test('that cannot be had changes nothing: the old one serves, and the reason is told', () =>
  withFiles({}, async (folder) => {
    const path = `${folder}/new`;
    const taken = shareListener(parseListen('127.0.0.1:0'));
    const events: PipelineEvent[] = [];
    const service = await servePipeline(pipelineAt(['127.0.0.1:0'], []), {
      onEvent: (event) => events.push(event),
    });
    const first = service.group();
    const { url } = taken;
    for (const listen of [
      [`unix:${path}`, url],
      [`unix:${path}`, `unix:${folder}/no/such`],
    ]) {
      const next = pipelineAt(['127.0.0.1:0'], listen);
      expect(await service.reload(() => next)).toBe(false);
      const last = events.at(-1);
      expect(last?.kind === 'reload failed' && last.error.message).toContain(
        `cannot listen on ${listen[1]?.replace('tcp://', '')}: `,
      );
      expect(existsSync(path)).toBe(false);
    }
    expect(service.group()).toBe(first);
    expect(await dial({ port: ports(service)[0] })).toBe('open');
    taken.close();
    await service.stop();
  }));
