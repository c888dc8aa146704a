/** What a guest starts with: stdio, listeners and channels, in its session and its table. */
import type { ListenAddress } from '../address.js';
import { type ChannelEnd, takeChannelEnd } from '../channels.js';
import { Access, DescriptorTable, FDS_MAX, Kind, descriptorTableBytes } from '../descriptors.js';
import type { Grants } from '../grants.js';
import type { Kernel, Session } from '../kernel/kernel.js';
import { type Listener, type SharedListener, openListener, takeListener } from '../listeners.js';
import { usageError } from '../usage.js';

/** The guest's descriptors 0, 1 and 2; listeners come next. */
const STDIO = [Access.READ, Access.WRITE, Access.WRITE] as const;

export interface OpenOptions {
  readonly grants: Grants;
  readonly listen?: readonly (ListenAddress | SharedListener)[];
  readonly channels?: Readonly<Record<string, ChannelEnd>>;
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
  const { fds } = options.grants.limits;
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
      return fd;
    };
    STDIO.forEach((access, fd) => install(kernel.stdio(fd), Kind.STDIO, access));
    for (const address of options.listen ?? []) {
      const listener =
        'url' in address ? takeListener(kernel, address) : openListener(kernel, address);
      listeners.push(listener);
      install(listener.handle, listener.kind, Access.READ | Access.WRITE);
    }
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
