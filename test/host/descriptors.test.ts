/**
 * The descriptor table as several threads have it: two tables over one buffer, of which one does
 * what it likes between any two steps of the other (B17, B25, B29).
 */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';

import { Access, DescriptorTable, Kind, descriptorTableBytes } from '#host/descriptors.js';
import { LinuxErrno } from '#host/errno.js';
import { describe, expect, test } from 'vitest';

const FDS = 8;
const BADF = -LinuxErrno.BADF;
const BOTH = Access.READ | Access.WRITE;
/** Handles of the kernel port: what they are does not matter here. */
const [ONE, OTHER, THIRD] = [1001, 1002, 1003];

/** Our table, and that of another thread; number 0 is a stream with handle ONE. */
function threads(): { ours: DescriptorTable; theirs: DescriptorTable } {
  const buffer = new SharedArrayBuffer(descriptorTableBytes(FDS));
  const ours = new DescriptorTable(buffer, FDS);
  const theirs = new DescriptorTable(buffer, FDS);
  ours.open(ours.claim(), ONE, Kind.STREAM, BOTH, 0);
  return { ours, theirs };
}

/** The other thread closes number 0, and opens something else under it. */
function replace(table: DescriptorTable, kind: number, access: number): void {
  expect(table.close(0)).toBe(ONE);
  expect(table.claim()).toBe(0);
  table.open(0, OTHER, kind, access, 0);
}

describe('what was looked at is what is used, when the number', () => {
  test('is closed and opened again: never the kind of one, and the handle of another', () => {
    const { ours, theirs } = threads();
    expect(ours.kind(0)).toBe(Kind.STREAM);
    replace(theirs, Kind.CHANNEL, Access.READ);
    expect([ours.seenKind(0), ours.handle(0), ours.access(0)]).toEqual([Kind.STREAM, ONE, BOTH]);
    expect([ours.kind(0), ours.handle(0), ours.access(0)]).toEqual([
      Kind.CHANNEL,
      OTHER,
      Access.READ,
    ]);
  });

  test('becomes another by renumbering', () => {
    const { ours, theirs } = threads();
    ours.open(ours.claim(), OTHER, Kind.PIPE, Access.READ, 0);
    expect(ours.kind(0)).toBe(Kind.STREAM);
    expect(theirs.renumber(1, 0)).toBe(ONE);
    expect([ours.handle(0), ours.access(0)]).toEqual([ONE, BOTH]);
    expect([ours.kind(0), ours.handle(0), ours.access(0)]).toEqual([Kind.PIPE, OTHER, Access.READ]);
    expect(ours.kind(1)).toBe(Kind.FREE);
  });

  test('is one of two that a call is about', () => {
    const { ours, theirs } = threads();
    ours.open(ours.claim(), OTHER, Kind.PIPE, Access.READ, 0);
    ours.kind(1);
    ours.kind(0);
    expect(theirs.close(1)).toBe(OTHER);
    theirs.open(theirs.claim(), THIRD, Kind.PIPE, Access.READ, 0);
    expect(ours.handle(0)).toBe(ONE);
    // Of the one that was not looked at last, the newest is known.
    expect(ours.handle(1)).toBe(THIRD);
  });
});

describe('what is written down of one is not held against another', () => {
  test('that a socket is bound (B39)', () => {
    const { ours, theirs } = threads();
    ours.kind(0);
    replace(theirs, Kind.DATAGRAM, BOTH);
    ours.setBound(0);
    theirs.kind(0);
    expect(theirs.isBound(0)).toBe(false);
    theirs.setBound(0);
    expect([theirs.isBound(0), ours.isBound(0)]).toEqual([false, true]);
  });

  test('and is not known any more once it may have lost its address', () => {
    const { ours, theirs } = threads();
    ours.kind(0);
    theirs.kind(0);
    ours.setBound(0);
    expect(theirs.isBound(0)).toBe(true);
    theirs.forgetBound(0);
    ours.setBound(0);
    expect(ours.isBound(0)).toBe(false);
  });

  test('that a stream listens', () => {
    const { ours, theirs } = threads();
    ours.kind(0);
    replace(theirs, Kind.STREAM, BOTH);
    ours.setKind(0, Kind.LISTENER);
    expect(theirs.kind(0)).toBe(Kind.STREAM);
    theirs.setKind(0, Kind.LISTENER);
    expect(ours.kind(0)).toBe(Kind.LISTENER);
    expect(ours.connections()).toBe(0);
  });

  test('and a number that was closed meanwhile stays closed', () => {
    const { ours, theirs } = threads();
    ours.kind(0);
    theirs.close(0);
    ours.setKind(0, Kind.LISTENER);
    expect(ours.kind(0)).toBe(Kind.FREE);
  });
});

describe('renumber', () => {
  test('of what is not open changes nothing', () => {
    const { ours } = threads();
    expect([ours.renumber(0, 1), ours.renumber(1, 0), ours.renumber(0, FDS)]).toEqual([
      BADF,
      BADF,
      BADF,
    ]);
    expect([ours.kind(0), ours.handle(0)]).toEqual([Kind.STREAM, ONE]);
    expect(ours.close(0)).toBe(ONE);
  });

  test('upwards and downwards gives the old number back, and the lowest comes first', () => {
    const { ours } = threads();
    ours.open(ours.claim(), OTHER, Kind.PIPE, Access.READ, 0);
    expect(ours.renumber(0, 1)).toBe(OTHER);
    expect([ours.kind(0), ours.kind(1), ours.handle(1)]).toEqual([Kind.FREE, Kind.STREAM, ONE]);
    ours.open(ours.claim(), THIRD, Kind.PIPE, Access.READ, 0);
    expect(ours.renumber(1, 0)).toBe(THIRD);
    expect([ours.kind(0), ours.handle(0), ours.claim()]).toEqual([Kind.STREAM, ONE, 1]);
    expect(ours.connections()).toBe(1);
  });
});

/** As if the thread were ended there: its next store never happens. */
const ENDED_IN_A_CHANGE = `
  const { parentPort, workerData } = require('node:worker_threads');
  import(workerData.module).then(({ DescriptorTable, Kind, descriptorTableBytes }) => {
    const buffer = new SharedArrayBuffer(descriptorTableBytes(8));
    const [guest, supervisor] = [new DescriptorTable(buffer, 8), new DescriptorTable(buffer, 8)];
    for (const kind of [Kind.STREAM, Kind.PIPE]) guest.open(guest.claim(), 1, kind, 0, 0);
    const { store } = Atomics;
    Atomics.store = () => { throw new Error('ended'); };
    try { guest.close(0); } catch {}
    Atomics.store = store;
    parentPort.postMessage(supervisor.count());
  });`;

test('B84 a thread that is ended in the middle of a change holds no count up', async () => {
  const module = import.meta.resolve('#host/descriptors.js');
  const worker = new Worker(ENDED_IN_A_CHANGE, { eval: true, workerData: { module } });
  const signal = AbortSignal.timeout(5000);
  const [counted] = await once(worker, 'message', { signal }).finally(() => worker.terminate());
  expect(counted).toEqual({ open: 2, connections: 1 });
});
