/** Rules and addresses in one word, for the tests of grants. */
import { encodeSockaddr } from '#host/address.js';
import { judge, parseNetRule, type AddressUse, type NetGrants } from '#host/grants.js';
import { SOCKADDR_BYTES } from '#host/kernel/kernel.js';

export const USES: readonly AddressUse[] = ['bind', 'connect', 'send'];

export function net(allow: readonly string[], deny: readonly string[] = []): NetGrants {
  return {
    allow: allow.map((text) => parseNetRule(text, '--allow-net')),
    deny: deny.map((text) => parseNetRule(text, '--deny-net')),
  };
}

export function inet(ip: string, port: number): Uint8Array {
  const family = ip.includes(':') ? 'inet6' : 'inet4';
  const buffer = new Uint8Array(SOCKADDR_BYTES);
  encodeSockaddr(buffer, { family, ip, port });
  return buffer;
}

export function unix(path: string): Uint8Array {
  const buffer = new Uint8Array(SOCKADDR_BYTES);
  encodeSockaddr(buffer, { family: 'unix', path });
  return buffer;
}

/** Whether `connect` over TCP is permitted. */
export function connects(grants: NetGrants, ip: string, port = 80): boolean {
  return judge(grants, 'connect', 'tcp', inet(ip, port));
}

/** Whether `bind` over TCP is permitted. */
export function binds(grants: NetGrants, ip: string, port = 80): boolean {
  return judge(grants, 'bind', 'tcp', inet(ip, port));
}
