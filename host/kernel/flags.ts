/** What `open(2)` is told, in this machine's numbers: architectures differ in some. */
import { constants } from 'node:fs';

export const {
  O_RDONLY,
  O_WRONLY,
  O_RDWR,
  O_CREAT,
  O_EXCL,
  O_TRUNC,
  O_APPEND,
  O_DSYNC,
  O_SYNC,
  O_DIRECTORY,
  O_NOFOLLOW,
} = constants;

export const O_ACCMODE = O_WRONLY | O_RDWR;
