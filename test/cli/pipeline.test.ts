/** `sandpoll pipeline`, run as a person runs it. */
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { text as readAll } from 'node:stream/consumers';
import { setTimeout as pause } from 'node:timers/promises';

import { parsePipelineArguments } from '#host/cli/pipeline.js';
import { Status } from '#host/cli/report.js';
import { describe, expect, test } from 'vitest';

import { sandpoll } from '../support/cli.js';
import { startCommand } from '../support/command.js';
import { withFiles } from '../support/files.js';
import { refusalOf } from '../support/refusal.js';
import { ROOT } from '../support/sources.js';
import { wat } from '../wasm/wat.js';

/** A guest that does this at its start. */
function guest(body: string): Uint8Array {
  return wat(`(module
    (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
    (import "wasi_snapshot_preview1" "poll_oneoff"
      (func $poll (param i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (func $wait
      (i64.store (i32.const 24) (i64.const 3600000000000))
      (drop (call $poll (i32.const 0) (i32.const 64) (i32.const 1) (i32.const 128))))
    (func (export "_start") ${body}))`);
}

const FILES = {
  'wait.wasm': guest('(call $wait)'),
  'trap.wasm': guest('unreachable'),
  'exit.wasm': guest('(call $exit (i32.const 7))'),
  'done.wasm': guest(''),
};

function role(name: string, module: string, more = ''): string {
  return `[[role]]\nname = "${name}"\nmodule = "${module}"\n${more}\n`;
}

/** Runs a pipeline to its end. */
async function run(text: string, options: readonly string[] = []) {
  return withFiles({ ...FILES, 'p.toml': text }, async (folder) => {
    const { stderr, ...others } = await sandpoll(['pipeline', ...options, `${folder}/p.toml`]);
    return { ...others, stderr: stderr.replaceAll(`${folder}/`, '') };
  });
}

const WAITING = role('wait', 'wait.wasm', 'instances = 2');

/** Runs `body` with a pipeline that runs, and its file; it is killed if it has not ended. */
async function withPipelineFile(
  pipeline: string,
  options: readonly string[],
  body: (command: ReturnType<typeof startCommand>, file: string) => Promise<void>,
): Promise<void> {
  await withFiles({ 'p.toml': pipeline }, async (folder) => {
    const file = `${folder}/p.toml`;
    const command = startCommand(['pipeline', ...options, file]);
    try {
      await body(command, file);
    } finally {
      command.child.kill('SIGKILL');
      await command.ended;
    }
  });
}

