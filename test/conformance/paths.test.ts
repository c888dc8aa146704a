/** Names: where a path leads, what is done to the name there, and that nothing leads out. */
import { constants, existsSync, readdirSync, statSync, symlinkSync } from 'node:fs';
import { basename } from 'node:path';

import { expect, test } from 'vitest';

import { AT_SYMLINK_NOFOLLOW, type Tree } from '../support/tree.js';
import { everyTree } from './trees.js';

const { O_RDONLY, O_RDWR, O_CREAT, O_DIRECTORY, O_NOFOLLOW } = constants;
const [DT_DIR, DT_REG, DT_LNK] = [4, 8, 10];

/** Every call on a path, each on a path of its own choice: what they answer. */
function answers(tree: Tree, path: string, other = 'there'): Record<string, unknown> {
  return {
    openat: tree.open(path),
    created: tree.open(path, O_RDWR | O_CREAT),
    statx: tree.stat(path),
    utimensat: tree.utimes(path, [0n, 0n, 0n, 0n]),
    mkdirat: tree.mkdir(path),
    unlinkat: tree.unlink(path),
    rmdir: tree.rmdir(path),
    'renameat from': tree.rename(path, other),
    'renameat to': tree.rename('here', path),
    'linkat from': tree.link(path, other),
    'linkat to': tree.link('here', path),
    symlinkat: tree.symlink('here', path),
    readlinkat: tree.readlink(path),
  };
}

/** `answers`, of which every one is this. */
function all(answer: string): Record<string, unknown> {
  return expect.toSatisfy(
    (given: object) => Object.values(given).every((each) => each === answer),
    `${answer} from every call`,
  );
}

/** A file, a directory with a file in it, and links: to them, to nothing, and out. */
function furnish(tree: Tree): void {
  tree.file('here', 'text');
  tree.mkdir('d');
  tree.file('d/f', 'deep');
  tree.symlink('here', 'to-file');
  tree.symlink('d', 'to-dir');
  tree.symlink('nowhere', 'dangling');
  tree.symlink('..', 'up');
  symlinkSync('/', tree.host('slash'));
  symlinkSync(tree.folder, tree.host('itself'));
  tree.symlink('d/../../x', 'through');
}

everyTree('a path that leads out', (tree) => {
  test.each([
    '/',
    '//',
    '/nowhere/at/all',
    '..',
    '../',
    '../x',
    'd/../..',
    'd/../../x',
    './../x',
    'up/x',
    'up/x/',
    'slash/nowhere/at/all',
    'itself/here',
    'itself/./here',
    'to-dir/../../x',
  ])('B45 B46 B48 is refused by every call: %s', (path) => {
    furnish(tree());
    expect(answers(tree(), path)).toEqual(all('ESCAPES'));
  });

  test('B45 is refused though it would come back', () => {
    furnish(tree());
    expect(answers(tree(), `../${basename(tree().folder)}/here`)).toEqual(all('ESCAPES'));
  });
});

