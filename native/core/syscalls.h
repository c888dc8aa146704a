#pragma once

/**
 * The system calls the core makes, as a table, so that tests and fuzzers can stand in for Linux.
 * Each answers `>= 0`, or minus the errno; `errno` itself is never read outside `syscalls.cc`.
 */

#include <netdb.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace sandpoll {

/** A thread whose waits other threads can end. */
struct Sleeper {
  /** Set by the waker, and taken back by the thread once it has noticed. */
  std::atomic<bool> woken{false};
  /** Set by the thread, for the length of a wait. */
  std::atomic<bool> waiting{false};
  /** Its thread id; 0 until `let_wake`. */
  pid_t thread = 0;
  timer_t timer = {};
};

/** Linux itself: what the table holds by default. */
namespace os {
long socket(int domain, int type, int protocol);
long socketpair(int domain, int type, int protocol, int fds[2]);
long bind(int fd, const sockaddr* address, socklen_t length);
long listen(int fd, int backlog);
long accept4(int fd, sockaddr* address, socklen_t* length, int flags);
long connect(int fd, const sockaddr* address, socklen_t length);
long getsockname(int fd, sockaddr* address, socklen_t* length);
long getpeername(int fd, sockaddr* address, socklen_t* length);
long recv(int fd, void* buffer, size_t length, int flags);
long send(int fd, const void* buffer, size_t length, int flags);
long recvfrom(int fd, void* buffer, size_t length, int flags, sockaddr* address,
              socklen_t* address_length);
long sendto(int fd, const void* buffer, size_t length, int flags, const sockaddr* address,
            socklen_t address_length);
long recvmsg(int fd, msghdr* message, int flags);
long sendmsg(int fd, const msghdr* message, int flags);
long recvmmsg(int fd, mmsghdr* messages, unsigned count, int flags, timespec* timeout);
long sendmmsg(int fd, mmsghdr* messages, unsigned count, int flags);
long shutdown(int fd, int how);
long getsockopt(int fd, int level, int name, void* value, socklen_t* length);
long setsockopt(int fd, int level, int name, const void* value, socklen_t length);
long epoll_create1(int flags);
long epoll_ctl(int epoll, int op, int fd, epoll_event* event);
/** A write to a reader that is gone is `-EPIPE` from here on, whatever the process did before. */
void ignore_sigpipe();
/** The waits: `-EINTR` at once if `self` is woken; null for a thread that nobody wakes. */
long epoll_wait(int epoll, epoll_event* events, int maxevents, int timeout_ms, Sleeper* self);
long epoll_pwait2(int epoll, epoll_event* events, int maxevents, const timespec* timeout,
                  Sleeper* self);
long ppoll(pollfd* fds, nfds_t count, const timespec* timeout, Sleeper* self);
long eventfd(unsigned initval, int flags);
long timerfd_create(int clock, int flags);
long timerfd_settime(int fd, int flags, const itimerspec* value, itimerspec* old);
long timerfd_gettime(int fd, itimerspec* current);
/** 0 or an EAI_* code, which are negative, and in `found` a list for `freeaddrinfo`. */
int getaddrinfo(const char* node, const char* service, const addrinfo* hints, addrinfo** found);
void freeaddrinfo(addrinfo* found);
long pipe2(int fds[2], int flags);
long read(int fd, void* buffer, size_t length);
long write(int fd, const void* buffer, size_t length);
long readv(int fd, const iovec* iovs, int count);
long writev(int fd, const iovec* iovs, int count);
long fionread(int fd, int* bytes);
long isatty(int fd);
long fstat(int fd, struct stat* status);
long fstatat(int directory, const char* name, struct stat* status, int flags);
long open(const char* path, int flags);
/** `struct open_how` by its parts. */
long openat2(int directory, const char* path, uint64_t flags, uint64_t mode, uint64_t resolve);
/** Without a path, of `fd` itself. */
long utimensat(int fd, const char* path, const timespec times[2], int flags);
long mkdirat(int directory, const char* name, mode_t mode);
long unlinkat(int directory, const char* name, int flags);
long renameat(int from, const char* name, int to, const char* new_name);
long linkat(int from, const char* name, int to, const char* new_name);
long symlinkat(const char* target, int directory, const char* name);
long readlinkat(int directory, const char* name, char* room, size_t room_bytes);
long getdents64(int fd, void* buffer, unsigned length);
int64_t lseek(int fd, int64_t offset, int whence);
long pread(int fd, void* buffer, size_t length, int64_t offset);
long pwrite(int fd, const void* buffer, size_t length, int64_t offset);
long preadv(int fd, const iovec* iovs, int count, int64_t offset);
long pwritev(int fd, const iovec* iovs, int count, int64_t offset);
long ftruncate(int fd, int64_t size);
long fallocate(int fd, int64_t offset, int64_t length);
long fadvise(int fd, int64_t offset, int64_t length, int advice);
long fsync(int fd);
long fdatasync(int fd);
long prctl(int option, unsigned long value);
long setrlimit(int resource, const rlimit& limit);
long landlock_create_ruleset(const void* attributes, size_t size, unsigned flags);
long landlock_add_rule(int ruleset, int type, const void* rule, unsigned flags);
long landlock_restrict_self(int ruleset, unsigned flags);
long seccomp(unsigned operation, unsigned flags, const void* arguments);
long gettid();
long getpid();
long getfl(int fd);
long setfl(int fd, int flags);
long dup(int fd);
long close(int fd);
long clock_gettime(clockid_t clock, timespec* time);
long clock_getres(clockid_t clock, timespec* time);
/** The clock of the calling thread's CPU time, which any thread of the process can read. */
long getcpuclockid(clockid_t* clock);
long getrandom(void* buffer, size_t length);
long sched_yield();
/** Makes the calling thread one that can be woken, until `forbid_wake`. */
long let_wake(Sleeper& self);
void forbid_wake(Sleeper& self);
/** Ends the wait that the other thread is in, or its next one. It must be alive. */
long wake(Sleeper& other);
}  // namespace os

