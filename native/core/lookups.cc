/** Names looked up by the system's resolver, which waits: each on a thread of its own. */

#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "kernel.h"

namespace sandpoll {

namespace {

/** In the whole process: the resolver's threads outlive the handles that asked. */
constexpr int kLookupsMax = 16;
std::atomic<int> under_way{0};

/** Added to the resolver's own errors, which are small negative numbers as Linux's are. */
constexpr int kResolverErrors = -1000;

/** One address of the answer, as the port has it. */
struct Record {
  uint32_t type;
  uint32_t protocol;
  uint32_t length;
  uint8_t address[sizeof(sockaddr_storage)];
};

static_assert(sizeof(Record) == 8 + kAddressBytes, "no padding");

/** What the thread and the handle share; whichever lets go last frees it. */
struct Lookup {
  explicit Lookup(const Syscalls& sys) : sys(sys) {}

  const Syscalls sys;
  std::string node;
  std::string service;
  addrinfo hints = {};

  /** For what follows. */
  std::mutex mutex;
  /** The handle's event descriptor; −1 once the handle is closed. */
  int fd = -1;
  bool done = false;
  int error = 0;
  std::vector<Record> records;
};

struct LookupDescriptor : Attached {
  explicit LookupDescriptor(std::shared_ptr<Lookup> shared) : lookup(std::move(shared)) {}
  ~LookupDescriptor() override {
    std::lock_guard<std::mutex> lock(lookup->mutex);
    lookup->fd = -1;
  }

  const std::shared_ptr<Lookup> lookup;
};

std::vector<Record> records_of(const addrinfo* found) {
  std::vector<Record> records;
  for (; found != nullptr; found = found->ai_next) {
    Record record = {static_cast<uint32_t>(found->ai_socktype),
                     static_cast<uint32_t>(found->ai_protocol),
                     found->ai_addrlen,
                     {}};
    if (found->ai_addrlen > sizeof(record.address)) continue;
    std::memcpy(record.address, found->ai_addr, found->ai_addrlen);
    records.push_back(record);
  }
  return records;
}

const char* or_none(const std::string& text) { return text.empty() ? nullptr : text.c_str(); }

void look_up(Lookup& lookup) {
  addrinfo* found = nullptr;
  const int error =
      lookup.sys.getaddrinfo(or_none(lookup.node), or_none(lookup.service), &lookup.hints, &found);
  std::vector<Record> records;
  if (error == 0) {
    records = records_of(found);
    lookup.sys.freeaddrinfo(found);
  }
  const uint64_t one = 1;
  std::lock_guard<std::mutex> lock(lookup.mutex);
  lookup.error = error;
  lookup.records = std::move(records);
  lookup.done = true;
  if (lookup.fd >= 0) lookup.sys.write(lookup.fd, &one, sizeof(one));
}

void* run(void* given) {
  std::unique_ptr<std::shared_ptr<Lookup>> lookup(static_cast<std::shared_ptr<Lookup>*>(given));
  look_up(**lookup);
  lookup.reset();
  under_way.fetch_sub(1);
  return nullptr;
}

/** 0, or `-EAGAIN`: too many are under way, or there is no room for a thread. */
int start(const std::shared_ptr<Lookup>& lookup) {
  if (under_way.fetch_add(1) >= kLookupsMax) {
    under_way.fetch_sub(1);
    return -EAGAIN;
  }
  // No signal of this process is for a thread that runs the resolver's code.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  auto* given = new std::shared_ptr<Lookup>(lookup);
  pthread_t thread;
  const int error = ::pthread_create(&thread, nullptr, run, given);
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (error == 0) {
    ::pthread_detach(thread);
    return 0;
  }
  delete given;
  under_way.fetch_sub(1);
  return -error;
}

/** The text of a range, which is the guest's and may change: read once. */
bool read_text(Bytes bytes, int64_t offset, int64_t length, std::string& text) {
  text.assign(reinterpret_cast<const char*>(bytes.data + offset), static_cast<size_t>(length));
  return text.find('\0') == std::string::npos;
}

}  // namespace

int Kernel::resolve(Bytes bytes, int64_t node_offset, int64_t node_length, int64_t service_offset,
                    int64_t service_length, int32_t family, int32_t type, int32_t flags) {
  if (!bytes.holds(node_offset, node_length)) return -EFAULT;
  if (!bytes.holds(service_offset, service_length)) return -EFAULT;
  if (node_length >= NI_MAXHOST || service_length >= NI_MAXSERV) return -EINVAL;
  auto lookup = std::make_shared<Lookup>(sys_);
  if (!read_text(bytes, node_offset, node_length, lookup->node)) return -EINVAL;
  if (!read_text(bytes, service_offset, service_length, lookup->service)) return -EINVAL;
  lookup->hints.ai_family = family;
  lookup->hints.ai_socktype = type;
  lookup->hints.ai_flags = flags;
  const auto fd = static_cast<int>(sys_.eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  if (fd < 0) return fd;
  lookup->fd = fd;
  const int handle = opened(fd, Mode::kLookup, std::make_unique<LookupDescriptor>(lookup));
  if (handle < 0) return handle;
  if (const int error = start(lookup)) {
    handles_.close(handle);
    return error;
  }
  return handle;
}

int Kernel::resolved(Handle handle, Bytes bytes, int64_t offset, int64_t room) {
  if (room < 0 || room > INT32_MAX) return -EINVAL;
  if (!bytes.holds(offset, room * static_cast<int64_t>(sizeof(Record)))) return -EFAULT;
  Pin pin(handles_, handle);
  if (!pin) return -EBADF;
  if (pin.mode() != Mode::kLookup) return -EINVAL;
  Lookup& lookup = *static_cast<const LookupDescriptor&>(*pin.attached()).lookup;
  std::lock_guard<std::mutex> lock(lookup.mutex);
  if (!lookup.done) return -EAGAIN;
  if (lookup.error != 0) return kResolverErrors + lookup.error;
  const size_t count = std::min(static_cast<size_t>(room), lookup.records.size());
  if (count > 0) std::memcpy(bytes.data + offset, lookup.records.data(), count * sizeof(Record));
  return static_cast<int>(count);
}

}  // namespace sandpoll
