/** What Landlock takes from a guest's process: all files, and what else its version knows. */
import type { NetRule } from '../grants.js';

/** Rights to a file, and with READ_DIR to a directory and all that is in it. */
export const READ_FILE = 1 << 2;
export const READ_DIR = 1 << 3;

/** Rights to files by the version they came with; each version has those before it. */
const FILE_RIGHTS: readonly (readonly [version: number, rights: number])[] = [
  // All from EXECUTE to MAKE_SYM.
  [1, 0x1fff],
  [2, 1 << 13],
  [3, 1 << 14],
  [5, 1 << 15],
];
/** Nothing in a directory is a program of the guest's. */
const EXECUTE = 1 << 0;
const NET_VERSION = 4;
const BIND_TCP = 1 << 0;
const CONNECT_TCP = 1 << 1;
/** Each port is a rule of its own: with more than so many, they are not worth it. */
const PORTS_MAX = 1024;
const SCOPE_VERSION = 6;
const SCOPE_ABSTRACT_UNIX = 1 << 0;
const SCOPE_SIGNAL = 1 << 1;

/** Every right to files that a kernel's version knows, REFER and TRUNCATE among them. */
function fileRights(version: number): number {
  const known = FILE_RIGHTS.filter(([from]) => from <= version);
  return known.reduce((rights, [, more]) => rights | more, 0);
}

/** Rights to a granted directory and all that is beneath it. */
export function directoryRights(version: number, readOnly: boolean): number {
  return readOnly ? READ_FILE | READ_DIR : fileRights(version) & ~EXECUTE;
}

/** TCP ports, 0 for one that the kernel picks; or any. */
export type Ports = readonly number[] | 'any';

/** What a guest's process needs that Landlock would take, beside files. */
export interface LandlockNeeds {
  /** Ports that it may bind TCP sockets to. */
  readonly bindPorts: Ports;
  /** Ports that it may connect TCP sockets to, whoever has them. */
  readonly connectPorts: Ports;
  /** Whether it may connect to abstract unix sockets of others. */
  readonly abstractUnix: boolean;
}

/** The ports that rules allow to bind (`in`) or connect (`out`), and `more` of them. */
export function portsOf(
  allow: readonly NetRule[],
  direction: 'in' | 'out',
  more: readonly number[] = [],
): Ports {
  const ports = new Set(more);
  for (const rule of allow) {
    if (rule.transport === 'unix' || rule.transport === 'udp') continue;
    if (rule.direction !== undefined && rule.direction !== direction) continue;
    for (const [first, last] of rule.ports) {
      if (last - first >= PORTS_MAX) return 'any';
      for (let port = first; port <= last; port++) ports.add(port);
    }
  }
  return ports.size > PORTS_MAX ? 'any' : [...ports].toSorted((a, b) => a - b);
}

type PortRight = readonly [port: number, access: number];

function given(ports: Ports, access: number): readonly PortRight[] {
  return ports === 'any' ? [] : ports.map((port) => [port, access]);
}

/** Each port that a rule gives back, with the right to it. */
export function portRights(
  version: number,
  { bindPorts, connectPorts }: LandlockNeeds,
): readonly PortRight[] {
  if (version < NET_VERSION) return [];
  return [...given(bindPorts, BIND_TCP), ...given(connectPorts, CONNECT_TCP)];
}

/**
 * The `struct landlock_ruleset_attr` of a kernel's version (1 at least), as it crosses in JSON:
 * rights that are handled and that no rule gives back are gone.
 */
export function rulesetAttributes(version: number, needs: LandlockNeeds): number[] {
  const { bindPorts, connectPorts, abstractUnix } = needs;
  const words = [fileRights(version)];
  if (version >= NET_VERSION) {
    const bind = bindPorts === 'any' ? 0 : BIND_TCP;
    words.push(bind | (connectPorts === 'any' ? 0 : CONNECT_TCP));
  }
  if (version >= SCOPE_VERSION) words.push(SCOPE_SIGNAL | (abstractUnix ? 0 : SCOPE_ABSTRACT_UNIX));
  const view = new DataView(new ArrayBuffer(8 * words.length));
  words.forEach((word, index) => view.setUint32(8 * index, word, true));
  return [...new Uint8Array(view.buffer)];
}
