/** Serves metrics, health and the page of plots, in the supervising thread. */
import { readFileSync } from 'node:fs';
import { type IncomingMessage, type Server, type ServerResponse, createServer } from 'node:http';

import type { InetAddress } from '../address.js';
import { metricsUrl } from './address.js';
import { collect } from './collect.js';
import { EXPOSITION_TYPE, formatExposition } from './exposition.js';
import { PAGE, STYLE } from './page.js';
import type { MetricsSource } from './source.js';

export interface MetricsServer {
  readonly url: string;
  /** Stops serving, and ends the connections there are. */
  readonly close: () => void;
}

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

/** Nobody has more use for it, and each holds memory of the host. */
const CONNECTIONS_MAX = 64;
const REQUEST_TIMEOUT_MS = 10_000;

const HEADERS = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; " +
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cache-control': 'no-store',
} as const;

const TEXT = 'text/plain; charset=utf-8';
const SCRIPT = 'text/javascript; charset=utf-8';

/** The scripts of the page, as they were compiled beside this file. */
const SCRIPTS = new Set(['columns.js', 'page.js', 'plot.js', 'rates.js', 'scrape.js']);

function script(name: string): Answer {
  const body = readFileSync(new URL(`../metrics/view/${name}`, import.meta.url), 'utf8');
  return { status: 200, type: SCRIPT, body };
}

function answer(source: MetricsSource, path: string): Answer {
  const name = path.replace(/^\/view\//, '');
  if (path.startsWith('/view/') && SCRIPTS.has(name)) return script(name);
  switch (path) {
    case '/':
      return { status: 200, type: 'text/html; charset=utf-8', body: PAGE };
    case '/style.css':
      return { status: 200, type: 'text/css; charset=utf-8', body: STYLE };
    case '/metrics':
      return { status: 200, type: EXPOSITION_TYPE, body: formatExposition(collect(source)) };
    case '/healthz':
      return { status: 200, type: TEXT, body: 'ok\n' };
    case '/readyz':
      return source.ready()
        ? { status: 200, type: TEXT, body: 'ready\n' }
        : { status: 503, type: TEXT, body: 'not ready\n' };
    default:
      return { status: 404, type: TEXT, body: 'there are /metrics, /healthz, /readyz and /\n' };
  }
}

function respond(source: MetricsSource, request: IncomingMessage, response: ServerResponse): void {
  const { method = '', url = '' } = request;
  const reading = method === 'GET' || method === 'HEAD';
  const { status, type, body } = reading
    ? answer(source, url.replace(/\?.*$/s, ''))
    : { status: 405, type: TEXT, body: 'only GET and HEAD\n' };
  response.writeHead(status, {
    ...HEADERS,
    ...(reading ? {} : { allow: 'GET, HEAD' }),
    'content-type': type,
    'content-length': Buffer.byteLength(body),
  });
  response.end(method === 'HEAD' ? undefined : body);
}

function listening(server: Server, { ip, port, scopeId }: InetAddress): Promise<void> {
  const host = scopeId === undefined ? ip : `${ip}%${scopeId}`;
  return new Promise((resolve, reject) => {
    // Once it listens, errors are of single connections.
    server.on('error', reject);
    server.listen({ host, port, ipv6Only: true }, resolve);
  });
}

/**
 * Serves what `source` shows. Rejects with an error of Node's shape whose message says what to do
 * if the address cannot be listened on. It does not keep the process alive.
 */
export async function serveMetrics(
  address: InetAddress,
  source: MetricsSource,
): Promise<MetricsServer> {
  const server = createServer(
    { requestTimeout: REQUEST_TIMEOUT_MS, headersTimeout: REQUEST_TIMEOUT_MS },
    (request, response) => {
      try {
        respond(source, request, response);
      } catch (error) {
        // What is wrong with the watching must not end what is watched.
        response.writeHead(500, HEADERS).end(`${String(error)}\n`);
      }
    },
  );
  server.maxConnections = CONNECTIONS_MAX;
  try {
    await listening(server, address);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const why = code === 'EADDRINUSE' ? 'it is in use; choose another (port 0 picks one)' : message;
    const where = metricsUrl(address, address.port);
    throw Object.assign(new Error(`cannot serve metrics on ${where}: ${why}`), { code });
  }
  server.unref();
  const bound = server.address();
  const port = typeof bound === 'object' && bound !== null ? bound.port : address.port;
  return {
    url: metricsUrl(address, port),
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}
