/**
 * A thread for a guest, not yet given one. It takes as long to start as all else does together,
 * so whoever knows early that a guest will run starts it first.
 */
import { Worker } from 'node:worker_threads';

/**
 * A guest's calls allocate nothing, so that V8 has little use for a young generation of 16 MB and
 * more: what it took of it to load the host would stay with each thread that waits.
 */
const resourceLimits = { maxYoungGenerationSizeMb: 1 } as const;

export function startThread(): Worker {
  // One file that has all of `worker.js` (`host/bundle.mjs`): it loads in half the time.
  const worker = new URL('./thread/worker.cjs', import.meta.url);
  return new Worker(worker, { env: {}, execArgv: [], resourceLimits });
}
