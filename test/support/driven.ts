/** A running driver guest, and the test's side of its connection. */
import { type Socket, connect } from 'node:net';

import {
  type ChannelEnd,
  type DirGrant,
  type GuestModule,
  type NetGrants,
  type Stdio,
  DEFAULT_LIMITS,
  NO_GRANTS,
  loadModule,
  parseListen,
  parseNetRule,
} from '#host/index.js';
import { type Guest, type Isolation, startGuest } from '#host/guest.js';
import type { Limits } from '#host/grants.js';
import type { Outcome } from '#host/trap.js';
import { expect } from 'vitest';

import { leakedSince, openDescriptors } from './descriptors.js';
import { BATCH_MAX, RECORD_BYTES, type Shape, driverModule, operationNames } from './driver.js';

/** An operation's name and its arguments; numbers go by their low 32 bits. */
export type Call = readonly [name: string, ...args: (number | bigint)[]];

/**
 * The descriptors at first of a guest without directories: its listener, and the connection that
 * drives it.
 */
export const LISTENER = 3;
export const CONTROL = 4;

/** Everything on loopback. */
export const LOOPBACK: NetGrants = {
  allow: [parseNetRule('127.0.0.0/8', '--allow-net'), parseNetRule('[::1]', '--allow-net')],
  deny: [],
};

export interface DrivenOptions {
  readonly shape?: Shape;
  /** Pages of memory, as WebAssembly text has limits. */
  readonly memory?: string;
  /** The first is descriptor 3; the listener comes after the last, as `driven.listener` says. */
  readonly dirs?: readonly DirGrant[];
  readonly net?: NetGrants;
  readonly resolve?: readonly string[];
  readonly limits?: Partial<Limits>;
  readonly isolate?: Isolation;
  readonly stdio?: Stdio;
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Whether its calls are counted. */
  readonly metered?: boolean;
  /** They come after the listener; the connection that drives the guest comes after the last. */
  readonly channels?: Readonly<Record<string, ChannelEnd>>;
}

/** A driver guest somewhere: in this process or another. */
export interface DrivenHost {
  /** Port of the guest's listener. */
  readonly port: number;
  /** Its descriptor; 3 unless said. */
  readonly listener?: number;
  /** Settles when the guest has ended. */
  readonly ended: Promise<unknown>;
}

/** Fails unless a call that a test only needs has succeeded. */
function succeeded(name: string, errno: number): void {
  if (errno !== 0) throw new Error(`${name} failed with ${errno}`);
}

export class Driven {
  readonly host: DrivenHost;
  /** The descriptor of its listener. */
  readonly listener: number;
  readonly #shape: Shape;
  readonly #operations: readonly string[];
  readonly #control: Socket;
  readonly #peers: Socket[] = [];
  #received = Buffer.alloc(0);
  #wake = (): void => {};

