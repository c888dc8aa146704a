/** `sandpoll pipeline`: runs a pipeline in the foreground, and ends with its status. */
import { readFileSync } from 'node:fs';
import { relative } from 'node:path';
import { parseArgs } from 'node:util';

import type { Group } from '../group.js';
import { groupSource } from '../metrics/source.js';
import { type Pipeline, type PipelineRole, instancesOf } from '../pipeline/plan.js';
import { loadPipeline } from '../pipeline/start.js';
import { type PipelineEvent, type PipelineService, servePipeline } from '../serve/pipeline.js';
import type { RestartPolicy } from '../serve/restarts.js';
import type { StopOptions } from '../guest.js';
import type { GuestSignal } from '../signals.js';
import type { Outcome } from '../trap.js';
import { parseDuration, usageError } from '../usage.js';
import { GRACE_MS } from './options.js';
import { parsePipeline } from './pipeline-file.js';
import { configureLog, say } from './log.js';
import { endingStatus } from './report.js';
import { wordsOf } from './serve.js';
import { readServeFlags } from './serve-options.js';
import { forwardSignals, holdSignals } from './signals.js';
import { type WatchOptions, openMetrics, readWatchFlags, watchedBy } from './watching.js';

export interface PipelineArguments extends WatchOptions {
  readonly file: string;
  /** Whether the pipeline is only to be looked at. */
  readonly check: boolean;
  readonly graceMs: number;
  readonly quiet: boolean;
  /** None, unless the command line says which ends are answered with a new start. */
  readonly restarts?: Partial<RestartPolicy>;
  readonly readyTimeoutMs?: number;
}

const OPTIONS = {
  check: { type: 'boolean', default: false },
  grace: { type: 'string' },
  restart: { type: 'string' },
  'restart-limit': { type: 'string' },
  'ready-timeout': { type: 'string' },
  metrics: { type: 'string' },
  'capture-output': { type: 'boolean', default: false },
  'log-format': { type: 'string' },
  'log-level': { type: 'string' },
  quiet: { type: 'boolean', default: false },
} as const;

function parse(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: OPTIONS, allowPositionals: true });
  } catch (error) {
    const [sentence] = (error as Error).message.split('. ');
    throw usageError(`${sentence}; see sandpoll --help`);
  }
}

/** Reads the arguments after `pipeline`; throws a `UsageError`. */
export function parsePipelineArguments(args: readonly string[]): PipelineArguments {
  const { values, positionals } = parse(args);
  const [file, ...more] = positionals;
  if (file === undefined || more.length > 0) {
    throw usageError('name one file: sandpoll pipeline pipeline.toml');
  }
  const { check: checks, grace, metrics, quiet, restart } = values;
  const { 'capture-output': captureOutput, 'log-format': logFormat } = values;
  const { 'log-level': logLevel, 'restart-limit': restartLimit } = values;
  const { 'ready-timeout': readyTimeout } = values;
  return {
    file,
    check: checks,
    graceMs: grace === undefined ? GRACE_MS : parseDuration(grace, '--grace'),
    quiet,
    ...readServeFlags({
      restart: restart ?? (restartLimit === undefined ? 'temporary' : 'permanent'),
      ...(restartLimit === undefined ? {} : { restartLimit }),
      ...(readyTimeout === undefined ? {} : { readyTimeout }),
    }),
    ...readWatchFlags({
      captureOutput,
      quiet,
      ...(metrics === undefined ? {} : { metrics }),
      ...(logFormat === undefined ? {} : { logFormat }),
      ...(logLevel === undefined ? {} : { logLevel }),
    }),
  };
}

/** The pipeline of a file; throws a `UsageError` that says all that is wrong with it. */
export function readPipeline(file: string): Pipeline {
  let text;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const why = code === 'ENOENT' ? 'there is no such file' : message;
    throw Object.assign(new Error(`cannot read ${file}: ${why}`), { code });
  }
  return parsePipeline(text, file);
}

