/** The HTTP parser, the decoder of chunks and the date. */

import {
  ByteBuffer,
  HttpBody,
  HttpRequest,
  HttpResponse,
  NS_PER_S,
  equalsAscii,
  httpDate,
} from 'sandpoll/guest';
import { ChunkDecoder } from 'sandpoll/guest/http/chunked';
import { DATE_BYTES, DateText, writeDate } from 'sandpoll/guest/http/date';
import { parseHead } from 'sandpoll/guest/http/parser';
import { Connection } from 'sandpoll/guest/http/response';
import { Dice, check, checkSame, checkText, finish } from './lib/check';

const request = new HttpRequest();
const buffer = new ByteBuffer();

function parse(text: string): i32 {
  buffer.clear();
  buffer.appendText(text);
  buffer.appendByte(0);
  return parseHead(request, buffer.at, buffer.length - 1);
}

function checkRefused(text: string, status: i32): void {
  checkSame(parse(text), 0, 'no head: ' + text);
  checkSame(request.status, status, 'the status of: ' + text);
}

const FULL =
  'POST /a/b?c=d HTTP/1.1\r\nHost:  example.org \r\nX-Empty:\r\nx-Tab: a\tb\t\r\n' +
  'Content-Length: 12\r\nConnection: upgrade , Close\r\nExpect: 100-Continue\r\n\r\n';

function testFields(): void {
  checkSame(parse(FULL + 'hello'), FULL.length, 'the head ends at the empty line');
  check(request.methodIs('POST') && !request.methodIs('POS'), 'the method');
  check(request.pathIs('/a/b') && !request.pathIs('/a'), 'the path is told from the query');
  checkSame(request.targetLength, 8, 'the target has the query');
  checkSame(request.contentLength, 12, 'Content-Length');
  check(!request.keepAlive, 'Connection: close in a list');
  check(request.expectsContinue, 'Expect: 100-continue');
  check(!request.isHead, 'it is not HEAD');
  check(request.findHeader('host'), 'a header is found by its name in lower case');
  check(equalsAscii(request.valueAt, request.valueLength, 'example.org'), 'without blanks');
  check(request.findHeader('x-empty') && request.valueLength == 0, 'a value may be empty');
  check(request.findHeader('x-tab') && request.valueLength == 3, 'a tab may be in a value');
  check(!request.findHeader('x-ta'), 'a header that is not there is not found');
}

function testPrefixes(): void {
  for (let length = 0; length < FULL.length; length++) {
    parse(FULL.substring(0, length));
    checkSame(request.status, 0, 'a part of a valid head is not refused, at ' + length.toString());
  }
}

function testVersions(): void {
  check(parse('GET / HTTP/1.0\r\n\r\n') > 0 && !request.keepAlive, '1.0 closes');
  parse('GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n');
  check(request.keepAlive, '1.0 may ask to keep the connection');
  parse('GET / HTTP/1.0\r\nConnection: close\r\nConnection: keep-alive\r\n\r\n');
  check(!request.keepAlive, 'close wins');
  check(parse('GET / HTTP/1.9\r\nHost: x\r\n\r\n') > 0 && request.minorVersion == 1, '1.9 is 1.1');
  check(
    parse('GET http://x/y HTTP/1.1\r\nHost: x\r\n\r\n') > 0 && request.pathIs('/y'),
    'absolute',
  );
  check(parse('OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n') > 0, 'the asterisk form');
  checkRefused('GET / HTTP/2.0\r\nHost: x\r\n\r\n', 505);
  checkRefused('GET / HTTP/1.1', 0);
}

