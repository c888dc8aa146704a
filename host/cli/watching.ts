/** `--metrics`, `--capture-output` and the log: what every verb that runs guests has. */
import type { InetAddress } from '../address.js';
import type { GuestOptions } from '../guest.js';
import { isLoopback, parseMetricsAddress } from '../metrics/address.js';
import type { MetricsServer } from '../metrics/server.js';
import type { MetricsSource } from '../metrics/source.js';
import { type LogFlags, type LogOptions, readLogFlags, say, sayOutput } from './log.js';

/** The options as they were written. */
export interface WatchFlags extends LogFlags {
  readonly metrics?: string;
  readonly captureOutput: boolean;
}

export interface WatchOptions {
  readonly log: LogOptions;
  /** Whether what guests print goes through the log. */
  readonly captures: boolean;
  /** Where metrics are served, if they are. */
  readonly metrics?: InetAddress;
}

/** Reads the options; wrong ones throw a `UsageError`. */
export function readWatchFlags(flags: WatchFlags): WatchOptions {
  const log = readLogFlags(flags);
  const { metrics } = flags;
  return {
    log,
    captures: flags.captureOutput || log.format === 'json',
    ...(metrics === undefined ? {} : { metrics: parseMetricsAddress(metrics) }),
  };
}

/** What a guest is started with, to be watched so. */
export function watchedBy(
  options: WatchOptions,
): Pick<GuestOptions, 'metered' | 'jsonTrace' | 'onOutput'> {
  return {
    metered: options.metrics !== undefined,
    jsonTrace: options.log.format === 'json',
    ...(options.captures ? { onOutput: sayOutput } : {}),
  };
}

/** Serves the metrics of `source`, if that is asked for, and says where. */
export async function openMetrics(
  { metrics }: WatchOptions,
  source: MetricsSource,
): Promise<MetricsServer | undefined> {
  if (metrics === undefined) return undefined;
  // Loaded here: without --metrics nobody waits for it.
  const { serveMetrics } = await import('../metrics/server.js');
  const server = await serveMetrics(metrics, source);
  say(`metrics on ${server.url}`, { fields: { url: server.url } });
  if (!isLoopback(metrics)) {
    const hint = `whoever reaches ${server.url} can read it; 127.0.0.1 is safer`;
    say(`sandpoll: --metrics: ${hint}`, { level: 'warn' });
  }
  return server;
}
