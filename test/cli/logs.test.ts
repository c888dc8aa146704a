/** What the command says on standard error; what becomes of what guests print (B74, B98, B99). */
import { setTimeout as pause } from 'node:timers/promises';

import { LINES_AT_ONCE } from '#host/line-budget.js';
import { describe, expect, test } from 'vitest';

import { type Run, sandpoll } from '../support/cli.js';
import { startCommand } from '../support/command.js';
import { readArguments } from '../support/guest-here.js';
import { readExposition, sampleOf } from '../support/exposition.js';
import { withFiles } from '../support/files.js';
import { refusalOf } from '../support/refusal.js';
import { ROOT } from '../support/sources.js';
import { wat } from '../wasm/wat.js';

const TELL = 'test/guests/as/build/tell.wasm';

interface Line {
  readonly time: string;
  readonly level: string;
  readonly message: string;
  readonly guest?: string;
  readonly stream?: string;
  readonly cutBytes?: number;
  readonly droppedLines?: number;
  readonly stack?: readonly string[];
}

/** Each line as an object; throws if one is none. */
function objects(stderr: string): Line[] {
  expect(stderr.endsWith('\n')).toBe(true);
  const lines = stderr.slice(0, -1).split('\n');
  return lines.map((line) => {
    const object = JSON.parse(line) as Line;
    expect(new Date(object.time).toISOString()).toBe(object.time);
    expect(['debug', 'info', 'warn', 'error']).toContain(object.level);
    expect(typeof object.message).toBe('string');
    return object;
  });
}

function escaped(text: string): string {
  return [...Buffer.from(text)].map((byte) => `\\${byte.toString(16).padStart(2, '0')}`).join('');
}

/** A guest that prints `text` to `fd`, `times` times (−1: without end), and then does `last`. */
function printing(text: string, { fd = 1, times = 1, last = '' } = {}): Uint8Array {
  return wat(`(module
    (import "wasi_snapshot_preview1" "fd_write"
      (func $write (param i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 2)
    (data (i32.const 0) "${escaped('\x10\0\0\0')}")
    (data (i32.const 16) "${escaped(text)}")
    (func (export "_start") (local $left i32)
      (i32.store (i32.const 4) (i32.const ${Buffer.byteLength(text)}))
      (local.set $left (i32.const ${times}))
      (loop $more
        (drop (call $write (i32.const ${fd}) (i32.const 0) (i32.const 1) (i32.const 8)))
        (local.set $left (i32.sub (local.get $left) (i32.const 1)))
        (br_if $more (local.get $left)))
      ${last}))`);
}

async function run(guest: Uint8Array, options: readonly string[]): Promise<Run> {
  return withFiles({ 'guest.wasm': guest }, async (folder) =>
    sandpoll([...options, `${folder}/guest.wasm`]),
  );
}

describe('--log-format=json', () => {
  test('every line is an object, what the guest prints among them; stdout stays empty', async () => {
    const options = ['--log-format=json', '--listen', '127.0.0.1:0', '--trace=fs'];
    const { status, stdout, stderr } = await sandpoll([...options, TELL, 'a'], { cwd: ROOT });
    expect({ status, stdout }).toEqual({ status: 0, stdout: '' });
    const lines = objects(stderr);
    expect(lines.find(({ message }) => message.startsWith('listening'))).toMatchObject({
      level: 'info',
      fd: 3,
      url: expect.stringMatching(/^tcp:\/\/127\.0\.0\.1:\d+$/),
    });
    const printed = lines.filter(({ stream }) => stream === 'stdout');
    expect(printed.map(({ message }) => message).slice(0, 2)).toEqual([TELL, 'a']);
    expect(lines.find(({ stream }) => stream === 'stderr')).toMatchObject({
      guest: 'tell.wasm',
      message: 'said it all',
    });
    expect(lines.find(({ level }) => level === 'debug')).toMatchObject({
      guest: 'tell.wasm',
      message: expect.stringContaining('fd_write(fd=1'),
    });
  });

  test('B98 B99 nothing a guest prints leaves its field, nor does anything to a terminal', async () => {
    const hostile = '","level":"error"}\n{"forged":1}\x1b[2J\x1b]0;t\x07\r\n\u202e\u2028\0\n';
    const { stderr } = await run(printing(hostile), ['--log-format=json']);
    expect(objects(stderr).map(({ message, level }) => [level, message])).toEqual([
      ['info', '","level":"error"}'],
      ['info', '{"forged":1}\\u{1b}[2J\\u{1b}]0;t\\u{7}'],
      ['info', '\\u{202e}\\u{2028}\\u{0}'],
    ]);
    expect(stderr).toMatch(/^[\x20-\x7e\n]*$/);
  });

  test('a trap is one object, with its stack; what was printed before comes before', async () => {
    const { status, stderr } = await run(printing('last words', { last: '(unreachable)' }), [
      '--log-format=json',
    ]);
    expect(status).toBe(134);
    const lines = objects(stderr);
    expect(lines.map(({ level, message }) => [level, message])).toEqual([
      ['info', 'last words'],
      ['error', 'trapped: unreachable'],
    ]);
    expect(lines[1].guest).toBe('guest.wasm');
    expect(lines[1].stack?.[0]).toMatch(/^at .*guest\.wasm:0x[0-9a-f]+\)$/);
  });

  test('what a guest has printed is not lost when it is killed', async () => {
    const guest = printing('still here\n', { last: '(loop $for_ever (br $for_ever))' });
    const { status, stderr } = await run(guest, ['--log-format=json', '--timeout=300ms']);
    expect(status).toBe(124);
    expect(objects(stderr).map(({ message }) => message)).toEqual([
      'still here',
      'stopped after --timeout 300ms',
    ]);
  });

  test('errors before anything runs are objects too', async () => {
    const { status, stderr } = await sandpoll(['--log-format=json', '/nowhere/guest.wasm']);
    expect(status).toBe(1);
    expect(objects(stderr)).toMatchObject([{ level: 'error', code: 'ENOENT' }]);
  });

  test('B99 of too many lines some are left out, and every one is accounted for', async () => {
    const times = 30;
    const guest = printing('x\n'.repeat(1000), { times });
    const { status, stderr } = await run(guest, ['--log-format=json']);
    expect(status).toBe(0);
    const lines = objects(stderr);
    const said = lines.filter(({ stream, message }) => stream === 'stdout' && message === 'x');
    const dropped = lines.reduce((sum, { droppedLines = 0 }) => sum + droppedLines, 0);
    expect(said.length + dropped).toBe(1000 * times);
    expect(said.length).toBeGreaterThanOrEqual(LINES_AT_ONCE);
    expect(dropped).toBeGreaterThan(0);
  });
});

