/**
 * What a supervisor and a guest's process say to each other, in frames on a stream: u32 length,
 * then as many bytes. Down go serialized messages; up goes JSON and nothing else, because what
 * comes from there may be a guest's that broke out of its sandbox.
 */
import type { Grants } from '../grants.js';
import type { StreamRow } from './stdio.js';
import type { GuestUsage } from './usage.js';
import type { GuestSignal } from '../signals.js';
import type { TraceGroup } from '../trace-groups.js';
import type { Outcome } from '../trap.js';
import type { Needs } from '../isolate/policy.js';

/** What a process needs to start its guest; the bytes of the module are the next frame. */
export interface ChildStart {
  readonly kind: 'start';
  readonly name: string;
  readonly instance: string;
  readonly grants: Grants;
  /**
   * Handles that come over the channel: the directories of the grants first, then listeners, then
   * channels, in this order.
   */
  readonly listeners: readonly PassedListener[];
  readonly channels: readonly string[];
  /** Descriptors 0, 1 and 2: those that come after them; null for the process's own. */
  readonly streams: readonly (StreamRow | null)[];
  readonly timeoutMs?: number;
  readonly limitGraceMs?: number;
  readonly trace: readonly TraceGroup[];
  readonly jsonTrace: boolean;
  readonly metered: boolean;
  readonly needs: Needs;
}

export interface PassedListener {
  /** `Kind` of its descriptor. */
  readonly kind: number;
  readonly name?: string;
  readonly url: string;
}

export type ToChild =
  | ChildStart
  /** Answered over the channel, by a message whose header is `answerHeader`. */
  | { readonly kind: 'signal'; readonly sequence: number; readonly name: GuestSignal }
  | { readonly kind: 'stop'; readonly graceMs: number }
  | { readonly kind: 'usage' };

export type FromChild =
  /** It has connected to the channel, and waits for the first handles. */
  | { readonly kind: 'connected' }
  /** It has taken `HANDLES_AT_ONCE` handles, and waits for as many more. */
  | { readonly kind: 'more' }
  /** What confines it, and what does not and why. */
  | {
      readonly kind: 'confined';
      readonly by: readonly string[];
      readonly without: readonly string[];
    }
  /** Why the guest could not be started: what `startGuest` has thrown. */
  | {
      readonly kind: 'failed';
      readonly message: string;
      readonly code?: string;
      readonly problems?: readonly string[];
    }
  | { readonly kind: 'linked' }
  | { readonly kind: 'ready' }
  | { readonly kind: 'report'; readonly line: string }
  | { readonly kind: 'usage'; readonly usage: GuestUsage }
  | { readonly kind: 'ended'; readonly outcome: Outcome };

/** Messages of one descriptor each that surely fit into a socket's buffer. */
export const HANDLES_AT_ONCE = 32;

/** The answer to a signal: its sequence, and whether a signalfd of the guest takes it. */
export function answerHeader(sequence: number, taken: boolean): number {
  return sequence * 2 + Number(taken);
}

/** Sequences go round: the header has 32 bits. */
export const SEQUENCES = 2 ** 30;

const LENGTH_BYTES = 4;

/** The longest frame that a child may send: a guest's longest report, its counters. */
export const CHILD_FRAME_BYTES_MAX = 4 * 2 ** 20;

export function frame(payload: Uint8Array | string): Buffer {
  const bytes = Buffer.from(payload);
  const head = Buffer.alloc(LENGTH_BYTES);
  head.writeUInt32LE(bytes.length);
  return Buffer.concat([head, bytes]);
}

/** Cuts a stream into frames; a frame longer than `bytesMax` makes `push` throw a RangeError. */
export class FrameReader {
  readonly #bytesMax: number;
  readonly #onFrame: (payload: Buffer) => void;
  #chunks: Buffer[] = [];
  #held = 0;

  constructor(bytesMax: number, onFrame: (payload: Buffer) => void) {
    this.#bytesMax = bytesMax;
    this.#onFrame = onFrame;
  }

  push(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#held += chunk.length;
    for (;;) {
      if (this.#held < LENGTH_BYTES) return;
      // Only when a whole frame is there are the chunks of a long one put together.
      if (this.#chunks[0].length < LENGTH_BYTES) this.#join();
      const length = this.#chunks[0].readUInt32LE(0);
      if (length > this.#bytesMax) throw new RangeError(`a frame of ${length} bytes`);
      if (this.#held < LENGTH_BYTES + length) return;
      this.#join();
      const [all] = this.#chunks;
      const rest = all.subarray(LENGTH_BYTES + length);
      this.#chunks = rest.length > 0 ? [rest] : [];
      this.#held = rest.length;
      this.#onFrame(all.subarray(LENGTH_BYTES, LENGTH_BYTES + length));
    }
  }

  #join(): void {
    if (this.#chunks.length > 1) this.#chunks = [Buffer.concat(this.#chunks)];
  }
}
