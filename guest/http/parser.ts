/**
 * The head of an HTTP/1.1 request, read strictly (RFC 9110, RFC 9112): whatever two readers could
 * understand in two ways is refused, so that nothing can be smuggled past a proxy.
 */

import { equalsAsciiIgnoreCase } from '../text';
import { HttpRequest, isBlank } from './request';

/** The longest head in bytes, request line and empty line included. */
export const MAX_HEAD_BYTES: i32 = 8192;
/** The most header lines. */
const MAX_HEADERS: i32 = 100;
/** The most digits of a Content-Length that are read as a number. */
const MAX_LENGTH_DIGITS: i32 = 15;

const CR: u8 = 0x0d;
const LF: u8 = 0x0a;
const SPACE: u8 = 0x20;
const TAB: u8 = 0x09;
const COLON: u8 = 0x3a;
const COMMA: u8 = 0x2c;
const SLASH: u8 = 0x2f;

/** `HEAD` as four bytes read at once. */
const HEAD: u32 = 0x44414548;
/** `HTTP/1.1` and `HTTP/1.0` as eight bytes read at once. */
const HTTP_1_1: u64 = 0x312e312f50545448;
const HTTP_1_0: u64 = 0x302e312f50545448;
/** `HTTP/` and the dot of the version, and the mask that leaves only those. */
const HTTP_VERSION: u64 = 0x002e002f50545448;
const HTTP_VERSION_MASK: u64 = 0x00ff00ffffffffff;

/** For each byte, whether it can be in a token (RFC 9110 §5.6.2). */
const TOKENS: usize = memory.data<u8>([
  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
  1, 0, 1, 1, 1, 1, 1, 0, 0, 1, 1, 0, 1, 1, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 1,
  1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 1, 1, 1, 1, 1,
  1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 1, 0, 1, 0, 0, 0, 0, 0,
  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
]);

/** One in every byte, and the top bit of every byte. */
const ONES: u64 = 0x0101010101010101;
const TOPS: u64 = 0x8080808080808080;
const DELETES: u64 = ONES * 0x7f;

/**
 * Reads a head of at most `length` bytes at `at`. Behind them must stand a NUL, which stops every
 * scan, and seven more bytes that can be read. Returns its length, empty line included; or 0 if
 * there is no whole valid head: then `request.status` is the status to answer, or 0 if what is
 * there may be the beginning of one.
 */
export function parseHead(request: HttpRequest, at: usize, length: i32): i32 {
  const end = at + length;
  request.status = 0;
  request.contentLength = -1;
  request.isChunked = false;
  request.expectsContinue = false;
  request.saysClose = false;
  request.saysKeepAlive = false;
  request.saysUpgrade = false;
  request.bodyLength = 0;
  let next = parseRequestLine(request, at, end);
  if (next == 0) return 0;
  request.headersAt = next;
  next = parseHeaders(request, next, end);
  return next == 0 ? 0 : <i32>(next - at);
}

/** Whether a line ends in these bytes: no head becomes whole without. */
export function hasLineEnd(data: usize, length: i32): bool {
  const end = data + length;
  for (let at = data; at < end; at++) {
    if (load<u8>(at) == LF) return true;
  }
  return false;
}

/** Notes what is wrong; 0 is the place to go on from, nowhere. */
function refuse(request: HttpRequest, status: i32): usize {
  request.status = status;
  return 0;
}

function isToken(byte: u8): bool {
  return load<u8>(TOKENS + byte) != 0;
}

/** The top bit of every byte of a word that is a control character. */
function controlsIn(word: u64): u64 {
  const low = (word - ONES * 0x20) & ~word;
  const notDelete = word ^ DELETES;
  return (low | ((notDelete - ONES) & ~notDelete)) & TOPS;
}

/** The first byte from `at` on that is a control character. */
function skipPrintable(at: usize): usize {
  let found = controlsIn(load<u64>(at));
  while (found == 0) {
    at += 8;
    found = controlsIn(load<u64>(at));
  }
  return at + <usize>(ctz(found) >> 3);
}

