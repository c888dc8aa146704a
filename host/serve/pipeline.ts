/** Serving a pipeline: when it has ended, all of it is started again, over the same listeners. */
import type { Ending, Group } from '../group.js';
import type { GuestModule } from '../guest/module.js';
import type { StopOptions } from '../guest.js';
import type { Pipeline } from '../pipeline/plan.js';
import {
  type PipelineListeners,
  type PipelineOptions,
  loadPipeline,
  openPipelineListeners,
} from '../pipeline/start.js';
import type { GuestSignal } from '../signals.js';
import type { Outcome } from '../trap.js';
import { type ProofOptions, startAlone, startSuccessor } from './proof.js';
import { DEFAULT_RESTARTS, type RestartPolicy, Restarts, isRestarted } from './restarts.js';
import type { ServiceEvent } from './service.js';

/** `ended` is told once for each life: of the instance that failed first, or else ended first. */
export type PipelineEvent = Extract<
  ServiceEvent,
  {
    readonly kind:
      | 'ended'
      | 'gave up'
      | 'reload failed'
      | 'reloaded'
      | 'reloading'
      | 'restarting'
      | 'unstartable';
  }
>;

export interface ServePipelineOptions extends Omit<PipelineOptions, 'listeners'> {
  /** Which ends are answered with a new start, and how many: `DEFAULT_RESTARTS` unless said. */
  readonly restarts?: Partial<RestartPolicy>;
  /**
   * How long a pipeline has until it is proved ready, at a reload, and wherever one of its roles
   * has a probe: 10 s unless said.
   */
  readonly readyTimeoutMs?: number;
  readonly onEvent?: (event: PipelineEvent) => void;
}

export interface PipelineService extends Pick<Group, 'ended' | 'listeners' | 'signal' | 'stop'> {
  /** What runs at present; the last that ran, between two lives. */
  group(): Group;
  /**
   * Replaces all of it: the pipeline that `read` gives is loaded, started over the same listeners
   * (those it has besides are opened) and proved ready; then those it has not are closed, and the
   * present one is asked to leave, and has its grace. One that is not good changes nothing: false,
   * and an event says why. So it is while another reload is under way.
   */
  reload(read: () => Pipeline): Promise<boolean>;
}

const READY_TIMEOUT_MS = 10_000;

/** Loads each module once, for one life after the other. */
async function load(pipeline: Pipeline): Promise<Pipeline> {
  const modules = await loadPipeline(pipeline);
  const roles = pipeline.roles.map((role) => {
    return { ...role, bytes: modules.get(role.name) as GuestModule };
  });
  return { ...pipeline, roles };
}

/** Whether an instance ended as none should; those that were stopped were so because of another. */
function isFailure({ outcome }: Ending): boolean {
  if (outcome.kind === 'killed') return outcome.reason !== 'stopped';
  return outcome.kind === 'trapped' || outcome.code !== 0;
}

/** What each life is started with. */
function startingOf(options: ServePipelineOptions, listeners: PipelineListeners): PipelineOptions {
  const { restarts: _, readyTimeoutMs: __, onEvent: ___, ...starting } = options;
  return { ...starting, listeners };
}

function proofOf({ readyTimeoutMs = READY_TIMEOUT_MS }: ServePipelineOptions): ProofOptions {
  return { timeoutMs: readyTimeoutMs };
}

class PipelineSupervisor implements PipelineService {
  readonly ended: Promise<Outcome>;
  #pipeline: Pipeline;
  #open: PipelineListeners;
  readonly #options: ServePipelineOptions;
  readonly #policy: RestartPolicy;
  readonly #restarts: Restarts;
  readonly #stopping = new AbortController();
  readonly #proof: ProofOptions;
  #group: Group;
  #version = 1;
  /** The reload that is under way. */
  #reloading: Promise<boolean> | undefined;
  /** Tells that another group has come in the place of the present one. */
  #replaced: () => void = () => {};
  /** Groups that were replaced and have not ended. */
  readonly #draining = new Set<Group>();
  /** Ends the wait for the next start. */
  #hurry: () => void = () => {};

