/**
 * The judgement of addresses: as the bytes that the kernel will see, never as text, so that no
 * spelling is a way round a rule. Called for every datagram: nothing here allocates for it.
 */
import {
  AF_INET,
  AF_INET6,
  AF_UNIX,
  INET4_AT,
  INET6_AT,
  PORT_MAX,
  decodeSockaddr,
  embeddedIpv4At,
  encodeInet4,
  encodeInet6,
  formatAddress,
  formatIp,
  isIpv4Mapped,
  sockaddrFamily,
  sockaddrPathBytes,
  sockaddrPort,
  type Transport,
} from '../address.js';
import { SOCKADDR_BYTES, type SockaddrBuffer } from '../kernel/kernel.js';
import {
  LOOPBACK_IPV4,
  LOOPBACK_IPV6,
  type InetRule,
  type NetGrants,
  type NetRule,
  type Network,
  type UnixRule,
} from './rule.js';

/** The lowest port the kernel picks for port 0: below are the privileged ones. */
const PICKED_PORT_MIN = 1024;

/** What a guest wants to do with an address: its own for `bind`, the peer's for the others. */
export type AddressUse = 'bind' | 'connect' | 'send' | 'accept';

const IPV4_BYTES = 4;

/** Where the address begins, an IPv4-mapped one as the IPv4 address it is; minus 1 if none. */
function canonicalIpAt(buffer: SockaddrBuffer): number {
  const family = sockaddrFamily(buffer);
  if (family === AF_INET) return INET4_AT;
  if (family !== AF_INET6) return -1;
  return isIpv4Mapped(buffer, INET6_AT) ? INET6_AT + 12 : INET6_AT;
}

function bytesAt(at: number): number {
  return at === INET6_AT ? 16 : IPV4_BYTES;
}

function isUnspecified(buffer: SockaddrBuffer, at: number): boolean {
  for (let i = 0; i < bytesAt(at); i += 1) if (buffer[at + i] !== 0) return false;
  return true;
}

function contains(network: Network, buffer: SockaddrBuffer, at: number, length: number): boolean {
  const { bytes, prefixBits } = network;
  if (bytes.length !== length) return false;
  const whole = prefixBits >>> 3;
  for (let i = 0; i < whole; i += 1) if (bytes[i] !== buffer[at + i]) return false;
  const rest = prefixBits & 7;
  return rest === 0 || (bytes[whole] ^ buffer[at + whole]) >>> (8 - rest) === 0;
}

function someContains(rule: InetRule, buffer: SockaddrBuffer, at: number, length: number): boolean {
  for (const network of rule.networks) if (contains(network, buffer, at, length)) return true;
  return false;
}

function isAbout(rule: InetRule, use: AddressUse, transport: Transport): boolean {
  const direction = use === 'bind' || use === 'accept' ? 'in' : 'out';
  return (
    (rule.transport === undefined || rule.transport === transport) &&
    (rule.direction === undefined || rule.direction === direction)
  );
}

function isEveryPort(rule: InetRule): boolean {
  return rule.ports.some(([first, last]) => first === 0 && last === PORT_MAX);
}

/** To bind port 0 is to bind any port from `PICKED_PORT_MIN` up: all of them must be allowed. */
function allowsPort(rule: InetRule, use: AddressUse, port: number): boolean {
  for (const [first, last] of rule.ports) {
    const picked = last === 0 || (first <= PICKED_PORT_MIN && last === PORT_MAX);
    if (use === 'bind' && port === 0 ? picked : first <= port && port <= last) return true;
  }
  return false;
}

/** To bind port 0 is to bind any port from `PICKED_PORT_MIN` up: none of them may be denied. */
function deniesPort(rule: InetRule, use: AddressUse, port: number): boolean {
  for (const [first, last] of rule.ports) {
    const picked = last === 0 || last >= PICKED_PORT_MIN;
    if (use === 'bind' && port === 0 ? picked : first <= port && port <= last) return true;
  }
  return false;
}

