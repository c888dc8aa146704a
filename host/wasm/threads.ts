/** What of a module has to do with threads: wasi-threads (abi.md §5). */
import type { ModuleInfo } from './reader.js';
import type { Limits } from './types.js';

/** Whether it can start threads. */
export function spawnsThreads({ imports }: ModuleInfo): boolean {
  return imports.some(({ module, name, kind }) => {
    return kind === 'function' && module === 'wasi' && name === 'thread-spawn';
  });
}

/** The memory that it imports to share it between threads, under whatever name; if it does. */
export function sharedMemory({ imports }: ModuleInfo): Required<Limits> | undefined {
  for (const each of imports) {
    if (each.kind !== 'memory' || !each.memory.shared) continue;
    const { maximum } = each.memory;
    // The reader refuses one without a maximum.
    if (maximum !== undefined) return { ...each.memory, maximum };
  }
  return undefined;
}

/** Says what keeps a module that starts threads from doing so: one sentence, or none. */
export function threadProblems(info: ModuleInfo): string[] {
  if (!spawnsThreads(info)) return [];
  if (sharedMemory(info) === undefined) {
    return [
      'wasi.thread-spawn: the module imports no shared memory, so its threads would share ' +
        'nothing; link it with --import-memory --shared-memory --max-memory=BYTES',
    ];
  }
  const entry = info.exports.find(({ name }) => name === 'wasi_thread_start');
  const { params = [], results = [] } = entry?.type ?? {};
  if (params.join() === 'i32,i32' && results.length === 0) return [];
  return [
    'wasi.thread-spawn: the module exports no wasi_thread_start(i32, i32), where its threads ' +
      'begin; link it with a libc for wasi-threads, or with --export=wasi_thread_start',
  ];
}
