/** `--metrics` of the command: where it is served, and what is true of a guest that serves. */
import { describe, expect, test, vi } from 'vitest';

import { sandpoll } from '../support/cli.js';
import { Client } from '../support/client.js';
import { startCommand } from '../support/command.js';
import { drainingGuest } from '../support/draining.js';
import { sampleOf } from '../support/exposition.js';
import { withFiles } from '../support/files.js';
import { readArguments } from '../support/guest-here.js';
import { withMetered } from '../support/metered.js';
import { refusalOf } from '../support/refusal.js';
import { ROOT } from '../support/sources.js';

const ECHO = `${ROOT}examples/echo/build/echo-lt.wasm`;

test('an echo guest: what goes in comes out, and is counted', async () => {
  await withMetered([ECHO], async ({ port, scrape }) => {
    const client = await Client.connect(port);
    for (let i = 0; i < 10; i++) expect(await client.exchange('0123456789')).toBe('0123456789');
    const of = { guest: 'echo-lt.wasm', role: 'echo-lt.wasm' };
    // A send is counted once it is made: who hears the answer may be sooner.
    const families = await vi.waitFor(async () => {
      const scraped = await scrape();
      expect(sampleOf(scraped, 'sandpoll_sent_bytes_total', of)).toBe(100);
      return scraped;
    });
    expect(sampleOf(families, 'sandpoll_received_bytes_total', of)).toBe(100);
    expect(sampleOf(families, 'sandpoll_connections_open', of)).toBe(1);
    expect(sampleOf(families, 'sandpoll_connections_accepted_total', of)).toBe(1);
    expect(sampleOf(families, 'sandpoll_calls_total', { ...of, function: 'sock_send' })).toBe(10);
    expect(sampleOf(families, 'sandpoll_wait_events_sum', of)).toBe(11);
    expect(sampleOf(families, 'sandpoll_ready')).toBe(1);
    client.close();
  });
});

test('workers are told apart by guest, and belong together by role', async () => {
  await withMetered(['--workers', '2', ECHO], async ({ scrape }) => {
    const samples = (await scrape()).get('sandpoll_up')?.samples ?? [];
    expect(samples.map(({ labels, value }) => [labels, value])).toEqual([
      [{ guest: 'echo-lt.wasm#0', role: 'echo-lt.wasm' }, 1],
      [{ guest: 'echo-lt.wasm#1', role: 'echo-lt.wasm' }, 1],
    ]);
  });
});

test('a service says how often a guest was started again', async () => {
  await withMetered(['serve', ECHO], async ({ scrape }) => {
    const of = { guest: 'echo-lt.wasm#0' };
    expect(sampleOf(await scrape(), 'sandpoll_restarts_total', of)).toBe(0);
  });
});

test('/readyz turns 503 at SIGTERM, while the guest takes its grace', async () => {
  await withFiles({ 'guest.wasm': drainingGuest({ leaves: false }) }, async (folder) => {
    await withMetered([`${folder}/guest.wasm`], async ({ command, url }) => {
      await command.said(/trace: ready/);
      expect((await fetch(`${url}readyz`)).status).toBe(200);
      command.child.kill('SIGTERM');
      await command.said(/trace: signal 15/);
      expect((await fetch(`${url}readyz`)).status).toBe(503);
      expect((await fetch(`${url}healthz`)).status).toBe(200);
    });
  });
});

test('an address that not only this machine reaches gets a hint', async () => {
  const command = startCommand(['--listen', '0', '--metrics', '*:0', ECHO]);
  await command.said(/can read it/);
  command.child.kill('SIGKILL');
  expect(command.stderr()).toMatch(/--metrics: whoever reaches http:\/\/0\.0\.0\.0:\d+\/ can/);
  await command.ended;
});

describe('wrong addresses', () => {
  test.each([
    ['nonsense', 'not an IP address with a port'],
    ['udp://127.0.0.1:1', 'metrics are served over TCP'],
    ['unix:/tmp/x', 'metrics are served over TCP'],
    ['web=9090', 'it has no name'],
    ['127.0.0.1:99999', 'not an IP address with a port'],
  ])('--metrics %s: %s', async (address, reason) => {
    const refusal = await refusalOf(() => readArguments(['--metrics', address, ECHO]));
    const right = 'write it as in --metrics 127.0.0.1:9090';
    expect(refusal).toEqual({ status: 2, sentence: `--metrics ${address}: ${reason}; ${right}` });
  });

  test('one that is taken is an error before the guest runs', async () => {
    await withMetered([ECHO], async ({ url }) => {
      const { host } = new URL(url);
      const { status, stderr } = await sandpoll(['--metrics', host, ECHO]);
      expect(status).toBe(1);
      expect(stderr).toContain(`cannot serve metrics on ${url}: it is in use`);
    });
  });
});