/** The role of an instance; nothing is known of one that a reload has brought. */
function roleOf(pipeline: Pipeline, instance: string): Partial<PipelineRole> {
  const name = instance.replace(/#\d+$/, '');
  return pipeline.roles.find((role) => role.name === name) ?? {};
}

/**
 * Says a line for each listener, with the descriptor that every instance of the role has it by,
 * but for those that were said `before`; returns all of them.
 */
function sayListeners({ guests }: Group, before: ReadonlySet<string>): ReadonlySet<string> {
  const lines = new Set<string>();
  for (const { name, guest } of guests) {
    if (!name.endsWith('#0')) continue;
    const role = name.slice(0, -2);
    for (const { url, fd } of guest.listeners) {
      const line = `listening on ${url} (${role}, fd ${fd})`;
      if (!before.has(line)) say(line, { fields: { role, url, fd } });
      lines.add(line);
    }
  }
  return lines;
}

async function check(pipeline: Pipeline, { file, quiet }: PipelineArguments): Promise<number> {
  await loadPipeline(pipeline);
  const instances = pipeline.roles.reduce((sum, role) => sum + instancesOf(role), 0);
  const parts = `${pipeline.roles.length} roles, ${instances} instances`;
  if (!quiet) process.stdout.write(`${file}: ${parts}: nothing wrong\n`);
  return 0;
}

/** Says events one after the other (a trap waits for its source map), and keeps the status. */
class Speaker {
  readonly #pipeline: Pipeline;
  #status = Promise.resolve(0);

  constructor(pipeline: Pipeline) {
    this.#pipeline = pipeline;
  }

  /** The status for the last end, once all is said. */
  async status(): Promise<number> {
    return this.#status;
  }

  tell(event: PipelineEvent): void {
    this.#status = this.#status.then(async (before) => {
      if (event.kind === 'ended') return this.#sayEnd(event);
      const [level, words] = wordsOf(event) ?? [];
      const about = 'name' in event ? { guest: event.name } : {};
      // What is wrong with a file is a line each.
      const [first, ...others] = (words ?? '').split('\n');
      if (level !== undefined) say(`sandpoll: ${first}`, { level, ...about });
      for (const line of others) say(line, { level: level ?? 'error' });
      return before;
    });
  }

  async #sayEnd({ name, outcome, asked }: PipelineEvent & { kind: 'ended' }): Promise<number> {
    const { file = name, grants, timeoutMs } = roleOf(this.#pipeline, name);
    const status = await endingStatus({ name, outcome }, relative('', file), {
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
      ...(grants === undefined ? {} : { grants }),
    });
    // A trap is told with the name already.
    if (status !== 0 && outcome.kind !== 'trapped' && !asked) {
      const how = outcome.kind === 'exited' ? `ended with status ${outcome.code}` : 'was stopped';
      const line = `sandpoll: ${name} ${how}: the pipeline ends with it`;
      say(line, { level: 'warn', guest: name });
    }
    return status;
  }
}

/**
 * Says what it listens on. Of a pipeline that is kept running, HUP has the file read anew; else it
 * is the guests'.
 */
function signalsOf(service: PipelineService, { file, restarts }: PipelineArguments) {
  const kept = restarts?.kind !== 'temporary';
  let listening = sayListeners(service.group(), new Set());
  const reload = async (): Promise<void> => {
    await service.reload(() => readPipeline(file));
    listening = sayListeners(service.group(), listening);
  };
  return {
    signal: (name: GuestSignal): boolean => {
      if (name !== 'SIGHUP' || !kept) return service.signal(name);
      void reload();
      return true;
    },
    stop: async (options?: StopOptions): Promise<Outcome> => service.stop(options),
  };
}

/** Runs the pipeline to its end; returns the exit status. Start-up errors are thrown. */
export async function runPipeline(options: PipelineArguments): Promise<number> {
  configureLog(options.log);
  const pipeline = readPipeline(options.file);
  if (options.check) return check(pipeline, options);
  const { graceMs, restarts, readyTimeoutMs } = options;
  const speaker = new Speaker(pipeline);
  let service: PipelineService | undefined;
  let leaves = false;
  // First: an address that cannot be had is known before anything runs.
  const source = groupSource(
    () => service?.group(),
    () => leaves,
  );
  await openMetrics(options, source);
  const held = holdSignals();
  service = await servePipeline(pipeline, {
    ...watchedBy(options),
    graceMs,
    ...(restarts && { restarts }),
    ...(readyTimeoutMs === undefined ? {} : { readyTimeoutMs }),
    onEvent: (event) => speaker.tell(event),
    onReport: (line, guest) => say(`sandpoll: ${guest}: ${line}`, { level: 'warn', guest }),
  });
  const signalled = forwardSignals(signalsOf(service, options), {
    held,
    graceMs,
    say: (line) => say(`sandpoll: ${line}`, { level: 'warn' }),
    onLeave: () => {
      leaves = true;
    },
  });
  await service.ended;
  const status = await speaker.status();
  return signalled() ?? status;
}
