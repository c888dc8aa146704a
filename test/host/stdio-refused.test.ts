/** Standard streams that cannot be: told in a sentence before anything runs. */
import { mkdirSync, readFileSync } from 'node:fs';
import { PassThrough, Readable, Writable } from 'node:stream';

import { type Guest, NO_GRANTS, type Stdio, startGuest } from '#host/index.js';
import { describe, expect, test } from 'vitest';

import { leakedSince, openDescriptors } from '../support/descriptors.js';
import { withFiles } from '../support/files.js';
import { wat } from '../wasm/wat.js';

const bytes = wat('(module (memory (export "memory") 1) (func (export "_start")))');

function start(stdio: Stdio): Promise<Guest> {
  return startGuest({ bytes, name: 'guest.wasm', grants: NO_GRANTS, stdio });
}

describe('what cannot be', () => {
  const WRONG: readonly (readonly [stdio: unknown, message: RegExp])[] = [
    [
      { stdOut: 'ignore' },
      /^stdio\.stdOut: there is no such stream; they are stdin, stdout, stderr/,
    ],
    [{ stdin: 'some text' }, /^stdio\.stdin: must be 'inherit', 'ignore', \{ file \}, or a Uint8A/],
    [{ stdin: new Writable() }, /^stdio\.stdin: must be/],
    [{ stdout: Readable.from([]) }, /^stdio\.stdout: must be .* or a Writable$/],
    [{ stdout: new Uint8Array(9) }, /^stdio\.stdout: must be/],
    [{ stderr: 2 }, /^stdio\.stderr: must be/],
    [{ stderr: null }, /^stdio\.stderr: must be/],
    [{ stdout: { file: 7 } }, /^stdio\.stdout: must be/],
    [{ stdout: { file: 'x', append: 'yes' } }, /^stdio\.stdout: must be/],
    [{ stdin: { file: 'x', append: true } }, /^stdio\.stdin: nothing is added to stdin$/],
    [{ stdin: { file: '' } }, /^stdio\.stdin: the path of its file is empty$/],
    [{ stdout: { file: 'a\0b' } }, /^stdio\.stdout: no path has a NUL in it$/],
  ];

  test.each(WRONG)('is a TypeError: %o', async (stdio, message) => {
    const error: unknown = await start(stdio as Stdio).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(TypeError);
    expect(error).toMatchObject({
      code: 'ERR_SANDPOLL_USAGE',
      message: expect.stringMatching(message),
    });
  });

  test('opened is a sentence, and leaves nothing open, nor emptied', () =>
    withFiles({ kept: 'kept' }, async (folder) => {
      mkdirSync(`${folder}/folder`);
      const cases: readonly (readonly [Stdio, string])[] = [
        [{ stdin: { file: `${folder}/none` } }, `stdin ${folder}/none: there is no such file`],
        [{ stdin: { file: folder } }, `stdin ${folder}: it is a directory`],
        [{ stdout: { file: folder } }, `stdout ${folder}: it is a directory`],
        [
          { stderr: { file: `${folder}/none/x` }, stdout: new PassThrough() },
          `stderr ${folder}/none/x: there is no such file`,
        ],
        [
          { stdin: { file: `${folder}/kept/x` } },
          `stdin ${folder}/kept/x: a part of that path is not a directory`,
        ],
        [{ stdin: { file: 'x'.repeat(5000) } }, 'it cannot be opened: ENAMETOOLONG'],
      ];
      const before = openDescriptors();
      for (const [stdio, message] of cases) {
        const error: unknown = await start(stdio).catch((thrown: unknown) => thrown);
        expect(error).toMatchObject({
          code: 'ERR_SANDPOLL_USAGE',
          message: expect.stringContaining(message),
        });
      }
      const stdio = { stdin: { file: `${folder}/none` }, stdout: { file: `${folder}/kept` } };
      await expect(start(stdio)).rejects.toThrow('there is no such file');
      expect(readFileSync(`${folder}/kept`, 'utf8')).toBe('kept');
      expect(await leakedSince(before)).toEqual([]);
    }));
});
