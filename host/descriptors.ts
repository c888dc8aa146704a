/**
 * One guest's descriptor table: guest number → kernel handle, kind, access and flags.
 *
 * It lies in a SharedArrayBuffer: the threads of one guest share it, and the supervising thread
 * fills it before the guest starts. Claiming a number is atomic; the lowest free one comes first
 * (POSIX). A stale handle in a row cannot harm: the kernel port knows handles by generation.
 */
import type { Handle } from './kernel/kernel.js';
import { Fdflags } from './abi/preview1.js';
import { LinuxErrno } from './errno.js';

/** What a descriptor is. FREE marks a number that is not open. */
export const Kind = {
  FREE: 0,
  STDIO: 1,
  LISTENER: 2,
  STREAM: 3,
  DATAGRAM: 4,
  SEQPACKET: 5,
  EPOLL: 6,
  EVENT: 7,
  TIMER: 8,
  SIGNAL: 9,
  CHANNEL: 10,
  PIPE: 11,
} as const;

/** What a descriptor's grant and open mode allow. */
export const Access = { READ: 1, WRITE: 2 } as const;

const WORDS = 9;
const HANDLE = 0;
const KIND = 1;
const ACCESS = 2;
const FDFLAGS = 3;
const RIGHTS_BASE = 4;
const RIGHTS_INHERITING = 5;
const RECV_TIMEOUT_MS = 6;
const SEND_TIMEOUT_MS = 7;
const BOUND = 8;

/** How many of the last changes the log keeps: more than one wait's events can lead to. */
export const CHANGES_LOGGED = 4096;

/** Words at the head of the buffer: the change counter, and the log, a ring. */
const LOG = 1;
const HEAD = LOG + CHANGES_LOGGED;
const BITS = 32;

const FD_BITS = 20;
/** The largest table: a guest number stays far from 2^31 (B31). */
export const FDS_MAX = 1 << FD_BITS;

/** Bytes of the buffer behind a table of `fdsMax` descriptors. */
export function descriptorTableBytes(fdsMax: number): number {
  return 4 * (HEAD + Math.ceil(fdsMax / BITS) + fdsMax * WORDS);
}

/** An entry of the log: the descriptor, and low bits of the round it was written in, from 1. */
function logEntry(change: number, fd: number): number {
  const round = Math.floor((change >>> 0) / CHANGES_LOGGED) + 1;
  return (round << FD_BITS) | fd;
}

export class DescriptorTable {
  readonly fdsMax: number;
  readonly #words: Int32Array;
  readonly #rows: number;

  /** `buffer` is zero-filled at first, `descriptorTableBytes(fdsMax)` long. */
  constructor(buffer: SharedArrayBuffer, fdsMax: number) {
    this.fdsMax = fdsMax;
    this.#words = new Int32Array(buffer);
    this.#rows = HEAD + Math.ceil(fdsMax / BITS);
  }

  /**
   * Claims the lowest free number, invisible to look-ups until `open` fills it; `-EMFILE` when
   * the table is full. Give it back with `abandon` if there is nothing to put there.
   */
  claim(): number {
    const words = this.#words;
    for (let index = HEAD; index < this.#rows; index++) {
      for (;;) {
        const taken = Atomics.load(words, index);
        if (taken === -1) break;
        const bit = 31 - Math.clz32(~taken & (taken + 1));
        const fd = (index - HEAD) * BITS + bit;
        if (fd >= this.fdsMax) break;
        if ((Atomics.or(words, index, 1 << bit) & (1 << bit)) === 0) return fd;
      }
    }
    return -LinuxErrno.MFILE;
  }

  /** Opens a number that was claimed. */
  open(fd: number, handle: Handle, kind: number, access: number, fdflags: number): void {
    const at = this.#at(fd);
    const words = this.#words;
    words[at + HANDLE] = handle;
    words[at + ACCESS] = access;
    words[at + FDFLAGS] = fdflags;
    words[at + RIGHTS_BASE] = -1;
    words[at + RIGHTS_INHERITING] = -1;
    words[at + RECV_TIMEOUT_MS] = 0;
    words[at + SEND_TIMEOUT_MS] = 0;
    words[at + BOUND] = 0;
    Atomics.store(words, at + KIND, kind);
  }

