/** The opening handshake of RFC 6455 §4.2: from an HTTP request to a WebSocket. */

import { HttpRequest } from '../http/request';
import { equalsAscii, equalsAsciiIgnoreCase } from '../text';
import { SHA1_BYTES, base64, sha1 } from './sha1';

const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
/** A key is 16 bytes in Base64. */
const KEY_LENGTH: i32 = 24;

const DIGEST: usize = memory.data(SHA1_BYTES, 4);

/** Whether a request asks for a WebSocket, well or badly. */
export function asksForWebSocket(request: HttpRequest): bool {
  return (
    request.saysUpgrade &&
    request.findHeader('upgrade') &&
    equalsAsciiIgnoreCase(request.valueAt, request.valueLength, 'websocket')
  );
}

/** What a request lacks for a WebSocket, as an HTTP status: 0 for nothing. */
export function handshakeStatus(request: HttpRequest): i32 {
  if (!request.methodIs('GET') || request.minorVersion == 0) return 400;
  if (!request.findHeader('sec-websocket-version')) return 426;
  if (!equalsAscii(request.valueAt, request.valueLength, '13')) return 426;
  if (!request.findHeader('sec-websocket-key')) return 400;
  return request.valueLength == KEY_LENGTH ? 0 : 400;
}

/** `Sec-WebSocket-Accept` for the key that `handshakeStatus` found. */
export function acceptKey(request: HttpRequest): string {
  const key = String.UTF8.decodeUnsafe(request.valueAt, request.valueLength);
  const text = String.UTF8.encode(key + GUID);
  sha1(changetype<usize>(text), text.byteLength, DIGEST);
  return base64(DIGEST, SHA1_BYTES);
}