describe('its end', () => {
  test('is that of the instance that trapped, which is named', async () => {
    const { status, stderr } = await run(`${WAITING}${role('bad', 'trap.wasm')}`, ['--grace=1ms']);
    expect(status).toBe(Status.TRAPPED);
    expect(stderr).toMatch(/^sandpoll: bad#0 trapped: unreachable\n {4}at .*trap\.wasm/);
  });

  test('is the status of the first that fails', async () => {
    const { status, stderr } = await run(`${role('bad', 'exit.wasm')}${WAITING}`, ['--grace=1ms']);
    expect(stderr).toBe('sandpoll: bad#0 ended with status 7: the pipeline ends with it\n');
    expect(status).toBe(7);
    const quiet = await run(`${role('bad', 'exit.wasm')}${WAITING}`, ['--grace=1ms', '--quiet']);
    expect(quiet).toEqual({ status: 7, stdout: '', stderr: '' });
  });

  test('is 0 when all have done their work', async () => {
    const { status, stderr } = await run(role('a', 'done.wasm', 'instances = 4'));
    expect([status, stderr]).toEqual([0, '']);
  });

  test('comes with --timeout of a role', async () => {
    const { status, stderr } = await run(role('late', 'wait.wasm', 'timeout = "30ms"'));
    expect(status).toBe(Status.TIMEOUT);
    expect(stderr).toContain('late#0');
  });
});

describe('--restart', () => {
  test('starts all of it again, until that is too often', async () => {
    const text = `${WAITING}${role('bad', 'exit.wasm')}`;
    const options = ['--grace=1ms', '--restart=transient', '--restart-limit=2/60s'];
    const { status, stderr } = await run(text, options);
    expect(stderr.replaceAll(/\d+ms/g, 'T')).toBe(
      [
        'bad#0 ended with status 7: the pipeline ends with it',
        'bad#0: started again in T (restart 1 within T)',
        'bad#0 ended with status 7: the pipeline ends with it',
        'bad#0: started again in T (restart 2 within T)',
        'bad#0 ended with status 7: the pipeline ends with it',
        'gave up: bad#0 ended again after 2 restarts within T',
      ]
        .map((line) => `sandpoll: ${line}\n`)
        .join(''),
    );
    expect(status).toBe(7);
  });

  test('of transient pipelines follows no end with status 0', async () => {
    const { status, stderr } = await run(role('a', 'done.wasm'), ['--restart=transient']);
    expect([status, stderr]).toEqual([0, '']);
  });
});

describe('what is wrong', () => {
  test('with the file is said with its lines, and nothing runs', async () => {
    const { status, stderr } = await run('[[role]]\nname = "a"\nmodule = "no.wasm"\nx = 1\n');
    expect(status).toBe(Status.USAGE);
    expect(stderr).toMatch(/^sandpoll: p\.toml:3: cannot read no\.wasm: there is no such file\n/);
    expect(stderr).toContain("\np.toml:4: there is no key 'x' here; the keys are name, module,");
  });

  test.each([
    [['--chekc', 'a'], "Unknown option '--chekc'; see sandpoll --help", Status.USAGE],
    [['nowhere.toml'], 'cannot read nowhere.toml: there is no such file', Status.LOAD_FAILED],
  ])('with the arguments %j too', async (args, says, expected) => {
    const { status, stderr } = await sandpoll(['pipeline', ...args]);
    expect(stderr).toContain(`sandpoll: ${says}`);
    expect(status).toBe(expected);
  });

  test.each([
    [[], 'name one file: sandpoll pipeline pipeline.toml'],
    [['a', 'b'], 'name one file: sandpoll pipeline pipeline.toml'],
    [['--restart', 'often', 'a'], '--restart often: there is no such kind'],
    [['--grace', '5', 'a'], '--grace 5: the unit is missing'],
  ])('with the arguments %j, in the same way', async (args, says) => {
    const { status, sentence } = await refusalOf(() => parsePipelineArguments(args));
    expect([status, sentence.startsWith(says)]).toEqual([Status.USAGE, true]);
  });

  test('with a module is said by --check, which starts nothing', async () => {
    const good = await run(`${WAITING}${role('bad', 'trap.wasm')}`, ['--check']);
    expect(good).toMatchObject({ status: 0, stderr: '' });
    expect(good.stdout).toMatch(/p\.toml: 2 roles, 3 instances: nothing wrong\n$/);
    const bad = await run(role('text', 'p.toml'), ['--check']);
    expect(bad.stderr).toContain('sandpoll: p.toml is not WebAssembly: it is text');
    expect(bad.status).toBe(Status.LOAD_FAILED);
  });
});

test('a pipeline whose probe is not answered is not started', async () => {
  const web = role('web', `${ROOT}examples/http/build/http.wasm`, 'listen = "127.0.0.1:0"');
  const { status, stderr } = await run(`${web}probe = "/nowhere"`, ['--ready-timeout=9s']);
  expect(stderr).toContain('sandpoll: web: the probe GET /nowhere failed: it answered with 404\n');
  expect(status).toBe(Status.LOAD_FAILED);
});

test.each(['thread', 'process'])(
  'with isolate = "%s" it says what it listens on, serves, and drains at SIGTERM',
  async (isolate) => {
    const built = `${ROOT}examples/tutorial-pipeline/build/tutorial-pipeline`;
    const inside = `isolate = "${isolate}"`;
    const pipeline = [
      role('listener', `${built}-listener.wasm`, 'listen = "127.0.0.1:0"'),
      role('io', `${built}-io.wasm`, inside),
      role('process', `${built}-process.wasm`, `${inside}\ninstances = 2`),
      '[[channel]]\nfrom = "listener"\nto = "io"',
      '[[channel]]\nfrom = "io"\nto = "process"',
    ].join('\n');
    await withPipelineFile(pipeline, [], async ({ child, said, ended }) => {
      const listening = /listening on tcp:\/\/127\.0\.0\.1:(\d+) \(listener, fd 3\)\n/;
      const [, port] = await said(listening);
      const client = connect(Number(port), '127.0.0.1');
      client.write('b=1&a=2\n');
      const [answer] = await once(client, 'data');
      expect(String(answer)).toMatch(/^[0-9a-f]{64} a=2&b=1\n$/);
      child.kill('SIGTERM');
      client.resume();
      await once(client, 'end');
      client.destroy();
      expect(await ended).toMatchObject({ status: 0, signal: null });
    });
  },
);

/** Asks on a new connection; what comes until its end. */
async function askOnce(port: number): Promise<string> {
  const client = connect(port, '127.0.0.1');
  client.end('b=1&a=2\n');
  return readAll(client);
}

test('a reload of what is kept running fails no request, and one to garbage is refused', async () => {
  const example = `${ROOT}examples/tutorial-pipeline/`;
  const good = readFileSync(`${example}pipeline.toml`, 'utf8')
    .replaceAll('build/', `${example}build/`)
    .replace(/127\.0\.0\.1:\d+/, '127.0.0.1:0');
  await withPipelineFile(
    good,
    ['--restart=permanent'],
    async ({ child, said, stderr, ended }, file) => {
      const [, port] = await said(/listening on tcp:\/\/127\.0\.0\.1:(\d+)/);
      const answers: string[] = [];
      const asking = new AbortController();
      const load = Array.from({ length: 8 }, async () => {
        while (!asking.signal.aborted) {
          answers.push(await askOnce(Number(port)));
          await pause(20);
        }
      });
      for (let version = 2; version <= 4; version++) {
        writeFileSync(file, `${good}[[channel]]\nfrom = "process"\nto = "listener"\nx = 1\n`);
        const words = String.raw`^sandpoll: not reloaded, what ran goes on: .*there is no key 'x'`;
        const refused = said(new RegExp(`(?:${words}[^]*?){${version - 1}}`, 'm'));
        child.kill('SIGHUP');
        await refused;
        const more = good.replace('"127.0.0.1:0"', '["127.0.0.1:0", "udp://127.0.0.1:0"]');
        writeFileSync(file, more.replace('instances = 2', `instances = ${version}`));
        const reloaded = said(new RegExp(`^sandpoll: reloaded: version ${version} serves$`, 'm'));
        child.kill('SIGHUP');
        await reloaded;
      }
      // What is new is told of once.
      await said(/^listening on udp:\/\/127\.0\.0\.1:\d+ \(listener, fd 4\)$/m);
      asking.abort();
      await Promise.all(load);
      expect(answers.length).toBeGreaterThan(8);
      expect(answers.filter((answer) => !/^[0-9a-f]{64} a=2&b=1\n$/.test(answer))).toEqual([]);
      child.kill('SIGTERM');
      expect(await ended).toMatchObject({ status: 0 });
      expect(stderr().match(/^listening on /gm)).toHaveLength(2);
    },
  );
});
