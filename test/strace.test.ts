/** A guest's loop makes the system calls that the C loop makes, no more and no fewer. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';

import { expect, test } from 'vitest';

import { MAIN } from './support/cli.js';
import { Client } from './support/client.js';
import { withFiles } from './support/files.js';
import { ROOT } from './support/sources.js';
import { SKIPPED, STRACE_WORKS } from './support/strace.js';

const REQUESTS = 50;
const REQUEST = 'x'.repeat(64);

/** What a server has to do with sockets. What a language's runtime does besides is not listed. */
const TRACED =
  'trace=%network,read,write,close,epoll_create1,epoll_ctl,epoll_wait,epoll_pwait,epoll_pwait2';

/** The calls of a line of `strace -f`: the thread, and the name in one spelling. */
function parseLine(line: string): { thread: string; name: string }[] {
  const [, thread, name] = /^(\d+) +(\w+)\(/.exec(line) ?? [];
  if (thread === undefined) return [];
  return [{ thread, name: name.replace(/^epoll_pwait2?$/, 'epoll_wait') }];
}

/**
 * The calls of the thread that serves, from the first answer to the last: between them there is
 * nothing but requests.
 */
function served(trace: string): string[] {
  const calls = trace.split('\n').flatMap(parseLine);
  const server = calls.find(({ name }) => name === 'recvfrom')?.thread;
  const names = calls.filter(({ thread }) => thread === server).map(({ name }) => name);
  return names.slice(names.indexOf('sendto'), names.lastIndexOf('sendto') + 1);
}

/** Runs a server under strace, lets one client make its requests, and gives the server's calls. */
async function callsOf(command: readonly string[], folder: string): Promise<string[]> {
  const file = `${folder}/trace`;
  const strace = spawn('strace', ['-I2', '-f', '-o', file, '-e', TRACED, ...command], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const closed = once(strace, 'close');
  const port = await new Promise<number>((resolve, reject) => {
    let said = '';
    const hear = (chunk: Buffer): void => {
      said += chunk.toString();
      const match = /(\d+)(?: \(fd 3\))?\n/.exec(said);
      if (match !== null) resolve(Number(match[1]));
    };
    strace.stdout.on('data', hear);
    strace.stderr.on('data', hear);
    void closed.then(() => reject(new Error(`${command.join(' ')} ended: ${said}`)));
  });
  const client = await Client.connect(port);
  for (let i = 0; i < REQUESTS; i++) expect(await client.exchange(REQUEST)).toBe(REQUEST);
  client.close();
  // -I2: it heeds the signal, and hands it on to what it runs.
  strace.kill('SIGTERM');
  await closed;
  return served(readFileSync(file, 'utf8'));
}

function compile(folder: string): string {
  const program = `${folder}/echo`;
  const sources = [`${ROOT}test/bench/c/echo.c`];
  const { status, stderr } = spawnSync('cc', ['-std=gnu17', '-O2', '-o', program, ...sources]);
  if (status !== 0) throw new Error(`echo.c does not compile: ${stderr.toString()}`);
  return program;
}

test.skipIf(!STRACE_WORKS).each(['lt', 'et'])(
  `echo-%s: for the same requests, the same system calls as the C server${SKIPPED}`,
  (trigger) =>
    withFiles({}, async (folder) => {
      const c = await callsOf([compile(folder), trigger], folder);
      const wasm = `${ROOT}examples/echo/build/echo-${trigger}.wasm`;
      const run = [process.execPath, MAIN, '--listen', '127.0.0.1:0', wasm];
      const guest = await callsOf(run, folder);
      const request = ['epoll_wait', 'recvfrom', 'sendto'];
      const requests = Array.from({ length: REQUESTS - 1 }, () => request).flat();
      expect(c).toEqual(['sendto', ...requests]);
      expect(guest).toEqual(c);
    }),
);