/** The end of a header's value: the first byte that cannot be in one. */
function skipValue(at: usize): usize {
  at = skipPrintable(at);
  while (load<u8>(at) == TAB) at = skipPrintable(at + 1);
  return at;
}

/** Reads `METHOD target HTTP/1.1` and the line's end; returns where the next line begins. */
function parseRequestLine(request: HttpRequest, at: usize, end: usize): usize {
  let next = at;
  while (isToken(load<u8>(next))) next++;
  if (next == end) return 0;
  if (load<u8>(next) != SPACE || next == at) return refuse(request, 400);
  request.methodAt = at;
  request.methodLength = <i32>(next - at);
  request.isHead = next - at == 4 && load<u32>(at) == HEAD;
  const target = ++next;
  while (<u8>(load<u8>(next) - 0x21) < 0x5e) next++;
  if (next == end) return 0;
  if (load<u8>(next) != SPACE || next == target) return refuse(request, 400);
  if (!setTarget(request, target, next)) return refuse(request, 400);
  return parseVersion(request, next + 1, end);
}

/** Sets the target; of `http://host/path` the path. */
function setTarget(request: HttpRequest, target: usize, end: usize): bool {
  const first = load<u8>(target);
  let path = target;
  if (first != SLASH && !(first == 0x2a && end - target == 1)) {
    if (end - target < 8 || !equalsAsciiIgnoreCase(target, 7, 'http://')) return false;
    path = target + 7;
    while (path < end && load<u8>(path) != SLASH) path++;
    if (path == target + 7) return false;
  }
  request.targetAt = path;
  request.targetLength = <i32>(end - path);
  return true;
}

function parseVersion(request: HttpRequest, at: usize, end: usize): usize {
  const version = load<u64>(at);
  if (end - at < 10) return isVersionPrefix(at, end) ? 0 : refuse(request, 400);
  if (load<u8>(at + 8) != CR || load<u8>(at + 9) != LF) return refuse(request, 400);
  if (version == HTTP_1_1) {
    request.minorVersion = 1;
    return at + 10;
  }
  request.minorVersion = 0;
  if (version == HTTP_1_0) return at + 10;
  const major = load<u8>(at + 5) - 0x30;
  const minor = load<u8>(at + 7) - 0x30;
  const isVersion = (version & HTTP_VERSION_MASK) == HTTP_VERSION && major < 10 && minor < 10;
  if (!isVersion) return refuse(request, 400);
  if (major != 1) return refuse(request, 505);
  request.minorVersion = 1;
  return at + 10;
}

/** Whether fewer bytes than a version and a line's end may still become one. */
function isVersionPrefix(at: usize, end: usize): bool {
  const pattern = 'HTTP/0.0\r\n';
  for (let i = 0; i < <i32>(end - at); i++) {
    const expected = pattern.charCodeAt(i);
    const byte = <i32>load<u8>(at + i);
    const matches = expected == 0x30 ? byte >= 0x30 && byte <= 0x39 : byte == expected;
    if (!matches) return false;
  }
  return true;
}

/** Reads the header lines and the empty line; returns where what follows begins. */
function parseHeaders(request: HttpRequest, at: usize, end: usize): usize {
  let hosts = 0;
  for (let count = 0; count <= MAX_HEADERS; count++) {
    if (end - at < 2) return at < end && !isLineStart(load<u8>(at)) ? refuse(request, 400) : 0;
    if (load<u8>(at) == CR) {
      if (load<u8>(at + 1) != LF) return refuse(request, 400);
      request.headersEnd = at;
      return isFramingValid(request, hosts) ? at + 2 : refuse(request, 400);
    }
    const name = at;
    while (isToken(load<u8>(at))) at++;
    if (at == end) return 0;
    // Not a colon: a space before it, a folded line, or nonsense.
    if (load<u8>(at) != COLON || at == name) return refuse(request, 400);
    const nameLength = <i32>(at - name);
    at += 1;
    while (isBlank(load<u8>(at))) at++;
    const value = at;
    at = skipValue(at);
    if (at == end) return 0;
    if (load<u8>(at) != CR) return refuse(request, 400);
    if (at + 1 == end) return 0;
    if (load<u8>(at + 1) != LF) return refuse(request, 400);
    const status = understand(request, name, nameLength, value, at);
    if (status > 1) return refuse(request, status);
    hosts += status;
    at += 2;
  }
  return refuse(request, 431);
}

