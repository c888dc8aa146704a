/** Tests under `strace(1)`: it is not everywhere, and may not trace everywhere. */
import { spawnSync } from 'node:child_process';

export const STRACE_WORKS = spawnSync('strace', ['-o', '/dev/null', 'true']).status === 0;
/** For the name of a test. */
export const SKIPPED = STRACE_WORKS ? '' : ' (skipped: strace is not installed, or may not trace)';
