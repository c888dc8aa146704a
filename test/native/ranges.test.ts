import { describe, expect, test } from 'vitest';

import { KERNEL_CALLS } from '#host/kernel/calls.js';
import { type Kernel, SOCKADDR_BYTES } from '#host/kernel/kernel.js';
import { openNativeKernel } from '#host/kernel/native.js';

import {
  EAGAIN,
  EBADF,
  EFAULT,
  EINVAL,
  EPOLLIN,
  EPOLL_CTL_ADD,
  connection,
  loopback,
  ok,
} from './sockets.js';

const kernel = openNativeKernel();
const PAGE = 65_536;

const memories: Record<string, () => Uint8Array> = {
  'an ArrayBuffer': () => new Uint8Array(PAGE),
  'a wasm memory': () => new Uint8Array(new WebAssembly.Memory({ initial: 1 }).buffer),
  'a SharedArrayBuffer': () => new Uint8Array(new SharedArrayBuffer(PAGE)),
  'a shared wasm memory': () =>
    new Uint8Array(new WebAssembly.Memory({ initial: 1, maximum: 4, shared: true }).buffer),
  'the middle of a buffer': () => new Uint8Array(new ArrayBuffer(3 * PAGE), PAGE, PAGE),
};

describe.each(Object.keys(memories))('over %s', (name) => {
  const bytes = memories[name]();
  const { near, far } = connection(kernel);
  const epoll = ok(kernel.epollCreate1(0));
  const event = ok(kernel.eventfd(1, 0));

  test('bytes go out and come in', () => {
    bytes.set([1, 2, 3, 4, 5], 100);
    expect(kernel.send(near, bytes, 100, 5, 0)).toBe(5);
    expect(kernel.poll(far, EPOLLIN, 5, 0)).toBe(EPOLLIN);
    expect(kernel.fionread(far)).toBe(5);
    expect(kernel.recv(far, bytes, PAGE - 5, 5, 0)).toBe(5);
    expect(Array.from(bytes.subarray(-5))).toEqual([1, 2, 3, 4, 5]);
  });

  test('B2 a range may end where the memory ends, and no byte later', () => {
    expect(kernel.recv(far, bytes, PAGE - 8, 8, 0)).toBe(EAGAIN);
    expect(kernel.recv(far, bytes, PAGE - 8, 9, 0)).toBe(EFAULT);
    expect(kernel.recv(far, bytes, PAGE + 1, 0, 0)).toBe(EFAULT);
    expect(kernel.send(near, bytes, PAGE, 0, 0)).toBe(0);
    expect(kernel.send(near, bytes, PAGE, 1, 0)).toBe(EFAULT);
  });

  test.each([
    ['B3', 2 ** 31, 1],
    ['B3', -1, 1],
    ['B3', 0, -1],
    ['B4', 2 ** 32 - 4, 8],
    ['B4', 2 ** 32, 1],
    ['B4', 1, 2 ** 32 - 1],
    ['B4', 2 ** 53, 2 ** 53],
  ])('%s offset %d, length %d is EFAULT wherever a range is taken', (_number, offset, length) => {
    expect(kernel.recv(far, bytes, offset, length, 0)).toBe(EFAULT);
    expect(kernel.send(near, bytes, offset, length, 0)).toBe(EFAULT);
    expect(kernel.read(event, bytes, offset, length)).toBe(EFAULT);
    expect(kernel.write(event, bytes, offset, length)).toBe(EFAULT);
    expect(kernel.getrandom(bytes, offset, length)).toBe(EFAULT);
    expect(kernel.getsockopt(near, 1, 4, bytes, offset, length)).toBe(EFAULT);
    expect(kernel.setsockopt(near, 1, 9, bytes, offset, length)).toBe(EFAULT);
  });

  test('B8 a clock straddling the end writes nothing', () => {
    bytes.fill(0xee);
    expect(kernel.clockGettime(1, bytes, PAGE - 7)).toBe(EFAULT);
    expect(kernel.clockGetres(1, bytes, PAGE - 7)).toBe(EFAULT);
    expect(bytes.every((byte) => byte === 0xee)).toBe(true);
    expect(kernel.clockGettime(1, bytes, PAGE - 8)).toBe(0);
  });

  test('B5 B66 maxevents is checked as Linux checks it, its range to the last byte', () => {
    for (const maxevents of [0, -1, -(2 ** 31), 2 ** 31, 178_956_971]) {
      expect(kernel.epollPwait(epoll, bytes, 0, maxevents, 0)).toBe(EINVAL);
      expect(kernel.epollPwait2(epoll, bytes, 0, maxevents, 0, 0)).toBe(EINVAL);
    }
    expect(kernel.epollPwait(epoll, bytes, 0, PAGE / 16, 0)).toBe(0);
    expect(kernel.epollPwait(epoll, bytes, 1, PAGE / 16, 0)).toBe(EFAULT);
    expect(kernel.epollPwait(epoll, bytes, 16, PAGE / 16 - 1, 0)).toBe(0);
    expect(kernel.epollPwait(epoll, bytes, 16, 100_000_000, 0)).toBe(EFAULT);
    expect(kernel.epollPwait(epoll, bytes, PAGE - 15, 1, 0)).toBe(EFAULT);
    expect(kernel.epollPwait2(epoll, bytes, PAGE - 15, 1, 0, 0)).toBe(EFAULT);
  });

  test('B9 B68 events land at any address, 16 bytes each, data to the last bit', () => {
    kernel.epollCtl(epoll, EPOLL_CTL_ADD, event, EPOLLIN, 0xfedcba98, 0x89abcdef);
    kernel.epollCtl(epoll, EPOLL_CTL_ADD, near, 4, 0x01020304, 0xffffffff);
    for (let misaligned = 0; misaligned < 8; misaligned++) {
      bytes.fill(0xee);
      expect(kernel.epollPwait(epoll, bytes, misaligned, 8, 0)).toBe(2);
      const view = new DataView(bytes.buffer, bytes.byteOffset + misaligned);
      const records = [0, 16].map((at) => [
        view.getUint32(at, true),
        view.getUint32(at + 4, true),
        view.getUint32(at + 8, true),
        view.getUint32(at + 12, true),
      ]);
      expect(records.toSorted((a, b) => a[0] - b[0])).toEqual([
        [1, 0, 0xfedcba98, 0x89abcdef],
        [4, 0, 0x01020304, 0xffffffff],
      ]);
      expect(bytes[misaligned + 32]).toBe(0xee);
    }
  });

  test('B11 B13 vectors: pairwise checked, 1,024 at most, overlaps allowed', () => {
    const all = new Uint32Array(2 * 1025).fill(0);
    expect(kernel.writev(near, bytes, all, 1024)).toBe(0);
    expect(kernel.writev(near, bytes, all, 1025)).toBe(EINVAL);
    expect(kernel.writev(near, bytes, all, -1)).toBe(EINVAL);
    expect(kernel.writev(near, bytes, all, 2 ** 32 - 1)).toBe(EINVAL);
    expect(kernel.writev(near, bytes, new Uint32Array(2), 2)).toBe(EFAULT);
    expect(kernel.writev(near, bytes, new Uint32Array([0, 1, PAGE - 1, 2]), 2)).toBe(EFAULT);
    expect(kernel.writev(near, bytes, new Uint32Array([0, 1, 2 ** 32 - 1, 2]), 2)).toBe(EFAULT);
    const told = new ArrayBuffer(4);
    expect(kernel.recvmsg(far, bytes, new Uint32Array([PAGE, 1]), 1, 0, null, told)).toBe(EFAULT);
    expect(kernel.recvmsg(far, bytes, new Uint32Array([0, 1]), 1, 0, null, told.slice(1))).toBe(
      EFAULT,
    );
    bytes.set([7, 8, 9]);
    expect(kernel.writev(near, bytes, new Uint32Array([0, 2, 1, 2]), 2)).toBe(4);
    kernel.poll(far, EPOLLIN, 5, 0);
    expect(kernel.readv(far, bytes, new Uint32Array([50, 0, 50, 3, 60, 9]), 3)).toBe(4);
    expect([bytes[50], bytes[51], bytes[52], bytes[60]]).toEqual([7, 8, 8, 9]);
  });

  test('B14 a vector whose lengths add up to 4 GiB and more moves what there is', () => {
    const big = new Uint32Array(2 * 1024);
    for (let at = 0; at < 1024; at++) big[2 * at + 1] = PAGE;
    kernel.send(near, bytes, 0, 3, 0);
    kernel.poll(far, EPOLLIN, 5, 0);
    expect(kernel.readv(far, bytes, big, 1024)).toBe(3);
  });

  test('B1 an empty range at the end of memory is a range', () => {
    expect(kernel.getrandom(bytes, PAGE, 0)).toBe(0);
    expect(kernel.getrandom(bytes, PAGE, 1)).toBe(EFAULT);
  });
});

