/** Structs and constants of the WasmEdge socket family (wasmedge_wasi_socket, v1 and v2). */
import { struct, u16, u32, u64, u8 } from './layout.js';

/** `__wasi_address_t`: a buffer of 4, 16 or (v2) 128 bytes. */
export const Address = struct(8, 4, { buf: u32(0), len: u32(4) });

/** The 128-byte v2 buffer: family, then the raw address. */
export const AddressV2 = struct(128, 2, { family: u16(0), address: u16(2) });

export const AddressFamily = { UNSPEC: 0, INET4: 1, INET6: 2, UNIX: 3 } as const;
/** The opposite of WASIX's numbers. */
export const SockType = { ANY: 0, DGRAM: 1, STREAM: 2 } as const;

/** Levels: SOL_SOCKET is 0 here; IPPROTO_TCP keeps its number, 6, as other levels do. */
export const SockLevel = { SOL_SOCKET: 0, TCP: 6 } as const;

/** Options at SOL_SOCKET, WasmEdge's numbers. */
export const SockOpt = {
  REUSEADDR: 0,
  TYPE: 1,
  ERROR: 2,
  DONTROUTE: 3,
  BROADCAST: 4,
  SNDBUF: 5,
  RCVBUF: 6,
  KEEPALIVE: 7,
  OOBINLINE: 8,
  LINGER: 9,
  RCVLOWAT: 10,
  RCVTIMEO: 11,
  SNDTIMEO: 12,
  ACCEPTCONN: 13,
  BINDTODEVICE: 14,
} as const;

/** `struct timeval` of wasi-libc, the value of RCVTIMEO and SNDTIMEO. */
export const Timeval = struct(16, 8, { seconds: u64(0), microseconds: u64(8) });

/** `struct linger`. */
export const Linger = struct(8, 4, { onoff: u32(0), lingerSeconds: u32(4) });

/** `__wasi_addrinfo_t`; the guest lays out a list of them for `sock_getaddrinfo`. */
export const Addrinfo = struct(28, 4, {
  flags: u16(0),
  family: u8(2),
  socktype: u8(3),
  protocol: u8(4),
  addrlen: u32(8),
  addr: u32(12),
  canonname: u32(16),
  canonnameLen: u32(20),
  next: u32(24),
});

/** `__wasi_sockaddr_t`: `data` points to the port, high byte first, and the address. */
export const Sockaddr = struct(12, 4, { family: u8(0), dataLen: u32(4), data: u32(8) });

/** Transport protocols in an `Addrinfo`. */
export const Protocol = { IP: 0, TCP: 1, UDP: 2 } as const;

/** WASI has no words for a resolver's errors; these follow its own numbers. */
export const ResolverErrno = {
  AIADDRFAMILY: 77,
  AIAGAIN: 78,
  AIBADFLAG: 79,
  AIFAIL: 80,
  AIFAMILY: 81,
  AIMEMORY: 82,
  AINODATA: 83,
  AINONAME: 84,
  AISERVICE: 85,
  AISOCKTYPE: 86,
  AISYSTEM: 87,
} as const;
