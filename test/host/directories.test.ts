/** Directories that a guest is given: as which descriptors, to whom, and what if one is missing. */
import { readFileSync, readdirSync, symlinkSync } from 'node:fs';

import { parsePipeline } from '#host/cli/pipeline-file.js';
import { DescriptorTable } from '#host/descriptors.js';
import { Errno, LinuxErrno } from '#host/errno.js';
import { openDescriptors as openFor } from '#host/guest/descriptors.js';
import {
  type DirGrant,
  type Grants,
  type GuestOptions,
  NO_GRANTS,
  createChannel,
  parseDir,
  parseListen,
  startGuest,
  startPipeline,
  startWorkers,
} from '#host/index.js';
import { injectFaults } from '#host/kernel/inject.js';
import { openNativeKernel } from '#host/kernel/native.js';
import { Access, Kind } from '#host/kinds.js';
import { describe, expect, test } from 'vitest';

import { leakedSince, openDescriptors } from '../support/descriptors.js';
import { type Call, type Driven, withDriven } from '../support/driven.js';
import { withFiles } from '../support/files.js';
import { makerModule } from '../support/maker.js';
import { withService } from '../support/services.js';
import { wat } from '../wasm/wat.js';

const kernel = openNativeKernel();
const AT = 0x1_0000;
const OUT = 0x1_1000;
const NAME_BYTES = 64;

const granted = (...dirs: readonly DirGrant[]): Grants => ({ ...NO_GRANTS, dirs });

/** Ends with the errno. */
const MAKER = makerModule('(call $exit (local.get $errno))');

/** The names of the directories that a guest finds from descriptor 3 on. */
async function preopens(driven: Driven): Promise<string[]> {
  const names: string[] = [];
  for (let fd = 3; (await driven.call('fd_prestat_get', fd, OUT)) === 0; fd++) {
    const length = await driven.u32(OUT + 4);
    expect(await driven.call('fd_prestat_dir_name', fd, AT, NAME_BYTES)).toBe(0);
    names.push(Buffer.from(await driven.read(AT, length)).toString());
  }
  return names;
}

describe('a guest finds', () => {
  test('its directories from descriptor 3, then listeners, then channels', () =>
    withFiles({ 'one/file': '1', 'two/file': '2' }, async (folder) => {
      const dirs = [parseDir(`${folder}/one::/data`), parseDir(`${folder}/two:ro`)];
      const [end, other] = createChannel();
      await withDriven({ dirs, channels: { OTHER: end } }, async (driven, { guest }) => {
        expect(await preopens(driven)).toEqual(['/data', `${folder}/two`]);
        expect(guest.listeners.map(({ fd }) => fd)).toEqual([5]);
        expect(driven.listener).toBe(5);
        // A socket is no directory, and ends the search.
        expect(await driven.call('fd_prestat_get', driven.listener, OUT)).toBe(Errno.BADF);
        await driven.accept();
      });
      other.close();
    }));

  test('its listeners where its environment says', () =>
    withFiles({}, async (folder) => {
      const env = { a: 'LISTEN_FDS=1', b: 'SANDPOLL_LISTEN_FD_WEB=4' };
      const options: GuestOptions = {
        bytes: wat(`(module
          (import "wasi_snapshot_preview1" "environ_get" (func $get (param i32 i32) (result i32)))
          (import "wasi_snapshot_preview1" "fd_write"
            (func $write (param i32 i32 i32 i32) (result i32)))
          (memory (export "memory") 1)
          (data (i32.const 0) "\\00\\02\\00\\00\\ff\\00\\00\\00")
          (func (export "_start")
            (drop (call $get (i32.const 256) (i32.const 512)))
            (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))))`),
        name: 'tell.wasm',
        grants: granted(parseDir(folder)),
        listen: [parseListen('WEB=127.0.0.1:0')],
      };
      let text = '';
      const guest = await startGuest({
        ...options,
        onOutput: (output) => output.kind === 'line' && (text += output.text),
      });
      await guest.ended;
      expect(guest.listeners.map(({ fd }) => fd)).toEqual([4]);
      for (const each of Object.values(env)) expect(text).toContain(each);
    }));

  test('what may be changed, and what may not', () =>
    withFiles({}, (folder) => {
      const dirs = [parseDir(folder), parseDir(`${folder}::/same:ro`)];
      const opened = openFor(kernel, { grants: granted(...dirs) });
      const table = new DescriptorTable(opened.table, NO_GRANTS.limits.fds);
      expect([3, 4, 5].map((fd) => table.kind(fd))).toEqual([
        Kind.DIRECTORY,
        Kind.DIRECTORY,
        Kind.FREE,
      ]);
      expect([table.access(3), table.preopen(3)]).toEqual([
        Access.READ | Access.WRITE | Access.MUTABLE,
        1,
      ]);
      expect([table.access(4), table.preopen(4)]).toEqual([Access.READ, 2]);
      kernel.sessionClose(opened.session);
      return Promise.resolve();
    }));
});