function isLineStart(byte: u8): bool {
  return byte == CR || isToken(byte);
}

/** Whether it is clear where the request ends, and there is the one Host that must be. */
function isFramingValid(request: HttpRequest, hosts: i32): bool {
  if (request.minorVersion == 0) return !request.isChunked && hosts < 2;
  return hosts == 1 && !(request.isChunked && request.contentLength >= 0);
}

/**
 * Takes in a header that the server itself understands. Returns 1 for a Host, 0 for any other,
 * or the status with which to refuse the request.
 */
function understand(
  request: HttpRequest,
  name: usize,
  nameLength: i32,
  value: usize,
  end: usize,
): i32 {
  // By length first: nearly every other header is told from these by it.
  switch (nameLength) {
    case 4:
      return i32((load<u32>(name) | 0x20202020) == 0x74736f68);
    case 6:
      if (!equalsAsciiIgnoreCase(name, 6, 'expect')) return 0;
      return understandExpect(request, value, trimEnd(value, end));
    case 10:
      if (equalsAsciiIgnoreCase(name, 10, 'connection')) understandConnection(request, value, end);
      return 0;
    case 14:
      if (!equalsAsciiIgnoreCase(name, 14, 'content-length')) return 0;
      return understandLength(request, value, trimEnd(value, end));
    case 17:
      if (!equalsAsciiIgnoreCase(name, 17, 'transfer-encoding')) return 0;
      return understandEncoding(request, value, trimEnd(value, end));
    default:
      return 0;
  }
}

function trimEnd(start: usize, end: usize): usize {
  while (end > start && isBlank(load<u8>(end - 1))) end--;
  return end;
}

function understandExpect(request: HttpRequest, value: usize, end: usize): i32 {
  if (!equalsAsciiIgnoreCase(value, <i32>(end - value), '100-continue')) return 417;
  request.expectsContinue = request.minorVersion == 1;
  return 0;
}

/** Looks for `close`, `keep-alive` and `upgrade` in a list. */
function understandConnection(request: HttpRequest, value: usize, end: usize): void {
  while (value < end) {
    let comma = value;
    while (comma < end && load<u8>(comma) != COMMA) comma++;
    while (value < comma && isBlank(load<u8>(value))) value++;
    const length = <i32>(trimEnd(value, comma) - value);
    if (equalsAsciiIgnoreCase(value, length, 'close')) request.saysClose = true;
    if (equalsAsciiIgnoreCase(value, length, 'keep-alive')) request.saysKeepAlive = true;
    if (equalsAsciiIgnoreCase(value, length, 'upgrade')) request.saysUpgrade = true;
    value = comma + 1;
  }
}

/** One Content-Length, of digits only. Even the same one twice is refused. */
function understandLength(request: HttpRequest, value: usize, end: usize): i32 {
  const digits = <i32>(end - value);
  if (digits == 0 || request.contentLength >= 0) return 400;
  let length: i64 = 0;
  for (let at = value; at < end; at++) {
    const digit = load<u8>(at) - 0x30;
    if (digit > 9) return 400;
    length = length * 10 + digit;
  }
  if (digits > MAX_LENGTH_DIGITS) return 413;
  request.contentLength = length;
  return 0;
}

/** The one encoding that we know is `chunked`. */
function understandEncoding(request: HttpRequest, value: usize, end: usize): i32 {
  if (request.isChunked) return 400;
  if (!equalsAsciiIgnoreCase(value, <i32>(end - value), 'chunked')) return 501;
  request.isChunked = true;
  return 0;
}
