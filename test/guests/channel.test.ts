/** Channels of the guest library: within one guest, and between guests. */
import { type ChannelEnd, createChannel, parseListen } from '#host/index.js';
import { expect, test } from 'vitest';

import { Client } from '../support/client.js';
import { leakedSince, openDescriptors } from '../support/descriptors.js';
import { loadLocal, portOf, startLocal } from '../support/local-guest.js';

const BUILD = 'test/guests/as/build';

test('the class holds what it says, with each poller', async () => {
  const before = openDescriptors();
  const channels: Record<string, ChannelEnd> = {};
  for (const role of ['LT', 'ET', 'POLL']) {
    for (const first of [0, 2]) {
      const [near, far] = createChannel();
      channels[`${role}_${first}`] = near;
      channels[`${role}_${first + 1}`] = far;
    }
  }
  const [one, other] = createChannel();
  channels['one'] = one;
  const guest = await startLocal(`${BUILD}/channel.wasm`, { channels, limits: { fds: 64 } });
  expect(await guest.ended).toEqual({ kind: 'exited', code: 0 });
  other.close();
  expect(await leakedSince(before)).toEqual([]);
});

test('one guest accepts, others serve what it hands over', async () => {
  const before = openDescriptors();
  const workerEnds: ChannelEnd[] = [];
  const channels: Record<string, ChannelEnd> = {};
  for (const index of [0, 1]) {
    const [near, far] = createChannel();
    channels[`WORKER_${index}`] = near;
    workerEnds.push(far);
  }
  const listen = [parseListen('127.0.0.1:0')];
  const feeder = await startLocal(`${BUILD}/channel-feeder.wasm`, { listen, channels });
  // Nobody receives yet: the channels fill, and what they cannot hold stays where it is.
  const clients = await Promise.all(
    Array.from({ length: 200 }, async () => Client.connect(portOf(feeder))),
  );
  const module = await loadLocal(`${BUILD}/channel-worker.wasm`);
  const workers = await Promise.all(
    workerEnds.map(async (end) => startLocal(module, { channels: { FEEDER: end } })),
  );
  await Promise.all(
    clients.map(async (client, i) => {
      expect((await client.take(8)).toString()).toBe('welcome\n');
      expect(await client.exchange(`client ${i}`)).toBe(`client ${i}`);
      client.close();
    }),
  );
  // A worker whose feeder has gone ends by itself once its connections have.
  await feeder.stop();
  for (const worker of workers) expect(await worker.ended).toEqual({ kind: 'exited', code: 0 });
  expect(await leakedSince(before)).toEqual([]);
});
