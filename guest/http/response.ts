/** Answers: put together ahead of time, or for one request. */

import { ByteBuffer } from '../bytes';
import { HttpBody } from './body';
import { DATE_BYTES, DateText } from './date';
import { HttpRequest } from './request';

/** A body up to this length is read at once, and leaves with its head. */
const WHOLE_BYTES: i64 = 65536;
const DEFAULT_TYPE = 'text/plain; charset=utf-8';

/** What an answer says about the connection. */
export const enum Connection {
  /** Nothing: it stays open, as HTTP/1.1 has it. */
  DEFAULT,
  KEEP_ALIVE,
  CLOSE,
}

/** What the answer to a request says about the connection. */
export function connectionAfter(request: HttpRequest): Connection {
  if (!request.keepAlive) return Connection.CLOSE;
  return request.minorVersion == 0 ? Connection.KEEP_ALIVE : Connection.DEFAULT;
}

/** An answer put together once, so that sending it is one copy of bytes. It is never freed. */
@unmanaged
export class HttpPage {
  /** The bytes: head, empty line, body. */
  private bytes: ByteBuffer = new ByteBuffer();
  private dateOffset: i32 = 0;
  private dateVersion: u32 = 0;
  /** How many bytes the head has, without the empty line. */
  private headLength: i32 = 0;

  /** A page of a text, with header lines of its own if wanted: `Allow: GET\r\n`. */
  constructor(status: i32, text: string, type: string = DEFAULT_TYPE, headers: string = '') {
    const body = String.UTF8.encode(text);
    const bytes = this.bytes;
    this.dateOffset = appendHead(bytes, status, type, body.byteLength);
    bytes.appendAscii(headers);
    this.headLength = bytes.length;
    bytes.appendAscii('\r\n');
    bytes.append(changetype<usize>(body), body.byteLength);
  }

  /** Appends the page to what is to be sent. */
  appendTo(output: ByteBuffer, date: DateText, connection: Connection, withBody: bool): void {
    const bytes = this.bytes;
    if (this.dateVersion != date.version) {
      memory.copy(bytes.at + this.dateOffset, date.at, DATE_BYTES);
      this.dateVersion = date.version;
    }
    if (withBody && connection == Connection.DEFAULT) {
      output.append(bytes.at, bytes.length);
      return;
    }
    output.append(bytes.at, this.headLength);
    appendConnection(output, connection);
    const rest = withBody ? bytes.length - this.headLength : 2;
    output.append(bytes.at + this.headLength, rest);
  }
}

/**
 * The answer to one request. Exactly one of `page`, `text`, `bytes`, `stream` and `head` is called
 * for each.
 */
@unmanaged
export class HttpResponse {
  /** Whether it has been given. */
  isSent: bool = false;
  /** What becomes of the connection. */
  connection: Connection = Connection.DEFAULT;

  /** What is still to be sent: pinned, as the collector does not look in here. */
  private body: HttpBody | null = null;
  private withBody: bool = true;
  private output: ByteBuffer;
  private date: DateText;
  /** Header lines for an answer that is not a page. */
  private headers: ByteBuffer = new ByteBuffer();

  constructor(output: ByteBuffer, date: DateText) {
    this.output = output;
    this.date = date;
  }

  /** Begins an answer. Without a body it is the one to HEAD. */
  begin(connection: Connection, withBody: bool): void {
    this.isSent = false;
    this.connection = connection;
    this.withBody = withBody;
    this.headers.clear();
  }

  /** Answers 101: from here on the connection speaks WebSocket. */
  switchToWebSocket(accept: string): void {
    this.isSent = true;
    const output = this.output;
    output.appendAscii('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n');
    output.appendAscii('Connection: Upgrade\r\nSec-WebSocket-Accept: ');
    output.appendAscii(accept);
    output.appendAscii('\r\n\r\n');
  }

  /** Adds a header to an answer that is not a page. */
  header(name: string, value: string): void {
    this.headers.appendAscii(name);
    this.headers.appendAscii(': ');
    this.headers.appendAscii(value);
    this.headers.appendAscii('\r\n');
  }

  /** Answers with a page. */
  page(page: HttpPage): void {
    if (this.isSent) return;
    this.isSent = true;
    page.appendTo(this.output, this.date, this.connection, this.withBody);
  }

