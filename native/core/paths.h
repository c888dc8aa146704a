#pragma once

/**
 * The one place where a guest's path meets Linux: `openat2(2)`, which keeps every step of the way
 * beneath a directory. What acts on a name finds the name's parent so.
 */

#include <cstddef>
#include <cstdint>

#include "kernel.h"

namespace sandpoll {

/** PATH_MAX: the bytes of a path with the NUL at its end. */
constexpr size_t kPathBytes = 4096;

/** The answer for a path that leads out of its directory: no errno of Linux. */
constexpr int kEscapes = 1100;

/** A path, copied in once: a second thread of the guest may change its bytes at any time. */
struct Path {
  char text[kPathBytes];
  size_t length;

  /**
   * 0; `-EFAULT` for a range outside `bytes`, `-ENOENT` for an empty one, `-ENAMETOOLONG` for
   * more than 4,095 bytes, `-EINVAL` for a NUL among them.
   */
  int load(Bytes bytes, int64_t offset, int64_t size);
  /** Whether it is one plain name, which leads nowhere but to what has it: a link, at most. */
  bool is_name() const;
};

/**
 * `openat2(2)` beneath `directory` and through no magic link, close-on-exec: a descriptor;
 * `-kEscapes` where the way leads out; `-EAGAIN` where others kept renaming what is on it.
 */
long open_beneath(const Syscalls& sys, int directory, const char* path, uint64_t flags,
                  uint64_t mode = 0);

/** What a path leads to, for the length of one call: no more than a place (O_PATH). */
class Beneath {
 public:
  explicit Beneath(const Syscalls& sys) : sys_(sys) {}
  ~Beneath();
  Beneath(const Beneath&) = delete;
  Beneath& operator=(const Beneath&) = delete;

  /** 0, or minus an errno; `flags` are O_NOFOLLOW and O_DIRECTORY. */
  int open(int directory, const char* path, uint64_t flags);
  int fd() const { return fd_; }

 private:
  const Syscalls& sys_;
  int fd_ = -1;
};

/** Whether a slash at the end of a name makes Linux follow the link that the name may be. */
enum class Slash : bool { kStays, kFollows };

/**
 * A name in a directory: for calls that act on a name and follow no link there. The name is plain,
 * with the slashes that the guest put behind it; or it is `.`, in the very directory that the
 * whole path leads to, so that nothing outside is ever named.
 */
class Place {
 public:
  explicit Place(const Syscalls& sys) : parent_(sys) {}

  /** 0, or minus an errno, as of `Path` and of `open_beneath`. */
  int find(int directory, Bytes bytes, int64_t offset, int64_t length, Slash slash = Slash::kStays);
  int directory() const { return directory_; }
  const char* name() const { return name_; }

 private:
  /** Acts on `.` in what the whole path leads to. */
  int find_itself(int directory);

  Path path_;
  Beneath parent_;
  int directory_ = -1;
  const char* name_ = nullptr;
};

}  // namespace sandpoll
