/**
 * Guests run as a user runs them, but in this process: the command's own code reads the arguments,
 * and a thread takes the place of a process, at a quarter of its CPU time. What only the command
 * itself shows, such as `--trace`, needs `guest-process.ts`.
 */
import path from 'node:path';

import { parseRunArguments } from '#host/cli/arguments.js';
import { readModuleFile } from '#host/cli/files.js';
import { type RunOptions, readRunFlags } from '#host/cli/options.js';
import { Status } from '#host/cli/report.js';
import {
  type Guest,
  type GuestModule,
  type GuestOptions,
  loadModule,
  startGuest as startInHost,
} from '#host/index.js';

import { ISOLATE } from './guest-process.js';
import { portOf } from './local-guest.js';
import { ROOT } from './sources.js';

/** What a guest has come to, with the status that the command would end with. */
export interface Outcome {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** The grant of a guest that opens its own listener, or connects to one. */
export const LOOPBACK = '--allow-net=tcp:127.0.0.1:0-65535';

/** Modules by file and limit of memory, loaded once. */
const modules = new Map<string, Promise<GuestModule>>();

function load(file: string, { grants }: Pick<GuestOptions, 'grants'>): Promise<GuestModule> {
  const key = `${file} ${grants.limits.memoryBytes}`;
  const loaded = modules.get(key) ?? loadModule(readModuleFile(file), path.basename(file), grants);
  modules.set(key, loaded);
  return loaded;
}

/** What a guest has printed, and those who wait for more of it. */
class Printed {
  stdout = '';
  stderr = '';
  readonly #heard = new Set<() => void>();

  add(stream: 'stdout' | 'stderr', line: string): void {
    this[stream] += `${line}\n`;
    for (const hear of this.#heard) hear();
  }

  /** Waits until a stream has what `pattern` describes; null if `ended` comes before. */
  async match(
    stream: 'stdout' | 'stderr',
    pattern: RegExp,
    ended: Promise<unknown>,
  ): Promise<RegExpExecArray | null> {
    return new Promise((resolve) => {
      const look = (): void => {
        const match = pattern.exec(this[stream]);
        if (match !== null) settle(match);
      };
      const settle = (match: RegExpExecArray | null): void => {
        this.#heard.delete(look);
        resolve(match);
      };
      this.#heard.add(look);
      look();
      void ended.then(() => settle(pattern.exec(this[stream])));
    });
  }
}

/** How a guest that opens its own listener tells of it. */
const LISTENING = /listening on tcp:\/\/127\.0\.0\.1:(\d+)/;

/** A guest in a thread of this process, and all that it prints. */
export class GuestHere {
  readonly guest: Guest;
  readonly #printed: Printed;
  #signalled: number | undefined;

  constructor(guest: Guest, printed: Printed) {
    this.guest = guest;
    this.#printed = printed;
  }

  /** The port that it has told of, or that of its first listener. */
  get port(): number {
    const [, told] = LISTENING.exec(this.stderr) ?? [];
    return told === undefined ? portOf(this.guest) : Number(told);
  }

  get stdout(): string {
    return this.#printed.stdout;
  }

  /** Its own words, and what the host says about it. */
  get stderr(): string {
    return this.#printed.stderr;
  }

  /** Waits until standard output has what `pattern` describes: true; false if it ends before. */
  async printed(pattern: RegExp): Promise<boolean> {
    return (await this.#printed.match('stdout', pattern, this.guest.ended)) !== null;
  }

  /** Waits until standard error has what `pattern` describes; rejects if it ends before. */
  async said(pattern: RegExp): Promise<RegExpExecArray> {
    const match = await this.#printed.match('stderr', pattern, this.guest.ended);
    if (match === null) throw new Error(`it ended; it said: ${this.stderr}`);
    return match;
  }

  /** Waits for its end; the status that the command would end with. */
  async status(): Promise<number> {
    const outcome = await this.guest.ended;
    if (this.#signalled !== undefined) return this.#signalled;
    if (outcome.kind === 'exited') return outcome.code;
    return outcome.kind === 'trapped' ? Status.TRAPPED : Status.TIMEOUT;
  }

  /** Sends it a signal, which ends it if it has no signalfd that takes it; waits for its end. */
  async stop(signal: 'SIGTERM' | 'SIGINT' = 'SIGTERM'): Promise<number> {
    if (this.guest.usage().running && !this.guest.signal(signal)) {
      this.#signalled = Status[signal];
      void this.guest.stop();
    }
    return this.status();
  }
}

/** What the arguments of `sandpoll run` mean; throws what it refuses them with. */
export function readArguments(argv: readonly string[]): RunOptions & { readonly file: string } {
  const parsed = parseRunArguments(argv);
  if (typeof parsed === 'string') throw new Error(`this starts no guest: ${argv.join(' ')}`);
  const { flags, file, args } = parsed;
  return { file, ...readRunFlags(flags, [file, ...args], process.env) };
}

/** Starts what `sandpoll run` would start, given its arguments, from the root of the repository. */
async function start(argv: readonly string[]): Promise<GuestHere> {
  const { file, ...options } = readArguments([...ISOLATE, ...argv]);
  if (options.trace.length > 0) throw new Error('a trace goes to standard error: start a process');
  const printed = new Printed();
  const guest = await startInHost({
    ...options,
    bytes: await load(path.resolve(ROOT, file), options),
    name: path.basename(file),
    onReport: (line) => printed.add('stderr', `sandpoll: ${line}`),
    onOutput: (output) => {
      if (output.kind === 'dropped') throw new Error(`${output.lines} lines were left out`);
      printed.add(output.stream, output.text);
    },
  });
  return new GuestHere(guest, printed);
}

/** Runs a guest to its end, given the arguments of `sandpoll run`. */
export async function runGuest(argv: readonly string[]): Promise<Outcome> {
  const guest = await start(argv);
  return { status: await guest.status(), stdout: guest.stdout, stderr: guest.stderr };
}

/** Starts a guest on a port that the system picks; options of the host, and its own arguments. */
export async function startGuest(
  wasm: string,
  options: readonly string[] = [],
  args: readonly string[] = [],
): Promise<GuestHere> {
  return start(['--listen', '127.0.0.1:0', ...options, wasm, ...args]);
}

/** Starts a guest that opens its own listener, and tells of it. */
export async function startListening(wasm: string, ...args: string[]): Promise<GuestHere> {
  const guest = await start([LOOPBACK, wasm, ...args]);
  await guest.said(LISTENING);
  return guest;
}
