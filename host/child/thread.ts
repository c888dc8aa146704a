/**
 * The first thread of a guest in a process of its own: all that it may need is loaded when it
 * says so, and from then on no file has to be read.
 */
import { parentPort } from 'node:worker_threads';

import { openNativeKernel } from '../kernel/native.js';

openNativeKernel();
void Promise.all([
  import('../imports/count.js'),
  import('../imports/trace.js'),
  import('../worker.js'),
]).then(() => parentPort?.postMessage({ kind: 'loaded' }));
