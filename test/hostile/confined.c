/**
 * Confines itself as a guest's process is confined, and then tries what that should refuse:
 *   confined CODE DIRECTORY PORT [PATH|:PORT ACCESS]...
 * CODE is a file of the host, DIRECTORY is opened before, as one that a guest is given, somebody
 * listens on PORT of the loopback, PATH or :PORT and ACCESS are Landlock's rules. Standard input
 * has two lines:
 * the bytes of a landlock_ruleset_attr and of sock_filters in hexadecimal, or "-" for none.
 * Prints a line an attempt: its name and its errno, 0 where it was let through.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

enum {
  kBytesMax = 65536,
  kOpenat2 = 437,
  kCreateRuleset = 444,
  kAddRule = 445,
  kRestrictSelf = 446
};

struct how {
  unsigned long long flags;
  unsigned long long mode;
  unsigned long long resolve;
};

struct __attribute__((packed)) path_beneath {
  unsigned long long access;
  int parent;
};

struct net_port {
  unsigned long long access;
  unsigned long long port;
};

static unsigned char bytes[kBytesMax];
static char line[2 * kBytesMax + 2];

/** The next line of standard input, without its end. */
static const char* next_line(void) {
  if (fgets(line, sizeof(line), stdin) == NULL) exit(2);
  line[strcspn(line, "\n")] = 0;
  return line;
}

static size_t parse(const char* hex) {
  size_t length = strlen(hex) / 2;
  if (length > kBytesMax) exit(2);
  for (size_t at = 0; at < length; at++) {
    unsigned byte;
    if (sscanf(hex + 2 * at, "%2x", &byte) != 1) exit(2);
    bytes[at] = (unsigned char)byte;
  }
  return length;
}

static void must(const char* what, long result) {
  if (result >= 0) return;
  perror(what);
  exit(2);
}

static void landlock(const char* ruleset, char** rules) {
  if (strcmp(ruleset, "-") == 0) return;
  size_t size = parse(ruleset);
  int fd = (int)syscall(kCreateRuleset, bytes, size, 0);
  must("landlock_create_ruleset", fd);
  for (; rules[0] != NULL && rules[1] != NULL; rules += 2) {
    const unsigned long long access = strtoull(rules[1], NULL, 10);
    if (rules[0][0] == ':') {
      struct net_port rule = {access, strtoull(rules[0] + 1, NULL, 10)};
      must("landlock_add_rule of a port", syscall(kAddRule, fd, 2, &rule, 0));
      continue;
    }
    struct path_beneath rule = {access, open(rules[0], O_PATH)};
    must(rules[0], rule.parent);
    must("landlock_add_rule", syscall(kAddRule, fd, 1, &rule, 0));
    close(rule.parent);
  }
  must("landlock_restrict_self", syscall(kRestrictSelf, fd, 0));
  close(fd);
}

static void filter(const char* program) {
  if (strcmp(program, "-") == 0) return;
  size_t size = parse(program);
  struct sock_fprog prog = {(unsigned short)(size / 8), (struct sock_filter*)bytes};
  must("seccomp",
       syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &prog));
}

static void tried(const char* name, long result) {
  printf("%s %d\n", name, result < 0 ? errno : 0);
  // Whoever was let through to a new process or program must not print it all again.
  fflush(stdout);
}

static void try_processes(pid_t parent) {
  long pid = syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
  if (pid == 0) _exit(0);
  tried("fork", pid);
  if (pid > 0) waitpid((pid_t)pid, NULL, 0);
  tried("clone3", syscall(SYS_clone3, NULL, 0));
  char* const empty[] = {NULL};
  tried("execve", syscall(SYS_execve, "/bin/true-that-is-not-there", empty, empty));
  tried("execveat", syscall(SYS_execveat, AT_FDCWD, "/nowhere", empty, empty, 0));
  tried("ptrace", syscall(SYS_ptrace, 1 /* PTRACE_PEEKTEXT */, parent, 0, 0));
  tried("process_vm_readv", syscall(SYS_process_vm_readv, parent, NULL, 0, NULL, 0, 0));
  tried("process_vm_writev", syscall(SYS_process_vm_writev, parent, NULL, 0, NULL, 0, 0));
  tried("kill of another", syscall(SYS_kill, parent, 0));
  tried("tgkill of another", syscall(SYS_tgkill, parent, parent, 0));
  tried("kill of oneself", syscall(SYS_kill, getpid(), 0));
  tried("pidfd_open", syscall(SYS_pidfd_open, parent, 0));
  tried("pidfd_getfd", syscall(SYS_pidfd_getfd, -1, 0, 0));
  tried("setuid", syscall(SYS_setuid, getuid()));
  tried("prctl", syscall(SYS_prctl, PR_SET_DUMPABLE, 1, 0, 0, 0));
  struct rlimit limit = {1024, 1024};
  tried("prlimit64 to set", syscall(SYS_prlimit64, 0, RLIMIT_CORE, &limit, NULL));
  tried("prlimit64 to ask", syscall(SYS_prlimit64, 0, RLIMIT_CORE, NULL, &limit));
}

