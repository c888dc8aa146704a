/**
 * The waits that another thread can end, and what ends them, at no cost to a wait that is not
 * ended: no signal mask is changed (130 ns a wait) and no descriptor joins the interest list.
 *
 * A wake sets the sleeper's flag and sends its thread a real-time signal. A wait looks at the flag
 * first; a signal that comes later interrupts the system call. Between the two lie a few
 * instructions in which a signal would go unnoticed, so the handler, if it finds its thread inside
 * a wait, has the signal sent once more a millisecond later, and so on until the wait is over.
 */

#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <mutex>

#include "syscalls.h"

namespace sandpoll::os {

namespace {

constexpr itimerspec kAgain = {{0, 0}, {0, 1'000'000}};

int wake_signal = 0;

/** Initial-exec: reading it in the handler never allocates. */
thread_local Sleeper* sleeper __attribute__((tls_model("initial-exec"))) = nullptr;

long result(long value) { return value < 0 ? -errno : value; }

void on_wake(int) {
  if (sleeper == nullptr || !sleeper->waiting.load(std::memory_order_relaxed)) return;
  if (!sleeper->woken.load(std::memory_order_relaxed)) return;
  const int saved = errno;
  ::timer_settime(sleeper->timer, 0, &kAgain, nullptr);
  errno = saved;
}

/** Takes a real-time signal that nobody in this process handles. */
void choose_signal() {
  struct sigaction action = {};
  for (int signal = SIGRTMAX; signal >= SIGRTMIN; signal--) {
    if (::sigaction(signal, nullptr, &action) == 0 && action.sa_handler == SIG_DFL) {
      action.sa_handler = on_wake;
      action.sa_flags = SA_RESTART | SA_ONSTACK;
      ::sigaction(signal, &action, nullptr);
      wake_signal = signal;
      return;
    }
  }
}

/** Runs a system call that waits; `-EINTR` without running it if the thread is woken already. */
template <typename Call>
long wait(Sleeper* self, Call call) {
  if (self == nullptr) return result(call());
  self->waiting.store(true, std::memory_order_relaxed);
  std::atomic_signal_fence(std::memory_order_seq_cst);
  const long value = self->woken.load(std::memory_order_relaxed) ? -EINTR : result(call());
  std::atomic_signal_fence(std::memory_order_seq_cst);
  self->waiting.store(false, std::memory_order_relaxed);
  return value;
}

/** Rounded up, for a kernel older than 5.11. */
int milliseconds(const timespec* time) {
  if (time == nullptr) return -1;
  if (time->tv_sec >= INT_MAX / 1000) return INT_MAX;
  return static_cast<int>(time->tv_sec * 1000 + (time->tv_nsec + 999'999) / 1'000'000);
}

}  // namespace

long epoll_wait(int epoll, epoll_event* events, int maxevents, int timeout_ms, Sleeper* self) {
  return wait(self, [=] { return ::epoll_wait(epoll, events, maxevents, timeout_ms); });
}

long epoll_pwait2(int epoll, epoll_event* events, int maxevents, const timespec* timeout,
                  Sleeper* self) {
  const long count = wait(self, [=] {
    return ::syscall(SYS_epoll_pwait2, epoll, events, maxevents, timeout, nullptr, _NSIG / 8);
  });
  if (count != -ENOSYS) return count;
  return epoll_wait(epoll, events, maxevents, milliseconds(timeout), self);
}

long ppoll(pollfd* fds, nfds_t count, const timespec* timeout, Sleeper* self) {
  return wait(self, [=] { return ::ppoll(fds, count, timeout, nullptr); });
}

long let_wake(Sleeper& self) {
  static std::once_flag once;
  std::call_once(once, choose_signal);
  if (wake_signal == 0) return -EAGAIN;
  if (self.thread != 0) return 0;
  sigevent event = {};
  event.sigev_notify = SIGEV_THREAD_ID;
  event.sigev_signo = wake_signal;
  event._sigev_un._tid = ::gettid();
  if (::timer_create(CLOCK_MONOTONIC, &event, &self.timer) < 0) return -errno;
  self.thread = ::gettid();
  sleeper = &self;
  sigset_t wake;
  sigemptyset(&wake);
  sigaddset(&wake, wake_signal);
  return -::pthread_sigmask(SIG_UNBLOCK, &wake, nullptr);
}

void forbid_wake(Sleeper& self) {
  sleeper = nullptr;
  ::timer_delete(self.timer);
}

long wake(Sleeper& other) {
  other.woken.store(true);
  return result(::syscall(SYS_tgkill, ::getpid(), other.thread, wake_signal));
}

}  // namespace sandpoll::os
