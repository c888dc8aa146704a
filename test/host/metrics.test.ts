/** What is counted of a guest, and how it is written and served. */
import { createServer } from 'node:net';
import { once } from 'node:events';

import { type Counted, Slot, blockOf, createCounters, readCounters } from '#host/counters.js';
import { collect } from '#host/metrics/collect.js';
import { formatExposition, histogram } from '#host/metrics/exposition.js';
import { parseScrape } from '#host/metrics/view/scrape.js';
import fc from 'fast-check';
import { type Guest, type MetricsSource, createChannel, startMetrics } from 'sandpoll';
import { describe, expect, test } from 'vitest';

import { type DrivenOptions, type Local, iovecs, startDriven } from '../support/driven.js';
import { type ReadFamily, readExposition, sampleOf } from '../support/exposition.js';

const EAGAIN = 6;

describe('the text format', () => {
  test('names, help and labels of any characters come back as they were (B99)', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.double({ noNaN: true }), (text, value) => {
        const samples = [{ labels: { guest: text, role: 'x' }, value }];
        const written = formatExposition([
          { name: 'a_total_of', type: 'gauge', help: `1\n2\\3`, samples },
        ]);
        const read = readExposition(written);
        expect(sampleOf(read, 'a_total_of', { guest: text })).toBe(value === 0 ? 0 : value);
        expect(read.get('a_total_of')?.help).toBe('1\\n2\\\\3');
        expect(parseScrape(written, 0).samples[0].labels).toEqual({ guest: text, role: 'x' });
      }),
      { numRuns: 50 },
    );
  });

  test('a histogram is cumulative, its last bucket is its count', () => {
    const samples = histogram({ guest: 'g' }, [0.1, 1], [3, 0, 2], 7.5);
    const written = formatExposition([
      { name: 'w_seconds', type: 'histogram', help: 'W.', samples },
    ]);
    expect(written.split('\n').slice(2)).toEqual([
      'w_seconds_bucket{guest="g",le="0.1"} 3',
      'w_seconds_bucket{guest="g",le="1"} 3',
      'w_seconds_bucket{guest="g",le="+Inf"} 5',
      'w_seconds_sum{guest="g"} 7.5',
      'w_seconds_count{guest="g"} 5',
      '',
    ]);
    expect(sampleOf(readExposition(written), 'w_seconds_count')).toBe(5);
  });

  test('a metric without samples is left out', () => {
    expect(formatExposition([{ name: 'a', type: 'gauge', help: 'A.', samples: [] }])).toBe('');
  });
});

describe('counters', () => {
  test('threads count apart and are added up; the memory is one', () => {
    const counters = createCounters(2);
    const [one, two] = [blockOf(counters, 0), blockOf(counters, 1)];
    one[Slot.SENT_BYTES] = 5;
    two[Slot.SENT_BYTES] = 7;
    one[Slot.MEMORY_BYTES] = 65_536;
    two[Slot.MEMORY_BYTES] = 131_072;
    one[Slot.WAITING_SINCE_NS] = 1000;
    two[Slot.WAITING_SINCE_NS] = 4000;
    const { slots, waitingNs } = readCounters(counters, 5000);
    expect(new Map(slots)).toEqual(
      new Map([
        [Slot.SENT_BYTES, 12],
        [Slot.MEMORY_BYTES, 131_072],
      ]),
    );
    expect(waitingNs).toBe(5000);
    // A thread with the number of one that has ended counts on.
    blockOf(counters, 1)[Slot.SENT_BYTES]++;
    expect(new Map(readCounters(counters, 5000).slots).get(Slot.SENT_BYTES)).toBe(13);
  });
});

/** Serves the metrics of a driver guest while `body` runs. */
async function withServed(
  body: (local: Local, url: string, source: { isReady: boolean }) => Promise<void>,
  options: DrivenOptions = {},
): Promise<void> {
  const local = await startDriven({ ...options, metered: true });
  const state = { isReady: true };
  const source: MetricsSource = {
    ready: () => state.isReady,
    members: () => [{ name: 'driver#0', guest: local.guest, restarts: 3 }, { name: 'driver#1' }],
  };
  const server = await startMetrics('127.0.0.1:0', source);
  try {
    await body(local, server.url, state);
  } finally {
    server.close();
    await local.driven.end();
  }
}

