/** What a guest may do and use up: plain data that crosses to its worker. */
import type { DirGrant } from './grants/dirs.js';
import type { NetGrants } from './grants/rule.js';
import { EPOLL_EVENTS_MAX } from './kernel/kernel.js';

export type { Transport } from './address.js';
export {
  type DirGrant,
  checkDirs,
  escapeText,
  parseDir,
  parseDirs,
  readOnlyText,
} from './grants/dirs.js';
export { denialText, judge, type AddressUse } from './grants/judge.js';
export { allowsName, isName, parseResolveRule } from './grants/resolve.js';
export { parseNetRule, type NetGrants, type NetOption, type NetRule } from './grants/rule.js';

/** What a guest may use up. */
export interface Limits {
  /** Bytes of linear memory, at most `MEMORY_BYTES_MAX`. */
  readonly memoryBytes: number;
  /** Elements in each table. */
  readonly tableElements: number;
  /** Open descriptors, stdio among them; one more is EMFILE. */
  readonly fds: number;
  /** Open connections: stream sockets; the next is EMFILE, or waits in its listener's queue. */
  readonly connections: number;
  /**
   * Bytes of kernel memory that its sockets may buffer, an equal share for each descriptor it can
   * have; undefined for what Linux gives each. A pipe of its own holds 64 KiB besides.
   */
  readonly bufferedBytes?: number;
  /** Milliseconds of CPU time that its threads may use in all; undefined for no limit. */
  readonly cpuMs?: number;
  /** Threads that run at a time, the first among them; `thread-spawn` of one more is EAGAIN. */
  readonly threads: number;
  /** Events that one wait reports; the rest wait for the next. */
  readonly eventsPerWait: number;
  /** Bytes of the `.wasm` file. */
  readonly moduleBytes: number;
}

export interface Grants {
  /** Directories, in order from descriptor 3; listeners and channels come after them. */
  readonly dirs: readonly DirGrant[];
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly net: NetGrants;
  /** Patterns of the names that may be looked up; `*` stands for any characters. */
  readonly resolve: readonly string[];
  /** Whether TCP Fast Open may be turned on: data before the handshake may come twice. */
  readonly fastOpen: boolean;
  readonly limits: Limits;
}

/** The largest linear memory in bytes that 32-bit addresses reach. */
export const MEMORY_BYTES_MAX = 2 ** 32;

/**
 * Limits for a guest of which nothing is said: memory for a server of 10,000 connections many
 * times over, yet no guest alone takes the machine; tables of a size that cannot make one
 * `table.fill` last long; as many descriptors as a shell gives a process, all of which may be
 * connections; the port's own number of events; and modules that compile in seconds, because
 * compiling cannot be interrupted.
 */
export const DEFAULT_LIMITS: Limits = Object.freeze({
  memoryBytes: 2 ** 30,
  tableElements: 100_000,
  fds: 1024,
  connections: 2 ** 20,
  threads: 64,
  eventsPerWait: EPOLL_EVENTS_MAX,
  moduleBytes: 64 * 2 ** 20,
});

/** What a guest has when nobody gave it anything. */
export const NO_GRANTS: Grants = Object.freeze({
  dirs: Object.freeze([]),
  args: Object.freeze([]),
  env: Object.freeze({}),
  net: Object.freeze({ allow: Object.freeze([]), deny: Object.freeze([]) }),
  resolve: Object.freeze([]),
  fastOpen: false,
  limits: DEFAULT_LIMITS,
});