describe('a directory that cannot be given: a sentence, nothing runs, nothing stays open', () => {
  const refused = async (dirs: readonly DirGrant[], options: Partial<GuestOptions> = {}) => {
    const before = openDescriptors();
    const started = startGuest({
      bytes: MAKER,
      name: 'maker.wasm',
      grants: granted(...dirs),
      listen: [parseListen('127.0.0.1:0')],
      ...options,
    });
    const error = await started.then(
      () => ({ code: 'it was started', message: '' }),
      (thrown: NodeJS.ErrnoException) => thrown,
    );
    expect(await leakedSince(before)).toEqual([]);
    expect(error.code).toBe('ERR_SANDPOLL_USAGE');
    return error.message;
  };

  test.each(['thread', 'process'] as const)('in a %s', (isolate) =>
    withFiles({ 'good/x': '', file: 'no directory' }, async (folder) => {
      symlinkSync('loop', `${folder}/loop`);
      const good = parseDir(`${folder}/good`);
      for (const [host, says] of [
        ['absent', 'there is no such directory; make it, or name another'],
        ['file', 'it is not a directory; name the directory that the file is in'],
        ['file/x', 'it is not a directory; name the directory that the file is in'],
        ['loop', 'its symbolic links lead round in a circle; name the directory itself'],
        ['n'.repeat(300), 'it is longer than a path can be; give a shorter one'],
        ['n/'.repeat(3000), 'it is longer than a path can be; give a shorter one'],
      ]) {
        const dir = parseDir(`${folder}/${host}`);
        expect(await refused([good, dir], { isolate })).toBe(`--dir ${dir.host}: ${says}`);
      }
      const relative = { host: folder, guest: 'data', readOnly: false };
      expect(await refused([good, relative], { isolate })).toMatch(/^grants\.dirs\[1\]: the name/);
      const twice = [good, { ...good, guest: `${good.guest}/` }];
      expect(await refused(twice, { isolate })).toMatch(/^grants\.dirs\[1\]: another directory/);
      const none = { grants: { ...NO_GRANTS, dirs: undefined as unknown as [] }, isolate };
      expect(await refused([], none)).toMatch(/^grants\.dirs: not a list/);
      expect(readdirSync(`${folder}/good`)).toEqual(['x']);
    }),
  );

  test('with more of them than --max-fds', () =>
    withFiles({}, async (folder) => {
      const grants = granted(parseDir(folder), parseDir(`${folder}::/b`));
      const few = { ...grants, limits: { ...grants.limits, fds: 4 } };
      expect(await refused([], { grants: few })).toBe(
        '--max-fds 4: this guest starts with 6 descriptors already',
      );
    }));

  test.each([
    [LinuxErrno.NOSYS, /^--dir \/: this kernel has no openat2\(2\).*; run without --dir$/, 'USAGE'],
    [LinuxErrno.ACCES, /^--dir \/: it is not permitted to read it; change its mode/, 'USAGE'],
    [LinuxErrno.MFILE, /^--dir \/: it cannot be opened: EMFILE$/, 'EMFILE'],
  ])('B46 openDirectory answers errno %d', (errno, says, code) => {
    const faulty = injectFaults(kernel, [{ call: 'openDirectory', from: 2, result: -errno }]);
    const before = openDescriptors();
    const dirs = [parseDir('/::/a'), parseDir('/')];
    expect(() => openFor(faulty, { grants: granted(...dirs) })).toThrow(
      expect.objectContaining({
        code: expect.stringMatching(new RegExp(`${code}$`)) as unknown,
        message: expect.stringMatching(says) as unknown,
      }),
    );
    expect(openDescriptors()).toEqual(before);
  });
});

