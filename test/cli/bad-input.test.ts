/** Bad input gets one clear sentence and the documented status, and leaves nothing running. */
import { existsSync, readFileSync } from 'node:fs';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';

import { Status } from '#host/cli/report.js';
import { describe, expect, test } from 'vitest';

import { type Run, type RunOptions, sandpoll } from '../support/cli.js';
import { withFiles } from '../support/files.js';
import { runGuest } from '../support/guest-here.js';
import { type Refusal, refusalOf } from '../support/refusal.js';
import { sandpollUnprivileged } from '../support/unprivileged.js';
import { wat } from '../wasm/wat.js';

/** A command that ends at once, after these fields of a module. */
const command = (fields = ''): Uint8Array =>
  wat(`(module ${fields} (memory (export "memory") 1) (func (export "_start")))`);

const preamble = (version: number, layer: number): Uint8Array =>
  Uint8Array.from([0, 0x61, 0x73, 0x6d, version, 0, layer, 0]);

/** Files, and what is said of each after its name. */
const FILES: readonly (readonly [name: string, contents: string | Uint8Array, says: string])[] = [
  ['text.wasm', 'hello', 'is not WebAssembly: it is text; give a core module'],
  [
    'source.wat',
    '(module)',
    'is not WebAssembly: it is WebAssembly text; compile it with wat2wasm',
  ],
  ['empty.wasm', '', 'is empty; build it again'],
  ['cut.wasm', preamble(1, 0).subarray(0, 5), 'was cut off after 5 bytes'],
  ['component.wasm', preamble(13, 1), 'is a WebAssembly component, and Sandpoll runs core modules'],
  ['future.wasm', preamble(2, 0), 'is WebAssembly of unknown version 2.0'],
  ['library.wasm', wat('(module (memory (export "memory") 1))'), 'exports no _start; build it as'],
  [
    'both.wasm',
    command('(func (export "_initialize"))'),
    'exports both _start and _initialize; it must be either a command or a reactor',
  ],
  [
    'global.wasm',
    wat('(module (memory (export "memory") 1) (global (export "_start") i32 (i32.const 0)))'),
    'exports a global by the name of _start; it must be a function',
  ],
  [
    'parameter.wasm',
    wat('(module (memory (export "memory") 1) (func (export "_start") (param i32)))'),
    'exports _start with parameters or results; it must have none',
  ],
  [
    'no-memory.wasm',
    wat('(module (func (export "_start")))'),
    'exports no memory, so that imports have nowhere to write; export it as "memory"',
  ],
  [
    'two-memories.wasm',
    wat('(module (memory (export "memory") 1) (memory 1) (func (export "_start")))'),
    'it has 2 memories; build it with one',
  ],
  [
    'hungry.wasm',
    wat('(module (memory (export "memory") 32768) (func (export "_start")))'),
    'its memory starts with 2048MiB; give --max-memory 2048MiB or more',
  ],
  [
    'invalid.wasm',
    wat(`(module (memory (export "memory") 1)
      (func (export "_start") (drop (i32.add (i32.const 1) (f32.const 1)))))`),
    'is not a valid module',
  ],
];

/** What a run that is refused comes to: one line on stderr. */
async function refused(args: readonly string[], options: RunOptions = {}): Promise<Refusal> {
  return refusalIn(await sandpoll(args, options));
}

function refusalIn({ status, stdout, stderr }: Run): Refusal {
  expect([stdout, stderr.match(/\n/g)?.length, stderr.startsWith('sandpoll: ')]).toEqual([
    '',
    1,
    true,
  ]);
  return { status: status ?? NaN, sentence: stderr.replace(/^sandpoll: /, '').trimEnd() };
}

/** The same in this process. */
async function refusedHere(args: readonly string[]): Promise<Refusal> {
  const refusal = await refusalOf(() => runGuest(args));
  expect(refusal.sentence).not.toContain('\n');
  return refusal;
}

