/** How guests begin and end: B16, B77, B81–B84, B86. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';

import { describe, expect, test } from 'vitest';

import { endingStatus } from '#host/cli/report.js';
import { DescriptorTable, descriptorTableBytes } from '#host/descriptors.js';
import { Errno } from '#host/errno.js';
import { type Outcome, NO_GRANTS, parseListen, startGuest } from '#host/index.js';
import type { Kernel } from '#host/kernel/kernel.js';
import { openNativeKernel } from '#host/kernel/native.js';
import { link } from '#host/link.js';
import { Sandbox } from '#host/sandbox.js';
import { admit } from '#host/wasm/admit.js';

import { sandpoll } from '../support/cli.js';
import { leakedSince, openDescriptors } from '../support/descriptors.js';
import { type Call, LISTENER, startDriven, withDriven } from '../support/driven.js';
import { withFiles } from '../support/files.js';
import {
  hostileRows,
  sceneOptions,
  setScene,
  validArguments,
  withScene,
  withSceneFolder,
  writeInputs,
} from '../support/scene.js';
import { ROOT } from '../support/sources.js';
import { EXIT, SAY, TRACE, runText } from '../support/text-guest.js';
import { wat } from '../wasm/wat.js';

const P1 = 'wasi_snapshot_preview1';
const RANDOM = `(import "${P1}" "random_get" (func $random (param i32 i32) (result i32)))`;

describe('B16: memories', () => {
  const fail = (at: number, length: number): string =>
    `${EXIT} ${RANDOM} (func (export "_start")
      (call $exit (call $random (i32.const ${at}) (i32.const ${length}))))`;

  test('of 0 pages: nothing fits, and nothing at all does', async () => {
    const memory = '(memory (export "memory") 0)';
    const exited = async (at: number, length: number): Promise<Outcome> =>
      (await runText(`${fail(at, length)} ${memory}`)).outcome;
    expect(await exited(0, 1)).toEqual({ kind: 'exited', code: Errno.FAULT });
    expect(await exited(0, 0)).toEqual({ kind: 'exited', code: 0 });
    expect(await exited(1, 0)).toEqual({ kind: 'exited', code: Errno.FAULT });
  });

  test('imported: as good as its own', async () => {
    const memory = '(import "env" "memory" (memory 1 2))';
    const { outcome } = await runText(`${memory} ${fail(65_528, 8)}`);
    expect(outcome).toEqual({ kind: 'exited', code: 0 });
    expect((await runText(`${memory} ${fail(65_529, 8)}`)).outcome).toEqual({
      kind: 'exited',
      code: Errno.FAULT,
    });
  });

  test('shared ones of its own work as others do', async () => {
    await withScene({ memory: '3 4 shared' }, async (driven, scene) => {
      for (const named of hostileRows('long')) {
        const { name } = named.row;
        if (['fd_close', 'fd_renumber', 'sock_shutdown'].includes(name)) continue;
        await writeInputs(driven, scene);
        const errno = await driven.call(name, ...validArguments(scene, named));
        expect([name, errno === Errno.FAULT]).toEqual([name, false]);
      }
      expect(await driven.call('memory.grow', 1)).toBe(3);
      expect(await driven.call('random_get', 4 * 65_536 - 8, 8)).toBe(0);
    });
  });

  test.each([
    ['without one', '', /exports no memory/],
    ['with one that it keeps to itself', '(memory 1)', /exports no memory/],
    ['with one of another name', '(memory (export "mem") 1)', /exports no memory/],
    ['with a function of that name', '(memory 1) (func (export "memory"))', /exports a function/],
    [
      'with a table of that name',
      '(memory 1) (table (export "memory") 1 funcref)',
      /exports a table/,
    ],
    ['with two', '(memory (export "memory") 1) (memory 1)', /memor/],
    ['with one larger than granted', '(memory (export "memory") 65536)', /memory/],
  ])('a module %s is refused in a sentence', async (_what, memory, sentence) => {
    const before = openDescriptors();
    const bytes = wat(`(module ${memory} (func (export "_start")))`);
    const starting = startGuest({ bytes, name: 'guest.wasm', grants: NO_GRANTS });
    await expect(starting).rejects.toThrow(sentence);
    expect(await leakedSince(before)).toEqual([]);
  });
});

describe('B82: proc_exit', () => {
  const memory = '(memory (export "memory") 1)';
  const CODES = [0, 1, 125, 126, 255, 256, 2 ** 31, 2 ** 32 - 1];

  test.each(CODES)('with %d, and nothing after it runs', async (code) => {
    const source = `${EXIT} ${TRACE} ${memory}
      (func (export "_start") ${SAY} (call $exit (i32.const ${code | 0})) ${SAY})`;
    const { outcome, reports } = await runText(source);
    expect(outcome).toEqual({ kind: 'exited', code });
    expect(reports).toHaveLength(1);
  });

  test('in a start function, and deep in calls', async () => {
    const start = `${EXIT} ${TRACE} ${memory} (func $main (call $exit (i32.const 7)))
      (start $main) (func (export "_start") ${SAY})`;
    expect(await runText(start)).toEqual({ outcome: { kind: 'exited', code: 7 }, reports: [] });
    const deep = `${EXIT} ${memory} (func $deeper (param i32)
        (if (i32.eqz (local.get 0)) (then (call $exit (i32.const 9))))
        (call $deeper (i32.sub (local.get 0) (i32.const 1))))
      (func (export "_start") (call $deeper (i32.const 1000)))`;
    expect((await runText(deep)).outcome).toEqual({ kind: 'exited', code: 9 });
  });

  test('cannot be caught', async () => {
    const source = `${EXIT} ${TRACE} ${memory} (func (export "_start")
      (loop $again
        (try (do (call $exit (i32.const 5))) (catch_all ${SAY}))
        (br $again)))`;
    expect(await runText(source)).toEqual({ outcome: { kind: 'exited', code: 5 }, reports: [] });
  });

  // What the process of a command ends with: test/cli/run.test.ts.
  test('as the command’s status: 8 bits that do not look like success', async () => {
    const endings = CODES.map((code) => ({ name: '', outcome: { kind: 'exited', code } as const }));
    const statuses = await Promise.all(endings.map(async (each) => endingStatus(each, '', {})));
    expect(statuses).toEqual([0, 1, 125, 126, 255, 255, 255, 255]);
  });
});

describe('B77: recursion through an import', () => {
  const memory = '(memory (export "memory") 1)';
  const yielding = `(import "${P1}" "sched_yield" (func $yield (result i32)))`;
  const deeper = `(func $deeper (param i32)
    (drop (call $yield)) (call $deeper (i32.add (local.get 0) (i32.const 1))))`;

  test('is a trap', async () => {
    const start = '(func (export "_start") (call $deeper (i32.const 0)))';
    const { outcome } = await runText(`${yielding} ${memory} ${deeper} ${start}`);
    expect(outcome).toMatchObject({ kind: 'trapped', message: /call stack/ });
  });

  test('cannot be caught: what overflows in an import ends the guest', async () => {
    const source = `${yielding} ${TRACE} ${EXIT} ${memory} ${deeper}
      (func (export "_start")
        (try (do (call $deeper (i32.const 0))) (catch_all))
        (call $exit (i32.const 3)))`;
    const { outcome } = await runText(source);
    expect(outcome).toMatchObject({ kind: 'trapped', message: /call stack/ });
  });
});

describe('B81: the boundary', () => {
  const kernel = openNativeKernel();

  function sandboxWith(end: (outcome: Outcome) => never, using: Kernel = kernel): Sandbox {
    const table = new SharedArrayBuffer(descriptorTableBytes(8));
    const descriptors = new DescriptorTable(table, 8);
    return new Sandbox({ kernel: using, descriptors, grants: NO_GRANTS, end, report: () => {} });
  }

  const unexpected = (outcome: Outcome): never => {
    throw new Error(JSON.stringify(outcome));
  };

  test('the import object has no prototype and is frozen, in both its floors', () => {
    const { info } = admit(wat(`(module ${EXIT} ${TRACE} (memory (export "memory") 1))`));
    const imports = link(info, sandboxWith(unexpected), undefined);
    for (const each of [imports, imports[P1], imports['env']]) {
      expect(Object.getPrototypeOf(each)).toBe(null);
      expect(Object.isFrozen(each)).toBe(true);
    }
  });

  test.each([
    [P1, 'constructor'],
    [P1, '__proto__'],
    [P1, 'toString'],
    ['__proto__', 'toString'],
    ['constructor', 'name'],
    ['toString', 'call'],
    ['', ''],
  ])('an import of "%s"."%s" is missing, as any other', async (module, name) => {
    const source = `(import "${module}" "${name}" (func)) (memory (export "memory") 1)
      (func (export "_start"))`;
    await expect(runText(source)).rejects.toMatchObject({ code: 'ERR_SANDPOLL_LINK' });
  });

  describe('what an import body throws ends the guest', () => {
    const broken = new RangeError('broken');
    const breaking = {
      ...kernel,
      getrandom: (): number => {
        throw broken;
      },
    };

    /** Runs a module whose `random_get` breaks: what comes out of it, and how it was ended. */
    function run(body: string): { readonly thrown: unknown; readonly ended: readonly Outcome[] } {
      const admitted = admit(
        wat(`(module ${RANDOM} (memory (export "memory") 1)
        (func $fail (drop (call $random (i32.const 0) (i32.const 8))))
        (func (export "_start") ${body}))`),
      );
      const ended: Outcome[] = [];
      const sandbox = sandboxWith((outcome) => {
        ended.push(outcome);
        throw new Error('ended');
      }, breaking);
      const module = new WebAssembly.Module(Uint8Array.from(admitted.bytes));
      const instance = new WebAssembly.Instance(module, link(admitted.info, sandbox, undefined));
      sandbox.attachMemory(instance.exports['memory'] as WebAssembly.Memory);
      try {
        (instance.exports['_start'] as () => void)();
        return { thrown: undefined, ended };
      } catch (thrown) {
        return { thrown, ended };
      }
    }

    test('by unwinding one that catches nothing', () => {
      expect(run('(call $fail)')).toEqual({ thrown: broken, ended: [] });
    });

    test('before one that catches everything can', () => {
      const { ended } = run('(try (do (call $fail)) (catch_all))');
      expect(ended).toMatchObject([{ kind: 'trapped', message: 'broken' }]);
    });
  });

  test('env.abort and env.trace with pointers to nowhere', async () => {
    const trapped = { kind: 'trapped', message: 'abort in unknown file(4294967295:0)' } as const;
    const body = async (local: Awaited<ReturnType<typeof startDriven>>): Promise<void> => {
      const { driven, reports } = local;
      const wrong = [0, 1, 3, 2 ** 31, 3 * 65_536 + 1, 3 * 65_536 + 4, 2 ** 32 - 1];
      await driven.calls(wrong.map((message) => ['trace', message, 0]));
      await driven.calls([
        ['trace', 0, -1],
        ['trace', 0, 2 ** 31],
        ['trace', 0, 7],
      ]);
      expect(reports.slice(0, wrong.length)).toEqual(wrong.map(() => 'trace: '));
      await expect(driven.call('abort', 3, -1, -1, 0)).rejects.toThrow(
        'the guest has ended in a call',
      );
    };
    await withDriven({}, (_driven, local) => body(local), trapped);
  });
});

