/** Listeners that the host opens before a guest starts, and hands to it. */
import { unlinkSync } from 'node:fs';

import {
  AF_INET,
  AF_INET6,
  AF_UNIX,
  type ListenAddress,
  type SocketAddress,
  decodeSockaddr,
  encodeSockaddr,
  formatAddress,
  formatUrl,
} from './address.js';
import { Kind } from './descriptors.js';
import { LinuxErrno, linuxName } from './errno.js';
import { type Handle, type Kernel, SOCKADDR_BYTES } from './kernel/kernel.js';
import { openNativeKernel } from './kernel/native.js';
import { usageError } from './usage.js';

export interface Listener {
  readonly handle: Handle;
  readonly kind: number;
  readonly name?: string;
  /** `tcp://127.0.0.1:41234`, with the port that was really taken. */
  readonly url: string;
  /** Removes what the listener left in the file system. */
  readonly remove: () => void;
}

const SOCK_STREAM = 1;
const SOCK_DGRAM = 2;
const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
const SO_REUSEPORT = 15;
const IPPROTO_TCP = 6;
const TCP_NODELAY = 1;
/** The kernel cuts it to net.core.somaxconn. */
const BACKLOG = 4096;

const DOMAINS = { inet4: AF_INET, inet6: AF_INET6, unix: AF_UNIX } as const;

const ADVICE: ReadonlyMap<number, string> = new Map([
  [LinuxErrno.ADDRINUSE, 'it is in use; stop what holds it, or choose another (port 0 picks one)'],
  [LinuxErrno.ACCES, 'it is not permitted; ports below 1024 need root, choose a higher one'],
  [LinuxErrno.PERM, 'it is not permitted; choose another'],
  [LinuxErrno.ADDRNOTAVAIL, 'this machine has no such address'],
  [LinuxErrno.AFNOSUPPORT, 'this machine does not speak that address family'],
  [LinuxErrno.MFILE, 'this process has no descriptor left; raise "ulimit -n"'],
  [LinuxErrno.NOENT, 'the directory of that path does not exist'],
]);

/** An error of Node's shape: `code`, `errno`, `syscall`, `address`. */
function listenError(syscall: string, result: number, address: SocketAddress): Error {
  const code = linuxName(-result);
  const text = formatAddress(address);
  const why = ADVICE.get(-result) ?? `${syscall} failed with ${code}`;
  return Object.assign(new Error(`cannot listen on ${text}: ${why}`), {
    code,
    errno: result,
    syscall,
    address: text,
  });
}

/**
 * Opens one listener (or bound datagram socket), owned by the calling thread's session until it
 * is adopted. Throws an error of Node's shape whose message says what to do. `reusePort` sets
 * SO_REUSEPORT: others that also have it may listen on the same address (`socket(7)`).
 */
export function openListener(kernel: Kernel, listen: ListenAddress, reusePort = false): Listener {
  const { transport, address, name } = listen;
  const datagram = transport === 'udp';
  const buffer = new Uint8Array(SOCKADDR_BYTES);
  encodeSockaddr(buffer, address);
  const handle = kernel.socket(DOMAINS[address.family], datagram ? SOCK_DGRAM : SOCK_STREAM, 0);
  const check = (syscall: string, result: number): void => {
    if (result >= 0) return;
    if (handle >= 0) kernel.close(handle);
    throw listenError(syscall, result, address);
  };
  check('socket', handle);
  const one = new Uint8Array([1, 0, 0, 0]);
  if (transport === 'tcp') {
    check('setsockopt', kernel.setsockopt(handle, SOL_SOCKET, SO_REUSEADDR, one, 0, 4));
    // Accepted sockets inherit it.
    check('setsockopt', kernel.setsockopt(handle, IPPROTO_TCP, TCP_NODELAY, one, 0, 4));
  }
  if (reusePort) {
    check('setsockopt', kernel.setsockopt(handle, SOL_SOCKET, SO_REUSEPORT, one, 0, 4));
  }
  check('bind', kernel.bind(handle, buffer));
  if (!datagram) check('listen', kernel.listen(handle, BACKLOG));
  check('getsockname', kernel.getsockname(handle, buffer));
  const bound = decodeSockaddr(buffer) ?? address;
  return {
    handle,
    kind: datagram ? Kind.DATAGRAM : Kind.LISTENER,
    ...(name === undefined ? {} : { name }),
    url: formatUrl(transport, bound),
    remove: () => removePath(address),
  };
}

