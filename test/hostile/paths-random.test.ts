/**
 * Random paths over a tree of directories, files and links, against a model of what may be reached:
 * B45–B48.
 *
 * SANDPOLL_PATHS_SEED has others, SANDPOLL_PATHS_RUNS more of them.
 */
import { type BigIntStats, lstatSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';

import { expect, test } from 'vitest';

import { Filestat } from '#host/abi/files.js';
import { wasiName } from '#host/errno.js';

import { type Call, stores } from '../support/driven.js';
import { type Grounds, OUT, PATH, grounds } from '../support/grounds.js';
import { FIRST } from '../support/paths.js';

const SEED = Number(process.env['SANDPOLL_PATHS_SEED'] ?? 1);
const RUNS = Number(process.env['SANDPOLL_PATHS_RUNS'] ?? 1500);
/** Paths of one batch: each is at most so many words, and two calls. */
const AT_A_TIME = 16;
const LINKS_MAX = 40;

/** One of them is empty: two slashes, or one at the beginning or the end. */
const PARTS = (
  '..,..,..,.,,a,a,b,file,deep,secret,missing,inside,' +
  'to-file,to-dir,here,here,up,up,upup,dangling,loop,out,home'
).split(',');

/** Numbers below a bound, the same ones for a seed (xorshift). */
function randomly(seed: number): (below: number) => number {
  let state = seed ^ 0x9e37_79b9;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

function randomPath(random: (below: number) => number): string {
  return Array.from({ length: 1 + random(5) }, () => PARTS[random(PARTS.length)]).join('/');
}

/** What a path leads to: an inode in the directory, or the errno by name. */
type Found = bigint | string;

/** Where a path leads if every step must stay beneath `root`: `path_resolution(7)`, modelled. */
function resolve(root: string, path: string): Found {
  if (path === '') return 'ENOENT';
  if (path.startsWith('/')) return 'EPERM';
  const at: string[] = [];
  const lstat = (): BigIntStats | undefined =>
    lstatSync(join(root, ...at), { bigint: true, throwIfNoEntry: false });
  const todo = path.split('/');
  for (let links = 0; todo.length > 0;) {
    const part = todo.shift() ?? '';
    if (lstat()?.isDirectory() !== true) return 'ENOTDIR';
    if (part === '..' && at.pop() === undefined) return 'EPERM';
    if (['', '.', '..'].includes(part)) continue;
    at.push(part);
    const found = lstat();
    if (found === undefined) return 'ENOENT';
    if (!found.isSymbolicLink()) continue;
    if (++links > LINKS_MAX) return 'ELOOP';
    const target = readlinkSync(join(root, ...at));
    if (target.startsWith('/')) return 'EPERM';
    at.pop();
    todo.unshift(...target.split('/'));
  }
  return lstat()?.ino ?? 'ENOENT';
}

/** What path_filestat_get says of each path, following links. */
async function asked({ driven }: Grounds, paths: readonly string[]): Promise<Found[]> {
  const found: Found[] = [];
  for (let from = 0; from < paths.length; from += AT_A_TIME) {
    const calls: Call[] = [];
    const answers: number[] = [];
    for (const path of paths.slice(from, from + AT_A_TIME)) {
      calls.push(...stores(PATH, Buffer.from(path)));
      answers.push(calls.length);
      calls.push(['path_filestat_get', FIRST, 1, PATH, path.length, OUT]);
      calls.push(['load64', OUT + Filestat.ino.offset]);
    }
    const results = await driven.calls(calls);
    for (const at of answers) {
      found.push(results[at] === 0 ? BigInt(results[at + 1]) : wasiName(results[at]));
    }
  }
  return found;
}

const the = grounds();

test(`B45–B48: ${RUNS} random paths lead where a model says (seed ${SEED})`, () =>
  the().unchanged(async () => {
    const random = randomly(SEED);
    const paths = Array.from({ length: RUNS }, () => randomPath(random));
    const found = await asked(the(), paths);
    const wrong = paths.flatMap((path, index) => {
      const expected = resolve(the().inside, path);
      return found[index] === expected ? [] : [`${path}: ${found[index]}, not ${expected}`];
    });
    expect(wrong).toEqual([]);
    const inside = found.filter((each) => typeof each === 'bigint').length;
    const refused = found.filter((each) => each === 'EPERM').length;
    expect(Math.min(inside, refused)).toBeGreaterThan(RUNS / 20);
  }));
