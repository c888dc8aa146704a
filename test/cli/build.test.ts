/** `sandpoll build`: what it says without sources, without clang, and what it makes with it. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';

import { parseBuildArguments } from '#host/cli/build.js';
import { expect, test } from 'vitest';

import { sandpoll } from '../support/cli.js';
import { withFiles } from '../support/files.js';
import { refusalOf } from '../support/refusal.js';

const HELLO = '#include <stdio.h>\nint main(void) { puts(GREETING); }\n';

const USAGE = 'name the sources and the output: sandpoll build server.c -o server.wasm';

test('build alone is wrong usage', async () => {
  const { status, stderr } = await sandpoll(['build']);
  expect(stderr).toContain(USAGE);
  expect(status).toBe(2);
});

test.each([
  [['a.c'], USAGE],
  [['a.c', '-o'], USAGE],
  [['a.c', '-O3', '-o', 'a.wasm'], "-O3: give clang's own options after --"],
  [['a.cc', '-o', 'a.wasm'], 'a.cc: not a .c file'],
])('build with %j is wrong usage', async (args, says) => {
  const refusal = await refusalOf(() => parseBuildArguments(args));
  expect(refusal).toEqual({ status: 2, sentence: expect.stringContaining(says) });
});

test.each([
  ['/nowhere/clang', 'it is not there'],
  ['cc', 'it makes no WebAssembly'],
])('a $CLANG of %s does not do: %s; says what to install', async (clang) => {
  await withFiles({ 'hello.c': HELLO }, async (folder) => {
    const args = ['build', `${folder}/hello.c`, '-o', `${folder}/hello.wasm`];
    const { status, stderr } = await sandpoll(args, { env: { ...process.env, CLANG: clang } });
    expect(stderr).toContain(`$CLANG (${clang}) is no clang that can run`);
    expect(stderr).toContain('apt-get install clang-19 lld-19 wasi-libc');
    expect(status).toBe(1);
    expect(existsSync(`${folder}/hello.wasm`)).toBe(false);
  });
});

const clang = spawnSync('clang-19', ['--version']).status === 0;
const why = clang ? '' : ' (not here: there is no clang-19)';

test.skipIf(!clang)(`compiles, gives clang what stands after --, and it runs${why}`, async () => {
  await withFiles({ 'hello.c': HELLO }, async (folder) => {
    const args = ['build', `${folder}/hello.c`, '-o', `${folder}/hello.wasm`];
    const built = await sandpoll([...args, '--', '-DGREETING="good day"']);
    expect(built).toEqual({ status: 0, stdout: '', stderr: '' });
    expect((await sandpoll([`${folder}/hello.wasm`])).stdout).toBe('good day\n');
    const broken = await sandpoll(args);
    expect(broken.stderr).toContain('GREETING');
    expect(broken.status).toBe(1);
  });
});
