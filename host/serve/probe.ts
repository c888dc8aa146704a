/** Trying a new module before it gets one connection: alone, on listeners of its own. */
import { request } from 'node:http';

import { type ListenAddress, parseListen } from '../address.js';
import { type Guest, type GuestOptions, startGuest } from '../guest.js';
import type { SharedListener } from '../listeners.js';

/** The first status that says no (RFC 9110 §15.5). */
const STATUS_BAD = 400;

/** The same listener by name, on a port of the loopback that nobody else knows. */
function onLoopback(listen: ListenAddress | SharedListener): ListenAddress {
  const transport = 'url' in listen ? 'tcp' : listen.transport;
  const alone = parseListen(transport === 'udp' ? 'udp://127.0.0.1:0' : '127.0.0.1:0');
  return listen.name === undefined ? alone : { ...alone, name: listen.name };
}

/** The status of `GET path` at a port of the loopback. */
function get(port: number, path: string, timeoutMs: number): Promise<number> {
  const signal = AbortSignal.timeout(timeoutMs);
  return new Promise((resolve, reject) => {
    const asked = request({ host: '127.0.0.1', port, path, signal, agent: false }, (answer) => {
      answer.resume();
      resolve(answer.statusCode ?? 0);
    });
    asked.once('error', (error) => {
      const late = `no answer within ${timeoutMs}ms`;
      reject(new Error(signal.aborted ? late : error.message));
    });
    asked.end();
  });
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
  try {
    const url = guest.listeners.find((each) => each.url.startsWith('tcp:'))?.url ?? '';
    const status = await Promise.race([get(Number(new URL(url).port), path, timeoutMs), ended]);
    if (status >= STATUS_BAD) throw new Error(`it answered with ${status}`);
  } catch (error) {
    throw new Error(`the probe GET ${path} failed: ${(error as Error).message}`, { cause: error });
  } finally {
    await guest.stop();
  }
}
