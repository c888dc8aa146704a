/** `sandpoll reload`: has a `sandpoll serve` on this machine take its module anew. */
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';

import { usageError } from '../usage.js';

/** What the command is called where it is installed, and where it is built. */
const NAMES: ReadonlySet<string> = new Set(['sandpoll', 'main.cjs']);

/** The arguments of a process (`proc_pid_cmdline(5)`); undefined if there is none. */
function commandLine(pid: string): readonly string[] | undefined {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
  } catch {
    // It is not there, or nobody may know of it: the same to whoever asks.
    return undefined;
  }
}

/** Whether these are the arguments of `node …/sandpoll serve …`. */
function isServe(args: readonly string[]): boolean {
  const at = args.findIndex((each) => NAMES.has(basename(each)));
  return at >= 0 && args[at + 1] === 'serve';
}

/**
 * Sends SIGHUP to a process that is a `sandpoll serve`; a `UsageError` for any other. The service
 * itself says what came of it.
 */
export function reload(args: readonly string[]): number {
  const [pid, ...more] = args;
  if (pid === undefined || more.length > 0 || !/^[1-9]\d*$/.test(pid)) {
    throw usageError('name one process: sandpoll reload PID');
  }
  const command = commandLine(pid);
  if (command === undefined) throw usageError(`reload ${pid}: there is no such process`);
  if (!isServe(command)) throw usageError(`reload ${pid}: that process is no sandpoll serve`);
  try {
    process.kill(Number(pid), 'SIGHUP');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const why = code === 'EPERM' ? 'it is another user’s; ask as that user' : message;
    throw Object.assign(new Error(`cannot reload ${pid}: ${why}`), { code });
  }
  return 0;
}
