/** Reading and writing what is not a socket: pipes, stdio, event and signal descriptors. */

#include <fcntl.h>
#include <limits.h>

#include <cerrno>
#include <cstring>

#include "gather.h"
#include "kernel.h"
#include "paths.h"

namespace sandpoll {

namespace {

constexpr const char* kReopen[] = {"/proc/self/fd/0", "/proc/self/fd/1", "/proc/self/fd/2"};

constexpr timespec kAtOnce = {0, 0};

/** The first buffer that has room for anything. */
::iovec first_of(const ::iovec* iovs, size_t count) {
  size_t at = 0;
  while (at < count && iovs[at].iov_len == 0) at++;
  return at < count ? iovs[at] : ::iovec{nullptr, 0};
}

}  // namespace

/**
 * This process shares its stdio with others, terminals above all, and O_NONBLOCK belongs to what
 * they share. So a pipe or a terminal is opened again, non-blocking for the guest alone. What
 * cannot be opened again is asked for readiness before each call; a socket has MSG_DONTWAIT; and
 * a regular file never blocks.
 */
int Kernel::stdio(int32_t fd) {
  if (fd < 0 || fd > 2) return -EBADF;
  sys_.ignore_sigpipe();
  struct stat status;
  const long result = sys_.fstat(fd, &status);
  if (result < 0) return static_cast<int>(result);
  if (S_ISSOCK(status.st_mode)) return opened(sys_.dup(fd), Mode::kSharedSocket);
  if (S_ISREG(status.st_mode) || S_ISDIR(status.st_mode)) return opened(sys_.dup(fd));
  const long flags = sys_.getfl(fd);
  if (flags < 0) return static_cast<int>(flags);
  const int access = static_cast<int>(flags) & O_ACCMODE;
  const long own = sys_.open(kReopen[fd], access | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
  return own >= 0 ? opened(own) : opened(sys_.dup(fd), Mode::kShared);
}

int Kernel::open_file(Bytes path, int32_t flags) {
  Path copy;
  if (const int error = copy.load(path, 0, static_cast<int64_t>(path.size))) return error;
  sys_.ignore_sigpipe();
  return opened(sys_.open(copy.text, flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
}

int Kernel::dup(Handle handle) {
  Pin pin(handles_, handle);
  if (!pin) return -EBADF;
  const Mode mode = pin.mode();
  if (mode != Mode::kPlain && mode < Mode::kSharedSocket) return -EINVAL;
  pin.set_passed();
  const Handle copy = opened(sys_.dup(pin.fd()), mode, nullptr, pin.may_linger());
  if (Pin other(handles_, copy); other) other.set_passed();
  return copy;
}

int Kernel::pipe2(Bytes bytes, int64_t offset) {
  if (!bytes.holds(offset, 2 * sizeof(Handle))) return -EFAULT;
  sys_.ignore_sigpipe();
  int fds[2];
  const long result = sys_.pipe2(fds, O_NONBLOCK | O_CLOEXEC);
  return result < 0 ? static_cast<int>(result) : opened_pair(fds, bytes, offset);
}

bool Kernel::is_ready(int fd, short events) {
  pollfd polled = {fd, events, 0};
  return sys_.ppoll(&polled, 1, &kAtOnce, nullptr) > 0;
}

long Kernel::read_shared(const Pin& pin, void* buffer, size_t length) {
  if (pin.mode() == Mode::kSharedSocket) {
    return sys_.recv(pin.fd(), buffer, length, MSG_DONTWAIT);
  }
  return is_ready(pin.fd(), POLLIN) ? sys_.read(pin.fd(), buffer, length) : -EAGAIN;
}

/** A pipe that polls writable takes PIPE_BUF bytes without blocking, and is promised no more. */
long Kernel::write_shared(const Pin& pin, const void* buffer, size_t length) {
  if (pin.mode() == Mode::kSharedSocket) {
    return sys_.send(pin.fd(), buffer, length, MSG_DONTWAIT | MSG_NOSIGNAL);
  }
  if (!is_ready(pin.fd(), POLLOUT)) return -EAGAIN;
  return sys_.write(pin.fd(), buffer, length < PIPE_BUF ? length : PIPE_BUF);
}

long Kernel::read_special(const Pin& pin, const ::iovec* iovs, size_t count) {
  if (pin.mode() == Mode::kSignal) return read_signals(pin, iovs, count);
  if (pin.mode() == Mode::kLookup) return -EINVAL;
  const ::iovec to = first_of(iovs, count);
  return read_shared(pin, to.iov_base, to.iov_len);
}

long Kernel::write_special(const Pin& pin, const ::iovec& from) {
  if (pin.mode() == Mode::kSignal || pin.mode() == Mode::kLookup) return -EINVAL;
  return write_shared(pin, from.iov_base, from.iov_len);
}

int Kernel::read(Handle handle, Bytes bytes, int64_t offset, int64_t length) {
  if (!bytes.holds(offset, length)) return -EFAULT;
  Pin pin(handles_, handle);
  if (!pin) return -EBADF;
  const ::iovec to = {bytes.data + offset, static_cast<size_t>(length)};
  return static_cast<int>(pin.is_special() ? read_special(pin, &to, 1)
                                           : sys_.read(pin.fd(), to.iov_base, to.iov_len));
}

int Kernel::write(Handle handle, Bytes bytes, int64_t offset, int64_t length) {
  if (!bytes.holds(offset, length)) return -EFAULT;
  Pin pin(handles_, handle);
  if (!pin) return -EBADF;
  const ::iovec from = {bytes.data + offset, static_cast<size_t>(length)};
  return static_cast<int>(pin.is_special() ? write_special(pin, from)
                                           : sys_.write(pin.fd(), from.iov_base, from.iov_len));
}

int Kernel::readv(Handle handle, Bytes bytes, Iovs iovs, int64_t count) {
  Gathered gathered;
  if (const int error = gathered.load(bytes, iovs, count)) return error;
  Pin pin(handles_, handle);
  if (!pin) return -EBADF;
  if (pin.is_special()) {
    return static_cast<int>(read_special(pin, gathered.iovs, gathered.count));
  }
  return static_cast<int>(sys_.readv(pin.fd(), gathered.iovs, static_cast<int>(count)));
}

int Kernel::writev(Handle handle, Bytes bytes, Iovs iovs, int64_t count) {
  Gathered gathered;
  if (const int error = gathered.load(bytes, iovs, count)) return error;
  Pin pin(handles_, handle);
  if (!pin) return -EBADF;
  if (pin.is_special()) {
    return static_cast<int>(write_special(pin, first_of(gathered.iovs, gathered.count)));
  }
  return static_cast<int>(sys_.writev(pin.fd(), gathered.iovs, static_cast<int>(count)));
}

int Kernel::fionread(Handle handle) {
  Pin pin(handles_, handle);
  if (!pin) return -EBADF;
  int bytes = 0;
  const long result = sys_.fionread(pin.fd(), &bytes);
  return static_cast<int>(result < 0 ? result : bytes);
}

int Kernel::memcmp(Bytes one, int64_t offset, Bytes other, int64_t other_offset, int64_t length) {
  if (!one.holds(offset, length) || !other.holds(other_offset, length)) return -EFAULT;
  const auto size = static_cast<size_t>(length);
  return std::memcmp(one.data + offset, other.data + other_offset, size) != 0;
}

int Kernel::fstat(Handle handle) {
  Pin pin(handles_, handle);
  if (!pin) return -EBADF;
  struct stat status;
  const long result = sys_.fstat(pin.fd(), &status);
  return static_cast<int>(result < 0 ? result : status.st_mode);
}

int Kernel::isatty(Handle handle) {
  Pin pin(handles_, handle);
  return pin ? sys_.isatty(pin.fd()) >= 0 : -EBADF;
}

}  // namespace sandpoll
