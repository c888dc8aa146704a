/** Counting each call by its outcome, what it moved, and how long it waited, for `--metrics`. */
import { Mmsghdr } from '../abi/socket.js';
import { OP_RECV, Submission } from '../abi/submit.js';
import { FUNCTIONS_MAX, EVENT_BOUNDS, OUTCOMES, Slot, WAIT_BOUNDS_S } from '../counters.js';
import { Kind } from '../descriptors.js';
import { Errno } from '../errno.js';
import type { Sandbox } from '../sandbox.js';
import type { Body, ImportRow, Word } from './call.js';
import { IMPORT_MODULES } from './index.js';

/** The imported functions by the number of their row in a block; one name, one row. */
export const FUNCTIONS: readonly string[] = [
  ...new Set([...IMPORT_MODULES.values()].flat().map(({ name }) => name)),
];

const WAITS = new Set(['poll_oneoff', 'epoll_wait', 'epoll_pwait2']);
const ACCEPTS = new Set(['sock_accept', 'accept4']);
const CONNECTS = new Set(['sock_connect', 'connect']);
const RECEIVES = new Set(['sock_recv', 'sock_recv_from', 'recv', 'recvfrom', 'recvmsg', 'fd_read']);
const SENDS = new Set(['sock_send', 'sock_send_to', 'send', 'sendto', 'sendmsg', 'fd_write']);
const MESSAGE_SLOTS: ReadonlyMap<string, number> = new Map([
  ['recvmmsg', Slot.RECEIVED_BYTES],
  ['sendmmsg', Slot.SENT_BYTES],
]);
const CHANNEL_SLOTS: ReadonlyMap<string, number> = new Map([
  ['channel_recv', Slot.CHANNEL_RECEIVED_BYTES],
  ['channel_send', Slot.CHANNEL_SENT_BYTES],
]);

type Call = (...words: Word[]) => number;

/** What to do with a call that is over, and its outcome. */
type Note = (words: readonly Word[], outcome: number) => void;

/** Adds one to the bucket of a histogram that `value` falls into. */
function fill(block: Float64Array, at: number, bounds: readonly number[], value: number): void {
  let bucket = 0;
  while (bucket < bounds.length && value > bounds[bucket]) bucket++;
  block[at + bucket]++;
}

/** How many bytes a call has moved that was a success. */
function sizeOf(row: ImportRow, sandbox: Sandbox): (words: readonly Word[]) => number {
  const index = Object.keys(row.parameters).indexOf('result.size');
  return (words) => sandbox.memory.view.getUint32((words[index] as number) >>> 0, true);
}

/** Bytes that crossed a socket: other descriptors are read and written too. */
function noteBytes(row: ImportRow, block: Float64Array, sandbox: Sandbox, slot: number): Note {
  const size = sizeOf(row, sandbox);
  const { descriptors } = sandbox;
  return (words, outcome) => {
    if (outcome !== Errno.SUCCESS) return;
    const kind = descriptors.kind(words[0] as number);
    if (kind >= Kind.STREAM && kind <= Kind.SEQPACKET) block[slot] += size(words);
  };
}

/** Bytes that crossed a channel, without what the host tells the other one of a descriptor. */
function noteChannelBytes(
  row: ImportRow,
  block: Float64Array,
  sandbox: Sandbox,
  slot: number,
): Note {
  const size = sizeOf(row, sandbox);
  return (words, outcome) => {
    if (outcome === Errno.SUCCESS) block[slot] += size(words);
  };
}

/** Bytes that the operations of one `submit` have moved. */
function noteSubmissions(block: Float64Array, sandbox: Sandbox): Note {
  return (words, outcome) => {
    if (outcome !== Errno.SUCCESS) return;
    const { view } = sandbox.memory;
    const at = (words[0] as number) >>> 0;
    const end = at + (words[1] as number) * Submission.SIZE;
    for (let from = at; from < end; from += Submission.SIZE) {
      const received = Submission.opcode.get(view, from) === OP_RECV;
      const size = Submission.result.get(view, from) | 0;
      if (size > 0) block[received ? Slot.RECEIVED_BYTES : Slot.SENT_BYTES] += size;
    }
  };
}

/** Bytes that the messages of one call have moved. */
function noteMessages(row: ImportRow, block: Float64Array, sandbox: Sandbox, slot: number): Note {
  const index = Object.keys(row.parameters).indexOf('result.n');
  return (words, outcome) => {
    if (outcome !== Errno.SUCCESS) return;
    const { view } = sandbox.memory;
    const told = view.getUint32((words[index] as number) >>> 0, true);
    // Another thread may have written there, but not to what was asked for.
    const count = Math.min(told, (words[2] as number) >>> 0);
    const at = (words[1] as number) >>> 0;
    for (let i = 0; i < count; i++) block[slot] += Mmsghdr.len.get(view, at + i * Mmsghdr.SIZE);
  };
}