static void try_kernel(void) {
  tried("mount", syscall(SYS_mount, NULL, NULL, NULL, 0, NULL));
  tried("umount2", syscall(SYS_umount2, NULL, 0));
  tried("pivot_root", syscall(SYS_pivot_root, NULL, NULL));
  tried("chroot", syscall(SYS_chroot, "/"));
  tried("unshare", syscall(SYS_unshare, 0));
  tried("setns", syscall(SYS_setns, -1, 0));
  tried("kexec_load", syscall(SYS_kexec_load, 0, 0, NULL, 0));
  tried("init_module", syscall(SYS_init_module, NULL, 0, NULL));
  tried("finit_module", syscall(SYS_finit_module, -1, NULL, 0));
  tried("delete_module", syscall(SYS_delete_module, NULL, 0));
  tried("keyctl", syscall(SYS_keyctl, 0, 0, 0, 0, 0));
  tried("add_key", syscall(SYS_add_key, NULL, NULL, NULL, 0, 0));
  tried("bpf", syscall(SYS_bpf, 0, NULL, 0));
  tried("perf_event_open", syscall(SYS_perf_event_open, NULL, 0, -1, -1, 0));
  tried("userfaultfd", syscall(SYS_userfaultfd, 0));
  tried("io_uring_setup", syscall(SYS_io_uring_setup, 1, NULL));
  tried("open_by_handle_at", syscall(SYS_open_by_handle_at, -1, NULL, 0));
  tried("memfd_create", syscall(SYS_memfd_create, "m", 0));
  tried("personality", syscall(SYS_personality, 0xffffffff));
  tried("reboot", syscall(SYS_reboot, 0, 0, 0, NULL));
  tried("clock_settime", syscall(SYS_clock_settime, 99, NULL));
  tried("syslog", syscall(SYS_syslog, 10, NULL, 0));
  tried("seccomp", syscall(SYS_seccomp, SECCOMP_SET_MODE_STRICT, 1, NULL));
  tried("sched_setaffinity", syscall(SYS_sched_setaffinity, 0, 0, NULL));
}

static void try_files(const char* readable) {
  tried("open of /etc/passwd", open("/etc/passwd", O_RDONLY));
  tried("open of host code", open(readable, O_RDONLY));
  tried("open to write", open("/tmp/sandpoll-confined", O_WRONLY | O_CREAT, 0600));
  tried("open of a terminal", open("/dev/tty", O_RDWR));
  tried("mkdirat", syscall(SYS_mkdirat, AT_FDCWD, "/tmp/sandpoll-confined", 0700));
  tried("unlinkat", syscall(SYS_unlinkat, AT_FDCWD, "/tmp/sandpoll-confined", 0));
  tried("renameat2", syscall(SYS_renameat2, AT_FDCWD, "a", AT_FDCWD, "b", 0));
  tried("fchmodat", syscall(SYS_fchmodat, AT_FDCWD, "/tmp/sandpoll-confined", 0600));
  tried("truncate", syscall(SYS_truncate, "/tmp/sandpoll-confined", 0));
  tried("getdents64 of /", syscall(SYS_getdents64, open("/", O_RDONLY | O_DIRECTORY), bytes, 100));
  char byte = 'x';
  int pipes[2] = {-1, -1};
  tried("pipe2", syscall(SYS_pipe2, pipes, 0));
  tried("ioctl TIOCSTI", ioctl(pipes[0], TIOCSTI, &byte));
  tried("ioctl FIONREAD", ioctl(pipes[0], FIONREAD, bytes));
  tried("fcntl F_SETOWN", fcntl(pipes[0], F_SETOWN, getppid()));
}

static int openat2(int directory, const char* path, unsigned flags) {
  struct how how = {flags, (flags & O_CREAT) != 0 ? 0600 : 0, 0};
  return (int)syscall(kOpenat2, directory, path, &how, sizeof(how));
}

