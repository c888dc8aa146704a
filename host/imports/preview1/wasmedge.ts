/**
 * The WasmEdge socket family in `wasi_snapshot_preview1`, v1 and v2 (wasmedge_wasi_socket): a
 * guest's own sockets. Where the versions differ, the number of parameters tells them apart.
 */
import { AddressFamily, SockType } from '../../abi/wasmedge.js';
import { Roflags, Riflags } from '../../abi/preview1.js';
import { AF_INET, AF_INET6, AF_UNIX, sockaddrFamily, sockaddrPort } from '../../address.js';
import { Errno, wasiErrno, wasiStatus } from '../../errno.js';
import type { Sandbox } from '../../sandbox.js';
import { type ImportRow, imported } from '../call.js';
import {
  SOCK_DGRAM,
  SOCK_STREAM,
  bindSocket,
  connectSocket,
  listenSocket,
  nameSocket,
  openSocket,
} from '../socket/operations.js';
import {
  MSG_TRUNC,
  isSocket,
  keepsMessages,
  notSocket,
  permitSend,
  receive,
  transmit,
} from '../socket/transfer.js';
import { probeAddress, readAddress, writeAddress } from './addresses.js';
import { receiveFlags } from './sock.js';
import { SOCKOPT_ROWS } from './sockopt.js';

const DOMAINS: Readonly<Record<number, number>> = {
  [AddressFamily.INET4]: AF_INET,
  [AddressFamily.INET6]: AF_INET6,
  [AddressFamily.UNIX]: AF_UNIX,
};

function open(sandbox: Sandbox, family: number, type: number, result: number): number {
  const { memory } = sandbox;
  const at = result >>> 0;
  if (!memory.fits(at, 4)) return Errno.FAULT;
  const domain = DOMAINS[family];
  if (domain === undefined) return Errno.AFNOSUPPORT;
  if (type !== SockType.ANY && type !== SockType.DGRAM && type !== SockType.STREAM) {
    return Errno.PROTOTYPE;
  }
  const linuxType = type === SockType.DGRAM ? SOCK_DGRAM : SOCK_STREAM;
  const fd = openSocket(sandbox, domain, linuxType, 0, 0);
  if (fd < 0) return wasiErrno(fd);
  memory.view.setUint32(at, fd, true);
  return Errno.SUCCESS;
}

/** Reads the address, then does with it what the call is for. */
function addressed(
  sandbox: Sandbox,
  fd: number,
  address: number,
  port: number,
  act: (sandbox: Sandbox, fd: number) => number,
): number {
  const read = readAddress(sandbox, address >>> 0, port);
  return wasiStatus(read < 0 ? read : act(sandbox, fd));
}

const openRow = imported(
  'sock_open',
  { address_family: 'u32', sock_type: 'u32', 'result.fd': '*u32' },
  (sandbox) => (family: number, type: number, result: number) =>
    open(sandbox, family, type, result),
);

const bindRow = imported(
  'sock_bind',
  { fd: 'fd', address: 'ptr', port: 'u32' },
  (sandbox) => (fd: number, address: number, port: number) =>
    addressed(sandbox, fd, address, port, bindSocket),
);

const listenRow = imported(
  'sock_listen',
  { fd: 'fd', backlog: 'i32' },
  (sandbox) => (fd: number, backlog: number) => wasiStatus(listenSocket(sandbox, fd, backlog)),
);

const connectRow = imported(
  'sock_connect',
  { fd: 'fd', address: 'ptr', port: 'u32' },
  (sandbox) => (fd: number, address: number, port: number) =>
    addressed(sandbox, fd, address, port, connectSocket),
);

/** `recvmsg(2)` with the sender's address; `port` is −1 where v1 has no slot for it. */
function receiveFrom(
  sandbox: Sandbox,
  fd: number,
  data: number,
  len: number,
  address: number,
  riflags: number,
  port: number,
  size: number,
  roflags: number,
): number {
  const { memory, descriptors } = sandbox;
  const slots = memory.fits(address >>> 0, 8) && memory.fits(size >>> 0, 4);
  if (!slots || !memory.fits(roflags >>> 0, 2)) return Errno.FAULT;
  if (port !== -1 && !memory.fits(port >>> 0, 2)) return Errno.FAULT;
  const count = memory.readIovecs(data >>> 0, len >>> 0);
  if (count < 0) return wasiErrno(count);
  if ((riflags & ~Riflags.ALL) !== 0) return Errno.INVAL;
  const kind = descriptors.kind(fd);
  if (!isSocket(kind)) return wasiErrno(notSocket(kind));
  const datagram = keepsMessages(kind);
  const room = memory.iovecBytes(count);
  const flags = receiveFlags(riflags) | (datagram ? MSG_TRUNC : 0);
  const slot = probeAddress(sandbox, address >>> 0, descriptors.handle(fd), datagram);
  if (slot < 0) return wasiErrno(slot);
  const n = receive(sandbox, fd, count, flags, true);
  if (n < 0) return wasiErrno(n);
  const written = writeAddress(sandbox, address >>> 0);
  if (written < 0) return wasiErrno(written);
  if (port !== -1) memory.view.setUint16(port >>> 0, sockaddrPort(sandbox.address), true);
  memory.view.setUint32(size >>> 0, Math.min(n, room), true);
  memory.view.setUint16(roflags >>> 0, n > room ? Roflags.DATA_TRUNCATED : 0, true);
  return Errno.SUCCESS;
}