async function scrape(url: string): Promise<ReadonlyMap<string, ReadFamily>> {
  const response = await fetch(`${url}metrics`);
  expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
  return readExposition(await response.text());
}

describe('a metered guest', () => {
  test('has its calls, errors, waits, bytes and connections counted', async () => {
    await withServed(async ({ driven }, url) => {
      const { fd, peer } = await driven.accept();
      const before = await scrape(url);
      const count = (families: typeof before, name: string, labels = {}): number =>
        sampleOf(families, name, { guest: 'driver#0', ...labels }) ?? 0;
      await driven.write(0x1_0000, Uint8Array.from([0, 0x10, 1, 0, 5, 0, 0, 0]));
      for (let i = 0; i < 3; i++) {
        expect(await driven.call('sock_recv', fd, 0x1_0000, 1, 0, 0x1_0010, 0x1_0014)).toBe(EAGAIN);
      }
      expect(await driven.call('sock_send', fd, 0x1_0000, 1, 0, 0x1_0010)).toBe(0);
      await once(peer, 'data');
      expect(await driven.call('epoll_create1', 0, 0x1_0010)).toBe(0);
      const epoll = await driven.u32(0x1_0010);
      await driven.calls([
        ['store64', 0x1_0020, 0x0000_0004n],
        ['store64', 0x1_0028, 0n],
      ]);
      expect(await driven.call('epoll_ctl', epoll, 1, fd, 0x1_0020)).toBe(0);
      expect(await driven.call('epoll_wait', epoll, 0x1_0040, 4, -1, 0x1_0010)).toBe(0);
      const after = await scrape(url);
      const grown = (name: string, labels = {}): number =>
        count(after, name, labels) - count(before, name, labels);
      const receiving = { function: 'sock_recv', errno: 'EAGAIN' };
      expect(grown('sandpoll_call_errors_total', receiving)).toBe(3);
      // The driver's answers to this test are sent as well.
      expect(grown('sandpoll_sent_bytes_total')).toBeGreaterThanOrEqual(5);
      expect(grown('sandpoll_wait_seconds_count')).toBe(1);
      expect(grown('sandpoll_wait_events_sum')).toBe(1);
      expect(grown('sandpoll_calls_total', { function: 'epoll_wait' })).toBe(1);
      expect(count(after, 'sandpoll_connections_accepted_total')).toBe(2);
      expect(count(after, 'sandpoll_connections_open')).toBe(2);
      expect(count(after, 'sandpoll_memory_bytes')).toBe(3 * 65_536);
      expect(count(after, 'sandpoll_up')).toBe(1);
      expect(count(after, 'sandpoll_restarts_total')).toBe(3);
      expect(count(after, 'sandpoll_cpu_seconds_total')).toBeGreaterThan(0);
      const started = count(after, 'sandpoll_start_time_seconds');
      expect(Math.abs(started - Date.now() / 1000)).toBeLessThan(60);
      // A place without an instance is down, and nothing else is known of it.
      expect(sampleOf(after, 'sandpoll_up', { guest: 'driver#1', role: 'driver' })).toBe(0);
      expect(sampleOf(after, 'sandpoll_connections_open', { guest: 'driver#1' })).toBeUndefined();
    });
  });

  test('has the bytes counted that went over channels, and came', async () => {
    const [ONE, OTHER, IOVS, OUT] = [4, 5, 0x1_0000, 0x1_0100];
    const [one, other] = createChannel();
    const body = async ({ driven }: Local, url: string): Promise<void> => {
      const names = ['received', 'sent'].map((way) => `sandpoll_channel_${way}_bytes_total`);
      const counts = async (): Promise<unknown[]> => {
        const families = await scrape(url);
        return names.map((name) => sampleOf(families, name, { guest: 'driver#0' }));
      };
      expect(await counts()).toEqual([0, 0]);
      await driven.calls(iovecs(IOVS, [[0x1_0200, 5]]));
      // With a descriptor, and without: it is no byte of theirs.
      for (const passed of [3, -1]) {
        expect(await driven.call('channel_send', ONE, IOVS, 1, passed, OUT)).toBe(0);
      }
      expect(await counts()).toEqual([0, 10]);
      // The second is cut off to what there is room for.
      for (const room of [64, 2]) {
        await driven.calls(iovecs(IOVS, [[0x1_0200, room]]));
        expect(await driven.call('channel_recv', OTHER, IOVS, 1, OUT, OUT + 4, OUT + 8)).toBe(0);
      }
      expect(await driven.call('channel_recv', 3, IOVS, 1, OUT, OUT + 4, OUT + 8)).not.toBe(0);
      expect(await counts()).toEqual([7, 10]);
    };
    await withServed(body, { channels: { ONE: one, OTHER: other } });
  });
});

