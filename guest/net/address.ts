/** Socket addresses, as the second version of the WasmEdge socket family lays them out. */

/** Size in bytes of an address in memory: family u16 @0, then the address in network order. */
export const ADDRESS_BYTES: i32 = 128;

/** The longest path of a unix socket in bytes: `sun_path` of `unix(7)`, without the zero. */
const PATH_BYTES: i32 = 107;

/** Room for an address as Linux has it: of a `sockaddr_un` without what it has behind its path. */
export const SOCKADDR_BYTES: i32 = 112;
const AF_UNIX: u16 = 1;
const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;
const SOCKADDR_IN_BYTES: i32 = 16;
const SOCKADDR_IN6_BYTES: i32 = 28;

/** Address families. */
export const enum Family {
  INET4 = 1,
  INET6 = 2,
  UNIX = 3,
}

/** An IPv4 or IPv6 address and a port, or the path of a unix socket. */
export class SocketAddress {
  private record: StaticArray<u8> = new StaticArray<u8>(ADDRESS_BYTES);
  /** The port, 0 to 65535. */
  port: i32 = 0;

  /** Where the record of `ADDRESS_BYTES` lies. */
  get bytes(): usize {
    return changetype<usize>(this.record);
  }

  get family(): i32 {
    return load<u16>(this.bytes);
  }

  /** An IPv4 address from its four numbers: `SocketAddress.ipv4(127, 0, 0, 1, 8080)`. */
  static ipv4(a: i32, b: i32, c: i32, d: i32, port: i32): SocketAddress {
    const address = new SocketAddress();
    store<u16>(address.bytes, Family.INET4);
    store<u8>(address.bytes, a, 2);
    store<u8>(address.bytes, b, 3);
    store<u8>(address.bytes, c, 4);
    store<u8>(address.bytes, d, 5);
    address.port = port;
    return address;
  }

  /** The address of a unix socket: a path of 1 to 107 bytes; null if it has fewer or more. */
  static unix(path: string): SocketAddress | null {
    const length = String.UTF8.byteLength(path);
    if (length < 1 || length > PATH_BYTES) return null;
    const address = new SocketAddress();
    store<u16>(address.bytes, Family.UNIX);
    String.UTF8.encodeUnsafe(changetype<usize>(path), path.length, address.bytes + 2);
    return address;
  }

  /**
   * Reads `127.0.0.1:8080`, `[::1]:8080` or `unix:/run/app.sock`; null if it is none of them.
   * Names are not looked up.
   */
  static parse(text: string): SocketAddress | null {
    if (text.startsWith('unix:')) return SocketAddress.unix(text.substring(5));
    const colon = text.lastIndexOf(':');
    if (colon < 1) return null;
    const port = parseNumber(text, colon + 1, text.length, 10, 65535);
    if (port < 0) return null;
    const address = new SocketAddress();
    address.port = port;
    const bracketed = text.charCodeAt(0) == 0x5b && text.charCodeAt(colon - 1) == 0x5d;
    const valid = bracketed
      ? parseIpv6(text.substring(1, colon - 1), address.bytes)
      : parseIpv4(text.substring(0, colon), address.bytes);
    return valid ? address : null;
  }

  /** Becomes the `sockaddr` of `length` bytes at `at`, of which `SOCKADDR_BYTES` are there. */
  readSockaddr(at: usize, length: i32): void {
    const family = length < 2 ? 0 : load<u16>(at);
    this.port = 0;
    if (family == AF_INET) {
      store<u16>(this.bytes, Family.INET4);
      store<u32>(this.bytes, load<u32>(at, 4), 2);
      this.port = bswap(load<u16>(at, 2));
    } else if (family == AF_INET6) {
      store<u16>(this.bytes, Family.INET6);
      memory.copy(this.bytes + 2, at + 8, 16);
      this.port = bswap(load<u16>(at, 2));
    } else {
      memory.fill(this.bytes, 0, ADDRESS_BYTES);
      if (family != AF_UNIX) return;
      store<u16>(this.bytes, Family.UNIX);
      memory.copy(this.bytes + 2, at + 2, min(length - 2, PATH_BYTES));
    }
  }

