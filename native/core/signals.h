#pragma once

/** `signalfd(2)` over a session: the signals are the host's words, and no process gets them. */

#include <cstdint>

#include "handles.h"
#include "sessions.h"

namespace sandpoll {

/** Attached to an eventfd that is readable while a signal of the mask is pending in the session. */
struct SignalDescriptor : Attached {
  SignalDescriptor(Sessions& sessions, uint32_t session, uint32_t mask, int fd)
      : sessions(sessions), session(session), mask(mask), fd(fd) {
    sessions.attach(*this);
  }
  ~SignalDescriptor() override { sessions.detach(*this); }
  SignalDescriptor(const SignalDescriptor&) = delete;
  SignalDescriptor& operator=(const SignalDescriptor&) = delete;

  Sessions& sessions;
  const uint32_t session;
  /** Bit n−1 for signal n. */
  const uint32_t mask;
  const int fd;
};

}  // namespace sandpoll
