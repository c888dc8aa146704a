/** The guest library: its unit tests, which are guests, and what its guests are compiled to. */
import { readFileSync, readdirSync } from 'node:fs';
import { expect, test } from 'vitest';
import createWabt from 'wabt';
import { withFiles } from '../support/files.js';
import { runGuest } from '../support/guest-here.js';

const examples = ['chat', 'echo', 'http', 'kv', 'proxy', 'static'];

/** The grants for the unix sockets that the unit tests make: one rule is one path. */
function unixRules(paths: readonly string[]): string[] {
  const suffixes = ['lt', 'et', 'poll'].flatMap((poller) => [`-${poller}`, `-stream-${poller}`]);
  return paths.flatMap((path) => suffixes.map((suffix) => `unix:${path}${suffix}`));
}

/** What the directories hold that unit-files.ts is granted. */
const GRANTED = {
  'data/hello.txt': 'hello\n',
  'data/inner/file.txt': 'file\n',
  'other/else.txt': 'else\n',
  'outside.txt': 'not to be seen\n',
};

/** One directory twice, and another one under a longer name (wasi-libc takes the longest). */
function directories(files: string): string[] {
  const grants = ['data::/data', 'other::/data/other', 'data::/readonly:ro'];
  return grants.map((grant) => `--dir=${files}/${grant}`);
}

/** A built guest of the examples. */
function readExample(example: string, name: string): Uint8Array<ArrayBuffer> {
  const path = new URL(`../../examples/${example}/build/${name}.wasm`, import.meta.url);
  return new Uint8Array(readFileSync(path));
}

const folder = new URL('as/', import.meta.url);
const units = readdirSync(folder).filter((name) => /^unit-.*\.ts$/u.test(name));

test.each(units)('%s', async (name) => {
  await withFiles(GRANTED, async (files) => {
    const wasm = `test/guests/as/build/${name.replace(/\.ts$/u, '.wasm')}`;
    const paths = [`${files}/a`, `${files}/b`];
    const net = ['tcp:127.0.0.1', 'udp:127.0.0.1', ...unixRules(paths)];
    const grants = [...net.map((rule) => `--allow-net=${rule}`), ...directories(files)];
    const outcome = await runGuest(['--quiet', ...grants, wasm, ...paths]);
    // What the host denies it tells, as it should, and that a table is full.
    expect(outcome.stderr.replaceAll(/^sandpoll: (denied|descriptors): .*\n/gmu, '')).toBe('');
    expect(outcome.stdout).toMatch(/^\d+ checks\n$/u);
    expect(outcome.status).toBe(0);
  });
});

test('a guest finds the listeners that the host opened, by name or the first', async () => {
  const listeners = ['a=127.0.0.1:0', 'b=127.0.0.1:0'].flatMap((each) => ['--listen', each]);
  const wasm = 'test/guests/as/build/listeners.wasm';
  expect((await runGuest([...listeners, wasm])).stdout).toBe('3 3 4 -8\n');
  expect((await runGuest([wasm])).stdout).toBe('-8 -8 -8 -8\n');
});

test.each(examples)('%s-poll imports nothing but preview1', async (example) => {
  const module = await WebAssembly.compile(readExample(example, `${example}-poll`));
  const modules = WebAssembly.Module.imports(module).map((each) => each.module);
  expect(new Set(modules)).toEqual(new Set(['wasi_snapshot_preview1']));
});

// V8 never replaces the code of a call that is under way: what the loop did itself would stay slow.
test.each(['http', 'http-poll'])('the loop of %s calls out for every event', async (name) => {
  const wabt = await createWabt();
  const module = wabt.readWasm(readExample('http', name), { readDebugNames: true });
  module.applyNames();
  const functions = module.toText({}).split(/^ {2}\(func /mu);
  const start = functions.filter((each) => each.startsWith('$~start '));
  // The compiler may take `onEvents` itself in, but not what that calls to receive.
  const callsOut = (each: string): boolean =>
    /call \$~lib\/sandpoll\/\S+#(onEvents|receive)\b/u.test(each);
  const turns = functions.filter((each) => {
    return /^\$(start:)?~lib\/sandpoll\/guest\/loop/u.test(each) && callsOut(each);
  });
  expect(start).toHaveLength(1);
  expect(turns).not.toEqual([]);
  expect(start[0]).toContain('call_indirect');
  expect(start.filter(callsOut)).toEqual([]);
  module.destroy();
});
