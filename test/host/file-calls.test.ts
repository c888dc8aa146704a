/** What the calls on files and directories ask of the kernel. */
import {
  constants,
  existsSync,
  linkSync,
  mkdtempSync,
  rmSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { Advice } from '#host/abi/preview1.js';
import { Access, Kind } from '#host/descriptors.js';
import type { Kernel } from '#host/kernel/kernel.js';
import { openNativeKernel } from '#host/kernel/native.js';
import { wrapKernel } from '#host/kernel/wrap.js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { entriesIn } from '../support/directory-guest.js';
import { withFiles } from '../support/files.js';
import { type InThread, inThread } from '../support/in-thread.js';

const ENTRIES = 100_000;
/** Names of one file: a file system may allow 65,000. */
const NAMES_OF_FILE = 50_000;
const [BUF, OUT] = [0x1000, 0];
/** What Linux writes for one of the names. */
const RECORD_BYTES = 32;

const MODULE = 'wasi_snapshot_preview1';

interface Asked {
  calls: number;
  /** What `getdents64` has given. */
  bytes: number;
}

/** Each name is as long as any other: an entry of the guest's is 30 bytes, one of Linux's 32. */
const nameOf = (index: number): string => `f${String(index).padStart(5, '0')}`;

function makeDirectory(): string {
  const memory = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();
  const folder = mkdtempSync(join(memory, 'sandpoll-readdir-'));
  for (let index = 0; index < ENTRIES; index++) {
    const first = index - (index % NAMES_OF_FILE);
    if (index === first) writeFileSync(join(folder, nameOf(index)), '');
    else linkSync(join(folder, nameOf(first)), join(folder, nameOf(index)));
  }
  return folder;
}

function counting(kernel: Kernel, asked: Asked): Kernel {
  return wrapKernel(kernel, (name, _args, call) => {
    const result = call();
    asked.calls++;
    if (name === 'getdents64') asked.bytes += result;
    return result;
  });
}

describe('a directory of 100,000 names', () => {
  let folder: string;
  const asked: Asked = { calls: 0, bytes: 0 };
  let world: InThread;
  let fd: number;

  beforeAll(() => {
    folder = makeDirectory();
    const kernel = counting(openNativeKernel(), asked);
    world = inThread(kernel);
    const { descriptors } = world.sandbox;
    const handle = kernel.openDirectory(new TextEncoder().encode(folder));
    fd = descriptors.claim();
    descriptors.open(fd, handle, Kind.DIRECTORY, Access.READ, 0);
  });

  afterAll(() => {
    world.close();
    for (let index = 0; index < ENTRIES; index++) unlinkSync(join(folder, nameOf(index)));
    rmSync(folder, { recursive: true });
  });

  function readdir(length: number, cookie: bigint): Uint8Array {
    const errno = world.call(MODULE, 'fd_readdir', fd, BUF, length, cookie, OUT);
    expect(errno).toBe(0);
    return world.memory.bytes.slice(BUF, BUF + world.memory.view.getUint32(OUT, true));
  }

  test.each([
    [512, 6],
    [4096, 1.6],
    [1_000_000, 1.2],
  ])('B54: is listed whole through %d bytes, each name read %d times at most', (length, times) => {
    Object.assign(asked, { calls: 0, bytes: 0 });
    const names = new Set<string>();
    let calls = 0;
    let count = 0;
    // A field, not a variable: of BigInts that a loop joins, Node 20's compiler dies.
    const next = { cookie: 0n };
    for (;;) {
      const bytes = readdir(length, next.cookie);
      const entries = entriesIn(bytes);
      calls++;
      count += entries.length;
      for (const { name } of entries) names.add(name);
      if (bytes.length < length) break;
      // wasm has an i64, and JavaScript sees it signed.
      next.cookie = BigInt.asIntN(64, entries[entries.length - 1].next);
    }
    expect([count, names.size]).toEqual([ENTRIES + 2, ENTRIES + 2]);
    expect(names.has(nameOf(0)) && names.has(nameOf(ENTRIES - 1))).toBe(true);
    expect(asked.bytes).toBeLessThan(times * ENTRIES * RECORD_BYTES);
    // One for each 32 KiB and what is left of it, and the one that finds the end.
    expect(asked.calls).toBeLessThanOrEqual((Math.ceil(length / 28_000) + 1) * calls);
  });
});

/** `POSIX_FADV_*` of Linux by WASI's names for them. */
const LINUX_ADVICE = {
  NORMAL: 0,
  SEQUENTIAL: 2,
  RANDOM: 1,
  WILLNEED: 3,
  DONTNEED: 4,
  NOREUSE: 5,
};

test('fd_advise gives Linux’s name for each advice, and 64 bits in two words', () => {
  const given: unknown[] = [];
  const kernel = wrapKernel(openNativeKernel(), (name, args, call) => {
    if (name === 'fadvise') given.push(args.slice(1));
    return call();
  });
  const world = inThread(kernel);
  const { descriptors } = world.sandbox;
  const fd = descriptors.claim();
  const handle = kernel.openDirectory(new TextEncoder().encode('/'));
  descriptors.open(fd, handle, Kind.FILE, Access.READ, 0);
  for (const advice of Object.values(Advice)) {
    world.call(MODULE, 'fd_advise', fd, 2n ** 32n + 5n, 2n ** 33n + 2n ** 31n, advice);
  }
  world.close();
  const words = (word: unknown): number => Number(word) >>> 0;
  expect(given.map((args) => (args as unknown[]).map(words))).toEqual(
    Object.keys(Advice).map((name) => [
      5,
      1,
      2 ** 31,
      2,
      LINUX_ADVICE[name as keyof typeof LINUX_ADVICE],
    ]),
  );
});

test.each([
  ['fd_write', []],
  ['fd_read', []],
  ['fd_pwrite', [5n]],
  ['fd_pread', [5n]],
] as const)('B72: %s asks for 16 MiB at a time, at most', async (name, offset) => {
  const [iovs, count, bufferBytes] = [OUT + 8, 20, 2 ** 20];
  await withFiles({ file: '' }, (folder) => {
    truncateSync(join(folder, 'file'), 2 * count * bufferBytes);
    const moved: number[] = [];
    const kernel = wrapKernel(openNativeKernel(), (call, _args, run) => {
      const result = run();
      if (/^p?(read|write)v?$/.test(call)) moved.push(result);
      return result;
    });
    const world = inThread(kernel);
    const { descriptors } = world.sandbox;
    const fd = descriptors.claim();
    const path = new TextEncoder().encode(join(folder, 'file'));
    const handle = kernel.openFile(path, constants.O_RDWR);
    descriptors.open(fd, handle, Kind.FILE, Access.READ | Access.WRITE, 0);
    for (let index = 0; index < count; index++) {
      world.memory.view.setUint32(iovs + 8 * index, BUF, true);
      world.memory.view.setUint32(iovs + 8 * index + 4, bufferBytes, true);
    }
    expect(world.call(MODULE, name, fd, iovs, count, ...offset, OUT)).toBe(0);
    expect(world.memory.view.getUint32(OUT, true)).toBe(count * bufferBytes);
    expect(moved.reduce((sum, bytes) => sum + bytes, 0)).toBe(count * bufferBytes);
    expect(Math.max(...moved)).toBeLessThanOrEqual(2 ** 24);
    world.close();
    return Promise.resolve();
  });
});
