/** Structs and constants of module `sandpoll`'s sockets: Linux's own, with 32-bit pointers. */
import { struct, u16, u32 } from './layout.js';

/** `sockaddr_in`; `addr` is 4 bytes, and `port` has its high byte first. */
export const SockaddrIn = struct(16, 4, { family: u16(0), port: u16(2), addr: u32(4) });

/** `sockaddr_in6`; `addr` is 16 bytes from where it stands. */
export const SockaddrIn6 = struct(28, 4, {
  family: u16(0),
  port: u16(2),
  flowinfo: u32(4),
  addr: u32(8),
  scopeId: u32(24),
});

/** `sockaddr_un`; `path` is 108 bytes from where it stands. */
export const SockaddrUn = struct(110, 2, { family: u16(0), path: u16(2) });

/** Size in bytes of `sockaddr_storage`: no address is longer. */
export const SOCKADDR_STORAGE_BYTES = 128;

/** `msghdr` of wasi-libc. */
export const Msghdr = struct(28, 4, {
  name: u32(0),
  namelen: u32(4),
  iov: u32(8),
  iovlen: u32(12),
  control: u32(16),
  controllen: u32(20),
  flags: u32(24),
});

/** `mmsghdr`: a `Msghdr` where `hdr` stands, and the bytes that it came to. */
export const Mmsghdr = struct(32, 4, { hdr: u32(0), len: u32(28) });

/** `ip_mreqn`; addresses have their high byte first. */
export const IpMreqn = struct(12, 4, { multiaddr: u32(0), address: u32(4), ifindex: u32(8) });

/** `ipv6_mreq`; `multiaddr` is 16 bytes from where it stands. */
export const Ipv6Mreq = struct(20, 4, { multiaddr: u32(0), ifindex: u32(16) });

export const SOCK_NONBLOCK = 0o4000;
/** Accepted, and without meaning in a guest that cannot exec. */
export const SOCK_CLOEXEC = 0o2000000;

/** At level IPPROTO_TCP, in every family of imports. */
export const TCP_NODELAY = 1;

export const MSG_OOB = 0x01;
export const MSG_PEEK = 0x02;
export const MSG_DONTROUTE = 0x04;
export const MSG_TRUNC = 0x20;
export const MSG_DONTWAIT = 0x40;
export const MSG_EOR = 0x80;
export const MSG_WAITALL = 0x100;
export const MSG_NOSIGNAL = 0x4000;
export const MSG_MORE = 0x8000;
export const MSG_WAITFORONE = 0x10000;
export const MSG_CMSG_CLOEXEC = 0x40000000;

/**
 * The flags that pass. MSG_FASTOPEN would connect past the judgement of `connect`; MSG_ERRQUEUE
 * and MSG_ZEROCOPY answer with control messages, of which guests get none.
 */
export const MSG_KNOWN =
  MSG_OOB |
  MSG_PEEK |
  MSG_DONTROUTE |
  MSG_TRUNC |
  MSG_DONTWAIT |
  MSG_EOR |
  MSG_WAITALL |
  MSG_NOSIGNAL |
  MSG_MORE |
  MSG_CMSG_CLOEXEC;