test('B98: what a guest says reaches a terminal as text, on one line', async () => {
  // An AssemblyScript string: its size in bytes, then UTF-16.
  const message = '\u001b[2J\r\nsandpoll: all is well\u0007\u009b1m\u2028';
  const utf16 = [...Buffer.from(message, 'utf16le')];
  const data = [2 * message.length, 0, 0, 0, ...utf16]
    .map((byte) => `\\${byte.toString(16).padStart(2, '0')}`)
    .join('');
  const bytes = wat(`(module ${TRACE}
    (import "env" "abort" (func $abort (param i32 i32 i32 i32)))
    (memory (export "memory") 1) (data (i32.const 16) "${data}")
    (func (export "_start")
      ${SAY.replace('(i32.const 0)', '(i32.const 20)')}
      (call $abort (i32.const 20) (i32.const 20) (i32.const 1) (i32.const 1))))`);
  await withFiles({ 'rude.wasm': bytes }, async (folder) => {
    const { status, stderr } = await sandpoll([`${folder}/rude.wasm`]);
    expect(status).toBe(134);
    expect(stderr).toContain('all is well');
    expect(stderr).not.toMatch(/[^\n\P{Cc}]|\u2028/u);
    expect(stderr.split('\n').filter((line) => line.startsWith('sandpoll: all'))).toEqual([]);
  });
});

