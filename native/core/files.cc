/** Files and directories: `host/kernel/files.ts`, method by method. */

#include <fcntl.h>

#include <cerrno>
#include <climits>
#include <cstring>
#include <iterator>

#include "abi.h"
#include "gather.h"
#include "kernel.h"
#include "paths.h"

namespace sandpoll {

namespace {

constexpr int kOpenFlags = O_ACCMODE | O_CREAT | O_EXCL | O_TRUNC | O_APPEND | O_DSYNC | O_SYNC |
                           O_DIRECTORY | O_NOFOLLOW | O_PATH;
/** A guest can make nothing set-user-ID, set-group-ID or sticky. */
constexpr int kModeBits = 0777;

/** The most that one call writes: results are 31 bits. */
constexpr int kMost = INT_MAX;

constexpr int64_t kSecondNs = 1'000'000'000;

int64_t joined(uint32_t lo, uint32_t hi) {
  return static_cast<int64_t>(static_cast<uint64_t>(hi) << 32 | lo);
}

/** Nanoseconds since 1970, as near as 64 bits without a sign come. */
uint64_t clamped(const timespec& time) {
  if (time.tv_sec < 0) return 0;
  uint64_t seconds_ns;
  uint64_t total_ns;
  if (__builtin_mul_overflow(static_cast<uint64_t>(time.tv_sec), kSecondNs, &seconds_ns) ||
      __builtin_add_overflow(seconds_ns, static_cast<uint64_t>(time.tv_nsec), &total_ns)) {
    return UINT64_MAX;
  }
  return total_ns;
}

abi::status told(const struct stat& status) {
  return {status.st_dev,           status.st_ino,
          status.st_mode,          0,
          status.st_nlink,         static_cast<uint64_t>(status.st_size),
          clamped(status.st_atim), clamped(status.st_mtim),
          clamped(status.st_ctim)};
}

/** AT_SYMLINK_NOFOLLOW as `openat2(2)` has it, or `-EINVAL` for flags that a path cannot have. */
int open_flags(int32_t flags) {
  if (flags == 0) return 0;
  return flags == AT_SYMLINK_NOFOLLOW ? O_NOFOLLOW : -EINVAL;
}

/** What a path leads to; of one plain name that is no link to be followed, with one call. */
long stat_beneath(const Syscalls& sys, int directory, const Path& path, int follow,
                  struct stat& found) {
  if (path.is_name()) {
    const long result = sys.fstatat(directory, path.text, &found, AT_SYMLINK_NOFOLLOW);
    if (result < 0 || follow == O_NOFOLLOW || !S_ISLNK(found.st_mode)) return result;
  }
  Beneath file(sys);
  const int error = file.open(directory, path.text, follow);
  return error != 0 ? error : sys.fstat(file.fd(), &found);
}

}  // namespace

/** Where containers forbid system calls that they do not know, that is `EPERM` as often. */
int Kernel::open_directory(Bytes path) {
  Path copy;
  if (const int error = copy.load(path, 0, static_cast<int64_t>(path.size))) return error;
  const long fd = sys_.open(copy.text, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return static_cast<int>(fd);
  Beneath probe(sys_);
  const int answer = probe.open(static_cast<int>(fd), ".", O_DIRECTORY);
  if (answer != -ENOSYS && answer != -EPERM) return opened(fd);
  sys_.close(static_cast<int>(fd));
  return -ENOSYS;
}

int Kernel::openat(Handle directory, Bytes bytes, int64_t offset, int64_t length, int32_t flags,
                   int32_t mode) {
  Pin pin(handles_, directory);
  if (!pin) return -EBADF;
  if ((flags & ~kOpenFlags) != 0) return -EINVAL;
  Path path;
  if (const int error = path.load(bytes, offset, length)) return error;
  // Whoever can write may write to a FIFO that nobody reads any more.
  if ((flags & O_ACCMODE) != O_RDONLY) sys_.ignore_sigpipe();
  const int always = (flags & O_PATH) == 0 ? O_NOCTTY | O_NONBLOCK : 0;
  const int created = (flags & O_CREAT) != 0 ? mode & kModeBits : 0;
  return opened(open_beneath(sys_, pin.fd(), path.text, static_cast<uint64_t>(flags | always),
                             static_cast<uint64_t>(created)));
}

int Kernel::statx(Handle directory, Bytes bytes, int64_t offset, int64_t length, int32_t flags,
                  Bytes status) {
  Pin pin(handles_, directory);
  if (!pin) return -EBADF;
  if (!status.holds(0, sizeof(abi::status))) return -EFAULT;
  struct stat found;
  long result;
  if (flags == AT_EMPTY_PATH) {
    result = sys_.fstat(pin.fd(), &found);
  } else {
    const int follow = open_flags(flags);
    if (follow < 0) return follow;
    Path path;
    if (const int error = path.load(bytes, offset, length)) return error;
    result = stat_beneath(sys_, pin.fd(), path, follow, found);
  }
  if (result < 0) return static_cast<int>(result);
  const abi::status all = told(found);
  std::memcpy(status.data, &all, sizeof(all));
  return static_cast<int>(all.mode);
}

int Kernel::utimensat(Handle directory, Bytes bytes, int64_t offset, int64_t length, int32_t flags,
                      Bytes times) {
  Pin pin(handles_, directory);
  if (!pin) return -EBADF;
  timespec both[2];
  if (!times.holds(0, sizeof(both))) return -EFAULT;
  std::memcpy(both, times.data, sizeof(both));
  if (flags == AT_EMPTY_PATH) return static_cast<int>(sys_.utimensat(pin.fd(), nullptr, both, 0));
  const int follow = open_flags(flags);
  if (follow < 0) return follow;
  Path path;
  if (const int error = path.load(bytes, offset, length)) return error;
  Beneath file(sys_);
  if (const int error = file.open(pin.fd(), path.text, follow)) return error;
  return static_cast<int>(sys_.utimensat(file.fd(), "", both, AT_EMPTY_PATH));
}

int Kernel::mkdirat(Handle directory, Bytes bytes, int64_t offset, int64_t length, int32_t mode) {
  Pin pin(handles_, directory);
  if (!pin) return -EBADF;
  Place place(sys_);
  if (const int error = place.find(pin.fd(), bytes, offset, length)) return error;
  return static_cast<int>(sys_.mkdirat(place.directory(), place.name(), mode & kModeBits));
}

int Kernel::unlinkat(Handle directory, Bytes bytes, int64_t offset, int64_t length, int32_t flags) {
  Pin pin(handles_, directory);
  if (!pin) return -EBADF;
  Place place(sys_);
  if (const int error = place.find(pin.fd(), bytes, offset, length)) return error;
  return static_cast<int>(sys_.unlinkat(place.directory(), place.name(), flags));
}

int Kernel::renameat(Handle from, Bytes bytes, int64_t from_offset, int64_t from_length, Handle to,
                     int64_t to_offset, int64_t to_length) {
  Pin from_pin(handles_, from);
  Pin to_pin(handles_, to);
  if (!from_pin || !to_pin) return -EBADF;
  Place source(sys_);
  Place target(sys_);
  if (const int error = source.find(from_pin.fd(), bytes, from_offset, from_length)) return error;
  if (const int error = target.find(to_pin.fd(), bytes, to_offset, to_length)) return error;
  return static_cast<int>(
      sys_.renameat(source.directory(), source.name(), target.directory(), target.name()));
}

int Kernel::linkat(Handle from, Bytes bytes, int64_t from_offset, int64_t from_length, Handle to,
                   int64_t to_offset, int64_t to_length) {
  Pin from_pin(handles_, from);
  Pin to_pin(handles_, to);
  if (!from_pin || !to_pin) return -EBADF;
  Place source(sys_);
  Place target(sys_);
  if (const int error =
          source.find(from_pin.fd(), bytes, from_offset, from_length, Slash::kFollows)) {
    return error;
  }
  if (const int error = target.find(to_pin.fd(), bytes, to_offset, to_length)) return error;
  return static_cast<int>(
      sys_.linkat(source.directory(), source.name(), target.directory(), target.name()));
}

int Kernel::symlinkat(Bytes bytes, int64_t target_offset, int64_t target_length, Handle directory,
                      int64_t offset, int64_t length) {
  Pin pin(handles_, directory);
  if (!pin) return -EBADF;
  Path target;
  if (const int error = target.load(bytes, target_offset, target_length)) return error;
  // It leads out wherever the link stands: not for a guest, but for others on this machine.
  if (target.text[0] == '/') return -kEscapes;
  Place place(sys_);
  if (const int error = place.find(pin.fd(), bytes, offset, length)) return error;
  return static_cast<int>(sys_.symlinkat(target.text, place.directory(), place.name()));
}

int Kernel::readlinkat(Handle directory, Bytes bytes, int64_t offset, int64_t length, int64_t room,
                       int64_t room_bytes) {
  Pin pin(handles_, directory);
  if (!pin) return -EBADF;
  if (!bytes.holds(room, room_bytes)) return -EFAULT;
  Place place(sys_);
  if (const int error = place.find(pin.fd(), bytes, offset, length, Slash::kFollows)) return error;
  // What Linux writes has no NUL at its end.
  const size_t most = room_bytes < kMost ? static_cast<size_t>(room_bytes) : kMost;
  return static_cast<int>(sys_.readlinkat(place.directory(), place.name(),
                                          reinterpret_cast<char*>(bytes.data + room), most));
}

int Kernel::getdents64(Handle directory, Bytes bytes, int64_t offset, int64_t length,
                       uint32_t cookie_lo, uint32_t cookie_hi) {
  if (!bytes.holds(offset, length)) return -EFAULT;
  Pin pin(handles_, directory);
  if (!pin) return -EBADF;
  const unsigned most = length < kMost ? static_cast<unsigned>(length) : kMost;
  // Linux has one position for all who list it, and moves it by a call of its own.
  std::lock_guard<std::mutex> lock(positions_[directory % std::size(positions_)]);
  const int64_t position = sys_.lseek(pin.fd(), joined(cookie_lo, cookie_hi), SEEK_SET);
  // No entry can have such a cookie: none comes after it.
  if (position == -EINVAL) return 0;
  if (position < 0) return static_cast<int>(position);
  return static_cast<int>(sys_.getdents64(pin.fd(), bytes.data + offset, most));
}

int Kernel::lseek(Handle handle, uint32_t offset_lo, uint32_t offset_hi, int32_t whence,
                  Bytes bytes, int64_t at) {
  if (!bytes.holds(at, sizeof(uint64_t))) return -EFAULT;
  Pin pin(handles_, handle);
  if (!pin) return -EBADF;
  const int64_t position = sys_.lseek(pin.fd(), joined(offset_lo, offset_hi), whence);
  if (position < 0) return static_cast<int>(position);
  std::memcpy(bytes.data + at, &position, sizeof(position));
  return 0;
}

int Kernel::transfer_at(decltype(Syscalls::preadv) transfer, Handle handle, Bytes bytes, Iovs iovs,
                        int64_t count, int64_t offset) {
  Gathered gathered;
  if (const int error = gathered.load(bytes, iovs, count)) return error;
  Pin pin(handles_, handle);
  if (!pin) return -EBADF;
  // What is more than its descriptor has no positions, whatever the descriptor has.
  if (pin.is_special()) return -ESPIPE;
  return static_cast<int>(transfer(pin.fd(), gathered.iovs, static_cast<int>(count), offset));
}

int Kernel::pread(Handle handle, Bytes bytes, int64_t offset, int64_t length, uint32_t position_lo,
                  uint32_t position_hi) {
  if (!bytes.holds(offset, length)) return -EFAULT;
  Pin pin(handles_, handle);
  if (!pin) return -EBADF;
  if (pin.is_special()) return -ESPIPE;
  return static_cast<int>(sys_.pread(pin.fd(), bytes.data + offset, static_cast<size_t>(length),
                                     joined(position_lo, position_hi)));
}

int Kernel::pwrite(Handle handle, Bytes bytes, int64_t offset, int64_t length, uint32_t position_lo,
                   uint32_t position_hi) {
  if (!bytes.holds(offset, length)) return -EFAULT;
  Pin pin(handles_, handle);
  if (!pin) return -EBADF;
  if (pin.is_special()) return -ESPIPE;
  return static_cast<int>(sys_.pwrite(pin.fd(), bytes.data + offset, static_cast<size_t>(length),
                                      joined(position_lo, position_hi)));
}

int Kernel::preadv(Handle handle, Bytes bytes, Iovs iovs, int64_t count, uint32_t offset_lo,
                   uint32_t offset_hi) {
  return transfer_at(sys_.preadv, handle, bytes, iovs, count, joined(offset_lo, offset_hi));
}

int Kernel::pwritev(Handle handle, Bytes bytes, Iovs iovs, int64_t count, uint32_t offset_lo,
                    uint32_t offset_hi) {
  return transfer_at(sys_.pwritev, handle, bytes, iovs, count, joined(offset_lo, offset_hi));
}

int Kernel::ftruncate(Handle handle, uint32_t size_lo, uint32_t size_hi) {
  Pin pin(handles_, handle);
  return pin ? static_cast<int>(sys_.ftruncate(pin.fd(), joined(size_lo, size_hi))) : -EBADF;
}

int Kernel::fallocate(Handle handle, uint32_t offset_lo, uint32_t offset_hi, uint32_t length_lo,
                      uint32_t length_hi) {
  Pin pin(handles_, handle);
  if (!pin) return -EBADF;
  return static_cast<int>(
      sys_.fallocate(pin.fd(), joined(offset_lo, offset_hi), joined(length_lo, length_hi)));
}

int Kernel::fadvise(Handle handle, uint32_t offset_lo, uint32_t offset_hi, uint32_t length_lo,
                    uint32_t length_hi, int32_t advice) {
  Pin pin(handles_, handle);
  if (!pin) return -EBADF;
  return static_cast<int>(
      sys_.fadvise(pin.fd(), joined(offset_lo, offset_hi), joined(length_lo, length_hi), advice));
}

int Kernel::fsync(Handle handle) {
  Pin pin(handles_, handle);
  return pin ? static_cast<int>(sys_.fsync(pin.fd())) : -EBADF;
}

int Kernel::fdatasync(Handle handle) {
  Pin pin(handles_, handle);
  return pin ? static_cast<int>(sys_.fdatasync(pin.fd())) : -EBADF;
}

int Kernel::setfl(Handle handle, int32_t flags) {
  Pin pin(handles_, handle);
  if (!pin) return -EBADF;
  const long current = sys_.getfl(pin.fd());
  if (current < 0) return static_cast<int>(current);
  const int others = static_cast<int>(current) & ~O_APPEND;
  return static_cast<int>(sys_.setfl(pin.fd(), others | (flags & O_APPEND)));
}

}  // namespace sandpoll