test('a detached memory is empty', () => {
  const memory = new WebAssembly.Memory({ initial: 1 });
  const stale = new Uint8Array(memory.buffer);
  memory.grow(1);
  expect(kernel.getrandom(stale, 0, 1)).toBe(EFAULT);
  expect(kernel.getrandom(stale, 0, 0)).toBe(0);
});

test('an address must be whole: 132 bytes, and say no more than it holds', () => {
  const { near } = connection(kernel);
  const address = loopback();
  expect(kernel.getsockname(near, address.subarray(1))).toBe(EINVAL);
  new DataView(address.buffer).setUint32(0, 129, true);
  expect(kernel.connect(near, address)).toBe(EINVAL);
  expect(kernel.connect(near, new Uint8Array(SOCKADDR_BYTES))).toBe(EINVAL);
  expect(kernel.getsockname(near, address)).toBe(0);
  expect(new DataView(address.buffer).getUint32(0, true)).toBe(16);
});

test('an ArrayBuffer is read and written as a view of it is, range checks included', () => {
  const buffer = new ArrayBuffer(16);
  const bytes = new Uint8Array(buffer);
  expect(kernel.getrandom(buffer, 4, 12)).toBe(0);
  expect(bytes.subarray(0, 4)).toEqual(new Uint8Array(4));
  expect(bytes.subarray(4).some((byte) => byte !== 0)).toBe(true);
  expect(kernel.getrandom(buffer, 4, 13)).toBe(EFAULT);
  structuredClone(buffer, { transfer: [buffer] });
  expect(kernel.getrandom(buffer, 0, 1)).toBe(EFAULT);
});

