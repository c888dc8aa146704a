/**
 * `sock_getaddrinfo` of the WasmEdge family: names looked up by the system's resolver, on a thread
 * of its own that a stop abandons. A name needs `--allow-resolve`; what it leads to is judged when
 * it is used, as any address (B41).
 */
import { EPOLLIN } from '../../abi/epoll.js';
import {
  Addrinfo,
  AddressFamily,
  Protocol,
  ResolverErrno,
  SockType,
  Sockaddr,
} from '../../abi/wasmedge.js';
import {
  AF_INET,
  AF_INET6,
  AF_UNSPEC,
  parseIp,
  sockaddrFamily,
  sockaddrIpBytes,
  sockaddrPort,
} from '../../address.js';
import { Errno, LinuxErrno, wasiErrno, wasiStatus } from '../../errno.js';
import { allowsName, isName } from '../../grants.js';
import { SOCKADDR_BYTES } from '../../kernel/kernel.js';
import type { Sandbox } from '../../sandbox.js';
import { type ImportRow, imported } from '../call.js';
import { SOCK_DGRAM, SOCK_STREAM } from '../socket/operations.js';
import { IPPROTO_TCP, IPPROTO_UDP } from '../socket/options.js';

/** The most addresses of one answer that a guest gets: more than any name in use has. */
const ANSWERS_MAX = 64;
/** A record of the kernel port: socktype u32, protocol u32, an address. */
const RECORD_BYTES = 140;
const RECORD_ADDRESS = 8;
/** The longest node or service text that is looked at: no name is longer (B41). */
const TEXT_BYTES_MAX = 256;
/** The crate's buffers say 14 bytes and have 26: an IPv6 address needs 18. */
const CRATE_SAYS_BYTES = 14;
const CRATE_HAS_BYTES = 26;

/** Linux's AI_* for WasmEdge's flags, bit by bit; AI_CANONNAME is not answered. */
const AI_FLAGS: readonly number[] = [0x01, 0, 0x04, 0x400, 0x08, 0x10, 0x20];

/** The port's resolver errors begin after this: −1002 is EAI_NONAME, −2. */
const RESOLVER_ERRORS = -1000;

/** By minus the EAI_* code of `getaddrinfo(3)`. */
const RESOLVER_ERRNOS: Readonly<Record<number, number>> = {
  1: ResolverErrno.AIBADFLAG,
  2: ResolverErrno.AINONAME,
  3: ResolverErrno.AIAGAIN,
  4: ResolverErrno.AIFAIL,
  5: ResolverErrno.AINODATA,
  6: ResolverErrno.AIFAMILY,
  7: ResolverErrno.AISOCKTYPE,
  8: ResolverErrno.AISERVICE,
  9: ResolverErrno.AIADDRFAMILY,
  10: ResolverErrno.AIMEMORY,
};

const FAMILIES: Readonly<Record<number, number>> = {
  [AddressFamily.UNSPEC]: AF_UNSPEC,
  [AddressFamily.INET4]: AF_INET,
  [AddressFamily.INET6]: AF_INET6,
};
const TYPES: Readonly<Record<number, number>> = {
  [SockType.ANY]: 0,
  [SockType.DGRAM]: SOCK_DGRAM,
  [SockType.STREAM]: SOCK_STREAM,
};

interface Hints {
  readonly family: number;
  readonly type: number;
  readonly flags: number;
}

function resolverErrno(result: number): number {
  if (result > RESOLVER_ERRORS) return wasiErrno(result);
  return RESOLVER_ERRNOS[RESOLVER_ERRORS - result] ?? ResolverErrno.AISYSTEM;
}

/** Text up to its first NUL, as both ends agree (B41); null if it is too long or no ASCII. */
function readText(sandbox: Sandbox, at: number, length: number): string | null {
  const bytes = sandbox.memory.bytes.slice(at, at + Math.min(length, TEXT_BYTES_MAX));
  const end = bytes.indexOf(0);
  if (end < 0 && length > TEXT_BYTES_MAX) return null;
  const text = Buffer.from(end < 0 ? bytes : bytes.subarray(0, end)).toString('latin1');
  return /^[!-~]*$/.test(text) ? text : null;
}

/** Linux's hints for a guest's, or minus an errno's worth of what is wrong with them. */
function readHints(sandbox: Sandbox, at: number): Hints | number {
  const { view } = sandbox.memory;
  const family = FAMILIES[Addrinfo.family.get(view, at)];
  const type = TYPES[Addrinfo.socktype.get(view, at)];
  if (family === undefined) return ResolverErrno.AIFAMILY;
  if (type === undefined) return ResolverErrno.AISOCKTYPE;
  const bits = Addrinfo.flags.get(view, at);
  const flags = AI_FLAGS.reduce((all, flag, bit) => ((bits >> bit) & 1 ? all | flag : all), 0);
  return { family, type, flags };
}

/** Whether the guest may ask for the name: a WASI errno. An address in text asks nobody. */
function judgeName(sandbox: Sandbox, node: string): number {
  if (node === '' || parseIp(node) !== null) return Errno.SUCCESS;
  if (!isName(node)) return ResolverErrno.AINONAME;
  if (allowsName(sandbox.grants.resolve, node)) return Errno.SUCCESS;
  return wasiErrno(
    sandbox.deny(`denied: look-up of ${node}; grant it with --allow-resolve=${node}`),
  );
}