function noteConnects(block: Float64Array, { descriptors }: Sandbox): Note {
  return (words, outcome) => {
    if (outcome !== Errno.SUCCESS && outcome !== Errno.INPROGRESS) return;
    if (descriptors.kind(words[0] as number) !== Kind.DATAGRAM) block[Slot.CONNECTING]++;
  };
}

/** What there is to note of a call besides its outcome. */
function noteOf(row: ImportRow, block: Float64Array, sandbox: Sandbox): Note {
  if (RECEIVES.has(row.name)) return noteBytes(row, block, sandbox, Slot.RECEIVED_BYTES);
  if (SENDS.has(row.name)) return noteBytes(row, block, sandbox, Slot.SENT_BYTES);
  const channelSlot = CHANNEL_SLOTS.get(row.name);
  if (channelSlot !== undefined) return noteChannelBytes(row, block, sandbox, channelSlot);
  const messageSlot = MESSAGE_SLOTS.get(row.name);
  if (messageSlot !== undefined) return noteMessages(row, block, sandbox, messageSlot);
  if (row.name === 'submit') return noteSubmissions(block, sandbox);
  if (CONNECTS.has(row.name)) return noteConnects(block, sandbox);
  if (ACCEPTS.has(row.name)) {
    return (_words, outcome) => {
      if (outcome === Errno.SUCCESS) block[Slot.ACCEPTED]++;
    };
  }
  return () => noteMemory(block, sandbox);
}

/** The size of the memory as it was last seen, or anew if it has grown since then. */
function noteMemory(block: Float64Array, { memory }: Sandbox): void {
  const seen = memory.bytes.length;
  block[Slot.MEMORY_BYTES] = seen === 0 ? memory.byteLength : seen;
}

/** CLOCK_MONOTONIC in nanoseconds, as the kernel port has it. */
function clockOf({ kernel }: Sandbox): () => number {
  const words = new Uint32Array(2);
  const { buffer } = words;
  return () => {
    kernel.clockGettime(1, buffer, 0);
    return words[1] * 2 ** 32 + words[0];
  };
}

/** Counts a wait: how long it took, and how many events it reported. */
function countWaits(
  row: ImportRow,
  call: Call,
  calls: number,
  block: Float64Array,
  sandbox: Sandbox,
): Call {
  const countIndex = Object.keys(row.parameters).findIndex((name) => name.startsWith('result.'));
  const nowNs = clockOf(sandbox);
  return (...words) => {
    noteMemory(block, sandbox);
    const sinceNs = nowNs();
    block[Slot.WAITING_SINCE_NS] = sinceNs;
    const outcome = call(...words);
    const waitedNs = nowNs() - sinceNs;
    block[Slot.WAITING_SINCE_NS] = 0;
    block[Slot.WAITED_NS] += waitedNs;
    fill(block, Slot.WAIT_BUCKETS, WAIT_BOUNDS_S, waitedNs / 1e9);
    const at = (words[countIndex] as number) >>> 0;
    const events = outcome === Errno.SUCCESS ? sandbox.memory.view.getUint32(at, true) : 0;
    block[Slot.EVENTS] += events;
    fill(block, Slot.EVENT_BUCKETS, EVENT_BOUNDS, events);
    block[calls + outcomeIndex(outcome)]++;
    return outcome;
  };
}

/** Where in its row an outcome is counted. */
function outcomeIndex(outcome: number): number {
  return Math.min(outcome >>> 0, OUTCOMES - 1);
}

/**
 * Wraps bodies so that each call is counted in `block` (`blockOf`). Only a guest that is
 * metered is linked with it: the functions of any other are the same as ever.
 */
export function counter(block: Float64Array) {
  if (FUNCTIONS.length > FUNCTIONS_MAX) throw new Error('FUNCTIONS_MAX is too small');
  return (row: ImportRow, body: Body, sandbox: Sandbox): Body => {
    const calls = Slot.CALLS + FUNCTIONS.indexOf(row.name) * OUTCOMES;
    const call = body as unknown as Call;
    if (row.result !== 'errno') {
      return (...words: Word[]) => {
        // Before: some do not return.
        block[calls]++;
        return call(...words);
      };
    }
    if (WAITS.has(row.name)) return countWaits(row, call, calls, block, sandbox);
    const note = noteOf(row, block, sandbox);
    return (...words: Word[]) => {
      const outcome = call(...words);
      block[calls + outcomeIndex(outcome)]++;
      note(words, outcome);
      return outcome;
    };
  };
}
