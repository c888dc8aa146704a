/** Module `wasi_snapshot_preview1`, with the WasmEdge socket family. */
import type { ImportRow } from '../call.js';
import { ARGS_ROWS } from './args.js';
import { CLOCK_ROWS } from './clock.js';
import { DIRECTORY_ROWS } from './directory.js';
import { FD_ROWS } from './fd.js';
import { FILE_ROWS } from './file.js';
import { GETADDRINFO_ROWS } from './getaddrinfo.js';
import { OPEN_ROWS } from './open.js';
import { PATH_ROWS } from './path.js';
import { POLL_ROWS } from './poll.js';
import { PROC_ROWS } from './proc.js';
import { SOCK_ROWS } from './sock.js';
import { WASMEDGE_ROWS } from './wasmedge.js';

export const PREVIEW1_ROWS: readonly ImportRow[] = [
  ...ARGS_ROWS,
  ...CLOCK_ROWS,
  ...FD_ROWS,
  ...FILE_ROWS,
  ...DIRECTORY_ROWS,
  ...OPEN_ROWS,
  ...PATH_ROWS,
  ...POLL_ROWS,
  ...PROC_ROWS,
  ...SOCK_ROWS,
  ...WASMEDGE_ROWS,
  ...GETADDRINFO_ROWS,
];
