/**
 * One guest's world: its kernel, descriptors, grants, memory and limits. Imports reach the
 * outside through it and nothing else.
 */
import { TIMES_BYTES } from './abi/files.js';
import { GuestMemory } from './abi/memory.js';
import { AF_UNIX, type Transport, sockaddrFamily } from './address.js';
import { type DescriptorTable, Kind } from './descriptors.js';
import { Errno, LinuxErrno } from './errno.js';
import type { Grants } from './grants.js';
import { AllowedAddresses } from './grants/allowed.js';
import { type AddressUse, denialText, judge } from './grants/judge.js';
import { type Handle, type Kernel, SOCKADDR_BYTES, STATUS_BYTES } from './kernel/kernel.js';
import type { Outcome } from './trap.js';

const SOL_SOCKET = 1;
const SO_ERROR = 4;
/** The largest option value that passes: a `struct ipv6_mreq`. */
const OPTION_BYTES = 20;
/** Denials that are told of; a guest that goes on trying is denied in silence. */
const DENIALS_MAX = 64;

export interface SandboxOptions {
  readonly kernel: Kernel;
  readonly descriptors: DescriptorTable;
  readonly grants: Grants;
  /** Ends the guest's thread at once; it does not return. */
  readonly end: (outcome: Outcome) => never;
  /** Says one line to whoever runs the guest. */
  readonly report: (line: string) => void;
  /** Starts one more thread of the guest: its number, or minus a WASI errno. */
  readonly spawnThread?: (startArg: number) => number;
  /** Called when the guest waits at a listener for the first time: it serves from here on. */
  readonly ready?: () => void;
}

export class Sandbox {
  readonly kernel: Kernel;
  readonly descriptors: DescriptorTable;
  readonly grants: Grants;
  readonly end: (outcome: Outcome) => never;
  readonly report: (line: string) => void;
  readonly spawnThread: (startArg: number) => number;
  readonly #ready: () => void;
  /** Empty until the instance has one: calls from a start function see no memory. */
  memory = new GuestMemory(new WebAssembly.Memory({ initial: 0 }));
  /** Where this thread's socket addresses are built and read. */
  readonly address = new Uint8Array(SOCKADDR_BYTES);
  /** The same bytes, for the kernel port, which looks into a buffer sooner than into a view. */
  readonly addressBuffer = this.address.buffer;
  /** And as words: the length, then the address. */
  readonly addressWords = new Int32Array(this.addressBuffer);
  /** Where the values of socket options are built and read. */
  readonly option = new Uint8Array(OPTION_BYTES);
  /** Linux's msg_flags of the last `recvmsg(2)`. */
  readonly told = new ArrayBuffer(4);
  readonly toldFlags = new Uint32Array(this.told);
  /** Where the kernel port writes the `Status` of a file. */
  readonly status = new Uint8Array(STATUS_BYTES);
  readonly statusView = new DataView(this.status.buffer);
  /** Where the times that a file is to have are built. */
  readonly times = new Uint8Array(TIMES_BYTES);
  readonly timesView = new DataView(this.times.buffer);
  readonly #allowed = new AllowedAddresses();
  readonly #denied = new Set<string>();
  readonly #leaving: (() => void)[] = [];

  constructor(options: SandboxOptions) {
    this.kernel = options.kernel;
    this.descriptors = options.descriptors;
    this.grants = options.grants;
    this.end = options.end;
    this.report = options.report;
    this.spawnThread = options.spawnThread ?? (() => -Errno.AGAIN);
    this.#ready = options.ready ?? (() => {});
  }

  /** Has `action` run when this thread leaves the guest while others go on. */
  whenLeaving(action: () => void): void {
    this.#leaving.push(action);
  }

  /** This thread has ended, and others go on: frees what it alone had. */
  leave(): void {
    for (const action of this.#leaving) action();
  }

  /** To be called before every wait for descriptors. */
  beforeWait(): void {
    if (this.descriptors.beginsServing()) this.#ready();
  }

  /**
   * Whether there may be `more` connections: 0, or `-EMFILE`, which is told of once. Threads that
   * ask at the same moment may each get one.
   */
  permitConnections(more: number): number {
    const { connections } = this.grants.limits;
    if (this.descriptors.connections() + more <= connections) return 0;
    this.deny(`connections: ${connections} are open; allow more with --max-connections`);
    return -LinuxErrno.MFILE;
  }

  /** Claims a descriptor's number (`descriptors.claim`); `-EMFILE` is told of once. */
  claimDescriptor(): number {
    const claimed = this.descriptors.claim();
    if (claimed >= 0) return claimed;
    this.deny(`descriptors: ${this.descriptors.fdsMax} are open; allow more with --max-fds`);
    return claimed;
  }

  attachMemory(memory: WebAssembly.Memory): void {
    this.memory = new GuestMemory(memory);
  }

  /**
   * Waits until a handle is ready, on behalf of a blocking descriptor: kernel sockets never
   * block by themselves. `timeoutMs` 0 waits for ever. Returns what `poll(2)` reports, `-EAGAIN`
   * after the time-out, `-EINTR` when woken.
   */
  waitReady(handle: Handle, events: number, timeoutMs: number): number {
    this.beforeWait();
    const seconds = timeoutMs > 0 ? Math.floor(timeoutMs / 1000) : -1;
    const ready = this.kernel.poll(handle, events, seconds, (timeoutMs % 1000) * 1_000_000);
    return ready === 0 ? -LinuxErrno.AGAIN : ready;
  }

  /** SO_ERROR of a handle, read and cleared: 0 or a Linux errno, or minus why it has none. */
  socketError(handle: Handle): number {
    const result = this.kernel.getsockopt(handle, SOL_SOCKET, SO_ERROR, this.option, 0, 4);
    return result < 0 ? result : this.option[0];
  }

  /** Closes a guest's descriptor; `-EBADF` if it is not open. */
  closeDescriptor(fd: number): number {
    const handle = this.descriptors.close(fd);
    return handle === -LinuxErrno.BADF ? handle : this.kernel.close(handle);
  }

  /**
   * Whether the grants allow `use` of the address in `this.address` by a socket of this kind;
   * `-EACCES` if not, and the flag that would grant it is reported, once for each text.
   */
  permit(use: AddressUse, kind: number): number {
    const transport = this.#transport(kind);
    if (judge(this.grants.net, use, transport, this.address)) return 0;
    // A guest that tries many addresses must not fill memory or a terminal.
    if (this.#denied.size >= DENIALS_MAX) return -LinuxErrno.ACCES;
    return this.deny(denialText(use, transport, this.address, this.grants.net));
  }

  /** Reports what is denied and the flag that would grant it, once for each text; `-EACCES`. */
  deny(text: string): number {
    if (this.#denied.size < DENIALS_MAX && !this.#denied.has(text)) {
      this.#denied.add(text);
      this.report(text);
    }
    return -LinuxErrno.ACCES;
  }

  /** `permit` for the peer of each datagram, by a datagram socket. */
  permitDatagram(): number {
    if (this.#allowed.has(this.addressWords)) return 0;
    const permitted = this.permit('send', Kind.DATAGRAM);
    // A unix path is longer than its length says in words, and judged each time.
    if (permitted === 0 && sockaddrFamily(this.address) !== AF_UNIX) {
      this.#allowed.add(this.addressWords);
    }
    return permitted;
  }

  #transport(kind: number): Transport {
    if (sockaddrFamily(this.address) === AF_UNIX) return 'unix';
    return kind === Kind.DATAGRAM ? 'udp' : 'tcp';
  }
}