describe('B83: a trap while holding sockets', () => {
  test('closes all of them: peers see the end, the listener refuses', async () => {
    const trapped = { kind: 'trapped', message: 'unreachable' } as const;
    await withDriven(
      {},
      async (driven) => {
        const read = await driven.accept();
        const unread = await driven.accept();
        unread.peer.write('nobody reads this');
        const queued = await driven.dial();
        const { port } = driven.host;
        // Every peer sees an end: FIN, or RST where bytes were left unread or nobody had accepted.
        const peers = [read.peer, unread.peer, queued];
        for (const peer of peers) peer.resume();
        const closed = Promise.all(
          peers.map(
            (peer) =>
              new Promise((resolve) => {
                peer.once('close', resolve);
              }),
          ),
        );
        await expect(driven.call('unreachable')).rejects.toThrow('the guest has ended in a call');
        await closed;
        const late = connect(port, '127.0.0.1');
        const [error] = (await once(late, 'error')) as [NodeJS.ErrnoException];
        expect(error.code).toBe('ECONNREFUSED');
      },
      trapped,
    );
  });
});

describe('B84: killed in the middle of each import', () => {
  const rows = hostileRows('long').map((named) => ({ name: named.row.name, named }));

  test.each(rows)('$name', ({ named }) =>
    withSceneFolder(async (folder) => {
      const before = openDescriptors();
      const { driven, guest, reported } = await startDriven(sceneOptions(folder));
      const scene = await setScene(driven);
      await writeInputs(driven, scene);
      const heard = reported();
      const { name } = named.row;
      const call: Call = ['repeat', driven.operation(name), ...validArguments(scene, named)];
      void driven.calls([['trace', 0, 0], call]).catch(() => {});
      await heard;
      const outcome = await guest.stop();
      await driven.end();
      expect(outcome).toEqual({ kind: 'killed', reason: 'stopped' });
      expect(await leakedSince(before)).toEqual([]);
    }),
  );
});

