/**
 * Random sequences of calls on sockets, pipes, eventfds and epolls, carried out by one C program
 * natively and as a guest, and compared call by call.
 *
 * `SANDPOLL_DIFFERENTIAL_RUNS` is how many sequences, `SANDPOLL_DIFFERENTIAL_SEED` which ones.
 */
import { writeFileSync } from 'node:fs';

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { withFiles } from '../../support/files.js';
import { compile, runAsGuest, runNatively } from './programs.js';

const RUNS = Number(process.env['SANDPOLL_DIFFERENTIAL_RUNS'] ?? 2000);
const SEED = Number(process.env['SANDPOLL_DIFFERENTIAL_SEED'] ?? Date.now() % 2 ** 31);
/** Sequences of one run of the program: starting a guest costs as much as thousands of calls. */
const BATCH = 2000;

/** One call: a word, and numbers. */
type Step = string;
type Script = readonly Step[];

const slot = fc.integer({ min: 0, max: 9 });
/** Of a pair: unix stream, unix packets, unix datagrams, a pipe, TCP. */
const type = fc.integer({ min: 0, max: 4 });
/** Mostly the slots that have an epoll from the beginning. */
const epoll = fc.oneof({ weight: 6, arbitrary: fc.constantFrom(0, 0, 1) }, slot);
/** IN, OUT, PRI, RDHUP, RDNORM, WRNORM, ET and ONESHOT. */
const event = fc.constantFrom(1, 1, 4, 4, 2, 0x2000, 0x40, 0x100, 0x8000_0000, 0x4000_0000);
const EXCLUSIVE = 0x1000_0000;
/** With EXCLUSIVE one time in ten. */
const mask = fc
  .tuple(fc.array(event, { maxLength: 4 }), fc.integer({ min: 0, max: 9 }))
  .map(([bits, chance]) => {
    return bits.reduce((all, bit) => (all | bit) >>> 0, chance === 0 ? EXCLUSIVE : 0);
  });
/** The listener's slot, and those that are free at first. */
const listener = fc.oneof({ weight: 6, arbitrary: fc.constant(7) }, slot);
const free = fc.oneof({ weight: 6, arbitrary: fc.constantFrom(8, 9) }, slot);
const size = fc.constantFrom(0, 1, 8, 8, 60);

function step(weight: number, word: string, ...numbers: fc.Arbitrary<number>[]) {
  const arbitrary = fc.tuple(...numbers).map((all) => [word, ...all].join(' '));
  return { weight, arbitrary };
}

const steps = fc.oneof(
  step(5, 'pair', free, free, type),
  step(2, 'event', slot, fc.integer({ min: 0, max: 2 })),
  step(1, 'listen', slot),
  step(1, 'epoll', slot),
  step(4, 'connect', free, listener),
  step(4, 'accept', free, listener),
  step(8, 'ctl', epoll, slot, fc.constantFrom(1, 1, 1, 2, 3, 3), mask, slot),
  step(8, 'wait', epoll, fc.constantFrom(64, 2, 1)),
  step(6, 'send', slot, size),
  step(4, 'recv', slot, size, fc.constantFrom(0, 0, 0, 2)),
  step(1, 'fill', slot),
  step(1, 'drain', slot),
  step(2, 'shutdown', slot, fc.integer({ min: 0, max: 3 })),
  step(2, 'close', slot),
  step(1, 'error', slot),
  step(1, 'ready', slot),
);

/** What every script begins with: two epolls, two pairs, an eventfd, a listener; and watches. */
const opening = fc.tuple(type, type, mask).map(([one, other, watched]): Script => {
  const made = ['epoll 0', 'epoll 1', `pair 2 3 ${one}`, `pair 4 5 ${other}`];
  const watches = [2, 4, 6, 7].map((watch) => `ctl 0 ${watch} 1 ${watched} ${watch}`);
  return [...made, 'event 6 1', 'listen 7', ...watches];
});

const script: fc.Arbitrary<Script> = fc
  .tuple(opening, fc.array(steps, { maxLength: 40, size: 'max' }))
  .map(([first, rest]) => [...first, ...rest]);

function inputOf(scripts: readonly Script[]): string {
  return scripts.map((lines) => `${lines.join('\n')}\nend\n`).join('');
}

/** What each script comes to, as a native program and as a guest. */
type Compare = (scripts: readonly Script[]) => Promise<readonly (readonly [string, string])[]>;

async function withHarness(body: (compare: Compare) => Promise<void>): Promise<void> {
  await withFiles({}, async (folder) => {
    const command = await compile('differential', folder);
    await body(async (scripts) => {
      const input = `${folder}/scripts`;
      writeFileSync(input, inputOf(scripts));
      const outputs = [runNatively(command, input), runAsGuest('differential', input)];
      const [native, guest] = (await Promise.all(outputs)).map((output) => output.split('end\n'));
      return scripts.map((_script, index) => [native?.[index] ?? '', guest?.[index] ?? '']);
    });
  });
}

/** Scripts that once differed, each with what was wrong. */
const KEPT: readonly (readonly [what: string, lines: Script])[] = [
  ['nothing to read and to write, in vectors', ['event 2 1', 'send 2 0', 'recv 2 0', 'recv 2 8']],
];

test.each(KEPT)('kept: %s', async (_what, lines) => {
  await withHarness(async (compare) => {
    const [[native, guest] = ['', '']] = await compare([lines]);
    expect(native).not.toBe('');
    expect(guest).toBe(native);
  });
});

/** All scripts that `lines` becomes when some that stand together are left out; shortest first. */
function* shorter(lines: Script): Generator<Script> {
  for (let gap = lines.length - 1; gap > 0; gap = Math.floor(gap / 2)) {
    for (let at = 0; at + gap <= lines.length; at++) yield lines.toSpliced(at, gap);
  }
}

/** The shortest script that can be found to differ still; all that are tried go in one run. */
async function shrink(lines: Script, compare: Compare): Promise<Script> {
  const candidates = [...shorter(lines)];
  const results = await compare(candidates);
  const found = candidates[results.findIndex(([native, guest]) => guest !== native)];
  return found === undefined ? lines : shrink(found, compare);
}

describe(`seed ${SEED}`, () => {
  test(
    `${RUNS} random sequences of calls answer as they do natively`,
    { timeout: 60_000 + RUNS * 5 },
    () =>
      withHarness(async (compare) => {
        const scripts = fc.sample(script, { seed: SEED, numRuns: RUNS });
        for (let at = 0; at < scripts.length; at += BATCH) {
          const results = await compare(scripts.slice(at, at + BATCH));
          expect(results.filter(([native]) => native.includes('broken'))).toEqual([]);
          const differs = results.findIndex(([native, guest]) => guest !== native);
          if (differs < 0) continue;
          const least = await shrink(scripts[at + differs] ?? [], compare);
          const [[native, guest] = ['', '']] = await compare([least]);
          expect(guest, `keep this: ${JSON.stringify(least)}`).toBe(native);
          expect.fail(`sequence ${at + differs} differed once, and not again`);
        }
      }),
  );
});
