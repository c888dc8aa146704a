/** What a guest starts with: stdio, listeners and channels, in its session and its table. */
import type { ListenAddress } from '../address.js';
import { type ChannelEnd, takeChannelEnd } from '../channels.js';
import { Access, DescriptorTable, FDS_MAX, Kind, descriptorTableBytes } from '../descriptors.js';
import type { Grants } from '../grants.js';
import { checkBuffers, limitBuffers } from '../grants/buffers.js';
import type { Handle, Kernel, Session } from '../kernel/kernel.js';
import { type Listener, type SharedListener, openListener, takeListener } from '../listeners.js';
import { usageError } from '../usage.js';

/** The guest's descriptors 0, 1 and 2; listeners come next. */
export const STDIO = [Access.READ, Access.WRITE, Access.WRITE] as const;

export interface OpenOptions {
  readonly grants: Grants;
  readonly listen?: readonly (ListenAddress | SharedListener)[];
  readonly channels?: Readonly<Record<string, ChannelEnd>>;
  /** What stdout and stderr are, where they are not the host's own. */
  readonly outputEnds?: readonly Handle[];
}

/** What a guest starts with. */
export interface Opened {
  readonly session: Session;
  readonly table: SharedArrayBuffer;
  readonly listeners: readonly Listener[];
  readonly firstFd: number;
}

/** Opens them; throws a `UsageError` or a listener's error, and leaves nothing open then. */
export function openDescriptors(kernel: Kernel, options: OpenOptions): Opened {
  const { limits } = options.grants;
  const { fds } = limits;
  checkBuffers(limits);
  if (fds > FDS_MAX) throw usageError(`--max-fds ${fds}: at most ${FDS_MAX}`);
  const table = new SharedArrayBuffer(descriptorTableBytes(fds));
  const descriptors = new DescriptorTable(table, fds);
  const session = kernel.sessionOpen();
  const listeners: Listener[] = [];
  try {
    const install = (handle: number, kind: number, access: number): number => {
      if (handle >= 0) kernel.sessionAdopt(session, handle);
      const fd = descriptors.claim();
      if (fd < 0) {
        const channels = Object.keys(options.channels ?? {}).length;
        const needed = STDIO.length + (options.listen?.length ?? 0) + channels;
        throw usageError(`--max-fds ${fds}: this guest starts with ${needed} descriptors already`);
      }
      // A stream that the host has closed stays closed (handle −1), its number taken (B27).
      descriptors.open(fd, handle, kind, access, 0);
      if (kind !== Kind.STDIO) limitBuffers(kernel, handle, limits);
      return fd;
    };
    STDIO.forEach((access, fd) => {
      const handle =
        fd === 0 ? kernel.stdio(0) : (options.outputEnds?.[fd - 1] ?? kernel.stdio(fd));
      install(handle, Kind.STDIO, access);
    });
    for (const address of options.listen ?? []) {
      const shared = 'url' in address;
      const listener = shared ? takeListener(kernel, address) : openListener(kernel, address);
      listeners.push(listener);
      const access = Access.READ | Access.WRITE | (shared ? Access.SHARED : 0);
      install(listener.handle, listener.kind, access);
    }
    // A guest that was given none to wait at serves from its first wait on.
    if (!listeners.some(({ kind }) => kind === Kind.LISTENER)) descriptors.watchesListener();
    for (const [name, end] of Object.entries(options.channels ?? {})) {
      install(takeChannelEnd(name, end), Kind.CHANNEL, Access.READ | Access.WRITE);
    }
  } catch (error) {
    for (const listener of listeners) listener.remove();
    kernel.sessionClose(session);
    throw error;
  }
  return { session, table, listeners, firstFd: STDIO.length };
}
