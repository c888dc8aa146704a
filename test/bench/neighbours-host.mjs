// One host process: the echo guest, and beside it, from one SIGUSR2 to the next, a bad neighbour.
//
//     node neighbours-host.mjs NEIGHBOUR
//
// NEIGHBOUR is a `.wat` file: that guest, which its limit of CPU time ends and which is started
// again at once, as by a supervisor that never tires. Or `compile`: large modules are compiled.
// Or `process`: another process computes, which is no affair of ours: it is the yardstick.
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';

import createWabt from 'wabt';

import {
  DEFAULT_LIMITS,
  NO_GRANTS,
  loadModule,
  parseListen,
  startGuest,
} from '../../dist/index.js';

const CPU_MS = 300;
/** For a guest that waits and uses no CPU time. */
const TIMEOUT_MS = 1000;
const LIMITS = { ...DEFAULT_LIMITS, memoryBytes: 2 ** 26, cpuMs: CPU_MS };

const FEATURES = { threads: true, bulk_memory: true, reference_types: true };

const [neighbour = ''] = process.argv.slice(2);
const wabt = await createWabt();

/** As much code as V8 takes a while for, and admission lets pass. */
function largeModule() {
  const step = '(if (local.get 0) (then (local.set 1 (i32.mul (local.get 1) (local.get 2)))))';
  const body = `(func (param i32) (local ${'i32 '.repeat(500)}) ${step.repeat(500)})`;
  return `(module (memory (export "memory") 1) (func (export "_start")) ${body.repeat(100)})`;
}

function assemble(text) {
  return wabt.parseWat('neighbour.wat', text, FEATURES).toBinary({}).buffer;
}

/** Starts it, again and again; returns how to end it. */
function startGuests(bytes) {
  const over = new AbortController();
  let present;
  const start = async () => {
    while (!over.signal.aborted) {
      const grants = { ...NO_GRANTS, limits: LIMITS };
      present = await startGuest({ bytes, name: neighbour, grants, timeoutMs: TIMEOUT_MS });
      const { kind, reason = 'by itself' } = await present.ended;
      process.stderr.write(`${kind} ${reason}\n`);
    }
  };
  void start();
  return async () => {
    over.abort();
    await present?.stop();
  };
}

function startCompiling(bytes) {
  const over = new AbortController();
  const compile = async () => {
    while (!over.signal.aborted) await loadModule(bytes, neighbour, NO_GRANTS);
  };
  const compiling = compile();
  return async () => {
    over.abort();
    await compiling;
  };
}

function startProcess() {
  const pin = new URL('build/pin', import.meta.url).pathname;
  const child = spawn(pin, ['-', process.execPath, '-e', 'for (;;);'], { stdio: 'ignore' });
  return async () => void child.kill('SIGKILL');
}

function makeStart() {
  if (neighbour === 'process') return startProcess;
  if (neighbour === 'compile') {
    const bytes = assemble(largeModule());
    return () => startCompiling(bytes);
  }
  const bytes = assemble(readFileSync(neighbour, 'utf8'));
  return () => startGuests(bytes);
}

const start = makeStart();
const server = await startGuest({
  bytes: readFileSync(new URL('../../examples/echo/build/echo-lt.wasm', import.meta.url)),
  name: 'echo-lt.wasm',
  grants: NO_GRANTS,
  listen: [parseListen('127.0.0.1:0')],
});

let stop;
process.on('SIGUSR2', async () => {
  const ending = stop;
  stop = ending === undefined ? start() : undefined;
  await ending?.();
});
process.stderr.write(`listening on ${server.listeners[0].url} (fd 3)\n`);
