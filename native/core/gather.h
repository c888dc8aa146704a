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

  /** 0; `-EINVAL` for a count that readv(2) refuses; `-EFAULT` for a buffer outside `bytes`. */
  int load(Bytes bytes, Iovs from, int64_t pairs) {
    if (pairs < 0 || pairs > kIovMax) return -EINVAL;
    if (static_cast<size_t>(pairs) > from.size / 2) return -EFAULT;
    count = static_cast<size_t>(pairs);
    for (size_t at = 0; at < count; at++) {
      uint32_t pair[2];
      std::memcpy(pair, from.data + 2 * at, sizeof(pair));
      if (!bytes.holds(pair[0], pair[1])) return -EFAULT;
      iovs[at] = {bytes.data + pair[0], pair[1]};
    }
    return 0;
  }

  /** The first buffer that has room for anything. */
  ::iovec first() const {
    size_t at = 0;
    while (at < count && iovs[at].iov_len == 0) at++;
    return at < count ? iovs[at] : ::iovec{nullptr, 0};
  }

  msghdr message() {
    msghdr message = {};
    message.msg_iov = iovs;
    message.msg_iovlen = count;
    return message;
  }
};

}  // namespace sandpoll
