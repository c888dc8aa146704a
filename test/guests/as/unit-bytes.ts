/** ByteBuffer and the texts of the guest library. */

import { ByteBuffer, equalsAscii, equalsAsciiIgnoreCase, writeDecimal } from 'sandpoll/guest';
import { Dice, check, checkSame, checkText, finish } from './lib/check';

const SCRATCH: usize = memory.data(64);

function textOf(buffer: ByteBuffer): string {
  return String.UTF8.decodeUnsafe(buffer.at, buffer.length);
}

function testDecimals(): void {
  const values: StaticArray<i64> = [0, 7, -1, 10, 99, 100, -4096, i64.MAX_VALUE, i64.MIN_VALUE];
  for (let i = 0; i < values.length; i++) {
    const length = writeDecimal(SCRATCH, values[i]);
    checkText(String.UTF8.decodeUnsafe(SCRATCH, length), values[i].toString(), 'writeDecimal');
  }
}

function testComparisons(): void {
  const buffer = new ByteBuffer();
  buffer.appendAscii('Content-Length');
  check(equalsAscii(buffer.at, 14, 'Content-Length'), 'equal bytes are equal');
  check(!equalsAscii(buffer.at, 13, 'Content-Length'), 'a shorter text is another one');
  check(equalsAsciiIgnoreCase(buffer.at, 14, 'content-length'), 'case is ignored');
  check(!equalsAsciiIgnoreCase(buffer.at, 14, 'content_length'), 'other characters are not');
  buffer.clear();
  buffer.appendByte(0x5b);
  check(!equalsAsciiIgnoreCase(buffer.at, 1, '{'), 'only letters have a case');
}

function testTexts(): void {
  const buffer = new ByteBuffer();
  buffer.appendText('naïve €\n');
  buffer.appendDecimal(-12);
  checkText(textOf(buffer), 'naïve €\n-12', 'a text goes in as UTF-8');
  checkSame(buffer.length, 14, 'a text counts in bytes');
}

/** Against a model: numbered bytes go in, are consumed, and must come out in order. */
function testQueue(): void {
  const dice = new Dice();
  const buffer = new ByteBuffer();
  let written = 0;
  let read = 0;
  let inOrder = true;
  for (let step = 0; step < 20000; step++) {
    if (dice.below(3) != 0) {
      const count = dice.below(200);
      const at = buffer.reserve(count);
      for (let i = 0; i < count; i++) store<u8>(at + i, written++ & 0xff);
      buffer.commit(count);
    } else {
      const count = min(dice.below(500), buffer.length);
      for (let i = 0; i < count; i++) {
        if (load<u8>(buffer.at + i) != (read++ & 0xff)) inOrder = false;
      }
      buffer.consume(count);
    }
    if (buffer.length != written - read) inOrder = false;
    if (dice.below(500) == 0) {
      written = read;
      buffer.dispose();
    }
  }
  check(inOrder, 'bytes come out in the order in which they went in');
}

/** A buffer that is filled and emptied again and again does not grow. */
function testNoGrowth(): void {
  const pages = memory.size();
  const buffer = new ByteBuffer();
  for (let step = 0; step < 20000; step++) {
    buffer.commit(<i32>(buffer.reserve(1000) != 0) * 1000);
    buffer.consume(step % 2 == 0 ? 900 : buffer.length);
  }
  check(memory.size() - pages <= 1, 'a buffer that is emptied does not grow');
}

testDecimals();
testComparisons();
testTexts();
testQueue();
testNoGrowth();
finish();
