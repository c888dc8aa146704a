/** Limits of a guest's process, which the kernel holds whatever becomes of the host in it. */
import type { Limits } from '../grants.js';
import type { Setup } from './setup.js';

const RLIMIT_CPU = 0;
const RLIMIT_FSIZE = 1;
const RLIMIT_DATA = 2;
const RLIMIT_CORE = 4;
const RLIMIT_NOFILE = 7;
const RLIMIT_MSGQUEUE = 12;

/**
 * What Node itself may write to: its heap, its code, the stacks of its threads. Node 24 and 26
 * map a gibibyte at their start and touch a tenth of it; all of it counts.
 */
const HOST_BYTES = 2 ** 31;
/** For each thread that a guest may start: a stack, and a heap for the host's code. */
const THREAD_BYTES = 64 * 2 ** 20;
/** Descriptors of Node's own, and of the host's, and for each thread. */
const HOST_FDS = 256;
const THREAD_FDS = 16;

/**
 * The limits for a guest of `threads` threads. Address space is not among them: V8 reserves some
 * 10 GiB for each memory and never touches most of it; RLIMIT_DATA counts what can be written.
 * Processes are not: a filter refuses to start one.
 *
 * `writesFiles` says that stdout or stderr is a file, or that a directory may be written to. CPU
 * time is the last rung: the host in the process ends its guest seconds earlier.
 */
export function resourceLimits(
  { memoryBytes, fds, cpuMs }: Limits,
  threads: number,
  writesFiles: boolean,
): Setup['limits'] {
  const dataBytes = HOST_BYTES + memoryBytes + threads * THREAD_BYTES;
  const openFiles = HOST_FDS + fds + threads * THREAD_FDS;
  const cpuSeconds = cpuMs === undefined ? undefined : Math.ceil(cpuMs / 1000) + 3;
  return [
    [RLIMIT_CORE, 0, 0],
    [RLIMIT_MSGQUEUE, 0, 0],
    [RLIMIT_DATA, dataBytes, dataBytes],
    [RLIMIT_NOFILE, openFiles, openFiles],
    ...(writesFiles ? [] : [[RLIMIT_FSIZE, 0, 0] as const]),
    // SIGXCPU at the first, SIGKILL at the second.
    ...(cpuSeconds === undefined ? [] : [[RLIMIT_CPU, cpuSeconds, cpuSeconds + 1] as const]),
  ];
}
