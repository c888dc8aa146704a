/** Directories: what `--dir` says, as plain data, and what is said of what they do not allow. */
import { posix } from 'node:path';

import { type UsageError, usageError } from '../usage.js';

/** A directory that a guest gets, and all that is beneath it. */
export interface DirGrant {
  /** Path on this machine. */
  readonly host: string;
  /**
   * What the guest finds it as (`fd_prestat_dir_name`): an absolute path without `.` and `..`, or
   * what `host` ends with.
   */
  readonly guest: string;
  /** Whether nothing in it may be created, written, renamed, removed or otherwise changed. */
  readonly readOnly: boolean;
}

const READ_ONLY = ':ro';

function dirError(what: string, reason: string): UsageError {
  const shown = what.replaceAll('\0', String.raw`\0`);
  return usageError(`${shown}: ${reason}; write it as in --dir ./data::/data:ro`);
}

/** What is wrong with a name that was chosen for the guest, if something is. */
function nameProblem(guest: string): string | undefined {
  if (guest === '') return 'the name for the guest is missing';
  if (!guest.startsWith('/')) return `the name for the guest, '${guest}', must begin with /`;
  const dots = guest.split('/').find((part) => part === '.' || part === '..');
  return dots === undefined ? undefined : `the name for the guest must not have '${dots}' in it`;
}

function hostProblem(host: string): string | undefined {
  return host === '' ? 'the directory of this machine is missing' : undefined;
}

function nulProblem(text: string): string | undefined {
  return text.includes('\0') ? 'no path has a NUL in it' : undefined;
}

/** A name without what makes no difference: `//`, a slash at the end, `.` and `..`. */
function tidyName(guest: string): string {
  return posix.normalize(guest).replace(/(?<=.)\/$/, '');
}

/**
 * Reads `HOST[::GUEST][:ro]`. Without GUEST the guest finds the directory under the name that
 * HOST is written as; a GUEST is absolute. HOST may have colons: the last `::` counts, and `:ro`
 * at the very end. Anything else is a `UsageError`.
 */
export function parseDir(text: string): DirGrant {
  // After `::` it would be a name.
  const readOnly = /(?<!:):ro$/.test(text);
  const paths = readOnly ? text.slice(0, -READ_ONLY.length) : text;
  const at = paths.lastIndexOf('::');
  const host = at < 0 ? paths : paths.slice(0, at);
  const chosen = at < 0 ? undefined : paths.slice(at + '::'.length);
  const problem =
    nulProblem(text) ??
    hostProblem(host) ??
    (chosen === undefined ? undefined : nameProblem(chosen));
  if (problem !== undefined) throw dirError(`--dir ${text}`, problem);
  return { host, guest: chosen === undefined ? host : tidyName(chosen), readOnly };
}

/** The first directory whose guest name another has already; −1 if each has its own. */
function sameName(dirs: readonly DirGrant[]): number {
  const names = dirs.map(({ guest }) => tidyName(guest));
  return names.findIndex((name, index) => names.indexOf(name) !== index);
}

function sameNameText({ guest }: DirGrant): string {
  return `another directory has the name ${guest} already`;
}

/** `parseDir` for each; two with one name for the guest are a `UsageError`. */
export function parseDirs(texts: readonly string[]): readonly DirGrant[] {
  const dirs = texts.map(parseDir);
  const twice = sameName(dirs);
  if (twice < 0) return dirs;
  throw dirError(`--dir ${texts[twice]}`, sameNameText(dirs[twice]));
}

/** Whether the guest's name is that of `host` as somebody may write it. */
function isAsWritten({ host, guest }: DirGrant): boolean {
  const name = posix.resolve('/', guest);
  return guest === host || name === '/' || posix.resolve('/', host).endsWith(name);
}

function dataProblem(dir: DirGrant): string | undefined {
  const { host, guest, readOnly } = dir;
  if (typeof host !== 'string' || typeof guest !== 'string' || typeof readOnly !== 'boolean') {
    return 'not { host, guest, readOnly }: two texts and a boolean';
  }
  const named = guest !== '' && isAsWritten(dir) ? undefined : nameProblem(guest);
  return nulProblem(host + guest) ?? hostProblem(host) ?? named;
}

/** Judges directories that were given as plain data as their texts are: throws a `UsageError`. */
export function checkDirs(dirs: readonly DirGrant[]): void {
  if (!Array.isArray(dirs)) throw dirError('grants.dirs', 'not a list, which may be empty');
  for (const [index, dir] of dirs.entries()) {
    const problem = dataProblem(dir);
    if (problem !== undefined) throw dirError(`grants.dirs[${index}]`, problem);
  }
  const twice = sameName(dirs);
  if (twice >= 0) throw dirError(`grants.dirs[${twice}]`, sameNameText(dirs[twice]));
}

/** One line for a path that leads out of a directory, which may be one that a guest has opened. */
export function escapeText(dir?: DirGrant): string {
  const from = dir === undefined ? 'its directory' : dir.guest;
  const flag = '--dir HOST::GUEST';
  return `denied: a path that leads out of ${from}; grant what it leads to with ${flag}`;
}

/** One line for a change to a directory that was granted read-only, or to what is in it. */
export function readOnlyText(dir?: DirGrant): string {
  if (dir === undefined) {
    return 'denied: its directory is read-only; grant --dir HOST::GUEST without :ro';
  }
  const { guest } = dir;
  const option = guest.startsWith('/') ? `--dir HOST::${guest}` : `--dir ${guest}`;
  return `denied: ${guest} is read-only; grant ${option} without :ro`;
}
