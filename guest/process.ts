/** Arguments, environment, standard output and the end. */

import {
  args_get,
  args_sizes_get,
  environ_get,
  environ_sizes_get,
  fd_write,
  proc_exit,
} from './bindings/wasi_snapshot_preview1';

const STDOUT: i32 = 1;
const STDERR: i32 = 2;

const COUNT: usize = memory.data(4, 4);
const BYTES: usize = memory.data(4, 4);
const IOV: usize = memory.data(8, 4);

/** The arguments, the first of which is the name of the program. */
export function args(): Array<string> {
  if (args_sizes_get(COUNT, BYTES) != 0) return [];
  const count = load<i32>(COUNT);
  const pointers = heap.alloc(count << 2);
  const bytes = heap.alloc(load<u32>(BYTES));
  const texts = args_get(pointers, bytes) == 0 ? readTexts(pointers, count) : [];
  heap.free(pointers);
  heap.free(bytes);
  return texts;
}

/** The value of a variable of the environment, or null. */
export function env(name: string): string | null {
  const prefix = name + '=';
  const variables = environment();
  for (let i = 0; i < variables.length; i++) {
    if (variables[i].startsWith(prefix)) return variables[i].substring(prefix.length);
  }
  return null;
}

/** The environment, as `NAME=value` each. */
export function environment(): Array<string> {
  if (environ_sizes_get(COUNT, BYTES) != 0) return [];
  const count = load<i32>(COUNT);
  const pointers = heap.alloc(count << 2);
  const bytes = heap.alloc(load<u32>(BYTES));
  const texts = environ_get(pointers, bytes) == 0 ? readTexts(pointers, count) : [];
  heap.free(pointers);
  heap.free(bytes);
  return texts;
}

/** Writes a text to standard output as it is: 0, or minus an errno. */
export function print(text: string): i32 {
  return writeText(STDOUT, text);
}

/** Writes a text to standard error as it is: 0, or minus an errno. */
export function printError(text: string): i32 {
  return writeText(STDERR, text);
}

let lastAct: (() => void) | null = null;

/** Has this called by `exit`; one is remembered, the latest. */
export function beforeExit(act: () => void): void {
  lastAct = act;
}

/** Ends the guest with this status. What streams have written goes out, if there is room. */
export function exit(status: i32): void {
  const act = lastAct;
  lastAct = null;
  if (act !== null) act();
  proc_exit(status);
}

function readTexts(pointers: usize, count: i32): Array<string> {
  const texts = new Array<string>();
  for (let i = 0; i < count; i++) {
    texts.push(readText(load<usize>(pointers + ((<usize>i) << 2))));
  }
  return texts;
}

/** The text of a string of C. Its length is sought first: decoding allocates by the length. */
function readText(bytes: usize): string {
  let length: usize = 0;
  while (load<u8>(bytes + length) != 0) length++;
  return String.UTF8.decodeUnsafe(bytes, length);
}

function writeText(fd: i32, text: string): i32 {
  const bytes = String.UTF8.encode(text);
  let at = changetype<usize>(bytes);
  let left = bytes.byteLength;
  while (left > 0) {
    store<usize>(IOV, at);
    store<i32>(IOV, left, 4);
    const errno = fd_write(fd, IOV, 1, COUNT);
    if (errno != 0) return -errno;
    at += load<u32>(COUNT);
    left -= load<i32>(COUNT);
  }
  return 0;
}
