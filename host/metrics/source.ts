/** What can be watched: guests that run as a command, a group or a service. */
import type { Group } from '../group.js';
import type { Guest } from '../guest.js';
import type { Service } from '../serve/service.js';

export interface WatchedMember {
  /** `http.wasm#1`: the module or role, and which instance of it. */
  readonly name: string;
  /** The instance, while there is one. */
  readonly guest?: Guest | undefined;
  /** How often it was started again; only of what is supervised. */
  readonly restarts?: number;
  /** Instances that it has replaced and that still drain. */
  readonly leaving?: readonly Guest[];
}

export interface MetricsSource {
  /** Whether new work is taken: what `/readyz` answers. */
  ready(): boolean;
  members(): readonly WatchedMember[];
}

/**
 * A group that nobody restarts, undefined before it has started. It is ready while all of it run
 * and `isDraining` says no.
 */
export function groupSource(
  group: () => Group | undefined,
  isDraining: () => boolean,
): MetricsSource {
  const members = (): Group['guests'] => group()?.guests ?? [];
  return {
    ready: () => {
      const guests = members();
      const running = guests.every(({ guest }) => guest.usage().running);
      return guests.length > 0 && running && !isDraining();
    },
    members,
  };
}

/** A supervised service, with what it still drains; undefined before it has started. */
export function serviceSource(
  service: () => Pick<Service, 'ready' | 'describe'> | undefined,
): MetricsSource {
  return {
    ready: () => service()?.ready() ?? false,
    members: () => {
      const { members = [], draining = [] } = service()?.describe() ?? {};
      return members.map(({ name, restarts, guest }) => {
        const leaving = draining.filter((each) => each.name === name).map((each) => each.guest);
        return { name, restarts, leaving, guest };
      });
    },
  };
}
