/**
 * What a guest starts with: stdio, directories, listeners and channels, in its session and its
 * table.
 */
import type { ListenAddress } from '../address.js';
import { type ChannelEnd, takeChannelEnd } from '../channels.js';
import {
  Access,
  DescriptorTable,
  FDS_MAX,
  Kind,
  NO_HANDLE,
  descriptorTableBytes,
} from '../descriptors.js';
import { type Grants, checkDirs } from '../grants.js';
import { checkBuffers, limitBuffers } from '../grants/buffers.js';
import type { Handle, Kernel, Session } from '../kernel/kernel.js';
import { type Listener, type SharedListener, openListener, takeListener } from '../listeners.js';
import { usageError } from '../usage.js';
import { directoryAccess, openDirectory } from './directories.js';
import type { OpenedStream, Streams } from './stdio.js';

/** The guest's descriptors 0, 1 and 2; directories come next, and then listeners. */
export const STDIO = [Access.READ, Access.WRITE, Access.WRITE] as const;

export interface OpenOptions {
  readonly grants: Grants;
  readonly listen?: readonly (ListenAddress | SharedListener)[];
  readonly channels?: Readonly<Record<string, ChannelEnd>>;
  /** Those of the grants, opened before: in the process of a guest, which can open none. */
  readonly directories?: readonly Handle[];
  /** What descriptors 0, 1 and 2 are, where they are not the host's own. */
  readonly streams?: Streams;
}

/** What a guest starts with. */
export interface Opened {
  readonly session: Session;
  readonly table: SharedArrayBuffer;
  readonly listeners: readonly Listener[];
  /** The first listener's descriptor. */
  readonly firstFd: number;
}

/** The host's own stream. */
function inherited(kernel: Kernel, fd: number, access: number): OpenedStream {
  return { handle: Math.max(kernel.stdio(fd), NO_HANDLE), kind: Kind.STDIO, access };
}

/** How many descriptors these options make. */
function neededFds({ grants, listen = [], channels = {} }: OpenOptions): number {
  return STDIO.length + grants.dirs.length + listen.length + Object.keys(channels).length;
}

/** Opens them; throws a `UsageError` or a listener's error, and leaves nothing open then. */
export function openDescriptors(kernel: Kernel, options: OpenOptions): Opened {
  const { limits, dirs } = options.grants;
  const { fds } = limits;
  checkBuffers(limits);
  checkDirs(dirs);
  if (fds > FDS_MAX) throw usageError(`--max-fds ${fds}: at most ${FDS_MAX}`);
  const table = new SharedArrayBuffer(descriptorTableBytes(fds));
  const descriptors = new DescriptorTable(table, fds);
  const session = kernel.sessionOpen();
  const listeners: Listener[] = [];
  try {
    const install = (handle: number, kind: number, access: number, preopen = 0): void => {
      if (handle >= 0) kernel.sessionAdopt(session, handle);
      const fd = descriptors.claim();
      if (fd < 0) {
        const needed = neededFds(options);
        throw usageError(`--max-fds ${fds}: this guest starts with ${needed} descriptors already`);
      }
      // A stream that the host has closed stays closed (no handle), its number taken (B27).
      descriptors.open(fd, handle, kind, access, 0, preopen);
    };
    const installSocket = (handle: number, kind: number, access: number): void => {
      install(handle, kind, access);
      limitBuffers(kernel, handle, limits);
    };
    STDIO.forEach((access, fd) => {
      const stream = options.streams?.[fd] ?? inherited(kernel, fd, access);
      install(stream.handle, stream.kind, stream.access);
    });
    dirs.forEach((dir, index) => {
      const handle = options.directories?.[index] ?? openDirectory(kernel, dir);
      install(handle, Kind.DIRECTORY, directoryAccess(dir), index + 1);
    });
    for (const address of options.listen ?? []) {
      const shared = 'url' in address;
      const listener = shared ? takeListener(kernel, address) : openListener(kernel, address);
      listeners.push(listener);
      const access = Access.READ | Access.WRITE | (shared ? Access.SHARED : 0);
      installSocket(listener.handle, listener.kind, access);
    }
    // A guest that was given none to wait at serves from its first wait on.
    if (!listeners.some(({ kind }) => kind === Kind.LISTENER)) descriptors.watchesListener();
    for (const [name, end] of Object.entries(options.channels ?? {})) {
      installSocket(takeChannelEnd(name, end), Kind.CHANNEL, Access.READ | Access.WRITE);
    }
  } catch (error) {
    closeOpened(kernel, { session, listeners });
    throw error;
  }
  return { session, table, listeners, firstFd: STDIO.length + dirs.length };
}

/** Closes what was opened for a guest that cannot be started after all. */
export function closeOpened(
  kernel: Kernel,
  { session, listeners }: Pick<Opened, 'session' | 'listeners'>,
): void {
  for (const listener of listeners) listener.remove();
  kernel.sessionClose(session);
}