function testRefusedLines(): void {
  const wrong: StaticArray<string> = [
    ' GET / HTTP/1.1\r\nHost: x\r\n\r\n',
    'GET  / HTTP/1.1\r\nHost: x\r\n\r\n',
    'GET /  HTTP/1.1\r\nHost: x\r\n\r\n',
    'GET / HTTP/1.1 \r\nHost: x\r\n\r\n',
    'GET /\r\n\r\n',
    'GET / HTTP/1\r\n\r\n',
    'GET / http/1.1\r\nHost: x\r\n\r\n',
    'GET / HTTP/1,1\r\nHost: x\r\n\r\n',
    'GET / HTTP/x.1\r\nHost: x\r\n\r\n',
    'GET / X\r\n',
    'GET x HTTP/1.1\r\nHost: x\r\n\r\n',
    'GET http:// HTTP/1.1\r\nHost: x\r\n\r\n',
    'G\tT / HTTP/1.1\r\nHost: x\r\n\r\n',
    'GET /é HTTP/1.1\r\nHost: x\r\n\r\n',
    'GET / HTTP/1.1\nHost: x\n\n',
    'GET / HTTP/1.1\r\nHost: x\n\r\n',
    'GET / HTTP/1.1\r\nHost: x\r\r\n\r\n',
    'GET / HTTP/1.1\r\n\r\n',
    'GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n',
    'GET / HTTP/1.1\r\nHost : x\r\n\r\n',
    'GET / HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n',
    'GET / HTTP/1.1\r\nHost: x\r\n\tfolded\r\n\r\n',
    'GET / HTTP/1.1\r\nHost: x\r\n: y\r\n\r\n',
    'GET / HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n',
    'GET / HTTP/1.1\r\nHost: x\r\nX: a\x7f\r\n\r\n',
    'GET / HTTP/1.1\r\nHost: x\r\nX: a\x01\r\n\r\n',
  ];
  for (let i = 0; i < wrong.length; i++) checkRefused(wrong[i], 400);
  checkRefused('GET / HTTP/1.1\r\nHost: x\r\n' + 'X: y\r\n'.repeat(101) + '\r\n', 431);
}

function testFraming(): void {
  const head = 'POST / HTTP/1.1\r\nHost: x\r\n';
  check(parse(head + 'Transfer-Encoding: Chunked\r\n\r\n') > 0 && request.isChunked, 'chunked');
  checkRefused(head + 'Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n', 400);
  checkRefused(head + 'Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n', 400);
  checkRefused(head + 'Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n', 400);
  checkRefused(head + 'Transfer-Encoding: gzip, chunked\r\n\r\n', 501);
  checkRefused(head + 'Transfer-Encoding: identity\r\n\r\n', 501);
  checkRefused('POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n', 400);
  checkRefused(head + 'Content-Length: 1\r\nContent-Length: 2\r\n\r\n', 400);
  checkRefused(head + 'Content-Length: 1\r\nContent-Length: 1\r\n\r\n', 400);
  checkRefused(head + 'Content-Length: 1, 1\r\n\r\n', 400);
  checkRefused(head + 'Content-Length:\r\n\r\n', 400);
  checkRefused(head + 'Content-Length: +1\r\n\r\n', 400);
  checkRefused(head + 'Content-Length: -1\r\n\r\n', 400);
  checkRefused(head + 'Content-Length: 0x1\r\n\r\n', 400);
  checkRefused(head + 'Content-Length: 1 1\r\n\r\n', 400);
  checkRefused(head + 'Content-Length: 99999999999999999999999\r\n\r\n', 413);
  checkRefused(head + 'Expect: 200-maybe\r\n\r\n', 417);
}

/** Decodes a text in two pieces; returns the status, or 0 with the body in `buffer`. */
function decode(decoder: ChunkDecoder, text: string, split: i32): i32 {
  buffer.clear();
  buffer.appendText(text);
  decoder.start(100);
  const length = buffer.length;
  let used = decoder.decode(buffer.at, split, buffer.at);
  if (decoder.status == 0 && used == split) {
    const to = buffer.at + decoder.bodyLength;
    used += decoder.decode(buffer.at + split, length - split, to);
  }
  return decoder.status;
}

const CHUNKS = '5\r\nhello\r\n01;a=b\r\n \r\n6\r\nworld!\r\n0\r\nX: y\r\n\r\n';

function testChunks(): void {
  const decoder = new ChunkDecoder();
  for (let split = 0; split <= CHUNKS.length; split++) {
    checkSame(decode(decoder, CHUNKS + 'GET', split), 0, 'chunks are decoded');
    check(decoder.isDone, 'to their end, split at ' + split.toString());
    const body = String.UTF8.decodeUnsafe(buffer.at, decoder.bodyLength);
    checkText(body, 'hello world!', 'and joined, split at ' + split.toString());
  }
  for (let length = 0; length < CHUNKS.length; length++) {
    decode(decoder, CHUNKS.substring(0, length), 0);
    check(!decoder.isDone && decoder.status == 0, 'a part of a body is not refused');
  }
}

