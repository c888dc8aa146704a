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
import { Kind } from './kinds.js';

export { Access, Kind } from './kinds.js';

/**
 * In place of a kind, while a row is moved or changes its kind: look-ups wait for the few
 * instructions that it takes, and so does who would change it too.
 */
const CHANGING = -1;

const WORDS = 11;
const HANDLE = 0;
const KIND = 1;
const ACCESS = 2;
const FDFLAGS = 3;
const RIGHTS_BASE = 4;
const RIGHTS_INHERITING = 5;
const RECV_TIMEOUT_MS = 6;
const SEND_TIMEOUT_MS = 7;
/** The handle that is known to be bound; 0 for none. */
const BOUND = 8;
/** Which granted directory this is, counted from 1; 0 for anything else. */
const PREOPEN = 9;
/** Counts what the row has held; raised before what it holds next is written. */
const VERSION = 10;

/** In place of a handle: whether this socket is bound is to be asked each time. */
const UNCERTAIN = -1;

/** How many of the last changes the log keeps: more than one wait's events can lead to. */
export const CHANGES_LOGGED = 4096;

/** Words at the head of the buffer: three counters and states, and the log of changes, a ring. */
const CHANGES = 0;
const CONNECTIONS = 1;
const SERVING = 2;
const LOG = 3;

/** How far a guest has got: to no listener yet, to watching one, to waiting there. */
const Serving = { NO: 0, WATCHES: 1, WAITS: 2 } as const;

/** Whether descriptors of this kind are connections, which have a limit of their own. */
function isConnection(kind: number): boolean {
  return kind === Kind.STREAM || kind === Kind.SEQPACKET;
}

const HEAD = LOG + CHANGES_LOGGED;
const BITS = 32;

const FD_BITS = 20;
/** The largest table: a guest number stays far from 2^31 (B31). */
export const FDS_MAX = 1 << FD_BITS;

