/**
 * Pins (design.md §2): descriptors are closed and opened by one thread while others are inside
 * calls on them and Node opens files, under the same numbers, in between. Not one byte lands in
 * the wrong place, and no call meets an object of another kind. SANDPOLL_PINS_OPERATIONS says how
 * many calls are made: 1000000 is the long form, 10000000 a very long one.
 */
import { closeSync, fstatSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from 'vitest';

import type { Kernel } from '#host/kernel/kernel.js';
import { leakedSince, openDescriptors } from '../support/descriptors.js';
import { type Thread, startThread, stopped } from './threads.js';

const OPERATIONS = Number(process.env.SANDPOLL_PINS_OPERATIONS ?? 400_000);

/** What all threads share. */
interface Stage {
  /** `SETS` sets of the handles below, each as new as its opener has got. */
  readonly handles: Int32Array;
  /** Calls made, and whether to stop. */
  readonly state: Int32Array;
}

const SETS = 8;

/** So many files there are at least, however seldom their thread has its turn. */
const FILES_MIN = 100;

/** What guests write is 'S', what Node writes is 'F'. */
const FILE_BYTE = 0x46;

/** Where a set keeps each handle, for all threads as data. */
const AT = { socket: 0, peer: 1, reader: 2, writer: 3, listener: 4, client: 5, epoll: 6, size: 7 };

interface Data extends Stage {
  readonly at: typeof AT;
}

/** Opens sets of descriptors in the place of others, and closes those: round and round. */
function churn(kernel: Kernel, { handles, state, at }: Data): string[] {
  const pair = new Int32Array(2);
  const address = new Uint8Array(132);
  const sets = handles.length / at.size;
  const open = (): number[] => {
    const set: number[] = [];
    kernel.socketpair(1, 1, 0, pair.buffer, 0);
    [set[at.socket], set[at.peer]] = pair;
    kernel.pipe2(pair.buffer, 0);
    [set[at.reader], set[at.writer]] = pair;
    set[at.listener] = kernel.socket(1, 1, 0);
    // An address of AF_UNIX, of two bytes: Linux chooses the name.
    address.fill(0).set([2, 0, 0, 0, 1]);
    kernel.bind(set[at.listener], address);
    kernel.listen(set[at.listener], 8);
    kernel.getsockname(set[at.listener], address);
    set[at.client] = kernel.socket(1, 1, 0);
    kernel.connect(set[at.client], address);
    set[at.epoll] = kernel.epollCreate1(0);
    kernel.epollCtl(set[at.epoll], 1, set[at.socket], 1, 0x5a5a, 0xa5a5);
    return set;
  };
  const wrong: string[] = [];
  for (let round = 0; Atomics.load(state, 1) === 0; round++) {
    const set = open();
    const begin = (round % sets) * at.size;
    set.forEach((handle, index) => {
      const old = Atomics.exchange(handles, begin + index, handle);
      const closed = old === -1 ? 0 : kernel.close(old);
      if (handle < 0 || closed < 0) wrong.push(`opened ${handle}, closed ${closed}`);
    });
    Atomics.add(state, 0, 2 * at.size);
  }
  for (const handle of handles) kernel.close(handle);
  return wrong;
}

/** Receives and reads: what comes is what was sent, and nothing fails that could not. */
function receiver(kernel: Kernel, { handles, state, at }: Data): string[] {
  const [EBADF, EAGAIN, ECONNRESET] = [-9, -11, -104];
  const bytes = new Uint8Array(256);
  const wrong: string[] = [];
  for (let set = 0; Atomics.load(state, 1) === 0; set = (set + at.size) % handles.length) {
    for (const [how, handle] of [
      ['recv', Atomics.load(handles, set + at.socket)],
      ['read', Atomics.load(handles, set + at.reader)],
    ] as const) {
      const n =
        how === 'recv'
          ? kernel.recv(handle, bytes.buffer, 0, bytes.length, 0)
          : kernel.read(handle, bytes.buffer, 0, bytes.length);
      if (n < 0 && ![EBADF, EAGAIN, ECONNRESET].includes(n)) wrong.push(`${how} = ${n}`);
      if (n > 0 && bytes.subarray(0, n).some((byte) => byte !== 0x53)) wrong.push(`${how}: bytes`);
    }
    Atomics.add(state, 0, 2);
  }
  return wrong;
}

/** Sends and writes. */
function sender(kernel: Kernel, { handles, state, at }: Data): string[] {
  const [EBADF, EAGAIN, EPIPE, ECONNRESET] = [-9, -11, -32, -104];
  const bytes = new Uint8Array(64).fill(0x53);
  const wrong: string[] = [];
  for (let set = 0; Atomics.load(state, 1) === 0; set = (set + at.size) % handles.length) {
    const peer = Atomics.load(handles, set + at.peer);
    const writer = Atomics.load(handles, set + at.writer);
    for (const n of [
      kernel.send(peer, bytes.buffer, 0, bytes.length, 0),
      kernel.write(writer, bytes.buffer, 0, bytes.length),
    ]) {
      if (n < 0 && ![EBADF, EAGAIN, EPIPE, ECONNRESET].includes(n)) wrong.push(`sent ${n}`);
    }
    Atomics.add(state, 0, 2);
  }
  return wrong;
}

/** Accepts, and waits for a millisecond at most: closes come while it is in there. */
function waiter(kernel: Kernel, { handles, state, at }: Data): string[] {
  const [EBADF, EAGAIN] = [-9, -11];
  const address = new Uint8Array(132);
  const events = new DataView(new ArrayBuffer(64));
  const wrong: string[] = [];
  for (let set = 0; Atomics.load(state, 1) === 0; set = (set + at.size) % handles.length) {
    const accepted = kernel.accept4(Atomics.load(handles, set + at.listener), address);
    if (accepted < 0 && ![EBADF, EAGAIN].includes(accepted)) wrong.push(`accepted ${accepted}`);
    const closed = accepted < 0 ? 0 : kernel.close(accepted);
    const n = kernel.epollPwait(Atomics.load(handles, set + at.epoll), events.buffer, 0, 4, 1);
    if (closed < 0 || (n < 0 && n !== EBADF)) wrong.push(`waited ${n}, closed ${closed}`);
    const known = events.getUint32(8, true) === 0x5a5a && events.getUint32(12, true) === 0xa5a5;
    if (n > 0 && !known) wrong.push('an event of nobody');
    Atomics.add(state, 0, 2);
  }
  return wrong;
}

/** Writes files under whatever numbers are free, and looks whether they hold that and no more. */
async function useFiles(folder: string, { state }: Stage): Promise<void> {
  const bytes = Buffer.alloc(512, FILE_BYTE);
  const read = Buffer.alloc(1024);
  let files = 0;
  while (Atomics.load(state, 0) < OPERATIONS || files < FILES_MIN) {
    const fds = [0, 1, 2, 3].map((index) => openSync(`${folder}/${index}`, 'w+'));
    for (const fd of fds) writeSync(fd, bytes);
    for (const fd of fds) {
      const length = readSync(fd, read, 0, read.length, 0);
      expect([length, fstatSync(fd).size]).toEqual([bytes.length, bytes.length]);
      expect(read.subarray(0, length).equals(bytes)).toBe(true);
      closeSync(fd);
      files++;
    }
    await turn();
  }
}

test('a descriptor closed by one thread is never a file of Node to a call of another', async () => {
  const before = openDescriptors();
  const folder = mkdtempSync(`${tmpdir()}/sandpoll-pins-`);
  const handles = new Int32Array(new SharedArrayBuffer(4 * SETS * AT.size)).fill(-1);
  const state = new Int32Array(new SharedArrayBuffer(8));
  const data: Data = { handles, state, at: AT };
  const threads: Thread<string[]>[] = [churn, receiver, sender, waiter].map((body) =>
    startThread(body, data),
  );
  try {
    await useFiles(folder, data);
  } finally {
    Atomics.store(state, 1, 1);
    const wrong = await Promise.all(threads.map(async ({ outcome }) => outcome));
    expect(wrong).toEqual([[], [], [], []]);
    await Promise.all(threads.map(stopped));
    rmSync(folder, { recursive: true });
  }
  expect(Atomics.load(state, 0)).toBeGreaterThanOrEqual(OPERATIONS);
  expect(await leakedSince(before)).toEqual([]);
}, 120_000);
