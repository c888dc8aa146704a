/** What descriptors are, and what may be done with them. */

/** What a descriptor is. FREE marks a number that is not open. */
export const Kind = {
  FREE: 0,
  STDIO: 1,
  LISTENER: 2,
  STREAM: 3,
  DATAGRAM: 4,
  SEQPACKET: 5,
  EPOLL: 6,
  EVENT: 7,
  TIMER: 8,
  SIGNAL: 9,
  CHANNEL: 10,
  PIPE: 11,
  FILE: 12,
  DIRECTORY: 13,
} as const;

/**
 * What a descriptor's grant and open mode allow. SHARED marks a listener that other guests may
 * have too: a connection wakes one of them. MUTABLE is what is on disk in a directory that was not
 * granted read-only: a file has it from the directory it was opened in, however it was opened.
 */
export const Access = { READ: 1, WRITE: 2, SHARED: 4, MUTABLE: 8 } as const;
