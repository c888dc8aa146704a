/**
 * Compiles the C guests of this repository:
 * `node guest/c/build-guests.mjs [--check] [FILE.wasm...]`.
 *
 * The modules are committed beside their sources, so that nobody needs clang to test them.
 * `--check` compiles into a temporary folder, and names those that differ from what is committed:
 * status 1 for a difference, 77 where the clang is missing or is not the one that made them.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

import { build, compileLibrary, findClang } from '#host/cli/build.js';

const root = resolve(fileURLToPath(new URL('../..', import.meta.url)));
const SKIPPED = 77;
const VERSION = 'Debian clang version 19.1.7 (3~deb12u1)';

/** The parts of the guest that carries out the public suites' tests. */
const SUITE = [
  'suite',
  'opening',
  'contents',
  'times',
  'directories',
  'renaming',
  'links',
  'others',
  'descriptors',
];

/** Those that are not one `.c` file in a folder of programs. */
const NAMED = [
  ['examples/tutorial-lt-et/c/server.wasm', ['examples/tutorial-lt-et/c/server.c']],
  ['test/bench/c/echo.wasm', ['test/bench/c/echo.c']],
  ['test/bench/c/http.wasm', ['test/bench/c/http.c', 'test/bench/c/request.c']],
  ['test/guests/c/suite/suite.wasm', SUITE.map((name) => `test/guests/c/suite/${name}.c`)],
];

/**
 * Those of several threads. Debian's wasi-libc is built for one, so they have none: in its place
 * stands `guest/c/threads`.
 */
const THREADED = [
  ['examples/tutorial-workqueue/c/server.wasm', ['examples/tutorial-workqueue/c/server.c']],
  ['test/guests/c/threads/threads.wasm', ['test/guests/c/threads/threads.c']],
];

const THREADS_LIBRARY = [
  'guest/c/threads/threads.c',
  'guest/c/threads/runtime.c',
  'guest/c/src/epoll.c',
  'guest/c/src/socket.c',
].map((source) => join(root, source));

const THREADS_FLAGS = [
  '-isystem',
  join(root, 'guest/c/threads'),
  '-pthread',
  '-matomics',
  '-mbulk-memory',
  '-nostdlib',
  '-Wl,--import-memory,--shared-memory,--max-memory=67108864',
];

/** Each `.c` file in them is a program. */
const FOLDERS = ['test/conformance/c', 'test/guests/c'];

/** Every guest: its module, and its sources, from the root. */
function findGuests() {
  const programs = FOLDERS.filter((folder) => existsSync(join(root, folder))).flatMap((folder) =>
    readdirSync(join(root, folder))
      .filter((name) => name.endsWith('.c'))
      .toSorted((a, b) => (a < b ? -1 : 1))
      .map((name) => [`${folder}/${basename(name, '.c')}.wasm`, [`${folder}/${name}`]]),
  );
  return [...NAMED, ...THREADED, ...programs];
}

/** Compiles one guest; whether it succeeded. */
function compile(sources, output, library) {
  const paths = sources.map((source) => join(root, source));
  const threaded = THREADED.some(([, threadedSources]) => threadedSources === sources);
  const flags = ['-Wall', '-Wextra', ...(threaded ? THREADS_FLAGS : [])];
  const linked = threaded ? THREADS_LIBRARY : library;
  return build({ sources: paths, output, flags, library: linked }, process.env) === 0;
}

/** Why the committed modules cannot be made here; no text if they can. */
function obstacle() {
  let clang;
  try {
    clang = findClang(process.env);
  } catch (error) {
    return error.message;
  }
  const { stdout } = spawnSync(clang, ['--version'], { encoding: 'utf8' });
  return stdout.startsWith(VERSION) ? '' : `${clang} is not ${VERSION}`;
}

/** Whether what its sources give is what is committed. */
function isCurrent([output, sources], library, folder) {
  const made = join(folder, basename(output));
  if (!compile(sources, made, library)) return false;
  const committed = join(root, output);
  const equal = existsSync(committed) && readFileSync(made).equals(readFileSync(committed));
  if (!equal) console.error(`${output} is not what its sources give`);
  return equal;
}

function main() {
  const why = obstacle();
  if (why !== '') {
    console.error(why);
    return SKIPPED;
  }
  const checks = process.argv.includes('--check');
  const names = process.argv.slice(2).filter((argument) => argument !== '--check');
  const wanted = findGuests().filter(([output]) => names.length === 0 || names.includes(output));
  const folder = mkdtempSync(join(tmpdir(), 'sandpoll-guests-'));
  try {
    const library = compileLibrary(folder, process.env);
    const failed = wanted.filter((guest) => {
      if (checks) return !isCurrent(guest, library, folder);
      const [output, sources] = guest;
      return !compile(sources, join(root, output), library);
    });
    return failed.length === 0 ? 0 : 1;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

process.exitCode = main();
