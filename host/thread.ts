/**
 * A thread for a guest, not yet given one. It takes as long to start as all else does together,
 * so whoever knows early that a guest will run starts it first.
 */
import { Worker } from 'node:worker_threads';

export function startThread(): Worker {
  return new Worker(new URL('./worker.js', import.meta.url), { env: {}, execArgv: [] });
}