everyTree('a link that leads out', (tree) => {
  test.each(['up', 'slash', 'through', 'itself'])(
    'B46 is refused where a call follows the last link, and is a name elsewhere: %s',
    (link) => {
      furnish(tree());
      expect(tree().open(link)).toBe('ESCAPES');
      expect(tree().open(link, O_RDWR | O_CREAT)).toBe('ESCAPES');
      expect(tree().open(link, O_NOFOLLOW)).toBe('ELOOP');
      expect(tree().stat(link)).toBe('ESCAPES');
      expect(tree().utimes(link, [0n, 0n, 0n, 0n])).toBe('ESCAPES');
      expect(tree().status(link, AT_SYMLINK_NOFOLLOW).mode & constants.S_IFMT).toBe(
        constants.S_IFLNK,
      );
      expect(tree().mkdir(link)).toBe('EEXIST');
      expect(tree().link('here', link)).toBe('EEXIST');
      expect(tree().symlink('x', link)).toBe('EEXIST');
      expect(tree().rmdir(link)).toBe('ENOTDIR');
      expect(tree().link(link, 'hard')).toBe(0);
      expect(tree().rename(link, 'moved')).toBe(0);
      expect(tree().readlink('hard')).toBe(tree().readlink('moved'));
      expect(tree().rename('here', 'moved')).toBe(0);
      expect(tree().unlink('hard')).toBe(0);
    },
  );

  test.each(['up/', 'slash/', 'itself//', 'through/'])(
    'B47 a slash at its end makes nothing out of a link outside: %s',
    (link) => {
      furnish(tree());
      const given = answers(tree(), link, 'new');
      expect(given).toEqual({
        openat: 'ESCAPES',
        // Linux makes nothing that ends in a slash, before it looks.
        created: 'EISDIR',
        statx: 'ESCAPES',
        utimensat: 'ESCAPES',
        mkdirat: 'EEXIST',
        unlinkat: 'ENOTDIR',
        rmdir: 'ENOTDIR',
        'renameat from': 'ENOTDIR',
        'renameat to': 'ENOTDIR',
        'linkat from': 'ESCAPES',
        'linkat to': 'EEXIST',
        symlinkat: 'EEXIST',
        readlinkat: 'ESCAPES',
      });
      tree().mkdir('e');
      expect(tree().rename('e', link)).toBe('ENOTDIR');
      expect(existsSync(tree().host('../x'))).toBe(false);
    },
  );
});

everyTree('a path', (tree) => {
  test('B45 goes through dots and links that stay inside', () => {
    furnish(tree());
    const { ino } = tree().status('d/f');
    for (const path of ['./d/f', 'd/../d/f', 'to-dir/f', 'd//.///f', 'to-dir/../d/f']) {
      expect(tree().status(path).ino).toBe(ino);
    }
    expect(tree().mkdir('to-dir/e')).toBe(0);
    expect(tree().rename('d/../to-dir/f', './d/e/f')).toBe(0);
    expect(readdirSync(tree().host('d/e'))).toEqual(['f']);
  });

  test('B45 that is empty is none', () => {
    furnish(tree());
    expect(answers(tree(), '')).toEqual(all('ENOENT'));
    expect(tree().symlink('', 'new')).toBe('ENOENT');
  });

  test('of dots is a directory, and no name that can be taken', () => {
    furnish(tree());
    for (const path of ['.', './', 'd/.', 'd/..', 'd/../', 'to-dir/..']) {
      expect(tree().status(path).mode & constants.S_IFMT).toBe(constants.S_IFDIR);
      expect(tree().open(path, O_RDWR | O_CREAT)).toBe('EISDIR');
      expect(tree().mkdir(path)).toBe('EEXIST');
      expect(tree().unlink(path)).toBe('EISDIR');
      expect(tree().rmdir(path)).toBe('EINVAL');
      expect(tree().rename(path, 'new')).toBe('EBUSY');
      expect(tree().rename('here', path)).toBe('EBUSY');
      expect(tree().link(path, 'new')).toBe('EPERM');
      expect(tree().link('here', path)).toBe('EEXIST');
      expect(tree().symlink('x', path)).toBe('EEXIST');
      expect(tree().readlink(path)).toBe('EINVAL');
    }
    expect(tree().mkdir('here/.')).toBe('ENOTDIR');
    expect(tree().mkdir('nowhere/..')).toBe('ENOENT');
  });
});

