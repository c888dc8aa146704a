/**
 * The grounds of a guest that wants out: `inside` is its directory, `outside` stands beside it and
 * has what it must not reach; `inside` has links of every kind that lead there.
 */
import {
  type Stats,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, expect } from 'vitest';

import { Fstflags, Oflags } from '#host/abi/preview1.js';
import { wasiName } from '#host/errno.js';

import { leakedSince, openDescriptors } from './descriptors.js';
import {
  type Call,
  type Driven,
  type DrivenOptions,
  type Local,
  startDriven,
  stores,
} from './driven.js';
import { PAGE_BYTES } from './driver.js';
import { FIRST, READ, WRITE } from './paths.js';

/** Where the path lies that is tried, names that all calls need, and what they write. */
export const PATH = PAGE_BYTES;
const PATH_BYTES = 0x2000;
const FILE = PATH + PATH_BYTES;
const NEW = FILE + 8;
export const OUT = FILE + 0x1000;
const LINK_ROOM = OUT + 0x100;

/** The guest's name of `inside`. */
export const GUEST_NAME = '/data';
export const ESCAPE_TEXT =
  'denied: a path that leads out of /data; grant what it leads to with --dir HOST::GUEST';

type Range = readonly [at: number, length: number];

const opening =
  (oflags: number, rights: number, dirflags = 1) =>
  (fd: number, path: Range): Call => [
    'path_open',
    fd,
    dirflags,
    ...path,
    oflags,
    BigInt(rights),
    0n,
    0,
    OUT,
  ];

const { CREAT, DIRECTORY, EXCL, TRUNC } = Oflags;
const NEW_NAME: Range = [NEW, 3];
const FILE_NAME: Range = [FILE, 4];

/** Every call with a path, and every way to open one; the other of two paths is plain. */
const CALLS = {
  'open to read': opening(0, READ),
  'open to write': opening(0, WRITE),
  'open for nothing': opening(0, 0),
  'open as a directory': opening(DIRECTORY, 0),
  'open and make': opening(CREAT, READ | WRITE),
  'open and make anew': opening(CREAT | EXCL, WRITE),
  'open and empty': opening(TRUNC, WRITE),
  'open and make and empty': opening(CREAT | TRUNC, 0),
  'open unfollowed': opening(0, READ, 0),
  'open and make unfollowed': opening(CREAT, WRITE, 0),
  stat: (fd, path) => ['path_filestat_get', fd, 1, ...path, OUT],
  'stat unfollowed': (fd, path) => ['path_filestat_get', fd, 0, ...path, OUT],
  'set times': (fd, path) => ['path_filestat_set_times', fd, 1, ...path, 1n, 1n, Fstflags.MTIM],
  'set times unfollowed': (fd, path) => [
    'path_filestat_set_times',
    fd,
    0,
    ...path,
    1n,
    1n,
    Fstflags.MTIM,
  ],
  mkdir: (fd, path) => ['path_create_directory', fd, ...path],
  rmdir: (fd, path) => ['path_remove_directory', fd, ...path],
  unlink: (fd, path) => ['path_unlink_file', fd, ...path],
  'rename from': (fd, path) => ['path_rename', fd, ...path, fd, ...NEW_NAME],
  'rename to': (fd, path) => ['path_rename', fd, ...FILE_NAME, fd, ...path],
  'link from': (fd, path) => ['path_link', fd, 0, ...path, fd, ...NEW_NAME],
  'link to': (fd, path) => ['path_link', fd, 0, ...FILE_NAME, fd, ...path],
  symlink: (fd, path) => ['path_symlink', ...FILE_NAME, fd, ...path],
  readlink: (fd, path) => ['path_readlink', fd, ...path, LINK_ROOM, 64, OUT],
} satisfies Record<string, (fd: number, path: Range) => Call>;

export type Way = keyof typeof CALLS;
export const WAYS = Object.keys(CALLS) as Way[];

/**
 * Those that only look: all that is ever tried on what is not these grounds, as a host that lets
 * one pass is not to cost whoever runs the tests more than a failed test.
 */
export const LOOKS: readonly Way[] = [
  'open to read',
  'open for nothing',
  'open as a directory',
  'open unfollowed',
  'stat',
  'stat unfollowed',
  'readlink',
];

/** The same answer for every way. */
export function everyWay(answer: string, ways: readonly Way[] = WAYS): Record<string, string> {
  return Object.fromEntries(ways.map((way) => [way, answer]));
}

function contents(path: string, stats: Stats): string {
  if (stats.isSymbolicLink()) return readlinkSync(path);
  return stats.isFile() ? readFileSync(path, 'latin1') : '';
}

/** All that is beneath a folder: names, what each is, and what a change would change of it. */
export function snapshot(folder: string, name = '.'): string[] {
  const path = join(folder, name);
  const stats = lstatSync(path);
  const { ino, mode, nlink, size, mtimeMs, ctimeMs } = stats;
  const line = [name, mode.toString(8), ino, nlink, size, mtimeMs, ctimeMs, contents(path, stats)];
  const beneath = stats.isDirectory() ? readdirSync(path).toSorted() : [];
  return [line.join(' '), ...beneath.flatMap((each) => snapshot(folder, join(name, each)))];
}

