/** Struct and constants of `sandpoll.submit`. */
import { struct, u32 } from './layout.js';

/** `submission`: one operation on a socket; `result` is an i32 that the host writes. */
export const Submission = struct(20, 4, {
  opcode: u32(0),
  fd: u32(4),
  buf: u32(8),
  len: u32(12),
  result: u32(16),
});

/** The most submissions of one call. */
export const SUBMISSIONS_MAX = 64;

/** `send(2)`, and `recv(2)`: the numbers of `io_uring_enter(2)`. */
export const OP_SEND = 26;
export const OP_RECV = 27;
