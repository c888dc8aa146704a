import { spawnSync } from 'node:child_process';

import { expect, test } from 'vitest';

import { NATIVE } from './threads.js';

/** Starts workers that `body` keeps inside addon calls, and terminates them there. */
function terminateWorkers(
  body: string,
  stop: 'sessionWake' | 'sessionClose',
): {
  status: number | null;
  stdout: string;
  stderr: string;
} {
  const script = `
    const { Worker } = require('node:worker_threads');
    const source = \`
      const { parentPort, workerData } = require('node:worker_threads');
      import(${JSON.stringify(NATIVE)}).then(({ openNativeKernel }) => {
        const kernel = openNativeKernel();
        const memory = new Uint8Array(1 << 20);
        kernel.sessionEnter(workerData);
        const epoll = kernel.epollCreate1(0);
        const socket = kernel.socket(2, 1, 0);
        parentPort.postMessage('ready');
        const step = () => { ${body} };
        for (;;) step();
      });
    \`;
    function one(kernel) {
      return new Promise((resolve) => {
        const session = kernel.sessionOpen();
        const worker = new Worker(source, { eval: true, workerData: session });
        worker.on('error', (error) => { throw error; });
        worker.on('message', () => {
          worker.terminate();
          const closed = kernel.${stop}(session);
          worker.on('exit', () => resolve(closed || kernel.sessionClose(session)));
        });
      });
    }
    (async () => {
      const kernel = (await import(${JSON.stringify(NATIVE)})).openNativeKernel();
      let closed = 0;
      for (let round = 0; round < 10; round++) {
        const counts = await Promise.all(Array.from({ length: 5 }, () => one(kernel)));
        closed += counts.reduce((sum, count) => sum + count, 0);
      }
      console.log(closed);
    })();
  `;
  return spawnSync(process.execPath, ['-e', script], { encoding: 'utf8', timeout: 50_000 });
}

test.each([
  ['blocked in epoll_wait', 'sessionWake', 'kernel.epollPwait(epoll, memory, 0, 8, -1);'],
  ['blocked in poll', 'sessionWake', 'kernel.poll(epoll, 1, -1, 0);'],
  [
    // V8 looks for a termination where a function starts, but not each time a loop turns.
    'in a loop of waits that takes no notice',
    'sessionClose',
    'for (;;) kernel.epollPwait2(epoll, memory, 0, 8, -1, 0);',
  ],
  ['in short calls all the time', 'sessionWake', 'kernel.recv(socket, memory, 0, 64, 0);'],
  ['filling memory at random', 'sessionWake', 'kernel.getrandom(memory, 0, memory.length);'],
] as const)(
  '50 workers terminated while %s, and %s: the process lives and nothing stays open',
  (_state, stop, body) => {
    const { status, stdout, stderr } = terminateWorkers(body, stop);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(Number(stdout)).toBe(100);
  },
  60_000,
);
