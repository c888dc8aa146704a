/** One line for each call, as `strace(1)` writes it, from the rows' parameter names. */
import type { GuestMemory } from '../abi/memory.js';
import { OP_RECV, OP_SEND, Submission } from '../abi/submit.js';
import { wasiName } from '../errno.js';
import type { Sandbox } from '../sandbox.js';
import type { TraceGroup } from '../trace-groups.js';
import type { Body, ImportRow, ParameterKind, Word } from './call.js';

/** Linux's own socket calls, of module `sandpoll`, which have no prefix; and `submit`, for them. */
const SOCKET_CALLS: readonly string[] = `
  socket socketpair bind listen accept4 connect shutdown getsockname getpeername getsockopt
  setsockopt recv recvfrom recvmsg recvmmsg send sendto sendmsg sendmmsg submit`
  .trim()
  .split(/\s+/u);

/** The groups, by what stands before the first `_` of a name. */
const GROUP_OF_PREFIX: ReadonlyMap<string, TraceGroup> = new Map([
  ['sock', 'sock'],
  ['epoll', 'epoll'],
  ['eventfd', 'epoll'],
  ['timerfd', 'epoll'],
  ['signalfd', 'epoll'],
  ['channel', 'sock'],
  ...SOCKET_CALLS.map((name) => [name, 'sock'] as const),
  ['pipe2', 'fs'],
  ['poll', 'poll'],
  ['fd', 'fs'],
  ['path', 'fs'],
  ['clock', 'clock'],
]);

export function traceGroup(name: string): TraceGroup {
  return GROUP_OF_PREFIX.get(name.split('_')[0]) ?? 'process';
}

const RESULT = 'result.';

function argument(kind: ParameterKind, word: Word): string {
  if (typeof word === 'bigint') return String(kind === 'u64' ? BigInt.asUintN(64, word) : word);
  if (kind === 'ptr') return `0x${(word >>> 0).toString(16)}`;
  return kind === 'size' || kind === 'u32' ? String(word >>> 0) : String(word);
}

/** Longer paths are cut, as `strace(1)` cuts texts. */
const TEXT_BYTES_MAX = 32;
const QUOTES = new Set(['"', '\\']);

/** Bytes as text in quotes that does nothing to a terminal (B98). */
function quoted(bytes: Uint8Array): string {
  const shown = Array.from(bytes.subarray(0, TEXT_BYTES_MAX), (byte) => {
    const character = String.fromCharCode(byte);
    if (byte < 0x20 || byte > 0x7e) return `\\x${byte.toString(16).padStart(2, '0')}`;
    return QUOTES.has(character) ? `\\${character}` : character;
  });
  return `"${shown.join('')}"${bytes.length > TEXT_BYTES_MAX ? '...' : ''}`;
}

/** One of a call's arguments, as it is told of. */
interface Told {
  readonly name: string;
  readonly kind: ParameterKind;
  readonly word: Word;
}

/** A path that path_* looks up, as text; undefined for anything else, and outside memory. */
function pathText(
  row: ImportRow,
  { name, word }: Told,
  all: readonly Told[],
  memory: GuestMemory,
): string | undefined {
  if (!row.name.startsWith('path_')) return undefined;
  const length = all.find((each) => each.name === `${name}_len` && name.endsWith('path'))?.word;
  if (length === undefined) return undefined;
  const [at, size] = [Number(word) >>> 0, Number(length) >>> 0];
  return memory.fits(at, size) ? quoted(memory.bytes.subarray(at, at + size)) : undefined;
}

/** What a result pointer points to now; the address itself if that is not a plain number. */
function resultValue(memory: GuestMemory, kind: ParameterKind, word: Word): string {
  const at = Number(word) >>> 0;
  const size = { '*u16': 2, '*u32': 4, '*u64': 8 }[kind as string];
  if (size === undefined || !memory.fits(at, size)) return argument('ptr', word);
  if (size === 2) return String(memory.view.getUint16(at, true));
  return size === 4
    ? String(memory.view.getUint32(at, true))
    : String(memory.view.getBigUint64(at, true));
}

const OPERATIONS: ReadonlyMap<number, string> = new Map([
  [OP_SEND, 'send'],
  [OP_RECV, 'recv'],
]);

/** What became of each submission: ` recv(5)=64 send(7)=EPIPE`. */
function submissions(memory: GuestMemory, at: number, count: number): string {
  const { view } = memory;
  let told = '';
  for (let i = 0; i < count; i++) {
    const from = at + i * Submission.SIZE;
    const opcode = Submission.opcode.get(view, from);
    const result = Submission.result.get(view, from) | 0;
    const name = OPERATIONS.get(opcode) ?? `operation ${opcode}`;
    told += ` ${name}(${Submission.fd.get(view, from)})=`;
    told += result < 0 ? wasiName(-result) : result;
  }
  return told;
}

/** `sock_recv(fd=5, ri_data=0x400, …) = 0 size=64 ro_flags=0`, or `= EAGAIN`. */
export function traceLine(
  row: ImportRow,
  words: readonly Word[],
  result: number | undefined,
  memory: GuestMemory,
): string {
  const told = Object.entries(row.parameters).map(([name, kind], index): Told => {
    return { name, kind, word: words[index] };
  });
  const shown = told
    .filter(({ name }) => !name.startsWith(RESULT))
    .map((each) => {
      const text = pathText(row, each, told, memory) ?? argument(each.kind, each.word);
      return `${each.name}=${text}`;
    });
  const call = `${row.name}(${shown.join(', ')})`;
  if (row.result === 'none') return call;
  if (row.result === 'f64') return `${call} = ${result}`;
  if (row.result === 'tid') {
    return `${call} = ${result !== undefined && result < 0 ? wasiName(-result) : result}`;
  }
  if (result !== 0) return `${call} = ${wasiName(result ?? 0)}`;
  const results = told
    .filter(({ name }) => name.startsWith(RESULT))
    .map(
      ({ name, kind, word }) => ` ${name.slice(RESULT.length)}=${resultValue(memory, kind, word)}`,
    );
  if (row.name === 'submit') {
    results.push(submissions(memory, Number(words[0]) >>> 0, Number(words[1])));
  }
  return `${call} = 0${results.join('')}`;
}

/** Wraps bodies so that each call of the chosen groups says its line; the others pass as is. */
export function tracer(groups: readonly TraceGroup[], say: (line: string) => void) {
  return (row: ImportRow, body: Body, sandbox: Sandbox): Body => {
    if (!groups.includes(traceGroup(row.name))) return body;
    const call = body as unknown as (...words: Word[]) => number | undefined;
    return (...words: Word[]) => {
      // What does not return must be said before.
      if (row.result === 'none') say(traceLine(row, words, undefined, sandbox.memory));
      const result = call(...words);
      if (row.result !== 'none') say(traceLine(row, words, result, sandbox.memory));
      return result;
    };
  };
}
