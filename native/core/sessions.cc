#include "sessions.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "kernel.h"

namespace sandpoll {

namespace {

constexpr uint32_t kLastSession = 0x7fffffff;

}  // namespace

Member::~Member() {
  if (sessions != nullptr) sessions->end(*this);
}

Member& Sessions::self() {
  thread_local Member member;
  return member;
}

bool Member::take_wake() {
  const bool woken = sleeper.woken.exchange(false);
  if (session.load() != Sessions::kGone) return woken;
  sleeper.woken.store(true);
  return true;
}

Sessions::~Sessions() {
  std::lock_guard<std::mutex> lock(mutex_);
  for (auto& [id, session] : open_) {
    for (Member* member : session.members) {
      member->session.store(kGone);
      member->sessions = nullptr;
    }
  }
}

int Sessions::open() {
  std::lock_guard<std::mutex> lock(mutex_);
  do {
    last_ = last_ == kLastSession ? 1 : last_ + 1;
  } while (open_.count(last_) != 0);
  open_[last_];
  return static_cast<int>(last_);
}

int Sessions::enter(uint32_t session) {
  Member& member = self();
  if (const long error = sys_.let_wake(member.sleeper)) return static_cast<int>(error);
  // A thread that enters once more has a clock that others may be reading.
  std::lock_guard<std::mutex> lock(mutex_);
  if (const long error = sys_.getcpuclockid(&member.cpu_clock)) return static_cast<int>(error);
  const auto found = open_.find(session);
  if (found == open_.end()) return -ESRCH;
  leave_locked(member);
  member.sleeper.woken.store(found->second.woken);
  member.session.store(session);
  member.sessions = this;
  member.entered_ns = now_ns(member);
  found->second.woken = false;
  found->second.members.push_back(&member);
  return 0;
}

void Sessions::end(Member& member) {
  std::lock_guard<std::mutex> lock(mutex_);
  leave_locked(member);
  sys_.forbid_wake(member.sleeper);
}

void Sessions::leave_locked(Member& member) {
  const auto found = open_.find(member.session.load());
  member.session.store(0);
  if (found == open_.end()) return;
  found->second.left_ns += now_ns(member) - member.entered_ns;
  auto& members = found->second.members;
  members.erase(std::remove(members.begin(), members.end(), &member), members.end());
}

int64_t Sessions::now_ns(const Member& member) {
  timespec time = {};
  sys_.clock_gettime(member.cpu_clock, &time);
  return static_cast<int64_t>(time.tv_sec) * 1'000'000'000 + time.tv_nsec;
}

int Sessions::cputime(uint32_t session, int64_t& used_ns) {
  // The lock keeps every member's thread alive: the clock of one that has ended is EINVAL.
  std::lock_guard<std::mutex> lock(mutex_);
  const auto found = open_.find(session);
  if (found == open_.end()) return -ESRCH;
  used_ns = found->second.left_ns;
  for (const Member* member : found->second.members) {
    used_ns += now_ns(*member) - member->entered_ns;
  }
  return 0;
}

int Sessions::waiting(uint32_t session) {
  std::lock_guard<std::mutex> lock(mutex_);
  const auto found = open_.find(session);
  if (found == open_.end()) return -ESRCH;
  const auto& members = found->second.members;
  const bool all = std::all_of(members.begin(), members.end(), [](const Member* member) {
    return member->sleeper.waiting.load(std::memory_order_relaxed);
  });
  return all && !members.empty() ? 1 : 0;
}

int Sessions::wake(uint32_t session) {
  // The lock keeps every member's thread alive, so no signal goes to a thread id used anew.
  std::lock_guard<std::mutex> lock(mutex_);
  const auto found = open_.find(session);
  if (found == open_.end()) return -ESRCH;
  found->second.woken = found->second.members.empty();
  long error = 0;
  for (Member* member : found->second.members) {
    if (const long result = sys_.wake(member->sleeper)) error = result;
  }
  return static_cast<int>(error);
}

int Sessions::close(uint32_t session) {
  std::lock_guard<std::mutex> lock(mutex_);
  const auto found = open_.find(session);
  if (found == open_.end()) return -ESRCH;
  for (Member* member : found->second.members) {
    // A thread that closes its own session is outside every session again.
    if (member == &self()) {
      member->session.store(0);
      continue;
    }
    member->session.store(kGone);
    sys_.wake(member->sleeper);
  }
  open_.erase(found);
  return 0;
}

int Kernel::session_open() { return sessions_.open(); }

int Kernel::session_enter(int32_t session) {
  return sessions_.enter(static_cast<uint32_t>(session));
}

int Kernel::session_wake(int32_t session) { return sessions_.wake(static_cast<uint32_t>(session)); }

int Kernel::session_cputime(int32_t session, Bytes bytes, int64_t offset) {
  int64_t used_ns = 0;
  if (!bytes.holds(offset, sizeof(used_ns))) return -EFAULT;
  const int result = sessions_.cputime(static_cast<uint32_t>(session), used_ns);
  if (result >= 0) std::memcpy(bytes.data + offset, &used_ns, sizeof(used_ns));
  return result;
}

int Kernel::session_waiting(int32_t session) {
  return sessions_.waiting(static_cast<uint32_t>(session));
}

int Kernel::session_adopt(int32_t session, Handle handle) {
  Pin pin(handles_, handle);
  if (!pin) return -EBADF;
  const auto owner = static_cast<uint32_t>(session);
  return sessions_.with(owner, [&] { return pin.set_owner(owner), 0; });
}

int Kernel::session_close(int32_t session) {
  const int result = sessions_.close(static_cast<uint32_t>(session));
  return result < 0 ? result : handles_.close_all(static_cast<uint32_t>(session));
}

int Kernel::opened(long fd, Mode mode, std::unique_ptr<Attached> attached, bool lingers) {
  if (fd < 0) return static_cast<int>(fd);
  const auto& session = Sessions::self().session;
  const uint32_t owner = session.load();
  const Handle handle =
      handles_.open(static_cast<int>(fd), mode, owner, std::move(attached), lingers);
  // Either `session_close` finds the new handle, or this finds that the session was closed.
  if (handle >= 0 && owner != 0 && (owner == Sessions::kGone || session.load() != owner)) {
    handles_.close(handle);
    return -ECANCELED;
  }
  return handle;
}

int Kernel::opened_pair(const int fds[2], Bytes bytes, int64_t offset) {
  const Handle first = opened(fds[0]);
  if (first < 0) {
    sys_.close(fds[1]);
    return first;
  }
  const Handle second = opened(fds[1]);
  if (second < 0) {
    handles_.close(first);
    return second;
  }
  const Handle handles[] = {first, second};
  std::memcpy(bytes.data + offset, handles, sizeof(handles));
  return 0;
}

int Kernel::close(Handle handle) { return handles_.close(handle); }

}  // namespace sandpoll
