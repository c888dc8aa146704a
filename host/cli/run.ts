/** `sandpoll run`: runs one guest as a command, and ends with its status. */
import { basename } from 'node:path';
import type { Worker } from 'node:worker_threads';

import { type Group, groupOf, endTogether } from '../group.js';
import { startGuest } from '../guest.js';
import { groupSource } from '../metrics/source.js';
import { startWorkers } from '../workers.js';
import type { RunOptions } from './options.js';
import { readModuleFile } from './files.js';
import { configureLog, say } from './log.js';
import { endingStatus } from './report.js';
import { forwardSignals, holdSignals } from './signals.js';
import { openMetrics, watchedBy } from './watching.js';

/** Starts the guest, or as many as there shall be; `thread` is for the first. */
async function start(
  file: string,
  bytes: Uint8Array,
  options: RunOptions,
  thread: Worker | undefined,
): Promise<Group> {
  const started = {
    ...options,
    ...watchedBy(options),
    ...(thread === undefined ? {} : { thread }),
    bytes,
    name: basename(file),
    onReport: (line: string, guest: string) => {
      say(`sandpoll: ${line}`, { level: 'warn', guest });
    },
  };
  if (options.workers > 1) return startWorkers(started);
  const guest = await startGuest(started);
  return groupOf([{ name: started.name, guest }], guest.listeners);
}

/** Runs `file` to its end; returns the exit status. Start-up errors are thrown. */
export async function run(
  file: string,
  options: RunOptions,
  thread: Worker | undefined,
): Promise<number> {
  const { graceMs } = options;
  configureLog(options.log);
  const bytes = readModuleFile(file);
  let group: Group | undefined;
  let leaves = false;
  // First: an address that cannot be had is known before anything runs.
  const source = groupSource(
    () => group,
    () => leaves,
  );
  await openMetrics(options, source);
  const held = holdSignals();
  group = await start(file, bytes, options, thread);
  const signalled = forwardSignals(group, {
    held,
    graceMs,
    say: (line) => say(`sandpoll: ${line}`, { level: 'warn' }),
    onLeave: () => {
      leaves = true;
    },
  });
  // All have the same descriptors.
  for (const { url, fd } of group.guests[0].guest.listeners) {
    say(`listening on ${url} (fd ${fd})`, { fields: { url, fd } });
  }
  const failed = await endTogether(group, { graceMs });
  // Its words first: what is left may take its grace.
  const failure =
    failed && signalled() === undefined ? await endingStatus(failed, file, options) : 0;
  await group.ended;
  return signalled() ?? failure;
}
