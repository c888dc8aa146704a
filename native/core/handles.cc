#include "handles.h"

#include <algorithm>
#include <cerrno>
#include <new>
#include <utility>

namespace sandpoll {

namespace {

/** `Slot::state`: pins in the low half, then one bit for live, then the generation. */
constexpr uint64_t kPin = 1;
constexpr uint64_t kPins = 0xffffffff;
constexpr uint64_t kLive = 1ull << 32;
constexpr uint32_t kGenerationShift = 33;
constexpr uint32_t kGenerations = 1u << 13;

constexpr uint64_t live_state(uint32_t generation) {
  return kLive | static_cast<uint64_t>(generation) << kGenerationShift;
}

}  // namespace

/** One cache line each: threads that use neighbouring slots do not slow each other. */
struct alignas(64) Slot {
  std::atomic<uint64_t> state{0};
  std::atomic<uint32_t> owner{0};
  int fd = -1;
  Mode mode = Mode::kPlain;
  /** What `fd` names may have other descriptors: in another session, or as stdio. */
  std::atomic<bool> passed{false};
  /** A socket whose SO_LINGER was set through this handle, or was inherited. */
  std::atomic<bool> lingers{false};
  uint32_t index = 0;
  uint32_t next_free = 0;
  std::unique_ptr<Attached> attached;
};

Pin::Pin(HandleTable& table, Handle handle) : table_(table), slot_(table.pin(handle)) {}

Pin::~Pin() {
  if (slot_ != nullptr) table_.unpin(slot_);
}

int Pin::fd() const { return slot_->fd; }

Mode Pin::mode() const { return slot_->mode; }

bool Pin::live() const { return (slot_->state.load() & kLive) != 0; }

Attached* Pin::attached() const { return slot_->attached.get(); }

void Pin::set_owner(uint32_t owner) { slot_->owner.store(owner); }

void Pin::set_passed() { slot_->passed.store(true); }

void Pin::set_lingers() { slot_->lingers.store(true); }

bool Pin::may_linger() const {
  // Another handle of a listener that was passed may have set it.
  return slot_->lingers.load() || slot_->passed.load();
}

HandleTable::~HandleTable() {
  for (uint32_t index = 0; index < used_.load(); index++) {
    Slot* slot = slot_at(index);
    slot->attached.reset();
    if ((slot->state.load() & kLive) != 0) close_fd(slot->fd, slot->lingers.load());
  }
  for (auto& block : blocks_) delete[] block.load();
}

Slot* HandleTable::slot_at(uint32_t index) const {
  Slot* block = blocks_[index / kBlockSlots].load(std::memory_order_acquire);
  return block == nullptr ? nullptr : block + index % kBlockSlots;
}

Slot* HandleTable::pin(Handle handle) {
  if (handle < 0) return nullptr;
  const uint32_t name = static_cast<uint32_t>(handle);
  Slot* slot = slot_at(name & (kSlots - 1));
  if (slot == nullptr) return nullptr;
  const uint64_t wanted = live_state(name >> kSlotBits);
  uint64_t state = slot->state.load(std::memory_order_relaxed);
  while ((state & ~kPins) == wanted) {
    if (slot->state.compare_exchange_weak(state, state + kPin, std::memory_order_acquire,
                                          std::memory_order_relaxed)) {
      return slot;
    }
  }
  return nullptr;
}

void HandleTable::unpin(Slot* slot) {
  const uint64_t before = slot->state.fetch_sub(kPin, std::memory_order_acq_rel);
  if ((before & (kLive | kPins)) == kPin) finish(slot);
}

/**
 * close(2) waits for a time to linger, O_NONBLOCK or not, and no wake reaches it: so that time is
 * taken back first. What is sent stays the same, and a time of 0, which resets, stays too. Only a
 * handle that is open can set it anew, and as long as one is, another's close is not the last.
 */
void HandleTable::close_fd(int fd, bool lingers) {
  linger value = {};
  socklen_t size = sizeof(value);
  if (lingers && sys_.getsockopt(fd, SOL_SOCKET, SO_LINGER, &value, &size) == 0 &&
      value.l_onoff != 0 && value.l_linger != 0) {
    value.l_onoff = 0;
    sys_.setsockopt(fd, SOL_SOCKET, SO_LINGER, &value, size);
  }
  sys_.close(fd);
}

/**
 * EPOLLEXCLUSIVE wakes one guest of those that share a listener. If that one leaves before it has
 * accepted, nobody would wake the others for a connection that waits in the queue. To end the
 * sending of a listener changes nothing, but wakes all who wait for it: they look anew.
 */
void HandleTable::wake_other_acceptors(int fd) {
  int listens = 0;
  socklen_t size = sizeof(listens);
  const long result = sys_.getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size);
  if (result == 0 && listens != 0) sys_.shutdown(fd, SHUT_WR);
}

