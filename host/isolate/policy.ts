/** What a guest's process may still do once it is confined, as data: from the guest's grants. */
import type { DirGrant, Grants } from '../grants.js';
import type { FilterRule } from './filter.js';
import { type LandlockNeeds, portsOf } from './landlock.js';
import type { SyscallName } from './syscalls.js';

/** What decides the policy: what the guest was granted, and what its host will do for it. */
export interface Needs extends LandlockNeeds {
  /** Sockets of IPv4 and IPv6 that the guest makes itself. */
  readonly inet: boolean;
  /** Unix sockets that it makes itself, other than pairs. */
  readonly unix: boolean;
  /** Names: the resolver of libc reads files and makes sockets. */
  readonly resolve: boolean;
  /** Threads that start later read their code then. */
  readonly threads: boolean;
  /** Directories, which are opened before and passed to it. */
  readonly dirs: readonly Pick<DirGrant, 'host' | 'readOnly'>[];
  /** Whether a file is among the standard streams: one that is written, or else one to read. */
  readonly files: 'none' | 'read' | 'write';
}

const EPERM = 1;
const EACCES = 13;
const ENOSYS = 38;

/** Calls that are made whatever the arguments. */
const ALWAYS: readonly SyscallName[] = [
  ...(['read', 'write', 'readv', 'writev', 'close', 'fstat', 'lseek', 'dup', 'poll'] as const),
  ...(['ppoll', 'pipe2', 'eventfd2', 'epoll_create1', 'epoll_ctl', 'epoll_wait'] as const),
  ...(['epoll_pwait', 'epoll_pwait2', 'timerfd_create', 'timerfd_settime'] as const),
  ...(['timerfd_gettime', 'socketpair', 'accept4', 'sendto', 'recvfrom', 'sendmsg'] as const),
  ...(['recvmsg', 'sendmmsg', 'recvmmsg', 'shutdown', 'getsockname', 'getpeername'] as const),
  ...(['getsockopt', 'mmap', 'mprotect', 'pkey_mprotect', 'munmap', 'brk'] as const),
  ...(['mremap', 'madvise', 'sched_yield', 'exit', 'exit_group', 'gettid'] as const),
  ...(['futex', 'sched_getaffinity'] as const),
  ...(['sched_getparam', 'sched_getscheduler', 'set_robust_list', 'membarrier', 'rseq'] as const),
  ...(['getcpu', 'rt_sigaction', 'rt_sigprocmask', 'rt_sigreturn', 'sigaltstack'] as const),
  ...(['restart_syscall', 'timer_create', 'timer_settime', 'timer_gettime'] as const),
  ...(['timer_getoverrun', 'timer_delete', 'nanosleep', 'gettimeofday', 'time'] as const),
  ...(['clock_gettime', 'clock_getres', 'clock_nanosleep', 'getrandom', 'getpid'] as const),
  ...(['getppid', 'getuid', 'geteuid', 'getgid', 'getegid', 'uname', 'getrlimit'] as const),
  ...(['getrusage', 'sysinfo', 'times'] as const),
];

/**
 * Calls that look at files but do not read them. They cannot be refused: libc's own fstat(2) is
 * one of them, and which file it is about is out of a filter's sight.
 */
const METADATA: readonly SyscallName[] = [
  ...(['stat', 'lstat', 'newfstatat', 'statx', 'access', 'faccessat', 'faccessat2'] as const),
  ...(['readlink', 'readlinkat', 'getcwd'] as const),
];

/** What `openat(2)` must not be asked for by one that only reads: O_ACCMODE, O_CREAT, O_TRUNC. */
const WRITING_FLAGS = 0o3 | 0o100 | 0o1000;

const READING: readonly FilterRule[] = [
  { call: 'openat', tests: [{ argument: 2, mask: WRITING_FLAGS, equals: 0 }] },
  { call: 'open', tests: [{ argument: 1, mask: WRITING_FLAGS, equals: 0 }] },
];

/** What a process that reads files does with them. */
const READ_CALLS: readonly SyscallName[] = ['pread64', 'getdents64'];

/** What is done with files that are open, and with such as may be changed; all by the port. */
const FILE_CALLS: readonly SyscallName[] = [
  ...(['pread64', 'preadv', 'fadvise64', 'fsync', 'fdatasync'] as const),
];
const FILE_CHANGES: readonly SyscallName[] = [
  ...(['pwrite64', 'pwritev', 'ftruncate', 'fallocate', 'utimensat'] as const),
];

