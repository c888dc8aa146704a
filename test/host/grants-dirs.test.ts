/** `--dir`: what its texts mean, what is said of wrong ones, and of plain data that is wrong. */
import { checkDirs, escapeText, parseDirs, readOnlyText } from '#host/grants.js';
import { type DirGrant, parseDir } from '#host/index.js';
import { describe, expect, test } from 'vitest';

const dir = (host: string, guest: string, readOnly = false): DirGrant => ({
  host,
  guest,
  readOnly,
});

test.each([
  ['data', dir('data', 'data')],
  ['.', dir('.', '.')],
  ['/', dir('/', '/')],
  ['../data/', dir('../data/', '../data/')],
  ['data:ro', dir('data', 'data', true)],
  ['data::/srv', dir('data', '/srv')],
  ['data::/srv:ro', dir('data', '/srv', true)],
  ['data::/', dir('data', '/')],
  ['data:://srv///a/', dir('data', '/srv/a')],
  ['data::/.a/..b/c..', dir('data', '/.a/..b/c..')],
  ['a:b', dir('a:b', 'a:b')],
  ['a:rw', dir('a:rw', 'a:rw')],
  ['a:b:ro', dir('a:b', 'a:b', true)],
  ['a:b::/c:d', dir('a:b', '/c:d')],
  ['a::b::/c', dir('a::b', '/c')],
  ['a:::/c', dir('a:', '/c')],
  ['data:ro::/data', dir('data:ro', '/data')],
  ['data:ro::/data:ro', dir('data:ro', '/data', true)],
  ['data:ro:ro', dir('data:ro', 'data:ro', true)],
  ['a b::/ü', dir('a b', '/ü')],
])('--dir %s', (text, meant) => {
  expect(parseDir(text)).toEqual(meant);
  expect(() => checkDirs([meant])).not.toThrow();
});

const WRITE = 'write it as in --dir ./data::/data:ro';

/** What is said of a directory that is wrong. */
function refusal(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    expect(error).toMatchObject({ code: 'ERR_SANDPOLL_USAGE' });
    return (error as Error).message;
  }
  throw new Error('it was accepted');
}

test.each([
  ['', 'the directory of this machine is missing'],
  [':ro', 'the directory of this machine is missing'],
  ['::/data', 'the directory of this machine is missing'],
  ['data::', 'the name for the guest is missing'],
  ['data::srv', "the name for the guest, 'srv', must begin with /"],
  ['data::.', "the name for the guest, '.', must begin with /"],
  ['data::ro', "the name for the guest, 'ro', must begin with /"],
  ['data::srv:ro', "the name for the guest, 'srv', must begin with /"],
  ['data::/a/../b', "the name for the guest must not have '..' in it"],
  ['data::/..', "the name for the guest must not have '..' in it"],
  ['data::/./b:ro', "the name for the guest must not have '.' in it"],
  ['da\0ta', 'no path has a NUL in it'],
  ['data::/a\0', 'no path has a NUL in it'],
])('--dir %j is refused', (text, reason) => {
  const shown = text.replaceAll('\0', String.raw`\0`);
  expect(refusal(() => parseDir(text))).toBe(`--dir ${shown}: ${reason}; ${WRITE}`);
});

test.each([
  [['a::/x', 'b::/x'], 'b::/x', '/x'],
  [['a::/x', 'c', 'b:://x/:ro'], 'b:://x/:ro', '/x'],
  [['/x', 'b::/x'], 'b::/x', '/x'],
  [['data', './data/'], './data/', './data/'],
])('--dir %j: two with one name for the guest are refused', (texts, second, name) => {
  const reason = `another directory has the name ${name} already`;
  expect(refusal(() => parseDirs(texts))).toBe(`--dir ${second}: ${reason}; ${WRITE}`);
  expect(refusal(() => checkDirs(texts.map(parseDir)))).toContain(`]: ${reason}; `);
});

test('one directory may have two names, and one may be in another', () => {
  const texts = ['a::/x', 'a::/y:ro', 'a/b::/x/b', '.', '/'];
  expect(parseDirs(texts)).toEqual(texts.map(parseDir));
});

describe('plain data', () => {
  test.each([
    ['no host', { host: '', guest: '/a', readOnly: false }, 'the directory of this machine'],
    ['no guest', { host: 'a', guest: '', readOnly: false }, 'the name for the guest is missing'],
    ['relative', { host: '/a', guest: 'b', readOnly: false }, 'must begin with /'],
    ['half a name', { host: '/data', guest: 'ta', readOnly: false }, 'must begin with /'],
    ['dots', { host: '/a', guest: '/b/../c', readOnly: false }, "must not have '..' in it"],
    ['NUL in the host', { host: 'a\0', guest: '/b', readOnly: true }, 'no path has a NUL'],
    ['NUL in the guest', { host: 'a', guest: '/b\0', readOnly: true }, 'no path has a NUL'],
    ['no readOnly', { host: '/a', guest: '/b' }, 'not { host, guest, readOnly }'],
    ['a number', { host: 7, guest: '/b', readOnly: false }, 'not { host, guest, readOnly }'],
  ])('%s is refused', (_what, wrong, reason) => {
    const dirs = [dir('ok', '/ok'), wrong as DirGrant];
    const said = refusal(() => checkDirs(dirs));
    expect(said).toContain(`grants.dirs[1]: `);
    expect(said).toContain(reason);
  });

  test('that is no list is refused', () => {
    const none = undefined as unknown as DirGrant[];
    expect(refusal(() => checkDirs(none))).toContain('grants.dirs: not a list');
  });

  test('may have a relative name that its path ends with, as a command line has it', () => {
    const dirs = [dir('/srv/x/data', 'data'), dir('/srv', '../srv'), dir('/srv/y', '.')];
    expect(() => checkDirs(dirs)).not.toThrow();
  });
});

test('a denial names the flag that would grant it (B45, B52)', () => {
  expect(escapeText(dir('/srv', '/data'))).toBe(
    'denied: a path that leads out of /data; grant what it leads to with --dir HOST::GUEST',
  );
  expect(escapeText()).toContain('denied: a path that leads out of its directory; grant what');
  expect(readOnlyText(dir('/srv', '/data', true))).toBe(
    'denied: /data is read-only; grant --dir HOST::/data without :ro',
  );
  expect(readOnlyText(dir('data', 'data', true))).toBe(
    'denied: data is read-only; grant --dir data without :ro',
  );
  expect(readOnlyText()).toContain('denied: its directory is read-only; grant --dir HOST::GUEST');
});