describe('a file', () => {
  test.each(FILES)('%s', (name, contents, says) =>
    withFiles({ [name]: contents }, async (folder) => {
      const { status, sentence } = await refusedHere([`${folder}/${name}`]);
      expect(sentence).toContain(name);
      expect(sentence).toContain(says);
      expect(status).toBe(Status.LOAD_FAILED);
    }),
  );

  test('that is refused is one line and a status of the command', () =>
    withFiles({ 'text.wasm': 'hello' }, async (folder) => {
      const here = await refusedHere([`${folder}/text.wasm`]);
      expect(await refused(['text.wasm'], { cwd: folder })).toEqual(here);
    }));

  test('that is not there, and one that is a folder', () =>
    withFiles({}, async (folder) => {
      const absent = await refused([`${folder}/absent.wasm`]);
      expect(absent).toEqual({
        status: Status.LOAD_FAILED,
        sentence: `cannot read ${folder}/absent.wasm: there is no such file`,
      });
      expect(await refusedHere([folder])).toEqual({
        status: Status.LOAD_FAILED,
        sentence: `cannot read ${folder}: it is a directory; name the .wasm file in it`,
      });
    }));

  test('that is not WebAssembly is refused by inspect, too', () =>
    withFiles({ 'text.wasm': 'hello' }, async (folder) => {
      const { status, sentence } = await refused(['inspect', `${folder}/text.wasm`]);
      expect(sentence).toContain('text.wasm is not WebAssembly');
      expect(status).toBe(Status.LOAD_FAILED);
    }));
});

/** Imports that nothing provides, and what is said of each. */
const UNKNOWN: readonly (readonly [fields: string, says: string])[] = [
  ['(import "env" "printf" (func))', 'env.printf: a function declared and never defined'],
  [
    '(import "./glue.js" "f" (func))',
    './glue.js.f: JavaScript glue or another host must provide it',
  ],
  ['(import "sandpoll" "io_uring" (func))', 'sandpoll.io_uring: no such function here'],
  ['(import "wasi" "thread-spawn" (func (param i32) (result i32)))', '--shared-memory'],
  ['(import "wasix_32v1" "epoll_create" (func))', 'wasix_32v1.epoll_create: '],
  [
    '(import "wasi_snapshot_preview1" "sock_bind" (func (param i32 i32) (result i32)))',
    'sock_bind: imported with 2 parameters (i32, i32), provided with 3 parameters (i32, i32, i32)',
  ],
  [
    '(import "wasi_snapshot_preview1" "fd_close" (func (param i64) (result i32)))',
    'fd_close: imported as (i64) -> (i32), provided as (i32) -> (i32)',
  ],
  ['(import "env" "g" (global i32))', 'env.g: a global cannot be imported here'],
];

describe('imports', () => {
  test('that nothing provides are all named, each with what would provide it', () =>
    withFiles(
      { 'guest.wasm': command(UNKNOWN.map(([fields]) => fields).join('\n')) },
      async (folder) => {
        const { status, stdout, stderr } = await sandpoll([`${folder}/guest.wasm`]);
        const lines = stderr.trimEnd().split('\n');
        expect(lines[0]).toBe('sandpoll: the module cannot be linked:');
        expect(lines).toHaveLength(1 + UNKNOWN.length);
        for (const [, says] of UNKNOWN) expect(stderr).toContain(says);
        expect([status, stdout]).toEqual([Status.LOAD_FAILED, '']);
      },
    ));

  test('that are missing leave no listener behind', () =>
    withFiles({ 'guest.wasm': command('(import "env" "f" (func))') }, async (folder) => {
      const socket = `${folder}/socket`;
      const { status } = await sandpoll(['--listen', `unix:${socket}`, `${folder}/guest.wasm`]);
      expect([status, existsSync(socket)]).toEqual([Status.LOAD_FAILED, false]);
    }));
});

/** The first port that anybody may bind. */
const FREE_FROM = Number(readFileSync('/proc/sys/net/ipv4/ip_unprivileged_port_start', 'utf8'));

describe('a listener', () => {
  test('on a port in use', () =>
    withFiles({ 'guest.wasm': command() }, async (folder) => {
      const server = createServer().listen(0, '127.0.0.1');
      await once(server, 'listening');
      const { port } = server.address() as AddressInfo;
      const args = ['--listen', `127.0.0.1:${port}`, `${folder}/guest.wasm`];
      expect(await refused(args)).toEqual({
        status: Status.LOAD_FAILED,
        sentence:
          `cannot listen on 127.0.0.1:${port}: it is in use; stop what holds it, ` +
          'or choose another (port 0 picks one)',
      });
      server.close();
    }));

  test.skipIf(FREE_FROM <= 1)(
    `on a port not permitted${FREE_FROM <= 1 ? ' (skipped: this machine permits all)' : ''}`,
    async () => {
      const args = ['--listen', '127.0.0.1:1', 'test/guests/as/build/tell.wasm'];
      expect(refusalIn(await sandpollUnprivileged(args))).toEqual({
        status: Status.LOAD_FAILED,
        sentence:
          'cannot listen on 127.0.0.1:1: it is not permitted; ' +
          'ports below 1024 need root, choose a higher one',
      });
    },
  );

  test('on an address of another machine, and in a folder that is not there', () =>
    withFiles({ 'guest.wasm': command() }, async (folder) => {
      for (const [address, says] of [
        ['192.0.2.1:0', 'this machine has no such address'],
        [`unix:${folder}/none/socket`, 'the directory of that path does not exist'],
      ]) {
        const args = ['--listen', address, `${folder}/guest.wasm`];
        const { status, sentence } = await refusedHere(args);
        expect([status, sentence]).toEqual([Status.LOAD_FAILED, expect.stringContaining(says)]);
      }
    }));
});