test('a guest that is not metered is linked without the counting', async () => {
  const local = await startDriven();
  expect(local.guest.usage()).not.toHaveProperty('counted');
  await local.driven.end();
  await local.guest.ended;
  expect(local.guest.usage()).toMatchObject({ running: false, descriptors: 0, connections: 0 });
});

test('B99 what a guest in its own process lies about stays a number of its own', async () => {
  const lie = 'NaN\nsandpoll_ready 1' as unknown as number;
  const usage = { startedMs: 1, running: true, cpuNs: lie, descriptors: lie, connections: 2 };
  for (const slots of [lie, [lie], [[Slot.CALLS, lie]], [[1e9, 5]]]) {
    const counted = { slots, waitingNs: lie } as unknown as Counted;
    const guest = { usage: () => ({ ...usage, counted }) } as unknown as Guest;
    const source = { ready: () => false, members: () => [{ name: 'liar#0', guest }] };
    const read = readExposition(formatExposition(collect(source)));
    expect(sampleOf(read, 'sandpoll_ready')).toBe(0);
    expect(sampleOf(read, 'sandpoll_connections_open', { guest: 'liar#0' })).toBe(2);
    expect(sampleOf(read, 'sandpoll_descriptors_open', { guest: 'liar#0' })).toBeUndefined();
  }
});

describe('the server', () => {
  test('/healthz, /readyz and what is not there', async () => {
    await withServed(async (_local, url, state) => {
      const get = async (path: string, init?: RequestInit): Promise<[number, string]> => {
        const response = await fetch(`${url}${path}`, init);
        return [response.status, await response.text()];
      };
      expect(await get('healthz')).toEqual([200, 'ok\n']);
      expect(await get('readyz')).toEqual([200, 'ready\n']);
      state.isReady = false;
      expect(await get('readyz')).toEqual([503, 'not ready\n']);
      expect(await get('healthz?x=1')).toEqual([200, 'ok\n']);
      expect((await get('view/../server.js'))[0]).toBe(404);
      expect((await get('view/%2e%2e/server.js'))[0]).toBe(404);
      expect((await get('view/tsconfig.json'))[0]).toBe(404);
      expect(await get('metrics', { method: 'POST' })).toEqual([405, 'only GET and HEAD\n']);
      expect(await get('metrics', { method: 'HEAD' })).toEqual([200, '']);
    });
  });

  test('no page from elsewhere may read, frame or add to it', async () => {
    await withServed(async (_local, url) => {
      for (const path of ['', 'metrics', 'nothing']) {
        const { headers } = await fetch(`${url}${path}`);
        expect(headers.get('access-control-allow-origin')).toBeNull();
        const policy = headers.get('content-security-policy') ?? '';
        expect(policy).toContain("default-src 'none'");
        expect(policy).toContain("frame-ancestors 'none'");
        expect(policy).not.toContain('unsafe');
        expect(headers.get('x-content-type-options')).toBe('nosniff');
      }
    });
  });

  test('what goes wrong in a scrape is answered with 500, and the host goes on', async () => {
    const source: MetricsSource = {
      ready: () => true,
      members: () => {
        throw new Error('out of order');
      },
    };
    const server = await startMetrics('0', source);
    expect((await fetch(`${server.url}metrics`)).status).toBe(500);
    expect((await fetch(`${server.url}healthz`)).status).toBe(200);
    server.close();
  });

  test('an address that is taken is said, with what to do', async () => {
    const holder = createServer().listen(0, '127.0.0.1');
    await once(holder, 'listening');
    const { port } = holder.address() as { port: number };
    const source: MetricsSource = { ready: () => true, members: () => [] };
    await expect(startMetrics(`${port}`, source)).rejects.toThrow(
      `cannot serve metrics on http://127.0.0.1:${port}/: it is in use; choose another`,
    );
    holder.close();
  });
});
