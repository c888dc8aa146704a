#pragma once

/**
 * Sessions: one for each guest. A session owns handles, and knows the threads that run for it so
 * that any other thread can wake them.
 */

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "syscalls.h"

namespace sandpoll {

class Sessions;
struct SignalDescriptor;

/** The calling thread's part in a session. It leaves by itself when the thread ends. */
struct Member {
  ~Member();

  /** True once after each wake, for ever once the session is closed; asked after -EINTR. */
  bool take_wake();
  /** What a wait of this thread watches: null for one that never entered a session. */
  Sleeper* wakeable() { return sleeper.thread == 0 ? nullptr : &sleeper; }

  Sleeper sleeper;
  /** 0 outside every session; `kGone` once the session was closed under the thread. */
  std::atomic<uint32_t> session{0};
  Sessions* sessions = nullptr;
  /** Of its CPU time, and what that was when it entered, in nanoseconds. */
  clockid_t cpu_clock = {};
  int64_t entered_ns = 0;
};

class Sessions {
 public:
  static constexpr uint32_t kGone = 0xffffffff;

  explicit Sessions(const Syscalls& sys) : sys_(sys) {}
  ~Sessions();
  Sessions(const Sessions&) = delete;
  Sessions& operator=(const Sessions&) = delete;

  /** The calling thread. */
  static Member& self();

  /** A new session, `> 0`. */
  int open();
  /** Makes the calling thread a member: `-ESRCH` for no session, `-EAGAIN` for no timer. */
  int enter(uint32_t session);
  /** Ends the wait of every member, or its next one; `-EAGAIN` beyond RLIMIT_SIGPENDING. */
  int wake(uint32_t session);
  /**
   * From here on no other thread opens anything in the session or waits for anything, so that a
   * guest which is being terminated gets round to it: 0 or `-ESRCH`.
   */
  int close(uint32_t session);
  /**
   * Makes a signal of 1 to 31 pending: how many descriptors take it; with none nothing is
   * pending. `-ESRCH` for no session.
   */
  int signal(uint32_t session, int number);
  /**
   * Nanoseconds of CPU time that its threads, also those that have left, have used since each
   * entered: 0 or `-ESRCH`.
   */
  int cputime(uint32_t session, int64_t& used_ns);
  /** 1 if every thread of it is in a wait that a wake ends, else 0; `-ESRCH` for no session. */
  int waiting(uint32_t session);
  /** From here on the descriptor is readable while a signal of its mask is pending. */
  void attach(SignalDescriptor& descriptor);
  void detach(SignalDescriptor& descriptor);
  /** Takes up to `most` signals, the lowest first: bit n−1 for signal n. */
  uint32_t take_signals(const SignalDescriptor& descriptor, size_t most);
  /** The member's thread ends: from here on no wake is sent to it. */
  void end(Member& member);

  /** Runs `action` while the session is sure to stay open: its result, or `-ESRCH`. */
  template <typename Action>
  int with(uint32_t session, Action action) {
    std::lock_guard<std::mutex> lock(mutex_);
    return open_.count(session) == 0 ? -ESRCH : action();
  }

 private:
  struct Session {
    std::vector<Member*> members;
    /** Woken before anyone had entered: the first to enter is woken. */
    bool woken = false;
    /** Bit n−1 for signal n. */
    uint32_t pending = 0;
    /** CPU time of the threads that have left, in nanoseconds. */
    int64_t left_ns = 0;
    std::vector<SignalDescriptor*> signal_descriptors;
  };

  void leave_locked(Member& member);
  /** CPU time of a thread that has not ended, in nanoseconds. */
  int64_t now_ns(const Member& member);
  /** Makes it readable; with an edge, each time. */
  void raise(const SignalDescriptor& descriptor);
  /** Makes it unreadable. */
  void lower(const SignalDescriptor& descriptor);

  const Syscalls& sys_;
  std::mutex mutex_;
  uint32_t last_ = 0;
  std::unordered_map<uint32_t, Session> open_;
};

}  // namespace sandpoll
