import { memoryUsage } from 'node:process';

import { expect, test } from 'vitest';

import { openNativeKernel } from '#host/kernel/native.js';

const MIB = 1 << 20;

test('collectGarbage gives back what a thread no longer uses, and claims nothing itself', () => {
  const kernel = openNativeKernel();
  kernel.collectGarbage();
  const { external, heapTotal } = memoryUsage();
  const kept = Array.from({ length: 40 }, () => Array.from({ length: MIB / 8 }, () => 0.5));
  const grown = memoryUsage().heapTotal - heapTotal;
  expect(grown).toBeGreaterThan(30 * MIB);
  kept.length = 0;
  kernel.collectGarbage();
  expect(memoryUsage().heapTotal - heapTotal).toBeLessThan(10 * MIB);
  expect(memoryUsage().external - external).toBeLessThan(MIB);
});
