/**
 * What a process gives up for good: `prctl(2)`, `setrlimit(2)`, `landlock(7)`, `seccomp(2)`. It is
 * given up by the first thread of a process alone: on any other it would hold for that thread and
 * those it starts, and leave the process half confined.
 */

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>

#include <cerrno>
#include <cstring>

#include "kernel.h"
#include "paths.h"

namespace sandpoll {

namespace {

constexpr uint32_t kLandlockVersion = 1;
constexpr int kLandlockPathBeneath = 1;
constexpr int kLandlockNetPort = 2;

/** `struct landlock_path_beneath_attr`, which has no padding. */
struct __attribute__((packed)) PathBeneath {
  uint64_t allowed_access;
  int32_t parent_fd;
};

/** `struct landlock_net_port_attr`. */
struct NetPort {
  uint64_t allowed_access;
  uint64_t port;
};

}  // namespace

int Kernel::prctl(int32_t option, int64_t value) {
  if (!on_main_thread()) return -EPERM;
  return static_cast<int>(sys_.prctl(option, static_cast<unsigned long>(value)));
}

int Kernel::setrlimit(int32_t resource, int64_t soft, int64_t hard) {
  if (!on_main_thread()) return -EPERM;
  // −1 is RLIM_INFINITY.
  const rlimit limit = {static_cast<rlim_t>(soft), static_cast<rlim_t>(hard)};
  return static_cast<int>(sys_.setrlimit(resource, limit));
}

int Kernel::open_path(Bytes path) {
  Path copy;
  if (const int error = copy.load(path, 0, static_cast<int64_t>(path.size))) return error;
  return opened(sys_.open(copy.text, O_PATH | O_CLOEXEC));
}

int Kernel::landlock_create_ruleset(Bytes attributes, int32_t flags) {
  if (static_cast<uint32_t>(flags) == kLandlockVersion) {
    return static_cast<int>(sys_.landlock_create_ruleset(nullptr, 0, kLandlockVersion));
  }
  const uint32_t bits = static_cast<uint32_t>(flags);
  return opened(sys_.landlock_create_ruleset(attributes.data, attributes.size, bits));
}

int Kernel::landlock_add_path(Handle ruleset, Handle parent, int64_t access) {
  Pin rules(handles_, ruleset);
  Pin beneath(handles_, parent);
  if (!rules || !beneath) return -EBADF;
  const PathBeneath rule = {static_cast<uint64_t>(access), beneath.fd()};
  return static_cast<int>(sys_.landlock_add_rule(rules.fd(), kLandlockPathBeneath, &rule, 0));
}

int Kernel::landlock_add_port(Handle ruleset, int32_t port, int64_t access) {
  Pin rules(handles_, ruleset);
  if (!rules) return -EBADF;
  const NetPort rule = {static_cast<uint64_t>(access), static_cast<uint64_t>(port)};
  return static_cast<int>(sys_.landlock_add_rule(rules.fd(), kLandlockNetPort, &rule, 0));
}

int Kernel::landlock_restrict_self(Handle ruleset, int32_t flags) {
  if (!on_main_thread()) return -EPERM;
  Pin rules(handles_, ruleset);
  if (!rules) return -EBADF;
  return static_cast<int>(sys_.landlock_restrict_self(rules.fd(), static_cast<uint32_t>(flags)));
}

int Kernel::seccomp_filter(Bytes program, int32_t flags) {
  if (!on_main_thread()) return -EPERM;
  const size_t count = program.size / sizeof(sock_filter);
  if (count == 0 || count > BPF_MAXINSNS || program.size % sizeof(sock_filter) != 0) return -EINVAL;
  sock_filter copy[BPF_MAXINSNS];
  std::memcpy(copy, program.data, program.size);
  const sock_fprog filter = {static_cast<unsigned short>(count), copy};
  const uint32_t bits = static_cast<uint32_t>(flags);
  return static_cast<int>(sys_.seccomp(SECCOMP_SET_MODE_FILTER, bits, &filter));
}

}  // namespace sandpoll