const recvFromV1Row = imported(
  'sock_recv_from',
  {
    fd: 'fd',
    ri_data: 'ptr',
    ri_data_len: 'size',
    address: 'ptr',
    ri_flags: 'u32',
    'result.size': '*u32',
    'result.ro_flags': '*u16',
  },
  (sandbox) =>
    (
      fd: number,
      data: number,
      len: number,
      address: number,
      riflags: number,
      size: number,
      roflags: number,
    ) =>
      receiveFrom(sandbox, fd, data, len, address, riflags, -1, size, roflags),
);

const recvFromV2Row = imported(
  'sock_recv_from',
  {
    fd: 'fd',
    ri_data: 'ptr',
    ri_data_len: 'size',
    address: 'ptr',
    ri_flags: 'u32',
    'result.port': '*u16',
    'result.size': '*u32',
    'result.ro_flags': '*u16',
  },
  (sandbox) =>
    (
      fd: number,
      data: number,
      len: number,
      address: number,
      riflags: number,
      port: number,
      size: number,
      roflags: number,
    ) =>
      // A pointer of −1 is outside any memory; it must not read as "no slot".
      port === -1
        ? Errno.FAULT
        : receiveFrom(sandbox, fd, data, len, address, riflags, port, size, roflags),
);

const sendToRow = imported(
  'sock_send_to',
  {
    fd: 'fd',
    si_data: 'ptr',
    si_data_len: 'size',
    address: 'ptr',
    port: 'u32',
    si_flags: 'u32',
    'result.size': '*u32',
  },
  (sandbox) =>
    (
      fd: number,
      data: number,
      len: number,
      address: number,
      port: number,
      siflags: number,
      size: number,
    ) => {
      const { memory, descriptors } = sandbox;
      if (!memory.fits(size >>> 0, 4)) return Errno.FAULT;
      const count = memory.readIovecs(data >>> 0, len >>> 0);
      if (count < 0) return wasiErrno(count);
      const read = readAddress(sandbox, address >>> 0, port);
      if (read < 0) return wasiErrno(read);
      if (siflags !== 0) return Errno.INVAL;
      const kind = descriptors.kind(fd);
      if (!isSocket(kind)) return wasiErrno(notSocket(kind));
      const permitted = permitSend(sandbox, fd);
      if (permitted < 0) return wasiErrno(permitted);
      const n = transmit(sandbox, fd, count, 0, true);
      if (n < 0) return wasiErrno(n);
      memory.view.setUint32(size >>> 0, n, true);
      return Errno.SUCCESS;
    },
);

/** `getsockname(2)` and `getpeername(2)`; `type` is −1 where v2 has no slot for it. */
function socketAddress(
  sandbox: Sandbox,
  peer: boolean,
  fd: number,
  address: number,
  type: number,
  port: number,
): number {
  const { memory } = sandbox;
  if (!memory.fits(address >>> 0, 8) || !memory.fits(port >>> 0, 4)) return Errno.FAULT;
  if (type !== -1 && !memory.fits(type >>> 0, 4)) return Errno.FAULT;
  const result = nameSocket(sandbox, fd, peer);
  if (result < 0) return wasiErrno(result);
  const written = writeAddress(sandbox, address >>> 0);
  if (written < 0) return wasiErrno(written);
  const inet6 = sockaddrFamily(sandbox.address) === AF_INET6;
  // v1 answers 4 or 6, as its guests expect, not an address family.
  if (type !== -1) memory.view.setUint32(type >>> 0, inet6 ? 6 : 4, true);
  memory.view.setUint32(port >>> 0, sockaddrPort(sandbox.address), true);
  return Errno.SUCCESS;
}

function addressRows(name: string, peer: boolean): ImportRow[] {
  const v1 = imported(
    name,
    { fd: 'fd', address: 'ptr', 'result.address_type': '*u32', 'result.port': '*u32' },
    (sandbox) => (fd: number, address: number, type: number, port: number) =>
      type === -1 ? Errno.FAULT : socketAddress(sandbox, peer, fd, address, type, port),
  );
  const v2 = imported(
    name,
    { fd: 'fd', address: 'ptr', 'result.port': '*u32' },
    (sandbox) => (fd: number, address: number, port: number) =>
      socketAddress(sandbox, peer, fd, address, -1, port),
  );
  return [v1, v2];
}

export const WASMEDGE_ROWS: readonly ImportRow[] = [
  openRow,
  bindRow,
  listenRow,
  connectRow,
  recvFromV1Row,
  recvFromV2Row,
  sendToRow,
  ...addressRows('sock_getlocaladdr', false),
  ...addressRows('sock_getpeeraddr', true),
  ...SOCKOPT_ROWS,
];
