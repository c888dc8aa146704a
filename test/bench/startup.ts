import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { BenchError, dial, memoryKib, runToEnd, startServer } from './processes.js';
import { median } from './stats.js';
import type { Server } from './servers.js';
import type { Protocol } from './workloads.js';

/** What a server costs before any load. */
export interface Startup {
  /** From spawn to the first byte of the first answer. */
  readonly startMs: number;
  /** VmRSS of the idle server after that answer. */
  readonly rssKb: number;
}

/** Time for a process to fall asleep after its first answer, before its memory is read. */
const REST_MS = 200;
const FIRST_ANSWER_LIMIT_MS = 5_000;

const question: Readonly<Record<Protocol, string>> = {
  echo: 'hello',
  http: 'GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n',
  udp: 'hello',
  proxy: 'hello',
  lines: 'hello\n',
};

const expected: Readonly<Record<Protocol, RegExp>> = {
  echo: /^h/,
  http: /^H/,
  udp: /^h/,
  proxy: /^h/,
  lines: /^[0-9a-f]{64} hello\n/,
};

const firstStreamAnswer = async (port: number, bytes: string): Promise<Buffer> => {
  const socket = await dial(port);
  socket.write(bytes);
  const signal = AbortSignal.timeout(FIRST_ANSWER_LIMIT_MS);
  try {
    return ((await once(socket, 'data', { signal })) as [Buffer])[0];
  } finally {
    socket.destroy();
  }
};

const firstDatagram = async (port: number, bytes: string): Promise<Buffer> => {
  const socket = createSocket('udp4');
  socket.send(bytes, port, '127.0.0.1');
  const signal = AbortSignal.timeout(FIRST_ANSWER_LIMIT_MS);
  try {
    return ((await once(socket, 'message', { signal })) as [Buffer])[0];
  } finally {
    socket.close();
  }
};

const firstAnswer = async (port: number, protocol: Protocol): Promise<string> => {
  const ask = protocol === 'udp' ? firstDatagram : firstStreamAnswer;
  return (await ask(port, question[protocol])).toString('latin1');
};

const startOnce = async (server: Server, protocol: Protocol): Promise<Startup> => {
  const before = performance.now();
  const running = await startServer(server);
  try {
    const answer = await firstAnswer(running.port, protocol).catch((error: Error) => {
      throw new BenchError(`${server.name} gives no answer (${error.message}): ${running.state()}`);
    });
    const startMs = performance.now() - before;
    if (!expected[protocol].test(answer)) {
      throw new BenchError(`${server.name} answers ${JSON.stringify(answer)}`);
    }
    await delay(REST_MS);
    return { startMs, rssKb: memoryKib(running.pid, 'VmRSS') };
  } finally {
    await running.stop();
  }
};

const medians = (samples: readonly Startup[]): Startup => ({
  startMs: median(samples.map((sample) => sample.startMs)),
  rssKb: median(samples.map((sample) => sample.rssKb)),
});

/** The median of several starts. Nothing is pinned: a start may use every core, as in daily use. */
export const measureStartup = async (
  server: Server,
  protocol: Protocol,
  starts: number,
): Promise<Startup> => {
  const samples: Startup[] = [];
  for (let i = 0; i < starts; i++) samples.push(await startOnce(server, protocol));
  return medians(samples);
};

const idleNode: Server = {
  name: 'idle node',
  command: [
    process.execPath,
    '-e',
    'process.stderr.write("listening on tcp://127.0.0.1:0\\n"); setInterval(() => {}, 1e9)',
  ],
};

/** What Node costs by itself: `node -e 0` from spawn to end, and the memory of an idle Node. */
export const measureNode = async (starts: number): Promise<Startup> => {
  const samples: Startup[] = [];
  for (let i = 0; i < starts; i++) {
    const before = performance.now();
    await runToEnd(undefined, [process.execPath, '-e', '0']);
    const startMs = performance.now() - before;
    const running = await startServer(idleNode);
    await delay(REST_MS);
    samples.push({ startMs, rssKb: memoryKib(running.pid, 'VmRSS') });
    await running.stop();
  }
  return medians(samples);
};