/** Whether a rule permits binding every address: it names the unspecified one, or all of them. */
function allowsWildcard(rule: InetRule, length: number): boolean {
  // A socket bound to `::` takes IPv4 too, so all of IPv6 is not yet all of it.
  let families = 0;
  for (const { bytes, prefixBits } of rule.networks) {
    if (bytes.length === length && prefixBits === length * 8) {
      if (bytes.every((byte) => byte === 0)) return true;
    }
    if (prefixBits === 0) families |= bytes.length;
  }
  return length === IPV4_BYTES ? (families & IPV4_BYTES) !== 0 : families === (IPV4_BYTES | 16);
}

function isAllowed(
  rules: readonly NetRule[],
  use: AddressUse,
  transport: Transport,
  buffer: SockaddrBuffer,
): boolean {
  const at = canonicalIpAt(buffer);
  const length = bytesAt(at);
  const port = sockaddrPort(buffer);
  const wildcard = use === 'bind' && isUnspecified(buffer, at);
  for (const rule of rules) {
    if (rule.transport === 'unix' || !isAbout(rule, use, transport)) continue;
    if (!allowsPort(rule, use, port)) continue;
    if (wildcard ? allowsWildcard(rule, length) : someContains(rule, buffer, at, length)) {
      return true;
    }
  }
  return false;
}

/**
 * Whether a rule denies the address, for a port it is about. The unspecified address stands for
 * every address of the machine, so a denied one among them is enough; and an IPv6 address that
 * may end as an IPv4 one is judged as both.
 */
function deniesAddress(rule: InetRule, buffer: SockaddrBuffer, at: number): boolean {
  const length = bytesAt(at);
  if (isUnspecified(buffer, at)) {
    return length === 16 || rule.networks.some(({ bytes }) => bytes.length === length);
  }
  if (someContains(rule, buffer, at, length)) return true;
  const embeddedAt = length === 16 ? embeddedIpv4At(buffer, at) : -1;
  return embeddedAt >= 0 && someContains(rule, buffer, embeddedAt, IPV4_BYTES);
}

/** Whether a rule keeps a peer out: it must name hosts, and be about no port of ours. */
function deniesPeer(rule: InetRule, buffer: SockaddrBuffer, at: number): boolean {
  if (!isEveryPort(rule) || rule.networks.some(({ prefixBits }) => prefixBits === 0)) return false;
  return deniesAddress(rule, buffer, at);
}

/** The rule that denies an IP address, if there is one. */
function denyingRule(
  rules: readonly NetRule[],
  use: AddressUse,
  transport: Transport,
  buffer: SockaddrBuffer,
): InetRule | undefined {
  const at = canonicalIpAt(buffer);
  const port = sockaddrPort(buffer);
  for (const rule of rules) {
    if (rule.transport === 'unix' || !isAbout(rule, use, transport)) continue;
    if (use === 'accept') {
      if (deniesPeer(rule, buffer, at)) return rule;
    } else if (deniesPort(rule, use, port) && deniesAddress(rule, buffer, at)) return rule;
  }
  return undefined;
}

function unixRule(rules: readonly NetRule[], buffer: SockaddrBuffer): UnixRule | undefined {
  const path = sockaddrPathBytes(buffer);
  for (const rule of rules) {
    if (rule.transport !== 'unix' || rule.path.length !== path.length) continue;
    if (rule.path.every((byte, i) => byte === path[i])) return rule;
  }
  return undefined;
}

/** Linux connects to the unspecified address by way of loopback. */
function loopbacks(buffer: SockaddrBuffer): readonly SockaddrBuffer[] {
  const port = sockaddrPort(buffer);
  const inet4 = new Uint8Array(SOCKADDR_BYTES);
  encodeInet4(inet4, LOOPBACK_IPV4, 0, port);
  if (canonicalIpAt(buffer) !== INET6_AT) return [inet4];
  const inet6 = new Uint8Array(SOCKADDR_BYTES);
  encodeInet6(inet6, LOOPBACK_IPV6, 0, port);
  return [inet6, inet4];
}

