/** Keeping the members of a service alive, and replacing what they run. */
import type { Guest } from '../guest.js';
import type { GuestModule } from '../guest/module.js';
import type { GuestSignal } from '../signals.js';
import type { Outcome } from '../trap.js';
import { type Instance, Member, type MemberOwner, type MemberPlan } from './member.js';
import { type RestartPolicy, Restarts, isRestarted } from './restarts.js';
import type { Service, ServiceEvent, ServiceState } from './service.js';

export interface SupervisorOptions {
  readonly plans: readonly MemberPlan[];
  readonly listeners: readonly { readonly url: string }[];
  /** Reads the module anew; called at the start and at each reload. */
  readonly load: () => Promise<GuestModule>;
  /** Tries a module that is to replace another one, on its own; rejects if it is no good. */
  readonly probe: (module: GuestModule) => Promise<void>;
  readonly restarts: RestartPolicy;
  /** How long a new instance has, at a reload, until it waits at its listeners. */
  readonly readyTimeoutMs: number;
  /** How long an instance that is asked to leave has. */
  readonly graceMs: number;
  readonly onEvent: (event: ServiceEvent) => void;
  /** Called when the service is asked to stop, before its members are. */
  readonly onStop: () => void;
  /** Called once, when all is over. */
  readonly onClose: () => void;
}

const SUCCESS: Outcome = { kind: 'exited', code: 0 };

function isSuccess(outcome: Outcome): boolean {
  return outcome.kind === 'exited' && outcome.code === 0;
}

/** Why an instance that has ended was not ready, in half a sentence. */
function endText(outcome: Outcome): string {
  if (outcome.kind === 'exited') return `it left with ${outcome.code}`;
  if (outcome.kind === 'trapped') return `it trapped: ${outcome.message}`;
  return outcome.reason === 'stopped'
    ? 'it was stopped'
    : `its limit was reached (${outcome.reason})`;
}

/** Resolves once an instance waits at its listeners; rejects if it ends, or takes too long. */
async function proveReady({ guest }: Instance, timeoutMs: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<'late'>((resolve) => {
    timer = setTimeout(() => resolve('late'), timeoutMs);
  });
  const first = await Promise.race([guest.ready, late]);
  clearTimeout(timer);
  if (first === 'late') {
    throw new Error(`it did not wait at its listeners within ${timeoutMs}ms`);
  }
  if (!first) throw new Error(`${endText(await guest.ended)} before it waited at its listeners`);
}

export class Supervisor implements Service, MemberOwner {
  readonly listeners: readonly { readonly url: string }[];
  readonly ended: Promise<Outcome>;
  readonly #options: SupervisorOptions;
  readonly #restarts: Restarts;
  readonly #members: readonly Member[];
  readonly #module: { present: GuestModule };
  #settle: (outcome: Outcome) => void = () => {};
  /** What `ended` will settle with: the first end that was no success, or what it gave up for. */
  #outcome: Outcome = SUCCESS;
  #version = 1;
  #isStopping = false;
  /** Reloads are made one after the other. */
  #reloads: Promise<boolean> = Promise.resolve(true);

  constructor(options: SupervisorOptions, module: GuestModule) {
    this.#options = options;
    this.#module = { present: module };
    this.#restarts = new Restarts(options.restarts);
    this.listeners = options.listeners;
    this.#members = options.plans.map((plan) => new Member(plan, this));
    this.ended = new Promise((resolve) => {
      this.#settle = resolve;
    });
  }

  /** Starts every member; throws as `startGuest` does, and nothing runs then. */
  async start(): Promise<void> {
    const instances = await this.#launchAll(this.#module.present);
    this.#members.forEach((member, index) => member.install(instances[index], 0));
  }

  ready(): boolean {
    return !this.#isStopping && this.#members.every(({ state }) => state.phase === 'serving');
  }

  describe(): ServiceState {
    return {
      ready: this.ready(),
      version: this.#version,
      members: this.#members.map(({ state }) => state),
      draining: this.#members.flatMap(({ leaving }) => leaving),
    };
  }

  signal(name: GuestSignal): boolean {
    return this.#guests().filter((guest) => guest.signal(name)).length > 0;
  }

  async reload(): Promise<boolean> {
    this.#reloads = this.#reloads.then(async () => this.#reloadOnce());
    return this.#reloads;
  }

  stop({ graceMs = this.#options.graceMs } = {}): Promise<Outcome> {
    if (!this.#isStopping) this.#options.onStop();
    this.#isStopping = true;
    for (const member of this.#members) member.stop(graceMs);
    this.#closeIfOver();
    return this.ended;
  }

  emit(event: ServiceEvent): void {
    this.#options.onEvent(event);
  }

  onVacant(member: Member, outcome: Outcome): void {
    const { restarts } = this.#options;
    if (!isRestarted(restarts.kind, outcome)) {
      member.end();
      this.#note(outcome);
      return this.#closeIfOver();
    }
    const { name } = member;
    const { windowMs, count } = restarts;
    const restart = this.#restarts.next(name, performance.now());
    if (restart === undefined) {
      this.emit({ kind: 'gave up', name, count, windowMs });
      member.end();
      this.#outcome = isSuccess(outcome) ? { kind: 'exited', code: 1 } : outcome;
      void this.stop();
      return undefined;
    }
    this.emit({ kind: 'restarting', name, windowMs, ...restart });
    member.restartAfter(restart.delayMs, () => this.#module.present);
    return undefined;
  }

  onGone(outcome?: Outcome): void {
    if (this.#isStopping && outcome !== undefined) this.#note(outcome);
    this.#closeIfOver();
  }

  #guests(): readonly Guest[] {
    return this.#members.flatMap(({ guests }) => guests);
  }

  #note(outcome: Outcome): void {
    if (isSuccess(this.#outcome)) this.#outcome = outcome;
  }

  #closeIfOver(): void {
    if (!this.#members.every(({ isOver }) => isOver)) return;
    this.#isStopping = true;
    this.#options.onClose();
    this.#settle(this.#outcome);
  }

  /** One new instance for each member; if one cannot be started, none is, and it throws. */
  async #launchAll(module: GuestModule): Promise<readonly Instance[]> {
    const results = await Promise.allSettled(
      this.#members.map(async (member) => member.launch(module)),
    );
    const failed = results.find((each) => each.status === 'rejected');
    if (failed === undefined) {
      return results.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
    }
    for (const [index, each] of results.entries()) {
      if (each.status === 'fulfilled') this.#members[index].reject(each.value);
    }
    throw failed.reason as Error;
  }

  async #reloadOnce(): Promise<boolean> {
    if (this.#isStopping) return false;
    const version = this.#version + 1;
    const { load, probe, readyTimeoutMs, graceMs } = this.#options;
    this.emit({ kind: 'reloading', version });
    let instances: readonly Instance[] = [];
    try {
      const module = await load();
      await probe(module);
      instances = await this.#launchAll(module);
      await Promise.all(instances.map(async (each) => proveReady(each, readyTimeoutMs)));
      if (this.#isStopping) throw new Error('the service was stopped meanwhile');
      this.#module.present = module;
      this.#version = version;
      this.#members.forEach((member, index) => member.install(instances[index], graceMs));
    } catch (thrown) {
      instances.forEach((instance, index) => this.#members[index].reject(instance));
      this.emit({ kind: 'reload failed', version, error: thrown as Error });
      return false;
    }
    this.emit({ kind: 'reloaded', version });
    return true;
  }
}