everyTree('the end of a path', (tree) => {
  test('B47 that is a slash makes it a directory', () => {
    furnish(tree());
    expect(answers(tree(), 'here/', 'new')).toEqual({
      openat: 'ENOTDIR',
      created: 'EISDIR',
      statx: 'ENOTDIR',
      utimensat: 'ENOTDIR',
      mkdirat: 'EEXIST',
      unlinkat: 'ENOTDIR',
      rmdir: 'ENOTDIR',
      'renameat from': 'ENOTDIR',
      'renameat to': 'ENOTDIR',
      'linkat from': 'ENOTDIR',
      'linkat to': 'EEXIST',
      symlinkat: 'EEXIST',
      readlinkat: 'ENOTDIR',
    });
    expect(tree().open('to-dir/', O_NOFOLLOW | O_DIRECTORY)).toBeGreaterThan(0);
    expect(tree().readlink('to-dir/')).toBe('EINVAL');
    expect(tree().link('to-dir/', 'new')).toBe('EPERM');
    expect(tree().symlink('x', 'new/')).toBe('ENOENT');
    expect(tree().link('here', 'new/')).toBe('ENOENT');
    expect(tree().rename('here', 'new/')).toBe('ENOTDIR');
    expect(tree().mkdir('new/')).toBe(0);
    expect(tree().rename('new//', 'newer/')).toBe(0);
    expect(tree().unlink('newer/')).toBe('EISDIR');
    expect(tree().rmdir('newer/')).toBe(0);
  });

  test('B47 that is a link to nothing, with a slash or without, makes nothing there', () => {
    furnish(tree());
    for (const link of ['dangling', 'dangling/']) {
      expect(tree().mkdir(link)).toBe('EEXIST');
      expect(tree().symlink('x', link)).toBe('EEXIST');
      expect(tree().link('here', link)).toBe('EEXIST');
    }
    tree().mkdir('e');
    expect(tree().rename('e', 'dangling/')).toBe('ENOTDIR');
    expect(tree().link('dangling/', 'new')).toBe('ENOENT');
    expect(tree().readlink('dangling/')).toBe('ENOENT');
    expect(existsSync(tree().host('nowhere'))).toBe(false);
    expect(tree().open('dangling', O_RDWR | O_CREAT)).toBeGreaterThan(0);
    expect(existsSync(tree().host('nowhere'))).toBe(true);
  });

  test('B50 may be forty links away, and no more', () => {
    tree().file('link-0');
    for (let at = 1; at <= 41; at++) symlinkSync(`link-${at - 1}`, tree().host(`link-${at}`));
    expect(tree().open('link-40')).toBeGreaterThan(0);
    expect(tree().open('link-41')).toBe('ELOOP');
    expect(tree().stat('link-41')).toBe('ELOOP');
    expect(tree().mkdir('link-41/x')).toBe('ELOOP');
    expect(tree().readlink('link-41')).toBe('link-40');
    tree().symlink('round', 'round');
    expect(tree().open('round')).toBe('ELOOP');
  });
});

