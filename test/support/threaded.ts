/** Guests of several threads, from WebAssembly text: wasi-threads without a libc. */
import {
  DEFAULT_LIMITS,
  type Grants,
  type Guest,
  type Limits,
  NO_GRANTS,
  startGuest,
} from '#host/index.js';
import { wat } from '../wasm/wat.js';

const P1 = 'wasi_snapshot_preview1';

/** Imports by name: module, and types of the parameters. */
const IMPORTS: Readonly<Record<string, readonly [module: string, params: string]>> = {
  proc_exit: [P1, 'i32'],
  fd_close: [P1, 'i32'],
  fd_read: [P1, 'i32 i32 i32 i32'],
  fd_write: [P1, 'i32 i32 i32 i32'],
  fd_renumber: [P1, 'i32 i32'],
  fd_readdir: [P1, 'i32 i32 i32 i64 i32'],
  fd_fdstat_set_flags: [P1, 'i32 i32'],
  poll_oneoff: [P1, 'i32 i32 i32 i32'],
  random_get: [P1, 'i32 i32'],
  fd_filestat_get: [P1, 'i32 i32'],
  path_open: [P1, 'i32 i32 i32 i32 i32 i64 i64 i32 i32'],
  path_readlink: [P1, 'i32 i32 i32 i32 i32 i32'],
  path_symlink: [P1, 'i32 i32 i32 i32 i32'],
  path_unlink_file: [P1, 'i32 i32 i32'],
  sock_accept: [P1, 'i32 i32 i32'],
  sock_recv: [P1, 'i32 i32 i32 i32 i32 i32'],
  sock_send: [P1, 'i32 i32 i32 i32 i32'],
  sched_yield: [P1, ''],
  epoll_create1: ['sandpoll', 'i32 i32'],
  epoll_ctl: ['sandpoll', 'i32 i32 i32 i32'],
  epoll_wait: ['sandpoll', 'i32 i32 i32 i32 i32'],
  eventfd: ['sandpoll', 'i32 i32 i32'],
  socketpair: ['sandpoll', 'i32 i32 i32 i32'],
  socket: ['sandpoll', 'i32 i32 i32 i32'],
  connect: ['sandpoll', 'i32 i32 i32'],
  trace: ['env', 'i32 i32 f64 f64 f64 f64 f64'],
};

function importLine(name: string): string {
  const found = IMPORTS[name];
  if (found === undefined) throw new Error(`say in threaded.ts what ${name} takes`);
  const [module, params] = found;
  const result = ['proc_exit', 'trace'].includes(name) ? '' : '(result i32)';
  return `(import "${module}" "${name}" (func $${name} (param ${params}) ${result}))`;
}

/**
 * `$wait`: until the word at an address is no longer what it was; in a function of its own, since
 * V8 11.3's baseline compiler loses locals at a `memory.atomic.wait32` of a constant address.
 * `$set`: a word, and wakes all who wait for it. `$ok`: traps unless a call has succeeded.
 */
const HELPERS = `
  (func $wait (param $at i32) (param $while i32)
    (loop $again
      (drop (memory.atomic.wait32 (local.get $at) (local.get $while) (i64.const -1)))
      (br_if $again (i32.eq (i32.atomic.load (local.get $at)) (local.get $while)))))
  (func $set (param $at i32) (param $value i32)
    (i32.atomic.store (local.get $at) (local.get $value))
    (drop (memory.atomic.notify (local.get $at) (i32.const -1))))
  (func $ok (param $errno i32) (if (local.get $errno) (then unreachable)))
  (func $start_thread (param $arg i32)
    (if (i32.le_s (call $thread-spawn (local.get $arg)) (i32.const 0)) (then unreachable)))`;

/** Says a line, for `onReport`. */
export const SAY = `(call $trace (i32.const 0) (i32.const 0)${' (f64.const 0)'.repeat(5)})`;

/** What a module is made of; `start` and `thread` are bodies, `thread` with `$tid` and `$arg`. */
export interface Threaded {
  readonly start: string;
  readonly thread: string;
  readonly functions?: string;
  /** Limits of the memory in pages. */
  readonly memory?: string;
}

export function threadedModule({ start, thread, functions = '', memory = '2 16' }: Threaded) {
  const code = `${functions} ${start} ${thread}`;
  const called = [...new Set([...code.matchAll(/\(call \$(\w+)/g)].map(([, name]) => name))];
  const imports = called.filter((name) => name in IMPORTS).map(importLine);
  // The memory may be imported by any name (abi.md §5.2).
  return wat(`(module
    (import "wasi" "thread-spawn" (func $thread-spawn (param i32) (result i32)))
    ${imports.join('\n')}
    (import "foo" "bar" (memory ${memory} shared))
    ${HELPERS}
    ${functions}
    (func $thread_start (export "wasi_thread_start") (param $tid i32) (param $arg i32) ${thread})
    (func (export "_start") ${start}))`);
}

export interface ThreadedOptions {
  readonly grants?: Partial<Omit<Grants, 'limits'>>;
  readonly limits?: Partial<Limits>;
  readonly onReport?: (line: string) => void;
}

export async function startThreaded(
  threaded: Threaded,
  { grants, limits, onReport }: ThreadedOptions = {},
): Promise<Guest> {
  return startGuest({
    bytes: threadedModule(threaded),
    name: 'threaded.wasm',
    grants: { ...NO_GRANTS, ...grants, limits: { ...DEFAULT_LIMITS, threads: 2, ...limits } },
    ...(onReport === undefined ? {} : { onReport }),
  });
}
