#include <sys/eventfd.h>

#include <cerrno>
#include <climits>
#include <cstring>

#include "abi.h"
#include "kernel.h"

namespace sandpoll {

namespace {

static_assert(sizeof(::epoll_event) <= sizeof(abi::epoll_event), "records only ever grow");
#if defined(__x86_64__)
static_assert(sizeof(::epoll_event) == 12 && offsetof(::epoll_event, data) == 4, "packed");
#endif

constexpr int64_t kNanosecondsPerSecond = 1'000'000'000;
constexpr int64_t kNanosecondsPerMillisecond = 1'000'000;

/** Linux's own limit, whatever the record's size is on this machine. */
constexpr int64_t kMaxevents = INT_MAX / 12;

/**
 * Linux wrote `count` of its own records to the start of `records`: stretches them to the guest's
 * in place, last one first.
 */
void stretch(uint8_t* records, long count) {
  for (long at = count - 1; at >= 0; at--) {
    ::epoll_event from;
    std::memcpy(&from, records + at * sizeof(from), sizeof(from));
    const abi::epoll_event to = {from.events, 0, from.data.u64};
    std::memcpy(records + at * sizeof(to), &to, sizeof(to));
  }
}

bool is_timespec(int64_t seconds, int64_t nanoseconds) {
  return seconds >= 0 && nanoseconds >= 0 && nanoseconds < kNanosecondsPerSecond;
}

/** Rounded up: a wait never ends early, and never spins. */
int64_t milliseconds(const timespec& time) {
  return time.tv_sec * 1000 +
         (time.tv_nsec + kNanosecondsPerMillisecond - 1) / kNanosecondsPerMillisecond;
}

/** An eventfd is writable too; what is made of one here is not. */
uint32_t events_of(const Pin& pin, uint32_t events) {
  const bool read_only = pin.mode() == Mode::kSignal || pin.mode() == Mode::kLookup;
  return read_only ? events & ~static_cast<uint32_t>(EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND) : events;
}

struct Room {
  int error;
  int maxevents;
};

Room room_for(Bytes bytes, int64_t offset, int64_t maxevents) {
  if (maxevents <= 0 || maxevents > kMaxevents) return {-EINVAL, 0};
  const int count = maxevents < kEventsMax ? static_cast<int>(maxevents) : kEventsMax;
  const int64_t length = count * static_cast<int64_t>(sizeof(abi::epoll_event));
  return {bytes.holds(offset, length) ? 0 : -EFAULT, count};
}

}  // namespace

timespec Kernel::deadline_after(int64_t seconds, int64_t nanoseconds) {
  timespec now = {};
  sys_.clock_gettime(CLOCK_MONOTONIC, &now);
  const int64_t sum = now.tv_nsec + nanoseconds;
  return {now.tv_sec + seconds + sum / kNanosecondsPerSecond, sum % kNanosecondsPerSecond};
}

timespec Kernel::left_until(const timespec& deadline) {
  timespec now = {};
  sys_.clock_gettime(CLOCK_MONOTONIC, &now);
  timespec left = {deadline.tv_sec - now.tv_sec, deadline.tv_nsec - now.tv_nsec};
  if (left.tv_nsec < 0) left = {left.tv_sec - 1, left.tv_nsec + kNanosecondsPerSecond};
  return left.tv_sec < 0 ? timespec{0, 0} : left;
}

int Kernel::epoll_create1(int32_t counting) {
  const Mode mode = counting != 0 ? Mode::kCountingEpoll : Mode::kEpoll;
  return opened(sys_.epoll_create1(EPOLL_CLOEXEC), mode);
}

/** What a wait returns that Linux ended with `count` of its own records, or with an error. */
int Kernel::reported(const Pin& epoll, uint8_t* records, long count) {
  stretch(records, count);
  if (epoll.mode() != Mode::kCountingEpoll) return static_cast<int>(count);
  for (long at = 0; at < count; at++) {
    abi::epoll_event event;
    std::memcpy(&event, records + at * sizeof(event), sizeof(event));
    if ((event.events & EPOLLIN) == 0) continue;
    const int bytes = fionread(static_cast<Handle>(event.data >> 32));
    event.zero = bytes < 0 ? 0 : static_cast<uint32_t>(bytes);
    std::memcpy(records + at * sizeof(event), &event, sizeof(event));
  }
  return static_cast<int>(count);
}

int Kernel::epoll_ctl(Handle epoll, int32_t op, Handle handle, uint32_t events, uint32_t data_lo,
                      uint32_t data_hi) {
  Pin interest(handles_, epoll);
  Pin pin(handles_, handle);
  if (!interest || !pin) return -EBADF;
  ::epoll_event event = {};
  event.events = events_of(pin, events);
  event.data.u64 = static_cast<uint64_t>(data_hi) << 32 | data_lo;
  const long result = sys_.epoll_ctl(interest.fd(), op, pin.fd(), &event);
  // Closed meanwhile, after the closer had already asked every epoll to forget it.
  if (result == 0 && op == EPOLL_CTL_ADD && !pin.live()) {
    sys_.epoll_ctl(interest.fd(), EPOLL_CTL_DEL, pin.fd(), nullptr);
    return -EBADF;
  }
  return static_cast<int>(result);
}

int Kernel::epoll_pwait(Handle epoll, Bytes bytes, int64_t offset, int64_t maxevents,
                        int64_t timeout_ms) {
  const Room room = room_for(bytes, offset, maxevents);
  if (room.error != 0) return room.error;
  Pin pin(handles_, epoll);
  if (!pin) return -EBADF;
  Member& self = Sessions::self();
  uint8_t* records = bytes.data + offset;
  auto* events = reinterpret_cast<::epoll_event*>(records);
  timespec deadline = {};
  if (timeout_ms > INT_MAX) timeout_ms = INT_MAX;
  if (timeout_ms > 0) {
    deadline = deadline_after(timeout_ms / 1000, timeout_ms % 1000 * kNanosecondsPerMillisecond);
  }
  auto left_ms = static_cast<int>(timeout_ms < 0 ? -1 : timeout_ms);
  for (;;) {
    const long count = sys_.epoll_wait(pin.fd(), events, room.maxevents, left_ms, self.wakeable());
    if (count != -EINTR) return reported(pin, records, count);
    if (self.take_wake()) return -EINTR;
    if (timeout_ms > 0) left_ms = static_cast<int>(milliseconds(left_until(deadline)));
  }
}

int Kernel::epoll_pwait2(Handle epoll, Bytes bytes, int64_t offset, int64_t maxevents,
                         int64_t seconds, int64_t nanoseconds) {
  const Room room = room_for(bytes, offset, maxevents);
  if (room.error != 0) return room.error;
  const bool forever = seconds == -1;
  if (!forever && !is_timespec(seconds, nanoseconds)) return -EINVAL;
  Pin pin(handles_, epoll);
  if (!pin) return -EBADF;
  Member& self = Sessions::self();
  uint8_t* records = bytes.data + offset;
  auto* events = reinterpret_cast<::epoll_event*>(records);
  const timespec deadline = forever ? timespec{} : deadline_after(seconds, nanoseconds);
  timespec left = {seconds, nanoseconds};
  for (;;) {
    const long count = sys_.epoll_pwait2(pin.fd(), events, room.maxevents,
                                         forever ? nullptr : &left, self.wakeable());
    if (count != -EINTR) return reported(pin, records, count);
    if (self.take_wake()) return -EINTR;
    if (!forever) left = left_until(deadline);
  }
}

int Kernel::poll(Handle handle, int32_t events, int64_t seconds, int64_t nanoseconds) {
  const bool forever = seconds == -1;
  if (!forever && !is_timespec(seconds, nanoseconds)) return -EINVAL;
  Pin pin(handles_, handle);
  if (!pin) return -EBADF;
  Member& self = Sessions::self();
  const timespec deadline = forever ? timespec{} : deadline_after(seconds, nanoseconds);
  timespec left = {seconds, nanoseconds};
  pollfd polled = {pin.fd(), static_cast<short>(events_of(pin, events)), 0};
  for (;;) {
    const long ready = sys_.ppoll(&polled, 1, forever ? nullptr : &left, self.wakeable());
    if (ready >= 0) return polled.revents & 0xffff;
    if (ready != -EINTR) return static_cast<int>(ready);
    if (self.take_wake()) return -EINTR;
    if (!forever) left = left_until(deadline);
  }
}

int Kernel::eventfd(uint32_t initval, int32_t flags) {
  return opened(sys_.eventfd(initval, flags | EFD_NONBLOCK | EFD_CLOEXEC));
}

}  // namespace sandpoll
