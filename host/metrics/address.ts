/** Where metrics are served. */
import { type InetAddress, formatUrl, parseListen } from '../address.js';
import { usageError } from '../usage.js';

/**
 * Reads the ADDR of `--metrics`: `9090` (loopback), `127.0.0.1:9090`, `[::1]:9090`, `*:9090`; port
 * 0 picks one. Anything else is a `UsageError`.
 */
export function parseMetricsAddress(text: string): InetAddress {
  const wrong = (reason: string): Error =>
    usageError(`--metrics ${text}: ${reason}; write it as in --metrics 127.0.0.1:9090`);
  let listen;
  try {
    listen = parseListen(text);
  } catch {
    throw wrong('not an IP address with a port');
  }
  const { name, transport, address } = listen;
  if (name !== undefined) throw wrong('it has no name');
  if (transport !== 'tcp' || address.family === 'unix') throw wrong('metrics are served over TCP');
  return address;
}

/** Whether only this machine can reach an address. */
export function isLoopback({ family, ip }: InetAddress): boolean {
  return family === 'inet4' ? ip.startsWith('127.') : ip === '::1';
}

/** `http://127.0.0.1:9090/`, with the port that was really taken. */
export function metricsUrl(address: InetAddress, port: number): string {
  return `${formatUrl('tcp', { ...address, port }).replace('tcp', 'http')}/`;
}