type Usage = readonly (readonly [args: readonly string[], says: string])[];

/** Command lines whose verb is wrongly used, and the sentence for each. */
const VERBS: Usage = [
  [['--bogus', 'x.wasm'], '--bogus: there is no such option; see sandpoll --help'],
  [['run'], 'name the .wasm file to run; see sandpoll --help'],
  [['inspect'], 'name one file: sandpoll inspect guest.wasm'],
  [['inspect', 'a.wasm', 'b.wasm'], 'name one file: sandpoll inspect guest.wasm'],
];

/** Options that are wrong, and the sentence for each. */
const OPTIONS: Usage = [
  [['-x', 'x.wasm'], '-x: there is no such option; see sandpoll --help'],
  [['--quiet'], 'name the .wasm file to run; see sandpoll --help'],
  [['--quiet=yes', 'x.wasm'], '--quiet: it does not take a value that way; see sandpoll --help'],
  [['--env'], '--env: its value is missing; see sandpoll --help'],
  [
    ['--allow-net', 'udp:127.0.0.1', 'x.wasm'],
    '--allow-net udp:127.0.0.1: there is no such file; if it is the value, ' +
      'write --allow-net=udp:127.0.0.1',
  ],
  [
    ['--max-memory', '1', 'x.wasm'],
    '--max-memory 1: the unit is missing; write it as in --max-memory 64MiB',
  ],
  [['--max-memory', '1B', 'x.wasm'], '--max-memory 1B: must be from 65536 to 4294967296'],
  [
    ['--max-memory', '64Mib2', 'x.wasm'],
    '--max-memory 64Mib2: not a number with a unit; write it as in --max-memory 64MiB',
  ],
  [['--max-fds', '2', 'x.wasm'], '--max-fds 2: must be from 3 to 1048576'],
  [['--max-threads', '0', 'x.wasm'], '--max-threads 0: must be from 1 to 1024'],
  [['--timeout', '5', 'x.wasm'], '--timeout 5: the unit is missing; write it as in --timeout 2s'],
  [
    ['--trace=sock,disk', 'x.wasm'],
    '--trace=disk: no such group; choose from sock, epoll, poll, fs, clock, process',
  ],
  [['--stdin', '', 'x.wasm'], '--stdin : the path is missing; write --stdin FILE'],
  [['--stdout=:append', 'x.wasm'], '--stdout :append: the path is missing; write --stdout FILE'],
  [['--env', '=1', 'x.wasm'], '--env =1: the name is missing; write --env NAME=VALUE'],
  [
    ['--env', 'SANDPOLL_UNSET', 'x.wasm'],
    '--env SANDPOLL_UNSET: not set here; write --env SANDPOLL_UNSET=VALUE',
  ],
  [
    ['--listen', 'nonsense', 'x.wasm'],
    '--listen nonsense: not an address with a port; write it as in --listen 127.0.0.1:8080',
  ],
  [
    ['--listen', 'a=:0', '--listen', 'a=:0', 'x.wasm'],
    '--listen a=…: two listeners have that name; give each its own',
  ],
];

describe('a command line', () => {
  test.each(VERBS)('%j', async (args, says) => {
    expect(await refused(args)).toEqual({ status: Status.USAGE, sentence: says });
  });

  test.each(OPTIONS)('%j', async (args, says) => {
    expect(await refusedHere(args)).toEqual({ status: Status.USAGE, sentence: says });
  });

  test('that grants fewer descriptors than its listeners need', () =>
    withFiles({ 'guest.wasm': command() }, async (folder) => {
      const listen = ['--listen', '127.0.0.1:0'];
      expect(await refusedHere(['--max-fds', '3', ...listen, `${folder}/guest.wasm`])).toEqual({
        status: Status.USAGE,
        sentence: '--max-fds 3: this guest starts with 4 descriptors already',
      });
    }));

  test('that is empty gets the help, and is wrong usage', async () => {
    const { status, stdout, stderr } = await sandpoll([]);
    expect([status, stdout, stderr.split('\n')[0]]).toEqual([
      Status.USAGE,
      '',
      'Usage: sandpoll [run] [options] guest.wasm [arguments of the guest...]',
    ]);
  });
});
