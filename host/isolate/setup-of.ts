/** The setup of one guest's process. */
import { statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import type { Limits } from '../grants.js';
import type { Confinement } from '../kernel/confine.js';
import { READ_DIR, READ_FILE, directoryRights, portRights, rulesetAttributes } from './landlock.js';
import { resourceLimits } from './limits.js';
import { type Needs, readablePaths } from './policy.js';
import type { Setup } from './setup.js';

const LANDLOCK_VERSION = 1;

/** The host's own code, which is loaded after the process has confined itself. */
const HOST_PATHS = ['../', '../../package.json', '../../native/build/Release/'].map((path) =>
  fileURLToPath(new URL(path, import.meta.url)),
);

/** The right to read a path, or nothing if there is no such thing. */
function readRight(path: string): [path: string, access: number][] {
  const status = statSync(path, { throwIfNoEntry: false });
  if (status === undefined) return [];
  return [[path, status.isDirectory() ? READ_FILE | READ_DIR : READ_FILE]];
}

/** `channel` is the `SockaddrBuffer` that the process is to connect to. */
export function setupOf(
  kernel: Confinement,
  channel: Uint8Array,
  needs: Needs,
  limits: Limits,
): Setup {
  const version = kernel.landlockCreateRuleset(new Uint8Array(0), LANDLOCK_VERSION);
  const { dirs, files } = needs;
  const threads = needs.threads ? limits.threads : 1;
  const writesFiles = files === 'write' || dirs.some(({ readOnly }) => !readOnly);
  return {
    parentPid: process.pid,
    channel: [...channel],
    limits: resourceLimits(limits, threads, writesFiles),
    ...(version < 1
      ? {}
      : {
          landlock: {
            version,
            attributes: rulesetAttributes(version, needs),
            ports: portRights(version, needs),
            paths: [
              ...[...HOST_PATHS, ...readablePaths(needs)].flatMap(readRight),
              ...dirs.map(({ host, readOnly }) => {
                return [host, directoryRights(version, readOnly)] as const;
              }),
            ],
          },
        }),
  };
}
