#!/usr/bin/env node
/**
 * The `sandpoll` command: starts a thread for the guest while the rest is still loading. It is
 * CommonJS, and imports nothing itself, because an ES module in its place would have Node load its
 * ES loader first: the thread would start 12 ms later.
 */
const argv = process.argv.slice(2);
const noGuest = [
  'inspect',
  'build',
  'pipeline',
  'top',
  'reload',
  'help',
  undefined,
  '-h',
  '--help',
  '-V',
  '--version',
];
const { Worker } = process.getBuiltinModule('node:worker_threads');
const thread =
  noGuest.includes(argv[0]) || /(^| )--isolate[= ]process( |$)/.test(argv.join(' '))
    ? undefined
    : new Worker(`${__dirname}/../thread/worker.cjs`, {
        env: {},
        execArgv: [],
        // As in guest/thread.ts.
        resourceLimits: { maxYoungGenerationSizeMb: 1 },
      });
const { main } = require('../command/program.cjs') as typeof import(
  './program.js',
  { with: { 'resolution-mode': 'import' } }
);
void main(argv, thread);
