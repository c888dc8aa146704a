/** Arguments of the calls about files, one of them hostile: B3–B15, B24–B27, B33, B38. */
import { readFileSync, readlinkSync, writeFileSync } from 'node:fs';

import { describe, expect, test } from 'vitest';

import { Filestat } from '#host/abi/files.js';
import { Oflags, Whence } from '#host/abi/preview1.js';
import { Errno, wasiName } from '#host/errno.js';

import { openDescriptors } from '../support/descriptors.js';
import { OUT, ROOT, directoryGuest } from '../support/directory-guest.js';
import { type Call, iovecs, stores, withDriven } from '../support/driven.js';
import { PAGE_BYTES } from '../support/driver.js';
import { withFiles } from '../support/files.js';
import { DIRECTORY, MEMORY_END, hostileRows, validArguments, withScene } from '../support/scene.js';
import { snapshot } from '../support/grounds.js';

const PATH = 2 * PAGE_BYTES;
const BUF = 3 * PAGE_BYTES;
const IOVS = 4 * PAGE_BYTES;
const { BADF, FAULT, INVAL, NOTDIR, NOTSUP, SPIPE, SUCCESS } = Errno;

/** Every row about files, on what it works on. */
const isOfFiles = (name: string): boolean =>
  name.startsWith('path_') ||
  /^fd_(advise|allocate|p|readdir|seek|tell|filestat|.*sync)/.test(name);

test('B3, B4: lengths that reach beyond memory, or wrap, are FAULT, and nothing changes', () =>
  withScene({}, async (driven, scene, folder) => {
    const before = snapshot(folder);
    const seen: string[] = [];
    for (const named of hostileRows('long')) {
      const { name, parameters } = named.row;
      const valid = validArguments(scene, named);
      const names = Object.keys(parameters);
      for (const [position, parameter] of names.entries()) {
        const at = names.indexOf(parameter.replace(/_len$/, ''));
        if (!isOfFiles(name) || at === position || at < 0 || parameter === 'iovs_len') continue;
        seen.push(`${name} ${parameter}`);
        const last = MEMORY_END - Number(valid[at]);
        const lengths = [last + 1, 2 ** 31, 2 ** 31 + 4, 2 ** 32 - Number(valid[at]), 2 ** 32 - 1];
        const calls = lengths.map((length): Call => [name, ...valid.with(position, length)]);
        expect([name, await driven.calls(calls)]).toEqual([name, lengths.map(() => FAULT)]);
      }
    }
    expect(seen).toHaveLength(16);
    expect(snapshot(folder)).toEqual(before);
  }));