test('arguments of a wrong type are EINVAL in every call, and nothing is thrown', () => {
  const wrong: Record<string, unknown> = {
    undefined,
    null: null,
    string: 'x',
    bigint: 1n,
    object: {},
    array: [],
    symbol: Symbol('x'),
    floats: new Float64Array(4),
    view: new DataView(new ArrayBuffer(8)),
    buffer: new ArrayBuffer(8),
  };
  for (const [name, parameters] of Object.entries(KERNEL_CALLS)) {
    const call = kernel[name as keyof Kernel] as (...given: unknown[]) => number;
    for (const [type, value] of Object.entries(wrong)) {
      for (const [at, kind] of Object.values(parameters).entries()) {
        if (kind === 'address' && value === null) continue;
        if (kind === 'bytes' && type === 'buffer') continue;
        const given = Object.values(parameters).map((right) => argument(right));
        given[at] = value;
        expect([name, at, type, call(...given)]).toEqual([name, at, type, EINVAL]);
      }
    }
    if (Object.keys(parameters).length > 0) expect(call()).toBe(EINVAL);
  }
});

test('B23 a handle that is none is EBADF in every call that takes one', () => {
  for (const [name, parameters] of Object.entries(KERNEL_CALLS)) {
    const call = kernel[name as keyof Kernel] as (...given: unknown[]) => number;
    const kinds: readonly string[] = Object.values(parameters);
    if (!kinds.includes('handle') || name === 'sessionAdopt') continue;
    for (const handle of [-1, 0, 3, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1]) {
      const given = kinds.map((kind) => (kind === 'handle' ? handle : argument(kind)));
      expect([name, handle, call(...given)]).toEqual([name, handle, EBADF]);
    }
  }
});

/** An argument of the right kind that does no harm: with it the calls get as far as the handle. */
function argument(kind: string): unknown {
  if (kind === 'bytes') return new Uint8Array(256);
  if (kind === 'operations') return new Uint32Array([-1, 0, 0, 1]);
  if (kind === 'iovs') return new Uint32Array([0, 1]);
  if (kind === 'address') return loopback();
  return kind === 'handle' ? -1 : 1;
}
