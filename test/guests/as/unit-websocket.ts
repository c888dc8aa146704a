/** The parts of a WebSocket: digest, Base64, UTF-8 in pieces, masks and close codes. */

import { ByteBuffer } from 'sandpoll/guest';
import { isCloseCode, unmask, writeHead } from 'sandpoll/guest/websocket/frame';
import { SHA1_BYTES, base64, sha1 } from 'sandpoll/guest/websocket/sha1';
import { Utf8Check } from 'sandpoll/guest/websocket/utf8';
import { check, checkSame, checkText, finish } from './lib/check';

const buffer = new ByteBuffer();
const utf8 = new Utf8Check();

function digestOf(text: string): string {
  buffer.clear();
  buffer.appendAscii(text);
  const to = heap.alloc(SHA1_BYTES);
  sha1(buffer.at, buffer.length, to);
  const result = base64(to, SHA1_BYTES);
  heap.free(to);
  return result;
}

/** The examples of FIPS 180, and lengths round the border of a block. */
function testSha1(): void {
  checkText(digestOf('abc'), 'qZk+NkcGgWq6PiVxeFDCbJzQ2J0=', 'abc');
  checkText(digestOf(''), '2jmj7l5rSw0yVb/vlWAYkK/YBwk=', 'nothing');
  const long = 'abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq';
  checkText(digestOf(long), 'hJg+RBw70m66rkqh+VEp5eVGcPE=', 'two blocks');
  checkText(digestOf('a'.repeat(64)), 'AJi6gktcFkJ716ESKlpEKiXsZE0=', 'a whole block');
  const key = 'dGhlIHNhbXBsZSBub25jZQ==258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
  checkText(digestOf(key), 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=', 'the example of RFC 6455');
}

function testBase64(): void {
  buffer.clear();
  buffer.appendAscii('foobar');
  const expected: StaticArray<string> = ['', 'Zg==', 'Zm8=', 'Zm9v', 'Zm9vYg==', 'Zm9vYmE='];
  for (let i = 0; i < expected.length; i++) {
    checkText(base64(buffer.at, i), expected[i], 'Base64 of ' + i.toString() + ' bytes');
  }
}

/** Whether the bytes of these numbers are UTF-8, in one piece and byte by byte alike. */
function isUtf8(bytes: StaticArray<u8>): bool {
  const data = changetype<usize>(bytes);
  utf8.reset();
  const whole = utf8.accept(data, bytes.length) && utf8.isComplete;
  utf8.reset();
  let pieces = true;
  for (let i = 0; i < bytes.length && pieces; i++) pieces = utf8.accept(data + i, 1);
  checkSame(<i32>(pieces && utf8.isComplete), <i32>whole, 'pieces do not matter');
  return whole;
}

function testUtf8(): void {
  check(isUtf8([0x68, 0x69]), 'ASCII');
  check(isUtf8([0xc3, 0xa9, 0xe2, 0x82, 0xac, 0xf0, 0x9f, 0x98, 0x80]), 'two, three, four bytes');
  check(isUtf8([0xed, 0x9f, 0xbf, 0xee, 0x80, 0x80]), 'round the surrogates');
  check(isUtf8([0xf4, 0x8f, 0xbf, 0xbf]), 'the last character');
  check(!isUtf8([0xf4, 0x90, 0x80, 0x80]), 'beyond the last');
  check(!isUtf8([0xed, 0xa0, 0x80]), 'a surrogate');
  check(!isUtf8([0xc0, 0x80]) && !isUtf8([0xe0, 0x80, 0x80]), 'forms too long');
  check(!isUtf8([0xf0, 0x80, 0x80, 0x80]) && !isUtf8([0xf5, 0x80, 0x80, 0x80]), 'four bytes');
  check(!isUtf8([0x80]) && !isUtf8([0xff]) && !isUtf8([0xc3, 0x28]), 'stray bytes');
  check(!isUtf8([0xe2, 0x82]), 'not whole');
}

function testMask(): void {
  for (let length = 0; length < 20; length++) {
    buffer.clear();
    for (let i = 0; i < length; i++) buffer.appendByte(i * 7);
    unmask(buffer.at, length, 0x04030201);
    let same = true;
    for (let i = 0; i < length; i++) {
      same = same && load<u8>(buffer.at + i) == <u8>((i * 7) ^ ((i & 3) + 1));
    }
    check(same, 'the mask, over ' + length.toString() + ' bytes');
  }
}

function testHeads(): void {
  const to = buffer.reserve(16);
  checkSame(writeHead(to, 1, 125), 2, 'a short head');
  checkSame(writeHead(to, 2, 126), 4, 'a head of 16 bits');
  checkSame(load<u32>(to), 0x7e007e82, 'its bytes');
  checkSame(writeHead(to, 2, 65536), 10, 'a head of 64 bits');
}

function testCloseCodes(): void {
  check(isCloseCode(1000) && isCloseCode(1011) && isCloseCode(3000) && isCloseCode(4999), 'good');
  check(!isCloseCode(999) && !isCloseCode(1004) && !isCloseCode(1005), 'bad');
  check(!isCloseCode(1006) && !isCloseCode(1015) && !isCloseCode(2999), 'bad as well');
  check(!isCloseCode(5000), 'too large');
}

testSha1();
testBase64();
testUtf8();
testMask();
testHeads();
testCloseCodes();
finish();