describe('B24: what is no file, or no directory', () => {
  /** What each answers on: stdin, listener, stream, datagram, epoll, event, file, directory. */
  const others = (errno: number, file: number, directory: number): number[] => [
    ...Array.from({ length: 6 }, () => errno),
    file,
    directory,
  ];
  const MATRIX: Readonly<Record<string, number[]>> = {
    fd_pread: others(SPIPE, SUCCESS, BADF),
    fd_pwrite: others(SPIPE, SUCCESS, BADF),
    fd_seek: others(SPIPE, SUCCESS, BADF),
    fd_tell: others(SPIPE, SUCCESS, BADF),
    fd_advise: others(SPIPE, SUCCESS, BADF),
    fd_allocate: others(SPIPE, SUCCESS, BADF),
    fd_filestat_set_size: others(INVAL, SUCCESS, BADF),
    fd_filestat_set_times: others(INVAL, SUCCESS, SUCCESS),
    fd_readdir: others(NOTDIR, NOTDIR, SUCCESS),
    fd_prestat_get: others(BADF, BADF, SUCCESS),
    fd_prestat_dir_name: others(BADF, BADF, SUCCESS),
    path_create_directory: others(NOTDIR, NOTDIR, Errno.EXIST),
    path_filestat_get: others(NOTDIR, NOTDIR, SUCCESS),
    path_filestat_set_times: others(NOTDIR, NOTDIR, SUCCESS),
    path_link: others(NOTDIR, NOTDIR, Errno.EXIST),
    path_open: others(NOTDIR, NOTDIR, SUCCESS),
    path_readlink: others(NOTDIR, NOTDIR, SUCCESS),
    path_remove_directory: others(NOTDIR, NOTDIR, Errno.NOENT),
    path_rename: others(NOTDIR, NOTDIR, SUCCESS),
    path_symlink: others(NOTDIR, NOTDIR, Errno.EXIST),
    path_unlink_file: others(NOTDIR, NOTDIR, Errno.NOENT),
    // A file or a directory is handed to no other guest.
    channel_send: [NOTSUP, SUCCESS, SUCCESS, SUCCESS, SUCCESS, SUCCESS, NOTSUP, NOTSUP],
  };

  test('on every call about files; both directories of path_link and path_rename', () =>
    withScene({}, async (driven, scene) => {
      const { listener, stream, datagram, epoll, event, file } = scene;
      const kinds = [0, listener, stream, datagram, epoll, event, file, DIRECTORY];
      const rows = hostileRows('long').filter(({ row }) => row.name in MATRIX);
      expect(rows).toHaveLength(Object.keys(MATRIX).length);
      for (const named of rows) {
        const { name, parameters } = named.row;
        const valid = validArguments(scene, named);
        const passed = Object.keys(parameters).indexOf('passed');
        for (const [position, kind] of Object.values(parameters).entries()) {
          if (passed < 0 ? kind !== 'fd' : position !== passed) continue;
          const calls = kinds.map((fd): Call => [name, ...valid.with(position, fd)]);
          expect([name, await driven.calls(calls)]).toEqual([name, MATRIX[name]]);
        }
      }
    }));
});

test('B38: with no directory granted there is none, whatever number is tried', () =>
  withDriven({}, async (driven) => {
    const path: [number, number] = [PAGE_BYTES, 1];
    await driven.write(PAGE_BYTES, Buffer.from('.'));
    // What there is: stdio, a listener, a connection.
    for (const fd of [0, 1, 2, 3, 4, 5, 6, 1023, -1]) {
      const errnos = await driven.calls([
        ['path_open', fd, 1, ...path, 0, 0n, 0n, 0, OUT],
        ['path_filestat_get', fd, 1, ...path, OUT],
        ['path_create_directory', fd, ...path],
        ['path_readlink', fd, ...path, OUT, 8, OUT + 16],
        ['fd_readdir', fd, OUT, 64, 0n, OUT + 64],
        ['fd_prestat_get', fd, OUT],
        ['fd_prestat_dir_name', fd, OUT, 8],
      ]);
      const none = fd >= 0 && fd < 5 ? NOTDIR : BADF;
      expect([fd, errnos]).toEqual([fd, [none, none, none, none, none, BADF, BADF]]);
    }
  }));

