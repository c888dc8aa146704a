/**
 * Compiles the shell of SQLite, as its authors released it, and locks.c into a guest:
 * `node examples/sqlite/build.mjs [--check]`.
 *
 * The source is fetched by `npm pack` into a temporary folder, and must be the one that is named
 * here. The module is committed, so nobody needs this to use it; `--check` compares it with what
 * the source gives (with the clang that guest/c/build-guests.mjs names): status 1 for a difference.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = resolve(fileURLToPath(new URL('../..', import.meta.url)));

/** A mirror of SQLite's amalgamation, unchanged. */
const PACKAGE = '@nozbe/sqlite@3.46.0';
const TARBALL = 'nozbe-sqlite-3.46.0.tgz';
const SHA512 =
  'ntt8eNp5hh+axX9+kFb5uwyVE0edyfhiYYr+zHDzzFleGC7Qm+a2wHDWDtmRr5nSfbgomhY1uh30kpsHEIR3Mw==';
const SOURCES = 'package/sqlite-amalgamation-3460000';

/** What WASI does not have: permission bits, processes, threads, shared libraries; and locks.c. */
const FLAGS = [
  '-w',
  '-Dchmod(path,mode)=0',
  '-DSQLITE_NOHAVE_SYSTEM',
  '-DSQLITE_THREADSAFE=0',
  '-DSQLITE_OMIT_LOAD_EXTENSION',
  '-DSQLITE_EXTRA_INIT=trust_own_locks',
];

/** What `__DATE__` says: the day of the release. */
const SOURCE_DATE_EPOCH = String(Date.UTC(2024, 4, 23) / 1000);

/** Runs a command in `cwd`, its words to stderr; one that fails ends this. */
function run(command, args, cwd) {
  const env = { ...process.env, SOURCE_DATE_EPOCH };
  const { error, status } = spawnSync(command, args, { cwd, env, stdio: ['ignore', 2, 2] });
  if (error) throw error;
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} ended with status ${status}`);
}

/** Fetches the sources into `folder`. */
function fetchSources(folder) {
  run('npm', ['pack', '--silent', PACKAGE], folder);
  const sum = createHash('sha512')
    .update(readFileSync(join(folder, TARBALL)))
    .digest('base64');
  if (sum !== SHA512) throw new Error(`${PACKAGE} is not what it was: sha512-${sum}`);
  run('tar', ['xzf', TARBALL], folder);
}

function main() {
  const checks = process.argv.includes('--check');
  const committed = join(root, 'examples/sqlite/sqlite.wasm');
  const folder = mkdtempSync(join(tmpdir(), 'sandpoll-sqlite-'));
  try {
    fetchSources(folder);
    const made = checks ? join(folder, 'sqlite.wasm') : committed;
    const host = join(root, 'dist/cli/main.cjs');
    const sources = ['shell.c', 'sqlite3.c', 'locks.c'];
    copyFileSync(join(root, 'examples/sqlite/locks.c'), join(folder, SOURCES, 'locks.c'));
    // Names without a folder, for `__FILE__` to be the same each time.
    const args = [host, 'build', ...sources, '-o', made, '--', ...FLAGS];
    run(process.execPath, args, join(folder, SOURCES));
    if (readFileSync(made).equals(readFileSync(committed))) return 0;
    console.error('sqlite.wasm is not what its source gives');
    return 1;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

process.exitCode = main();
