/** Frames of RFC 6455 §5: reading a head, taking the mask off, writing a head. */

/** What a frame is. */
export const enum Opcode {
  CONTINUATION = 0,
  TEXT = 1,
  BINARY = 2,
  CLOSE = 8,
  PING = 9,
  PONG = 10,
}

/** Why a WebSocket was closed (RFC 6455 §7.4). */
export namespace CloseCode {
  export const NORMAL: i32 = 1000;
  export const GOING_AWAY: i32 = 1001;
  export const PROTOCOL_ERROR: i32 = 1002;
  export const UNSUPPORTED: i32 = 1003;
  /** Never sent: the peer's close frame had none. */
  export const NONE: i32 = 1005;
  /** Never sent: there was no close frame. */
  export const ABNORMAL: i32 = 1006;
  export const NOT_UTF8: i32 = 1007;
  export const POLICY: i32 = 1008;
  export const TOO_BIG: i32 = 1009;
  export const INTERNAL: i32 = 1011;
}

/** The longest payload of a control frame in bytes. */
export const CONTROL_BYTES_MAX: i32 = 125;
/** The longest head of a frame that we write: servers do not mask. */
export const HEAD_BYTES_MAX: i32 = 10;

const FIN: u8 = 0x80;
const RESERVED: u8 = 0x70;
const MASKED: u8 = 0x80;
const MASK_BYTES: i32 = 4;

/** The head of one frame from a client. */
@unmanaged
export class FrameHead {
  isFinal: bool = false;
  opcode: i32 = 0;
  payloadBytes: i64 = 0;
  /** The mask, as it lies in memory. */
  mask: u32 = 0;

  /** Whether it is a close, ping or pong. */
  get isControl(): bool {
    return this.opcode >= Opcode.CLOSE;
  }

  /**
   * Reads a head from `length` bytes: returns its size in bytes, 0 if it is not whole, −1 if it
   * breaks the protocol.
   */
  read(data: usize, length: i32): i32 {
    if (length < 2) return 0;
    const first = load<u8>(data);
    const second = load<u8>(data, 1);
    this.isFinal = (first & FIN) != 0;
    this.opcode = first & 0x0f;
    const short: i32 = second & 0x7f;
    if ((first & RESERVED) != 0 || (second & MASKED) == 0) return -1;
    const isKnown = this.opcode <= Opcode.BINARY || (this.isControl && this.opcode <= Opcode.PONG);
    if (!isKnown) return -1;
    if (this.isControl && (!this.isFinal || short > CONTROL_BYTES_MAX)) return -1;
    const extended = short == 126 ? 2 : short == 127 ? 8 : 0;
    const size = 2 + extended + MASK_BYTES;
    if (length < size) return 0;
    this.payloadBytes = short;
    // The shortest form must be used.
    if (extended == 2) {
      this.payloadBytes = bswap(load<u16>(data, 2));
      if (this.payloadBytes < 126) return -1;
    } else if (extended == 8) {
      this.payloadBytes = bswap(load<i64>(data, 2));
      if (this.payloadBytes < 65536) return -1;
    }
    this.mask = load<u32>(data + 2 + extended);
    return size;
  }
}

/** Takes the mask off `length` bytes, in place. */
export function unmask(data: usize, length: i32, mask: u32): void {
  const wide = <u64>mask | ((<u64>mask) << 32);
  const end = data + length;
  let at = data;
  for (; at + 8 <= end; at += 8) store<u64>(at, load<u64>(at) ^ wide);
  for (let rest = wide; at < end; at++, rest >>= 8) store<u8>(at, load<u8>(at) ^ <u8>rest);
}

/** Writes the head of a final frame, at most `HEAD_BYTES_MAX` bytes; returns how many. */
export function writeHead(to: usize, opcode: i32, payloadBytes: i32): i32 {
  store<u8>(to, FIN | <u8>opcode);
  if (payloadBytes < 126) {
    store<u8>(to, <u8>payloadBytes, 1);
    return 2;
  }
  if (payloadBytes < 65536) {
    store<u8>(to, 126, 1);
    store<u16>(to, bswap(<u16>payloadBytes), 2);
    return 4;
  }
  store<u8>(to, 127, 1);
  store<u64>(to, bswap(<u64>payloadBytes), 2);
  return 10;
}

/** Whether a peer may send this code (RFC 6455 §7.4.2). */
export function isCloseCode(code: i32): bool {
  if (code >= 3000 && code <= 4999) return true;
  if (code < 1000 || code > 1014) return false;
  return code != 1004 && code != CloseCode.NONE && code != CloseCode.ABNORMAL;
}
