/** The unit tests of the guest library: guests that check, and end with 0 if all was well. */
import { readdirSync } from 'node:fs';
import { expect, test } from 'vitest';
import { runGuest } from '../support/guest-process.js';

const folder = new URL('as/', import.meta.url);
const units = readdirSync(folder).filter((name) => /^unit-.*\.ts$/u.test(name));

test.each(units)('%s', async (name) => {
  const wasm = `test/guests/as/build/${name.replace(/\.ts$/u, '.wasm')}`;
  const outcome = await runGuest(['--quiet', '--allow-net=tcp:127.0.0.1', wasm]);
  expect(outcome.stderr).toBe('');
  expect(outcome.stdout).toMatch(/^\d+ checks\n$/u);
  expect(outcome.status).toBe(0);
});