/** As one would that has broken out of the host: nothing keeps these paths beneath. */
static void try_directory(int directory) {
  tried("openat2 of /etc/passwd", openat2(AT_FDCWD, "/etc/passwd", O_RDONLY));
  tried("openat2 out of it", openat2(directory, "../outside/file", O_RDONLY));
  tried("openat2 to create out of it", openat2(directory, "../outside/new", O_WRONLY | O_CREAT));
  tried("mkdirat out of it", mkdirat(directory, "../outside/made", 0700));
  tried("unlinkat out of it", unlinkat(directory, "../outside/file", 0));
  tried("linkat into it", linkat(directory, "../outside/file", directory, "stolen", 0));
  tried("openat in it", openat(directory, "file", O_RDONLY));
  int file = openat2(directory, "file", O_RDONLY);
  tried("openat2 to read", file);
  struct iovec part = {bytes, 4};
  tried("pread", pread(file, bytes, 4, 0));
  tried("preadv", preadv(file, &part, 1, 0));
  tried("getdents64 of it", syscall(SYS_getdents64, directory, bytes, 1024));
  int made = openat2(directory, "made", O_RDWR | O_CREAT);
  tried("openat2 to create", made);
  tried("pwrite", pwrite(made, bytes, 4, 0));
  tried("pwritev", pwritev(made, &part, 1, 0));
  tried("ftruncate", ftruncate(made, 2));
  tried("fallocate", fallocate(made, 0, 0, 4));
  tried("fsync", fsync(made < 0 ? directory : made));
  tried("utimensat", utimensat(directory, "made", NULL, 0));
  tried("mkdirat in it", mkdirat(directory, "sub", 0700));
  tried("renameat in it", renameat(directory, "made", directory, "sub/moved"));
  tried("linkat in it", linkat(directory, "sub/moved", directory, "linked", 0));
  tried("symlinkat in it", symlinkat("linked", directory, "link"));
  tried("unlinkat in it", unlinkat(directory, "linked", 0));
  tried("renameat out of it", renameat(directory, "link", directory, "../outside/link"));
}

static void try_sockets(void) {
  tried("socket TCP", socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  tried("socket UDP", socket(AF_INET6, SOCK_DGRAM, 0));
  tried("socket MPTCP", socket(AF_INET, SOCK_STREAM, 262));
  tried("socket raw", socket(AF_INET, SOCK_RAW, 1));
  tried("socket packet", socket(AF_PACKET, SOCK_RAW, 0));
  tried("socket netlink", socket(AF_NETLINK, SOCK_RAW, 0));
  tried("socket unix", socket(AF_UNIX, SOCK_STREAM, 0));
  tried("socket vsock", socket(AF_VSOCK, SOCK_STREAM, 0));
  int pair[2] = {-1, -1};
  tried("socketpair", socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair));
  struct sockaddr_un nobody = {AF_UNIX, {0, 's', 'a', 'n', 'd'}};
  tried("connect", connect(pair[0], (struct sockaddr*)&nobody, sizeof(nobody)));
  int one = 1;
  tried("setsockopt SO_KEEPALIVE", setsockopt(pair[0], SOL_SOCKET, SO_KEEPALIVE, &one, 4));
  tried("setsockopt SO_ATTACH_BPF", setsockopt(pair[0], SOL_SOCKET, 50, &one, 4));
  tried("setsockopt of netfilter", setsockopt(pair[0], IPPROTO_IP, 64, &one, 4));
  int tcp = socket(AF_INET, SOCK_STREAM, 0);
  struct sockaddr_in any = {.sin_family = AF_INET};
  tried("bind TCP", bind(tcp, (struct sockaddr*)&any, sizeof(any)));
}

/** Somebody listens there: what is let through finds that out. */
static void try_port(int port) {
  struct sockaddr_in there = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
  there.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const struct sockaddr* address = (struct sockaddr*)&there;
  const int binder = socket(AF_INET, SOCK_STREAM, 0);
  tried("bind TCP to the port", bind(binder, address, sizeof(there)));
  const int connector = socket(AF_INET, SOCK_STREAM, 0);
  tried("connect TCP to the port", connect(connector, address, sizeof(there)));
  const int opener = socket(AF_INET, SOCK_STREAM, 0);
  tried("Fast Open to the port", sendto(opener, "x", 1, MSG_FASTOPEN, address, sizeof(there)));
  tried("listen without bind", listen(socket(AF_INET, SOCK_STREAM, 0), 1));
  const int datagram = socket(AF_INET, SOCK_DGRAM, 0);
  tried("connect UDP to the port", connect(datagram, address, sizeof(there)));
}

static void* nothing(void* argument) { return argument; }

int main(int argc, char** argv) {
  if (argc < 4) return 2;
  const int directory = open(argv[2], O_RDONLY | O_DIRECTORY);
  const pid_t parent = getppid();
  must("no_new_privs", prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
  landlock(next_line(), argv + 4);
  filter(next_line());
  try_processes(parent);
  try_kernel();
  try_files(argv[1]);
  try_directory(directory);
  try_sockets();
  try_port(atoi(argv[3]));
  pthread_t thread;
  errno = pthread_create(&thread, NULL, nothing, NULL);
  tried("pthread_create", errno == 0 ? pthread_join(thread, NULL) : -1);
  return 0;
}
