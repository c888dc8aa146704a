import { execFile, spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { expect, test } from 'vitest';

const run = promisify(execFile);
const native = fileURLToPath(new URL('../../native/', import.meta.url));
const sources = ['core', 'test'].flatMap((folder) =>
  readdirSync(path.join(native, folder)).map((name) => path.join(native, folder, name)),
);
const compiler = process.env['CXX'] ?? 'g++';

/** Whether this machine has the run-time library of a sanitizer, which is a package of its own. */
function has(sanitizer: string): boolean {
  const options = [`-fsanitize=${sanitizer}`, '-x', 'c++', '-', '-o', '/dev/null'];
  return spawnSync(compiler, options, { input: 'int main() {}' }).status === 0;
}

/** What several files include of the standard library. */
const STANDARD = ['algorithm', 'chrono', 'string', 'thread', 'vector'];

/** The compiled cases; compiled again only after a change. */
async function compiled(sanitizer: string): Promise<string> {
  const directory = path.join(native, 'build', 'test');
  const program = path.join(directory, `core-${sanitizer}`);
  mkdirSync(directory, { recursive: true });
  const built = statSync(program, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  if (sources.some((source) => statSync(source).mtimeMs > built)) {
    const warnings = ['-Wall', '-Wextra', '-Werror'];
    const kind = ['-std=c++17', '-Og', '-g1', '-pthread', `-fsanitize=${sanitizer}`];
    const options = [...kind, ...warnings];
    const [headers, files] = ['.h', '.cc'].map((end) => sources.filter((it) => it.endsWith(end)));
    // Read once and not for each of the files, headers take half the time that all takes.
    const all = `${program}.h`;
    const names = [...STANDARD.map((name) => `<${name}>`), ...headers.map((it) => `"${it}"`)];
    writeFileSync(all, names.map((name) => `#include ${name}\n`).join(''));
    await run(compiler, [...options, '-x', 'c++-header', all, '-o', `${all}.gch`]);
    await run(compiler, [...options, '-include', all, ...files, '-o', program]);
    rmSync(`${all}.gch`);
  }
  return program;
}

// At once: it is two compilers' work, and two programs'.
test.concurrent.for(['thread', 'address,undefined'])(
  'the core alone behaves, and the sanitizers %s see nothing',
  { timeout: 120_000 },
  async (sanitizer, context) => {
    context.skip(!has(sanitizer), `${compiler} cannot link -fsanitize=${sanitizer}`);
    const program = await compiled(sanitizer);
    const until = { signal: context.signal, killSignal: 'SIGKILL' } as const;
    const { stdout } = await run(program, until).catch((error: { stderr: string }) => {
      // gcc's thread sanitizer and a kernel with much randomness in its addresses.
      if (!error.stderr.includes('unexpected memory mapping')) throw error;
      return run('setarch', ['-R', program], until);
    });
    const lines = stdout.trim().split('\n');
    expect(lines.filter((line) => !line.startsWith('ok: '))).toEqual([]);
    expect(lines.length).toBeGreaterThanOrEqual(13);
  },
);
