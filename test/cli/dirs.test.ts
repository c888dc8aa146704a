/** `--dir` on a command line and in the file of a pipeline. */
import { spawnSync } from 'node:child_process';
import { chmodSync } from 'node:fs';

import { parsePipeline } from '#host/cli/pipeline-file.js';
import { Status } from '#host/cli/report.js';
import { describe, expect, test } from 'vitest';

import { MAIN } from '../support/cli.js';
import { withFiles } from '../support/files.js';
import { readArguments } from '../support/guest-here.js';
import { refusalOf } from '../support/refusal.js';
import { SKIPPED, STRACE_WORKS } from '../support/strace.js';
import { sandpollUnprivileged } from '../support/unprivileged.js';
import { wat } from '../wasm/wat.js';

const MODULE = wat('(module (memory (export "memory") 1) (func (export "_start")))');

describe('a command line', () => {
  test('grants directories in its order; what is behind the file is the guest’s', () => {
    const { grants } = readArguments(['--dir', 'a:ro', '--dir=/b::/c', 'x.wasm', '--dir', 'd']);
    expect(grants.dirs).toEqual([
      { host: 'a', guest: 'a', readOnly: true },
      { host: '/b', guest: '/c', readOnly: false },
    ]);
    expect(grants.args).toEqual(['x.wasm', '--dir', 'd']);
    expect(readArguments(['x.wasm']).grants.dirs).toEqual([]);
  });

  test.each([
    [['--dir'], '--dir: its value is missing; see sandpoll --help'],
    [['--dir=', 'x.wasm'], '--dir : the directory of this machine is missing; write it as in'],
    [['--dir', 'a::b', 'x.wasm'], "--dir a::b: the name for the guest, 'b', must begin with /;"],
    [['--dir', 'a::/b/..', 'x.wasm'], "--dir a::/b/..: the name for the guest must not have '..'"],
    [['--dir', 'a\0', 'x.wasm'], String.raw`--dir a\0: no path has a NUL in it; write it as in`],
    [
      ['--dir', 'a::/x', '--dir', 'b::/x/', 'x.wasm'],
      '--dir b::/x/: another directory has the name /x already; write it as in --dir ./data::/data',
    ],
  ])('%j is wrong usage', async (argv, says) => {
    expect(await refusalOf(() => readArguments(argv))).toEqual({
      status: Status.USAGE,
      sentence: expect.stringContaining(says) as unknown,
    });
  });

  test('with a directory that may not be read ends with status 2 before anything runs', () =>
    withFiles({}, async (folder) => {
      const listen = ['--listen', '127.0.0.1:0'];
      const args = [...listen, '--dir', `${folder}::/data`, 'test/guests/as/build/tell.wasm'];
      chmodSync(folder, 0o300);
      const run = await sandpollUnprivileged(args).finally(() => chmodSync(folder, 0o700));
      expect(run).toEqual({
        status: Status.USAGE,
        stdout: '',
        stderr:
          `sandpoll: --dir ${folder}: it is not permitted to read it; ` +
          'change its mode, or run as its owner\n',
      });
    }));

  // What a kernel answers that does not know the call, and a filter of one that does.
  test.skipIf(!STRACE_WORKS).each(['ENOSYS', 'EPERM'])(
    `B46: with a directory and no openat2 (%s) ends with status 2 before anything runs${SKIPPED}`,
    (error) => {
      const inject = ['-e', 'trace=openat2', '-e', `inject=openat2:error=${error}`];
      const command = [process.execPath, MAIN, '--dir', '/', 'test/guests/as/build/tell.wasm'];
      const ran = spawnSync('strace', ['-f', '-o', '/dev/null', ...inject, ...command]);
      expect([ran.status, ran.stdout.toString(), ran.stderr.toString()]).toEqual([
        Status.USAGE,
        '',
        'sandpoll: --dir /: this kernel has no openat2(2) (Linux 5.6), or a container forbids ' +
          'it: nothing would keep the guest in its directory; run without --dir\n',
      ]);
    },
  );
});

test('the key dir of a role that is wrong is told with its line', () =>
  withFiles({ 'm.wasm': MODULE, 'data/x': '' }, async (folder) => {
    for (const [value, says] of [
      ['"absent"', `--dir ${folder}/absent: there is no such directory; make it, or name another`],
      ['"data/x"', `--dir ${folder}/data/x: it is not a directory; name the directory that`],
      ['["data", "data:ro"]', '--dir data:ro: another directory has the name data already'],
      ['"data::x"', "--dir data::x: the name for the guest, 'x', must begin with /"],
      [String.raw`"data\u0000"`, String.raw`--dir data\0: no path has a NUL in it`],
      ['7', 'dir must be a text or a list of texts'],
      ['true', 'dir must be a text or a list of texts'],
    ]) {
      const text = `[[role]]\nname = "a"\nmodule = "m.wasm"\ndir = ${value}\n`;
      expect(await refusalOf(() => parsePipeline(text, `${folder}/p.toml`))).toEqual({
        status: Status.USAGE,
        sentence: expect.stringContaining(`p.toml:4: ${says}`) as unknown,
      });
    }
  }));
