#include <cerrno>

#include "kernel.h"

namespace sandpoll {

int Kernel::submit(Bytes bytes, Operations operations, int64_t count) {
  if (count < 0 || static_cast<uint64_t>(count) > operations.size / kOperationWords) return -EINVAL;
  uint32_t* at = operations.data;
  for (int64_t done = 0; done < count; done++, at += kOperationWords) {
    const auto handle = static_cast<Handle>(at[0]);
    const bool sends = at[1] != 0;
    const int result = sends ? send(handle, bytes, at[2], at[3], 0)
                             : recv(handle, bytes, at[2], at[3], 0);
    at[0] = static_cast<uint32_t>(result);
  }
  return 0;
}

}  // namespace sandpoll
