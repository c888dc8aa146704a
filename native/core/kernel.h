#pragma once

/**
 * The Kernel port of `host/kernel/kernel.ts`, method by method and free of N-API: Linux's calls on
 * handles and on ranges of guest memory. Every method returns `>= 0` or minus an errno; all may be
 * called by any thread at any time. None allocates, save for sessions and new handles. A process
 * has one kernel; a test may have more, but a thread enters the sessions of one only.
 *
 * `offset` and `length` are checked against the memory here, whoever checked them before; a
 * range outside is `-EFAULT`.
 */

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>

#include "handles.h"
#include "sessions.h"
#include "syscalls.h"

namespace sandpoll {

/** All of the memory that a call may touch. Other threads may write to it at any time. */
struct Bytes {
  uint8_t* data = nullptr;
  size_t size = 0;

  bool holds(int64_t offset, int64_t length) const {
    return offset >= 0 && length >= 0 && static_cast<uint64_t>(offset) <= size &&
           static_cast<uint64_t>(length) <= size - static_cast<uint64_t>(offset);
  }
};

/** Pairs of (offset, length) in a `Bytes`; `size` counts words, two to a pair. */
struct Iovs {
  const uint32_t* data = nullptr;
  size_t size = 0;
};

/** Rows of `kOperationWords` for `submit`; `size` counts words. */
struct Operations {
  uint32_t* data = nullptr;
  size_t size = 0;
};

/** Handle @0, afterwards the result; whether it sends @1; offset @2 and length @3 in a `Bytes`. */
constexpr size_t kOperationWords = 4;

/** u32 length @0, then up to 128 bytes of `struct sockaddr_*` @4; `data` is null for none. */
struct Address {
  uint8_t* data = nullptr;
};

constexpr size_t kAddressBytes = 132;

/** The largest number of messages that one call receives or sends. */
constexpr int64_t kMessagesMax = 128;

/** The largest number of events one wait reports. */
constexpr int kEventsMax = 4096;

class Kernel {
 public:
  explicit Kernel(const Syscalls& sys = kLinux) : sys_(sys), sessions_(sys), handles_(sys) {}

  int session_open();
  int session_enter(int32_t session);
  int session_wake(int32_t session);
  int session_signal(int32_t session, int32_t signal);
  int session_cputime(int32_t session, Bytes bytes, int64_t offset);
  int session_waiting(int32_t session);
  int session_adopt(int32_t session, Handle handle);
  int session_close(int32_t session);

  int socket(int32_t domain, int32_t type, int32_t protocol);
  int socketpair(int32_t domain, int32_t type, int32_t protocol, Bytes bytes, int64_t offset);
  int bind(Handle handle, Address address);
  int listen(Handle handle, int32_t backlog);
  int accept4(Handle handle, Address address);
  int connect(Handle handle, Address address);
  int getsockname(Handle handle, Address address);
  int getpeername(Handle handle, Address address);
  int recv(Handle handle, Bytes bytes, int64_t offset, int64_t length, int32_t flags);
  int send(Handle handle, Bytes bytes, int64_t offset, int64_t length, int32_t flags);
  int recvfrom(Handle handle, Bytes bytes, int64_t offset, int64_t length, int32_t flags,
               Address address);
  int sendto(Handle handle, Bytes bytes, int64_t offset, int64_t length, int32_t flags,
             Address address);
  int recvmsg(Handle handle, Bytes bytes, Iovs iovs, int64_t count, int32_t flags, Address address,
              Bytes told);
  int sendmsg(Handle handle, Bytes bytes, Iovs iovs, int64_t count, int32_t flags, Address address);
  int recvmmsg(Handle handle, Bytes bytes, Iovs iovs, Bytes table, int64_t count, int32_t flags,
               int64_t seconds, int64_t nanoseconds);
  int sendmmsg(Handle handle, Bytes bytes, Iovs iovs, Bytes table, int64_t count, int32_t flags);
  int submit(Bytes bytes, Operations operations, int64_t count);
  int shutdown(Handle handle, int32_t how);
  int getsockopt(Handle handle, int32_t level, int32_t name, Bytes bytes, int64_t offset,
                 int64_t length);
  int setsockopt(Handle handle, int32_t level, int32_t name, Bytes bytes, int64_t offset,
                 int64_t length);

  int channel_send(Handle handle, Bytes bytes, Iovs iovs, int64_t count, uint32_t header,
                   Handle passed);
  int channel_recv(Handle handle, Bytes bytes, Iovs iovs, int64_t count, Bytes info);

  int resolve(Bytes bytes, int64_t node_offset, int64_t node_length, int64_t service_offset,
              int64_t service_length, int32_t family, int32_t type, int32_t flags);
  int resolved(Handle handle, Bytes bytes, int64_t offset, int64_t room);

  int epoll_create1(int32_t counting = 0);
  int epoll_ctl(Handle epoll, int32_t op, Handle handle, uint32_t events, uint32_t data_lo,
                uint32_t data_hi);
  int epoll_pwait(Handle epoll, Bytes bytes, int64_t offset, int64_t maxevents, int64_t timeout_ms);
  int epoll_pwait2(Handle epoll, Bytes bytes, int64_t offset, int64_t maxevents, int64_t seconds,
                   int64_t nanoseconds);
  int poll(Handle handle, int32_t events, int64_t seconds, int64_t nanoseconds);
  int eventfd(uint32_t initval, int32_t flags);
  int timerfd_create(int32_t clock);
  int timerfd_settime(Handle handle, int32_t flags, Bytes bytes, int64_t offset,
                      int64_t old_offset);
  int timerfd_gettime(Handle handle, Bytes bytes, int64_t offset);
  int signalfd(uint32_t mask);