  /** Gives back a number that was claimed and never opened. */
  abandon(fd: number): void {
    Atomics.and(this.#words, HEAD + Math.floor(fd / BITS), ~(1 << (fd % BITS)));
  }

  /** Closes a number; returns the handle it held, which the caller closes, or `-EBADF`. */
  close(fd: number): Handle | number {
    if (this.kind(fd) === Kind.FREE) return -LinuxErrno.BADF;
    const at = this.#at(fd);
    if (Atomics.exchange(this.#words, at + KIND, Kind.FREE) === Kind.FREE) return -LinuxErrno.BADF;
    const handle = this.#words[at + HANDLE];
    this.#log(fd);
    this.abandon(fd);
    return handle;
  }

  /**
   * Moves `from` to `to`, which must both be open; returns the handle that `to` held, which the
   * caller closes, or `-EBADF`. Callers treat `from === to` themselves.
   */
  renumber(from: number, to: number): Handle | number {
    const words = this.#words;
    if (this.kind(from) === Kind.FREE || this.kind(to) === Kind.FREE) return -LinuxErrno.BADF;
    const source = this.#at(from);
    const target = this.#at(to);
    const kind = Atomics.exchange(words, source + KIND, Kind.FREE);
    if (kind === Kind.FREE) return -LinuxErrno.BADF;
    const replaced = words[target + HANDLE];
    words.copyWithin(target + ACCESS, source + ACCESS, source + WORDS);
    words[target + HANDLE] = words[source + HANDLE];
    Atomics.store(words, target + KIND, kind);
    this.#log(from);
    this.#log(to);
    this.abandon(from);
    return replaced;
  }

  /** The kind of an open descriptor, FREE for any other number, however odd. */
  kind(fd: number): number {
    return fd >>> 0 < this.fdsMax ? this.#words[this.#at(fd) + KIND] : Kind.FREE;
  }

  /**
   * The handle of a non-blocking descriptor of this kind, −1 for anything else: one look for the
   * busiest calls.
   */
  eager(fd: number, kind: number): Handle {
    if (fd >>> 0 >= this.fdsMax) return -1;
    const words = this.#words;
    const at = this.#at(fd);
    const eager = words[at + KIND] === kind && (words[at + FDFLAGS] & Fdflags.NONBLOCK) !== 0;
    return eager ? words[at + HANDLE] : -1;
  }

  /** The handle of a descriptor that `kind` has shown to be open. */
  handle(fd: number): Handle {
    return this.#words[this.#at(fd) + HANDLE];
  }

  access(fd: number): number {
    return this.#words[this.#at(fd) + ACCESS];
  }

  fdflags(fd: number): number {
    return this.#words[this.#at(fd) + FDFLAGS];
  }

  /** Whether the guest asked for answers at once: a flag of its descriptor, not the kernel's. */
  isNonblocking(fd: number): boolean {
    return (this.fdflags(fd) & Fdflags.NONBLOCK) !== 0;
  }

  setFdflags(fd: number, fdflags: number): void {
    this.#words[this.#at(fd) + FDFLAGS] = fdflags;
  }

  /** A stream becomes a listener at `listen(2)`. */
  setKind(fd: number, kind: number): void {
    Atomics.store(this.#words, this.#at(fd) + KIND, kind);
  }

  /** Which rights are still reported: masks of bits 0 to 29. */
  rightsMask(fd: number, inheriting: boolean): number {
    return this.#words[this.#at(fd) + (inheriting ? RIGHTS_INHERITING : RIGHTS_BASE)];
  }

  /** Narrows what is reported; rights never widen. */
  narrowRights(fd: number, base: number, inheriting: number): void {
    const at = this.#at(fd);
    Atomics.and(this.#words, at + RIGHTS_BASE, base);
    Atomics.and(this.#words, at + RIGHTS_INHERITING, inheriting);
  }

  /** SO_RCVTIMEO or SO_SNDTIMEO in milliseconds, 0 for none: sockets here never block by self. */
  timeoutMs(fd: number, sending: boolean): number {
    return this.#words[this.#at(fd) + (sending ? SEND_TIMEOUT_MS : RECV_TIMEOUT_MS)];
  }

  setTimeoutMs(fd: number, sending: boolean, timeoutMs: number): void {
    this.#words[this.#at(fd) + (sending ? SEND_TIMEOUT_MS : RECV_TIMEOUT_MS)] = timeoutMs;
  }

  /** Whether a socket is known to have an address of its own. */
  isBound(fd: number): boolean {
    return this.#words[this.#at(fd) + BOUND] !== 0;
  }

  setBound(fd: number, bound: boolean): void {
    this.#words[this.#at(fd) + BOUND] = Number(bound);
  }

  /** How many changes there were, modulo 2^32: a close is one, a renumber is two. */
  changes(): number {
    return this.#words[0];
  }

  /**
   * The number that was closed or renumbered as change `change`, if it is known: −1 if that was
   * too long ago, or another thread is just writing it down. Its row shows the change already.
   */
  changed(change: number): number {
    if ((this.changes() - change) >>> 0 > CHANGES_LOGGED) return -1;
    const entry = Atomics.load(this.#words, LOG + (change & (CHANGES_LOGGED - 1)));
    return (entry ^ logEntry(change, 0)) >>> FD_BITS === 0 ? entry & (FDS_MAX - 1) : -1;
  }

  #log(fd: number): void {
    const change = Atomics.add(this.#words, 0, 1);
    const at = LOG + (change & (CHANGES_LOGGED - 1));
    Atomics.store(this.#words, at, logEntry(change, fd));
  }

  #at(fd: number): number {
    return this.#rows + fd * WORDS;
  }
}