  /** Answers with a text. */
  text(status: i32, text: string): void {
    const body = String.UTF8.encode(text);
    this.bytes(status, DEFAULT_TYPE, changetype<usize>(body), body.byteLength);
  }

  /** Answers with bytes. */
  bytes(status: i32, type: string, data: usize, length: i32): void {
    if (this.isSent) return;
    this.head(status, type, length);
    if (this.withBody) this.output.append(data, length);
  }

  /** Answers with `length` bytes of a body, however many: the peer sets the pace. */
  stream(status: i32, type: string, length: i64, body: HttpBody): void {
    if (this.isSent) return body.close();
    const output = this.output;
    const before = output.length;
    this.head(status, type, length);
    if (!this.withBody || length == 0) return body.close();
    if (length > WHOLE_BYTES) {
      body.left = length;
      this.body = body;
      __pin(changetype<usize>(body));
      return;
    }
    const isWhole = appendBody(output, body, <i32>length);
    body.close();
    if (isWhole) return;
    // Nothing of it has left yet.
    output.truncate(before);
    this.isSent = false;
    this.headers.clear();
    this.text(500, 'not readable\n');
  }

  /** Answers without the body that another request would get: 304. */
  head(status: i32, type: string, length: i64): void {
    if (this.isSent) return;
    this.isSent = true;
    const output = this.output;
    const before = output.length;
    const dateOffset = appendHead(output, status, type, length);
    memory.copy(output.at + before + dateOffset, this.date.at, DATE_BYTES);
    output.append(this.headers.at, this.headers.length);
    appendConnection(output, this.connection);
    output.appendAscii('\r\n');
  }

  /** Hands over the body that is to be sent behind the head; null if the answer is whole. */
  takeBody(): HttpBody | null {
    const body = this.body;
    if (body === null) return null;
    this.body = null;
    __unpin(changetype<usize>(body));
    return body;
  }
}

/** Appends a body; returns whether it was as long as it was said to be. */
function appendBody(output: ByteBuffer, body: HttpBody, length: i32): bool {
  while (length > 0) {
    const read = body.read(output.reserve(length), length);
    if (read <= 0) return false;
    output.commit(read);
    length -= read;
  }
  return true;
}

function appendConnection(output: ByteBuffer, connection: Connection): void {
  if (connection == Connection.CLOSE) output.appendAscii('Connection: close\r\n');
  if (connection == Connection.KEEP_ALIVE) output.appendAscii('Connection: keep-alive\r\n');
}

/** Appends a head without its empty line; returns where in it the date goes. */
function appendHead(output: ByteBuffer, status: i32, type: string, bodyLength: i64): i32 {
  const before = output.length;
  output.appendAscii('HTTP/1.1 ');
  output.appendDecimal(status);
  output.appendAscii(reasonOf(status));
  output.appendAscii('\r\nDate: ');
  const dateOffset = output.length - before;
  output.reserve(DATE_BYTES);
  output.commit(DATE_BYTES);
  output.appendAscii('\r\nContent-Type: ');
  output.appendAscii(type);
  output.appendAscii('\r\nContent-Length: ');
  output.appendDecimal(bodyLength);
  output.appendAscii('\r\n');
  return dateOffset;
}

/** The reason phrase of a status, with the space before it. */
export function reasonOf(status: i32): string {
  switch (status) {
    case 200:
      return ' OK';
    case 201:
      return ' Created';
    case 204:
      return ' No Content';
    case 206:
      return ' Partial Content';
    case 301:
      return ' Moved Permanently';
    case 302:
      return ' Found';
    case 304:
      return ' Not Modified';
    case 400:
      return ' Bad Request';
    case 401:
      return ' Unauthorized';
    case 403:
      return ' Forbidden';
    case 404:
      return ' Not Found';
    case 405:
      return ' Method Not Allowed';
    case 408:
      return ' Request Timeout';
    case 413:
      return ' Content Too Large';
    case 414:
      return ' URI Too Long';
    case 416:
      return ' Range Not Satisfiable';
    case 417:
      return ' Expectation Failed';
    case 426:
      return ' Upgrade Required';
    case 431:
      return ' Request Header Fields Too Large';
    case 500:
      return ' Internal Server Error';
    case 501:
      return ' Not Implemented';
    case 503:
      return ' Service Unavailable';
    case 505:
      return ' HTTP Version Not Supported';
    default:
      return ' ';
  }
}
