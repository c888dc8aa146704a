/**
 * What a guest's process may still do, tried by a C program that confines itself with the same
 * data: SECURITY.md, pitfalls part 4.
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { text } from 'node:stream/consumers';

import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { LinuxErrno } from '#host/errno.js';
import { NO_GRANTS, parseNetRule } from '#host/index.js';
import { assembleFilter } from '#host/isolate/filter.js';
import { type Needs, REFUSED, filterRules, needsOf } from '#host/isolate/policy.js';
import { setupOf } from '#host/isolate/setup-of.js';
import { SYSCALLS, architectureOf } from '#host/isolate/syscalls.js';
import { openNativeKernel } from '#host/kernel/native.js';

import { compileC } from '../support/c-program.js';
import { withFiles } from '../support/files.js';
import { ROOT } from '../support/sources.js';

const PROGRAM = `${ROOT}native/build/test/confined`;
const HOST_CODE = `${ROOT}dist/index.js`;

const NOTHING = needsOf(NO_GRANTS, false);

const kernel = openNativeKernel();
const VERSION = kernel.landlockCreateRuleset(new Uint8Array(0), 1);
const architecture = architectureOf(process.arch);

/** Somebody who listens, but is no business of a guest's. */
const server = createServer((socket) => socket.destroy());
let port = 0;

beforeAll(async () => {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  ({ port } = server.address() as AddressInfo);
  mkdirSync(`${ROOT}native/build/test`, { recursive: true });
  compileC(['test/hostile/confined.c', '-pthread'], PROGRAM);
});

afterAll(() => {
  server.close();
});

function hex(bytes: Uint8Array | readonly number[]): string {
  return Buffer.from(bytes).toString('hex');
}

interface Layers {
  readonly landlock: boolean;
  readonly seccomp: boolean;
}

const BOTH: Layers = { landlock: true, seccomp: true };
const LANDLOCK: Layers = { landlock: true, seccomp: false };