describe('each instance has the directories', () => {
  const entries = (folder: string): string[] => readdirSync(folder).toSorted();

  test('workers', () =>
    withFiles({}, async (folder) => {
      const grants = granted(parseDir(`${folder}::/data`));
      const group = await startWorkers({ bytes: MAKER, name: 'maker.wasm', grants, workers: 3 });
      const outcomes = await Promise.all(group.guests.map(async ({ guest }) => guest.ended));
      expect(outcomes).toEqual(Array.from({ length: 3 }, () => ({ kind: 'exited', code: 0 })));
      expect(entries(folder)).toEqual(['a', 'b', 'c']);
    }));

  test('roles of a pipeline, beside whose file they are looked for', () =>
    withFiles({ 'maker.wasm': MAKER, 'data/x': '' }, async (folder) => {
      const text = `[[role]]
        name = "maker"
        module = "maker.wasm"
        instances = 2
        dir = ["data", "data::/again:ro"]`;
      const pipeline = parsePipeline(text, `${folder}/p.toml`);
      expect(pipeline.roles[0].grants?.dirs).toEqual([
        { host: `${folder}/data`, guest: 'data', readOnly: false },
        { host: `${folder}/data`, guest: '/again', readOnly: true },
      ]);
      const group = await startPipeline(pipeline, { graceMs: 10_000 });
      await group.ended;
      expect(entries(`${folder}/data`)).toEqual(['a', 'b', 'x']);
    }));

  test('a pipeline of which one role lacks its directory is refused as a whole', () =>
    withFiles({ 'good/x': '' }, async (folder) => {
      const roles = ['good', 'absent'].map((name) => ({
        name,
        bytes: MAKER,
        grants: granted(parseDir(`${folder}/${name}`)),
      }));
      const before = openDescriptors();
      await expect(startPipeline({ roles, channels: [] })).rejects.toMatchObject({
        code: 'ERR_SANDPOLL_USAGE',
        message: expect.stringMatching(
          new RegExp(`^pipeline: role 1: --dir ${folder}/absent: there is no such directory;`),
        ) as unknown,
      });
      expect(await leakedSince(before)).toEqual([]);
      expect(entries(`${folder}/good`)).toEqual(['x']);
    }));

  test('what is started again', () =>
    withFiles({}, async (folder) => {
      const restarts = { kind: 'permanent', count: 2, windowMs: 60_000 } as const;
      const before = openDescriptors();
      const grants = granted(parseDir(folder));
      const options = { module: () => MAKER, listen: [], grants, restarts };
      await withService(options, async ({ service, saw }) => {
        for (const count of [1, 2]) {
          expect(await saw('ended', count)).toMatchObject({ outcome: { kind: 'exited', code: 0 } });
        }
        await service.ended;
      });
      expect(entries(folder)).toEqual(['a', 'b', 'c']);
      expect(await leakedSince(before)).toEqual([]);
    }));
});

/** Names that the calls below need, one after the other in guest memory. */
const NAMES = ['file', 'made', 'sub', 'sub/made', 'linked', 'link', '.'];

/** A name's pointer and length. */
function named(name: string): [pointer: number, length: number] {
  const at = NAMES.slice(0, NAMES.indexOf(name)).join('').length;
  return [AT + at, name.length];
}

