#pragma once

/** The guest's list of buffers, copied in once: a second thread may change it at any time. */

#include <cerrno>
#include <cstring>

#include "kernel.h"

namespace sandpoll {

/** IOV_MAX of `readv(2)`. */
constexpr int64_t kIovMax = 1024;

struct Gathered {
  ::iovec iovs[kIovMax];
  size_t count;

  /**
   * 0; `-EINVAL` for a count that readv(2) refuses; `-EFAULT` for a buffer outside `bytes`.
   * The first `kept` of `iovs` are left to the caller.
   */
  int load(Bytes bytes, Iovs from, int64_t pairs, size_t kept = 0) {
    if (pairs < 0 || pairs > kIovMax - static_cast<int64_t>(kept)) return -EINVAL;
    if (static_cast<size_t>(pairs) > from.size / 2) return -EFAULT;
    count = kept + static_cast<size_t>(pairs);
    for (size_t at = 0; at + kept < count; at++) {
      uint32_t pair[2];
      std::memcpy(pair, from.data + 2 * at, sizeof(pair));
      if (!bytes.holds(pair[0], pair[1])) return -EFAULT;
      iovs[kept + at] = {bytes.data + pair[0], pair[1]};
    }
    return 0;
  }

  msghdr message() {
    msghdr message = {};
    message.msg_iov = iovs;
    message.msg_iovlen = count;
    return message;
  }
};

}  // namespace sandpoll
