/** A request, as the parser found it in memory. */

import { equalsAscii, equalsAsciiIgnoreCase } from '../text';

const COLON: u8 = 0x3a;
const QUESTION_MARK: u8 = 0x3f;
const LF: u8 = 0x0a;

/**
 * One request. There is one object for a whole server, filled anew for each request: it and all
 * that it points to are valid until `onRequest` returns.
 */
@unmanaged
export class HttpRequest {
  /** The method, as it was sent: case matters. */
  methodAt: usize = 0;
  methodLength: i32 = 0;
  /** The path and the query, as they were sent: nothing is decoded. */
  targetAt: usize = 0;
  targetLength: i32 = 0;
  /** The minor version: 0 for HTTP/1.0, 1 for HTTP/1.1 and later. */
  minorVersion: i32 = 0;
  /** The body, chunks joined. */
  bodyAt: usize = 0;
  bodyLength: i32 = 0;
  /** Where `findHeader` found the value. */
  valueAt: usize = 0;
  valueLength: i32 = 0;
  /** Whether the method is HEAD: the answer has no body. */
  isHead: bool = false;
  /** Whether `Connection` says so. */
  saysClose: bool = false;
  saysKeepAlive: bool = false;
  saysUpgrade: bool = false;
  /** Whether the client waits for "100 Continue" before it sends the body. */
  expectsContinue: bool = false;
  /** Whether the body comes in chunks. */
  isChunked: bool = false;
  /** How long the body is, if that was said; −1 if not. */
  contentLength: i64 = -1;
  /** What the parser found wrong: an HTTP status; 0 if only more bytes are needed. */
  status: i32 = 0;
  /** The header lines, from the first name to the empty line. */
  headersAt: usize = 0;
  headersEnd: usize = 0;

  /** Whether the connection stays open after the answer. */
  get keepAlive(): bool {
    return !this.saysClose && (this.minorVersion != 0 || this.saysKeepAlive);
  }

  /** Whether this is the method. */
  methodIs(method: string): bool {
    return equalsAscii(this.methodAt, this.methodLength, method);
  }

  /** Whether this is the path, whatever the query. */
  pathIs(path: string): bool {
    const length = path.length;
    if (this.targetLength < length) return false;
    if (!equalsAscii(this.targetAt, length, path)) return false;
    return this.targetLength == length || load<u8>(this.targetAt + length) == QUESTION_MARK;
  }

  /** Finds a header by its name in lower case, and points `valueAt` to its first value. */
  findHeader(name: string): bool {
    let line = this.headersAt;
    while (line < this.headersEnd) {
      let colon = line;
      while (load<u8>(colon) != COLON) colon++;
      let next = colon;
      while (load<u8>(next++) != LF);
      if (equalsAsciiIgnoreCase(line, <i32>(colon - line), name)) {
        this.setValue(colon + 1, next - 2);
        return true;
      }
      line = next;
    }
    return false;
  }

  private setValue(start: usize, end: usize): void {
    while (start < end && isBlank(load<u8>(start))) start++;
    while (end > start && isBlank(load<u8>(end - 1))) end--;
    this.valueAt = start;
    this.valueLength = <i32>(end - start);
  }
}

/** Whether it is a space or a tab, which may stand round a value. */
export function isBlank(byte: u8): bool {
  return byte == 0x20 || byte == 0x09;
}
