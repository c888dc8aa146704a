// By how many bytes a process of Node's grows for each of COUNT threads that wait: prints that,
// as VmRSS and as Pss count it.
//
//   node-threads.mjs COUNT REST_MS
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';

const [count, restMs] = process.argv.slice(2).map(Number);
const kib = (file, field) =>
  Number(
    new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(readFileSync(`/proc/self/${file}`, 'utf8'))?.[1],
  );
const memory = () => [kib('status', 'VmRSS'), kib('smaps_rollup', 'Pss')];

const before = memory();
const script = "require('node:worker_threads').parentPort.on('message', () => {})";
const threads = Array.from({ length: count }, () => new Worker(script, { eval: true, env: {} }));
await Promise.all(threads.map(async (thread) => once(thread, 'online')));
await delay(restMs);
const [residentBytes, ownBytes] = memory().map((now, at) => ((now - before[at]) * 1024) / count);
process.stdout.write(`${JSON.stringify({ residentBytes, ownBytes })}\n`);
process.exit();
