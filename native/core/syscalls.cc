#include "syscalls.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

namespace sandpoll::os {

namespace {

long result(long value) { return value < 0 ? -errno : value; }

/**
 * A system call past libc, whose own functions are points of cancellation: two locked operations a
 * call in a process with threads, where nothing is ever cancelled. And in place: a return behind
 * the kernel's own is predicted wrong, which costs 7 ns each.
 */
long direct(long number, long a, long b, long c, long d = 0, long e = 0, long f = 0) {
#if defined(__x86_64__)
  register long fourth __asm__("r10") = d;
  register long fifth __asm__("r8") = e;
  register long sixth __asm__("r9") = f;
  long value = number;
  __asm__ volatile("syscall"
                   : "+a"(value)
                   : "D"(a), "S"(b), "d"(c), "r"(fourth), "r"(fifth), "r"(sixth)
                   : "rcx", "r11", "memory");
  return value;
#else
  return result(::syscall(number, a, b, c, d, e, f));
#endif
}

long word(const void* pointer) { return reinterpret_cast<long>(pointer); }

// The same on every architecture, and not in every machine's headers.
constexpr long kOpenat2 = 437;
constexpr long kLandlockCreateRuleset = 444;
constexpr long kLandlockAddRule = 445;
constexpr long kLandlockRestrictSelf = 446;

/** What a new file is created with, less the umask: as by a shell. */
constexpr mode_t kCreated = 0666;

}  // namespace

long socket(int domain, int type, int protocol) { return result(::socket(domain, type, protocol)); }

long socketpair(int domain, int type, int protocol, int fds[2]) {
  return result(::socketpair(domain, type, protocol, fds));
}

long bind(int fd, const sockaddr* address, socklen_t length) {
  return result(::bind(fd, address, length));
}

long listen(int fd, int backlog) { return result(::listen(fd, backlog)); }

long accept4(int fd, sockaddr* address, socklen_t* length, int flags) {
  return result(::accept4(fd, address, length, flags));
}

long connect(int fd, const sockaddr* address, socklen_t length) {
  return result(::connect(fd, address, length));
}

long getsockname(int fd, sockaddr* address, socklen_t* length) {
  return result(::getsockname(fd, address, length));
}

long getpeername(int fd, sockaddr* address, socklen_t* length) {
  return result(::getpeername(fd, address, length));
}

long recv(int fd, void* buffer, size_t length, int flags) {
  return direct(SYS_recvfrom, fd, word(buffer), static_cast<long>(length), flags);
}

long send(int fd, const void* buffer, size_t length, int flags) {
  return direct(SYS_sendto, fd, word(buffer), static_cast<long>(length), flags);
}

long recvfrom(int fd, void* buffer, size_t length, int flags, sockaddr* address,
              socklen_t* address_length) {
  return direct(SYS_recvfrom, fd, word(buffer), static_cast<long>(length), flags, word(address),
                word(address_length));
}

long sendto(int fd, const void* buffer, size_t length, int flags, const sockaddr* address,
            socklen_t address_length) {
  return direct(SYS_sendto, fd, word(buffer), static_cast<long>(length), flags, word(address),
                address_length);
}

long recvmsg(int fd, msghdr* message, int flags) { return result(::recvmsg(fd, message, flags)); }

long sendmsg(int fd, const msghdr* message, int flags) {
  return result(::sendmsg(fd, message, flags));
}

long recvmmsg(int fd, mmsghdr* messages, unsigned count, int flags, timespec* timeout) {
  return result(::recvmmsg(fd, messages, count, flags, timeout));
}

long sendmmsg(int fd, mmsghdr* messages, unsigned count, int flags) {
  return result(::sendmmsg(fd, messages, count, flags));
}

long shutdown(int fd, int how) { return result(::shutdown(fd, how)); }

long getsockopt(int fd, int level, int name, void* value, socklen_t* length) {
  return result(::getsockopt(fd, level, name, value, length));
}

long setsockopt(int fd, int level, int name, const void* value, socklen_t length) {
  return result(::setsockopt(fd, level, name, value, length));
}

long epoll_create1(int flags) { return result(::epoll_create1(flags)); }

long epoll_ctl(int epoll, int op, int fd, epoll_event* event) {
  return result(::epoll_ctl(epoll, op, fd, event));
}

long eventfd(unsigned initval, int flags) { return result(::eventfd(initval, flags)); }

long timerfd_create(int clock, int flags) { return result(::timerfd_create(clock, flags)); }

long timerfd_settime(int fd, int flags, const itimerspec* value, itimerspec* old) {
  return result(::timerfd_settime(fd, flags, value, old));
}

long timerfd_gettime(int fd, itimerspec* current) { return result(::timerfd_gettime(fd, current)); }

int getaddrinfo(const char* node, const char* service, const addrinfo* hints, addrinfo** found) {
  return ::getaddrinfo(node, service, hints, found);
}

void freeaddrinfo(addrinfo* found) { ::freeaddrinfo(found); }

long pipe2(int fds[2], int flags) { return result(::pipe2(fds, flags)); }

long read(int fd, void* buffer, size_t length) {
  return direct(SYS_read, fd, word(buffer), static_cast<long>(length));
}

long write(int fd, const void* buffer, size_t length) {
  return direct(SYS_write, fd, word(buffer), static_cast<long>(length));
}

long readv(int fd, const iovec* iovs, int count) { return result(::readv(fd, iovs, count)); }

long writev(int fd, const iovec* iovs, int count) { return result(::writev(fd, iovs, count)); }

long fionread(int fd, int* bytes) { return direct(SYS_ioctl, fd, FIONREAD, word(bytes)); }

long isatty(int fd) {
  termios settings;
  return result(::tcgetattr(fd, &settings));
}

long fstat(int fd, struct stat* status) { return result(::fstat(fd, status)); }

long fstatat(int directory, const char* name, struct stat* status, int flags) {
  return result(::fstatat(directory, name, status, flags));
}

long open(const char* path, int flags) { return result(::open(path, flags, kCreated)); }

long openat2(int directory, const char* path, uint64_t flags, uint64_t mode, uint64_t resolve) {
  const uint64_t how[] = {flags, mode, resolve};
  return result(::syscall(kOpenat2, directory, path, how, sizeof(how)));
}

long utimensat(int fd, const char* path, const timespec times[2], int flags) {
  // Past libc, which wants a path.
  return result(::syscall(SYS_utimensat, fd, path, times, flags));
}

long mkdirat(int directory, const char* name, mode_t mode) {
  return result(::mkdirat(directory, name, mode));
}

long unlinkat(int directory, const char* name, int flags) {
  return result(::unlinkat(directory, name, flags));
}

long renameat(int from, const char* name, int to, const char* new_name) {
  return result(::renameat(from, name, to, new_name));
}

long linkat(int from, const char* name, int to, const char* new_name) {
  return result(::linkat(from, name, to, new_name, 0));
}

long symlinkat(const char* target, int directory, const char* name) {
  return result(::symlinkat(target, directory, name));
}

long readlinkat(int directory, const char* name, char* room, size_t room_bytes) {
  return result(::readlinkat(directory, name, room, room_bytes));
}

long getdents64(int fd, void* buffer, unsigned length) {
  return result(::syscall(SYS_getdents64, fd, buffer, length));
}

int64_t lseek(int fd, int64_t offset, int whence) { return result(::lseek(fd, offset, whence)); }

long pread(int fd, void* buffer, size_t length, int64_t offset) {
  return direct(SYS_pread64, fd, word(buffer), static_cast<long>(length), offset);
}

long pwrite(int fd, const void* buffer, size_t length, int64_t offset) {
  return direct(SYS_pwrite64, fd, word(buffer), static_cast<long>(length), offset);
}

long preadv(int fd, const iovec* iovs, int count, int64_t offset) {
  return result(::preadv(fd, iovs, count, offset));
}

long pwritev(int fd, const iovec* iovs, int count, int64_t offset) {
  return result(::pwritev(fd, iovs, count, offset));
}

long ftruncate(int fd, int64_t size) { return result(::ftruncate(fd, size)); }

long fallocate(int fd, int64_t offset, int64_t length) {
  return result(::fallocate(fd, 0, offset, length));
}

long fadvise(int fd, int64_t offset, int64_t length, int advice) {
  return -::posix_fadvise(fd, offset, length, advice);
}

long fsync(int fd) { return result(::fsync(fd)); }

long fdatasync(int fd) { return result(::fdatasync(fd)); }

long prctl(int option, unsigned long value) { return result(::prctl(option, value, 0, 0, 0)); }

long setrlimit(int resource, const rlimit& limit) {
  return result(::syscall(SYS_prlimit64, 0, resource, &limit, nullptr));
}

long landlock_create_ruleset(const void* attributes, size_t size, unsigned flags) {
  return result(::syscall(kLandlockCreateRuleset, attributes, size, flags));
}

long landlock_add_rule(int ruleset, int type, const void* rule, unsigned flags) {
  return result(::syscall(kLandlockAddRule, ruleset, type, rule, flags));
}

long landlock_restrict_self(int ruleset, unsigned flags) {
  return result(::syscall(kLandlockRestrictSelf, ruleset, flags));
}

long seccomp(unsigned operation, unsigned flags, const void* arguments) {
  return result(::syscall(SYS_seccomp, operation, flags, arguments));
}

long gettid() { return result(::syscall(SYS_gettid)); }

long getpid() { return result(::syscall(SYS_getpid)); }

long getfl(int fd) { return result(::fcntl(fd, F_GETFL)); }

long setfl(int fd, int flags) { return result(::fcntl(fd, F_SETFL, flags)); }

long dup(int fd) { return result(::fcntl(fd, F_DUPFD_CLOEXEC, 0)); }

long close(int fd) { return result(::close(fd)); }

long clock_gettime(clockid_t clock, timespec* time) { return result(::clock_gettime(clock, time)); }

long clock_getres(clockid_t clock, timespec* time) { return result(::clock_getres(clock, time)); }

long getcpuclockid(clockid_t* clock) { return -::pthread_getcpuclockid(::pthread_self(), clock); }

long getrandom(void* buffer, size_t length) { return result(::getrandom(buffer, length, 0)); }

void ignore_sigpipe() {
  struct sigaction action;
  if (::sigaction(SIGPIPE, nullptr, &action) < 0 || action.sa_handler != SIG_DFL) return;
  action.sa_handler = SIG_IGN;
  ::sigaction(SIGPIPE, &action, nullptr);
}

long sched_yield() { return result(::sched_yield()); }

}  // namespace sandpoll::os
