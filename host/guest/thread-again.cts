/**
 * What a guest's thread begins with in a process that has loaded `thread/worker.cjs` before: from
 * the code that V8 has made of it, which the first to come here leaves for the others when its
 * guest is about to begin: V8 compiles functions when they are called, starting a guest calls many.
 * Having loaded it gives back what that took, as a thread may wait for long: a fifth of its memory.
 */
type CollectGarbage = import(
  '../kernel/native.js',
  { with: { 'resolution-mode': 'import' } }
).CollectGarbage;

const { subscribe, unsubscribe } = process.getBuiltinModule('node:diagnostics_channel');
const { readFileSync } = process.getBuiltinModule('node:fs');
const { Script } = process.getBuiltinModule('node:vm');
const { workerData } = process.getBuiltinModule('node:worker_threads');

/** A word that says how many bytes of code follow it, or one of the two below. */
const shared = workerData as SharedArrayBuffer;
const state = new Int32Array(shared, 0, 1);
const NONE = 0;
const WRITING = -1;

/** Leaves the code for threads that start later: once, as others may be reading it from then on. */
function leave(script: InstanceType<typeof Script>): void {
  if (Atomics.compareExchange(state, 0, NONE, WRITING) !== NONE) return;
  const code = script.createCachedData();
  if (code.length > shared.byteLength - state.byteLength) return;
  new Uint8Array(shared, state.byteLength).set(code);
  Atomics.store(state, 0, code.length);
}

/** Has the code left, if nobody has, once all is compiled that starting a guest takes. */
function leaveWhenLinked(script: InstanceType<typeof Script>): void {
  if (Atomics.load(state, 0) !== NONE) return;
  const onLinked = (): void => {
    unsubscribe('sandpoll.linked', onLinked);
    leave(script);
  };
  subscribe('sandpoll.linked', onLinked);
}

/** Runs `thread/worker.cjs`. If others have left its code, nothing refers to its text any more. */
function load(filename: string): void {
  const text = `(function (require, __filename) {${readFileSync(filename, 'latin1')}\n})`;
  const bytes = Atomics.load(state, 0);
  // Code that was made under other flags of V8 is not taken: then it compiles the text.
  const cachedData = bytes > NONE ? new Uint8Array(shared, state.byteLength, bytes) : undefined;
  const script = new Script(text, { filename, ...(cachedData && { cachedData }) });
  script.runInThisContext()(require, filename);
  leaveWhenLinked(script);
}

load(`${__dirname}/../thread/worker.cjs`);
const addon = require('../../native/build/Release/sandpoll.node') as CollectGarbage;
addon.collectGarbage();
