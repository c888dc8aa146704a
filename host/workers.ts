/** Workers: instances of one module that share nothing but the addresses they serve. */
import type { Worker } from 'node:worker_threads';

import type { ListenAddress } from './address.js';
import { type Guest, type GuestOptions, startGuest } from './guest.js';
import { loadModule } from './guest/module.js';
import { sharedStdio } from './guest/stdio.js';
import { openNativeKernel } from './kernel/native.js';
import { type Group, groupOf } from './group.js';
import { type SharedListener, releaseListener, shareListener } from './listeners.js';
import { takeThread } from './guest/thread.js';
import { usageError } from './usage.js';

/**
 * How workers share an address. `exclusive`: one listener, of which each worker has a descriptor,
 * and EPOLLEXCLUSIVE wakes one of them for a connection. `reuseport`: a listener each, among which
 * the kernel chooses by the client's address (SO_REUSEPORT of `socket(7)`); what waits in the
 * queue of a worker that leaves is lost, unless `net.ipv4.tcp_migrate_req` is set.
 */
export type Share = 'exclusive' | 'reuseport';

export const SHARES: readonly Share[] = ['exclusive', 'reuseport'];

/** The most instances of one module: some 2 GiB of host memory, and far more than cores. */
export const WORKERS_MAX = 256;

/** Listeners for the instances of one module. They outlive any instance. */
export interface Shares {
  /** Those of instance `index`, from 0; for its successor too. */
  of(index: number): readonly SharedListener[];
  readonly urls: readonly string[];
  /** Gives them up: each ends with the last guest that has it. No new guest can have them. */
  release(): void;
  /** Closes what is still held, and removes unix paths; guests that have them keep them. */
  close(): void;
}

/**
 * Opens listeners for `count` instances; throws as `shareListener` does. Those that are shared
 * already are passed on, and stay the caller's. Datagrams of one sender go to one worker: each has
 * a socket of its own, whatever `share` says. Unix sockets know no SO_REUSEPORT: one is shared.
 */
export function shareAmong(
  listen: readonly (ListenAddress | SharedListener)[],
  count: number,
  share: Share = 'exclusive',
): Shares {
  const opened: SharedListener[] = [];
  const open = (address: ListenAddress, reusePort: boolean): SharedListener => {
    const listener = shareListener(address, reusePort);
    opened.push(listener);
    return listener;
  };
  const openFor = (address: ListenAddress | SharedListener): readonly SharedListener[] => {
    if ('url' in address) return [address];
    const { transport } = address;
    const one = transport === 'unix' || (transport === 'tcp' && share === 'exclusive');
    if (one || count === 1) return [open(address, false)];
    const first = open(address, true);
    const others = Array.from({ length: count - 1 }, () => open(atPortOf(address, first), true));
    return [first, ...others];
  };
  const close = (): void => {
    for (const listener of opened) listener.close();
  };
  try {
    const addresses = listen.map(openFor);
    return {
      of: (index) => addresses.map((each) => each[index % each.length]),
      urls: addresses.map(([{ url }]) => url),
      release: () => opened.forEach(releaseListener),
      close,
    };
  } catch (error) {
    close();
    throw error;
  }
}

/** The same address with the port that `listener` has really taken. */
function atPortOf(listen: ListenAddress, { url }: SharedListener): ListenAddress {
  const { address } = listen;
  if (address.family === 'unix') return listen;
  return { ...listen, address: { ...address, port: Number(/\d+$/.exec(url)?.[0]) } };
}

export interface WorkersOptions extends Omit<GuestOptions, 'channels'> {
  /** How many instances: from 1 to `WORKERS_MAX`. */
  readonly workers: number;
  /** How they share the addresses of `listen` that are not shared listeners already. */
  readonly share?: Share;
}

/** Ends all that was started, and throws the first error, if not all could be. */
async function allStarted(starts: readonly Promise<Guest>[]): Promise<readonly Guest[]> {
  const results = await Promise.allSettled(starts);
  const guests = results.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
  const failed = results.find((each) => each.status === 'rejected');
  if (failed === undefined) return guests;
  await Promise.all(guests.map(async (guest) => guest.stop()));
  throw failed.reason as Error;
}

/**
 * Starts `workers` instances of one module, compiled once, each in a thread of its own. Each finds
 * by SANDPOLL_WORKER which it is, from 0, and by SANDPOLL_WORKERS of how many. What the host has
 * to say of one begins with its name, `http.wasm#1`.
 *
 * A listener ends when all workers have closed it. Throws as `startGuest` does, and a `UsageError`
 * for a number of workers that cannot be; nothing is left open or running then.
 */
export async function startWorkers(options: WorkersOptions): Promise<Group> {
  const { workers: count, share, name, bytes, grants, onReport, listen = [] } = options;
  if (!(Number.isInteger(count) && count >= 1 && count <= WORKERS_MAX)) {
    throw usageError(`workers ${count}: must be a whole number from 1 to ${WORKERS_MAX}`);
  }
  const stdio = options.stdio && sharedStdio(openNativeKernel(), options.stdio, count);
  const shares = shareAmong(listen, count, share);
  const threads: Worker[] = [];
  try {
    // Processes start their own threads, and compile for themselves.
    const inThreads = options.isolate !== 'process';
    const wanted = inThreads ? count : 0;
    if (options.thread !== undefined) threads.push(options.thread);
    while (threads.length < wanted) threads.push(takeThread());
    const module =
      bytes instanceof Uint8Array && inThreads ? await loadModule(bytes, name, grants) : bytes;
    const starts = Array.from({ length: count }, async (_each, index) => {
      const thread = threads.at(index);
      return startGuest({
        ...options,
        ...(stdio && { stdio }),
        bytes: module,
        ...(thread && { thread }),
        instance: `${name}#${index}`,
        listen: shares.of(index),
        grants: { ...grants, env: { ...workerEnvironment(index, count), ...grants.env } },
        ...(onReport && {
          onReport: (line, instance) => onReport(`${instance}: ${line}`, instance),
        }),
      });
    });
    const guests = await allStarted(starts);
    // From here on they end as listeners of one process do: closed when the last has closed them.
    shares.release();
    const members = guests.map((guest, index) => ({ name: `${name}#${index}`, guest }));
    return groupOf(members, guests[0].listeners, () => shares.close());
  } catch (error) {
    await Promise.all(threads.map(async (thread) => thread.terminate()));
    shares.close();
    throw error;
  }
}

/** How an instance finds out which it is, and of how many. */
export function workerEnvironment(index: number, count: number): Record<string, string> {
  return { SANDPOLL_WORKER: String(index), SANDPOLL_WORKERS: String(count) };
}
