/** What AssemblyScript calls when it cannot go on, without the import that only we provide. */

import { printError } from './process';

/** Says why on standard error, and traps. */
export function abort(message: string | null, file: string | null, line: u32, column: u32): void {
  const place = (file === null ? '' : file) + ':' + line.toString() + ':' + column.toString();
  printError('abort: ' + (message === null ? '' : message) + ' at ' + place + '\n');
  unreachable();
}
