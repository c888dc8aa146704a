/**
 * Compiles the guests of this repository whose sources have changed: `npm run build:guests`.
 *
 *     examples/NAME/assembly/NAME.ts, NAME-*.ts  ->  examples/NAME/build/*.wasm
 *     test/guests/as/*.ts                        ->  test/guests/as/build/*.wasm
 *
 * Other files of examples/NAME/assembly are what those import. The options are in asconfig.json.
 * What is named …-poll is portable: even `abort` is made of preview1.
 * `--force` compiles everything again, `--text` writes the text format beside it.
 */
import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { basename, dirname, join, posix, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const force = process.argv.includes('--force');
const text = process.argv.includes('--text');

const PORTABLE_ABORT = 'abort=~lib/sandpoll/guest/abort/abort';
/** What every guest depends on, besides the sources that it imports. */
const common = ['guest/build.mjs', 'asconfig.json', 'node_modules/assemblyscript/package.json'];

/** The entry files, relative to the root. */
function findGuests() {
  const guests = listSources('test/guests/as').map((name) => `test/guests/as/${name}`);
  for (const example of readdirSync(join(root, 'examples'))) {
    const folder = `examples/${example}/assembly`;
    for (const name of listSources(folder)) {
      const isEntry = name === `${example}.ts` || name.startsWith(`${example}-`);
      if (isEntry) guests.push(`${folder}/${name}`);
    }
  }
  return guests.toSorted();
}

/** The order of names, the same on every machine. */
function byName(a, b) {
  return a < b ? -1 : Number(a > b);
}

function listSources(folder) {
  const path = join(root, folder);
  return existsSync(path) ? readdirSync(path).filter((name) => name.endsWith('.ts')) : [];
}

/** Where a guest goes, relative to the root and without extension. */
function outputOf(entry) {
  const folder = dirname(entry).replace(/\/assembly$/, '');
  return `${folder}/build/${basename(entry, '.ts')}`;
}

/** Whether the output is newer than all that went into it, as the last build wrote it down. */
function isCurrent(entry) {
  const output = join(root, outputOf(entry));
  try {
    const builtMs = statSync(`${output}.wasm`).mtimeMs;
    const sources = JSON.parse(readFileSync(`${output}.sources.json`, 'utf8'));
    return [...common, ...sources].every((path) => statSync(join(root, path)).mtimeMs < builtMs);
  } catch {
    return false;
  }
}

/** Compiles one guest; the promise is of whether it succeeded. */
async function compile(asc, entry) {
  const output = outputOf(entry);
  const sources = new Set();
  const outputs = new Map();
  const options = [entry, '--config', 'asconfig.json', '--outFile', `${output}.wasm`];
  if (output.endsWith('-poll')) options.push('--use', PORTABLE_ABORT);
  if (text) options.push('--textFile', `${output}.wat`);
  const { error } = await asc.main([...options, '--baseDir', root], {
    stdout: process.stdout,
    stderr: process.stderr,
    readFile: (name) => readSource(name, sources),
    writeFile: (name, contents) => {
      outputs.set(name, name.endsWith('.map') ? relocate(contents, output) : contents);
    },
  });
  if (error !== null) return false;
  outputs.set(`${output}.sources.json`, JSON.stringify([...sources].toSorted(byName)));
  await mkdir(join(root, dirname(output)), { recursive: true });
  for (const [name, contents] of outputs) await writeFile(join(root, name), contents);
  return true;
}

/** A file that the compiler asks for, or null. The package `sandpoll` is this repository. */
async function readSource(name, sources) {
  const path = posix.normalize(name).replace(/^(?:.*\/)?node_modules\/sandpoll\//, '');
  try {
    const contents = await readFile(join(root, path), 'utf8');
    sources.add(path);
    return contents;
  } catch {
    return null;
  }
}

/** Names the sources of a source map as they lie in the repository. */
function relocate(map, output) {
  const up = posix.relative(dirname(output), '.');
  const { sourceRoot: _, sources, ...rest } = JSON.parse(map);
  const named = sources.map((source) => {
    if (source.startsWith('~lib/sandpoll/')) return `${up}/${source.slice(14)}`;
    return source.startsWith('~lib/') ? source : `${up}/${source}`;
  });
  return JSON.stringify({ ...rest, sources: named });
}

async function main() {
  const stale = findGuests().filter((entry) => force || text || !isCurrent(entry));
  if (stale.length === 0) return;
  const { default: asc } = await import('assemblyscript/asc');
  for (const entry of stale) {
    if (!(await compile(asc, entry))) process.exitCode = 1;
  }
}

await main();
