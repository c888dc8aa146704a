/** What a process can give up: only its first thread may, and what makes no sense is refused. */
import { describe, expect, test } from 'vitest';

import { LinuxErrno } from '#host/errno.js';
import type { Confinement } from '#host/kernel/confine.js';
import type { Kernel } from '#host/kernel/kernel.js';
import { openNativeKernel } from '#host/kernel/native.js';

import { startThread } from './threads.js';

const kernel = openNativeKernel();
const { PERM, INVAL, NAMETOOLONG, NOENT, BADF, NOSYS, NOTSUP } = LinuxErrno;

const path = (text: string): Uint8Array => new TextEncoder().encode(text);
const NO_BYTES = new Uint8Array(0);
const VERSION = 1;

test('on any other thread than the first all of it is refused', async () => {
  const { outcome } = startThread((port) => {
    const addon = port as Kernel & Confinement;
    return [
      addon.prctl(38, 1),
      addon.setrlimit(4, 0, 0),
      addon.landlockRestrictSelf(0, 0),
      addon.seccompFilter(new Uint8Array(8), 0),
    ];
  }, null);
  expect(await outcome).toEqual([-PERM, -PERM, -PERM, -PERM]);
});

describe('on the first thread', () => {
  test('a path that is none, or too long, cannot be opened', () => {
    expect(kernel.openPath(NO_BYTES)).toBe(-NOENT);
    expect(kernel.openPath(path('/\0'))).toBe(-INVAL);
    expect(kernel.openPath(new Uint8Array(4096).fill(47))).toBe(-NAMETOOLONG);
    expect(kernel.openPath(path('/nowhere/at/all'))).toBe(-NOENT);
    const opened = kernel.openPath(path('/'));
    expect(opened).toBeGreaterThanOrEqual(0);
    expect(kernel.close(opened)).toBe(0);
  });

  test('Landlock tells its version, or that it is not there', () => {
    const version = kernel.landlockCreateRuleset(NO_BYTES, VERSION);
    if (version < 1) expect([-NOSYS, -NOTSUP]).toContain(version);
    else expect(kernel.landlockCreateRuleset(new Uint8Array(8), 0)).toBeLessThan(0);
  });

  test('what is no handle is no ruleset and no path', () => {
    expect(kernel.landlockAddPath(-1, -1, 4)).toBe(-BADF);
    expect(kernel.landlockAddPort(-1, 80, 1)).toBe(-BADF);
    expect(kernel.landlockRestrictSelf(-1, 0)).toBe(-BADF);
  });

  test('what is no program is no filter', () => {
    for (const bytes of [0, 4, 12, 8 * 4097]) {
      expect(kernel.seccompFilter(new Uint8Array(bytes), 0)).toBe(-INVAL);
    }
  });
});
