/** The `Date` of answers, put together once a second at most, and only while there are any. */

import { NS_PER_S, realtimeNs } from '../clock';
import { EventLoop } from '../loop';
import { writeAscii } from '../text';
import { Timer } from '../timers';

/** Size in bytes of a date: `Sun, 06 Nov 1994 08:49:37 GMT`. */
export const DATE_BYTES: i32 = 29;

const SECONDS_PER_DAY: i64 = 86400;
const DAYS = 'ThuFriSatSunMonTueWed';
const MONTHS = 'JanFebMarAprMayJunJulAugSepOctNovDec';

/** A date as text. */
@unmanaged
export class DateText {
  /** Where its `DATE_BYTES` lie. */
  at: usize = heap.alloc(DATE_BYTES);
  /** Changes whenever the text does. */
  version: u32 = 0;
}

/** The present date. */
export class HttpDate extends Timer {
  readonly text: DateText = new DateText();
  private isCurrent: bool = false;
  private isKept: bool = true;
  private loop: EventLoop;

  constructor(loop: EventLoop) {
    super();
    this.loop = loop;
  }

  /** Brings the text up to date. */
  refresh(): void {
    if (this.isCurrent) return;
    const nowNs = realtimeNs();
    writeDate(this.text.at, nowNs / NS_PER_S);
    this.text.version += 1;
    if (!this.isKept) return;
    this.isCurrent = true;
    this.loop.arm(this, NS_PER_S - (nowNs % NS_PER_S));
  }

  /** From here on each answer has it put together anew: it keeps no loop going. */
  release(): void {
    this.isKept = false;
    this.isCurrent = false;
    this.loop.cancel(this);
  }

  onTimeout(): void {
    this.isCurrent = false;
  }
}

/** A time in ns since 1970 as HTTP has it, for `Last-Modified`: 1970 itself if it is earlier. */
export function httpDate(timeNs: i64): string {
  const text = new StaticArray<u8>(DATE_BYTES);
  writeDate(changetype<usize>(text), max<i64>(timeNs, 0) / NS_PER_S);
  return String.UTF8.decodeUnsafe(changetype<usize>(text), DATE_BYTES);
}

/** Writes the date of a second since 1970 as HTTP has it: `DATE_BYTES` bytes. */
export function writeDate(to: usize, seconds: i64): void {
  const days = seconds / SECONDS_PER_DAY;
  const time = <i32>(seconds % SECONDS_PER_DAY);
  // The civil date: years that begin in March, in cycles of 400, so that leap days come last.
  const shifted = days + 719468;
  const cycle = shifted / 146097;
  const dayOfCycle = <i32>(shifted % 146097);
  const leapDays = dayOfCycle / 1460 - dayOfCycle / 36524 + dayOfCycle / 146096;
  const yearOfCycle = (dayOfCycle - leapDays) / 365;
  const dayOfYear = dayOfCycle - (365 * yearOfCycle + yearOfCycle / 4 - yearOfCycle / 100);
  const monthFromMarch = (5 * dayOfYear + 2) / 153;
  const day = dayOfYear - (153 * monthFromMarch + 2) / 5 + 1;
  const month = monthFromMarch < 10 ? monthFromMarch + 2 : monthFromMarch - 10;
  const year = <i32>(cycle * 400) + yearOfCycle + i32(month < 2);

  writeAscii(to, 'Thu, 01 Jan 1970 00:00:00 GMT');
  writeName(to, DAYS, <i32>(days % 7));
  writeTwoDigits(to + 5, day);
  writeName(to + 8, MONTHS, month);
  writeTwoDigits(to + 12, year / 100);
  writeTwoDigits(to + 14, year % 100);
  writeTwoDigits(to + 17, time / 3600);
  writeTwoDigits(to + 20, (time / 60) % 60);
  writeTwoDigits(to + 23, time % 60);
}

function writeName(to: usize, names: string, index: i32): void {
  for (let i = 0; i < 3; i++) store<u8>(to + i, names.charCodeAt(index * 3 + i));
}

function writeTwoDigits(to: usize, value: i32): void {
  store<u8>(to, 0x30 + value / 10);
  store<u8>(to, 0x30 + (value % 10), 1);
}
