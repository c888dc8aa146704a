/** What the command line promises of a guest that runs (design.md §9). */
import { once } from 'node:events';
import { createConnection } from 'node:net';
import { existsSync, readFileSync } from 'node:fs';

import { parseRunArguments } from '#host/cli/arguments.js';
import { readRunFlags } from '#host/cli/options.js';
import { Status } from '#host/cli/report.js';
import { describe, expect, test } from 'vitest';

import { sandpoll } from '../support/cli.js';
import { startCommand } from '../support/command.js';
import { withFiles } from '../support/files.js';
import { ROOT } from '../support/sources.js';
import { wat } from '../wasm/wat.js';

const TELL = 'test/guests/as/build/tell.wasm';
const HERE = { cwd: ROOT };

/** A guest that leaves with `code`. */
const leaving = (code: string): Uint8Array =>
  wat(`(module
    (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
    (memory (export "memory") 1)
    (func (export "_start") (call $exit (i32.const ${code}))))`);

const SPIN = wat(`(module (memory (export "memory") 1)
  (func (export "_start") (loop $for_ever (br $for_ever))))`);

describe('arguments and environment', () => {
  test('options before the file are ours, everything after it is the guest’s', async () => {
    const run = await sandpoll([TELL, '--listen', '1', '--', '-x', ''], HERE);
    expect(run).toEqual({
      status: 0,
      stdout: [TELL, '--listen', '1', '--', '-x', '', ''].join('\n'),
      stderr: 'said it all\n',
    });
  });

  test('the verb may be left out; -- ends the options', async () => {
    for (const options of [[], ['--'], ['--quiet', '--']]) {
      expect(parseRunArguments([...options, TELL, '--'])).toMatchObject({
        file: TELL,
        args: ['--'],
      });
    }
    const run = await sandpoll(['run', '--quiet', '--', TELL], HERE);
    expect(run).toMatchObject({ status: 0, stdout: `${TELL}\n` });
  });

  test('--env gives a value, or the one it has here; nothing else gets in (B38)', async () => {
    const env = { ...process.env, HERE_SET: 'from here', SECRET: 'stays here' };
    const options = ['--env', 'A=b=c', '--env', 'HERE_SET', '--env=EMPTY='];
    const { stdout } = await sandpoll([...options, TELL], { ...HERE, env });
    expect(stdout).toBe(`${TELL}\nA=b=c\nHERE_SET=from here\nEMPTY=\n`);
  });

  test('listeners are told in the environment and on stderr, stdout is the guest’s', async () => {
    const options = ['--listen', 'web=127.0.0.1:0', '--listen', 'udp://[::1]:0'];
    const { stdout, stderr } = await sandpoll([...options, TELL], HERE);
    expect(stdout.split('\n').slice(1)).toEqual([
      'LISTEN_FDS=2',
      'LISTEN_FDNAMES=web:unknown',
      'SANDPOLL_LISTEN_FD_web=3',
      '',
    ]);
    expect(stderr).toMatch(/^listening on tcp:\/\/127\.0\.0\.1:\d+ \(fd 3\)$/m);
    expect(stderr).toMatch(/^listening on udp:\/\/\[::1\]:\d+ \(fd 4\)$/m);
  });

  test('--quiet says nothing of its own', async () => {
    const { stderr } = await sandpoll(['--quiet', '--listen', '127.0.0.1:0', TELL], HERE);
    expect(stderr).toBe('said it all\n');
  });
});

describe('--stdin, --stdout and --stderr', () => {
  const read = (...argv: string[]): unknown => {
    const parsed = parseRunArguments([...argv, 'guest.wasm']);
    if (typeof parsed === 'string') throw new Error(parsed);
    return readRunFlags(parsed.flags, [], {}).stdio;
  };

  test('are files, some only added to, or nothing, or the host’s own', () => {
    expect(read()).toEqual({});
    expect(read('--stdin', 'in:append', '--stdout', 'out', '--stderr=log:append')).toEqual({
      stdin: { file: 'in:append' },
      stdout: { file: 'out' },
      stderr: { file: 'log', append: true },
    });
    expect(read('--stdin=ignore', '--stdout', 'inherit', '--stderr', './ignore')).toEqual({
      stdin: 'ignore',
      stdout: 'inherit',
      stderr: { file: './ignore' },
    });
  });

  test('that cannot be opened end with status 2; the host’s own words stay on its stderr', () =>
    withFiles({ 'guest.wasm': leaving('0') }, async (folder) => {
      const guest = `${folder}/guest.wasm`;
      const stderr = `sandpoll: stdin ${folder}/none: there is no such file\n`;
      const args = ['--stderr', `${folder}/log`, '--stdin', `${folder}/none`, guest];
      expect(await sandpoll(args)).toEqual({ status: Status.USAGE, stdout: '', stderr });
      expect(existsSync(`${folder}/log`)).toBe(false);
      const out = `${folder}/out`;
      const told = await sandpoll(['--stdout', out, '--stderr', `${out}:append`, TELL, 'a'], HERE);
      expect(told).toEqual({ status: 0, stdout: '', stderr: '' });
      expect(readFileSync(out, 'utf8')).toContain('said it all\n');
    }));
});

