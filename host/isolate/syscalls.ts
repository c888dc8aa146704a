/**
 * Numbers of the system calls that a confined process may make, by architecture: x64, then arm64.
 * −1 where an architecture has no such call. A test compares them with the machine's headers.
 */
export const SYSCALLS = {
  // Bytes and descriptors.
  read: [0, 63],
  write: [1, 64],
  open: [2, -1],
  close: [3, 57],
  stat: [4, -1],
  fstat: [5, 80],
  lstat: [6, -1],
  poll: [7, -1],
  lseek: [8, 62],
  ioctl: [16, 29],
  pread64: [17, 67],
  readv: [19, 65],
  writev: [20, 66],
  access: [21, -1],
  dup: [32, 23],
  fcntl: [72, 25],
  getcwd: [79, 17],
  readlink: [89, -1],
  getdents64: [217, 61],
  epoll_wait: [232, -1],
  epoll_ctl: [233, 21],
  openat: [257, 56],
  newfstatat: [262, 79],
  readlinkat: [267, 78],
  faccessat: [269, 48],
  ppoll: [271, 73],
  epoll_pwait: [281, 22],
  timerfd_create: [283, 85],
  timerfd_settime: [286, 86],
  timerfd_gettime: [287, 87],
  eventfd2: [290, 19],
  epoll_create1: [291, 20],
  pipe2: [293, 59],
  statx: [332, 291],
  faccessat2: [439, 439],
  epoll_pwait2: [441, 441],
  // Sockets.
  socket: [41, 198],
  connect: [42, 203],
  sendto: [44, 206],
  recvfrom: [45, 207],
  sendmsg: [46, 211],
  recvmsg: [47, 212],
  shutdown: [48, 210],
  bind: [49, 200],
  listen: [50, 201],
  getsockname: [51, 204],
  getpeername: [52, 205],
  socketpair: [53, 199],
  setsockopt: [54, 208],
  getsockopt: [55, 209],
  accept4: [288, 242],
  recvmmsg: [299, 243],
  sendmmsg: [307, 269],
  // Memory and threads.
  mmap: [9, 222],
  mprotect: [10, 226],
  munmap: [11, 215],
  brk: [12, 214],
  pkey_mprotect: [329, 288],
  mremap: [25, 216],
  madvise: [28, 233],
  sched_yield: [24, 124],
  clone: [56, 220],
  clone3: [435, 435],
  exit: [60, 93],
  exit_group: [231, 94],
  prctl: [157, 167],
  gettid: [186, 178],
  futex: [202, 98],
  sched_getaffinity: [204, 123],
  sched_getparam: [143, 121],
  sched_getscheduler: [145, 120],
  set_robust_list: [273, 99],
  membarrier: [324, 283],
  rseq: [334, 293],
  getcpu: [309, 168],
  // Signals and timers.
  rt_sigaction: [13, 134],
  rt_sigprocmask: [14, 135],
  rt_sigreturn: [15, 139],
  sigaltstack: [131, 132],
  kill: [62, 129],
  tgkill: [234, 131],
  restart_syscall: [219, 128],
  timer_create: [222, 107],
  timer_settime: [223, 110],
  timer_gettime: [224, 108],
  timer_getoverrun: [225, 109],
  timer_delete: [226, 111],
  // Time, chance, and what a process may know of itself.
  nanosleep: [35, 101],
  gettimeofday: [96, 169],
  time: [201, -1],
  clock_gettime: [228, 113],
  clock_getres: [229, 114],
  clock_nanosleep: [230, 115],
  getrandom: [318, 278],
  getpid: [39, 172],
  getppid: [110, 173],
  getuid: [102, 174],
  geteuid: [107, 175],
  getgid: [104, 176],
  getegid: [108, 177],
  uname: [63, 160],
  getrlimit: [97, 163],
  prlimit64: [302, 261],
  getrusage: [98, 165],
  sysinfo: [99, 179],
  times: [100, 153],
} as const;

export type SyscallName = keyof typeof SYSCALLS;

/** What a filter must know of an architecture: AUDIT_ARCH_* and the column of `SYSCALLS`. */
export interface Architecture {
  readonly audit: number;
  readonly column: 0 | 1;
}

const ARCHITECTURES: Readonly<Record<string, Architecture>> = {
  x64: { audit: 0xc000_003e, column: 0 },
  arm64: { audit: 0xc000_00b7, column: 1 },
};

/** The architecture of a `process.arch`; undefined for one that no filter can be made for. */
export function architectureOf(arch: string): Architecture | undefined {
  return ARCHITECTURES[arch];
}
