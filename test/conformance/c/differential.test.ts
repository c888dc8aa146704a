/**
 * Random sequences of calls on sockets, pipes, eventfds, timers and epolls, carried out by one C
 * program natively and as a guest, and compared call by call.
 *
 * `SANDPOLL_DIFFERENTIAL_RUNS` is how many sequences, `SANDPOLL_DIFFERENTIAL_SEED` which ones. They
 * are carried out in batches, and a batch has a seed of its own: the first one's, the next number,
 * and so on. A long run tells of every batch as it goes.
 */
import { writeFileSync } from 'node:fs';

import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';

import { withFiles } from '../../support/files.js';
import { compile, runByCommand, runNatively } from './programs.js';

const RUNS_BY_DEFAULT = 2000;
const RUNS = Number(process.env['SANDPOLL_DIFFERENTIAL_RUNS'] ?? RUNS_BY_DEFAULT);
const SEED = Number(process.env['SANDPOLL_DIFFERENTIAL_SEED'] ?? Date.now() % 2 ** 31);
/** Sequences of one run of the program: starting a guest costs as much as thousands of calls. */
const BATCH = 2000;
const BATCH_TIMEOUT_MS = 30_000;
/** What one round of shrinking may take, and when no further one is begun. */
const ROUND_TIMEOUT_MS = 10_000;
const SHRINKING_MS = 60_000;

/** One call: a word, and numbers. */
type Step = string;
type Script = readonly Step[];

const slot = fc.integer({ min: 0, max: 9 });
/** Of a pair: unix stream, unix packets, unix datagrams, a pipe, TCP, UDP. */
const type = fc.constantFrom(0, 1, 2, 3, 4, 4, 5);
/** Mostly the slots that have an epoll from the beginning. */
const epoll = fc.oneof({ weight: 6, arbitrary: fc.constantFrom(0, 0, 1) }, slot);
/** IN, OUT, PRI, RDHUP, the bands (normal, and not), MSG, WAKEUP, ET and ONESHOT. */
const event = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom(1, 1, 4, 4, 2, 0x2000, 0x8000_0000, 0x4000_0000) },
  { weight: 2, arbitrary: fc.constantFrom(0x40, 0x100, 0x80, 0x200, 0x400, 0x2000_0000) },
);
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
/** Of `send`: none, OOB, EOR. Of `recv`: none, OOB, PEEK, TRUNC, and the last two. */
const sendFlags = fc.constantFrom(0, 0, 0, 0, 1, 0x80);
const recvFlags = fc.constantFrom(0, 0, 0, 0, 1, 2, 2, 0x20, 0x22);

/** Whether it goes by `sendmsg(2)` or `recvmsg(2)`. */
const message = fc.constantFrom(0, 0, 0, 1);

function step(weight: number, word: string, ...numbers: fc.Arbitrary<number>[]) {
  const arbitrary = fc.tuple(...numbers).map((all) => [word, ...all].join(' '));
  return { weight, arbitrary };
}