const RIGHTS = (1n << 1n) | (1n << 6n);
const [CREAT, DIRECTORY, APPEND] = [1, 2, 1];
const IOVEC = OUT + 64;
/** After two directories, the listener and the connection that drives it. */
const [FILE, MADE] = [7, 8];

function opens(name: string, oflags: number, rights: bigint): Call {
  return ['path_open', 3, 0, ...named(name), oflags, rights, 0n, 0, OUT];
}

/** Every call about files, in an order in which each of them succeeds. */
const ALL_CALLS: readonly Call[] = [
  opens('file', 0, RIGHTS),
  opens('made', CREAT, RIGHTS),
  ['store64', IOVEC, (4n << 32n) | BigInt(OUT + 80)],
  ['fd_write', MADE, IOVEC, 1, OUT],
  ['fd_pwrite', MADE, IOVEC, 1, 100n, OUT],
  ['fd_seek', MADE, 0n, 0, OUT],
  ['fd_read', MADE, IOVEC, 1, OUT],
  ['fd_pread', FILE, IOVEC, 1, 0n, OUT],
  ['fd_tell', MADE, OUT],
  ['fd_advise', MADE, 0n, 10n, 0],
  ['fd_allocate', MADE, 0n, 1000n],
  ['fd_filestat_set_size', MADE, 50n],
  ['fd_filestat_set_times', MADE, 1n, 1n, 5],
  ['fd_filestat_get', MADE, OUT],
  ['fd_fdstat_set_flags', MADE, APPEND],
  ['fd_datasync', MADE],
  ['fd_sync', MADE],
  ['path_create_directory', 3, ...named('sub')],
  // From one directory to another: what Landlock calls REFER.
  ['path_rename', 3, ...named('made'), 3, ...named('sub/made')],
  ['path_link', 3, 0, ...named('sub/made'), 3, ...named('linked')],
  ['path_symlink', ...named('linked'), 3, ...named('link')],
  ['path_readlink', 3, ...named('link'), OUT + 128, 64, OUT],
  ['path_filestat_get', 3, 1, ...named('link'), OUT],
  ['path_filestat_set_times', 3, 1, ...named('link'), 1n, 1n, 5],
  ['fd_readdir', 3, OUT + 128, 512, 0n, OUT],
  ['path_open', 3, 1, ...named('.'), DIRECTORY, 0n, 0n, 0, OUT],
  ['path_unlink_file', 3, ...named('link')],
  ['path_unlink_file', 3, ...named('sub/made')],
  ['path_remove_directory', 3, ...named('sub')],
];

describe.each(['thread', 'process'] as const)('a guest in a %s', (isolate) => {
  test('makes every call about files, and changes nothing where that is not granted', () =>
    withFiles({ 'data/file': 'contents', 'fixed/file': 'fixed' }, async (folder) => {
      const dirs = [parseDir(`${folder}/data::/data`), parseDir(`${folder}/fixed::/fixed:ro`)];
      await withDriven({ dirs, isolate }, async (driven, { guest, reported }) => {
        expect(await preopens(driven)).toEqual(['/data', '/fixed']);
        expect(guest.listeners.map(({ fd }) => fd)).toEqual([5]);
        await driven.write(AT, Buffer.from(NAMES.join('')));
        const results = await driven.calls(ALL_CALLS);
        const failed = ALL_CALLS.map(([name], index) => `${name} ${results[index]}`);
        expect(failed.filter((each) => !each.endsWith(' 0'))).toEqual([]);
        const report = reported();
        const create = ['path_create_directory', 4, ...named('sub')] as const;
        expect(await driven.call(...create)).toBe(Errno.ROFS);
        expect(await report).toBe(
          'denied: /fixed is read-only; grant --dir HOST::/fixed without :ro',
        );
      });
      expect(readdirSync(`${folder}/data`).toSorted()).toEqual(['file', 'linked']);
      expect(readFileSync(`${folder}/data/linked`)).toHaveLength(50);
      expect(readdirSync(`${folder}/fixed`)).toEqual(['file']);
    }));
});