/** And in directories: `openat2(2)` to look a path up, whose flags are out of sight. */
const DIRECTORY_CALLS: readonly SyscallName[] = ['openat2', 'getdents64'];
const DIRECTORY_CHANGES: readonly SyscallName[] = [
  ...(['mkdirat', 'unlinkat', 'renameat', 'linkat', 'symlinkat'] as const),
];

/** FIONREAD, FIONBIO, FIOCLEX, TCGETS, TIOCGWINSZ. */
const IOCTLS = [0x541b, 0x5421, 0x5451, 0x5401, 0x5413];
/** F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_DUPFD_CLOEXEC. */
const FCNTLS = [1, 2, 3, 4, 1030];
/** PR_SET_NAME, and the names that V8 gives to its memory. */
const PRCTLS = [15, 0x5356_4d41];

const CLONE_THREAD = 0x1_0000;

const AF_UNIX = 1;
const AF_INET = 2;
const AF_INET6 = 10;
const AF_NETLINK = 16;
/** The bits of a socket's type, without SOCK_NONBLOCK and SOCK_CLOEXEC. */
const TYPE_MASK = 0xf;
const SOCK_RAW = 3;
const STREAM_AND_DATAGRAM = [1, 2];
/** The default one, TCP, UDP: neither MPTCP nor what is raw (B39). */
const PROTOCOLS = [0, 6, 17];

const SOL_SOCKET = 1;
const MSG_FASTOPEN = 0x2000_0000;
/** Calls that send, and which argument is their flags. */
const SENDS = [
  ['sendto', 3],
  ['sendmsg', 2],
  ['sendmmsg', 3],
] as const satisfies readonly (readonly [SyscallName, number])[];

/** SO_ATTACH_FILTER, SO_DETACH_FILTER, SO_LOCK_FILTER, and the BPF and REUSEPORT ones. */
const FILTER_OPTIONS = [26, 27, 44, 50, 51, 52];
/** IP, TCP, UDP, IPv6; their options from 64 on are netfilter's. */
const LEVELS = [0, 6, 17, 41];
const OPTION_MASK = 0xffff_ffc0;

/** Rules that allow a call when one argument is one of some values. */
function whenOneOf(call: SyscallName, argument: number, values: readonly number[]): FilterRule[] {
  return values.map((equals) => ({ call, tests: [{ argument, equals }] }));
}

function socketRules({ inet, unix, resolve }: Needs): FilterRule[] {
  const domains = [
    ...(inet || resolve ? [AF_INET, AF_INET6] : []),
    ...(unix || resolve ? [AF_UNIX] : []),
  ];
  const rules: FilterRule[] = domains.flatMap((domain) =>
    [...STREAM_AND_DATAGRAM, ...(domain === AF_UNIX ? [5] : [])].flatMap((type) =>
      PROTOCOLS.map((protocol): FilterRule => {
        const tests = [
          { argument: 0, equals: domain },
          { argument: 1, mask: TYPE_MASK, equals: type },
          { argument: 2, equals: protocol },
        ];
        return { call: 'socket', tests };
      }),
    ),
  );
  if (resolve) {
    const tests = [
      { argument: 0, equals: AF_NETLINK },
      { argument: 1, mask: TYPE_MASK, equals: SOCK_RAW },
      { argument: 2, equals: 0 },
    ];
    rules.push({ call: 'socket', tests });
  }
  const some = domains.length > 0;
  const naming = ['connect', 'bind', 'listen'] as const;
  return [
    ...rules,
    { call: 'socket', errno: EACCES },
    ...naming.map((call): FilterRule => (some ? { call } : { call, errno: EACCES })),
  ];
}

function optionRules(): FilterRule[] {
  const refused = FILTER_OPTIONS.map((option): FilterRule => {
    const tests = [
      { argument: 1, equals: SOL_SOCKET },
      { argument: 2, equals: option },
    ];
    return { call: 'setsockopt', tests, errno: EPERM };
  });
  const levels = LEVELS.map((level): FilterRule => {
    const tests = [
      { argument: 1, equals: level },
      { argument: 2, mask: OPTION_MASK, equals: 0 },
    ];
    return { call: 'setsockopt', tests };
  });
  return [...refused, ...whenOneOf('setsockopt', 1, [SOL_SOCKET]), ...levels];
}