  int dup(Handle handle);
  int pipe2(Bytes bytes, int64_t offset);
  int stdio(int32_t fd);
  int open_file(Bytes path, int32_t flags);
  int read(Handle handle, Bytes bytes, int64_t offset, int64_t length);
  int write(Handle handle, Bytes bytes, int64_t offset, int64_t length);
  int readv(Handle handle, Bytes bytes, Iovs iovs, int64_t count);
  int writev(Handle handle, Bytes bytes, Iovs iovs, int64_t count);
  int fionread(Handle handle);
  int memcmp(Bytes one, int64_t offset, Bytes other, int64_t other_offset, int64_t length);
  int fstat(Handle handle);
  int isatty(Handle handle);
  int close(Handle handle);

  int open_directory(Bytes path);
  int openat(Handle directory, Bytes bytes, int64_t offset, int64_t length, int32_t flags,
             int32_t mode);
  int statx(Handle directory, Bytes bytes, int64_t offset, int64_t length, int32_t flags,
            Bytes status);
  int utimensat(Handle directory, Bytes bytes, int64_t offset, int64_t length, int32_t flags,
                Bytes times);
  int mkdirat(Handle directory, Bytes bytes, int64_t offset, int64_t length, int32_t mode);
  int unlinkat(Handle directory, Bytes bytes, int64_t offset, int64_t length, int32_t flags);
  int renameat(Handle from, Bytes bytes, int64_t from_offset, int64_t from_length, Handle to,
               int64_t to_offset, int64_t to_length);
  int linkat(Handle from, Bytes bytes, int64_t from_offset, int64_t from_length, Handle to,
             int64_t to_offset, int64_t to_length);
  int symlinkat(Bytes bytes, int64_t target_offset, int64_t target_length, Handle directory,
                int64_t offset, int64_t length);
  int readlinkat(Handle directory, Bytes bytes, int64_t offset, int64_t length, int64_t room,
                 int64_t room_bytes);
  int getdents64(Handle directory, Bytes bytes, int64_t offset, int64_t length,
                 uint32_t cookie_lo, uint32_t cookie_hi);
  int lseek(Handle handle, uint32_t offset_lo, uint32_t offset_hi, int32_t whence, Bytes bytes,
            int64_t at);
  int pread(Handle handle, Bytes bytes, int64_t offset, int64_t length, uint32_t position_lo,
            uint32_t position_hi);
  int pwrite(Handle handle, Bytes bytes, int64_t offset, int64_t length, uint32_t position_lo,
             uint32_t position_hi);
  int preadv(Handle handle, Bytes bytes, Iovs iovs, int64_t count, uint32_t offset_lo,
             uint32_t offset_hi);
  int pwritev(Handle handle, Bytes bytes, Iovs iovs, int64_t count, uint32_t offset_lo,
              uint32_t offset_hi);
  int ftruncate(Handle handle, uint32_t size_lo, uint32_t size_hi);
  int fallocate(Handle handle, uint32_t offset_lo, uint32_t offset_hi, uint32_t length_lo,
                uint32_t length_hi);
  int fadvise(Handle handle, uint32_t offset_lo, uint32_t offset_hi, uint32_t length_lo,
              uint32_t length_hi, int32_t advice);
  int fsync(Handle handle);
  int fdatasync(Handle handle);
  int setfl(Handle handle, int32_t flags);

  int clock_gettime(int32_t clock, Bytes bytes, int64_t offset);
  int clock_getres(int32_t clock, Bytes bytes, int64_t offset);
  int getrandom(Bytes bytes, int64_t offset, int64_t length);
  int sched_yield();

  int prctl(int32_t option, int64_t value);
  int setrlimit(int32_t resource, int64_t soft, int64_t hard);
  int open_path(Bytes path);
  int landlock_create_ruleset(Bytes attributes, int32_t flags);
  int landlock_add_path(Handle ruleset, Handle parent, int64_t access);
  int landlock_add_port(Handle ruleset, int32_t port, int64_t access);
  int landlock_restrict_self(Handle ruleset, int32_t flags);
  int seccomp_filter(Bytes program, int32_t flags);

 private:
  /** Whether the calling thread is the first of its process. */
  bool on_main_thread() { return sys_.gettid() == sys_.getpid(); }
  /** Names a descriptor that was just opened; its session closes it if nobody else does. */
  int opened(long fd, Mode mode = Mode::kPlain, std::unique_ptr<Attached> attached = nullptr,
             bool lingers = false);
  /** Names both, and writes the two handles at `offset`: 0, or an error and both are closed. */
  int opened_pair(const int fds[2], Bytes bytes, int64_t offset);
  long read_special(const Pin& pin, const ::iovec* iovs, size_t count);
  long write_special(const Pin& pin, const ::iovec& from);
  long read_signals(const Pin& pin, const ::iovec* iovs, size_t count);
  long read_shared(const Pin& pin, void* buffer, size_t length);
  long write_shared(const Pin& pin, const void* buffer, size_t length);
  int transfer_at(decltype(Syscalls::preadv) transfer, Handle handle, Bytes bytes, Iovs iovs,
                  int64_t count, int64_t offset);
  bool is_ready(int fd, short events);
  int reported(const Pin& epoll, uint8_t* records, long count);
  timespec deadline_after(int64_t seconds, int64_t nanoseconds);
  timespec left_until(const timespec& deadline);

  const Syscalls& sys_;
  /** Outlives the handles: signal descriptors take their leave of it. */
  Sessions sessions_;
  HandleTable handles_;
  /** One by the handle's low bits: who lists a directory has its position to itself meanwhile. */
  std::mutex positions_[64];
};

}  // namespace sandpoll