  constructor(
    pipeline: Pipeline,
    open: PipelineListeners,
    first: Group,
    options: ServePipelineOptions,
  ) {
    this.#pipeline = pipeline;
    this.#open = open;
    this.#options = options;
    this.#policy = { ...DEFAULT_RESTARTS, ...options.restarts };
    this.#restarts = new Restarts(this.#policy);
    this.#proof = { ...proofOf(options), signal: this.#stopping.signal };
    this.#group = first;
    // Those that nobody starts again end as listeners of one process do.
    if (this.#policy.kind === 'temporary') open.release();
    this.ended = this.#live();
  }

  group(): Group {
    return this.#group;
  }

  get listeners(): Group['listeners'] {
    return this.#group.listeners;
  }

  signal(name: GuestSignal): boolean {
    const taken = this.#group.signal(name);
    if (taken && (name === 'SIGTERM' || name === 'SIGINT')) this.#leave();
    return taken;
  }

  async stop(options?: StopOptions): Promise<Outcome> {
    this.#leave();
    await Promise.all([this.#group, ...this.#draining].map(async (group) => group.stop(options)));
    return this.ended;
  }

  async reload(read: () => Pipeline): Promise<boolean> {
    if (this.#reloading !== undefined || this.#asked) return false;
    this.#reloading = this.#reload(read);
    const done = await this.#reloading;
    this.#reloading = undefined;
    return done;
  }

  get #asked(): boolean {
    return this.#stopping.signal.aborted;
  }

  async #reload(read: () => Pipeline): Promise<boolean> {
    const version = this.#version + 1;
    this.#tell({ kind: 'reloading', version });
    try {
      const old = this.#group;
      await this.#replace(await load(read()));
      this.#version = version;
      this.#tell({ kind: 'reloaded', version });
      void this.#drain(old);
      return true;
    } catch (error) {
      this.#tell({ kind: 'reload failed', version, error: error as Error });
      return false;
    }
  }

  async #replace(pipeline: Pipeline): Promise<void> {
    const open = this.#open.next(pipeline);
    let next: Group;
    try {
      next = await startSuccessor(pipeline, startingOf(this.#options, open), this.#proof);
      if (this.#asked) {
        await next.stop();
        throw new Error('it is to stop');
      }
    } catch (error) {
      open.close(this.#open);
      throw error;
    }
    // Who waits in the queue of one that is dropped is the present pipeline's until it has left.
    this.#open.close(open);
    this.#open = open;
    this.#draining.add(this.#group);
    this.#pipeline = pipeline;
    this.#group = next;
    this.#replaced();
  }

  /** Asks a group that was replaced to leave; its own grace begins with the first that does. */
  async #drain(group: Group): Promise<void> {
    const { graceMs = 0 } = this.#options;
    if (graceMs === 0 || !group.signal('SIGTERM')) void group.stop();
    const timer = setTimeout(() => void group.stop(), graceMs);
    await group.ended;
    clearTimeout(timer);
    this.#draining.delete(group);
  }

  #leave(): void {
    this.#stopping.abort();
    this.#open.release();
    this.#hurry();
  }

  #tell(event: PipelineEvent): void {
    this.#options.onEvent?.(event);
  }

  /** One life after the other; closes the listeners behind the last. */
  async #live(): Promise<Outcome> {
    for (;;) {
      const group = this.#group;
      const replaced = new Promise<undefined>((resolve) => {
        this.#replaced = () => resolve(undefined);
      });
      const cause = await Promise.race([this.#cause(group), replaced]);
      if (cause === undefined || group !== this.#group) continue;
      if (isRestarted(this.#policy.kind, cause.outcome) && (await this.#restart(cause.name)))
        continue;
      await this.#reloading;
      if (group !== this.#group) continue;
      await Promise.all([...this.#draining].map(async (each) => each.ended));
      this.#open.close();
      return cause.outcome;
    }
  }

  /** Waits for the end of all instances; which of them began it, told as soon as it is known. */
  async #cause(group: Group): Promise<Ending> {
    const endings: Ending[] = [];
    let told: Ending | undefined;
    const tell = (ending: Ending): void => {
      told = ending;
      const asked = this.#asked || group !== this.#group;
      this.#tell({ kind: 'ended', ...ending, asked });
    };
    const watched = group.guests.map(async ({ name, guest }) => {
      const ending = { name, outcome: await guest.ended };
      endings.push(ending);
      if (told === undefined && isFailure(ending)) tell(ending);
    });
    await Promise.all(watched);
    await group.ended;
    if (told === undefined) tell(endings[0]);
    return told ?? endings[0];
  }

  /** Starts it anew, perhaps after several attempts; false if it is not to be. */
  async #restart(name: string): Promise<boolean> {
    const before = this.#group;
    while (!this.#asked) {
      const restart = this.#restarts.next(name, performance.now());
      const { count, windowMs } = this.#policy;
      if (restart === undefined) {
        this.#tell({ kind: 'gave up', name, count, windowMs });
        return false;
      }
      this.#tell({ kind: 'restarting', name, windowMs, ...restart });
      await this.#wait(restart.delayMs);
      // Meanwhile a reload may have put another in its place.
      if (this.#asked || this.#group !== before) return !this.#asked;
      try {
        const next = await startAlone(this.#pipeline, this.#starting(), this.#proof);
        // Asked while it started, it has heard of no signal.
        if (this.#asked || this.#group !== before) await next.stop();
        else this.#group = next;
        return !this.#asked;
      } catch (error) {
        if (!this.#asked) this.#tell({ kind: 'unstartable', name, error: error as Error });
      }
    }
    return false;
  }

  #starting(): PipelineOptions {
    return startingOf(this.#options, this.#open);
  }

  async #wait(delayMs: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, delayMs);
      this.#hurry = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

/**
 * Starts a pipeline, and starts all of it again when it has ended, as `restarts` says; its
 * modules are compiled once, and its listeners stay open: who connects in between is served.
 * `signal` and `stop` ask it to leave for good. `ended` settles when nothing runs and nothing will,
 * with the outcome that decided that. Rejects as `startPipeline` does, and with the
 * code `ERR_SANDPOLL_NOT_READY` if a probe of one of its roles is not answered.
 */
export async function servePipeline(
  pipeline: Pipeline,
  options: ServePipelineOptions = {},
): Promise<PipelineService> {
  const loaded = await load(pipeline);
  const listeners = openPipelineListeners(loaded);
  try {
    const first = await startAlone(loaded, startingOf(options, listeners), proofOf(options));
    return new PipelineSupervisor(loaded, listeners, first, options);
  } catch (error) {
    listeners.close();
    throw error;
  }
}
