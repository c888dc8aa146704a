/** From what guests use and have counted to metrics. */
import { type Counted, EVENT_BOUNDS, OUTCOMES, Slot, WAIT_BOUNDS_S } from '../counters.js';
import { wasiName } from '../errno.js';
import type { GuestUsage } from '../guest/usage.js';
import { FUNCTIONS } from '../imports/count.js';
import { type Family, type Labels, type Sample, histogram } from './exposition.js';
import type { MetricsSource, WatchedMember } from './source.js';

/** One member at the moment of the scrape. */
interface Reading {
  readonly member: WatchedMember;
  readonly labels: Labels;
  readonly usage: GuestUsage | undefined;
  /** Counted slots; an empty map where a guest has not counted. */
  readonly slots: ReadonlyMap<number, number>;
  readonly counted: Counted | undefined;
}

function isSlot(sent: unknown): sent is readonly [slot: number, value: number] {
  return Array.isArray(sent) && sent.length === 2 && sent.every((each) => Number.isFinite(each));
}

/** What a guest's own process has sent is taken with care: the guest may have broken out there. */
function slotsOf(counted: Counted | undefined): ReadonlyMap<number, number> {
  const sent: unknown = counted?.slots;
  return new Map(Array.isArray(sent) ? sent.filter(isSlot) : []);
}

function read(member: WatchedMember): Reading {
  const usage = member.guest?.usage();
  const counted = usage?.counted;
  const [role] = member.name.split('#');
  return {
    member,
    labels: { guest: member.name, role },
    usage,
    counted,
    slots: slotsOf(counted),
  };
}

type Metric = readonly [
  name: string,
  type: Family['type'],
  help: string,
  samples: (reading: Reading) => readonly Sample[],
];

/** A metric with one sample for each guest, or none where `value` is undefined. */
function single(
  name: string,
  type: 'counter' | 'gauge',
  help: string,
  value: (reading: Reading) => number | undefined,
): Metric {
  return [
    name,
    type,
    help,
    (reading) => {
      const known = value(reading);
      return known === undefined ? [] : [{ labels: reading.labels, value: known }];
    },
  ];
}

/** A metric that is one counted slot. */
function slot(name: string, type: 'counter' | 'gauge', help: string, index: number): Metric {
  return single(name, type, help, ({ counted, slots }) =>
    counted === undefined ? undefined : (slots.get(index) ?? 0),
  );
}

function buckets({ slots }: Reading, first: number, bounds: readonly number[]): number[] {
  return Array.from({ length: bounds.length + 1 }, (_each, index) => slots.get(first + index) ?? 0);
}

/** The outcomes of calls: function, outcome, how many. */
function outcomes({ slots }: Reading): { function: string; outcome: number; value: number }[] {
  return [...slots]
    .filter(([index]) => index >= Slot.CALLS)
    .toSorted(([a], [b]) => a - b)
    .map(([index, value]) => ({
      function: FUNCTIONS[Math.floor((index - Slot.CALLS) / OUTCOMES)] ?? 'unknown',
      outcome: (index - Slot.CALLS) % OUTCOMES,
      value,
    }));
}

function calls(reading: Reading): Sample[] {
  const sums = new Map<string, number>();
  for (const each of outcomes(reading)) {
    sums.set(each.function, (sums.get(each.function) ?? 0) + each.value);
  }
  return [...sums].map(([name, value]) => ({
    labels: { ...reading.labels, function: name },
    value,
  }));
}

function errors(reading: Reading): Sample[] {
  return outcomes(reading)
    .filter(({ outcome }) => outcome !== 0)
    .map(({ function: name, outcome, value }) => ({
      labels: {
        ...reading.labels,
        function: name,
        errno: outcome === OUTCOMES - 1 ? 'other' : wasiName(outcome),
      },
      value,
    }));
}