describe('exit statuses', () => {
  // More of them, as what the command makes of an outcome: test/hostile/lifecycle.test.ts.
  test.each([
    ['7', 7],
    ['256', 255],
    ['-1', 255],
  ])('B82 a guest that leaves with %s', (code, status) =>
    withFiles({ 'guest.wasm': leaving(code) }, async (folder) => {
      const run = await sandpoll([`${folder}/guest.wasm`]);
      expect(run).toEqual({ status, stdout: '', stderr: '' });
    }),
  );

  test('124 after --timeout, with the guest in a busy loop', () =>
    withFiles({ 'guest.wasm': SPIN }, async (folder) => {
      const run = await sandpoll(['--timeout', '50ms', `${folder}/guest.wasm`]);
      expect(run).toEqual({
        status: Status.TIMEOUT,
        stdout: '',
        stderr: 'sandpoll: stopped after --timeout 50ms\n',
      });
    }));

  test.each([
    ['SIGINT', Status.SIGINT],
    ['SIGTERM', Status.SIGTERM],
  ] as const)('%s ends a guest that does not handle it', async (signal, status) => {
    const echo = `${ROOT}examples/echo/build/echo-poll.wasm`;
    const { child, ended, said } = startCommand(['--listen', '127.0.0.1:0', echo]);
    const [, port] = await said(/listening on tcp:\/\/127\.0\.0\.1:(\d+) /);
    const client = createConnection(Number(port), '127.0.0.1');
    client.write('x');
    await once(client, 'data');
    child.kill(signal);
    expect(await ended).toMatchObject({ status, signal: null });
    client.destroy();
  });
});

/** The line of a guest's source that has `text`, counted from 1. */
function lineOf(guest: string, text: string): number {
  const lines = readFileSync(`${ROOT}test/guests/as/${guest}.ts`, 'utf8').split('\n');
  return lines.findIndex((line) => line.includes(text)) + 1;
}

describe('traps', () => {
  test('an exception of AssemblyScript is told with its message, file and line', async () => {
    const run = await sandpoll(['test/guests/as/build/trap-abort.wasm'], HERE);
    const line = lineOf('trap-abort', 'throw new Error');
    const [first, ...frames] = run.stderr.trimEnd().split('\n');
    expect(first).toBe(
      'sandpoll: trap-abort.wasm trapped: ' +
        `the shelf is empty in test/guests/as/trap-abort.ts(${line}:26)`,
    );
    expect(frames.length).toBeGreaterThan(0);
    expect([run.status, run.stdout]).toEqual([Status.TRAPPED, '']);
  });

  test('a trap is told with the line of the source, through the source map', async () => {
    const run = await sandpoll(['test/guests/as/build/trap-unreachable.wasm'], HERE);
    const line = lineOf('trap-unreachable', 'unreachable();');
    const [first, ...frames] = run.stderr.trimEnd().split('\n');
    expect(first).toBe('sandpoll: trap-unreachable.wasm trapped: unreachable');
    expect(frames[0]).toMatch(
      new RegExp(`^ {4}at \\S+ \\(test/guests/as/trap-unreachable\\.ts:${line}:\\d+\\)$`),
    );
    expect([run.status, run.stdout]).toEqual([Status.TRAPPED, '']);
  });

  test('without a source map a frame has the function and its offset', () =>
    withFiles(
      {
        'guest.wasm': wat(`(module (memory (export "memory") 1)
          (func $inner unreachable)
          (func $outer (export "_start") (call $inner)))`),
      },
      async (folder) => {
        const { status, stderr } = await sandpoll([`${folder}/guest.wasm`]);
        expect(stderr).toMatch(/^sandpoll: guest\.wasm trapped: unreachable\n(    at .*\n)+$/);
        expect(stderr).toMatch(/\(guest\.wasm:0x[0-9a-f]+\)/);
        expect(status).toBe(Status.TRAPPED);
      },
    ));

  test('B77 a recursion without end is a trap, not our crash', () =>
    withFiles(
      {
        'guest.wasm': wat(`(module (memory (export "memory") 1)
          (func $deeper (export "_start") (call $deeper)))`),
      },
      async (folder) => {
        const { status, stderr } = await sandpoll([`${folder}/guest.wasm`]);
        expect(stderr).toContain('guest.wasm trapped: Maximum call stack size exceeded');
        expect(status).toBe(Status.TRAPPED);
      },
    ));

  test('B98 what a guest has named cannot steer a terminal', () =>
    withFiles(
      {
        'guest.wasm': wat(`(module
          (import "env" "abort" (func $abort (param i32 i32 i32 i32)))
          (memory (export "memory") 1)
          (data (i32.const 12) "\\08\\00\\00\\00\\1b\\00[\\002\\00J\\00")
          (func (export "_start")
            (call $abort (i32.const 16) (i32.const 0) (i32.const 1) (i32.const 1))))`),
      },
      async (folder) => {
        const { stderr } = await sandpoll([`${folder}/guest.wasm`]);
        expect(stderr).toContain('trapped: ');
        expect(stderr).not.toContain('\u{1b}');
      },
    ));
});

