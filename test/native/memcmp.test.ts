/** The port's memcmp: poll_oneoff compares subscriptions with it, in every kind of memory. */
import { openNativeKernel } from '#host/kernel/native.js';
import { expect, test } from 'vitest';

const kernel = openNativeKernel();
const EFAULT = -14;
const ABCDE = [1, 2, 3, 4, 5];

const kinds = {
  'an ArrayBuffer': () => Uint8Array.from(ABCDE).buffer,
  'a view of one': () => Uint8Array.from([9, ...ABCDE]).subarray(1),
  'a view of a SharedArrayBuffer': () => {
    const bytes = new Uint8Array(new SharedArrayBuffer(5));
    bytes.set(ABCDE);
    return bytes;
  },
};

for (const [name, bytesOf] of Object.entries(kinds)) {
  test(`${name} is the same, or differs in any byte of the range and in none outside`, () => {
    const one = bytesOf();
    expect(kernel.memcmp(one, 0, Uint8Array.from(ABCDE).buffer, 0, 5)).toBe(0);
    for (let at = 0; at < 5; at++) {
      const other = Uint8Array.from(ABCDE, (byte, index) => (index === at ? byte ^ 0x80 : byte));
      expect(kernel.memcmp(one, 1, other.buffer, 1, 3)).toBe(at >= 1 && at < 4 ? 1 : 0);
    }
    expect(kernel.memcmp(one, 1, Uint8Array.of(2, 3), 0, 2)).toBe(0);
    expect(kernel.memcmp(one, 5, new ArrayBuffer(0), 0, 0)).toBe(0);
  });

  test(`${name} has no byte before its first or behind its last: EFAULT`, () => {
    const one = bytesOf();
    const other = new ArrayBuffer(64);
    const wrong = [
      [0, 0, 6],
      [5, 0, 1],
      [-1, 0, 1],
      [0, 60, 5],
      [0, -1, 1],
      [0, 0, -1],
      [2 ** 53, 0, 1],
    ];
    for (const [offset, otherOffset, length] of wrong) {
      expect(kernel.memcmp(one, offset, other, otherOffset, length)).toBe(EFAULT);
    }
  });
}
