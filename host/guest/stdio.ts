/** A guest's standard streams: what each can be, and opening what is not the host's own. */
import { constants } from 'node:fs';
import { Readable, Writable } from 'node:stream';

import { Access, Kind } from '../descriptors.js';
import { linuxName } from '../errno.js';
import type { Handle, Kernel } from '../kernel/kernel.js';
import { type Output, OutputLines } from '../output.js';
import { usageError } from '../usage.js';
import { pumpIn } from './input.js';
import { type PumpedEnd, pumpLines, pumpOut } from './output.js';

/**
 * A file of this machine, or a device; its path is relative to the working directory. It is opened
 * at once: the other end of a FIFO must be open before, or there is nothing to read.
 */
export interface StreamFile {
  readonly file: string;
  /**
   * Whether what is printed is added at the end, as by `>>` of a shell; else the file is emptied
   * first. Not for stdin. Two streams that share a file need it, or overwrite each other.
   */
  readonly append?: boolean;
}

/**
 * `inherit`: the host's own stream. `ignore`: `/dev/null`: nothing to read, and what is printed is
 * lost. Bytes, or what a stream has, come by a pipe, of which the guest reads as fast as it can;
 * bytes must stay as they are until it ends.
 */
export type StdinSource = 'inherit' | 'ignore' | StreamFile | Uint8Array | Readable;

/**
 * As `StdinSource`. A stream gets the bytes by a pipe, as many as it has room for: a guest that
 * prints more waits. It has all of them when `Guest.ended` settles. It is not ended then: it may be
 * another guest's, too. For all that a guest prints as one buffer, take a `PassThrough`, read it by
 * `node:stream/consumers`, and end it once the guest has ended.
 */
export type OutputTarget = 'inherit' | 'ignore' | StreamFile | Writable;

/** What the standard streams are: the host's own unless said. */
export interface Stdio {
  readonly stdin?: StdinSource;
  readonly stdout?: OutputTarget;
  readonly stderr?: OutputTarget;
}

/** The guest's descriptors 0, 1 and 2. */
export const STREAMS = ['stdin', 'stdout', 'stderr'] as const;
type StreamName = (typeof STREAMS)[number];

/** What becomes of a descriptor besides its handle: `Kind` and `Access` of its row. */
export interface StreamRow {
  readonly kind: number;
  readonly access: number;
}

/** An opened stream; −1 for one that is closed. */
export interface OpenedStream extends StreamRow {
  readonly handle: Handle;
}

/** The streams by their descriptors; none for the host's own. */
export type Streams = readonly (OpenedStream | undefined)[];

export interface StdioOptions {
  readonly stdio?: Stdio;
  readonly name: string;
  readonly instance?: string;
  /** Takes what is printed to streams that would be the host's own. */
  readonly onOutput?: (output: Output) => void;
}

const { O_APPEND, O_CREAT, O_RDONLY, O_RDWR, O_TRUNC, O_WRONLY } = constants;
const S_IFMT = constants.S_IFMT;

const WHY_NOT: ReadonlyMap<string, string> = new Map([
  ['NOENT', 'there is no such file'],
  ['ACCES', 'you may not open it'],
  ['ISDIR', 'it is a directory'],
  ['NOTDIR', 'a part of that path is not a directory'],
  ['NXIO', 'nobody reads from that pipe'],
]);

function openFile(kernel: Kernel, stream: StreamName, path: string, flags: number): Handle {
  const refuse = (why: string): never => {
    throw usageError(`${stream} ${path}: ${why}`);
  };
  const handle = kernel.openFile(Buffer.from(path), flags);
  if (handle < 0) {
    const name = linuxName(-handle);
    return refuse(WHY_NOT.get(name.replace(/^E/, '')) ?? `it cannot be opened: ${name}`);
  }
  if ((kernel.fstat(handle) & S_IFMT) !== constants.S_IFDIR) return handle;
  kernel.close(handle);
  return refuse('it is a directory');
}

/** How a file is opened for a stream. */
function flagsOf(stream: StreamName, { append = false }: StreamFile): number {
  if (stream === 'stdin') return O_RDONLY;
  return O_WRONLY | O_CREAT | (append ? O_APPEND : O_TRUNC);
}

/**
 * What a stream's row allows. A file that is added to stays a stream, as the host's own is: of
 * what it had before nothing may be overwritten or cut off.
 */
function rowOf(kernel: Kernel, handle: Handle, stream: StreamName, appends: boolean): StreamRow {
  const access = stream === 'stdin' ? Access.READ : Access.WRITE;
  const regular = (kernel.fstat(handle) & S_IFMT) === constants.S_IFREG;
  if (!regular || appends) return { kind: Kind.STDIO, access };
  return { kind: Kind.FILE, access: stream === 'stdin' ? access : access | Access.MUTABLE };
}

/** An error of the embedder's: what `stdio.NAME` cannot be. */
function wrong(name: string, why: string): TypeError {
  const error = new TypeError(`stdio.${name}: ${why}`);
  return Object.assign(error, { code: 'ERR_SANDPOLL_USAGE' });
}

