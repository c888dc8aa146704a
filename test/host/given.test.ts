/** Listeners and channels that a host has for guests: what becomes of them at the end. */
import { existsSync, mkdirSync, rmdirSync, statSync, unlinkSync } from 'node:fs';

import {
  ISOLATIONS,
  NO_GRANTS,
  createChannel,
  parseListen,
  shareListener,
  startGuest,
} from '#host/index.js';
import { describe, expect, test } from 'vitest';

import { leakedSince, openDescriptors } from '../support/descriptors.js';
import { withFiles } from '../support/files.js';
import { wat } from '../wasm/wat.js';

const LOOPING = wat('(module (memory (export "memory") 1) (func (export "_start") (loop (br 0))))');

describe('the path of a unix listener', () => {
  test.each(ISOLATIONS)('is removed if it can be: a guest in a %s ends either way', (isolate) =>
    withFiles({}, async (folder) => {
      const path = `${folder}/socket`;
      const listen = [parseListen(`unix:${path}`)];
      const options = { bytes: LOOPING, name: 'looping.wasm', grants: NO_GRANTS, isolate, listen };
      const before = openDescriptors();
      const guest = await startGuest(options);
      unlinkSync(path);
      mkdirSync(path);
      expect(await guest.stop()).toMatchObject({ kind: 'killed', reason: 'stopped' });
      expect(statSync(path).isDirectory()).toBe(true);
      expect(await leakedSince(before)).toEqual([]);
      rmdirSync(path);
      await (await startGuest(options)).stop();
      expect(existsSync(path)).toBe(false);
    }),
  );

  test('of a shared one, too', () =>
    withFiles({}, async (folder) => {
      const path = `${folder}/socket`;
      const listener = shareListener(parseListen(`unix:${path}`));
      unlinkSync(path);
      mkdirSync(path);
      listener.close();
      expect(statSync(path).isDirectory()).toBe(true);
    }));
});

test('an address that is none opens nothing', async () => {
  const before = openDescriptors();
  const address = { family: 'inet4', ip: [1, 2, 3], port: 1 } as unknown as {
    family: 'unix';
    path: string;
  };
  expect(() => shareListener({ transport: 'tcp', address })).toThrow(RangeError);
  expect(await leakedSince(before)).toEqual([]);
});

test.each(ISOLATIONS)(
  'the channels of a guest in a %s that cannot start are closed',
  async (isolate) => {
    const before = openDescriptors();
    const options = { bytes: LOOPING, name: 'looping.wasm', grants: NO_GRANTS, isolate };
    const dirs = [{ host: '/nonexistent', guest: '/', readOnly: true }];
    for (const [wrong, why] of [
      [{ bytes: Uint8Array.of(0) }, 'cut off'],
      [{ grants: { ...NO_GRANTS, dirs } }, 'no such directory'],
      [{ stdio: { stdin: { file: '/nonexistent' } } }, 'no such file'],
    ] as const) {
      const [end, other] = createChannel();
      const started = startGuest({ ...options, ...wrong, channels: { end } });
      await expect(started).rejects.toThrow(why);
      other.close();
      expect(await leakedSince(before)).toEqual([]);
    }
  },
);
