import { spawnSync } from 'node:child_process';
import { constants, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { afterAll, beforeAll, expect, test } from 'vitest';

import { openNativeKernel } from '#host/kernel/native.js';

import { EAGAIN, EBADF, EINVAL, EPIPE } from './sockets.js';
import { NATIVE } from './threads.js';

const [ENOENT, ENXIO, ENAMETOOLONG] = [-2, -6, -36];
const kernel = openNativeKernel();
const directory = mkdtempSync(path.join(tmpdir(), 'sandpoll-'));
const at = (name: string) => path.join(directory, name);

beforeAll(() => {
  spawnSync('mkfifo', [at('go')]);
});

afterAll(() => {
  rmSync(directory, { recursive: true });
});

/**
 * Runs a shell line in which `$RUN` is a process that runs `body`, and returns what `body` gave to
 * `report`. The fifo `$GO` holds up one side of a pipe until the other has done its part.
 */
function inShell(line: string, body: string): unknown {
  const prelude = `
    import fs from 'node:fs';
    import { openNativeKernel } from ${JSON.stringify(NATIVE)};
    const kernel = openNativeKernel();
    const memory = new Uint8Array(1 << 20);
    const flags = (fd) => /flags:.*/.exec(fs.readFileSync('/proc/self/fdinfo/' + fd, 'utf8'))[0];
    const report = (value) => fs.writeFileSync(process.env.RESULT, JSON.stringify(value));
    const go = () => fs.writeFileSync(process.env.GO, 'go\\n');
  `;
  writeFileSync(at('script.mjs'), prelude + body);
  const { status, stderr } = spawnSync('sh', ['-c', line], {
    cwd: directory,
    encoding: 'utf8',
    timeout: 20_000,
    env: {
      ...process.env,
      RUN: `${process.execPath} ${at('script.mjs')}`,
      RESULT: at('result'),
      GO: at('go'),
    },
  });
  expect([status, stderr]).toEqual([0, '']);
  const result: unknown = JSON.parse(readFileSync(at('result'), 'utf8'));
  rmSync(at('result'));
  return result;
}

test('only 0, 1 and 2 are stdio', () => {
  expect(kernel.stdio(3)).toBe(EBADF);
  expect(kernel.stdio(-1)).toBe(EBADF);
});

test('a file is opened by the host’s own path, never to be waited for; no odd path is', () => {
  const open = (file: string, flags: number) => kernel.openFile(Buffer.from(file), flags);
  expect(open('', constants.O_RDONLY)).toBe(ENOENT);
  expect(open('/dev/null\0', constants.O_RDONLY)).toBe(EINVAL);
  expect(open(`/${'x'.repeat(4095)}`, constants.O_RDONLY)).toBe(ENAMETOOLONG);
  expect(open(at('none'), constants.O_RDONLY)).toBe(ENOENT);
  // Nobody reads the FIFO; and nobody writes to it.
  expect(open(at('go'), constants.O_WRONLY)).toBe(ENXIO);
  const reader = open(at('go'), constants.O_RDONLY);
  const writer = open(at('go'), constants.O_WRONLY);
  expect(kernel.read(reader, new Uint8Array(1), 0, 1)).toBe(EAGAIN);
  for (const handle of [reader, writer]) expect(kernel.close(handle)).toBe(0);
  const file = open(at('new'), constants.O_WRONLY | constants.O_CREAT);
  expect(kernel.write(file, Buffer.from('text'), 0, 4)).toBe(4);
  expect(kernel.close(file)).toBe(0);
  expect(readFileSync(at('new'), 'utf8')).toBe('text');
  expect(statSync(at('new')).mode & 0o777).toBe(0o666 & ~process.umask());
});

test('B34 an empty pipe is EAGAIN and can be waited for; its own flags stay as they were', () => {
  const result = inShell(
    '(read go < "$GO"; echo hello) | $RUN',
    `
    const before = flags(0);
    const input = kernel.stdio(0);
    const empty = kernel.read(input, memory, 0, 64);
    go();
    const ready = kernel.poll(input, 1, 10, 0) & 1;
    report([empty, ready, kernel.read(input, memory, 0, 64), flags(0) === before]);
    `,
  );
  expect(result).toEqual([EAGAIN, 1, 6, true]);
});

test('a full pipe is EAGAIN, not a thread that hangs', () => {
  const result = inShell(
    '$RUN | (read go < "$GO"; cat > /dev/null)',
    `
    const output = kernel.stdio(1);
    let written = 0;
    let last;
    while ((last = kernel.write(output, memory, 0, memory.length)) > 0) written += last;
    report([last, written >= 4096]);
    go();
    `,
  );
  expect(result).toEqual([EAGAIN, true]);
});

test('E17 a pipe whose reader is gone is EPIPE, never a signal', () => {
  const result = inShell(
    '$RUN | true',
    `
    const output = kernel.stdio(1);
    kernel.poll(output, 0, 10, 0);
    const nothing = new Uint32Array(2);
    report([kernel.write(output, memory, 0, 1), kernel.writev(output, memory, nothing, 1)]);
    `,
  );
  expect(result).toEqual([EPIPE, 0]);
});

test('a pipe that cannot be opened again is asked before each call', () => {
  // Nobody reads the fifo any more, so opening its writing end once more would be ENXIO.
  const result = inShell(
    'exec 5<> "$GO"; (exec $RUN) > "$GO"; exec 5>&-',
    `
    const before = flags(1);
    const output = kernel.stdio(1);
    const vector = new Uint32Array([0, 0, 0, 3]);
    report([kernel.writev(output, memory, vector, 2), kernel.isatty(output), flags(1) === before]);
    `,
  );
  expect(result).toEqual([3, 0, true]);
});

test('a file keeps its offset, and a closed handle leaves the process its own descriptor', () => {
  const result = inShell(
    '$RUN > out',
    `
    memory.set(Buffer.from('one\\n'));
    fs.writeSync(1, 'zero\\n');
    const output = kernel.stdio(1);
    const written = kernel.write(output, memory, 0, 4);
    const results = [written, kernel.isatty(output), kernel.close(output)];
    fs.writeSync(1, 'two\\n');
    report([...results, kernel.fstat(output)]);
    `,
  );
  expect(result).toEqual([4, 0, 0, EBADF]);
  expect(readFileSync(at('out'), 'utf8')).toBe('zero\none\ntwo\n');
});

test('B34 a socket as stdio does not block, and keeps its flags', () => {
  const script = `
    const { spawn } = require('node:child_process');
    const [command, ...rest] = process.env.RUN.split(' ');
    const guest = spawn(command, rest, { stdio: ['pipe', 'pipe', 'inherit'] });
    guest.stdout.on('data', () => undefined);
  `;
  writeFileSync(at('parent.cjs'), script);
  const result = inShell(
    `${process.execPath} parent.cjs`,
    `
    const before = [flags(0), flags(1)].join();
    const input = kernel.stdio(0);
    const output = kernel.stdio(1);
    const vector = new Uint32Array([0, 8]);
    const results = [
      kernel.read(input, memory, 0, 8),
      kernel.readv(input, memory, vector, 1),
      kernel.write(output, memory, 0, 3),
      kernel.writev(output, memory, vector, 1),
    ];
    report([...results, [flags(0), flags(1)].join() === before]);
    process.exit();
    `,
  );
  expect(result).toEqual([EAGAIN, EAGAIN, 3, 8, true]);
});
