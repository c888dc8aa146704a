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

namespace sandpoll::os {

namespace {

long result(long value) { return value < 0 ? -errno : value; }

// The same on every architecture, and not in every machine's headers.
constexpr long kLandlockCreateRuleset = 444;
constexpr long kLandlockAddRule = 445;
constexpr long kLandlockRestrictSelf = 446;

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

// The next four past libc, whose own are points of cancellation: that costs two locked operations a
// call in a process with threads, and nothing here is ever cancelled.

long recv(int fd, void* buffer, size_t length, int flags) {
  return result(::syscall(SYS_recvfrom, fd, buffer, length, flags, nullptr, nullptr));
}

long send(int fd, const void* buffer, size_t length, int flags) {
  return result(::syscall(SYS_sendto, fd, buffer, length, flags, nullptr, 0));
}

long recvfrom(int fd, void* buffer, size_t length, int flags, sockaddr* address,
              socklen_t* address_length) {
  return result(::syscall(SYS_recvfrom, fd, buffer, length, flags, address, address_length));
}

long sendto(int fd, const void* buffer, size_t length, int flags, const sockaddr* address,
            socklen_t address_length) {
  return result(::syscall(SYS_sendto, fd, buffer, length, flags, address, address_length));
}

long recvmsg(int fd, msghdr* message, int flags) { return result(::recvmsg(fd, message, flags)); }

long sendmsg(int fd, const msghdr* message, int flags) {
  return result(::sendmsg(fd, message, flags));
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

long read(int fd, void* buffer, size_t length) { return result(::read(fd, buffer, length)); }

long write(int fd, const void* buffer, size_t length) {
  return result(::write(fd, buffer, length));
}

long readv(int fd, const iovec* iovs, int count) { return result(::readv(fd, iovs, count)); }

long writev(int fd, const iovec* iovs, int count) { return result(::writev(fd, iovs, count)); }

long fionread(int fd, int* bytes) { return result(::ioctl(fd, FIONREAD, bytes)); }

long isatty(int fd) {
  termios settings;
  return result(::tcgetattr(fd, &settings));
}

long fstat(int fd, struct stat* status) { return result(::fstat(fd, status)); }

long open(const char* path, int flags) { return result(::open(path, flags)); }

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
