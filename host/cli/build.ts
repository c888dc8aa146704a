/**
 * `sandpoll build`: C programs for Linux into guests, with clang and the library of `guest/c`.
 */
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { basename, extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { usageError } from '../usage.js';

const LIBRARY = fileURLToPath(new URL('../../guest/c/', import.meta.url));

/** Where a compiler is looked for when `$CLANG` names none. */
const COMPILERS = ['clang-19', 'clang'];

const INSTALL =
  'on Debian: apt-get install clang-19 lld-19 wasi-libc libclang-rt-19-dev-wasm32; ' +
  'CLANG=/path/to/clang names another one';

/**
 * What every guest is compiled with. `-O2` goes past clang's driver, which would else run a
 * wasm-opt that happens to be installed. V8 optimises a function when it is entered: handlers must
 * not be inlined into a loop that is never left (toolchain.md), so only `inline` ones are.
 */
const FLAGS = [
  '--target=wasm32-wasi',
  '-Xclang',
  '-O2',
  '-finline-hint-functions',
  '-isystem',
  `${LIBRARY}include`,
  '-D_WASI_EMULATED_GETPID',
  '-D_WASI_EMULATED_PROCESS_CLOCKS',
];

const LINKED = ['-lwasi-emulated-getpid', '-lwasi-emulated-process-clocks'];

export interface BuildArguments {
  readonly sources: readonly string[];
  readonly output: string;
  /** Given to clang as they are, after all others. */
  readonly flags: readonly string[];
  /** The library as `compileLibrary` made it; without it, it is compiled along. */
  readonly library?: readonly string[];
}

/** Reads the arguments after `build`; throws a `UsageError`. */
export function parseBuildArguments(argv: readonly string[]): BuildArguments {
  const dashes = argv.indexOf('--');
  const own = dashes < 0 ? argv : argv.slice(0, dashes);
  const sources: string[] = [];
  let output: string | undefined;
  for (let at = 0; at < own.length; at++) {
    const argument = own[at] ?? '';
    if (argument === '-o') output = own[++at];
    else if (!argument.startsWith('-')) sources.push(argument);
    else throw usageError(`${argument}: give clang's own options after --; see sandpoll --help`);
  }
  if (sources.length === 0 || output === undefined) {
    throw usageError('name the sources and the output: sandpoll build server.c -o server.wasm');
  }
  const odd = sources.find((source) => extname(source) !== '.c');
  if (odd !== undefined) throw usageError(`${odd}: not a .c file; only C is compiled`);
  return { sources, output, flags: dashes < 0 ? [] : argv.slice(dashes + 1) };
}

/** Whether a compiler is there, and makes WebAssembly. */
function compiles(clang: string): boolean {
  const { status, stdout } = spawnSync(clang, ['--print-targets'], { encoding: 'utf8' });
  return status === 0 && /^\s*wasm32\b/m.test(stdout);
}

/** The compiler to use; throws an error that says what to install. */
export function findClang(environment: NodeJS.ProcessEnv): string {
  const named = environment.CLANG ?? '';
  const found = (named === '' ? COMPILERS : [named]).find((each) => compiles(each));
  if (found !== undefined) return found;
  const missing =
    named === '' ? 'there is no clang here' : `$CLANG (${named}) is no clang that can run`;
  throw Object.assign(new Error(`${missing} with the wasm32 target; ${INSTALL}`), {
    code: 'ENOENT',
  });
}

function librarySources(): string[] {
  const folder = `${LIBRARY}src/`;
  const names = readdirSync(folder).filter((name) => name.endsWith('.c'));
  return names.toSorted().map((name) => `${folder}${name}`);
}

/** Runs clang; its own words go to stderr. Answers its exit status. */
function run(clang: string, args: readonly string[]): number {
  const { status } = spawnSync(clang, [...FLAGS, ...args], {
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  return status ?? 1;
}

/** Compiles the library once for many guests, into objects in `folder`; their paths. */
export function compileLibrary(folder: string, environment: NodeJS.ProcessEnv): string[] {
  const clang = findClang(environment);
  return librarySources().map((source) => {
    const object = join(folder, `${basename(source, '.c')}.o`);
    if (run(clang, ['-c', source, '-o', object]) === 0) return object;
    throw new Error(`${source} does not compile`);
  });
}

/** Compiles and links one guest. Answers clang's exit status. */
export function build(args: BuildArguments, environment: NodeJS.ProcessEnv): number {
  const { sources, output, flags, library = librarySources() } = args;
  const clang = findClang(environment);
  // Nobody asked for the debug information of libc: it is most of a file that has it.
  const strip = flags.some((flag) => flag.startsWith('-g')) ? [] : ['-Wl,--strip-debug'];
  return run(clang, [...strip, ...sources, ...library, ...LINKED, '-o', output, ...flags]);
}
