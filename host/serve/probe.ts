/** Asking a guest by HTTP whether it serves, and trying a new module so before it gets work. */
import { type RequestOptions, request } from 'node:http';

import { type ListenAddress, parseListen } from '../address.js';
import { type Guest, type GuestOptions, startGuest } from '../guest.js';
import type { SharedListener } from '../listeners.js';

/** The first status that says no (RFC 9110 §15.5). */
const STATUS_BAD = 400;

/** Where nobody is: whoever listens on all addresses listens on the loopback too. */
const LOOPBACKS: ReadonlyMap<string, string> = new Map([
  ['0.0.0.0', '127.0.0.1'],
  ['::', '::1'],
]);

/** The same listener by name, on a port of the loopback that nobody else knows. */
export function onLoopback(listen: ListenAddress | SharedListener): ListenAddress {
  const transport = 'url' in listen ? 'tcp' : listen.transport;
  const alone = parseListen(transport === 'udp' ? 'udp://127.0.0.1:0' : '127.0.0.1:0');
  return listen.name === undefined ? alone : { ...alone, name: listen.name };
}

/** Where a listener is reached from this machine. */
function reached(url: string): Pick<RequestOptions, 'host' | 'port' | 'socketPath'> {
  const { address } = parseListen(url);
  if (address.family === 'unix') return { socketPath: address.path };
  const { ip, port, scopeId } = address;
  const host = LOOPBACKS.get(ip) ?? (scopeId === undefined ? ip : `${ip}%${scopeId}`);
  return { host, port };
}

/** The status of `GET path` at a listener; `over` says that nobody waits for it any more. */
function get(url: string, path: string, timeoutMs: number, over: AbortSignal): Promise<number> {
  const late = AbortSignal.timeout(timeoutMs);
  const signal = AbortSignal.any([late, over]);
  return new Promise((resolve, reject) => {
    const asked = request({ ...reached(url), path, signal, agent: false }, (answer) => {
      answer.resume();
      resolve(answer.statusCode ?? 0);
    });
    asked.once('error', (error) => {
      reject(new Error(late.aborted ? `no answer within ${timeoutMs}ms` : error.message));
    });
    asked.end();
  });
}

/**
 * Asks the first of `listeners` that is no datagram socket for `path` by HTTP. Rejects unless it
 * answers within `timeoutMs`, with a status below 400, before `ended` rejects.
 */
export async function ask(
  listeners: readonly { readonly url: string }[],
  path: string,
  timeoutMs: number,
  ended: Promise<never>,
): Promise<void> {
  const over = new AbortController();
  try {
    const url = listeners.find((each) => !each.url.startsWith('udp:'))?.url;
    if (url === undefined) throw new Error('it has no listener to be asked at');
    const status = await Promise.race([get(url, path, timeoutMs, over.signal), ended]);
    if (status >= STATUS_BAD) throw new Error(`it answered with ${status}`);
  } catch (error) {
    throw new Error(`the probe GET ${path} failed: ${(error as Error).message}`, { cause: error });
  } finally {
    over.abort();
  }
}

/**
 * Starts one instance as `options` say, but on the loopback, asks it for `path` by HTTP on its
 * first TCP listener, and ends it. Rejects unless the answer's status is below 400.
 */
export async function probe(options: GuestOptions, path: string, timeoutMs: number): Promise<void> {
  const { thread: _ahead, ...others } = options;
  const guest: Guest = await startGuest({
    ...others,
    listen: (options.listen ?? []).map(onLoopback),
  });
  const ended = guest.ended.then(() => {
    throw new Error('it ended');
  });
  ended.catch(() => {});
  try {
    await ask(guest.listeners, path, timeoutMs, ended);
  } finally {
    await guest.stop();
  }
}
