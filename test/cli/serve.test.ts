/** `sandpoll serve`: what it says of crashes and limits, and how it ends. */
import { parseRunArguments } from '#host/cli/arguments.js';
import { readRunFlags } from '#host/cli/options.js';
import { readServeFlags } from '#host/cli/serve-options.js';
import { describe, expect, test } from 'vitest';

import { Load } from '../support/request-load.js';
import { sandpoll } from '../support/cli.js';
import { Client } from '../support/client.js';
import { type Command, startCommand } from '../support/command.js';
import { drainingGuest } from '../support/draining.js';
import { withFiles } from '../support/files.js';
import { refusalOf } from '../support/refusal.js';
import { ROOT } from '../support/sources.js';
import { wat } from '../wasm/wat.js';

const HTTP = `${ROOT}examples/http/build/http.wasm`;
const TRAPS = 'test/guests/as/build/trap-unreachable.wasm';
const HERE = { cwd: ROOT };
const SPIN = wat(`(module (memory (export "memory") 1)
  (func (export "_start") (loop $for_ever (br $for_ever))))`);

/** Runs `body` with a service that is ready, and ends it. */
async function withServe(
  args: readonly string[],
  body: (command: Command) => Promise<void>,
): Promise<void> {
  const command = startCommand(['serve', ...args]);
  try {
    await command.said(/#0: ready/);
    await body(command);
  } finally {
    command.child.kill('SIGKILL');
    await command.ended;
  }
}

describe('crashes', () => {
  test('are told with the guest’s stack in its source, and the restart; then it gives up', async () => {
    const run = await sandpoll(['serve', '--restart-limit', '2/1m', TRAPS], HERE);
    expect(run.status).toBe(134);
    const crash =
      'sandpoll: trap-unreachable\\.wasm#0 trapped: unreachable\n' +
      '( +at \\S+ \\(test/guests/as/trap-unreachable\\.ts:\\d+:\\d+\\)\n)( +at .*\n)*';
    const name = 'sandpoll: trap-unreachable\\.wasm#0';
    expect(run.stderr).toMatch(
      new RegExp(
        `^${crash}${name}: started again in 0ms \\(restart 1 within 60000ms\\)\n` +
          `${crash}${name}: started again in 100ms \\(restart 2 within 60000ms\\)\n` +
          `${crash}sandpoll: gave up: trap-unreachable\\.wasm#0 ended again after 2 restarts ` +
          'within 60000ms\n$',
      ),
    );
  });

  test('--restart transient: an exit with 0 is the end, and --quiet says nothing of it', () =>
    withFiles(
      { 'guest.wasm': wat('(module (memory (export "memory") 1) (func (export "_start")))') },
      async (folder) => {
        const options = ['serve', '--quiet', '--restart', 'transient', '--workers', '2'];
        const run = await sandpoll([...options, `${folder}/guest.wasm`]);
        expect(run).toEqual({ status: 0, stdout: '', stderr: '' });
      },
    ));

  test('limits are told with their option and the rung of the ladder, status 124', () =>
    withFiles({ 'guest.wasm': SPIN }, async (folder) => {
      const guest = `${folder}/guest.wasm`;
      const limits = [
        ['--timeout', '100ms'],
        ['--max-cpu', '60ms'],
      ];
      for (const limit of limits) {
        const run = await sandpoll(['serve', '--restart', 'temporary', ...limit, guest]);
        expect(run).toMatchObject({
          status: 124,
          stderr:
            `sandpoll: guest.wasm#0: stopped after ${limit.join(' ')}: ` +
            'it was running, and terminated\n',
        });
      }
      const run = await sandpoll(['run', '--max-cpu', '60ms', guest]);
      expect(run).toMatchObject({
        status: 124,
        stderr: 'sandpoll: stopped after --max-cpu 60ms\n',
      });
    }));

  test('a limit in serve lets a guest with a signalfd leave by itself', () =>
    withFiles({ 'guest.wasm': drainingGuest({ leaves: true }) }, async (folder) => {
      const options = ['serve', '--restart', 'temporary', '--timeout', '600ms'];
      const { stderr } = await sandpoll([...options, `${folder}/guest.wasm`]);
      expect(stderr).toMatch(/guest\.wasm#0: stopped after --timeout 600ms: it left at SIGTERM\n$/);
    }));
});

describe('signals', () => {
  test.each(['SIGTERM', 'SIGINT'] as const)('%s: it drains and leaves: 0', (signal) =>
    withServe(['--listen', '127.0.0.1:0', '--workers', '2', HTTP], async (command) => {
      const [, port] = await command.said(/listening on tcp:\/\/127\.0\.0\.1:(\d+)/);
      const load = new Load(Number(port), 100);
      await load.answered(10);
      await load.stop();
      expect(load.failures).toEqual([]);
      command.child.kill(signal);
      expect(await command.ended).toMatchObject({ status: 0, signal: null });
      expect(command.stderr()).toMatch(/http\.wasm#1: asked to leave within 10000ms\n/);
    }),
  );

  test('SIGTERM with a guest that stays: 143 when its grace is over', () =>
    withFiles({ 'guest.wasm': drainingGuest({ leaves: false }) }, (folder) =>
      withServe(['--grace', '100ms', `${folder}/guest.wasm`], async ({ child, ended, said }) => {
        await said(/trace: ready/);
        child.kill('SIGTERM');
        expect(await ended).toMatchObject({ status: 143, signal: null });
      }),
    ));

  test('/readyz turns 503 while connections are drained', () => {
    const options = ['--metrics', '127.0.0.1:0', '--listen', '127.0.0.1:0', HTTP];
    return withServe(options, async ({ child, ended, said }) => {
      const [, url] = await said(/metrics on (\S+)/);
      const [, port] = await said(/listening on tcp:\/\/127\.0\.0\.1:(\d+)/);
      const readyz = async () => (await fetch(new URL('/readyz', url))).status;
      expect(await readyz()).toBe(200);
      const busy = await Client.connect(Number(port));
      await busy.send('POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\nabc');
      child.kill('SIGTERM');
      await said(/asked to leave/);
      expect(await readyz()).toBe(503);
      await busy.send('def');
      expect((await busy.takeAll()).toString()).toMatch(/abcdef$/);
      busy.close();
      expect(await ended).toMatchObject({ status: 0 });
    });
  });

  test('SIGUSR1 is the guests’', () =>
    withFiles({ 'guest.wasm': drainingGuest({ leaves: false }) }, (folder) =>
      withServe([`${folder}/guest.wasm`], async ({ child, said }) => {
        await said(/trace: ready/);
        child.kill('SIGUSR1');
        expect(await said(/guest\.wasm#0: trace: signal 10\n/)).not.toBeNull();
      }),
    ));
});

/** Reads the arguments after `serve`, as it does. */
function readServe(argv: readonly string[]): void {
  const parsed = parseRunArguments(argv, 'serve');
  if (typeof parsed === 'string') throw new Error(parsed);
  readRunFlags(parsed.flags, [parsed.file, ...parsed.args], process.env);
  readServeFlags(parsed.serve);
}

describe('wrong usage', () => {
  test('serve --restart always', async () => {
    const { status, stderr } = await sandpoll(['serve', '--restart', 'always', HTTP]);
    const sentence = '--restart always: there is no such kind; choose from permanent, ';
    expect([status, stderr.startsWith(`sandpoll: ${sentence}`)]).toEqual([2, true]);
  });

  test.each([
    ['--restart-limit', '5', '--restart-limit 5: write it as in --restart-limit 10/60s'],
    ['--restart-limit', '5/60', '--restart-limit 60: the unit is missing'],
    ['--restart-limit', 'x/60s', '--restart-limit x: not a whole number'],
    ['--ready-timeout', 'soon', '--ready-timeout soon: '],
    ['--probe', 'health', '--probe health: a path that the guest answers'],
    ['--max-cpu', '5', '--max-cpu 5: the unit is missing'],
    ['--max-connections', '0', '--max-connections 0: must be from 1 to '],
    ['--workers', '0', '--workers 0: '],
    ['--workers', '10000', '--workers 10000: '],
  ])('serve %s %s', async (option, value, sentence) => {
    const refusal = await refusalOf(() => readServe([option, value, HTTP]));
    expect(refusal).toEqual({ status: 2, sentence: expect.stringContaining(sentence) });
    expect(refusal.sentence.startsWith(sentence)).toBe(true);
  });

  test('run has no options of serve', async () => {
    const { status, stderr } = await sandpoll(['run', '--probe', '/', HTTP]);
    expect([status, stderr]).toEqual([
      2,
      'sandpoll: --probe: only sandpoll serve has it; see sandpoll --help\n',
    ]);
  });

  test('a module that is none: 1, before anything is served', () =>
    withFiles({ 'guest.wasm': 'text' }, async (folder) => {
      const { status, stderr } = await sandpoll(['serve', `${folder}/guest.wasm`]);
      expect(status).toBe(1);
      expect(stderr).toMatch(/^sandpoll: guest\.wasm is not WebAssembly/);
    }));
});
