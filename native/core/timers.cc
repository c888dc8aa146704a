/** `timerfd_create(2)` and its two. */

#include <sys/timerfd.h>

#include <cerrno>
#include <cstring>

#include "abi.h"
#include "kernel.h"

namespace sandpoll {

static_assert(sizeof(::itimerspec) == sizeof(abi::itimerspec), "Linux's own, copied as it is");

int Kernel::timerfd_create(int32_t clock) {
  return opened(sys_.timerfd_create(clock, TFD_NONBLOCK | TFD_CLOEXEC));
}

int Kernel::timerfd_settime(Handle handle, int32_t flags, Bytes bytes, int64_t offset,
                            int64_t old_offset) {
  ::itimerspec value;
  ::itimerspec old;
  const bool wants_old = old_offset != -1;
  if (!bytes.holds(offset, sizeof(value))) return -EFAULT;
  if (wants_old && !bytes.holds(old_offset, sizeof(old))) return -EFAULT;
  Pin pin(handles_, handle);
  if (!pin) return -EBADF;
  std::memcpy(&value, bytes.data + offset, sizeof(value));
  const long result = sys_.timerfd_settime(pin.fd(), flags, &value, &old);
  if (result >= 0 && wants_old) std::memcpy(bytes.data + old_offset, &old, sizeof(old));
  return static_cast<int>(result);
}

int Kernel::timerfd_gettime(Handle handle, Bytes bytes, int64_t offset) {
  ::itimerspec current;
  if (!bytes.holds(offset, sizeof(current))) return -EFAULT;
  Pin pin(handles_, handle);
  if (!pin) return -EBADF;
  const long result = sys_.timerfd_gettime(pin.fd(), &current);
  if (result >= 0) std::memcpy(bytes.data + offset, &current, sizeof(current));
  return static_cast<int>(result);
}

}  // namespace sandpoll