/**
 * A connection can also be made by a message that opens it, and there Linux asks no Landlock (6.18
 * does not). First, so that a message costs few instructions more; where any port may be connected
 * to, nothing: a filter's answer that depends on arguments is not remembered by the kernel.
 */
function openingRules({ inet, resolve, connectPorts }: Needs): FilterRule[] {
  if (connectPorts === 'any' || !(inet || resolve)) return [];
  return SENDS.map(([call, argument]) => {
    const tests = [{ argument, mask: MSG_FASTOPEN, equals: MSG_FASTOPEN }];
    return { call, tests, errno: EACCES };
  });
}

/** Calls about files, whatever their arguments. */
function fileCalls({ resolve, threads, dirs, files }: Needs): readonly SyscallName[] {
  const changes = dirs.some(({ readOnly }) => !readOnly);
  const calls = [
    ...(resolve || threads ? READ_CALLS : []),
    ...(dirs.length > 0 ? DIRECTORY_CALLS : []),
    ...(changes ? DIRECTORY_CHANGES : []),
    ...(dirs.length > 0 || files !== 'none' ? FILE_CALLS : []),
    ...(changes || files === 'write' ? FILE_CHANGES : []),
  ];
  return [...new Set(calls)];
}

/** The rules of a guest's process, whose id is `pid`; every other call gets `REFUSED`. */
export function filterRules(needs: Needs, pid: number): FilterRule[] {
  const reads = needs.resolve || needs.threads;
  return [
    ...openingRules(needs),
    ...whenOneOf('ioctl', 1, IOCTLS),
    ...whenOneOf('fcntl', 1, FCNTLS),
    ...whenOneOf('prctl', 0, PRCTLS),
    ...optionRules(),
    ...socketRules(needs),
    { call: 'clone', tests: [{ argument: 0, mask: CLONE_THREAD, equals: CLONE_THREAD }] },
    // Its flags are out of sight; libc falls back to clone.
    { call: 'clone3', errno: ENOSYS },
    ...whenOneOf('kill', 0, [pid]),
    ...whenOneOf('tgkill', 0, [pid]),
    {
      call: 'prlimit64',
      // To be asked, not to be set: the new limit is a null pointer.
      tests: [
        { argument: 2, equals: 0 },
        { argument: 2, upper: true, equals: 0 },
      ],
    },
    ...ALWAYS.map((call): FilterRule => ({ call })),
    ...METADATA.map((call): FilterRule => ({ call })),
    ...fileCalls(needs).map((call): FilterRule => ({ call })),
    ...(reads ? READING : [{ call: 'openat', errno: EACCES } as const]),
  ];
}

/** What a call gets that no rule is about. */
export const REFUSED = EPERM;

/** Files that the resolver of libc reads, where there are such. */
const RESOLVER_FILES: readonly string[] = [
  '/etc/resolv.conf',
  '/etc/hosts',
  '/etc/nsswitch.conf',
  '/etc/host.conf',
  '/etc/gai.conf',
  '/etc/services',
  '/etc/protocols',
  '/etc/ld.so.cache',
];

/** Where it asks when an answer is too long for a datagram. */
const RESOLVER_PORTS = [53];

/** Where its modules are. */
const RESOLVER_DIRECTORIES = ['/lib', '/lib64', '/usr/lib'];

/** Paths that stay readable, besides the host's own code. */
export function readablePaths({ resolve }: Needs): readonly string[] {
  return resolve ? [...RESOLVER_FILES, ...RESOLVER_DIRECTORIES] : [];
}

/**
 * What a guest with these grants needs; `threads` if its module can start some, `files` for its
 * standard streams.
 */
export function needsOf(
  { dirs, net, resolve }: Pick<Grants, 'dirs' | 'net' | 'resolve'>,
  threads: boolean,
  files: Needs['files'] = 'none',
): Needs {
  const unix = net.allow.filter((rule) => rule.transport === 'unix');
  return {
    inet: net.allow.length > unix.length,
    unix: unix.length > 0,
    abstractUnix: unix.some((rule) => 'path' in rule && rule.path[0] === 0),
    bindPorts: portsOf(net.allow, 'in'),
    connectPorts: portsOf(net.allow, 'out', resolve.length > 0 ? RESOLVER_PORTS : []),
    resolve: resolve.length > 0,
    threads,
    dirs: dirs.map(({ host, readOnly }) => ({ host, readOnly })),
    files,
  };
}