  constructor(host: DrivenHost, shape: Shape) {
    this.host = host;
    this.listener = host.listener ?? LISTENER;
    this.#shape = shape;
    this.#operations = operationNames(shape);
    this.#control = connect(host.port, '127.0.0.1');
    this.#control.on('data', (chunk: Buffer) => {
      this.#received = Buffer.concat([this.#received, chunk]);
      this.#wake();
    });
    // However it ends, whoever waits for an answer hears of it.
    this.#control.on('error', () => {});
    this.#control.on('close', () => this.#wake());
  }

  /** Carries out calls in order; their results as the guest has them, as signed numbers. */
  async calls(list: readonly Call[]): Promise<number[]> {
    const results: number[] = [];
    for (let at = 0; at < list.length; at += BATCH_MAX) {
      results.push(...(await this.#batch(list.slice(at, at + BATCH_MAX))));
    }
    return results;
  }

  async call(name: string, ...args: (number | bigint)[]): Promise<number> {
    const [result] = await this.calls([[name, ...args]]);
    return result;
  }

  /** Starts a call that may block, or never come back. */
  start(name: string, ...args: (number | bigint)[]): Promise<number> {
    const result = this.call(name, ...args);
    result.catch(() => {});
    return result;
  }

  async write(at: number, bytes: Uint8Array): Promise<void> {
    await this.calls(stores(at, bytes));
  }

  async read(at: number, length: number): Promise<Uint8Array> {
    const calls = Array.from({ length }, (_each, index): Call => ['load8', at + index]);
    return Uint8Array.from(await this.calls(calls));
  }

  u32(at: number): Promise<number> {
    return this.call('load32', at);
  }

  /** Opens a connection to the guest's listener; it is closed with the guest. */
  async dial(): Promise<Socket> {
    const socket = connect(this.host.port, '127.0.0.1');
    this.#peers.push(socket);
    socket.on('error', () => {});
    await new Promise((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('close', reject);
    });
    return socket;
  }

  /** Dials, and accepts; the guest's descriptor for it, NONBLOCK unless `fdflags` say else. */
  async accept(fdflags = 4): Promise<{ fd: number; peer: Socket }> {
    const peer = await this.dial();
    const out = 0x1_fff0;
    const flags = this.#shape === 'short' ? [] : [0];
    succeeded('sock_accept', await this.call('sock_accept', this.listener, ...flags, out));
    const fd = await this.u32(out);
    succeeded('fd_fdstat_set_flags', await this.call('fd_fdstat_set_flags', fd, fdflags));
    return { fd, peer };
  }

  /** The number of an operation, for `repeat`. */
  operation(name: string): number {
    const number = this.#operations.indexOf(name);
    if (number < 0) throw new Error(`the driver has no operation ${name}`);
    return number;
  }

  /** Ends the connection, upon which the guest ends if it is not in a call; waits for that. */
  async end(): Promise<void> {
    this.#control.end();
    await this.host.ended;
    this.#control.destroy();
    for (const peer of this.#peers) peer.destroy();
  }

  async #batch(list: readonly Call[]): Promise<number[]> {
    const message = Buffer.alloc(4 + list.length * RECORD_BYTES);
    message.writeUInt32LE(list.length);
    list.forEach(([name, ...args], index) => {
      const at = 4 + index * RECORD_BYTES;
      message.writeBigUInt64LE(BigInt(this.operation(name)), at);
      args.forEach((arg, position) => {
        message.writeBigUInt64LE(BigInt.asUintN(64, BigInt(arg)), at + 8 * (position + 1));
      });
    });
    this.#control.write(message);
    const bytes = 8 * list.length;
    while (this.#received.length < bytes) {
      if (this.#control.destroyed) throw new Error('the guest has ended in a call');
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    const results = list.map((_call, index) => Number(this.#received.readBigInt64LE(8 * index)));
    this.#received = this.#received.subarray(bytes);
    return results;
  }
}

/** Calls that write bytes to guest memory. */
export function stores(at: number, bytes: Uint8Array): Call[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const words = Math.floor(bytes.length / 8);
  const calls = Array.from({ length: words }, (_each, index): Call => {
    return ['store64', at + 8 * index, view.getBigUint64(8 * index, true)];
  });
  const rest = Array.from(bytes.subarray(8 * words), (byte, index): Call => {
    return ['store8', at + 8 * words + index, byte];
  });
  return [...calls, ...rest];
}

/** Calls that write an array of iovec at `at`: pairs of address and length. */
export function iovecs(at: number, pairs: readonly (readonly [number, number])[]): Call[] {
  return pairs.map(([buf, len], index) => [
    'store64',
    at + 8 * index,
    (BigInt(len) << 32n) | BigInt(buf),
  ]);
}

/** A driver guest in this process. */
export interface Local {
  readonly driven: Driven;
  readonly guest: Guest;
  /** What the host said about the guest. */
  readonly reports: readonly string[];
  /** Waits for one more report than there was before. */
  readonly reported: () => Promise<string>;
}

/** Drivers that were compiled, by what makes them different: it takes longer than an exchange. */
const compiled = new Map<string, Promise<GuestModule>>();

function loadDriver(
  shape: Shape,
  memory: string,
  listener: number,
  limits: Limits,
): Promise<GuestModule> {
  const key = JSON.stringify([shape, memory, listener, limits]);
  const bytes = driverModule(shape, memory, listener);
  const module = compiled.get(key) ?? loadModule(bytes, 'driver.wasm', { limits });
  compiled.set(key, module);
  return module;
}

/** Starts a driver guest; the caller ends it. */
export async function startDriven(options: DrivenOptions = {}): Promise<Local> {
  const { shape = 'long', memory = '3', dirs = [], args = [], env = {} } = options;
  const listener = LISTENER + dirs.length;
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const reports: string[] = [];
  let heard = (_line: string): void => {};
  const guest = await startGuest({
    bytes: await loadDriver(shape, memory, listener, limits),
    name: 'driver.wasm',
    listen: [parseListen('127.0.0.1:0')],
    metered: options.metered ?? false,
    channels: options.channels ?? {},
    isolate: options.isolate ?? 'thread',
    stdio: options.stdio ?? {},
    grants: {
      ...NO_GRANTS,
      dirs,
      args,
      env,
      net: options.net ?? NO_GRANTS.net,
      resolve: options.resolve ?? NO_GRANTS.resolve,
      limits,
    },
    onReport: (line) => {
      reports.push(line);
      heard(line);
    },
  });
  const port = Number(new URL(guest.listeners[0].url).port);
  const driven = new Driven({ port, listener, ended: guest.ended }, shape);
  // Answers once it is connected: from here on what is open stays as it is.
  await driven.call('memory.size').catch(async (error: unknown) => {
    const outcome = JSON.stringify(await guest.stop());
    throw new Error(`the driver did not start: ${outcome}`, { cause: error });
  });
  const reported = (): Promise<string> =>
    new Promise((resolve) => {
      heard = resolve;
    });
  return { driven, guest, reports, reported };
}

/**
 * Runs `body` with a driver guest, which must end as `expected` after all that was done to it;
 * and nothing may be open then that was not open before.
 */
export async function withDriven(
  options: DrivenOptions,
  body: (driven: Driven, local: Local) => Promise<void>,
  expected: Partial<Outcome> = { kind: 'exited', code: 0 },
): Promise<void> {
  const before = openDescriptors();
  const local = await startDriven(options);
  try {
    await body(local.driven, local);
  } catch (error) {
    await local.guest.stop();
    await local.driven.end();
    throw error;
  }
  await local.driven.end();
  expect(await local.guest.ended).toMatchObject(expected);
  expect(await leakedSince(before)).toEqual([]);
}