/**
 * Whether a guest may use the address in `buffer`. Deny wins.
 *
 * - An address that is not whole, or whose family is not the transport's, is refused.
 * - `bind` to the unspecified address needs a rule that names it or every address, and is
 *   refused while any address is denied for that port; so is `connect` to it, which also needs
 *   loopback allowed, where it leads.
 * - `bind` to port 0 needs port 0, or all of 1024 to 65535.
 * - `accept` needs no rule (whoever may listen may accept), but a deny rule that covers `in`,
 *   names hosts and no ports keeps these peers out. A rule for every host is about binding.
 * - The scope of an IPv6 address is ignored.
 *
 * `listen(2)` and `sendto(2)` on an unbound socket bind it to port 0 of the unspecified address:
 * the caller judges that as `bind` where it matters.
 */
export function judge(
  net: NetGrants,
  use: AddressUse,
  transport: Transport,
  buffer: SockaddrBuffer,
): boolean {
  if (transport === 'unix') {
    if (use === 'accept') return true;
    return unixRule(net.deny, buffer) === undefined && unixRule(net.allow, buffer) !== undefined;
  }
  const at = canonicalIpAt(buffer);
  if (at < 0 || denyingRule(net.deny, use, transport, buffer) !== undefined) return false;
  if (use === 'accept') return true;
  if (!isAllowed(net.allow, use, transport, buffer)) return false;
  if (use === 'bind' || !isUnspecified(buffer, at)) return true;
  return loopbacks(buffer).every((loopback) => judge(net, use, transport, loopback));
}

/** The flag that grants an IP address and nothing more. */
function inetFlag(use: AddressUse, transport: Transport, buffer: SockaddrBuffer): string {
  const at = canonicalIpAt(buffer);
  const ip = formatIp(buffer.subarray(at, at + bytesAt(at)));
  const host = bytesAt(at) === IPV4_BYTES ? ip : `[${ip}]`;
  const direction = use === 'bind' ? 'in' : 'out';
  return `--allow-net=${transport}:${host}:${sockaddrPort(buffer)}/${direction}`;
}

/** The flags that together grant the address; none does for an unnamed unix address. */
function grantingFlags(use: AddressUse, transport: Transport, buffer: SockaddrBuffer): string[] {
  if (sockaddrFamily(buffer) === AF_UNIX) {
    const address = decodeSockaddr(buffer);
    const named = address !== null && sockaddrPathBytes(buffer).length > 0;
    return named ? [`--allow-net=${formatAddress(address)}`] : [];
  }
  const leadsToLoopback = use !== 'bind' && isUnspecified(buffer, canonicalIpAt(buffer));
  const buffers = leadsToLoopback ? [buffer, ...loopbacks(buffer)] : [buffer];
  return buffers.map((each) => inetFlag(use, transport, each));
}

/**
 * One line for a use that `judge` refused: what was refused, and the flag that grants it, or the
 * `--deny-net` rule of `net` that forbids it.
 */
export function denialText(
  use: AddressUse,
  transport: Transport,
  buffer: SockaddrBuffer,
  net: NetGrants = { allow: [], deny: [] },
): string {
  const what = `denied: ${use} ${use === 'accept' ? 'from' : 'to'} ${transport}`;
  const address = decodeSockaddr(buffer);
  if (address === null || (address.family === 'unix') !== (transport === 'unix')) {
    return `${what}: not an address of this kind; no flag grants it`;
  }
  const denying =
    transport === 'unix'
      ? unixRule(net.deny, buffer)
      : denyingRule(net.deny, use, transport, buffer);
  const named = `${what} ${formatAddress(address)}`;
  if (denying !== undefined) return `${named}; --deny-net=${denying.text} forbids it`;
  if (use === 'accept') return `${named}; a --deny-net rule forbids it`;
  const flags = grantingFlags(use, transport, buffer);
  if (flags.length === 0) return `${named}; no flag grants an unnamed address`;
  return `${named}; grant it with ${flags.join(' ')}`;
}
