/** From two scrapes to what people want to see of each guest. */
import type { Scrape, ScrapedSample } from './scrape.js';

/** A guest between two scrapes. What is not known is NaN. */
export interface Row {
  readonly guest: string;
  readonly isUp: boolean;
  readonly callsPerS: number;
  readonly eventsPerWait: number;
  /** Share of the time that it waited, 0 to 1. */
  readonly waitShare: number;
  readonly connections: number;
  readonly receivedBytesPerS: number;
  readonly sentBytesPerS: number;
  readonly memoryBytes: number;
  /** CPU time for wall time: 1 is a whole core. */
  readonly cpuShare: number;
  readonly restarts: number;
}

/** What one guest had at a scrape: sums over all other labels. */
function valuesOf(scrape: Scrape | undefined, guest: string): (name: string) => number {
  const sums = new Map<string, number>();
  const own = (scrape?.samples ?? []).filter(({ labels }) => labels['guest'] === guest);
  for (const { name, value } of own) sums.set(name, (sums.get(name) ?? 0) + value);
  return (name) => sums.get(name) ?? NaN;
}

function rowOf(guest: string, now: Scrape, before: Scrape | undefined): Row {
  const value = valuesOf(now, guest);
  const old = valuesOf(before, guest);
  const seconds = before === undefined ? NaN : (now.atMs - before.atMs) / 1000;
  /** What a counter has grown by; one that is less than it was began anew (a restart). */
  const growth = (name: string): number => {
    const grown = value(name) - old(name);
    return grown < 0 ? value(name) : grown;
  };
  // Waits that are over, and the one that is under way: together they never stand still.
  const waited = growth('sandpoll_wait_seconds_sum');
  const waiting = value('sandpoll_waiting_seconds') - old('sandpoll_waiting_seconds');
  const share = (part: number): number => Math.min(1, Math.max(0, part / seconds));
  return {
    guest,
    isUp: value('sandpoll_up') === 1,
    callsPerS: growth('sandpoll_calls_total') / seconds,
    eventsPerWait: growth('sandpoll_wait_events_sum') / growth('sandpoll_wait_events_count'),
    waitShare: share(waited + waiting),
    connections: value('sandpoll_connections_open'),
    receivedBytesPerS: growth('sandpoll_received_bytes_total') / seconds,
    sentBytesPerS: growth('sandpoll_sent_bytes_total') / seconds,
    memoryBytes: value('sandpoll_memory_bytes'),
    cpuShare: growth('sandpoll_cpu_seconds_total') / seconds,
    restarts: value('sandpoll_restarts_total'),
  };
}

/** A row for each guest, in the order of the scrape. */
export function rowsOf(now: Scrape, before: Scrape | undefined): Row[] {
  const ups = now.samples.filter(({ name }: ScrapedSample) => name === 'sandpoll_up');
  return ups.map(({ labels }) => rowOf(labels['guest'] ?? '', now, before));
}

/** Whether the service takes new work. */
export function isReady(scrape: Scrape): boolean {
  return scrape.samples.some(({ name, value }) => name === 'sandpoll_ready' && value === 1);
}
