/** One member of a service: a place that one instance of the module after another takes. */
import type { Guest } from '../guest.js';
import type { GuestModule } from '../guest/module.js';
import type { Outcome } from '../trap.js';
import type { MemberPhase, MemberState, ServiceEvent } from './service.js';

/** What a member is started from. */
export interface MemberPlan {
  /** `http.wasm#0`. */
  readonly name: string;
  /** Starts one instance; `onReport` takes what the host has to say about it. */
  start(module: GuestModule, onReport: (line: string) => void): Promise<Guest>;
}

/** An instance that runs. */
export interface Instance {
  readonly guest: Guest;
  readonly generation: number;
  /** Whether it has waited at its listeners. */
  isReady: boolean;
}

export interface MemberOwner {
  emit(event: ServiceEvent): void;
  /** The instance that held the place has ended, or none could be started. */
  onVacant(member: Member, outcome: Outcome): void;
  /** An instance that did not hold the place has ended; without an outcome, it never did. */
  onGone(outcome?: Outcome): void;
}

export class Member {
  readonly name: string;
  readonly #plan: MemberPlan;
  readonly #owner: MemberOwner;
  #phase: MemberPhase = 'starting';
  #generation = 0;
  #restarts = 0;
  #current: Instance | undefined;
  /** Instances that were replaced, or asked to leave before they held the place. */
  readonly #leaving = new Set<Instance>();
  /** How many instances are being started, and those that nobody has decided about. */
  #launching = 0;
  readonly #pending = new Set<Instance>();
  #timer: NodeJS.Timeout | undefined;

  constructor(plan: MemberPlan, owner: MemberOwner) {
    this.name = plan.name;
    this.#plan = plan;
    this.#owner = owner;
  }

  get state(): MemberState {
    const current = this.#current;
    return {
      name: this.name,
      phase: this.#phase,
      generation: this.#generation,
      restarts: this.#restarts,
      ...(current === undefined ? {} : { guest: current.guest }),
    };
  }

  /** Every instance that runs, the present one last. */
  get guests(): readonly Guest[] {
    const all = [...this.#leaving].map(({ guest }) => guest);
    return this.#current === undefined ? all : [...all, this.#current.guest];
  }

  get leaving(): readonly { readonly name: string; readonly guest: Guest }[] {
    return [...this.#leaving].map(({ guest }) => ({ name: this.name, guest }));
  }

  /** Whether nothing of it runs, and nothing will. */
  get isOver(): boolean {
    const starting = this.#launching + this.#pending.size;
    return this.#phase === 'ended' && this.guests.length === 0 && starting === 0;
  }

  /** Starts an instance, to be installed or rejected; throws as `startGuest` does. */
  async launch(module: GuestModule): Promise<Instance> {
    const generation = ++this.#generation;
    const { name } = this;
    this.#launching++;
    const started = this.#plan.start(module, (line) => {
      this.#owner.emit({ kind: 'report', name, line });
    });
    const guest = await started.finally(() => this.#launching--);
    const instance: Instance = { guest, generation, isReady: false };
    this.#owner.emit({ kind: 'started', name, generation });
    this.#pending.add(instance);
    void this.#noteReady(instance);
    return instance;
  }

  /** Gives the place to an instance; the one before is asked to leave. */
  install(instance: Instance, graceMs: number): void {
    clearTimeout(this.#timer);
    this.#pending.delete(instance);
    const before = this.#current;
    this.#current = instance;
    this.#phase = instance.isReady ? 'serving' : 'starting';
    if (before !== undefined) this.#dismiss(before, graceMs);
    void this.#awaitEnd(instance, true);
  }

  /** Ends an instance that was launched and never got the place. */
  reject(instance: Instance): void {
    this.#pending.delete(instance);
    this.#dismiss(instance, 0);
    void this.#awaitEnd(instance, false);
  }

  /** Starts the module again after a while. */
  restartAfter(delayMs: number, module: () => GuestModule): void {
    this.#phase = 'waiting';
    this.#restarts++;
    this.#timer = setTimeout(() => void this.#restart(module()), delayMs);
  }

  /** Asks all of it to leave; nothing is started any more. */
  stop(graceMs: number): void {
    clearTimeout(this.#timer);
    const current = this.#current;
    if (current !== undefined) this.#phase = 'draining';
    else if (this.#phase !== 'draining') this.#phase = 'ended';
    this.#current = undefined;
    for (const { guest } of this.#leaving) void guest.stop({ graceMs });
    // Whoever waits for these to be ready hears of it, and rejects them.
    for (const { guest } of this.#pending) void guest.stop();
    if (current !== undefined) this.#dismiss(current, graceMs);
  }

  /** It is not started again. */
  end(): void {
    this.#phase = 'ended';
  }

  async #restart(module: GuestModule): Promise<void> {
    try {
      const instance = await this.launch(module);
      // Another may have got the place meanwhile, or the service was stopped.
      if (this.#phase === 'waiting') this.install(instance, 0);
      else this.reject(instance);
    } catch (thrown) {
      const error = thrown as Error;
      this.#owner.emit({ kind: 'unstartable', name: this.name, error });
      const outcome: Outcome = { kind: 'trapped', message: error.message, frames: [] };
      if (this.#phase === 'waiting') this.#owner.onVacant(this, outcome);
      else this.#owner.onGone();
    }
  }

  async #noteReady(instance: Instance): Promise<void> {
    if (!(await instance.guest.ready)) return;
    const { name } = this;
    const { generation } = instance;
    instance.isReady = true;
    if (this.#current === instance && this.#phase === 'starting') this.#phase = 'serving';
    this.#owner.emit({ kind: 'ready', name, generation });
  }

  #dismiss(instance: Instance, graceMs: number): void {
    this.#leaving.add(instance);
    if (graceMs > 0) this.#owner.emit({ kind: 'draining', name: this.name, graceMs });
    void instance.guest.stop({ graceMs });
  }

  /** Says how an instance has ended; the end of one that never had the place is no outcome. */
  async #awaitEnd(instance: Instance, counts: boolean): Promise<void> {
    const { name } = this;
    const outcome = await instance.guest.ended;
    const asked = this.#leaving.delete(instance);
    this.#owner.emit({ kind: 'ended', name, outcome, asked });
    if (this.#phase === 'draining' && this.guests.length === 0) this.#phase = 'ended';
    if (this.#current !== instance) return this.#owner.onGone(counts ? outcome : undefined);
    this.#current = undefined;
    return this.#owner.onVacant(this, outcome);
  }
}
