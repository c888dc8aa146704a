export type Protocol = 'echo' | 'http' | 'udp' | 'proxy' | 'lines';

/** What the load generator does. */
export interface Workload {
  readonly name: string;
  readonly protocol: Protocol;
  readonly connections: number;
  /** Further connections that only stay open. */
  readonly idle: number;
  /** Requests sent at once before their answers are awaited. */
  readonly depth: number;
  /** Bytes of one request; of no use in `http`. */
  readonly payloadBytes: number;
  /** Requests a second in all, sent when they are due and not when answers come; 0: closed loop. */
  readonly rate: number;
  /** Servers of several threads or instances, on the cores of the load; 1 unless said. */
  readonly workers?: number;
  /** Of the curve: the descriptors that the server watches, besides its listener. */
  readonly watched?: number;
  /** What the bracketing runs of the C reference do, where it is not the same. */
  readonly against?: Workload;
}

const IDLE = 10_000;
const IDLE_WHERE_FEW = 8_000;
/** Descriptors that a server or the load generator needs besides its connections. */
const DESCRIPTORS_SPARE = 128;

/** Fewer idle connections where one process may not open 10,000 files and some. */
const idleFor = (nofile: number, active: number): number =>
  nofile >= IDLE + active + DESCRIPTORS_SPARE ? IDLE : IDLE_WHERE_FEW;

const PLAIN = { connections: 64, idle: 0, depth: 1, payloadBytes: 64, rate: 0 } as const;

/** How many the C programs in threads have. */
export const WORKERS = 2;

const CURVE_ACTIVE = 64;
const CURVE_WATCHED = [100, 300, 1_000, 3_000, 10_000] as const;

/** The name that `--only` knows all points of the curve by. */
export const CURVE = 'curve';

/** The same 64 active connections among ever more idle ones, all in units of C among the fewest. */
const curve = (nofile: number): readonly Workload[] => {
  const point = (watched: number): Workload => ({
    ...PLAIN,
    name: `${CURVE}-${watched}`,
    protocol: 'echo',
    connections: CURVE_ACTIVE,
    idle: Math.min(watched, idleFor(nofile, 0)) - CURVE_ACTIVE,
    watched,
  });
  const against = point(CURVE_WATCHED[0]);
  return CURVE_WATCHED.map((watched) => ({ ...point(watched), against }));
};

/** All workloads, in the order of the tables. `nofile` is the hard RLIMIT_NOFILE. */
export const workloads = (nofile: number): readonly Workload[] => [
  { ...PLAIN, name: 'echo-1', protocol: 'echo', connections: 1 },
  { ...PLAIN, name: 'echo-64', protocol: 'echo' },
  { ...PLAIN, name: 'echo-1000', protocol: 'echo', connections: 1000 },
  { ...PLAIN, name: 'echo-10k+64', protocol: 'echo', idle: idleFor(nofile, 64) },
  { ...PLAIN, name: 'echo-10k+1', protocol: 'echo', connections: 1, idle: idleFor(nofile, 1) },
  { ...PLAIN, name: 'echo-64@10k/s', protocol: 'echo', rate: 10_000 },
  { ...PLAIN, name: 'http-64', protocol: 'http' },
  { ...PLAIN, name: 'http-64x16', protocol: 'http', depth: 16 },
  { ...PLAIN, name: 'echo-64-workers', protocol: 'echo', workers: WORKERS },
  { ...PLAIN, name: 'http-64-workers', protocol: 'http', workers: WORKERS },
  { ...PLAIN, name: 'udp-1', protocol: 'udp', connections: 1 },
  { ...PLAIN, name: 'udp-64', protocol: 'udp' },
  { ...PLAIN, name: 'proxy-64', protocol: 'proxy', payloadBytes: 16_384 },
  { ...PLAIN, name: 'lines-64', protocol: 'lines', payloadBytes: 128 },
  { ...PLAIN, name: 'lines-64x16', protocol: 'lines', payloadBytes: 128, depth: 16 },
  ...curve(nofile),
];
