/** Metrics for embedders; what serves them is loaded only when it is wanted. */
import { parseMetricsAddress } from './address.js';
import type { MetricsServer } from './server.js';
import type { MetricsSource } from './source.js';

/**
 * Serves `/metrics`, `/healthz`, `/readyz` and a page of plots at `address`: `9090` (loopback),
 * `127.0.0.1:9090`, `[::1]:9090`, `*:9090`; port 0 picks one. Calls are counted of guests that
 * were started with `metered`. Rejects with a `UsageError` for what is no address, and with an
 * error of Node's shape (`EADDRINUSE`). It does not keep the process alive.
 */
export async function startMetrics(address: string, source: MetricsSource): Promise<MetricsServer> {
  const parsed = parseMetricsAddress(address);
  const { serveMetrics } = await import('./server.js');
  return serveMetrics(parsed, source);
}
