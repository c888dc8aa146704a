#pragma once

/**
 * Handles: the only names of kernel objects that leave the core.
 *
 * A handle is a slot (18 bits) and the generation of that slot (13 bits). A call *pins* the slot
 * for its length; `close` makes the handle dead at once, but the descriptor itself is closed at
 * the last unpin. So no call ever runs on a descriptor number that was closed and opened again by
 * someone else in this process, Node for one.
 */

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "syscalls.h"

namespace sandpoll {

using Handle = int32_t;

/** How a descriptor must be treated; nearly all are plain. */
enum class Mode : uint8_t {
  kPlain,
  kEpoll,
  /** An epoll that tells with each event how many bytes can be read. */
  kCountingEpoll,
  /** An eventfd in the part of a signal descriptor: a `SignalDescriptor` is attached. */
  kSignal,
  /** An eventfd that is readable once a name is resolved: a `LookupDescriptor` is attached. */
  kLookup,
  /** A socket that is shared with other processes: MSG_DONTWAIT instead of O_NONBLOCK. */
  kSharedSocket,
  /** Shared, and cannot be opened again: asked for readiness before each call. */
  kShared,
};

inline bool is_epoll(Mode mode) { return mode == Mode::kEpoll || mode == Mode::kCountingEpoll; }

/** What a handle has beside its descriptor; destroyed just before the descriptor is closed. */
struct Attached {
  virtual ~Attached() = default;
};

class HandleTable;

/** A handle for the length of one call. */
class Pin {
 public:
  Pin(HandleTable& table, Handle handle);
  ~Pin();
  Pin(const Pin&) = delete;
  Pin& operator=(const Pin&) = delete;

  /** False if the handle is closed or never was: answer `-EBADF`. */
  explicit operator bool() const { return slot_ != nullptr; }
  int fd() const;
  Mode mode() const;
  /** True if reading and writing take more than `read(2)` and `write(2)`. */
  bool is_special() const { return mode() >= Mode::kSignal; }
  /** What the mode promises to be there. */
  Attached* attached() const;
  /** False once another thread has closed the handle. */
  bool live() const;
  void set_owner(uint32_t owner);
  /** From now on what it names may have descriptors elsewhere, and outlive this one. */
  void set_passed();
  /** From now on the socket may have SO_LINGER: see `HandleTable::close_fd`. */
  void set_lingers();
  /** True if a socket accepted from this one may have SO_LINGER, which it inherits. */
  bool may_linger() const;

 private:
  friend class HandleTable;
  HandleTable& table_;
  struct Slot* slot_;
};

class HandleTable {
 public:
  explicit HandleTable(const Syscalls& sys) : sys_(sys) {}
  ~HandleTable();
  HandleTable(const HandleTable&) = delete;
  HandleTable& operator=(const HandleTable&) = delete;

  /** Takes `fd` over and names it; `-ENFILE` (and `fd` closed) when every slot is taken. */
  Handle open(int fd, Mode mode, uint32_t owner, std::unique_ptr<Attached> attached,
              bool lingers = false);
  /** 0, or `-EBADF`. */
  int close(Handle handle);
  /** Closes every handle of one owner; returns how many. */
  int close_all(uint32_t owner);

 private:
  friend class Pin;

  static constexpr uint32_t kSlotBits = 18;
  static constexpr uint32_t kSlots = 1u << kSlotBits;
  static constexpr uint32_t kBlockSlots = 1024;
  static constexpr uint32_t kNone = kSlots;
  /** A freed slot rests until so many others are free: a stale handle meets no new object. */
  static constexpr uint32_t kRest = 1024;

  Slot* slot_at(uint32_t index) const;
  Slot* pin(Handle handle);
  void unpin(Slot* slot);
  void finish(Slot* slot);
  void close_fd(int fd, bool lingers);
  void wake_other_acceptors(int fd);
  void forget_in_epolls(int fd);
  uint32_t take_index();

  const Syscalls& sys_;
  std::atomic<Slot*> blocks_[kSlots / kBlockSlots] = {};
  std::atomic<uint32_t> used_{0};
  std::mutex mutex_;
  uint32_t oldest_free_ = kNone;
  uint32_t newest_free_ = kNone;
  uint32_t free_ = 0;
  std::mutex epolls_mutex_;
  /** Those whose descriptor is open: it is closed only after it has left the list. */
  std::vector<Slot*> epolls_;
};

}  // namespace sandpoll
