/** What a guest's process says to its host is cut into frames, and believed only if well formed. */
import { describe, expect, test } from 'vitest';

import { readMessage } from '#host/guest/heard.js';
import { FrameReader, type FromChild, frame } from '#host/guest/wire.js';

/** The frames of a stream that comes in pieces of `size` bytes. */
function frames(stream: Uint8Array, size: number, bytesMax = 100): string[] {
  const read: string[] = [];
  const reader = new FrameReader(bytesMax, (payload) => read.push(payload.toString()));
  for (let at = 0; at < stream.length; at += size) {
    reader.push(Buffer.from(stream.subarray(at, at + size)));
  }
  return read;
}

describe('frames', () => {
  const texts = ['', 'a', 'frame', 'x'.repeat(100)];
  const stream = Buffer.concat(texts.map((text) => frame(text)));

  test('are the same in whatever pieces they come', () => {
    for (let size = 1; size <= stream.length; size++) expect(frames(stream, size)).toEqual(texts);
  });

  test('that are too long are refused before they are there', () => {
    expect(() => frames(frame('x'.repeat(101)).subarray(0, 4), 4)).toThrow(RangeError);
    expect(() => frames(Uint8Array.of(255, 255, 255, 255), 1)).toThrow(RangeError);
  });
});

const usage = { startedMs: 1, running: true, cpuNs: 2, descriptors: 3, connections: 4 };

const WELL_FORMED: readonly FromChild[] = [
  { kind: 'connected' },
  { kind: 'confined', by: ['seccomp'], without: [] },
  { kind: 'failed', message: 'no', code: 'EMFILE', problems: ['a'] },
  { kind: 'report', line: 'denied' },
  { kind: 'usage', usage },
  { kind: 'usage', usage: { ...usage, counted: { slots: [[1, 2]], waitingNs: 0 } } },
  { kind: 'ended', outcome: { kind: 'exited', code: 0 } },
  { kind: 'ended', outcome: { kind: 'killed', reason: 'cpu', rung: 'wake' } },
  {
    kind: 'ended',
    outcome: { kind: 'trapped', message: 'm', frames: [{ name: 'f', offset: 1 }] },
  },
];

const encode = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));

test.each(WELL_FORMED)('$kind is understood', (message) => {
  expect(readMessage(encode(message))).toEqual(message);
});

test.each<unknown>([
  null,
  'linked',
  [],
  {},
  { kind: 'toString' },
  { kind: '__proto__' },
  { kind: 'report' },
  { kind: 'report', line: 1 },
  { kind: 'confined', by: 'seccomp', without: [] },
  { kind: 'failed', message: 'm', problems: [1] },
  { kind: 'usage', usage: { ...usage, cpuNs: '1' } },
  { kind: 'usage', usage: { ...usage, counted: { slots: [[1]], waitingNs: 0 } } },
  { kind: 'ended', outcome: {} },
  { kind: 'ended', outcome: { kind: 'exited', code: -1 } },
  { kind: 'ended', outcome: { kind: 'killed', reason: 'bored' } },
  { kind: 'ended', outcome: { kind: 'trapped', message: 'm', frames: [null] } },
])('%j is not', (value) => {
  expect(() => readMessage(encode(value))).toThrow(RangeError);
});

test('what is no JSON is not', () => {
  expect(() => readMessage(Uint8Array.of(123, 255))).toThrow(RangeError);
});