/** What each attempt came to: an errno, 0 where it was let through. */
async function attempts(
  needs: Needs,
  layers: Layers = BOTH,
  directory = 'none',
): Promise<Readonly<Record<string, number>>> {
  const { landlock } = setupOf(kernel, new Uint8Array(0), needs, NO_GRANTS.limits);
  if (architecture === undefined) throw new Error(`no filter for ${process.arch}`);
  const ports = (landlock?.ports ?? []).map(([each, access]) => [`:${each}`, access] as const);
  const rules = layers.landlock ? [...(landlock?.paths ?? []), ...ports].flat().map(String) : [];
  const child = spawn(PROGRAM, [HOST_CODE, directory, String(port), ...rules], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const ended = once(child, 'close');
  const filter = assembleFilter(filterRules(needs, child.pid ?? 0), architecture, REFUSED);
  const ruleset = layers.landlock && landlock !== undefined ? hex(landlock.attributes) : '-';
  child.stdin.end(`${ruleset}\n${layers.seccomp ? hex(filter) : '-'}\n`);
  const lines = (await text(child.stdout)).trim().split('\n');
  expect(await ended).toEqual([0, null]);
  return Object.fromEntries(
    lines.map((line) => [line.replace(/ \d+$/, ''), Number(/\d+$/.exec(line)?.[0])]),
  );
}

const { PERM, ACCES, NOSYS, XDEV, BADF, ADDRINUSE } = LinuxErrno;

const NEVER: Readonly<Record<string, number>> = {
  fork: PERM,
  clone3: NOSYS,
  execve: PERM,
  execveat: PERM,
  ptrace: PERM,
  process_vm_readv: PERM,
  process_vm_writev: PERM,
  'kill of another': PERM,
  'tgkill of another': PERM,
  pidfd_open: PERM,
  pidfd_getfd: PERM,
  setuid: PERM,
  prctl: PERM,
  'prlimit64 to set': PERM,
  mount: PERM,
  umount2: PERM,
  pivot_root: PERM,
  chroot: PERM,
  unshare: PERM,
  setns: PERM,
  kexec_load: PERM,
  init_module: PERM,
  finit_module: PERM,
  delete_module: PERM,
  keyctl: PERM,
  add_key: PERM,
  bpf: PERM,
  perf_event_open: PERM,
  userfaultfd: PERM,
  io_uring_setup: PERM,
  open_by_handle_at: PERM,
  memfd_create: PERM,
  personality: PERM,
  reboot: PERM,
  clock_settime: PERM,
  syslog: PERM,
  seccomp: PERM,
  sched_setaffinity: PERM,
  mkdirat: PERM,
  unlinkat: PERM,
  renameat2: PERM,
  fchmodat: PERM,
  truncate: PERM,
  'ioctl TIOCSTI': PERM,
  'fcntl F_SETOWN': PERM,
  'socket MPTCP': ACCES,
  'socket raw': ACCES,
  'socket packet': ACCES,
  'socket vsock': ACCES,
  'setsockopt SO_ATTACH_BPF': PERM,
  'setsockopt of netfilter': PERM,
};

/** What is done in a directory, and only in one that may be changed. */
const READS = ['openat2 to read', 'pread', 'preadv', 'getdents64 of it', 'fsync'];
const CHANGES = [
  'openat2 to create',
  'pwrite',
  'pwritev',
  'ftruncate',
  'fallocate',
  'utimensat',
  'mkdirat in it',
  'renameat in it',
  'linkat in it',
  'symlinkat in it',
  'unlinkat in it',
];
/** What no directory permits. */
const ESCAPES = [
  'openat2 of /etc/passwd',
  'openat2 out of it',
  'openat2 to create out of it',
  'mkdirat out of it',
  'unlinkat out of it',
  'linkat into it',
  'renameat out of it',
];

const answer = (names: readonly string[], errno: number): Readonly<Record<string, number>> =>
  Object.fromEntries(names.map((name) => [name, errno]));

const ALWAYS: Readonly<Record<string, number>> = {
  'kill of oneself': 0,
  'prlimit64 to ask': 0,
  pipe2: 0,
  'ioctl FIONREAD': 0,
  socketpair: 0,
  'setsockopt SO_KEEPALIVE': 0,
  pthread_create: 0,
};

describe.skipIf(architecture === undefined)('a process confined as for a guest', () => {
  test('B38 without grants can make no socket, and open no file', async () => {
    expect(await attempts(NOTHING)).toEqual({
      ...NEVER,
      ...ALWAYS,
      ...answer([...READS, ...CHANGES, ...ESCAPES], PERM),
      'openat in it': ACCES,
      'open of /etc/passwd': ACCES,
      'open of host code': ACCES,
      'open to write': ACCES,
      'open of a terminal': ACCES,
      'getdents64 of /': PERM,
      'socket TCP': ACCES,
      'socket UDP': ACCES,
      'socket unix': ACCES,
      'socket netlink': ACCES,
      connect: ACCES,
      'bind TCP': ACCES,
      'bind TCP to the port': ACCES,
      'connect TCP to the port': ACCES,
      'Fast Open to the port': BADF,
      'listen without bind': ACCES,
      'connect UDP to the port': ACCES,
    });
  });

  test('B39 with --allow-net has TCP and UDP, and no other protocol', async () => {
    const net = { allow: [parseNetRule('*', '--allow-net')], deny: [] };
    expect(await attempts(needsOf({ ...NO_GRANTS, net }, false))).toMatchObject({
      ...NEVER,
      'open of host code': ACCES,
      'socket TCP': 0,
      'socket UDP': 0,
      'socket unix': ACCES,
      'socket netlink': ACCES,
      'bind TCP': 0,
      'bind TCP to the port': ADDRINUSE,
      'connect TCP to the port': 0,
    });
  });

  /** What becomes of TCP with these rules, whatever the host in the process would say. */
  const withRules = async (rules: readonly string[], resolve: readonly string[] = []) => {
    const allow = rules.map((rule) => parseNetRule(rule, '--allow-net'));
    return attempts(needsOf({ ...NO_GRANTS, net: { allow, deny: [] }, resolve }, false));
  };

  test('B38 with --allow-net of ports has TCP on those ports, each way as granted', async (context) => {
    context.skip(VERSION < 4, `Landlock ABI ${VERSION} knows no ports`);
    const other = port === 1 ? 2 : 1;
    const [bound, connected, free] = [
      'bind TCP to the port',
      'connect TCP to the port',
      'bind TCP',
    ] as const;
    expect(await withRules([`10.0.0.1:${other}`])).toMatchObject({
      'socket TCP': 0,
      [bound]: ACCES,
      [connected]: ACCES,
      // Refused by the filter: Landlock does not see it.
      'Fast Open to the port': ACCES,
      [free]: ACCES,
      // Not seen by it: the kernel picks this port, and a datagram has none of TCP's.
      'listen without bind': 0,
      'connect UDP to the port': 0,
    });
    // The address is not: who is past the host can connect to that port of anybody.
    expect(await withRules([`tcp:10.0.0.1:${port}/out`])).toMatchObject({
      [bound]: ACCES,
      [connected]: 0,
      [free]: ACCES,
    });
    expect(await withRules([`*:${port - 1}-${port}/in`, '*:0/in'])).toMatchObject({
      [bound]: ADDRINUSE,
      [connected]: ACCES,
      [free]: 0,
    });
    const others = [[`udp:*:${port}`, 'unix:/x'], []];
    for (const rules of others) {
      // The resolver of libc may ask by TCP: there is such a socket.
      const needed = await withRules(rules, ['*']);
      expect(needed).toMatchObject({ 'socket TCP': 0, [bound]: ACCES, [connected]: ACCES });
    }
  });

  test('more ports than Landlock is told of leave that way open', async () => {
    const { bindPorts, connectPorts } = needsOf(
      {
        ...NO_GRANTS,
        net: {
          allow: ['*:1-1024/in', '*:1-1025/out'].map((rule) => parseNetRule(rule, '--allow-net')),
          deny: [],
        },
      },
      false,
    );
    expect([bindPorts.length, connectPorts]).toEqual([1024, 'any']);
    expect(await withRules(['*:1024-65535/out'])).toMatchObject({
      'bind TCP to the port': VERSION < 4 ? ADDRINUSE : ACCES,
      'connect TCP to the port': 0,
    });
  });

  test('with threads that start later reads the code of the host, and nothing else', async () => {
    expect(await attempts({ ...NOTHING, threads: true })).toMatchObject({
      ...NEVER,
      ...(VERSION > 0 ? { 'open of /etc/passwd': ACCES } : {}),
      'open of host code': 0,
      'open to write': PERM,
      'socket TCP': ACCES,
    });
  });

  test('with names to look up has what the resolver of libc needs', async () => {
    expect(await attempts({ ...NOTHING, resolve: true })).toMatchObject({
      ...NEVER,
      'open to write': PERM,
      'socket UDP': 0,
      'socket netlink': 0,
      'connect UDP to the port': 0,
    });
  });

  /** What a process comes to that has `box` of a folder; beside it lies what it has not. */
  const inBox = (readOnly: boolean, layers: Layers) =>
    withFiles({ 'box/file': 'data', 'outside/file': 'secret' }, async (folder) => {
      const host = `${folder}/box`;
      const grants = { ...NO_GRANTS, dirs: [{ host, guest: '/box', readOnly }] };
      const result = await attempts(needsOf(grants, false), layers, host);
      expect(readdirSync(`${folder}/outside`)).toEqual(['file']);
      if (readOnly) expect(readdirSync(host)).toEqual(['file']);
      return result;
    });
  const out = { ...answer(ESCAPES, ACCES), 'linkat into it': XDEV };

  test('B45 with a directory does what is wanted in it, and nothing elsewhere', async (context) => {
    context.skip(VERSION < 3, `Landlock ABI ${VERSION} does not know all rights to files`);
    const inside = answer([...READS, ...CHANGES], 0);
    const others = { 'open of host code': ACCES, 'open to write': ACCES, 'openat in it': ACCES };
    const { mkdirat: _, unlinkat: __, ...never } = NEVER;
    expect(await inBox(false, BOTH)).toMatchObject({ ...never, ...others, ...inside, ...out });
    // Landlock alone holds it in there: the flags of openat2 are out of the filter's sight.
    expect(await inBox(false, LANDLOCK)).toMatchObject({ ...inside, ...out });
  });

  test('B35 with a directory that is read-only reads in it, and changes nothing', async (context) => {
    context.skip(VERSION < 1, 'this kernel has no Landlock');
    const reads = answer(READS, 0);
    const unchanged = { ...answer(CHANGES, PERM), 'openat2 to create': ACCES };
    expect(await inBox(true, BOTH)).toMatchObject({ ...NEVER, ...reads, ...unchanged });
    const held = answer(['openat2 to create', 'symlinkat in it', 'mkdirat in it'], ACCES);
    expect(await inBox(true, LANDLOCK)).toMatchObject({ ...reads, ...held });
  });

  test('with Landlock alone opens nothing, binds nothing and signals nobody', async (context) => {
    context.skip(VERSION < 6, `Landlock ABI ${VERSION} knows no scopes`);
    expect(await attempts(NOTHING, LANDLOCK)).toMatchObject({
      'open of /etc/passwd': ACCES,
      'open of host code': 0,
      'open to write': ACCES,
      'open of a terminal': ACCES,
      'kill of another': PERM,
      'bind TCP': ACCES,
      pthread_create: 0,
    });
  });
});

/** The numbers of an `unistd.h`, as the preprocessor has them; undefined without that header. */
function headerNumbers(include: string): Record<string, number> | undefined {
  const options = ['-E', '-dM', '-x', 'c', '-'];
  const { status, stdout } = spawnSync('cc', options, { input: include, encoding: 'utf8' });
  if (status !== 0) return undefined;
  const rows = [...stdout.matchAll(/^#define __NR(?:3264)?_(\w+) (\d+)$/gm)];
  return Object.fromEntries(rows.map(([, name, number]) => [name, Number(number)]));
}

test.skipIf(process.arch !== 'x64')('the numbers of calls are those of this machine', () => {
  const numbers = headerNumbers('#include <asm/unistd.h>\n') ?? {};
  const ours = Object.entries(SYSCALLS).map(([name, [x64]]) => [name, x64]);
  expect(ours).toEqual(ours.map(([name = '']) => [name, numbers[name] ?? -1]));
});

test('the numbers of arm64 are those of the generic table', (context) => {
  // `uapi/asm/unistd.h` of arm64: the generic table, with these chosen.
  const chosen = ['NEW_STAT', 'RENAMEAT', 'SET_GET_RLIMIT', 'SYS_CLONE3'].map(
    (each) => `#define __ARCH_WANT_${each}\n`,
  );
  const numbers = headerNumbers(`${chosen.join('')}#include <asm-generic/unistd.h>\n`);
  context.skip(numbers === undefined, 'no such header here');
  // The table has these under the names of 64-bit machines.
  const named: Readonly<Record<string, string>> = { newfstatat: 'fstatat' };
  const ours = Object.entries(SYSCALLS).map(([name, [, arm64]]) => [name, arm64]);
  expect(ours).toEqual(ours.map(([name = '']) => [name, numbers?.[named[name] ?? name] ?? -1]));
});

test('a filter has one rule at most for a call whatever its arguments', () => {
  const rules = filterRules(NOTHING, 1).filter(({ tests = [] }) => tests.length === 0);
  const names = rules.map(({ call }) => call);
  expect(names).toEqual([...new Set(names)]);
});
