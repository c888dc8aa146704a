import { DURATION_MAX_MS, parseCount, parseDuration, parseSize } from '#host/usage.js';
import { describe, expect, it } from 'vitest';

function refusal(parse: () => unknown): string {
  let caught: unknown;
  try {
    parse();
  } catch (error) {
    caught = error;
  }
  expect(caught).toMatchObject({ code: 'ERR_SANDPOLL_USAGE' });
  return (caught as Error).message;
}

describe('a size', () => {
  it.each([
    ['64MiB', 67_108_864],
    ['64MB', 64_000_000],
    ['1GiB', 1_073_741_824],
    ['1GB', 1_000_000_000],
    ['512KiB', 524_288],
    ['1kB', 1000],
    ['65536B', 65_536],
    ['1.5mib', 1_572_864],
    ['0B', 0],
  ])('%s is %d bytes', (text, bytes) => {
    expect(parseSize(text, '--max-memory')).toBe(bytes);
  });

  it.each([
    ['1', 'the unit is missing'],
    ['', 'not a number with a unit'],
    ['-1MiB', 'not a number with a unit'],
    ['1e3MiB', 'not a number with a unit'],
    ['64 MiB', 'not a number with a unit'],
    ['64M', "'M' is not a unit"],
    ['2s', "'s' is not a unit"],
    ['0.3B', 'not a whole number of bytes'],
    ['9999999999GiB', 'must be from 0 to'],
  ])('%j is refused: %s', (text, reason) => {
    const message = refusal(() => parseSize(text, '--max-memory'));
    expect(message).toContain(`--max-memory ${text}: `);
    expect(message).toContain(reason);
  });

  it('stays in its range', () => {
    const parse = (text: string): number => parseSize(text, '--max-memory', 65_536, 2 ** 32);
    expect(parse('64KiB')).toBe(65_536);
    expect(parse('4GiB')).toBe(2 ** 32);
    expect(refusal(() => parse('65535B'))).toContain('from 65536 to 4294967296');
    expect(refusal(() => parse('5GiB'))).toContain('from 65536 to 4294967296');
  });
});

describe('a duration', () => {
  it.each([
    ['2s', 2000],
    ['150ms', 150],
    ['1m', 60_000],
    ['500us', 0.5],
    ['1.5s', 1500],
    ['2h', 7_200_000],
    ['0s', 0],
  ])('%s is %d ms', (text, durationMs) => {
    expect(parseDuration(text, '--timeout')).toBe(durationMs);
  });

  it.each([
    ['2', 'the unit is missing'],
    ['s', 'not a number with a unit'],
    ['-2s', 'not a number with a unit'],
    ['2MiB', "'MiB' is not a unit"],
    ['597h', 'longer than 24 days'],
  ])('%j is refused: %s', (text, reason) => {
    const message = refusal(() => parseDuration(text, '--timeout'));
    expect(message).toContain(`--timeout ${text}: `);
    expect(message).toContain(reason);
  });

  it('is never more than a timer can wait', () => {
    expect(parseDuration(`${DURATION_MAX_MS}ms`, '--timeout')).toBe(DURATION_MAX_MS);
    refusal(() => parseDuration(`${DURATION_MAX_MS + 1}ms`, '--timeout'));
  });
});

describe('a count', () => {
  it('is a whole number in its range', () => {
    expect(parseCount('1024', '--max-fds')).toBe(1024);
    expect(parseCount('0', '--max-fds', 0)).toBe(0);
    expect(refusal(() => parseCount('0', '--max-fds'))).toContain('from 1 to');
    expect(refusal(() => parseCount('11', '--max-fds', 3, 10))).toContain('from 3 to 10');
    for (const text of ['', '-1', '1.5', '0x10', '1e3', ' 1', '10MiB']) {
      expect(refusal(() => parseCount(text, '--max-fds'))).toContain('not a whole number');
    }
  });
});