  /** Writes it as a `sockaddr`, with room for `SOCKADDR_BYTES`; returns its length. */
  writeSockaddr(at: usize): i32 {
    if (this.family == Family.UNIX) {
      store<u16>(at, AF_UNIX);
      memory.copy(at + 2, this.bytes + 2, PATH_BYTES);
      let length = 0;
      while (length < PATH_BYTES && load<u8>(at + 2 + length) != 0) length++;
      store<u8>(at + 2 + length, 0);
      return 2 + length + 1;
    }
    store<u16>(at, bswap(<u16>this.port), 2);
    if (this.family == Family.INET4) {
      store<u16>(at, AF_INET);
      store<u32>(at, load<u32>(this.bytes, 2), 4);
      store<u64>(at, 0, 8);
      return SOCKADDR_IN_BYTES;
    }
    store<u16>(at, AF_INET6);
    store<u32>(at, 0, 4);
    memory.copy(at + 8, this.bytes + 2, 16);
    store<u32>(at, 0, 24);
    return SOCKADDR_IN6_BYTES;
  }

  /** As `parse` reads it; IPv6 without shortening. */
  toString(): string {
    const at = this.bytes + 2;
    if (this.family == Family.UNIX) {
      let length: usize = 0;
      while (length < <usize>PATH_BYTES && load<u8>(at + length) != 0) length++;
      return 'unix:' + String.UTF8.decodeUnsafe(at, length);
    }
    let text = '';
    if (this.family == Family.INET4) {
      for (let i = 0; i < 4; i++) text += (i == 0 ? '' : '.') + load<u8>(at + i).toString();
      return text + ':' + this.port.toString();
    }
    for (let i = 0; i < 8; i++) {
      text += (i == 0 ? '[' : ':') + bswap(load<u16>(at + (i << 1))).toString(16);
    }
    return text + ']:' + this.port.toString();
  }
}

/** The number that `text` holds from `start` to `end`; −1 if it holds none up to `largest`. */
function parseNumber(text: string, start: i32, end: i32, radix: i32, largest: i32): i32 {
  if (start >= end) return -1;
  let value = 0;
  for (let i = start; i < end; i++) {
    const code = text.charCodeAt(i);
    const letter = (code | 0x20) - 0x61;
    const digit = code >= 0x30 && code <= 0x39 ? code - 0x30 : letter >= 0 ? letter + 10 : radix;
    if (digit >= radix) return -1;
    value = value * radix + digit;
    if (value > largest) return -1;
  }
  return value;
}

function parseIpv4(text: string, to: usize): bool {
  store<u16>(to, Family.INET4);
  const parts = text.split('.');
  if (parts.length != 4) return false;
  for (let i = 0; i < 4; i++) {
    const part = parts[i];
    const value = parseNumber(part, 0, part.length, 10, 255);
    if (value < 0 || (part.length > 1 && part.charCodeAt(0) == 0x30)) return false;
    store<u8>(to + i, value, 2);
  }
  return true;
}

function parseIpv6(text: string, to: usize): bool {
  store<u16>(to, Family.INET6);
  const gap = text.indexOf('::');
  if (gap < 0) return parseGroups(text, to + 2) == 8;
  const head = parseGroups(text.substring(0, gap), to + 2);
  const tail = text.substring(gap + 2);
  const scratch = new StaticArray<u8>(16);
  const count = parseGroups(tail, changetype<usize>(scratch));
  if (head < 0 || count < 0 || head + count > 7) return false;
  memory.copy(to + 2 + ((8 - count) << 1), changetype<usize>(scratch), count << 1);
  return true;
}

/** Reads groups of hexadecimal digits, at most 8; returns how many, or −1. */
function parseGroups(text: string, to: usize): i32 {
  if (text.length == 0) return 0;
  const groups = text.split(':');
  if (groups.length > 8) return -1;
  for (let i = 0; i < groups.length; i++) {
    const value = parseNumber(groups[i], 0, groups[i].length, 16, 0xffff);
    if (value < 0) return -1;
    store<u16>(to + ((<usize>i) << 1), bswap(<u16>value));
  }
  return groups.length;
}
