/**
 * IPv6 multicast that arrives: loopback has no route for it on most machines, so the program runs
 * in a network namespace of its own that has one.
 */
import { spawnSync } from 'node:child_process';

import { expect, test } from 'vitest';

import { withFiles } from '../../support/files.js';
import { compile, guestCommand } from './programs.js';

const PREPARE = 'ip link set lo up && ip -6 route add local ff02::/16 dev lo && exec "$@"';
const PATIENCE_MS = 20_000;

/** What a command says in such a namespace; no text where there can be none. */
function runApart(...command: readonly string[]): string {
  const args = ['-rn', 'sh', '-c', PREPARE, 'sh', ...command];
  return spawnSync('unshare', args, { encoding: 'utf8', timeout: PATIENCE_MS }).stdout ?? '';
}

/** The lines of the case. */
function told(output: string): string[] {
  const [, section = ''] = output.split('# IPv6 multicast on loopback\n');
  return section.split('\n# ')[0]?.split('\n') ?? [];
}

const isPossible = runApart('echo', 'possible') === 'possible\n';
const reason = isPossible ? '' : ' (skipped: unshare gives no network namespace with such a route)';

test.skipIf(!isPossible)(`IPv6 multicast is received on loopback${reason}`, async () => {
  await withFiles({}, async (folder) => {
    const native = told(runApart(await compile('delivery', folder)));
    expect(native).toContain('recv: to six');
    expect(told(runApart(...guestCommand('delivery')))).toEqual(native);
  });
});
