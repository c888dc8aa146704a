/** Proving that a pipeline serves: before it is told of, and before it takes another's place. */
import type { Group } from '../group.js';
import type { Pipeline } from '../pipeline/plan.js';
import { type PipelineOptions, startPipeline } from '../pipeline/start.js';
import { ask, onLoopback } from './probe.js';

export interface ProofOptions {
  /** How long it may take altogether. */
  readonly timeoutMs: number;
  /** Ends the wait for it: nobody wants the pipeline any more. */
  readonly signal?: AbortSignal;
}

/** Rejects with the first reason why a group will not be ready; it never resolves. */
function failing({ guests }: Group, { timeoutMs, signal }: ProofOptions, over: AbortSignal) {
  const failed = new Promise<never>((_resolve, reject) => {
    const fail = (why: string): void => reject(new Error(why));
    const stop = (): void => fail('it is to stop');
    if (signal?.aborted === true) stop();
    signal?.addEventListener('abort', stop, { signal: over });
    const timer = setTimeout(fail, timeoutMs, `it was not ready within ${timeoutMs}ms`);
    over.addEventListener('abort', () => clearTimeout(timer));
    for (const { name, guest } of guests) {
      void guest.ended.then(() => fail(`${name} ended before it was ready`));
    }
  });
  failed.catch(() => {});
  return failed;
}

/** Rejects unless the role of each probe answers it. */
async function probed(
  { roles }: Pipeline,
  { guests }: Group,
  timeoutMs: number,
  failed: Promise<never>,
): Promise<void> {
  const asking = roles.map(async ({ name, probePath }) => {
    if (probePath === undefined) return;
    const one = guests.find((each) => each.name === `${name}#0`);
    try {
      await ask(one?.guest.listeners ?? [], probePath, timeoutMs, failed);
    } catch (error) {
      throw new Error(`${name}: ${(error as Error).message}`, { cause: error });
    }
  });
  await Promise.all(asking);
}

/** Rejects unless all of a group run, and those that listen wait at their listeners. */
async function proved(group: Group, pipeline: Pipeline, options: ProofOptions): Promise<void> {
  const over = new AbortController();
  const failed = failing(group, options, over.signal);
  const listening = group.guests.filter(({ guest }) => guest.listeners.length > 0);
  const ready = Promise.all(listening.map(async ({ guest }) => guest.ready));
  try {
    const all = await Promise.race([ready, failed]);
    if (all.includes(false)) throw new Error('it ended before it was ready');
    await probed(pipeline, group, options.timeoutMs, failed);
  } finally {
    over.abort();
  }
}

function hasProbe({ roles }: Pipeline): boolean {
  return roles.some(({ probePath }) => probePath !== undefined);
}

/** The same pipeline, of which nobody is asked anything. */
function withoutProbes({ roles, channels }: Pipeline): Pipeline {
  const unasked = roles.map((role) => {
    const { probePath: _, ...others } = role;
    return others;
  });
  return { roles: unasked, channels };
}

/** Starts a pipeline and waits until it is ready; if it will not be, ends it and says why. */
async function startProved(
  pipeline: Pipeline,
  starting: PipelineOptions,
  proof: ProofOptions,
): Promise<Group> {
  const group = await startPipeline(pipeline, starting);
  try {
    await proved(group, pipeline, proof);
    return group;
  } catch (error) {
    await group.stop();
    throw Object.assign(error as Error, { code: 'ERR_SANDPOLL_NOT_READY' });
  }
}

/**
 * Starts a pipeline where no other one serves, as `startPipeline` does. If any of its roles has a
 * probe, all that listen then wait at their listeners, and the probes are answered.
 */
export async function startAlone(
  pipeline: Pipeline,
  starting: PipelineOptions,
  proof: ProofOptions,
): Promise<Group> {
  if (!hasProbe(pipeline)) return startPipeline(pipeline, starting);
  return startProved(pipeline, starting, proof);
}

/**
 * Starts, over `starting.listeners`, a pipeline that is to take the place of another one which
 * still serves there. That one could answer the probes: they are put to a trial beforehand, which
 * is the same pipeline on ports of the loopback that nobody else knows.
 */
export async function startSuccessor(
  pipeline: Pipeline,
  starting: PipelineOptions,
  proof: ProofOptions,
): Promise<Group> {
  if (hasProbe(pipeline)) {
    const { listeners: _, ...others } = starting;
    const roles = pipeline.roles.map((role) => {
      return { ...role, listen: (role.listen ?? []).map(onLoopback) };
    });
    const trial = await startProved({ ...pipeline, roles }, others, proof);
    await trial.stop();
  }
  return startProved(withoutProbes(pipeline), starting, proof);
}
