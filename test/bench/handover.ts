/**
 * How long an accepted socket is on its way from one guest to another that waits for it.
 *
 *     npm run build && tsc -b test/bench && node test/bench/build/js/handover.js
 */
import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { describeMachine } from './machine.js';
import { ANY_CORE, BenchError, dial } from './processes.js';
import { HOST, benchFile } from './servers.js';

/** The first ones wait for the compiler. */
const HEAT = 5_000;

const measure = async (): Promise<readonly number[]> => {
  const command = [HOST, 'pipeline', benchFile('handover.toml')];
  const child = spawn(process.execPath, command, { stdio: ['ignore', 'pipe', 'pipe'] });
  let stderr = '';
  const stdout = text(child.stdout);
  for await (const chunk of child.stderr) {
    stderr += String(chunk);
    const found = /listening on tcp:\/\/127\.0\.0\.1:(\d+)/.exec(stderr);
    if (found) await dial(Number(found[1]));
  }
  const timesNs = (await stdout).trim().split('\n').map(Number);
  if (timesNs.length <= HEAT) throw new BenchError(`the taker ended early: ${stderr}`);
  return timesNs.slice(HEAT).toSorted((a, b) => a - b);
};

const main = async (): Promise<void> => {
  const timesNs = await measure();
  const at = (share: number): string => {
    return ((timesNs[Math.floor(share * (timesNs.length - 1))] ?? NaN) / 1000).toFixed(1);
  };
  process.stdout.write(describeMachine(ANY_CORE));
  const line = `p50 ${at(0.5)} µs, p90 ${at(0.9)}, p99 ${at(0.99)} (${timesNs.length} times)`;
  process.stdout.write(`hand-over of an accepted socket: ${line}\n`);
};

try {
  await main();
} catch (error) {
  if (!(error instanceof BenchError)) throw error;
  process.stderr.write(`bench: ${error.message}\n`);
  process.exitCode = 1;
}