describe('in and out at once', () => {
  const the = directoryGuest();

  test('B10: a path that is overwritten by the answer to it', async () => {
    const guest = the();
    const { driven } = guest;
    const place = await guest.place();
    writeFileSync(place.host('text'), '');
    const path: [number, number] = [PATH, 4];
    const over = async (call: Call): Promise<string> => {
      const results = await driven.calls([...stores(PATH, Buffer.from('text')), call]);
      return wasiName(results.at(-1) ?? -1);
    };
    expect(await over(['path_open', place.fd, 0, ...path, 0, 0n, 0n, 0, PATH])).toBe('SUCCESS');
    expect(await driven.call('fd_close', await driven.u32(PATH))).toBe(SUCCESS);
    const stat = Filestat.size.offset;
    expect(await over(['path_filestat_get', place.fd, 0, ...path, PATH - stat])).toBe('SUCCESS');
    expect(await driven.call('load64', PATH)).toBe(0);
    expect(await over(['path_symlink', ...path, place.fd, ...path])).toBe('EEXIST');
    expect(await over(['path_rename', place.fd, ...path, place.fd, ...path])).toBe('SUCCESS');
    const inner: [number, number] = [PATH + 2, 2];
    expect(await over(['path_symlink', ...path, place.fd, ...inner])).toBe('SUCCESS');
    // The link's text over its name, and the number of its bytes over that.
    expect(await over(['path_readlink', place.fd, ...inner, PATH, 8, PATH + 4])).toBe('SUCCESS');
    expect(Buffer.from(await driven.read(PATH, 8))).toEqual(Buffer.from('text\u0004\0\0\0'));
  });

  test('B10: entries over the result, which is written last', async () => {
    const { driven } = the();
    expect(await driven.call('fd_readdir', ROOT, BUF, 64, 0n, BUF + 8)).toBe(SUCCESS);
    expect(await driven.u32(BUF + 8)).toBeGreaterThan(23);
  });

  test('B11: buffers over their own array, over each other and over the result', async () => {
    const guest = the();
    const { driven } = guest;
    const place = await guest.place();
    writeFileSync(place.host('text'), 'abcdefghijklmnop');
    const fd = await place.open('text');
    await driven.calls(
      iovecs(IOVS, [
        [IOVS, 8],
        [IOVS + 4, 8],
        [OUT, 4],
      ]),
    );
    expect(await driven.call('fd_pread', fd, IOVS, 3, 0n, OUT)).toBe(SUCCESS);
    expect(await driven.u32(OUT)).toBe(16);
    expect(Buffer.from(await driven.read(IOVS, 12)).toString()).toBe('abcdijklmnop');
    await driven.calls(
      iovecs(IOVS, [
        [IOVS, 8],
        [IOVS, 8],
      ]),
    );
    expect(await driven.call('fd_pwrite', fd, IOVS, 2, 0n, IOVS)).toBe(SUCCESS);
    expect(await driven.u32(IOVS)).toBe(16);
  });

  test('B7, B12: a result, an array or a buffer outside moves no position and no byte', async () => {
    const guest = the();
    const { driven } = guest;
    const place = await guest.place();
    writeFileSync(place.host('text'), 'abcdefgh');
    const fd = await place.open('text');
    expect(await guest.seek(fd, 3n, Whence.SET)).toBe(3n);
    const before = snapshot(place.host('.'));
    const end = 8 * PAGE_BYTES;
    const wrong: [number, number][] = [
      [BUF, 2 ** 31],
      [BUF, 2 ** 32 - 1],
      [end - 1, 2],
      [end + 1, 0],
      [2 ** 32 - 4, 8],
    ];
    for (const buffer of wrong) {
      await driven.calls(iovecs(IOVS, [[BUF, 2], buffer]));
      for (const call of ['fd_read', 'fd_write']) {
        expect(await driven.call(call, fd, IOVS, 2, OUT)).toBe(FAULT);
        expect(await driven.call(call.replace('_', '_p'), fd, IOVS, 2, 0n, OUT)).toBe(FAULT);
      }
    }
    await driven.calls(iovecs(IOVS, [[BUF, 2]]));
    for (const out of [end - 3, 2 ** 31, 2 ** 32 - 1]) {
      for (const call of ['fd_read', 'fd_write']) {
        expect(await driven.call(call, fd, IOVS, 1, out)).toBe(FAULT);
        expect(await driven.call(call, fd, out, 1, OUT)).toBe(FAULT);
      }
      expect(await driven.call('fd_seek', fd, 1n, Whence.CUR, out)).toBe(FAULT);
      expect(await driven.call('fd_tell', fd, out)).toBe(FAULT);
      expect(await driven.call('fd_filestat_get', fd, out)).toBe(FAULT);
    }
    expect(await guest.tell(fd)).toBe(3n);
    expect(snapshot(place.host('.'))).toEqual(before);
  });
});

