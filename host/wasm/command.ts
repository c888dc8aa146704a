/** What a module must export to be run. */
import type { ModuleInfo } from './reader.js';

/**
 * Says what keeps a module from being run: a sentence each, to stand after the module's name.
 * It needs `_start` (a command) or `_initialize` (a reactor), and a memory for its imports.
 */
export function commandProblems(info: ModuleInfo): string[] {
  return [...entryProblems(info), ...memoryProblems(info)];
}

function entryProblems({ exports }: ModuleInfo): string[] {
  const entries = exports.filter(({ name }) => name === '_start' || name === '_initialize');
  if (entries.length > 1) {
    return ['exports both _start and _initialize; it must be either a command or a reactor'];
  }
  const [entry] = entries;
  if (entry === undefined) {
    return [
      'exports no _start; build it as a program ' +
        '(AssemblyScript: asc --exportStart _start, C: give it a main)',
    ];
  }
  if (entry.type === undefined) {
    return [`exports a ${entry.kind} by the name of ${entry.name}; it must be a function`];
  }
  if (entry.type.params.length + entry.type.results.length === 0) return [];
  return [`exports ${entry.name} with parameters or results; it must have none`];
}

function memoryProblems({ exports, imports }: ModuleInfo): string[] {
  const memory = exports.find(({ name }) => name === 'memory');
  if (memory !== undefined && memory.kind !== 'memory') {
    return [`exports a ${memory.kind} by the name of memory; it must be the guest's memory`];
  }
  const isImported = imports.some(({ kind }) => kind === 'memory');
  if (memory !== undefined || isImported) return [];
  return ['exports no memory, so that imports have nowhere to write; export it as "memory"'];
}
