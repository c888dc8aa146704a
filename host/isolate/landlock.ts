/** What Landlock takes from a guest's process: all files, and what else its version knows. */

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
const BIND_AND_CONNECT_TCP = 0b11;
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

/** What a guest's process needs that Landlock would take, beside files. */
export interface LandlockNeeds {
  /** Whether it may bind or connect TCP sockets. */
  readonly tcp: boolean;
  /** Whether it may connect to abstract unix sockets of others. */
  readonly abstractUnix: boolean;
}

/**
 * The `struct landlock_ruleset_attr` of a kernel's version (1 at least), as it crosses in JSON:
 * rights that are handled and that no rule gives back are gone.
 */
export function rulesetAttributes(version: number, needs: LandlockNeeds): number[] {
  const words = [fileRights(version)];
  if (version >= NET_VERSION) words.push(needs.tcp ? 0 : BIND_AND_CONNECT_TCP);
  if (version >= SCOPE_VERSION) {
    words.push(SCOPE_SIGNAL | (needs.abstractUnix ? 0 : SCOPE_ABSTRACT_UNIX));
  }
  const view = new DataView(new ArrayBuffer(8 * words.length));
  words.forEach((word, index) => view.setUint32(8 * index, word, true));
  return [...new Uint8Array(view.buffer)];
}