function testWrongChunks(): void {
  const decoder = new ChunkDecoder();
  const wrong: StaticArray<string> = [
    'g\r\n',
    '-1\r\n',
    '+1\r\n',
    ' 1\r\n',
    '1 \r\n',
    '0x1\r\n',
    '\r\n',
    ';\r\n',
    '1\n',
    '1\r\r',
    '1\r\nab',
    '1\r\na\n',
    '1\r\na\rb',
    '0\r\n\rx',
    '0\r\n\n',
    '0\r\nX: \x01\r\n\r\n',
    '1;\n',
    '1;' + 'x'.repeat(257),
  ];
  for (let i = 0; i < wrong.length; i++) {
    checkSame(decode(decoder, wrong[i], 1), 400, 'a wrong chunk: ' + wrong[i]);
  }
  checkSame(decode(decoder, '65\r\n', 0), 413, 'a body above the limit');
  checkSame(decode(decoder, '64\r\n' + 'x'.repeat(100) + '\r\n1\r\n', 0), 413, 'in two chunks');
  checkSame(decode(decoder, 'ffffffff\r\n', 0), 413, 'a size that does not fit');
  checkSame(decode(decoder, '0\r\n' + 'X: y\r\n'.repeat(3000), 0), 431, 'endless trailers');
}

function testDate(): void {
  const at = heap.alloc(DATE_BYTES);
  writeDate(at, 784111777);
  checkText(String.UTF8.decodeUnsafe(at, DATE_BYTES), 'Sun, 06 Nov 1994 08:49:37 GMT', 'a date');
  writeDate(at, 1709164800);
  checkText(
    String.UTF8.decodeUnsafe(at, DATE_BYTES),
    'Thu, 29 Feb 2024 00:00:00 GMT',
    'a leap day',
  );
  checkText(httpDate(784111777 * NS_PER_S + 5), 'Sun, 06 Nov 1994 08:49:37 GMT', 'as a text');
  checkText(httpDate(-1), 'Thu, 01 Jan 1970 00:00:00 GMT', 'before 1970');
  const dice = new Dice();
  for (let i = 0; i < 1000; i++) {
    const seconds = <i64>dice.below(i32.MAX_VALUE) * 4;
    writeDate(at, seconds);
    const expected = new Date(seconds * 1000).toUTCString();
    checkText(String.UTF8.decodeUnsafe(at, DATE_BYTES), expected, 'as Date writes it');
  }
}

/** A body of `size` bytes that come seven at a time. */
class Sevens extends HttpBody {
  size: i32;
  closed: i32 = 0;

  constructor(size: i32) {
    super();
    this.size = size;
  }

  read(to: usize, length: i32): i32 {
    const count = min(min(length, 7), this.size);
    memory.fill(to, 0x37, count);
    this.size -= count;
    return count;
  }

  close(): void {
    this.closed += 1;
  }
}

function answer(response: HttpResponse, output: ByteBuffer, length: i64, body: HttpBody): string {
  output.clear();
  output.appendAscii('before,');
  response.begin(Connection.DEFAULT, true);
  response.stream(200, 'text/plain', length, body);
  return String.UTF8.decodeUnsafe(output.at, output.length);
}

function testBodies(): void {
  const output = new ByteBuffer();
  const response = new HttpResponse(output, new DateText());
  const whole = new Sevens(1000);
  const text = answer(response, output, 20, whole);
  check(text.startsWith('before,HTTP/1.1 200 OK\r\n'), 'a head behind others: ' + text);
  check(text.endsWith('\r\nContent-Length: 20\r\n\r\n' + '7'.repeat(20)), 'with its body: ' + text);
  checkSame(whole.closed, 1, 'which is closed');
  const short = new Sevens(19);
  const refusal = answer(response, output, 20, short);
  check(refusal.startsWith('before,HTTP/1.1 500 '), 'a body that is too short: ' + refusal);
  check(!refusal.includes('7777777'), 'of which nothing is sent');
  checkSame(short.closed, 1, 'it is closed');
  response.begin(Connection.DEFAULT, false);
  response.stream(200, 'text/plain', 20, whole);
  response.stream(200, 'text/plain', 20, whole);
  checkSame(whole.closed, 3, 'closed without being read, and if there is an answer already');
  check(response.takeBody() === null, 'nothing to be sent later');
}

/** The collector does not know of what a response keeps: enough garbage would replace it. */
function testLongBody(): void {
  const output = new ByteBuffer();
  const response = new HttpResponse(output, new DateText());
  const length: i64 = 5_000_000_000;
  const head = answer(response, output, length, new Sevens(77));
  check(head.endsWith('\r\nContent-Length: 5000000000\r\n\r\n'), 'a head alone: ' + head);
  __collect();
  for (let i = 0; i < 1000; i++) new Sevens(i);
  __collect();
  const body = response.takeBody();
  check(body !== null, 'a body to be sent later');
  if (body === null) return;
  checkSame(body.left, length, 'and how long it is');
  checkSame((body as Sevens).size, 77, 'is the one that was given');
  check(response.takeBody() === null, 'once');
}

testFields();
testPrefixes();
testVersions();
testRefusedLines();
testFraming();
testChunks();
testWrongChunks();
testDate();
testBodies();
testLongBody();
finish();
