/** Network rules: what `--allow-net` and `--deny-net` say, as plain data. */
import { PORT_MAX, UNIX_PATH_BYTES, isIpv4Mapped, parseIp } from '../address.js';
import { usageError, type UsageError } from '../usage.js';

/** The addresses that share the first `prefixBits` bits of `bytes` (4 or 16 of them). */
export interface Network {
  readonly bytes: Uint8Array;
  readonly prefixBits: number;
}

/** A rule about IP addresses. Without `transport` or `direction` it is about both. */
export interface InetRule {
  /** The rule as it was written. */
  readonly text: string;
  readonly transport?: 'tcp' | 'udp';
  readonly networks: readonly Network[];
  /** First and last port of each range. */
  readonly ports: readonly (readonly [number, number])[];
  /** `in` is bind and accept, `out` is connect and send. */
  readonly direction?: 'in' | 'out';
}

/** A rule about one unix path, byte for byte; an abstract name begins with NUL. */
export interface UnixRule {
  readonly text: string;
  readonly transport: 'unix';
  readonly path: Uint8Array;
}

export type NetRule = InetRule | UnixRule;

/** Network rules: a use is permitted if some `allow` rule permits it and no `deny` rule forbids. */
export interface NetGrants {
  readonly allow: readonly NetRule[];
  readonly deny: readonly NetRule[];
}

export type NetOption = '--allow-net' | '--deny-net';

const EVERY_PORT = [[0, PORT_MAX]] as const;
const EVERY_IPV4: Network = { bytes: new Uint8Array(4), prefixBits: 0 };
const EVERY_IPV6: Network = { bytes: new Uint8Array(16), prefixBits: 0 };
export const LOOPBACK_IPV4 = Uint8Array.of(127, 0, 0, 1);
export const LOOPBACK_IPV6 = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1);

const RULE = new RegExp(
  '^(?:(?<transport>tcp|udp):)?' +
    String.raw`(?<host>(?:\[[^\]]*\]|[^:[\]/]+)(?:/\d+)?)` +
    String.raw`(?::(?<ports>[^:/]*))?(?:/(?<direction>in|out))?$`,
);

function ruleError(option: NetOption, text: string, reason: string, right: string): UsageError {
  return usageError(`${option}=${text}: ${reason}; write it as in ${option}=${right}`);
}

/** An IPv4-mapped network is the IPv4 network, as it is to the kernel. */
function canonicalNetwork(bytes: Uint8Array, prefixBits: number): Network {
  const mapped = bytes.length === 16 && prefixBits >= 96 && isIpv4Mapped(bytes, 0);
  return mapped ? { bytes: bytes.slice(12), prefixBits: prefixBits - 96 } : { bytes, prefixBits };
}

function parseNetworks(option: NetOption, text: string, host: string): readonly Network[] {
  if (host === '*') return [EVERY_IPV4, EVERY_IPV6];
  if (host === 'localhost') {
    return [
      { bytes: LOOPBACK_IPV4, prefixBits: 32 },
      { bytes: LOOPBACK_IPV6, prefixBits: 128 },
    ];
  }
  const [ip, prefix, ...more] = host.replace(/[[\]]/g, '').split('/');
  const bytes = parseIp(ip);
  if (bytes === null) {
    const reason = `'${ip}' is not an IP address, and names are not looked up yet`;
    throw ruleError(option, text, `${reason} (that will be --allow-resolve)`, '10.0.0.1:443');
  }
  const bits = bytes.length * 8;
  if (prefix === undefined) return [canonicalNetwork(bytes, bits)];
  if (!/^\d{1,3}$/.test(prefix) || Number(prefix) > bits || more.length > 0) {
    throw ruleError(option, text, `a prefix is a number from 0 to ${bits}`, '10.0.0.0/8:443');
  }
  return [canonicalNetwork(bytes, Number(prefix))];
}

function parsePorts(option: NetOption, text: string, ports: string): InetRule['ports'] {
  return ports.split(',').map((part) => {
    const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(part);
    const first = Number(match?.[1]);
    const last = Number(match?.[2] ?? first);
    if (first <= last && last <= PORT_MAX) return [first, last] as const;
    throw ruleError(option, text, `'${part}' is not a port or a range`, '*:80,8000-8999');
  });
}

function parseUnixRule(option: NetOption, text: string): UnixRule {
  const path = new TextEncoder().encode(text.slice('unix:'.length).replace(/^@/, '\0'));
  const named = path.length > (path[0] === 0 ? 1 : 0);
  if (named && path.length <= UNIX_PATH_BYTES && path.indexOf(0, 1) < 0) {
    return { text, transport: 'unix', path };
  }
  const reason = `a unix path has 1 to ${UNIX_PATH_BYTES} bytes, none of them zero`;
  throw ruleError(option, text, reason, 'unix:/run/app.sock');
}

/**
 * Reads `[tcp:|udp:]HOST|CIDR|*[:PORT[-PORT][,…]][/in|/out]` or `unix:PATH`; `text` is the
 * option's value, `*` for the option without one.
 *
 * HOST is an IP address (IPv6 in brackets, its prefix inside or after them) or `localhost`
 * (127.0.0.1 and ::1). `*` is every IP address; never a unix path, for which no rule but its own
 * exact one speaks. `/in` and `/out` are never a prefix: those are numbers. Port 0 is "any free
 * port" to bind. Anything else is a `UsageError`.
 */
export function parseNetRule(text: string, option: NetOption): NetRule {
  if (text.startsWith('unix:')) return parseUnixRule(option, text);
  const parts = RULE.exec(text)?.groups;
  if (parts === undefined) {
    const reason = 'not an address with ports (IPv6 stands in brackets)';
    throw ruleError(option, text, reason, 'tcp:10.0.0.0/8:80,8000-8999/out');
  }
  const { transport, host, ports, direction } = parts;
  return {
    text,
    networks: parseNetworks(option, text, host),
    ports: ports === undefined ? EVERY_PORT : parsePorts(option, text, ports),
    ...(transport === undefined ? {} : { transport: transport === 'tcp' ? 'tcp' : 'udp' }),
    ...(direction === undefined ? {} : { direction: direction === 'in' ? 'in' : 'out' }),
  };
}
