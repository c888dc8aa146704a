// Signals as far as nothing but the program itself sends them: remembered, and called by raise(3).
#include <signal.h>
#include <stdlib.h>

#include "imports.h"

static struct sigaction actions[NSIG];
static sigset_t blocked;

// Their bodies differ, lest they become one function.
static volatile int called;
void sandpoll_signal_ignored(int signal) { called = signal; }
void sandpoll_signal_error(int signal) { called = -signal; }

static int valid(int signal) { return signal > 0 && signal < NSIG; }

static unsigned long long bit_of(int signal) { return 1ULL << (signal - 1); }

#define UNBLOCKABLE (1ULL << (SIGKILL - 1) | 1ULL << (SIGSTOP - 1))

int sigemptyset(sigset_t *set) {
  set->sandpoll_bits = 0;
  return 0;
}

int sigfillset(sigset_t *set) {
  set->sandpoll_bits = ~0ULL;
  return 0;
}

int sigaddset(sigset_t *set, int signal) {
  if (!valid(signal)) return status(EINVAL);
  set->sandpoll_bits |= bit_of(signal);
  return 0;
}

int sigdelset(sigset_t *set, int signal) {
  if (!valid(signal)) return status(EINVAL);
  set->sandpoll_bits &= ~bit_of(signal);
  return 0;
}

int sigismember(const sigset_t *set, int signal) {
  if (!valid(signal)) return status(EINVAL);
  return (set->sandpoll_bits & bit_of(signal)) != 0;
}

int pthread_sigmask(int how, const sigset_t *set, sigset_t *old) {
  unsigned long long bits = blocked.sandpoll_bits;
  if (set) {
    if (how == SIG_BLOCK) bits |= set->sandpoll_bits;
    else if (how == SIG_UNBLOCK) bits &= ~set->sandpoll_bits;
    else if (how == SIG_SETMASK) bits = set->sandpoll_bits;
    else return EINVAL;
  }
  if (old) *old = blocked;
  blocked.sandpoll_bits = bits & ~UNBLOCKABLE;
  return 0;
}

int sigprocmask(int how, const sigset_t *set, sigset_t *old) {
  return status(pthread_sigmask(how, set, old));
}

int sigaction(int signal, const struct sigaction *action, struct sigaction *old) {
  if (!valid(signal)) return status(EINVAL);
  if (action && (bit_of(signal) & UNBLOCKABLE) != 0) return status(EINVAL);
  if (old) *old = actions[signal];
  if (action) actions[signal] = *action;
  return 0;
}

sighandler_t signal(int signal, sighandler_t handler) {
  struct sigaction old;
  struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
  return sigaction(signal, &action, &old) < 0 ? SIG_ERR : old.sa_handler;
}

// Whether a signal that nobody handles is ignored: signal(7).
static int ignored(int signal) {
  return signal == SIGCHLD || signal == SIGCONT || signal == SIGURG || signal == SIGWINCH;
}

int raise(int signal) {
  if (!valid(signal)) return status(EINVAL);
  struct sigaction *action = &actions[signal];
  if (action->sa_handler == SIG_IGN) return 0;
  if (action->sa_handler != SIG_DFL) {
    if (action->sa_flags & SA_SIGINFO) {
      siginfo_t info = {.si_signo = signal};
      action->sa_sigaction(signal, &info, NULL);
    } else {
      action->sa_handler(signal);
    }
    return 0;
  }
  if (ignored(signal)) return 0;
  // The status a shell shows for a program that a signal ended.
  _Exit(128 + signal);
}