/** In place of a handle: a standard stream that the host has closed. */
export const NO_HANDLE = -1;

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
  /** What `kind` saw last. */
  #seenFd = -1;
  #seenHandle: Handle = -1;
  #seenKind: number = Kind.FREE;
  #seenAccess = 0;

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

  /** Opens a number that was claimed; `preopen` counts granted directories from 1. */
  open(
    fd: number,
    handle: Handle,
    kind: number,
    access: number,
    fdflags: number,
    preopen = 0,
  ): void {
    const at = this.#at(fd);
    const words = this.#words;
    this.#forget(fd);
    Atomics.add(words, at + VERSION, 1);
    words[at + HANDLE] = handle;
    words[at + ACCESS] = access;
    words[at + FDFLAGS] = fdflags;
    words[at + RIGHTS_BASE] = -1;
    words[at + RIGHTS_INHERITING] = -1;
    words[at + RECV_TIMEOUT_MS] = 0;
    words[at + SEND_TIMEOUT_MS] = 0;
    words[at + BOUND] = 0;
    words[at + PREOPEN] = preopen;
    if (isConnection(kind)) Atomics.add(words, CONNECTIONS, 1);
    Atomics.store(words, at + KIND, kind);
  }

  /** Gives back a number that was claimed and never opened. */
  abandon(fd: number): void {
    Atomics.and(this.#words, HEAD + Math.floor(fd / BITS), ~(1 << (fd % BITS)));
  }

  /**
   * Closes a number; returns the handle it held (it may be `NO_HANDLE`), which the caller closes,
   * or `-EBADF`.
   */
  close(fd: number): Handle | number {
    const kind = this.#beginChange(fd);
    if (kind === Kind.FREE) return -LinuxErrno.BADF;
    const at = this.#at(fd);
    const handle = this.#words[at + HANDLE];
    this.#forget(fd);
    Atomics.store(this.#words, at + KIND, Kind.FREE);
    if (isConnection(kind)) Atomics.sub(this.#words, CONNECTIONS, 1);
    this.#log(fd);
    this.abandon(fd);
    return handle;
  }

  /**
   * Moves `from` to `to`, which must both be open; returns what `close` of `to` would, or `-EBADF`
   * and nothing was moved. Callers treat `from === to` themselves.
   */
  renumber(from: number, to: number): Handle | number {
    const words = this.#words;
    // Always the lower one first: two threads that swap cannot wait for each other.
    const first = Math.min(from >>> 0, to >>> 0);
    const second = Math.max(from >>> 0, to >>> 0);
    const firstKind = this.#beginChange(first);
    if (firstKind === Kind.FREE) return -LinuxErrno.BADF;
    const secondKind = this.#beginChange(second);
    if (secondKind === Kind.FREE) {
      Atomics.store(words, this.#at(first) + KIND, firstKind);
      return -LinuxErrno.BADF;
    }
    this.#forget(from);
    this.#forget(to);
    const source = this.#at(from);
    const target = this.#at(to);
    const replaced = words[target + HANDLE];
    Atomics.add(words, target + VERSION, 1);
    words[target + HANDLE] = words[source + HANDLE];
    words.copyWithin(target + ACCESS, source + ACCESS, source + VERSION);
    Atomics.store(words, target + KIND, first === from ? firstKind : secondKind);
    Atomics.store(words, source + KIND, Kind.FREE);
    if (isConnection(first === from ? secondKind : firstKind)) Atomics.sub(words, CONNECTIONS, 1);
    this.#log(from);
    this.#log(to);
    this.abandon(from);
    return replaced;
  }

  /**
   * The kind of an open descriptor, FREE for any other number, however odd. From here to the next
   * look, `handle`, `access` and `seenKind` tell of the same object, whatever other threads do to
   * the number: what was judged is what is used.
   */
  kind(fd: number): number {
    if (fd >>> 0 >= this.fdsMax) return Kind.FREE;
    const words = this.#words;
    const at = this.#at(fd);
    let version = words[at + VERSION];
    let kind = words[at + KIND];
    let handle = words[at + HANDLE];
    let access = words[at + ACCESS];
    while (words[at + VERSION] !== version || kind === CHANGING) {
      version = Atomics.load(words, at + VERSION);
      kind = Atomics.load(words, at + KIND);
      handle = words[at + HANDLE];
      access = words[at + ACCESS];
    }
    this.#seenFd = fd;
    this.#seenHandle = handle;
    this.#seenKind = kind;
    this.#seenAccess = access;
    return kind;
  }

  /** The kind that `kind` has shown a descriptor to be. */
  seenKind(fd: number): number {
    return fd === this.#seenFd ? this.#seenKind : this.kind(fd);
  }

  /**
   * The handle of a non-blocking descriptor of this kind, −1 for anything else: one look for the
   * busiest calls.
   */
  eager(fd: number, kind: number): Handle {
    if (fd >>> 0 >= this.fdsMax) return -1;
    const words = this.#words;
    const at = this.#at(fd);
    const version = words[at + VERSION];
    const eager = words[at + KIND] === kind && (words[at + FDFLAGS] & Fdflags.NONBLOCK) !== 0;
    const handle = words[at + HANDLE];
    return eager && words[at + VERSION] === version ? handle : -1;
  }

  /**
   * How many numbers are open, and how many of them are connections. A supervisor may ask, and it
   * waits for no row: a thread that is ended in the middle of a change leaves one so for ever.
   */
  count(): { readonly open: number; readonly connections: number } {
    const words = this.#words;
    let open = 0;
    for (let index = HEAD; index < this.#rows; index++) {
      let taken = words[index];
      for (let fd = (index - HEAD) * BITS; taken !== 0; fd++, taken >>>= 1) {
        if ((taken & 1) !== 0 && Atomics.load(words, this.#at(fd) + KIND) !== Kind.FREE) open++;
      }
    }
    return { open, connections: this.connections() };
  }

  /** The handle of a descriptor that `kind` has shown to be open. */
  handle(fd: number): Handle {
    return fd === this.#seenFd ? this.#seenHandle : this.#words[this.#at(fd) + HANDLE];
  }

  access(fd: number): number {
    return fd === this.#seenFd ? this.#seenAccess : this.#words[this.#at(fd) + ACCESS];
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

  /** A stream, which `kind` has seen, becomes a listener at `listen(2)`, if it is still there. */
  setKind(fd: number, kind: number): void {
    const words = this.#words;
    const at = this.#at(fd);
    const before = this.#beginChange(fd);
    if (before === Kind.FREE) return;
    const same = words[at + HANDLE] === this.handle(fd);
    Atomics.store(words, at + KIND, same ? kind : before);
    const change = Number(isConnection(kind)) - Number(isConnection(before));
    if (same && change !== 0) Atomics.add(words, CONNECTIONS, change);
  }

  /** How many connections are open: streams, and sockets that may become one. */
  connections(): number {
    return this.#words[CONNECTIONS];
  }

  /** The guest watches a listener, or there is none: its next wait is the one it serves from. */
  watchesListener(): void {
    if (this.#words[SERVING] !== Serving.NO) return;
    Atomics.compareExchange(this.#words, SERVING, Serving.NO, Serving.WATCHES);
  }

  /** Whether the wait that begins is the first since then: true once, in one thread. */
  beginsServing(): boolean {
    if (this.#words[SERVING] !== Serving.WATCHES) return false;
    const { WATCHES, WAITS } = Serving;
    return Atomics.compareExchange(this.#words, SERVING, WATCHES, WAITS) === WATCHES;
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

  /** Which granted directory a descriptor is, counted from 1; 0 for anything else. */
  preopen(fd: number): number {
    return this.#words[this.#at(fd) + PREOPEN];
  }

  /** Whether a socket is known to have an address of its own. */
  isBound(fd: number): boolean {
    return this.#words[this.#at(fd) + BOUND] === this.handle(fd);
  }

  /** From here on the socket that `kind` has seen is known to be bound. */
  setBound(fd: number): void {
    // By its handle: if another took its number meanwhile, that one is not meant.
    Atomics.compareExchange(this.#words, this.#at(fd) + BOUND, 0, this.handle(fd));
  }

  /** The socket may lose its address: from here on nothing is known of it. */
  forgetBound(fd: number): void {
    Atomics.store(this.#words, this.#at(fd) + BOUND, UNCERTAIN);
  }

  /** How many changes there were, modulo 2^32: a close is one, a renumber is two. */
  changes(): number {
    return this.#words[CHANGES];
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

  /** What this thread itself changes is to be looked at anew. */
  #forget(fd: number): void {
    if (fd === this.#seenFd) this.#seenFd = -1;
  }

  /** Keeps others from a row that is open, and answers what it was; FREE if it is not open. */
  #beginChange(fd: number): number {
    if (fd >>> 0 >= this.fdsMax) return Kind.FREE;
    const at = this.#at(fd) + KIND;
    for (;;) {
      const kind = Atomics.load(this.#words, at);
      if (kind === Kind.FREE) return kind;
      if (kind === CHANGING) continue;
      if (Atomics.compareExchange(this.#words, at, kind, CHANGING) === kind) return kind;
    }
  }

  #log(fd: number): void {
    const change = Atomics.add(this.#words, CHANGES, 1);
    const at = LOG + (change & (CHANGES_LOGGED - 1));
    Atomics.store(this.#words, at, logEntry(change, fd));
  }

  #at(fd: number): number {
    return this.#rows + fd * WORDS;
  }
}