/** Runs once for each life of a slot: dead and unpinned, nobody can reach it any more. */
void HandleTable::finish(Slot* slot) {
  if (is_epoll(slot->mode)) {
    std::lock_guard<std::mutex> lock(epolls_mutex_);
    *std::find(epolls_.begin(), epolls_.end(), slot) = epolls_.back();
    epolls_.pop_back();
  }
  slot->attached.reset();
  if (slot->passed.load()) wake_other_acceptors(slot->fd);
  close_fd(slot->fd, slot->lingers.load());
  std::lock_guard<std::mutex> lock(mutex_);
  slot->next_free = kNone;
  if (newest_free_ == kNone) {
    oldest_free_ = slot->index;
  } else {
    slot_at(newest_free_)->next_free = slot->index;
  }
  newest_free_ = slot->index;
  free_++;
}

uint32_t HandleTable::take_index() {
  const uint32_t fresh = used_.load(std::memory_order_relaxed);
  if (free_ > kRest || (fresh == kSlots && free_ > 0)) {
    const uint32_t index = oldest_free_;
    oldest_free_ = slot_at(index)->next_free;
    if (oldest_free_ == kNone) newest_free_ = kNone;
    free_--;
    return index;
  }
  if (fresh == kSlots) return kNone;
  if (fresh % kBlockSlots == 0) {
    Slot* block = new (std::nothrow) Slot[kBlockSlots];
    if (block == nullptr) return kNone;
    for (uint32_t at = 0; at < kBlockSlots; at++) block[at].index = fresh + at;
    blocks_[fresh / kBlockSlots].store(block, std::memory_order_release);
  }
  used_.store(fresh + 1);
  return fresh;
}

Handle HandleTable::open(int fd, Mode mode, uint32_t owner, std::unique_ptr<Attached> attached,
                         bool lingers) {
  std::unique_lock<std::mutex> lock(mutex_);
  const uint32_t index = take_index();
  lock.unlock();
  if (index == kNone) {
    attached.reset();
    close_fd(fd, lingers);
    return -ENFILE;
  }
  Slot* slot = slot_at(index);
  slot->fd = fd;
  slot->mode = mode;
  slot->attached = std::move(attached);
  slot->passed.store(mode >= Mode::kSharedSocket, std::memory_order_relaxed);
  slot->lingers.store(lingers, std::memory_order_relaxed);
  slot->owner.store(owner, std::memory_order_relaxed);
  if (is_epoll(mode)) {
    std::lock_guard<std::mutex> epolls_lock(epolls_mutex_);
    epolls_.push_back(slot);
  }
  const uint64_t before = slot->state.load(std::memory_order_relaxed) >> kGenerationShift;
  const uint32_t generation = static_cast<uint32_t>(before % (kGenerations - 1)) + 1;
  slot->state.store(live_state(generation));
  return static_cast<Handle>(generation << kSlotBits | index);
}

int HandleTable::close(Handle handle) {
  Pin pin(*this, handle);
  if (!pin) return -EBADF;
  const uint64_t before = pin.slot_->state.fetch_and(~kLive);
  if ((before & kLive) == 0) return -EBADF;
  // close(2) takes a descriptor out of every interest list, but not while another thread's call
  // holds it, or while another descriptor names the same thing. Such a close is rare; so nothing
  // is remembered, and every epoll is asked instead.
  if ((before & kPins) > 1 || pin.slot_->passed.load()) forget_in_epolls(pin.fd());
  return 0;
}

void HandleTable::forget_in_epolls(int fd) {
  std::lock_guard<std::mutex> lock(epolls_mutex_);
  for (const Slot* epoll : epolls_) sys_.epoll_ctl(epoll->fd, EPOLL_CTL_DEL, fd, nullptr);
}

int HandleTable::close_all(uint32_t owner) {
  int closed = 0;
  const uint32_t used = used_.load();
  for (uint32_t index = 0; index < used; index++) {
    Slot* slot = slot_at(index);
    const uint64_t state = slot->state.load();
    if ((state & kLive) == 0 || slot->owner.load() != owner) continue;
    const uint64_t name = state >> kGenerationShift << kSlotBits | index;
    if (close(static_cast<Handle>(name)) == 0) closed++;
  }
  return closed;
}

}  // namespace sandpoll
