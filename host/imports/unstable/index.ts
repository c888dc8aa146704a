/**
 * Module `wasi_unstable`, preview0: the rows of preview1, but for those that lay a struct out in
 * another way or number `whence` in another order. It has no `sock_accept`.
 */
import { Subscription } from '../../abi/preview1.js';
import {
  UnstableFilestat,
  UnstableSubscription,
  translateSubscription,
  writeUnstableFilestat,
} from '../../abi/unstable.js';
import type { ImportRow } from '../call.js';
import { ARGS_ROWS } from '../preview1/args.js';
import { CLOCK_ROWS } from '../preview1/clock.js';
import { DIRECTORY_ROWS } from '../preview1/directory.js';
import { FD_ROWS } from '../preview1/fd.js';
import { FILE_ROWS, fdFilestatGetRow, seekRow } from '../preview1/file.js';
import { OPEN_ROWS } from '../preview1/open.js';
import { PATH_ROWS, pathFilestatGetRow } from '../preview1/path.js';
import { type Translate, pollOneoffRow } from '../preview1/poll.js';
import { PROC_ROWS } from '../preview1/proc.js';
import { SOCK_ROWS } from '../preview1/sock.js';

/** Preview1's `whence` for each of preview0's, which are CUR, END and SET. */
const WHENCE = [1, 2, 0];

const seekUnstableRow: ImportRow = {
  ...seekRow,
  bind: (sandbox) => {
    const seek = seekRow.bind(sandbox) as (...words: (number | bigint)[]) => number;
    return (fd: number, offset: bigint, whence: number, result: number) =>
      // What preview0 does not know, preview1 does not either.
      seek(fd, offset, WHENCE[whence] ?? whence, result);
  },
};

/** Subscriptions are copied into memory of the host's, which grows with the longest list. */
function translator(): Translate {
  let bytes = new Uint8Array(0);
  let view = new DataView(bytes.buffer);
  return (memory, at, count) => {
    if (count * Subscription.SIZE > bytes.length) {
      bytes = new Uint8Array(2 * count * Subscription.SIZE);
      view = new DataView(bytes.buffer);
    }
    for (let index = 0; index < count; index++) {
      const from = at + index * UnstableSubscription.SIZE;
      translateSubscription(memory, from, view, index * Subscription.SIZE);
    }
    return { bytes, span: bytes, view };
  };
}

const OWN_ROWS: readonly ImportRow[] = [
  seekUnstableRow,
  fdFilestatGetRow(UnstableFilestat.SIZE, writeUnstableFilestat),
  pathFilestatGetRow(UnstableFilestat.SIZE, writeUnstableFilestat),
  pollOneoffRow(UnstableSubscription.SIZE, translator),
];

const NOT_THESE = new Set(['sock_accept', ...OWN_ROWS.map(({ name }) => name)]);

export const UNSTABLE_ROWS: readonly ImportRow[] = [
  ...[
    ...ARGS_ROWS,
    ...CLOCK_ROWS,
    ...DIRECTORY_ROWS,
    ...FD_ROWS,
    ...FILE_ROWS,
    ...OPEN_ROWS,
    ...PATH_ROWS,
    ...PROC_ROWS,
    ...SOCK_ROWS,
  ].filter(({ name }) => !NOT_THESE.has(name)),
  ...OWN_ROWS,
];
