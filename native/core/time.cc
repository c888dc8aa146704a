/** Clocks, chance, and giving way. */

#include <time.h>

#include <cerrno>
#include <cstring>

#include "kernel.h"

namespace sandpoll {

namespace {

/** Between two chunks a thread that is filling a whole memory notices that it is to stop. */
constexpr int64_t kRandomChunkBytes = 256 * 1024;

void store(uint8_t* at, const timespec& time) {
  const uint64_t nanoseconds =
      static_cast<uint64_t>(time.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(time.tv_nsec);
  std::memcpy(at, &nanoseconds, sizeof(nanoseconds));
}

}  // namespace

int Kernel::clock_gettime(int32_t clock, Bytes bytes, int64_t offset) {
  if (!bytes.holds(offset, sizeof(uint64_t))) return -EFAULT;
  timespec time;
  const long result = sys_.clock_gettime(clock, &time);
  if (result >= 0) store(bytes.data + offset, time);
  return static_cast<int>(result);
}

int Kernel::clock_getres(int32_t clock, Bytes bytes, int64_t offset) {
  if (!bytes.holds(offset, sizeof(uint64_t))) return -EFAULT;
  timespec time;
  const long result = sys_.clock_getres(clock, &time);
  if (result >= 0) store(bytes.data + offset, time);
  return static_cast<int>(result);
}

int Kernel::getrandom(Bytes bytes, int64_t offset, int64_t length) {
  if (!bytes.holds(offset, length)) return -EFAULT;
  Member& self = Sessions::self();
  for (int64_t filled = 0; filled < length;) {
    const int64_t left = length - filled;
    const int64_t chunk = left < kRandomChunkBytes ? left : kRandomChunkBytes;
    const long result = sys_.getrandom(bytes.data + offset + filled, chunk);
    if (result < 0 && result != -EINTR) return static_cast<int>(result);
    if (result > 0) filled += result;
    if (filled < length && self.take_wake()) return -EINTR;
  }
  return 0;
}

int Kernel::sched_yield() { return static_cast<int>(sys_.sched_yield()); }

}  // namespace sandpoll