everyTree('names', (tree) => {
  test('mkdirat makes directories with the bits of their mode that a guest may set', () => {
    expect(tree().mkdir('d', 0o7750)).toBe(0);
    expect(statSync(tree().host('d')).mode & 0o7777).toBe(0o750 & ~process.umask());
    expect(tree().mkdir('d')).toBe('EEXIST');
    expect(tree().mkdir('missing/d')).toBe('ENOENT');
    expect(tree().mkdir(`d/${'n'.repeat(256)}`)).toBe('ENAMETOOLONG');
  });

  test('unlinkat takes the name and leaves the file to who has it open', () => {
    const file = tree().file('f', 'text');
    tree().mkdir('d');
    tree().file('d/f');
    expect(tree().rmdir('f')).toBe('ENOTDIR');
    expect(tree().unlink('f')).toBe(0);
    expect(tree().unlink('f')).toBe('ENOENT');
    expect(tree().pread(file, 9, 0n)).toBe('text');
    expect(tree().unlink('d')).toBe('EISDIR');
    expect(tree().rmdir('d')).toBe('ENOTEMPTY');
    expect(tree().unlink('d/f')).toBe(0);
    expect(tree().rmdir('d')).toBe(0);
    expect(tree().unlink('g', 1)).toBe('EINVAL');
  });

  test('renameat moves, replaces like by like, and knows what cannot be', () => {
    furnish(tree());
    tree().mkdir('empty');
    expect(tree().rename('here', 'd/f')).toBe(0);
    expect(tree().pread(tree().opened('d/f'), 9, 0n)).toBe('text');
    expect(tree().rename('here', 'x')).toBe('ENOENT');
    expect(tree().rename('d/f', 'empty')).toBe('EISDIR');
    expect(tree().rename('empty', 'd/f')).toBe('ENOTDIR');
    expect(tree().rename('empty', 'd')).toBe('ENOTEMPTY');
    expect(tree().rename('d', 'd/within')).toBe('EINVAL');
    expect(tree().rename('d', 'empty')).toBe(0);
    expect(tree().rename('empty/f', 'empty/f')).toBe(0);
  });

  test('B52 linkat gives a file another name, a link as itself', () => {
    furnish(tree());
    expect(tree().link('here', 'd/also')).toBe(0);
    expect(tree().status('d/also').ino).toBe(tree().status('here').ino);
    expect(tree().link('to-file', 'also')).toBe(0);
    expect(tree().readlink('also')).toBe('here');
    expect(tree().link('dangling', 'dangles')).toBe(0);
    expect(tree().link('here', 'also')).toBe('EEXIST');
    expect(tree().link('d', 'e')).toBe('EPERM');
    expect(tree().link('missing', 'e')).toBe('ENOENT');
  });

  test('symlinkat writes any text that is not absolute, and readlinkat reads as much as there is room for', () => {
    expect(tree().symlink('any/../../text/', 'link')).toBe(0);
    expect(tree().readlink('link')).toBe('any/../../text/');
    expect(tree().readlink('link', 4)).toBe('any/');
    expect(tree().symlink('/any', 'absolute')).toBe('ESCAPES');
    expect(tree().readlink('absolute')).toBe('ENOENT');
    expect(tree().readlink('link', 0)).toBe('EINVAL');
    expect(tree().symlink('x', 'link')).toBe('EEXIST');
    tree().file('f');
    expect(tree().readlink('f')).toBe('EINVAL');
    expect(tree().readlink('missing')).toBe('ENOENT');
    expect(tree().symlink('t'.repeat(4095), 'long')).toBe(0);
    expect(tree().readlink('long', 8192).length).toBe(4095);
  });
});

everyTree('getdents64', (tree) => {
  test('lists every name once, with its kind and its number', () => {
    furnish(tree());
    const directory = tree().opened('.');
    const found = tree().entries(directory);
    if (typeof found !== 'object') throw new Error(`getdents64: ${found}`);
    const names = found.map(({ name }) => name).toSorted();
    expect(names).toEqual([...readdirSync(tree().folder), '.', '..'].toSorted());
    const of = (wanted: string) => found.find(({ name }) => name === wanted);
    expect(of('.')).toMatchObject({ type: DT_DIR, ino: tree().status('.').ino });
    expect(of('here')).toMatchObject({ type: DT_REG, ino: tree().status('here').ino });
    expect(of('slash')?.type).toBe(DT_LNK);
    expect(tree().entries(directory, found[found.length - 1].off)).toEqual([]);
  });

  test('B54 goes on from where an entry says, with room for one entry or for none', () => {
    furnish(tree());
    const directory = tree().opened('.');
    const whole = tree().entries(directory);
    if (typeof whole !== 'object') throw new Error(`getdents64: ${whole}`);
    for (const [at, { off }] of whole.entries()) {
      expect(tree().entries(directory, off, 32)).toEqual(whole.slice(at + 1, at + 2));
    }
    expect(tree().entries(directory, -1n)).toEqual([]);
    expect(tree().entries(directory, 0n, 23)).toBe('EINVAL');
    expect(tree().entries(tree().opened('here'))).toBe('ENOTDIR');
    expect(tree().open('d/f', O_RDONLY, directory)).toBeGreaterThan(0);
  });
});
