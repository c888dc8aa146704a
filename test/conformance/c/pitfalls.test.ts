/**
 * Every pitfall of epoll that one process can show, as C programs that run natively and as
 * guests. What Linux says in this very run is what the guest must say, line by line.
 */
import { readFileSync } from 'node:fs';

import { beforeAll, describe, expect, test } from 'vitest';

import { withFiles } from '../../support/files.js';
import { FOLDER, compile, runAsGuest, runNatively } from './programs.js';

const PROGRAMS = [
  'registry',
  'waiting',
  'modes',
  'streams',
  'accepting',
  'datagrams',
  'batches',
  'delivery',
  'reuse',
  'shutdowns',
];

/** The sentences of a program's table of cases. */
function sentencesOf(program: string): string[] {
  const source = readFileSync(`${FOLDER}${program}.c`, 'utf8');
  const [, table = ''] = source.split('EXAMPLES[] = {');
  return Array.from(table.matchAll(/^ {4}\{"(.+)", \w+\},$/gm), ([, sentence]) => sentence ?? '');
}

type Observations = ReadonlyMap<string, readonly string[]>;

/** What a program has printed, by sentence. */
function observationsOf(output: string): Observations {
  const sections = output.split(/^# /m).slice(1);
  return new Map(
    sections.map((section) => {
      const [sentence = '', ...lines] = section.trimEnd().split('\n');
      return [sentence, lines];
    }),
  );
}

/** A program's observations: natively, and as a guest. */
async function observe(program: string): Promise<readonly [Observations, Observations]> {
  return withFiles({ input: 'a regular file' }, async (folder) => {
    const input = `${folder}/input`;
    // One after the other: between fork and exec a child has all that the guest has open, and what
    // the guest closes meanwhile is not closed to its peer.
    const native = await runNatively(await compile(program, folder), input);
    const guest = await runAsGuest(program, input);
    return [observationsOf(native), observationsOf(guest)];
  });
}

describe.each(PROGRAMS)('%s', (program) => {
  const sentences = sentencesOf(program);
  let native: Observations = new Map();
  let guest: Observations = new Map();

  beforeAll(async () => {
    [native, guest] = await observe(program);
  });

  test('all cases of the program are told', () => {
    expect(sentences.length).toBeGreaterThan(4);
    expect([...native.keys()]).toEqual(sentences);
  });

  test.each(sentences)('%s', (sentence) => {
    const expected = native.get(sentence) ?? [];
    expect(expected).not.toEqual([]);
    expect(expected.filter((line) => line.startsWith('broken'))).toEqual([]);
    expect(guest.get(sentence)).toEqual(expected);
  });
});

/** What Linux says, and what we say instead; RATIONALE.md says why. */
const DIFFERENCES: Readonly<Record<string, readonly (readonly [linux: string, ours: string])[]>> = {
  'E24: event bits that Linux does not know': [
    ['bit 0x4000000: 0', 'bit 0x4000000: errno=EINVAL'],
    ['bit 0x8000000: 0', 'bit 0x8000000: errno=EINVAL'],
    ['bit 0x1000: 0', 'bit 0x1000: errno=EINVAL'],
    ['bit 0x20: 0', 'bit 0x20: errno=EINVAL'],
    ['bit 0x800: 0', 'bit 0x800: errno=EINVAL'],
  ],
  'E30: a low-water mark': [
    ['SO_RCVLOWAT 100: 0', 'SO_RCVLOWAT 100: errno=EOPNOTSUPP'],
    ['5 bytes are there: events=OUT', '5 bytes are there: events=IN|OUT'],
    ['SO_RCVLOWAT 1: 0', 'SO_RCVLOWAT 1: 0'],
    ['5 bytes are there: events=IN|OUT', '5 bytes are there: events=IN|OUT'],
  ],
  'pipes that keep packets apart': [['a pipe of packets: 0', 'a pipe of packets: errno=EINVAL']],
  'an address that was not granted': [['192.0.2.1 is refused: 0', '192.0.2.1 is refused: 1']],
};

test('E24, E30: where the host rightly differs from Linux, and nowhere else', async () => {
  const [native, guest] = await observe('differences');
  const linux = Object.entries(DIFFERENCES).map(([what, pairs]) => [what, pairs.map(([a]) => a)]);
  const ours = Object.entries(DIFFERENCES).map(([what, pairs]) => [what, pairs.map(([, b]) => b)]);
  expect([...native]).toEqual(linux);
  expect([...guest]).toEqual(ours);
});
