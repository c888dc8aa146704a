/** What guests print, as lines: J of the pitfalls, without a guest. */
import { LINES_AT_ONCE, LINES_PER_S } from '#host/line-budget.js';
import { LINE_BYTES_MAX, type Output, OutputLines } from '#host/output.js';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

interface Heard {
  readonly lines: OutputLines;
  readonly texts: () => string[];
  readonly all: Output[];
}

function listen(): Heard {
  const all: Output[] = [];
  const lines = new OutputLines('g#0', 'stdout', (output) => all.push(output), 0);
  const texts = (): string[] => all.flatMap((each) => (each.kind === 'line' ? [each.text] : []));
  return { lines, texts, all };
}

/** The lines of one text. */
function linesOf(text: string | Uint8Array): string[] {
  const { lines, texts } = listen();
  lines.push(Buffer.from(text), 0);
  lines.end();
  return texts();
}

describe('lines', () => {
  test('end with LF or CR LF; what is left at the end is one too', () => {
    expect(linesOf('a\r\n\nb\rc\nlast')).toEqual(['a', '', 'b\\u{d}c', 'last']);
    expect(linesOf('')).toEqual([]);
  });

  test('are the same however they come in pieces', () => {
    const piece = fc.oneof(fc.string({ unit: 'binary', maxLength: 8 }), fc.constant('\n'));
    fc.assert(
      fc.property(fc.array(piece), fc.array(fc.nat(20)), (pieces, sizes) => {
        const bytes = Buffer.from(pieces.join(''));
        const { lines, texts } = listen();
        let at = 0;
        for (const size of sizes) lines.push(bytes.subarray(at, (at += size)), 0);
        lines.push(bytes.subarray(at), 0);
        lines.end();
        expect(texts()).toEqual(linesOf(bytes));
      }),
      { numRuns: 100 },
    );
  });

  test('B98 escape sequences, bidi and line separators reach nobody as they are', () => {
    const hostile = '\x1b]0;owned\x07\x1b[2J\u202etxt.exe\u2028next\u009b31m';
    expect(linesOf(hostile)).toEqual([
      '\\u{1b}]0;owned\\u{7}\\u{1b}[2J\\u{202e}txt.exe\\u{2028}next\\u{9b}31m',
    ]);
    expect(linesOf('a\tb')).toEqual(['a\tb']);
  });

  test('B99 invalid UTF-8 is replaced', () => {
    expect(linesOf(Uint8Array.from([0x61, 0xff, 0xc3]))).toEqual(['a\ufffd\ufffd']);
  });

  test('B99 long lines are cut between characters, and say by how much', () => {
    const { lines, all } = listen();
    lines.push(Buffer.from(`${'é'.repeat(LINE_BYTES_MAX)}\nnext\n`), 0);
    expect(all[0]).toMatchObject({
      text: 'é'.repeat(LINE_BYTES_MAX / 2),
      cutBytes: LINE_BYTES_MAX,
    });
    expect(all[1]).toMatchObject({ text: 'next', cutBytes: 0 });
    const odd = listen();
    odd.lines.push(Buffer.from(`x${'é'.repeat(LINE_BYTES_MAX)}\n`), 0);
    expect(odd.texts()).toEqual([`x${'é'.repeat(LINE_BYTES_MAX / 2 - 1)}`]);
  });
});

describe('too many lines', () => {
  test('B99 are left out, and how many is said as soon as there is room again', () => {
    const { lines, texts, all } = listen();
    const flood = Buffer.from('x\n'.repeat(LINES_AT_ONCE + 17));
    lines.push(flood, 0);
    expect(texts()).toHaveLength(LINES_AT_ONCE);
    expect(all).toHaveLength(LINES_AT_ONCE);
    // A millisecond is worth a line: it is told now, though nothing more is printed.
    lines.push(Buffer.alloc(0), 1000 / LINES_PER_S);
    expect(all.at(-1)).toEqual({ kind: 'dropped', instance: 'g#0', stream: 'stdout', lines: 17 });
    lines.push(Buffer.from('y\nz\n'), 1000 / LINES_PER_S);
    expect(texts().at(-1)).toBe('y');
    lines.end();
    expect(all.at(-1)).toMatchObject({ kind: 'dropped', lines: 1 });
  });

  test('every line is either said or counted', () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat(3000), { maxLength: 8 }),
        fc.array(fc.nat(2000)),
        (counts, waits) => {
          const { lines, texts, all } = listen();
          let nowMs = 0;
          counts.forEach((count, at) => {
            nowMs += waits[at] ?? 0;
            lines.push(Buffer.from('\n'.repeat(count)), nowMs);
          });
          lines.end();
          const dropped = all.reduce(
            (sum, each) => sum + (each.kind === 'dropped' ? each.lines : 0),
            0,
          );
          expect(texts().length + dropped).toBe(counts.reduce((sum, count) => sum + count, 0));
          const most = LINES_AT_ONCE + (nowMs * LINES_PER_S) / 1000;
          expect(texts().length).toBeLessThanOrEqual(most);
        },
      ),
      { numRuns: 30 },
    );
  });
});
