#include "signals.h"

#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

#include "kernel.h"

namespace sandpoll {

namespace {

/** The standard signals; `signal(7)` has no more of them than one of each pending. */
constexpr int kLastSignal = 31;

constexpr uint32_t bit_of(int signal) { return 1u << (signal - 1); }

/** These no process can wait for: signalfd(2) leaves them out without a word. */
constexpr uint32_t kNeverTaken = bit_of(SIGKILL) | bit_of(SIGSTOP) | 1u << kLastSignal;

static_assert(sizeof(signalfd_siginfo) == 128, "signalfd(2)");

/** The records of `signals`, copied into the buffers one after the other. */
size_t scatter(uint32_t signals, const ::iovec* iovs) {
  size_t written = 0;
  size_t used = 0;
  for (int signal = 1; signal <= kLastSignal; signal++) {
    if ((signals & bit_of(signal)) == 0) continue;
    signalfd_siginfo info = {};
    info.ssi_signo = static_cast<uint32_t>(signal);
    const auto* from = reinterpret_cast<const uint8_t*>(&info);
    for (size_t left = sizeof(info); left > 0;) {
      const size_t piece = std::min(left, iovs->iov_len - used);
      if (piece > 0) std::memcpy(static_cast<uint8_t*>(iovs->iov_base) + used, from, piece);
      from += piece;
      left -= piece;
      used += piece;
      if (left > 0) iovs++, used = 0;
    }
    written += sizeof(info);
  }
  return written;
}

}  // namespace

void Sessions::attach(SignalDescriptor& descriptor) {
  std::lock_guard<std::mutex> lock(mutex_);
  const auto found = open_.find(descriptor.session);
  if (found == open_.end()) return;
  found->second.signal_descriptors.push_back(&descriptor);
  if ((found->second.pending & descriptor.mask) != 0) raise(descriptor);
}

void Sessions::detach(SignalDescriptor& descriptor) {
  std::lock_guard<std::mutex> lock(mutex_);
  const auto found = open_.find(descriptor.session);
  if (found == open_.end()) return;
  auto& all = found->second.signal_descriptors;
  all.erase(std::remove(all.begin(), all.end(), &descriptor), all.end());
}

void Sessions::raise(const SignalDescriptor& descriptor) {
  const uint64_t one = 1;
  sys_.write(descriptor.fd, &one, sizeof(one));
}

void Sessions::lower(const SignalDescriptor& descriptor) {
  uint64_t count;
  sys_.read(descriptor.fd, &count, sizeof(count));
}

int Sessions::signal(uint32_t session, int number) {
  if (number < 1 || number > kLastSignal) return -EINVAL;
  std::lock_guard<std::mutex> lock(mutex_);
  const auto found = open_.find(session);
  if (found == open_.end()) return -ESRCH;
  // A signal that is pending already is no news, to an edge-triggered epoll above all.
  const bool is_news = (found->second.pending & bit_of(number)) == 0;
  int takers = 0;
  for (const SignalDescriptor* descriptor : found->second.signal_descriptors) {
    if ((descriptor->mask & bit_of(number)) == 0) continue;
    if (is_news) raise(*descriptor);
    takers++;
  }
  if (takers > 0) found->second.pending |= bit_of(number);
  return takers;
}

uint32_t Sessions::take_signals(const SignalDescriptor& descriptor, size_t most) {
  std::lock_guard<std::mutex> lock(mutex_);
  const auto found = open_.find(descriptor.session);
  if (found == open_.end()) return 0;
  uint32_t& pending = found->second.pending;
  const uint32_t before = pending;
  for (int signal = 1; signal <= kLastSignal && most > 0; signal++) {
    if ((pending & descriptor.mask & bit_of(signal)) == 0) continue;
    pending &= ~bit_of(signal);
    most--;
  }
  for (const SignalDescriptor* each : found->second.signal_descriptors) {
    if ((before & each->mask) != 0 && (pending & each->mask) == 0) lower(*each);
  }
  return before & ~pending;
}

int Kernel::session_signal(int32_t session, int32_t signal) {
  return sessions_.signal(static_cast<uint32_t>(session), signal);
}

int Kernel::signalfd(uint32_t mask) {
  const uint32_t session = Sessions::self().session.load();
  if (session == 0) return -EINVAL;
  const auto fd = static_cast<int>(sys_.eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  if (fd < 0) return fd;
  return opened(fd, Mode::kSignal,
                std::make_unique<SignalDescriptor>(sessions_, session, mask & ~kNeverTaken, fd));
}

long Kernel::read_signals(const Pin& pin, const ::iovec* iovs, size_t count) {
  size_t room = 0;
  for (size_t at = 0; at < count; at++) room += iovs[at].iov_len;
  if (room < sizeof(signalfd_siginfo)) return -EINVAL;
  const auto& descriptor = static_cast<const SignalDescriptor&>(*pin.attached());
  const uint32_t signals = sessions_.take_signals(descriptor, room / sizeof(signalfd_siginfo));
  return signals == 0 ? -EAGAIN : static_cast<long>(scatter(signals, iovs));
}

}  // namespace sandpoll