describe('--trace', () => {
  test('a line a call on stderr, as strace writes it, from the parameters’ names', async () => {
    const { stdout, stderr } = await sandpoll(['--trace', TELL], HERE);
    expect(stdout).toBe(`${TELL}\n`);
    const lines = stderr.trimEnd().split('\n');
    expect(lines).toContain('said it all');
    expect(lines[0]).toBe(`args_sizes_get() = 0 count=1 buf_len=${TELL.length + 1}`);
    expect(stderr).toMatch(
      new RegExp(
        `^fd_write\\(fd=1, iovs=0x[0-9a-f]+, iovs_len=1\\) = 0 size=${TELL.length + 1}$`,
        'm',
      ),
    );
    expect(lines.at(-1)).toBe('proc_exit(rval=0)');
  });

  test('of some groups only; errors by their names', () =>
    withFiles(
      {
        'guest.wasm': wat(`(module
          (import "wasi_snapshot_preview1" "fd_close" (func $close (param i32) (result i32)))
          (import "wasi_snapshot_preview1" "sock_shutdown"
            (func $shutdown (param i32 i32) (result i32)))
          (memory (export "memory") 1)
          (func (export "_start")
            (drop (call $close (i32.const 77)))
            (drop (call $shutdown (i32.const -1) (i32.const 3)))))`),
      },
      async (folder) => {
        const file = `${folder}/guest.wasm`;
        const sock = await sandpoll(['--trace=sock,clock', file]);
        expect(sock.stderr).toBe('sock_shutdown(fd=-1, how=3) = EBADF\n');
        const files = await sandpoll(['--trace=fs', file]);
        expect(files.stderr).toBe('fd_close(fd=77) = EBADF\n');
      },
    ));
});

describe('the rest', () => {
  test('--help and --version go to stdout', async () => {
    const lines = ['-h', 'help', 'run --env A=1 --help', 'inspect --help', 'build -h'];
    const runs = await Promise.all(lines.map(async (line) => sandpoll(line.split(' '))));
    for (const [index, { status, stdout, stderr }] of runs.entries()) {
      expect([lines[index], status, stderr]).toEqual([lines[index], 0, '']);
      expect(stdout).toMatch(/^Usage: sandpoll \[run\] [^]*Exit status: /);
    }
    const { version } = JSON.parse(readFileSync(`${ROOT}package.json`, 'utf8')) as {
      version: string;
    };
    const run = await sandpoll(['run', '--quiet', '--version']);
    expect(run).toEqual({ status: 0, stdout: `${version}\n`, stderr: '' });
  });

  test.each([
    ['--help', 'help'],
    ['--quiet --help', 'help'],
    ['--env A=1 -h', 'help'],
    ['--version', 'version'],
    ['-V', 'version'],
  ])('%s asks for the %s', (line, asked) => {
    expect(parseRunArguments(line.split(' '))).toBe(asked);
  });

  test('inspect shows imports, what of them is here, and the options it will need', async () => {
    const { status, stdout, stderr } = await sandpoll(
      ['inspect', 'examples/echo/build/echo-lt.wasm'],
      HERE,
    );
    expect([status, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(/^echo-lt\.wasm: WebAssembly module, \d+ bytes\n/);
    expect(stdout).toContain('    yes  epoll_wait(i32, i32, i32, i32, i32) -> i32\n');
    expect(stdout).toMatch(/options it will probably need:\n {2}--listen ADDR: [^\n]+\n$/);
  });

  test('inspect tells what is here and what is not, of preview0 too', () =>
    withFiles(
      {
        'guest.wasm': wat(`(module
          (import "wasi_unstable" "fd_sync" (func (param i32) (result i32)))
          (import "wasi_unstable" "sock_accept" (func (param i32 i32 i32) (result i32)))
          (import "env" "unknown" (func))
          (memory (export "memory") 1) (func (export "_start")))`),
      },
      async (folder) => {
        const { status, stdout } = await sandpoll(['inspect', `${folder}/guest.wasm`]);
        expect(status).toBe(0);
        expect(stdout).toMatch(/^ {4}yes {2}fd_sync\(i32\) -> i32$/m);
        expect(stdout).toMatch(/^ {4}no {3}sock_accept\(i32, i32, i32\) -> i32$/m);
        expect(stdout).toMatch(/^ {4}no {3}unknown\(\)$/m);
      },
    ));
});