const steps = fc.oneof(
  step(5, 'pair', free, free, type),
  step(2, 'event', slot, fc.integer({ min: 0, max: 2 }), fc.integer({ min: 0, max: 1 })),
  step(2, 'timer', free),
  step(1, 'udp', free),
  step(1, 'listen', slot),
  step(1, 'epoll', slot),
  step(4, 'connect', free, listener),
  step(4, 'accept', free, listener),
  step(8, 'ctl', epoll, slot, fc.constantFrom(1, 1, 1, 1, 2, 3, 3, 3, 4), mask, slot),
  step(8, 'wait', epoll, fc.constantFrom(64, 64, 2, 2, 1, 1, 0)),
  step(7, 'send', slot, size, sendFlags, message),
  step(2, 'sendto', slot, slot, size),
  step(5, 'recv', slot, size, recvFlags, message),
  step(3, 'set', free, fc.integer({ min: 0, max: 3 })),
  step(1, 'fill', slot),
  step(1, 'drain', slot),
  step(2, 'shutdown', slot, fc.integer({ min: 0, max: 3 })),
  step(2, 'close', slot),
  step(1, 'reset', slot),
  step(1, 'describe', slot),
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

/**
 * What each script comes to, as a native program and as a guest. Of a script that does not end it
 * is what it printed till then, perhaps nothing, and the scripts after it have come to nothing.
 */
type Compare = (
  scripts: readonly Script[],
  timeoutMs: number,
) => Promise<readonly (readonly [string, string])[]>;

async function withHarness(body: (compare: Compare) => Promise<void>): Promise<void> {
  await withFiles({}, async (folder) => {
    const command = await compile('differential', folder);
    await body(async (scripts, timeoutMs) => {
      const input = `${folder}/scripts`;
      writeFileSync(input, inputOf(scripts));
      const outputs = [
        runNatively(command, input, timeoutMs),
        runByCommand('differential', input, timeoutMs),
      ];
      const [native, guest] = (await Promise.all(outputs)).map((output) => output.split('end\n'));
      return scripts.map((_script, index) => [native?.[index] ?? '', guest?.[index] ?? '']);
    });
  });
}

/** Scripts that once differed, each with what was wrong. */
const KEPT: readonly (readonly [what: string, lines: Script])[] = [
  [
    'the urgent byte of a unix stream, with no room for it',
    ['pair 4 5 0', 'send 5 60 1', 'recv 4 0 1'],
  ],
  ['MSG_OOB at a datagram, which is cut', ['pair 2 3 5', 'send 3 60', 'recv 2 8 1']],
  ['the urgent byte of TCP, with no room for it', ['pair 2 3 4', 'send 3 1 1', 'recv 2 0 1 1']],
  ['MSG_OOB is not told of a datagram', ['pair 2 3 5', 'send 3 8', 'recv 2 1 1 1']],
  ['nothing to read and to write, in vectors', ['event 2 1', 'send 2 0', 'recv 2 0', 'recv 2 8']],
];

describe('kept', () => {
  const outputs: (readonly [string, string])[] = [];

  beforeAll(() =>
    withHarness(async (compare) => {
      const scripts = KEPT.map(([, lines]) => lines);
      outputs.push(...(await compare(scripts, ROUND_TIMEOUT_MS)));
    }),
  );

  test.each(KEPT.map(([what], index) => [what, index] as const))('%s', (_what, index) => {
    const [native, guest] = outputs[index] ?? ['', ''];
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

/**
 * The shortest script that can be found to differ still, in bounded time; all that are tried go in
 * one run.
 */
async function shrink(lines: Script, compare: Compare): Promise<Script> {
  const deadline = performance.now() + SHRINKING_MS;
  let least = lines;
  while (performance.now() < deadline) {
    const candidates = [...shorter(least)];
    const results = await compare(candidates, ROUND_TIMEOUT_MS);
    const found = candidates[results.findIndex(([native, guest]) => guest !== native)];
    if (found === undefined) break;
    least = found;
  }
  return least;
}

/** What came of a batch: two outputs, which are equal if there is no advice. */
type Verdict = readonly [native: string, guest: string, advice: string];

async function judge(seed: number, numRuns: number, compare: Compare): Promise<Verdict> {
  const scripts = fc.sample(script, { seed, numRuns });
  const results = await compare(scripts, BATCH_TIMEOUT_MS);
  const broken = results.findIndex(([native]) => native === '' || native.includes('broken'));
  const differs = results.findIndex(([native, guest]) => guest !== native);
  const first = scripts[differs];
  if (first === undefined) {
    return ['', results[broken]?.[0] ?? '', broken < 0 ? '' : `seed ${seed}: ${broken} is broken`];
  }
  const least = await shrink(first, compare);
  const [[native, guest] = ['', '']] = await compare([least], ROUND_TIMEOUT_MS);
  if (native !== guest) return [native, guest, `seed ${seed}; keep ${JSON.stringify(least)}`];
  const [was, instead] = results[differs] ?? ['', ''];
  return [was, instead, `seed ${seed}: sequence ${differs} differed once, and not again`];
}

describe(`seed ${SEED}`, () => {
  test(
    `${RUNS} random sequences of calls answer as they do natively`,
    { timeout: 2 * BATCH_TIMEOUT_MS + 2 * SHRINKING_MS + RUNS * 5 },
    () =>
      withHarness(async (compare) => {
        for (let at = 0; at < RUNS; at += BATCH) {
          const seed = SEED + at / BATCH;
          const done = Math.min(RUNS, at + BATCH);
          const [native, guest, advice] = await judge(seed, done - at, compare);
          expect({ advice, output: guest }).toEqual({ advice: '', output: native });
          if (RUNS > RUNS_BY_DEFAULT) process.stderr.write(`seed ${seed}: ${done} of ${RUNS}\n`);
        }
      }),
  );
});