/** Asks, waits so that a stop can interrupt, and reads the answer: a count, or minus an errno. */
function lookUp(
  sandbox: Sandbox,
  node: string,
  service: string,
  { family, type, flags }: Hints,
  answer: Uint8Array,
): number {
  const { kernel } = sandbox;
  const text = Buffer.from(node + service, 'latin1');
  const handle = kernel.resolve(
    text,
    0,
    node.length,
    node.length,
    service.length,
    family,
    type,
    flags,
  );
  if (handle < 0) return handle;
  const ready = sandbox.waitReady(handle, EPOLLIN, 0);
  const room = Math.floor(answer.length / RECORD_BYTES);
  const count = ready < 0 ? ready : kernel.resolved(handle, answer, 0, room);
  kernel.close(handle);
  return count;
}

/** Writes one answer to the guest's node at `at`: 0, `-EFAULT`, or `-EINVAL` for want of room. */
function writeNode(sandbox: Sandbox, at: number, record: Uint8Array): number {
  const { memory } = sandbox;
  if (!memory.fits(at, Addrinfo.SIZE)) return -LinuxErrno.FAULT;
  const sockaddrAt = Addrinfo.addr.get(memory.view, at);
  if (!memory.fits(sockaddrAt, Sockaddr.SIZE)) return -LinuxErrno.FAULT;
  const address = record.subarray(RECORD_ADDRESS, RECORD_ADDRESS + SOCKADDR_BYTES);
  const ip = sockaddrIpBytes(address);
  const dataBytes = 2 + ip.length;
  const says = Sockaddr.dataLen.get(memory.view, sockaddrAt);
  const room = says === CRATE_SAYS_BYTES ? CRATE_HAS_BYTES : says;
  const dataAt = Sockaddr.data.get(memory.view, sockaddrAt);
  if (dataBytes > room) return -LinuxErrno.INVAL;
  if (!memory.fits(dataAt, dataBytes)) return -LinuxErrno.FAULT;
  // Not before: another thread may have grown the memory, and with it what fits.
  const { view } = memory;
  const inet4 = sockaddrFamily(address) === AF_INET;
  const family = inet4 ? AddressFamily.INET4 : AddressFamily.INET6;
  const [type, , , , protocol] = record;
  Addrinfo.family.set(view, at, family);
  Addrinfo.socktype.set(view, at, type === SOCK_STREAM ? SockType.STREAM : SockType.DGRAM);
  const known = protocol === IPPROTO_UDP ? Protocol.UDP : Protocol.IP;
  Addrinfo.protocol.set(view, at, protocol === IPPROTO_TCP ? Protocol.TCP : known);
  Addrinfo.addrlen.set(view, at, dataBytes);
  Addrinfo.canonnameLen.set(view, at, 0);
  Sockaddr.family.set(view, sockaddrAt, family);
  Sockaddr.dataLen.set(view, sockaddrAt, dataBytes);
  view.setUint16(dataAt, sockaddrPort(address), false);
  memory.bytes.set(ip, dataAt + 2);
  return 0;
}

/** Writes as many answers as there are nodes in the guest's list; how many, or minus an errno. */
function writeList(sandbox: Sandbox, head: number, answer: Uint8Array, count: number): number {
  const { memory } = sandbox;
  let at = head;
  for (let index = 0; index < count; index++) {
    if (at === 0) return index;
    const record = answer.subarray(index * RECORD_BYTES, (index + 1) * RECORD_BYTES);
    const written = writeNode(sandbox, at, record);
    if (written < 0) return written;
    at = Addrinfo.next.get(memory.view, at);
  }
  return count;
}

/** `res` points to the head of the guest's list of `max_res` nodes. */
const getaddrinfoRow = imported(
  'sock_getaddrinfo',
  {
    node: 'ptr',
    node_len: 'size',
    service: 'ptr',
    service_len: 'size',
    hints: 'ptr',
    res: 'ptr',
    max_res: 'size',
    'result.res_len': '*u32',
  },
  (sandbox) =>
    (
      nodePtr: number,
      nodeLen: number,
      servicePtr: number,
      serviceLen: number,
      hintsPtr: number,
      res: number,
      maxRes: number,
      resLen: number,
    ) => {
      const { memory } = sandbox;
      const nodeAt = nodePtr >>> 0;
      const serviceAt = servicePtr >>> 0;
      const texts = memory.fits(nodeAt, nodeLen >>> 0) && memory.fits(serviceAt, serviceLen >>> 0);
      const slots = memory.fits(res >>> 0, 4) && memory.fits(resLen >>> 0, 4);
      if (!texts || !slots || !memory.fits(hintsPtr >>> 0, Addrinfo.SIZE)) return Errno.FAULT;
      const node = readText(sandbox, nodeAt, nodeLen >>> 0);
      const service = readText(sandbox, serviceAt, serviceLen >>> 0);
      if (node === null) return ResolverErrno.AINONAME;
      if (service === null) return ResolverErrno.AISERVICE;
      const hints = readHints(sandbox, hintsPtr >>> 0);
      if (typeof hints === 'number') return hints;
      const judged = judgeName(sandbox, node);
      if (judged !== Errno.SUCCESS) return judged;
      const answer = new Uint8Array(Math.min(maxRes >>> 0, ANSWERS_MAX) * RECORD_BYTES);
      const count = lookUp(sandbox, node, service, hints, answer);
      if (count < 0) return resolverErrno(count);
      const head = memory.view.getUint32(res >>> 0, true);
      const written = writeList(sandbox, head, answer, count);
      if (written >= 0) memory.view.setUint32(resLen >>> 0, written, true);
      return wasiStatus(written);
    },
);

export const GETADDRINFO_ROWS: readonly ImportRow[] = [getaddrinfoRow];
