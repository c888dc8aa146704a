// By how many bytes a process of Node's grows for each of COUNT threads that wait: prints that.
//
//   node-threads.mjs COUNT REST_MS
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';

const [count, restMs] = process.argv.slice(2).map(Number);
const residentKib = () =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]);

const beforeKib = residentKib();
const script = "require('node:worker_threads').parentPort.on('message', () => {})";
const threads = Array.from({ length: count }, () => new Worker(script, { eval: true, env: {} }));
await Promise.all(threads.map(async (thread) => once(thread, 'online')));
await delay(restMs);
process.stdout.write(`${((residentKib() - beforeKib) * 1024) / count}\n`);
process.exit();