const METRICS: readonly Metric[] = [
  single('sandpoll_up', 'gauge', 'Whether the guest runs.', ({ usage }) =>
    Number(usage?.running ?? false),
  ),
  single(
    'sandpoll_start_time_seconds',
    'gauge',
    'When the guest was started, in seconds since 1970.',
    ({ usage }) => usage && usage.startedMs / 1000,
  ),
  single(
    'sandpoll_restarts_total',
    'counter',
    'Starts after an end that nobody asked for.',
    ({ member }) => member.restarts,
  ),
  single(
    'sandpoll_cpu_seconds_total',
    'counter',
    "CPU time of the guest's threads.",
    ({ usage }) => usage && usage.cpuNs / 1e9,
  ),
  slot('sandpoll_memory_bytes', 'gauge', 'Size of the linear memory.', Slot.MEMORY_BYTES),
  single(
    'sandpoll_descriptors_open',
    'gauge',
    'Descriptors that are open.',
    ({ usage }) => usage?.descriptors,
  ),
  single(
    'sandpoll_connections_open',
    'gauge',
    'Stream sockets that are open.',
    ({ usage }) => usage?.connections,
  ),
  single(
    'sandpoll_connections_draining',
    'gauge',
    'Stream sockets that are open in instances which were replaced and still drain.',
    ({ member: { leaving } }) =>
      leaving?.reduce((sum, guest) => sum + guest.usage().connections, 0),
  ),
  slot(
    'sandpoll_connections_accepted_total',
    'counter',
    'Connections that the guest has accepted.',
    Slot.ACCEPTED,
  ),
  slot(
    'sandpoll_connections_begun_total',
    'counter',
    'Connections that the guest has begun itself.',
    Slot.CONNECTING,
  ),
  slot(
    'sandpoll_received_bytes_total',
    'counter',
    'Bytes received from sockets.',
    Slot.RECEIVED_BYTES,
  ),
  slot('sandpoll_sent_bytes_total', 'counter', 'Bytes sent to sockets.', Slot.SENT_BYTES),
  slot(
    'sandpoll_channel_received_bytes_total',
    'counter',
    'Bytes received over channels.',
    Slot.CHANNEL_RECEIVED_BYTES,
  ),
  slot(
    'sandpoll_channel_sent_bytes_total',
    'counter',
    'Bytes sent over channels.',
    Slot.CHANNEL_SENT_BYTES,
  ),
  ['sandpoll_calls_total', 'counter', 'Calls of imported functions.', calls],
  [
    'sandpoll_call_errors_total',
    'counter',
    'Calls of imported functions that failed, by errno; EAGAIN is among them.',
    errors,
  ],
  [
    'sandpoll_wait_seconds',
    'histogram',
    'How long the waits took that are over.',
    (reading) => {
      if (reading.counted === undefined) return [];
      const counts = buckets(reading, Slot.WAIT_BUCKETS, WAIT_BOUNDS_S);
      const sum = (reading.slots.get(Slot.WAITED_NS) ?? 0) / 1e9;
      return histogram(reading.labels, WAIT_BOUNDS_S, counts, sum);
    },
  ],
  single(
    'sandpoll_waiting_seconds',
    'gauge',
    'For how long the guest has been in the wait it is in; 0 while it is in none.',
    ({ counted }) => counted && counted.waitingNs / 1e9,
  ),
  [
    'sandpoll_wait_events',
    'histogram',
    'How many events a wait reported.',
    (reading) => {
      if (reading.counted === undefined) return [];
      const counts = buckets(reading, Slot.EVENT_BUCKETS, EVENT_BOUNDS);
      return histogram(reading.labels, EVENT_BOUNDS, counts, reading.slots.get(Slot.EVENTS) ?? 0);
    },
  ],
];

function gauge(name: string, help: string, value: number): Family {
  return { name, type: 'gauge', help, samples: [{ labels: {}, value }] };
}

/** The whole process: guests, and the host around them. */
function processFamilies(ready: boolean): Family[] {
  const { user, system } = process.cpuUsage();
  return [
    gauge('sandpoll_ready', 'Whether new work is taken.', Number(ready)),
    {
      name: 'process_cpu_seconds_total',
      type: 'counter',
      help: 'CPU time of the whole process.',
      samples: [{ labels: {}, value: (user + system) / 1e6 }],
    },
    gauge('process_resident_memory_bytes', 'Resident memory.', process.memoryUsage.rss()),
    gauge(
      'process_start_time_seconds',
      'When the process started, in seconds since 1970.',
      performance.timeOrigin / 1000,
    ),
  ];
}

/** All metrics of a moment. */
export function collect(source: MetricsSource): Family[] {
  const readings = source.members().map(read);
  const families = METRICS.map(([name, type, help, samples]): Family => {
    const all = readings.flatMap(samples).filter(({ value }) => Number.isFinite(value));
    return { name, type, help, samples: all };
  });
  return [...processFamilies(source.ready()), ...families];
}