function furnish(inside: string, outside: string): void {
  mkdirSync(join(inside, 'a/b'), { recursive: true });
  mkdirSync(join(outside, 'folder/empty'), { recursive: true });
  writeFileSync(join(inside, 'file'), 'the guest’s own');
  writeFileSync(join(inside, 'a/b/deep'), 'the guest’s own, too');
  writeFileSync(join(outside, 'secret'), 'a secret');
  writeFileSync(join(outside, 'folder/secret'), 'another secret');
  symlinkSync('secret', join(outside, 'link'));
  const links = {
    'to-file': 'file',
    'to-dir': 'a',
    here: '.',
    dangling: 'nowhere',
    loop: 'loop',
    'a/up': '..',
    'a/upup': '../..',
    root: '/',
    out: '../outside',
    'out-abs': outside,
    secret: '../outside/secret',
    'secret-abs': join(outside, 'secret'),
    'new-out': '../outside/new',
    'new-out-abs': join(outside, 'new'),
    chain: 'here/out',
    // Out and in again.
    home: '../inside',
    'file-abs': join(inside, 'file'),
  };
  for (const [name, target] of Object.entries(links)) symlinkSync(target, join(inside, name));
}

function expectSame(found: unknown, expected: unknown): void {
  expect(found).toEqual(expected);
}

export class Grounds {
  readonly folder = mkdtempSync(join(tmpdir(), 'sandpoll-grounds-'));
  readonly inside = join(this.folder, 'inside');
  readonly outside = join(this.folder, 'outside');
  #local: Local | undefined;
  #lowest = 0;

  constructor() {
    furnish(this.inside, this.outside);
  }

  get driven(): Driven {
    if (this.#local === undefined) throw new Error('the guest is not there yet');
    return this.#local.driven;
  }

  /** What the guest was told that it is denied. */
  get denials(): readonly string[] {
    return this.#local?.reports.filter((line) => line.startsWith('denied')) ?? [];
  }

  async start(options: DrivenOptions): Promise<void> {
    const dirs = [{ host: this.inside, guest: GUEST_NAME, readOnly: false }];
    this.#local = await startDriven({ memory: '8', dirs, ...options });
    this.#lowest = 5 + (options.dirs ?? dirs).length;
    await this.driven.write(FILE, Buffer.from('file\0\0\0\0new'));
  }

  async end(): Promise<void> {
    await this.driven.end();
    rmSync(this.folder, { recursive: true });
  }

  /** All that is on disk, on both sides. */
  snapshot(): string[] {
    return [this.inside, this.outside].flatMap((folder) => snapshot(folder));
  }

  /** What each of some calls, all by default, answers to a path; what they opened is closed. */
  async answers(
    path: string | Uint8Array,
    ways: readonly Way[] = WAYS,
    fd: number = FIRST,
  ): Promise<Record<string, string>> {
    const bytes = Buffer.from(path);
    const range: Range = [PATH, bytes.length];
    const before = stores(PATH, bytes);
    const calls = ways.map((way) => CALLS[way](fd, range));
    const results = await this.driven.calls([...before, ...calls]);
    const answers = results.slice(before.length).map((errno) => wasiName(errno));
    await this.#closeAll(calls.length);
    return Object.fromEntries(ways.map((way, index) => [way, answers[index]]));
  }

  /** The errno of one call, by name. */
  async answer(way: Way, path: string | Uint8Array, fd: number = FIRST): Promise<string> {
    return (await this.answers(path, [way], fd))[way];
  }

  /** Runs `body` with a directory of the guest's, which has the lowest number that is free. */
  async withDirectory(path: string, body: (fd: number) => Promise<void>): Promise<void> {
    const bytes = Buffer.from(path);
    await this.driven.write(PATH, bytes);
    expectSame(await this.driven.call(...opening(DIRECTORY, 0)(FIRST, [PATH, bytes.length])), 0);
    const fd = await this.driven.u32(OUT);
    expectSame(fd, this.#lowest++);
    await body(fd);
    expectSame(await this.driven.call('fd_close', fd), 0);
    this.#lowest--;
  }

  /** Closes what calls may have opened; a number that was left behind shows in `withDirectory`. */
  async #closeAll(count: number): Promise<void> {
    const numbers = Array.from({ length: count }, (_each, index) => this.#lowest + index);
    await this.driven.calls(numbers.map((fd): Call => ['fd_close', fd]));
  }

  /** Runs `body`, which may change nothing on disk and leave nothing open. */
  async unchanged(body: () => Promise<void>): Promise<void> {
    const [before, open] = [this.snapshot(), openDescriptors()];
    await body();
    expectSame(this.snapshot(), before);
    expectSame(await leakedSince(open), []);
  }
}

/** Grounds and a guest for all tests of a `describe`; nothing may stay open after them. */
export function grounds(options: DrivenOptions = {}): () => Grounds {
  let open: ReturnType<typeof openDescriptors>;
  let current: Grounds;
  beforeAll(async () => {
    open = openDescriptors();
    current = new Grounds();
    await current.start(options);
  });
  afterAll(async () => {
    await current.end();
    expect(await leakedSince(open)).toEqual([]);
  });
  return () => current;
}
