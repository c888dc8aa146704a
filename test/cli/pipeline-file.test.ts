/** The file of a pipeline: what it says, and what is said of it where it is wrong. */
import { parsePipeline } from '#host/cli/pipeline-file.js';
import { DEFAULT_LIMITS, parseListen, parseNetRule } from '#host/index.js';
import { describe, expect, test } from 'vitest';

import { withFiles } from '../support/files.js';
import { wat } from '../wasm/wat.js';

const MODULE = wat('(module (memory (export "memory") 1) (func (export "_start")))');

/** Parses a file beside a module `m.wasm`. */
async function parse(text: string, environment: NodeJS.ProcessEnv = {}) {
  return withFiles({ 'm.wasm': MODULE }, (folder) =>
    Promise.resolve().then(() => parsePipeline(text, `${folder}/p.toml`, environment)),
  );
}

/** What is said of a file, its folder left out. */
async function problems(text: string): Promise<string[]> {
  return parse(text).then(
    () => [],
    (error: NodeJS.ErrnoException) => {
      expect(error.code).toBe('ERR_SANDPOLL_USAGE');
      return error.message.split('\n').map((line) => line.replaceAll(/\/[^ :]*\//g, ''));
    },
  );
}

const ROLE = '[[role]]\nname = "a"\nmodule = "m.wasm"\n';

describe('a file that is right', () => {
  test('has roles with the options of run, and channels', async () => {
    const text = `
      [[role]]
      name = "front"
      module = "m.wasm"
      args = ["--verbose", "x"]
      listen = ["http=127.0.0.1:8080", "udp://127.0.0.1:53"]
      probe = "/health"
      allow-net = true
      deny-net = "10.0.0.0/8"
      allow-resolve = ["*.example.com"]
      allow-fastopen = true
      env = ["A=b=c", "HOME"]
      timeout = "2s"
      max-memory = "2MiB"
      max-fds = 1_000
      [[role]]
      name = "back"
      module = "m.wasm"
      instances = 3
      [[channel]]
      from = "front"
      to = "back"
    `;
    const { roles, channels } = await parse(text, { HOME: '/root', OTHER: 'no' });
    expect(channels).toEqual([{ from: 'front', to: 'back' }]);
    expect(roles[0]).toMatchObject({
      name: 'front',
      instances: 1,
      listen: [parseListen('http=127.0.0.1:8080'), parseListen('udp://127.0.0.1:53')],
      timeoutMs: 2000,
      probePath: '/health',
      grants: {
        dirs: [],
        args: ['m.wasm', '--verbose', 'x'],
        env: { A: 'b=c', HOME: '/root' },
        net: {
          allow: [parseNetRule('*', '--allow-net')],
          deny: [parseNetRule('10.0.0.0/8', '--deny-net')],
        },
        resolve: ['*.example.com'],
        fastOpen: true,
        limits: { ...DEFAULT_LIMITS, memoryBytes: 2 << 20, fds: 1000 },
      },
    });
    expect(Buffer.from(roles[0].bytes as Uint8Array).equals(MODULE)).toBe(true);
    expect(roles[1]).toMatchObject({
      instances: 3,
      listen: [],
      grants: { args: ['m.wasm'], env: {}, net: { allow: [], deny: [] }, limits: DEFAULT_LIMITS },
    });
  });

  test('may be written with tables in lists', async () => {
    const text = 'role = [{ name = "a", module = "m.wasm", "max-fds" = "7" }]';
    const { roles } = await parse(text);
    expect(roles[0].grants?.limits.fds).toBe(7);
  });
});

describe('a file that is wrong is refused with its line', () => {
  test.each([
    ['', 'p.toml:1: there is no role; write [[role]] with name and module'],
    ['a =', 'p.toml:1: not TOML: '],
    [`${ROLE}\n\nname = "b"`, 'p.toml:6: not TOML: Defining a key multiple times is invalid'],
    ['roles = 1', "p.toml:1: there is no key 'roles' here; write role?"],
    ['role = "a"', 'p.toml:1: role is a list of tables: write [[role]]'],
    ['[role]\nname = "a"', 'p.toml:1: role is a list of tables: write [[role]]'],
    [`${ROLE}modul = "x"`, "p.toml:4: there is no key 'modul' here; write module?"],
    [
      `${ROLE}max_memory = "1MiB"`,
      "p.toml:4: there is no key 'max_memory' here; write max-memory?",
    ],
    [`${ROLE}constructor = 1`, "p.toml:4: there is no key 'constructor' here; the keys are "],
    [`${ROLE}help = true`, "p.toml:4: there is no key 'help' here"],
    [`${ROLE}workers = 2`, 'p.toml:4: workers: a role may not have it; write instances = N'],
    [`${ROLE}stdin = "x"`, 'p.toml:4: stdin: a role may not have it; redirect those of sandpoll'],
    [`${ROLE}grace = "1s"`, 'p.toml:4: grace: a role may not have it; it is one for the whole'],
    [`${ROLE}\nmax-memory = "12"`, 'p.toml:5: --max-memory 12: the unit is missing; write it as'],
    [`${ROLE}max-memory = [1]`, 'p.toml:4: max-memory must be a text or a whole number'],
    [`${ROLE}max-fds = 1.5`, 'p.toml:4: max-fds must be a text or a whole number'],
    [`${ROLE}listen = 8080`, 'p.toml:4: listen must be a text or a list of texts'],
    [`${ROLE}listen = ["1", 2]`, 'p.toml:4: listen must be a text or a list of texts'],
    [`${ROLE}listen = true`, 'p.toml:4: listen must be a text or a list of texts'],
    [`${ROLE}allow-net = 1`, 'p.toml:4: allow-net must be a text or a list of texts, or true'],
    [`${ROLE}allow-fastopen = "no"`, 'p.toml:4: allow-fastopen must be true or false'],
    [`${ROLE}listen = "nowhere:1"`, 'p.toml:4: --listen'],
    [`${ROLE}allow-net = ["*:99999"]`, 'p.toml:4: --allow-net'],
    [`${ROLE}env = "HOME"`, 'p.toml:4: --env HOME: not set here; write --env HOME=VALUE'],
    [`${ROLE}env = "SANDPOLL_WORKER=1"`, 'p.toml:4: env SANDPOLL_WORKER: a role may not have it'],
    [`${ROLE}probe = true`, 'p.toml:4: probe must be a text, as in "/health"'],
    [`${ROLE}probe = "/x"`, 'p.toml:4: probe /x: a listens nowhere to be asked; give it a listen'],
    [`${ROLE}listen = "1"\nprobe = "x"`, "p.toml:5: probe 'x': write a path that a answers by"],
    [`${ROLE}args = "one"`, 'p.toml:4: args: a list of texts'],
    [`${ROLE}instances = "2"`, 'p.toml:4: instances must be a whole number, as in instances = 2'],
    [`${ROLE}instances = 0`, 'p.toml:4: instances = 0: must be a whole number from 1 to 256'],
    [`${ROLE}instances = 10000`, 'p.toml:4: instances = 10000: must be a whole number from 1 to'],
    [`${ROLE}${ROLE}`, 'p.toml:5: another role has the name a; give each its own'],
    ['[[role]]\nmodule = "m.wasm"', 'p.toml:1: name is missing; write name = "..."'],
    ['[[role]]\nname = "a"', 'p.toml:1: module is missing; write module = "..."'],
    ['[[role]]\nname = 1\nmodule = "m.wasm"', 'p.toml:2: name must be a text'],
    ['[[role]]\nname = "a"\nmodule = "no.wasm"', 'p.toml:3: cannot read no.wasm: there is no such'],
    [`${ROLE}[[channel]]\nfrom = "a"\nto = "b"`, "p.toml:6: there is no role 'b'; the roles are a"],
    [`${ROLE}[[channel]]\nfrom = "a"\nto = "a"`, 'p.toml:4: a channel from a to itself'],
    [`${ROLE}[[channel]]\nfrom = "a"`, 'p.toml:4: to is missing; write to = "..."'],
  ])('%j', async (text, says) => {
    const [first, ...more] = await problems(text);
    expect(first.startsWith(says), `${first} should begin with ${says}`).toBe(true);
    expect(more).toEqual([]);
  });

  test('all that is wrong is said, in the order of the lines', async () => {
    const text = `[[channel]]\nform = "a"\n${ROLE}max-fds = "many"\nquiet = true\n`;
    expect((await problems(text)).map((line) => line.slice(0, 30))).toEqual([
      'p.toml:1: from is missing; wri',
      'p.toml:1: to is missing; write',
      "p.toml:2: there is no key 'for",
      'p.toml:6: --max-fds many: not ',
      'p.toml:7: quiet: a role may no',
    ]);
  });

  test('a cycle of channels is told with its roles', async () => {
    const second = ROLE.replace('"a"', '"b"');
    const way = (from: string, to: string) => `[[channel]]\nfrom = "${from}"\nto = "${to}"\n`;
    expect(await problems(`${ROLE}${second}${way('a', 'b')}${way('b', 'a')}`)).toEqual([
      'p.toml:7: the channels make a cycle: a -> b -> a; when every channel of it is full, all ' +
        'wait for ever; leave one out: answers come back by the channel that brought the question',
    ]);
  });
});
