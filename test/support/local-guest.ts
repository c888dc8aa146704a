/** Built guests, started in this process by the public interface. */
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';

import {
  DEFAULT_LIMITS,
  type Grants,
  type Guest,
  type GuestModule,
  type GuestOptions,
  type Limits,
  NO_GRANTS,
  loadModule,
  startGuest,
} from '#host/index.js';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** What a guest of a test may have; by default nothing. */
export interface LocalOptions extends Omit<GuestOptions, 'bytes' | 'name' | 'grants'> {
  readonly grants?: Partial<Omit<Grants, 'limits'>>;
  readonly limits?: Partial<Limits>;
}

/** The grants of `options`: the guest's name is the first of its arguments. */
function grantsOf(name: string, { grants, limits }: LocalOptions): Grants {
  const merged = { ...NO_GRANTS, ...grants, limits: { ...DEFAULT_LIMITS, ...limits } };
  return { ...merged, args: [name, ...merged.args] };
}

function read(path: string): Uint8Array {
  return new Uint8Array(readFileSync(`${root}/${path}`));
}

/** Loads the module of a path from the root of the repository, to start it several times. */
export async function loadLocal(path: string): Promise<GuestModule> {
  return loadModule(read(path), basename(path), NO_GRANTS);
}

/** Starts a guest from a path from the root of the repository, or from a loaded module. */
export async function startLocal(
  guest: string | GuestModule,
  options: LocalOptions = {},
): Promise<Guest> {
  const bytes = typeof guest === 'string' ? read(guest) : guest;
  const name = typeof guest === 'string' ? basename(guest) : guest.name;
  return startGuest({ ...options, bytes, name, grants: grantsOf(name, options) });
}

/** The port of a guest's listener. */
export function portOf(guest: Pick<Guest, 'listeners'>, index = 0): number {
  return Number(new URL(guest.listeners[index]?.url ?? '').port);
}
