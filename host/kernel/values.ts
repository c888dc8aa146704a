/** What crosses the Kernel port: its numbers, names and buffers. */

/**
 * Memory that a call reads or writes. An ArrayBuffer, where there is one, is cheaper to look into
 * than a view of it: some 15 ns a call.
 */
export type Bytes = Uint8Array | ArrayBuffer;

/** Opaque name of an open kernel object: slot and generation in 31 bits. */
export type Handle = number;

/** A result: `>= 0`, or minus a Linux errno. */
export type Result = number;

/** Names one guest: the owner of handles, and the threads that `sessionWake` reaches. */
export type Session = number;

/**
 * A buffer that carries one socket address across the port, `SOCKADDR_BYTES` long:
 * u32 length of the address in bytes @0, then a Linux `struct sockaddr_*` @4 (up to 128 bytes).
 */
export type SockaddrBuffer = Uint8Array;

/** Size in bytes of a `SockaddrBuffer`: 4 of length, 128 of `sockaddr_storage`. */
export const SOCKADDR_BYTES = 132;

/** The largest number of buffers one vectored call takes: IOV_MAX of `readv(2)`. */
export const IOV_MAX = 1024;

/**
 * Size in bytes of a row of the table that `recvmmsg` and `sendmmsg` take, one for each message:
 * the number of its buffers u32 @0, what it came to in bytes u32 @4, Linux's msg_flags u32 @8, and
 * a `SockaddrBuffer` @12: whence it came, or where it goes; a length of 0 is none.
 */
export const MESSAGE_BYTES = 144;

/** The largest number of messages that one call of the port receives or sends. */
export const MESSAGES_MAX = 128;

/** The largest number of events that one wait reports; more wait for the next call. */
export const EPOLL_EVENTS_MAX = 4096;

/** Minus this is the answer for a path that leads out of its directory: no errno of Linux. */
export const ESCAPES = 1100;

/**
 * Size in bytes of a `status`: dev u64 @0, ino u64 @8, mode u32 @16, zero u32 @20, nlink u64 @24,
 * size u64 @32, then the times of access, modification and change in nanoseconds since 1970, u64
 * @40, @48 and @56: 0 for earlier ones, all bits for those that 64 bits do not hold.
 */
export const STATUS_BYTES = 64;
