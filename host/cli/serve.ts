/** `sandpoll serve`: keeps a service running until it is told to stop, or gives up. */
import { basename } from 'node:path';
import type { Worker } from 'node:worker_threads';

import { serviceSource } from '../metrics/source.js';
import type { Service, ServiceEvent } from '../serve/service.js';
import { type ServeOptions, serve } from '../serve/serve.js';
import type { Outcome, Rung } from '../trap.js';
import { readModuleFile } from './files.js';
import { type About, type LogLevel, configureLog, say } from './log.js';
import type { RunOptions } from './options.js';
import { Status, endingStatus, limitText, sayTrap } from './report.js';
import { forwardSignals, holdSignals } from './signals.js';
import { openMetrics, watchedBy } from './watching.js';

type ServeFlagOptions = Pick<ServeOptions, 'restarts' | 'readyTimeoutMs' | 'probePath'>;

/** What it took to end a guest. */
const RUNGS: Readonly<Record<Rung, string>> = {
  signal: 'it left at SIGTERM',
  wake: 'its wait was ended',
  terminate: 'it was running, and terminated',
  kill: 'its process was killed',
};

/** How an instance ended, said for those who did not ask it to. */
async function sayEnd(
  { name, outcome, asked }: ServiceEvent & { kind: 'ended' },
  file: string,
  options: RunOptions,
): Promise<void> {
  if (outcome.kind === 'trapped') return sayTrap(name, outcome, file);
  const limit = limitText(outcome, options);
  const about: About = { level: asked ? 'info' : 'warn', guest: name };
  if (limit !== undefined && outcome.kind === 'killed') {
    const { rung } = outcome;
    const how = rung === undefined ? '' : `: ${RUNGS[rung]}`;
    return say(`sandpoll: ${name}: stopped after ${limit}${how}`, about);
  }
  if (outcome.kind === 'exited') return say(`sandpoll: ${name}: left with ${outcome.code}`, about);
  return say(`sandpoll: ${name}: was stopped`, about);
}

/** The words for each other event, and what they weigh; none for what goes without saying. */
export function wordsOf(event: ServiceEvent): readonly [LogLevel, string] | undefined {
  switch (event.kind) {
    case 'started':
      return ['debug', `${event.name}: instance ${event.generation} has started`];
    case 'ready':
      return ['info', `${event.name}: ready`];
    case 'report':
      return ['warn', `${event.name}: ${event.line}`];
    case 'draining':
      return ['info', `${event.name}: asked to leave within ${event.graceMs}ms`];
    case 'unstartable':
      return ['error', `${event.name}: cannot be started: ${event.error.message}`];
    case 'restarting': {
      const { name, delayMs, count, windowMs } = event;
      const which = `restart ${count} within ${windowMs}ms`;
      return ['warn', `${name}: started again in ${delayMs}ms (${which})`];
    }
    case 'gave up': {
      const { name, count, windowMs } = event;
      return ['error', `gave up: ${name} ended again after ${count} restarts within ${windowMs}ms`];
    }
    case 'reloaded':
      return ['info', `reloaded: version ${event.version} serves`];
    case 'reload failed':
      return ['error', `not reloaded, what ran goes on: ${event.error.message}`];
    default:
      return undefined;
  }
}

/** Says events one after the other: a trap waits for its source map. */
class Speaker {
  readonly #file: string;
  readonly #options: RunOptions;
  #said: Promise<void> = Promise.resolve();

  constructor(file: string, options: RunOptions) {
    this.#file = file;
    this.#options = options;
  }

  tell(event: ServiceEvent): void {
    this.#said = this.#said.then(async () => this.#say(event));
  }

  async done(): Promise<void> {
    await this.#said;
  }

  async #say(event: ServiceEvent): Promise<void> {
    if (event.kind === 'ended') return sayEnd(event, this.#file, this.#options);
    const [level, words] = wordsOf(event) ?? [];
    if (level === undefined) return undefined;
    const guest = 'name' in event ? { guest: event.name } : {};
    return say(`sandpoll: ${words}`, { level, ...guest });
  }
}

/** TERM and INT stop the service, HUP reloads it, USR1 and USR2 are the guests'. */
function signalsOf(service: Service, graceMs: number) {
  return {
    signal: (name: Parameters<Service['signal']>[0]): boolean => {
      if (name === 'SIGHUP') void service.reload();
      else if (name === 'SIGTERM' || name === 'SIGINT') void service.stop({ graceMs });
      else return service.signal(name);
      return true;
    },
    stop: async (): Promise<Outcome> => service.stop({ graceMs: 0 }),
  };
}

async function statusOf(outcome: Outcome, file: string, options: RunOptions): Promise<number> {
  if (outcome.kind === 'killed') {
    return outcome.reason === 'stopped' ? Status.SIGTERM : Status.TIMEOUT;
  }
  // Its words were said when it ended.
  if (outcome.kind === 'trapped') return Status.TRAPPED;
  return endingStatus({ name: basename(file), outcome }, file, options);
}

/** Serves `file` until the service ends; returns the exit status. Start-up errors are thrown. */
export async function serveFile(
  file: string,
  options: RunOptions & ServeFlagOptions,
  thread: Worker | undefined,
): Promise<number> {
  const { graceMs } = options;
  configureLog(options.log);
  const speaker = new Speaker(file, options);
  let service: Service | undefined;
  const held = holdSignals();
  // First: an address that cannot be had is known before anything runs.
  const source = serviceSource(() => service);
  await openMetrics(options, source);
  service = await serve({
    ...options,
    ...watchedBy(options),
    ...(thread === undefined ? {} : { thread }),
    module: () => readModuleFile(file),
    name: basename(file),
    onEvent: (event) => speaker.tell(event),
  });
  const signalled = forwardSignals(signalsOf(service, graceMs), {
    held,
    graceMs,
    say: (line) => say(`sandpoll: ${line}`, { level: 'warn' }),
  });
  for (const { url } of service.listeners) say(`listening on ${url}`, { fields: { url } });
  const outcome = await service.ended;
  await speaker.done();
  return signalled() ?? (await statusOf(outcome, file, options));
}
