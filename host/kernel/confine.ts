/**
 * What a process can give up for good, call by call. Only the first thread of a process may: on
 * any other, what is given up would bind that thread and those it starts, and nobody else; the
 * answer there is `-EPERM`. Nothing of this is for the embedder's process: a child that runs
 * one guest calls it.
 */
import type { Handle, Result } from './kernel.js';

export interface Confinement {
  /** `prctl(2)` with one argument. */
  prctl(option: number, value: number): Result;
  /** `setrlimit(2)`; −1 is RLIM_INFINITY. */
  setrlimit(resource: number, soft: number, hard: number): Result;
  /** `open(2)` with O_PATH of a path of at most 4,095 bytes, which has no NUL. */
  openPath(path: Uint8Array): Handle | Result;
  /**
   * `landlock_create_ruleset(2)` with a `struct landlock_ruleset_attr`, as long as the kernel's
   * version has it. `flags` 1 asks for that version instead; `-EOPNOTSUPP` or `-ENOSYS` without.
   */
  landlockCreateRuleset(attributes: Uint8Array, flags: number): Handle | Result;
  /** `landlock_add_rule(2)`, LANDLOCK_RULE_PATH_BENEATH: `access` to what `parent` holds. */
  landlockAddPath(ruleset: Handle, parent: Handle, access: number): Result;
  /** `landlock_add_rule(2)`, LANDLOCK_RULE_NET_PORT: `access` to a TCP port; 4 and later. */
  landlockAddPort(ruleset: Handle, port: number, access: number): Result;
  /** `landlock_restrict_self(2)`: the calling thread, and threads that it starts later. */
  landlockRestrictSelf(ruleset: Handle, flags: number): Result;
  /** `seccomp(2)`, SECCOMP_SET_MODE_FILTER: `program` is a row of `struct sock_filter`. */
  seccompFilter(program: Uint8Array, flags: number): Result;
}

/** The calls as data, in the order of the interface. */
export const CONFINEMENT_CALLS = [
  'prctl',
  'setrlimit',
  'openPath',
  'landlockCreateRuleset',
  'landlockAddPath',
  'landlockAddPort',
  'landlockRestrictSelf',
  'seccompFilter',
] as const satisfies readonly (keyof Confinement)[];
