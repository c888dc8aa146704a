/**
 * The first thread of a guest in a process of its own: all that it may need is loaded when it
 * says so, and from then on no file has to be read. It is `worker.ts`, loaded at once (see there).
 */
import { parentPort } from 'node:worker_threads';

export * from '../worker.js';

parentPort?.postMessage({ kind: 'loaded' });