function isFile(value: unknown): value is StreamFile {
  if (typeof value !== 'object' || value === null || !('file' in value)) return false;
  const { file, append = false } = value as { file: unknown; append?: unknown };
  return typeof file === 'string' && typeof append === 'boolean';
}

/** Throws a TypeError for what is no `Stdio`, whatever it may be. */
export function checkStdio(stdio: Stdio): void {
  for (const name of Object.keys(stdio)) {
    if (!(STREAMS as readonly string[]).includes(name)) {
      throw wrong(name, `there is no such stream; they are ${STREAMS.join(', ')}`);
    }
  }
  for (const name of STREAMS) {
    const value: unknown = stdio[name];
    if (value === undefined || value === 'inherit' || value === 'ignore') continue;
    const isStream =
      name === 'stdin'
        ? value instanceof Uint8Array || value instanceof Readable
        : value instanceof Writable;
    if (isStream) continue;
    const stream = name === 'stdin' ? 'a Uint8Array or a Readable' : 'a Writable';
    if (!isFile(value)) throw wrong(name, `must be 'inherit', 'ignore', { file }, or ${stream}`);
    if (value.file === '') throw wrong(name, 'the path of its file is empty');
    if (value.file.includes('\0')) throw wrong(name, 'no path has a NUL in it');
    if (name === 'stdin' && value.append === true) throw wrong(name, 'nothing is added to stdin');
  }
}

/** An opened stream, and what is to be done when its guest has ended. */
interface ServedStream extends OpenedStream {
  readonly finish: () => void;
}

function pumped({ end, finish }: PumpedEnd, access: number): ServedStream {
  return { handle: end, kind: Kind.STDIO, access, finish };
}

/** Opens one stream; undefined for the host's own. */
function openStream(
  kernel: Kernel,
  stream: StreamName,
  { stdio = {}, name, instance = name, onOutput }: StdioOptions,
): ServedStream | undefined {
  const wanted = stdio[stream] ?? 'inherit';
  if (wanted === 'inherit') {
    if (stream === 'stdin' || onOutput === undefined) return undefined;
    const lines = new OutputLines(instance, stream, onOutput, performance.now());
    return pumped(pumpLines(kernel, lines), Access.WRITE);
  }
  if (wanted instanceof Uint8Array) {
    return pumped(pumpIn(kernel, Readable.from([wanted])), Access.READ);
  }
  if (stream === 'stdin' && wanted instanceof Readable) {
    return pumped(pumpIn(kernel, wanted), Access.READ);
  }
  if (wanted instanceof Writable) return pumped(pumpOut(kernel, wanted), Access.WRITE);
  const ignored = wanted === 'ignore';
  const file = ignored ? { file: '/dev/null' } : (wanted as StreamFile);
  const flags = ignored ? O_RDWR : flagsOf(stream, file);
  const handle = openFile(kernel, stream, file.file, flags);
  const row = rowOf(kernel, handle, stream, (flags & O_APPEND) !== 0);
  return { handle, ...row, finish: () => kernel.close(handle) };
}

/**
 * Opens the streams, and then what `open` opens with them. `finish` is to be called when the guest
 * has ended: it brings over what the guest has printed last. Throws a TypeError for what is no
 * `Stdio`, a `UsageError` for a file that cannot be opened, or what `open` throws; nothing is left
 * open then.
 */
export function withStreams<T>(
  kernel: Kernel,
  options: StdioOptions,
  open: (streams: Streams) => T,
): { readonly opened: T; readonly finish: () => void } {
  checkStdio(options.stdio ?? {});
  const finishers: (() => void)[] = [];
  const finish = (): void => {
    for (const each of finishers) each();
  };
  try {
    const streams = STREAMS.map((stream) => {
      const opened = openStream(kernel, stream, options);
      if (opened === undefined) return undefined;
      const { finish: finishOne, ...row } = opened;
      finishers.push(finishOne);
      return row;
    });
    return { opened: open(streams), finish };
  } catch (error) {
    finish();
    throw error;
  }
}

/**
 * The streams for several guests, at a time or one after the other. A file to print to is emptied
 * here, and only added to by each of them. Throws as `withStreams` does, and a TypeError for a
 * stream that several would read.
 */
export function sharedStdio(kernel: Kernel, stdio: Stdio, guests: number): Stdio {
  checkStdio(stdio);
  if (guests > 1 && stdio.stdin instanceof Readable) {
    throw wrong('stdin', 'a stream can be read by one guest only; give each its bytes, or a file');
  }
  const shared = (stream: 'stdout' | 'stderr'): Stdio => {
    const target = stdio[stream];
    if (!isFile(target)) return {};
    kernel.close(openFile(kernel, stream, target.file, flagsOf(stream, target)));
    return { [stream]: { ...target, append: true } };
  };
  return { ...stdio, ...shared('stdout'), ...shared('stderr') };
}