describe('numbers', () => {
  const the = directoryGuest();

  test('B26: 2,000 times open and renumber leave the host as it was', async () => {
    const guest = the();
    const place = await guest.place();
    const target = await place.open('file', { oflags: Oflags.CREAT });
    await guest.driven.write(PATH, Buffer.from('file'));
    const before = openDescriptors().length;
    const open: Call = ['path_open', place.fd, 0, PATH, 4, Oflags.CREAT, 0n, 0n, 0, OUT];
    const calls = Array.from({ length: 2000 }, () => [open, ['fd_renumber', target + 1, target]]);
    const errnos = await guest.driven.calls(calls.flat() as Call[]);
    expect(new Set(errnos)).toEqual(new Set([SUCCESS]));
    expect(openDescriptors().length).toBe(before);
    expect(await guest.driven.u32(OUT)).toBe(target + 1);
    expect(await guest.driven.call('fd_close', target)).toBe(SUCCESS);
  });

  test('B27: with stdio closed files get numbers 0 to 2, and are not the host’s stdio', async () => {
    const guest = the();
    const { driven } = guest;
    const own = [0, 1, 2].map((fd) => readlinkSync(`/proc/self/fd/${fd}`));
    for (const fd of [0, 1, 2]) expect(await driven.call('fd_close', fd)).toBe(SUCCESS);
    const place = await guest.place();
    expect(place.fd).toBe(0);
    for (const fd of [1, 2]) {
      expect(await place.open(`file-${fd}`, { oflags: Oflags.CREAT })).toBe(fd);
      expect(await guest.pwrite(fd, `number ${fd}`, 0n)).toEqual([SUCCESS, 8]);
      expect(readFileSync(place.host(`file-${fd}`), 'utf8')).toBe(`number ${fd}`);
    }
    expect([0, 1, 2].map((fd) => readlinkSync(`/proc/self/fd/${fd}`))).toEqual(own);
  });
});

test('B3, B15: in 65,536 pages the last bytes are a path and a result as any others', () =>
  withFiles({ file: 'text' }, async (host) => {
    const end = 2 ** 32;
    const dirs = [{ host, guest: '/', readOnly: false }];
    const options = { dirs, memory: '65536', limits: { memoryBytes: end } };
    await withDriven(options, async (driven) => {
      await driven.write(end - 8, Buffer.from('linkfile'));
      const [path, name]: [number, number][] = [
        [end - 4, 4],
        [end - 8, 4],
      ];
      const errnos = await driven.calls([
        ['path_symlink', ...path, ROOT, ...name],
        ['path_filestat_get', ROOT, 1, ...name, end - 72],
        ['path_open', ROOT, 1, ...path, 0, 2n, 0n, 0, end - 12],
        ['path_readlink', ROOT, ...name, end - 4, 4, end - 12],
        ['path_open', ROOT, 1, end - 4, 5, 0, 2n, 0n, 0, OUT],
        ['path_open', ROOT, 1, end - 3, 4, 0, 2n, 0n, 0, OUT],
        ['path_open', ROOT, 1, ...path, 0, 2n, 0n, 0, end - 3],
        ['path_filestat_get', ROOT, 1, ...path, end - 63],
        ['fd_readdir', ROOT, end - 64, 65, 0n, OUT],
      ]);
      const outside = errnos.slice(4);
      expect(errnos).toEqual([SUCCESS, SUCCESS, SUCCESS, SUCCESS, ...outside.map(() => FAULT)]);
      expect(await driven.call('load64', end - 72 + Filestat.size.offset)).toBe(4);
      expect(Buffer.from(await driven.read(end - 4, 4)).toString()).toBe('file');
    });
  }));

test('B33: unknown bits of every flag are INVAL, and nothing is made', async () => {
  await withScene({}, async (driven, scene, folder) => {
    const before = snapshot(folder);
    const open = hostileRows('long').find(({ row }) => row.name === 'path_open');
    if (open === undefined) throw new Error('there is no path_open');
    const valid = validArguments(scene, open);
    const at = (name: string): number => Object.keys(open.row.parameters).indexOf(name);
    const made = valid.with(at('oflags'), Oflags.CREAT);
    for (const [name, known] of [
      ['dirflags', 1],
      ['oflags', 15],
      ['fdflags', 31],
    ] as const) {
      for (let bit = known + 1; bit < 2 ** 32; bit *= 2) {
        expect([name, bit, await driven.call('path_open', ...made.with(at(name), bit))]).toEqual([
          name,
          bit,
          INVAL,
        ]);
      }
    }
    expect(snapshot(folder)).toEqual(before);
  });
});
