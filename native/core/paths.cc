#include "paths.h"

#include <fcntl.h>

#include <cerrno>
#include <cstring>

namespace sandpoll {

namespace {

// RESOLVE_BENEATH and RESOLVE_NO_MAGICLINKS, which are not in every machine's headers.
constexpr uint64_t kResolve = 0x08 | 0x02;

/** Linux gives `..` up when anything at all was renamed meanwhile; a busy machine does that. */
constexpr int kAttempts = 128;

/** Where the last component begins, in a path whose end is not a slash. */
size_t last_component(const char* text, size_t end) {
  while (end > 0 && text[end - 1] != '/') end--;
  return end;
}

bool is_dots(const char* name, size_t length) {
  return (length == 1 || (length == 2 && name[1] == '.')) && name[0] == '.';
}

}  // namespace

int Path::load(Bytes bytes, int64_t offset, int64_t size) {
  if (!bytes.holds(offset, size)) return -EFAULT;
  if (size == 0) return -ENOENT;
  if (static_cast<size_t>(size) >= kPathBytes) return -ENAMETOOLONG;
  length = static_cast<size_t>(size);
  std::memcpy(text, bytes.data + offset, length);
  text[length] = 0;
  return std::memchr(text, 0, length) == nullptr ? 0 : -EINVAL;
}

bool Path::is_name() const {
  return std::memchr(text, '/', length) == nullptr && !is_dots(text, length);
}

long open_beneath(const Syscalls& sys, int directory, const char* path, uint64_t flags,
                  uint64_t mode) {
  long result = -EAGAIN;
  for (int attempt = 0; attempt < kAttempts && result == -EAGAIN; attempt++) {
    result = sys.openat2(directory, path, flags | O_CLOEXEC, mode, kResolve);
  }
  return result == -EXDEV ? -kEscapes : result;
}

Beneath::~Beneath() {
  if (fd_ >= 0) sys_.close(fd_);
}

int Beneath::open(int directory, const char* path, uint64_t flags) {
  fd_ = static_cast<int>(open_beneath(sys_, directory, path, flags | O_PATH));
  return fd_ < 0 ? fd_ : 0;
}

int Place::find(int directory, Bytes bytes, int64_t offset, int64_t length, Slash slash) {
  if (const int error = path_.load(bytes, offset, length)) return error;
  size_t end = path_.length;
  while (end > 0 && path_.text[end - 1] == '/') end--;
  const bool is_slashed = end < path_.length;
  const size_t start = last_component(path_.text, end);
  if (end == 0 || is_dots(path_.text + start, end - start) ||
      (is_slashed && slash == Slash::kFollows)) {
    return find_itself(directory);
  }
  name_ = path_.text + start;
  directory_ = directory;
  if (start == 0) return 0;
  path_.text[start - 1] = 0;
  const int error = parent_.open(directory, start == 1 ? "/" : path_.text, O_DIRECTORY);
  directory_ = parent_.fd();
  return error;
}

int Place::find_itself(int directory) {
  const int error = parent_.open(directory, path_.text, O_DIRECTORY);
  directory_ = parent_.fd();
  name_ = ".";
  return error;
}

}  // namespace sandpoll
