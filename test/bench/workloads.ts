import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export type Protocol = 'echo' | 'http';

/** What the load generator does. */
export interface Workload {
  readonly name: string;
  readonly protocol: Protocol;
  readonly connections: number;
  /** Further connections that only stay open. */
  readonly idle: number;
  /** Requests sent at once before their answers are awaited. */
  readonly depth: number;
}

/** How a server is started. */
export interface Server {
  readonly name: string;
  /** The program and its arguments. */
  readonly command: readonly string[];
  /** A file that must be there, and what makes it. */
  readonly needs?: { readonly file: string; readonly madeBy: string };
  /**
   * Where it listens on 127.0.0.1. Without it the server takes a free port and prints
   * `listening on tcp://127.0.0.1:PORT` on stderr.
   */
  readonly port?: number;
}

const root = fileURLToPath(new URL('../../../../', import.meta.url));
const benchFile = (name: string): string => `${root}test/bench/${name}`;

/** The C programs, built by `buildC`. */
export const program = (name: string): string => benchFile(`build/${name}`);
export const source = (name: string): string => benchFile(`c/${name}`);

/** Bytes of one echo request. */
export const PAYLOAD_BYTES = 64;

const IDLE = 10_000;
const IDLE_WHERE_FEW = 8_000;
/** Descriptors that a server or the load generator needs besides its connections. */
const DESCRIPTORS_SPARE = 128;

/** Fewer idle connections where one process may not open 10,000 files and some. */
const idleFor = (nofile: number, active: number): number =>
  nofile >= IDLE + active + DESCRIPTORS_SPARE ? IDLE : IDLE_WHERE_FEW;

/** All workloads, in the order of the table. `nofile` is the hard RLIMIT_NOFILE. */
export const workloads = (nofile: number): readonly Workload[] => [
  { name: 'echo-1', protocol: 'echo', connections: 1, idle: 0, depth: 1 },
  { name: 'echo-64', protocol: 'echo', connections: 64, idle: 0, depth: 1 },
  { name: 'echo-1000', protocol: 'echo', connections: 1000, idle: 0, depth: 1 },
  {
    name: 'echo-10k+64',
    protocol: 'echo',
    connections: 64,
    idle: idleFor(nofile, 64),
    depth: 1,
  },
  { name: 'http-64', protocol: 'http', connections: 64, idle: 0, depth: 1 },
  { name: 'http-64x16', protocol: 'http', connections: 64, idle: 0, depth: 16 },
];

const guest = (name: string, example: Protocol, module: string): Server => {
  const wasm = `${root}examples/${example}/build/${module}`;
  const host = `${root}dist/cli/main.cjs`;
  const options = ['--listen', '127.0.0.1:0', '--max-fds', '20000'];
  return {
    name,
    command: [process.execPath, host, 'run', ...options, wasm],
    needs: { file: existsSync(host) ? wasm : host, madeBy: 'npm run build' },
  };
};

const node = (protocol: Protocol): Server => ({
  name: 'node',
  command: [process.execPath, benchFile(`node-${protocol}.mjs`)],
});

/** The C servers that the others are compared with: they bracket every measurement. */
export const reference: Readonly<Record<Protocol, Server>> = {
  echo: { name: 'c-epoll-lt', command: [program('echo'), 'lt'] },
  http: { name: 'c-http', command: [program('http')] },
};

/** The servers of a protocol, in the order of the table; the reference comes first. */
export const servers = (protocol: Protocol, nginx: Server | undefined): readonly Server[] => {
  if (protocol === 'echo') {
    return [
      reference.echo,
      { name: 'c-epoll-et', command: [program('echo'), 'et'] },
      guest('guest-epoll', 'echo', 'echo-lt.wasm'),
      guest('guest-poll', 'echo', 'echo-poll.wasm'),
      node('echo'),
    ];
  }
  return [
    reference.http,
    guest('guest-epoll', 'http', 'http.wasm'),
    guest('guest-poll', 'http', 'http-poll.wasm'),
    node('http'),
    ...(nginx ? [nginx] : []),
  ];
};
