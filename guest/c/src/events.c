// Descriptors that are events: timerfd_create(2), signalfd(2) and pipe(2).
#include <fcntl.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "imports.h"

// As the host has it: nanoseconds of 64 bits, where wasi-libc's `long` has 32.
struct itimerspec64 {
  int64_t interval_seconds;
  int64_t interval_nanoseconds;
  int64_t value_seconds;
  int64_t value_nanoseconds;
};

IMPORT(timerfd_create)(int clock, int flags, int *fd);
IMPORT(timerfd_settime)(int fd, int flags, const struct itimerspec64 *value,
                        struct itimerspec64 *old);
IMPORT(timerfd_gettime)(int fd, struct itimerspec64 *current);
IMPORT(signalfd)(const sigset_t *mask, int flags, int *fd);
IMPORT(pipe2)(int flags, int *fds);

_Static_assert(sizeof(struct signalfd_siginfo) == 128, "the host's signalfd_siginfo");
_Static_assert(sizeof(sigset_t) == 8, "the host's signal mask");

// What wasi-libc's clocks point to. Its numbers of REALTIME and MONOTONIC are Linux's.
struct __clockid {
  uint32_t id;
};
#define LINUX_CLOCK_BOOTTIME 7
const struct __clockid _CLOCK_BOOTTIME = {LINUX_CLOCK_BOOTTIME};

// No clock lies as low in memory: a smaller number is one that the program made up.
#define ADDRESS_MIN 1024

int timerfd_create(clockid_t clock, int flags) {
  int id = (uintptr_t)clock < ADDRESS_MIN ? (int)(uintptr_t)clock : (int)clock->id;
  int fd = -1;
  return outcome(sandpoll_timerfd_create(id, flags, &fd), fd);
}

static struct itimerspec narrow(const struct itimerspec64 *wide) {
  return (struct itimerspec){
      .it_interval = {wide->interval_seconds, (long)wide->interval_nanoseconds},
      .it_value = {wide->value_seconds, (long)wide->value_nanoseconds},
  };
}

int timerfd_settime(int fd, int flags, const struct itimerspec *value, struct itimerspec *old) {
  if (!value) return status(EFAULT);
  struct itimerspec64 wide = {value->it_interval.tv_sec, value->it_interval.tv_nsec,
                              value->it_value.tv_sec, value->it_value.tv_nsec};
  struct itimerspec64 before = {0};
  int error = sandpoll_timerfd_settime(fd, flags, &wide, old ? &before : NULL);
  if (error == 0 && old) *old = narrow(&before);
  return status(error);
}

int timerfd_gettime(int fd, struct itimerspec *current) {
  if (!current) return status(EFAULT);
  struct itimerspec64 wide = {0};
  int error = sandpoll_timerfd_gettime(fd, &wide);
  if (error == 0) *current = narrow(&wide);
  return status(error);
}

int signalfd(int fd, const sigset_t *mask, int flags) {
  if (fd != -1) return status(EINVAL);
  int made = -1;
  return outcome(sandpoll_signalfd(mask, flags, &made), made);
}

// Linux's value of O_NONBLOCK: wasi-libc's is another. Its O_CLOEXEC is 0.
#define LINUX_O_NONBLOCK 0x800

int pipe2(int fds[2], int flags) {
  int rest = flags & ~O_NONBLOCK;
  return status(sandpoll_pipe2(flags == rest ? rest : rest | LINUX_O_NONBLOCK, fds));
}

int pipe(int fds[2]) { return pipe2(fds, 0); }
