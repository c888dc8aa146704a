/**
 * The waits that another thread can end, and what ends them.
 *
 * A real-time signal with a handler that does nothing is blocked in every thread that can be
 * woken, and unblocked by the kernel for exactly the length of the wait: a signal sent before the
 * wait stays pending and ends it at once, so no wake is ever lost.
 */

#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <mutex>

#include "syscalls.h"

namespace sandpoll::os {

namespace {

int wake_signal = 0;

thread_local sigset_t mask_in_wait;

long result(long value) { return value < 0 ? -errno : value; }

/** Takes a real-time signal that nobody in this process handles. */
void choose_signal() {
  struct sigaction action = {};
  for (int signal = SIGRTMAX; signal >= SIGRTMIN; signal--) {
    if (::sigaction(signal, nullptr, &action) == 0 && action.sa_handler == SIG_DFL) {
      action.sa_handler = [](int) {};
      action.sa_flags = SA_RESTART;
      ::sigaction(signal, &action, nullptr);
      wake_signal = signal;
      return;
    }
  }
}

bool is_set(Woken woken) { return woken != nullptr && woken->load(std::memory_order_relaxed); }

const sigset_t* mask_of(Woken woken) { return woken == nullptr ? nullptr : &mask_in_wait; }

}  // namespace

long epoll_wait(int epoll, epoll_event* events, int maxevents, int timeout_ms, Woken woken) {
  if (is_set(woken)) return -EINTR;
  return result(::epoll_pwait(epoll, events, maxevents, timeout_ms, mask_of(woken)));
}

long epoll_pwait2(int epoll, epoll_event* events, int maxevents, const timespec* timeout,
                  Woken woken) {
  if (is_set(woken)) return -EINTR;
  return result(::syscall(SYS_epoll_pwait2, epoll, events, maxevents, timeout, mask_of(woken),
                          _NSIG / 8));
}

long ppoll(pollfd* fds, nfds_t count, const timespec* timeout, Woken woken) {
  if (is_set(woken)) return -EINTR;
  return result(::ppoll(fds, count, timeout, mask_of(woken)));
}

long let_wake() {
  static std::once_flag once;
  std::call_once(once, choose_signal);
  if (wake_signal == 0) return -EAGAIN;
  sigset_t wake;
  sigemptyset(&wake);
  sigaddset(&wake, wake_signal);
  ::pthread_sigmask(SIG_BLOCK, &wake, &mask_in_wait);
  sigdelset(&mask_in_wait, wake_signal);
  return ::gettid();
}

long wake_thread(long thread) {
  return result(::syscall(SYS_tgkill, ::getpid(), thread, wake_signal));
}

}  // namespace sandpoll::os