test('an invalid module and a port in use at once are one error, and no unhandled one', async () => {
  const invalid = wat(`(module (memory (export "memory") 1) (func (export "_start")
    (drop (i32.add (i64.const 1) (i64.const 1)))))`);
  await withDriven({}, async (driven) => {
    const unhandled: unknown[] = [];
    const on = (reason: unknown): void => {
      unhandled.push(reason);
    };
    process.on('unhandledRejection', on);
    const listen = [parseListen(`127.0.0.1:${driven.host.port}`)];
    const options = { bytes: invalid, name: 'invalid.wasm', grants: NO_GRANTS };
    await expect(startGuest({ ...options, listen })).rejects.toMatchObject({ code: 'EADDRINUSE' });
    // Compiling takes its time: by when the same has failed again, the first has too.
    await expect(startGuest(options)).rejects.toMatchObject({ code: 'ERR_SANDPOLL_MALFORMED' });
    process.off('unhandledRejection', on);
    expect(unhandled).toEqual([]);
  });
});

describe('B86: a program of its own that embeds a guest', () => {
  const BLOCKED = wat(`(module ${TRACE}
    (import "${P1}" "sock_accept" (func $accept (param i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (func (export "_start") ${SAY}
      (drop (call $accept (i32.const ${LISTENER}) (i32.const 0) (i32.const 0)))))`);

  /** A program that starts a guest, and does `then` once the guest is in its wait. */
  function program(file: string, then: string): string {
    return `import { readFileSync, readdirSync } from 'node:fs';
      import { NO_GRANTS, parseListen, startGuest } from '${ROOT}dist/index.js';
      const waiting = (task) =>
        task === String(process.pid) ||
        readFileSync('/proc/self/task/' + task + '/stat', 'latin1').includes(') S ');
      const act = () => {
        if (readdirSync('/proc/self/task').every(waiting)) { ${then} } else setImmediate(act);
      };
      const guest = await startGuest({
        bytes: readFileSync('${file}'), name: 'blocked.wasm', grants: NO_GRANTS,
        listen: [parseListen('127.0.0.1:0')], onReport: act,
      });
      await guest.ended;`;
  }

  test.each([
    ['process.exit(7)', 'process.exit(7)', 7, null],
    ['an exception', 'throw new Error("on purpose")', 1, null],
    ['SIGTERM', 'process.kill(process.pid, "SIGTERM")', null, 'SIGTERM'],
    ['SIGKILL', 'process.kill(process.pid, "SIGKILL")', null, 'SIGKILL'],
    ['stop()', 'process.exitCode = 5; void guest.stop();', 5, null],
  ])('ends with %s', async (_name, then, status, signal) => {
    await withFiles({ 'blocked.wasm': BLOCKED }, async (folder) => {
      const source = program(`${folder}/blocked.wasm`, then);
      const child = spawn(process.execPath, ['--input-type=module', '-e', source], {
        stdio: ['ignore', 'ignore', 'ignore'],
        timeout: 10_000,
        killSignal: 'SIGABRT',
      });
      expect(await once(child, 'exit')).toEqual([status, signal]);
    });
  });
});
