/** The `sandpoll` command, run as somebody to whom files and ports can be refused. */
import { userInfo } from 'node:os';

import { compileC } from './c-program.js';
import { MAIN, type Run, runCommand, sandpoll } from './cli.js';
import { withFiles } from './files.js';

/** Runs `sandpoll` to its end, without root's privileges if root runs this. */
export async function sandpollUnprivileged(args: readonly string[]): Promise<Run> {
  if (userInfo().uid !== 0) return sandpoll(args);
  return withFiles({}, async (folder) => {
    const unprivileged = `${folder}/unprivileged`;
    compileC(['test/support/unprivileged.c'], unprivileged);
    return runCommand([unprivileged, process.execPath, MAIN, ...args]);
  });
}