/** A listener that several guests take connections from, together or one after another. */
export interface SharedListener {
  /** `tcp://127.0.0.1:41234`, with the port that was really taken. */
  readonly url: string;
  readonly name?: string;
  /**
   * Closes the embedder's own hold on it and removes a unix path; guests that have it keep it.
   * Without a guest the queue of connections lives as long as the embedder holds it.
   */
  readonly close: () => void;
}

/** The shared listeners that are not closed. */
const shared = new WeakMap<SharedListener, Listener>();

/** Opens a listener to be shared; throws as `openListener` does. */
export function shareListener(listen: ListenAddress, reusePort = false): SharedListener {
  const kernel = openNativeKernel();
  return sharedOf(kernel, openListener(kernel, listen, reusePort));
}

/** Shares a listener that came from another process, which removes what it left there. */
export function adoptListener(listener: Omit<Listener, 'remove'>): SharedListener {
  return sharedOf(openNativeKernel(), { ...listener, remove: () => {} });
}

function sharedOf(kernel: Kernel, listener: Listener): SharedListener {
  const { name, url } = listener;
  const made: SharedListener = Object.freeze({
    url,
    ...(name === undefined ? {} : { name }),
    close: () => {
      if (!shared.delete(made)) return;
      kernel.close(listener.handle);
      listener.remove();
    },
  });
  shared.set(made, listener);
  return made;
}

/**
 * Gives up the embedder's own hold on a shared listener: it ends with the last guest that has it.
 * A unix path stays until `close`.
 */
export function releaseListener(share: SharedListener): void {
  const listener = shared.get(share);
  if (listener !== undefined) openNativeKernel().close(listener.handle);
}

/** A guest's own handle of a shared listener; throws a `UsageError` if that is closed. */
export function takeListener(kernel: Kernel, share: SharedListener): Listener {
  const listener = shared.get(share);
  if (listener === undefined) {
    throw usageError(`the shared listener of ${share.url} is closed; share another`);
  }
  const handle = kernel.dup(listener.handle);
  if (handle === -LinuxErrno.BADF) {
    throw usageError(`the shared listener of ${share.url} was released; share another`);
  }
  if (handle < 0) {
    const code = linuxName(-handle);
    const error = new Error(`cannot share ${share.url}: dup failed with ${code}`);
    throw Object.assign(error, { code, errno: handle, syscall: 'dup' });
  }
  // The path belongs to the share, not to any one guest.
  return { ...listener, handle, remove: () => {} };
}

function removePath(address: SocketAddress): void {
  if (address.family !== 'unix' || address.path.startsWith('\0') || address.path === '') return;
  try {
    unlinkSync(address.path);
  } catch {
    // Gone already, or not this user's to remove any more: at the end nobody can do better.
  }
}

/**
 * How a guest finds its listeners (`sd_listen_fds(3)`, and a variable for each name), the first
 * of which is descriptor `firstFd`.
 */
export function listenerEnvironment(
  listeners: readonly Listener[],
  firstFd: number,
): Record<string, string> {
  if (listeners.length === 0) return {};
  const named = listeners.flatMap(({ name }, index) =>
    name === undefined ? [] : [[`SANDPOLL_LISTEN_FD_${name}`, String(firstFd + index)]],
  );
  return {
    LISTEN_FDS: String(listeners.length),
    LISTEN_FDNAMES: listeners.map(({ name }) => name ?? 'unknown').join(':'),
    ...Object.fromEntries(named),
  };
}
