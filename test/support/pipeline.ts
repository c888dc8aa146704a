/** Pipelines in this process: from the file of an example, or of driver guests. */
import { readFileSync } from 'node:fs';

import { parsePipeline } from '#host/cli/pipeline-file.js';
import {
  type Group,
  NO_GRANTS,
  type Pipeline,
  type PipelineOptions,
  type PipelineRole,
  parseListen,
  startPipeline,
} from '#host/index.js';

import { LOOPBACK } from './driven.js';
import { driverModule } from './driver.js';
import { ROOT } from './sources.js';

const ANY_PORT = [parseListen('127.0.0.1:0')];

/** The pipeline of a file, given from the root, on ports that the system picks. */
export function readExample(path: string): Pipeline {
  const file = `${ROOT}${path}`;
  const { roles, channels } = parsePipeline(readFileSync(file, 'utf8'), file);
  const listen = ({ listen: own }: PipelineRole) => ((own ?? []).length > 0 ? ANY_PORT : []);
  return { roles: roles.map((role) => ({ ...role, listen: listen(role) })), channels };
}

/** A role of driver guests: its listener, then its channels, then what drives it. */
export function driverRole(name: string, options: Partial<PipelineRole> = {}): PipelineRole {
  return {
    name,
    bytes: driverModule('long', '3'),
    listen: ANY_PORT,
    grants: { ...NO_GRANTS, net: LOOPBACK },
    ...options,
  };
}

/** The ports of the group's listeners, in the order of the roles. */
export function ports({ listeners }: Pick<Group, 'listeners'>): number[] {
  return listeners.map(({ url }) => Number(new URL(url).port));
}

/** Runs `body` with a pipeline, and ends what is left of it. */
export async function withPipeline(
  pipeline: Pipeline,
  body: (group: Group) => Promise<void>,
  options: PipelineOptions = {},
): Promise<void> {
  const group = await startPipeline(pipeline, options);
  try {
    await body(group);
  } finally {
    await group.stop();
  }
}
