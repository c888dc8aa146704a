import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { WORKERS, type Protocol, type Workload } from './workloads.js';

/** How a server is started. */
export interface Server {
  readonly name: string;
  /** The program and its arguments. */
  readonly command: readonly string[];
  /** A file that must be there, and what makes it. */
  readonly needs?: { readonly file: string; readonly madeBy: string };
  /**
   * Where it listens on 127.0.0.1. Without it the server takes a free port and prints
   * `listening on tcp://127.0.0.1:PORT` (or `udp:`) on stderr.
   */
  readonly port?: number;
  /** Started first, on the load's core; `UPSTREAM` in the command becomes its port. */
  readonly upstream?: Server;
}

/** Servers that not every machine can run. */
export interface Extras {
  readonly nginx: Server | undefined;
  /** Whether C programs can be compiled into guests here. */
  readonly clang: boolean;
}

/** Stands for the port of a proxy's upstream, anywhere in its command. */
export const UPSTREAM = '{upstream}';

/** A C program of the benchmark, unchanged, compiled into a guest. */
export const C_IN_WASM = 'c-in-wasm';

const root = fileURLToPath(new URL('../../../../', import.meta.url));
export const benchFile = (name: string): string => `${root}test/bench/${name}`;

/** The C programs, built by `buildC`. */
export const program = (name: string): string => benchFile(`build/${name}`);
export const source = (name: string): string => benchFile(`c/${name}`);
export const exampleFile = (name: string): string => `${root}examples/${name}`;
export const plotFile = (name: string): string => benchFile(`plots/${name}`);
export const HOST = `${root}dist/cli/main.cjs`;

const LISTEN_TCP = ['--listen', '127.0.0.1:0'];

const UDP_OPTIONS = ['--allow-net=udp:127.0.0.1'];
const PROXY_OPTIONS = [...LISTEN_TCP, '--allow-net=tcp:127.0.0.1:1-65535/out'];

const inSandbox = (options: readonly string[], wasm: string, args: readonly string[]) => [
  process.execPath,
  HOST,
  'run',
  '--max-fds',
  '20000',
  ...options,
  wasm,
  ...args,
];

/** A guest of examples/, after what its command line needs. */
const guest = (
  name: string,
  wasm: string,
  options: readonly string[] = LISTEN_TCP,
  args: readonly string[] = [],
): Server => {
  const file = exampleFile(wasm);
  return {
    name,
    command: inSandbox(options, file, args),
    needs: { file: existsSync(HOST) ? file : HOST, madeBy: 'npm run build' },
  };
};

/** A C program as a guest that makes its own sockets on 127.0.0.1. */
const cInWasm = (file: string, args: readonly string[] = []): Server => ({
  name: C_IN_WASM,
  command: inSandbox(['--allow-net=127.0.0.1'], program(`${file}.wasm`), args),
});

/** The guests of examples/tutorial-pipeline: one for I/O, one that processes, as in C. */
const pipeline = (name: string): Server => ({
  name,
  command: [process.execPath, HOST, 'pipeline', benchFile('pipeline.toml')],
  needs: {
    file: `${root}examples/tutorial-pipeline/build/tutorial-pipeline-io.wasm`,
    madeBy: 'npm run build',
  },
});

const node = (file: string, args: readonly string[] = []): Server => ({
  name: 'node',
  command: [process.execPath, benchFile(`node-${file}.mjs`), ...args],
});

const cEcho: Server = { name: 'c-epoll-lt', command: [program('echo'), 'lt'] };

/** The C servers that the others are compared with: they bracket every measurement. */
const reference: Readonly<Record<Protocol, Server>> = {
  echo: cEcho,
  http: { name: 'c-http', command: [program('http')] },
  udp: { name: 'c-udp', command: [program('udp')] },
  proxy: { name: 'c-proxy', command: [program('proxy'), UPSTREAM], upstream: cEcho },
  lines: { name: 'c-threads', command: [program('pipeline')] },
};

/** C in two threads, each with a listener of its own (SO_REUSEPORT). */
const threads: Readonly<Partial<Record<Protocol, Server>>> = {
  echo: { name: 'c-2-threads', command: [program('echo-2'), 'lt'] },
  http: { name: 'c-http-2-threads', command: [program('http-2')] },
};

const withWorkers = (protocol: Protocol): readonly Server[] => {
  const [epoll, poll] =
    protocol === 'echo'
      ? ['echo/build/echo-lt.wasm', 'echo/build/echo-poll.wasm']
      : ['http/build/http.wasm', 'http/build/http-poll.wasm'];
  const workers = ['--workers', `${WORKERS}`, ...LISTEN_TCP];
  return [
    guest('guest-exclusive', epoll, workers),
    guest('guest-reuseport', epoll, ['--share=reuseport', ...workers]),
    guest('guest-poll-exclusive', poll, workers),
  ];
};

/** What a workload's servers are compared with. */
export const referenceOf = ({ protocol, workers }: Workload): Server =>
  (workers === undefined ? undefined : threads[protocol]) ?? reference[protocol];

const all = (protocol: Protocol): readonly Server[] => {
  switch (protocol) {
    case 'echo':
      return [
        { name: 'c-epoll-et', command: [program('echo'), 'et'] },
        { name: 'c-poll', command: [program('echo-poll')] },
        guest('guest-epoll', 'echo/build/echo-lt.wasm'),
        guest('guest-epoll-et', 'echo/build/echo-et.wasm'),
        guest('guest-poll', 'echo/build/echo-poll.wasm'),
        cInWasm('echo', ['lt']),
        node('echo'),
      ];
    case 'http':
      return [
        guest('guest-epoll', 'http/build/http.wasm'),
        guest('guest-poll', 'http/build/http-poll.wasm'),
        cInWasm('http'),
        node('http'),
      ];
    case 'udp':
      return [
        guest('guest-epoll', 'echo/build/echo-udp.wasm', UDP_OPTIONS, ['127.0.0.1:0']),
        cInWasm('udp'),
        node('udp'),
      ];
    case 'proxy':
      return [
        guest('guest-epoll', 'proxy/build/proxy.wasm', PROXY_OPTIONS, [`127.0.0.1:${UPSTREAM}`]),
        guest('guest-poll', 'proxy/build/proxy-poll.wasm', PROXY_OPTIONS, [
          `127.0.0.1:${UPSTREAM}`,
        ]),
        cInWasm('proxy', [UPSTREAM]),
        node('proxy', [UPSTREAM]),
      ].map((server) => ({ ...server, upstream: cEcho }));
    case 'lines':
      return [pipeline('guest-pipeline')];
  }
};

const CURVE = new Set(['c-epoll-lt', 'c-poll', 'guest-epoll', 'guest-poll', C_IN_WASM]);

/** The servers of a workload, in the order of the table; the reference comes first. */
export const serversOf = (workload: Workload, { nginx, clang }: Extras): readonly Server[] => {
  const { protocol, watched, workers } = workload;
  const first = referenceOf(workload);
  if (workers !== undefined) return [first, ...withWorkers(protocol)];
  return [first, ...all(protocol), ...(nginx && protocol === 'http' ? [nginx] : [])]
    .filter(({ name }) => clang || name !== C_IN_WASM)
    .filter(({ name }) => watched === undefined || CURVE.has(name));
};
