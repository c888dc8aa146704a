import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import type { Readable } from 'node:stream';
import { program, UPSTREAM, type Server } from './servers.js';

/** What went wrong, in a sentence for the person at the terminal. */
export class BenchError extends Error {
  override readonly name = 'BenchError';
}

type Child = ChildProcessByStdio<null, Readable, Readable>;

/** A core by its number, several with commas between, or any. */
export type Core = number | string | undefined;

/** Which core runs the server and which the load. */
export interface Cores {
  readonly server: Core;
  readonly load: Core;
}

export const ANY_CORE: Cores = { server: undefined, load: undefined };

/** A started server. */
export interface Running {
  readonly name: string;
  readonly pid: number;
  readonly port: number;
  /** The end of what it wrote on stderr, and how it ended if it has. */
  readonly state: () => string;
  readonly stop: () => Promise<void>;
}

const START_LIMIT_MS = 15_000;
const STDERR_KEPT = 2_000;

const alive = new Set<Child>();

/** Ends every process that the benchmark started. Those it cannot reach end by themselves: pin.c */
export const killAll = (): void => {
  for (const child of alive) child.kill('SIGKILL');
};

/** Runs a command on one core, or anywhere, so that it ends when we do. */
const spawnOn = (cpu: Core, command: readonly string[]): Child => {
  const child = spawn(program('pin'), [cpu === undefined ? '-' : `${cpu}`, ...command], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  alive.add(child);
  child.once('close', () => alive.delete(child));
  return child;
};

/** Collects a stream's text; with a limit, only its end. */
const collect = (stream: Readable, limit = Infinity): (() => string) => {
  let text = '';
  stream.setEncoding('utf8');
  stream.on('data', (chunk: string) => {
    text = (text + chunk).slice(-limit);
  });
  return () => text;
};

const ended = (child: Child): boolean => child.exitCode !== null || child.signalCode !== null;

const describe = (child: Child, stderr: () => string): string => {
  const how = child.signalCode ? `killed by ${child.signalCode}` : `exit status ${child.exitCode}`;
  return `${ended(child) ? `it ended (${how})` : 'it still runs'}; stderr: ${stderr().trim()}`;
};

const announcedPort = (stderr: string): number | undefined => {
  const found = /listening on (?:tcp|udp):\/\/127\.0\.0\.1:(\d+)\b.*\n/.exec(stderr);
  return found ? Number(found[1]) : undefined;
};

/** Connects to 127.0.0.1; rejects with the error of the socket. */
export const dial = async (port: number): Promise<Socket> => {
  const socket = connect({ host: '127.0.0.1', port, noDelay: true });
  await once(socket, 'connect');
  return socket;
};

const accepts = async (port: number): Promise<boolean> => {
  try {
    (await dial(port)).destroy();
    return true;
  } catch {
    return false;
  }
};

/** The port that the server announces; undefined if it ended or took too long. */
const announced = (child: Child, stderr: () => string): Promise<number | undefined> =>
  new Promise((resolve) => {
    child.stderr.on('data', () => {
      const port = announcedPort(stderr());
      if (port !== undefined) resolve(port);
    });
    child.once('close', () => resolve(undefined));
    setTimeout(() => resolve(undefined), START_LIMIT_MS).unref();
  });

/** The same for a server that announces nothing: it listens once it accepts. */
const accepted = async (child: Child, port: number): Promise<number | undefined> => {
  const deadline = performance.now() + START_LIMIT_MS;
  while (!ended(child) && performance.now() < deadline) {
    if (await accepts(port)) return port;
  }
  return undefined;
};

/** The server's command, once its upstream listens there. */
const commandOf = (server: Server, upstream: Running | undefined): readonly string[] =>
  upstream
    ? server.command.map((word) => word.replaceAll(UPSTREAM, `${upstream.port}`))
    : server.command;

/** Starts a server, and before it its upstream, and waits until it listens. */
export const startServer = async (server: Server, cores = ANY_CORE): Promise<Running> => {
  const upstream =
    server.upstream && (await startServer(server.upstream, { ...cores, server: cores.load }));
  const child = spawnOn(cores.server, commandOf(server, upstream));
  const stderr = collect(child.stderr, STDERR_KEPT);
  child.stdout.resume();
  const state = (): string => describe(child, stderr);
  const port = await (server.port === undefined
    ? announced(child, stderr)
    : accepted(child, server.port));
  const stop = async (): Promise<void> => {
    if (!ended(child)) {
      const closed = once(child, 'close');
      child.kill('SIGKILL');
      await closed;
    }
    await upstream?.stop();
  };
  if (port === undefined || child.pid === undefined) {
    const how = state();
    await stop();
    throw new BenchError(`${server.name} does not start: ${how}`);
  }
  return { name: server.name, pid: child.pid, port, state, stop };
};

/** Runs a command to its end and returns its stdout; anything but status 0 is an error. */
export const runToEnd = async (cpu: Core, command: readonly string[]): Promise<string> => {
  const child = spawnOn(cpu, command);
  const stderr = collect(child.stderr, STDERR_KEPT);
  const stdout = collect(child.stdout);
  await once(child, 'close');
  if (child.exitCode !== 0) throw new BenchError(`${command[0]}: ${describe(child, stderr)}`);
  return stdout();
};

/** A line of /proc/PID/status in KiB, such as `VmRSS`, or of another file there. */
export const memoryKib = (pid: number, field: string, file = 'status'): number => {
  const text = readFileSync(`/proc/${pid}/${file}`, 'utf8');
  const found = new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(text);
  if (!found) throw new BenchError(`/proc/${pid}/${file} has no ${field}`);
  return Number(found[1]);
};
