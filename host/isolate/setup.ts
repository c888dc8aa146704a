/** What a guest's process is told by its environment: how to confine itself before all else. */

/** The name of the variable; its value is a `Setup` in JSON. */
export const SETUP_VARIABLE = 'SANDPOLL_CHILD';

export interface Setup {
  /** The process that it must not outlive. */
  readonly parentPid: number;
  /** The channel to connect to: a `SockaddrBuffer`. */
  readonly channel: readonly number[];
  /** Each `setrlimit(2)`. */
  readonly limits: readonly (readonly [resource: number, soft: number, hard: number])[];
  /** What Landlock leaves; undefined where the kernel has none. */
  readonly landlock?: {
    readonly version: number;
    /** `struct landlock_ruleset_attr`. */
    readonly attributes: readonly number[];
    /** TCP ports, each with a right to it. */
    readonly ports: readonly (readonly [port: number, access: number])[];
    /** What may be read, and the granted directories, each with the rights to it. */
    readonly paths: readonly (readonly [path: string, access: number])[];
  };
}

/** What confines a process by now, in words, and what does not and why. */
export interface Confined {
  readonly by: readonly string[];
  readonly without: readonly string[];
}
