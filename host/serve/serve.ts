/** Serving: workers of one module that are restarted, limited, replaced and stopped in peace. */
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';

import { type GuestOptions, startGuest } from '../guest.js';
import { type GuestModule, loadModule } from '../guest/module.js';
import { sharedStdio } from '../guest/stdio.js';
import { openNativeKernel } from '../kernel/native.js';
import { usageError } from '../usage.js';
import {
  WORKERS_MAX,
  type Shares,
  type WorkersOptions,
  shareAmong,
  workerEnvironment,
} from '../workers.js';
import type { MemberPlan } from './member.js';
import { probe } from './probe.js';
import { DEFAULT_RESTARTS, type RestartPolicy } from './restarts.js';
import type { Service, ServiceEvent } from './service.js';
import { Supervisor } from './supervisor.js';

export interface ServeOptions extends Omit<
  WorkersOptions,
  'bytes' | 'name' | 'instance' | 'workers' | 'onReport' | 'limitGraceMs'
> {
  /** The `.wasm` file, read at the start and at each reload; or what reads it. */
  readonly module: string | (() => Uint8Array | Promise<Uint8Array>);
  /** What messages call the module; the file's name unless said. */
  readonly name?: string;
  /** How many instances: 1 unless said. */
  readonly workers?: number;
  /** Which ends are answered with a new start, and how many: `DEFAULT_RESTARTS` unless said. */
  readonly restarts?: Partial<RestartPolicy>;
  /** How long an instance that is to leave has for its connections: 10 s unless said. */
  readonly graceMs?: number;
  /** How long a new module has, at a reload, until it is proved ready: 10 s unless said. */
  readonly readyTimeoutMs?: number;
  /**
   * A path that a new module must answer by HTTP with a status below 400, in an instance of its
   * own, before a reload gives it one connection.
   */
  readonly probePath?: string;
  readonly onEvent?: (event: ServiceEvent) => void;
}

const GRACE_MS = 10_000;
const READY_TIMEOUT_MS = 10_000;

/** Where each instance gets its options from: those of the service, and what is its own. */
function plansOf(
  options: ServeOptions,
  name: string,
  count: number,
  shares: Shares,
): readonly MemberPlan[] {
  const { grants, graceMs = GRACE_MS, thread } = options;
  let ahead = thread;
  return Array.from({ length: count }, (_none, index) => ({
    name: `${name}#${index}`,
    start: async (module, onReport) => {
      const started = ahead;
      ahead = undefined;
      const { thread: _first, ...common } = options;
      return startGuest({
        ...common,
        ...(started === undefined ? {} : { thread: started }),
        bytes: module,
        name,
        limitGraceMs: graceMs,
        listen: shares.of(index),
        grants: { ...grants, env: { ...workerEnvironment(index, count), ...grants.env } },
        onReport,
      });
    },
  }));
}

function loader(options: ServeOptions, name: string): () => Promise<GuestModule> {
  const { module, grants } = options;
  const read = typeof module === 'string' ? async () => readFile(module) : module;
  return async () => loadModule(await read(), name, grants);
}

function prober(options: ServeOptions, name: string): (module: GuestModule) => Promise<void> {
  const { probePath, grants, readyTimeoutMs = READY_TIMEOUT_MS } = options;
  return async (bytes) => {
    if (probePath === undefined) return;
    const env = { ...workerEnvironment(0, 1), ...grants.env };
    const trial: GuestOptions = { ...options, bytes, name, grants: { ...grants, env } };
    await probe(trial, probePath, readyTimeoutMs);
  };
}

/**
 * Starts a service: `workers` instances of one module over listeners that outlive every one of
 * them, so that a connection waits in the queue while none is there to take it.
 *
 * `ended` settles, once nothing runs any more, with an exit with code 0 if all left in peace; with
 * the first end that was otherwise; or with the end after which one restart more was too many.
 *
 * Throws as `startGuest` does for the first start; nothing is left open or running then. From
 * there on a failure to start counts as an end.
 */
export async function serve(options: ServeOptions): Promise<Service> {
  const { workers = 1, module, listen = [], share } = options;
  if (!(Number.isInteger(workers) && workers >= 1 && workers <= WORKERS_MAX)) {
    throw usageError(`workers ${workers}: must be a whole number from 1 to ${WORKERS_MAX}`);
  }
  const name = options.name ?? (typeof module === 'string' ? basename(module) : 'guest.wasm');
  const load = loader(options, name);
  const loaded = await load();
  const stdio = options.stdio && sharedStdio(openNativeKernel(), options.stdio, workers);
  const started = { ...options, ...(stdio && { stdio }) };
  const shares = shareAmong(listen, workers, share);
  const supervisor = new Supervisor(
    {
      plans: plansOf(started, name, workers, shares),
      listeners: shares.urls.map((url) => ({ url })),
      load,
      probe: prober(started, name),
      restarts: { ...DEFAULT_RESTARTS, ...options.restarts },
      readyTimeoutMs: options.readyTimeoutMs ?? READY_TIMEOUT_MS,
      graceMs: options.graceMs ?? GRACE_MS,
      onEvent: options.onEvent ?? (() => {}),
      // What waits in a queue is then the last guest's to take, or refused with it.
      onStop: () => shares.release(),
      onClose: () => shares.close(),
    },
    loaded,
  );
  try {
    await supervisor.start();
  } catch (error) {
    shares.close();
    throw error;
  }
  return supervisor;
}
