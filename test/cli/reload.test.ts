/** `sandpoll reload`, and the SIGHUP that it is. */
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';

import { reload as reloadHere } from '#host/cli/reload.js';
import { describe, expect, test } from 'vitest';

import { sandpoll } from '../support/cli.js';
import { startCommand } from '../support/command.js';
import { withFiles } from '../support/files.js';
import { refusalOf } from '../support/refusal.js';
import { Load } from '../support/request-load.js';
import { ROOT } from '../support/sources.js';

const HTTP = `${ROOT}examples/http/build/http.wasm`;

test('a good module replaces the old one, a bad one does not; no request fails', () =>
  withFiles({}, async (folder) => {
    const file = `${folder}/http.wasm`;
    copyFileSync(HTTP, file);
    const { child, said, ended, stderr } = startCommand([
      'serve',
      '--listen',
      '127.0.0.1:0',
      '--workers',
      '2',
      file,
    ]);
    try {
      const [, port] = await said(/listening on tcp:\/\/127\.0\.0\.1:(\d+)/);
      await said(/#0: ready[^]*#1: ready|#1: ready[^]*#0: ready/);
      const load = new Load(Number(port), 100);
      const reload = async () => sandpoll(['reload', String(child.pid)]);
      expect(await reload()).toEqual({ status: 0, stdout: '', stderr: '' });
      await said(/^sandpoll: reloaded: version 2 serves$/m);
      writeFileSync(file, 'garbage');
      await reload();
      await said(/^sandpoll: not reloaded, what ran goes on: http\.wasm is not WebAssembly/m);
      await load.answered(20);
      copyFileSync(HTTP, file);
      child.kill('SIGHUP');
      await said(/^sandpoll: reloaded: version 3 serves$/m);
      await load.answered(20);
      await load.stop();
      expect(load.failures).toEqual([]);
      child.kill('SIGTERM');
      expect(await ended).toMatchObject({ status: 0, signal: null });
      expect(stderr()).not.toContain('trapped');
    } finally {
      child.kill('SIGKILL');
      await ended;
    }
  }));

test('serve of a pipeline is one that is kept alive, and reloaded', () => {
  const example = `${ROOT}examples/tutorial-pipeline/`;
  const pipeline = readFileSync(`${example}pipeline.toml`, 'utf8')
    .replaceAll('build/', `${example}build/`)
    .replace(/127\.0\.0\.1:\d+/, '127.0.0.1:0');
  return withFiles({ 'pipeline.toml': pipeline }, async (folder) => {
    const { child, said, ended } = startCommand(['serve', `${folder}/pipeline.toml`]);
    try {
      await said(/listening on tcp:/);
      expect(await sandpoll(['reload', String(child.pid)])).toMatchObject({ status: 0 });
      await said(/reloaded: version 2/);
      child.kill('SIGTERM');
      expect(await ended).toMatchObject({ status: 0, signal: null });
    } finally {
      child.kill('SIGKILL');
      await ended;
    }
  });
});

describe('wrong usage', () => {
  const NO_SERVE = `reload ${process.pid}: that process is no sandpoll serve`;

  test.each([
    [[], 'name one process: sandpoll reload PID'],
    [['x'], 'name one process: sandpoll reload PID'],
    [['1', '2'], 'name one process: sandpoll reload PID'],
    [['0'], 'name one process: sandpoll reload PID'],
    [['4194999'], 'reload 4194999: there is no such process'],
    [[String(process.pid)], NO_SERVE],
  ])('reload %j', async (args, sentence) => {
    expect(await refusalOf(() => reloadHere(args))).toEqual({ status: 2, sentence });
  });

  test('by the command', async () => {
    expect(await sandpoll(['reload', String(process.pid)])).toEqual({
      status: 2,
      stdout: '',
      stderr: `sandpoll: ${NO_SERVE}\n`,
    });
  });
});
