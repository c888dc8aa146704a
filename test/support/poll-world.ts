/**
 * `poll_oneoff` without a guest: a table, a memory and several threads' worth of `Poll` over the
 * real kernel, whose calls are counted; and what `poll(2)` says of the same subscriptions.
 */
import { EPOLLERR, EPOLLHUP, EPOLLIN, EPOLLOUT, EPOLLRDHUP } from '#host/abi/epoll.js';
import { Event, Eventrwflags, Eventtype } from '#host/abi/preview1.js';
import { Access, DescriptorTable, Kind, descriptorTableBytes } from '#host/descriptors.js';
import { Errno } from '#host/errno.js';
import { DEFAULT_LIMITS, NO_GRANTS } from '#host/index.js';
import { Poll } from '#host/imports/preview1/poll.js';
import type { Handle, Kernel, Session } from '#host/kernel/kernel.js';
import { openNativeKernel } from '#host/kernel/native.js';
import { Sandbox } from '#host/sandbox.js';

import { type Happened, type Subscribed, happened, subscriptionBytes } from './structs.js';

const PAGE_BYTES = 65_536;

/** Counts the looks that are taken at rows of the table. */
class CountedTable extends DescriptorTable {
  looks = 0;

  override kind(fd: number): number {
    this.looks++;
    return super.kind(fd);
  }
}

function unexpected(): never {
  throw new Error('the sandbox has ended');
}

export class PollWorld {
  readonly kernel: Kernel;
  readonly table: CountedTable;
  readonly #real = openNativeKernel();
  readonly #session: Session;
  readonly #sandbox: Sandbox;
  readonly #out: number;
  readonly #threads: readonly Poll[];
  /** How many `epoll_ctl` there were. */
  ctls = 0;

  constructor(fdsMax: number, subscriptionsMax: number, threads = 1) {
    const real = this.#real;
    this.#session = real.sessionOpen();
    real.sessionEnter(this.#session);
    const count = (): void => {
      this.ctls++;
    };
    this.kernel = new Proxy(real, {
      get(target, name: keyof Kernel) {
        if (name === 'epollCtl') count();
        return target[name];
      },
    });
    this.table = new CountedTable(new SharedArrayBuffer(descriptorTableBytes(fdsMax)), fdsMax);
    this.#sandbox = new Sandbox({
      kernel: this.kernel,
      descriptors: this.table,
      grants: { ...NO_GRANTS, limits: DEFAULT_LIMITS },
      end: unexpected,
      report: unexpected,
    });
    this.#out = 64 + subscriptionsMax * 48;
    const initial = Math.ceil((this.#out + subscriptionsMax * Event.SIZE) / PAGE_BYTES);
    this.#sandbox.attachMemory(new WebAssembly.Memory({ initial }));
    this.#threads = Array.from({ length: threads }, () => new Poll(this.#sandbox));
  }

  /** Closes all that was opened in it. */
  end(): void {
    this.#real.sessionClose(this.#session);
  }

  /** Puts a handle in the table; its number, or −1 where there is no room. */
  install(handle: Handle, kind: number): number {
    if (handle < 0) throw new Error(`no handle: ${handle}`);
    const fd = this.table.claim();
    if (fd < 0) {
      this.kernel.close(handle);
      return -1;
    }
    this.table.open(fd, handle, kind, Access.READ | Access.WRITE, 0);
    return fd;
  }

  close(fd: number): void {
    this.#sandbox.closeDescriptor(fd);
  }

  renumber(from: number, to: number): void {
    const replaced = from === to ? -1 : this.table.renumber(from, to);
    if (replaced >= 0) this.kernel.close(replaced);
  }

  /** One call of a thread, its subscriptions at an odd address if wanted. */
  poll(list: readonly Subscribed[], thread = 0, at = 0): Happened[] {
    return this.#run(this.#threads[thread], list, at);
  }

  /** The same with nothing kept from any call before. */
  pollUncached(list: readonly Subscribed[]): Happened[] {
    return this.#run(new Poll(this.#sandbox), list, 0);
  }

  #run(poll: Poll, list: readonly Subscribed[], at: number): Happened[] {
    const { memory } = this.#sandbox;
    memory.bytes.set(subscriptionBytes(list), at);
    const n = poll.run(this.#sandbox.memory, at, this.#out, list.length);
    if (n < 0) throw new Error(`poll_oneoff failed with ${n}`);
    return inOrder(happened(memory.bytes.slice(this.#out, this.#out + n * Event.SIZE)));
  }

  /** What `poll(2)` says of each; clocks of 0 ns are due, and no others. */
  pollByItself(list: readonly Subscribed[]): Happened[] {
    return inOrder(list.flatMap((each) => this.#expected(each)));
  }

  #expected({ tag, userdata = 0n, fd = 0, timeout }: Subscribed): Happened[] {
    const event = { userdata, error: 0, type: tag, nbytes: 0, flags: 0 };
    if (tag === Eventtype.CLOCK) return timeout === 0n ? [event] : [];
    if (tag !== Eventtype.FD_READ && tag !== Eventtype.FD_WRITE) {
      return [{ ...event, error: Errno.INVAL }];
    }
    const kind = this.table.kind(fd);
    if (kind === Kind.FREE) return [{ ...event, error: Errno.BADF }];
    const handle = this.table.handle(fd);
    const asked = tag === Eventtype.FD_READ ? EPOLLIN | EPOLLRDHUP : EPOLLOUT;
    const ready = this.kernel.poll(handle, asked, 0, 0);
    if ((ready & (asked | EPOLLERR | EPOLLHUP)) === 0) return [];
    const nbytes = tag === Eventtype.FD_READ ? this.#readable(handle, kind) : 1;
    return [{ ...event, nbytes, flags: (ready & EPOLLHUP) !== 0 ? Eventrwflags.HANGUP : 0 }];
  }

  #readable(handle: Handle, kind: number): number {
    if (kind === Kind.EPOLL) return 1;
    return kind === Kind.EVENT ? 8 : Math.max(0, this.kernel.fionread(handle));
  }
}

/** By all that an event says: several may have one userdata. */
function inOrder(events: readonly Happened[]): Happened[] {
  const key = ({ userdata, type, error, nbytes, flags }: Happened): string =>
    [userdata, type, error, nbytes, flags].join(' ');
  return events.toSorted((a, b) => (key(a) < key(b) ? -1 : 1));
}