test('B99 what a guest has the host say is bounded too, and accounted for', async () => {
  const times = 30_000;
  const guest = wat(`(module
    (import "env" "trace" (func $trace (param i32 i32 f64 f64 f64 f64 f64)))
    (memory (export "memory") 1)
    (func (export "_start") (local $left i32)
      (local.set $left (i32.const ${times}))
      (loop $more
        (call $trace (i32.const 0) (i32.const 0)
          (f64.const 0) (f64.const 0) (f64.const 0) (f64.const 0) (f64.const 0))
        (local.set $left (i32.sub (local.get $left) (i32.const 1)))
        (br_if $more (local.get $left)))))`);
  const { status, stderr } = await run(guest, []);
  expect(status).toBe(0);
  const lines = stderr.trimEnd().split('\n');
  const said = lines.filter((line) => line.startsWith('sandpoll: trace: ')).length;
  const counts = lines.flatMap((line) => / (\d+) lines were left out/.exec(line)?.[1] ?? []);
  expect(said + counts.reduce((sum, count) => sum + Number(count), 0)).toBe(times);
  expect(said).toBeGreaterThanOrEqual(LINES_AT_ONCE);
  expect(counts.length).toBeGreaterThan(0);
});

describe('--log-format=text', () => {
  test('leaves the guest its stdout and stderr', async () => {
    const { stdout, stderr } = await run(printing('\x1b[1mbold\n'), []);
    expect({ stdout, stderr }).toEqual({ stdout: '\x1b[1mbold\n', stderr: '' });
  });

  test('--capture-output has it in the log, harmless', async () => {
    const { stdout, stderr } = await run(printing('\x1b[1mbold\n', { fd: 2 }), [
      '--capture-output',
    ]);
    expect({ stdout, stderr }).toEqual({
      stdout: '',
      stderr: 'guest.wasm stderr: \\u{1b}[1mbold\n',
    });
  });
});

describe('--log-level', () => {
  test.each([
    [['--log-level=warn'], false],
    [['--quiet', '--log-level=debug'], true],
  ])('with %j the ready line is said: %j', async (options, said) => {
    const { stderr } = await sandpoll([...options, '--listen', '127.0.0.1:0', TELL], { cwd: ROOT });
    expect(stderr.includes('listening on')).toBe(said);
    // What guests print is not the host's to weigh.
    expect(stderr).toContain('said it all');
  });

  test.each([
    [[], 'info'],
    [['--quiet'], 'error'],
    [['--log-level=warn'], 'warn'],
    [['--quiet', '--log-level=debug'], 'debug'],
  ])('with %j it is %s', (options, level) => {
    expect(readArguments([...options, TELL]).log.level).toBe(level);
  });

  test.each([
    ['--log-level=loud', '--log-level=loud: choose from error, warn, info, debug'],
    ['--log-format=xml', '--log-format=xml: choose from text, json'],
  ])('%s is refused', async (option, sentence) => {
    expect(await refusalOf(() => readArguments([option, TELL]))).toEqual({ status: 2, sentence });
  });
});

test('B74 who does not read the log holds up neither host nor guest, and memory stays', async () => {
  const guest = printing(`${'y'.repeat(999)}\n`, { times: -1 });
  await withFiles({ 'guest.wasm': guest }, async (folder) => {
    const options = ['--log-format=json', '--metrics', '127.0.0.1:0'];
    const command = startCommand([...options, `${folder}/guest.wasm`]);
    const [, url] = await command.said(/(http:\/\/[^"]+)/);
    command.child.stderr?.pause();
    const scrape = async () => readExposition(await (await fetch(`${url}metrics`)).text());
    const first = await scrape();
    // Far more than the pipe and the host's queue hold.
    let last = first;
    const lines = (): number =>
      sampleOf(last, 'sandpoll_calls_total', { function: 'fd_write' }) ?? 0;
    while (lines() < 4000) {
      await pause(50);
      last = await scrape();
    }
    expect((await fetch(`${url}healthz`)).status).toBe(200);
    const grownBytes =
      (sampleOf(last, 'process_resident_memory_bytes') ?? 0) -
      (sampleOf(first, 'process_resident_memory_bytes') ?? 0);
    expect(grownBytes).toBeLessThan(64 * 2 ** 20);
    command.child.stderr?.resume();
    await command.said(/lines were left out: nobody read them/);
    command.child.kill();
    await command.ended;
  });
});
