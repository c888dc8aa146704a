/** Loopback sockets through the addon, and what this process has open. */
import { readdirSync, readlinkSync } from 'node:fs';

import { SOCKADDR_BYTES, type Handle, type Kernel } from '#host/kernel/kernel.js';

export const AF_INET = 2;
export const SOCK_STREAM = 1;
export const SOCK_DGRAM = 2;
export const EPOLLIN = 1;
export const EPOLLOUT = 4;
export const [EPOLL_CTL_ADD, EPOLL_CTL_DEL, EPOLL_CTL_MOD] = [1, 2, 3];

export const EINTR = -4;
export const EBADF = -9;
export const EAGAIN = -11;
export const EFAULT = -14;
export const EINVAL = -22;
export const EPIPE = -32;
export const ESRCH = -3;

/** 127.0.0.1 at `port`; 0 asks for a free one. */
export function loopback(port = 0): Uint8Array {
  const address = new Uint8Array(SOCKADDR_BYTES);
  const view = new DataView(address.buffer);
  view.setUint32(0, 16, true);
  view.setUint16(4, AF_INET, true);
  view.setUint16(6, port);
  address.set([127, 0, 0, 1], 8);
  return address;
}

export function portOf(address: Uint8Array): number {
  return new DataView(address.buffer).getUint16(6);
}

/** The result, which must not be an error. */
export function ok(result: number): number {
  if (result < 0) throw new Error(`the call failed with errno ${-result}`);
  return result;
}

export function listener(kernel: Kernel): { handle: Handle; address: Uint8Array } {
  const handle = ok(kernel.socket(AF_INET, SOCK_STREAM, 0));
  const address = loopback();
  ok(kernel.bind(handle, address));
  ok(kernel.listen(handle, 128));
  ok(kernel.getsockname(handle, address));
  return { handle, address };
}

/** Two ends of one TCP connection. */
export function connection(kernel: Kernel): { near: Handle; far: Handle } {
  const { handle, address } = listener(kernel);
  const near = ok(kernel.socket(AF_INET, SOCK_STREAM, 0));
  kernel.connect(near, address);
  ok(kernel.poll(handle, EPOLLIN, 5, 0));
  const far = ok(kernel.accept4(handle, address));
  kernel.close(handle);
  return { near, far };
}

/** The sockets this process has open, as `number target`. */
export function openSockets(): string[] {
  const targets = readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      return [`${fd} ${readlinkSync(`/proc/self/fd/${fd}`)}`];
    } catch {
      return []; // The descriptor that was reading the directory.
    }
  });
  return targets.filter((target) => target.includes('socket:')).toSorted();
}
