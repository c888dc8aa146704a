/** Addresses that are remembered as allowed are those that were, and no others. */
import { encodeInet4, encodeInet6, encodeUnix } from '#host/address.js';
import { AllowedAddresses } from '#host/grants/allowed.js';
import { SOCKADDR_BYTES } from '#host/kernel/kernel.js';
import fc from 'fast-check';
import { expect, test } from 'vitest';

interface Named {
  readonly bytes: Uint8Array;
  readonly port: number;
  readonly scopeId: number;
}

// Few values, so that the same address comes again, and near misses of it.
const named: fc.Arbitrary<Named> = fc.record({
  bytes: fc
    .tuple(fc.constantFrom(4, 16), fc.integer({ min: 0, max: 3 }))
    .map(([size, last]) => new Uint8Array(size).fill(0).with(size - 1, last)),
  port: fc.integer({ min: 0, max: 3 }),
  scopeId: fc.integer({ min: 0, max: 1 }),
});

/** The address as the sandbox has it: in a buffer that held another one before. */
function words({ bytes, port, scopeId }: Named): Int32Array {
  const buffer = new Uint8Array(SOCKADDR_BYTES).fill(0xa5);
  if (bytes.length === 4) encodeInet4(buffer, bytes, 0, port);
  else encodeInet6(buffer, bytes, 0, port, scopeId);
  return new Int32Array(buffer.buffer);
}

function key({ bytes, port, scopeId }: Named): string {
  return `${bytes.join('.')} ${port}${bytes.length === 4 ? '' : ` ${scopeId}`}`;
}

test('what is remembered was added, and the last that was added is', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.boolean(), named), { maxLength: 60 }), (steps) => {
      const allowed = new AllowedAddresses();
      const added = new Set<string>();
      for (const [add, address] of steps) {
        if (add) {
          allowed.add(words(address));
          added.add(key(address));
          expect(allowed.has(words(address))).toBe(true);
        } else if (allowed.has(words(address))) {
          expect([...added]).toContain(key(address));
        }
      }
    }),
  );
});

test('an empty memory remembers nothing, not even the address of zeroes, nor a unix path', () => {
  const allowed = new AllowedAddresses();
  expect(allowed.has(new Int32Array(SOCKADDR_BYTES / 4))).toBe(false);
  expect(allowed.has(words({ bytes: new Uint8Array(4), port: 0, scopeId: 0 }))).toBe(false);
  const buffer = new Uint8Array(SOCKADDR_BYTES);
  encodeUnix(buffer, new TextEncoder().encode('/run/x'));
  expect(allowed.has(new Int32Array(buffer.buffer))).toBe(false);
});