/** One row a system call; override a row to stand in for Linux. */
struct Syscalls {
  decltype(os::socket)* socket = os::socket;
  decltype(os::socketpair)* socketpair = os::socketpair;
  decltype(os::bind)* bind = os::bind;
  decltype(os::listen)* listen = os::listen;
  decltype(os::accept4)* accept4 = os::accept4;
  decltype(os::connect)* connect = os::connect;
  decltype(os::getsockname)* getsockname = os::getsockname;
  decltype(os::getpeername)* getpeername = os::getpeername;
  decltype(os::recv)* recv = os::recv;
  decltype(os::send)* send = os::send;
  decltype(os::recvfrom)* recvfrom = os::recvfrom;
  decltype(os::sendto)* sendto = os::sendto;
  decltype(os::recvmsg)* recvmsg = os::recvmsg;
  decltype(os::sendmsg)* sendmsg = os::sendmsg;
  decltype(os::recvmmsg)* recvmmsg = os::recvmmsg;
  decltype(os::sendmmsg)* sendmmsg = os::sendmmsg;
  decltype(os::shutdown)* shutdown = os::shutdown;
  decltype(os::getsockopt)* getsockopt = os::getsockopt;
  decltype(os::setsockopt)* setsockopt = os::setsockopt;
  decltype(os::epoll_create1)* epoll_create1 = os::epoll_create1;
  decltype(os::epoll_ctl)* epoll_ctl = os::epoll_ctl;
  decltype(os::epoll_wait)* epoll_wait = os::epoll_wait;
  decltype(os::epoll_pwait2)* epoll_pwait2 = os::epoll_pwait2;
  decltype(os::ppoll)* ppoll = os::ppoll;
  decltype(os::eventfd)* eventfd = os::eventfd;
  decltype(os::timerfd_create)* timerfd_create = os::timerfd_create;
  decltype(os::timerfd_settime)* timerfd_settime = os::timerfd_settime;
  decltype(os::timerfd_gettime)* timerfd_gettime = os::timerfd_gettime;
  decltype(os::getaddrinfo)* getaddrinfo = os::getaddrinfo;
  decltype(os::freeaddrinfo)* freeaddrinfo = os::freeaddrinfo;
  decltype(os::pipe2)* pipe2 = os::pipe2;
  decltype(os::read)* read = os::read;
  decltype(os::write)* write = os::write;
  decltype(os::readv)* readv = os::readv;
  decltype(os::writev)* writev = os::writev;
  decltype(os::fionread)* fionread = os::fionread;
  decltype(os::isatty)* isatty = os::isatty;
  decltype(os::fstat)* fstat = os::fstat;
  decltype(os::fstatat)* fstatat = os::fstatat;
  decltype(os::open)* open = os::open;
  decltype(os::openat2)* openat2 = os::openat2;
  decltype(os::utimensat)* utimensat = os::utimensat;
  decltype(os::mkdirat)* mkdirat = os::mkdirat;
  decltype(os::unlinkat)* unlinkat = os::unlinkat;
  decltype(os::renameat)* renameat = os::renameat;
  decltype(os::linkat)* linkat = os::linkat;
  decltype(os::symlinkat)* symlinkat = os::symlinkat;
  decltype(os::readlinkat)* readlinkat = os::readlinkat;
  decltype(os::getdents64)* getdents64 = os::getdents64;
  decltype(os::lseek)* lseek = os::lseek;
  decltype(os::pread)* pread = os::pread;
  decltype(os::pwrite)* pwrite = os::pwrite;
  decltype(os::preadv)* preadv = os::preadv;
  decltype(os::pwritev)* pwritev = os::pwritev;
  decltype(os::ftruncate)* ftruncate = os::ftruncate;
  decltype(os::fallocate)* fallocate = os::fallocate;
  decltype(os::fadvise)* fadvise = os::fadvise;
  decltype(os::fsync)* fsync = os::fsync;
  decltype(os::fdatasync)* fdatasync = os::fdatasync;
  decltype(os::prctl)* prctl = os::prctl;
  decltype(os::setrlimit)* setrlimit = os::setrlimit;
  decltype(os::landlock_create_ruleset)* landlock_create_ruleset = os::landlock_create_ruleset;
  decltype(os::landlock_add_rule)* landlock_add_rule = os::landlock_add_rule;
  decltype(os::landlock_restrict_self)* landlock_restrict_self = os::landlock_restrict_self;
  decltype(os::seccomp)* seccomp = os::seccomp;
  decltype(os::gettid)* gettid = os::gettid;
  decltype(os::getpid)* getpid = os::getpid;
  decltype(os::getfl)* getfl = os::getfl;
  decltype(os::setfl)* setfl = os::setfl;
  decltype(os::dup)* dup = os::dup;
  decltype(os::close)* close = os::close;
  decltype(os::clock_gettime)* clock_gettime = os::clock_gettime;
  decltype(os::clock_getres)* clock_getres = os::clock_getres;
  decltype(os::getcpuclockid)* getcpuclockid = os::getcpuclockid;
  decltype(os::getrandom)* getrandom = os::getrandom;
  decltype(os::sched_yield)* sched_yield = os::sched_yield;
  decltype(os::ignore_sigpipe)* ignore_sigpipe = os::ignore_sigpipe;
  decltype(os::let_wake)* let_wake = os::let_wake;
  decltype(os::forbid_wake)* forbid_wake = os::forbid_wake;
  decltype(os::wake)* wake = os::wake;
};

/** The machine this process runs on. */
inline constexpr Syscalls kLinux{};

}  // namespace sandpoll
