/** Every import module that guests can link against. */
import type { ImportRow } from './call.js';
import { ENV_ROWS } from './env.js';
import { PREVIEW1_ROWS } from './preview1/index.js';
import { SANDPOLL_ROWS } from './sandpoll/index.js';
import { UNSTABLE_ROWS } from './unstable/index.js';
import { WASI_ROWS } from './wasi/index.js';

export const IMPORT_MODULES: ReadonlyMap<string, readonly ImportRow[]> = new Map([
  ['wasi_snapshot_preview1', PREVIEW1_ROWS],
  ['wasi_unstable', UNSTABLE_ROWS],
  ['sandpoll', SANDPOLL_ROWS],
  ['wasi', WASI_ROWS],
  ['env', ENV_ROWS],
]);
