#include <cerrno>
#include <cstring>

#include "gather.h"
#include "kernel.h"

namespace sandpoll {

namespace {

/** A socket address out of a guest's reach: copied in once, or on its way out. */
struct Peer {
  sockaddr_storage storage;
  socklen_t length = sizeof(storage);

  sockaddr* address() { return reinterpret_cast<sockaddr*>(&storage); }

  /** 0, or `-EINVAL` for a length that no address has. */
  int load(Address from) {
    if (from.data == nullptr) return -EFAULT;
    uint32_t bytes;
    std::memcpy(&bytes, from.data, sizeof(bytes));
    if (bytes > sizeof(storage)) return -EINVAL;
    std::memcpy(&storage, from.data + sizeof(bytes), bytes);
    length = bytes;
    return 0;
  }

  void store(Address to) const {
    if (to.data == nullptr) return;
    const uint32_t bytes = length < sizeof(storage) ? length : sizeof(storage);
    std::memcpy(to.data, &bytes, sizeof(bytes));
    std::memcpy(to.data + sizeof(bytes), &storage, bytes);
  }
};

}  // namespace

int Kernel::socket(int32_t domain, int32_t type, int32_t protocol) {
  return opened(sys_.socket(domain, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol));
}

int Kernel::socketpair(int32_t domain, int32_t type, int32_t protocol, Bytes bytes,
                       int64_t offset) {
  if (!bytes.holds(offset, 2 * sizeof(Handle))) return -EFAULT;
  int fds[2];
  const long result = sys_.socketpair(domain, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol, fds);
  return result < 0 ? static_cast<int>(result) : opened_pair(fds, bytes, offset);
}

int Kernel::bind(Handle handle, Address address) {
  Peer peer;
  if (const int error = peer.load(address)) return error;
  Pin pin(handles_, handle);
  return pin ? static_cast<int>(sys_.bind(pin.fd(), peer.address(), peer.length)) : -EBADF;
}

int Kernel::listen(Handle handle, int32_t backlog) {
  Pin pin(handles_, handle);
  return pin ? static_cast<int>(sys_.listen(pin.fd(), backlog)) : -EBADF;
}

int Kernel::accept4(Handle handle, Address address) {
  Pin pin(handles_, handle);
  if (!pin) return -EBADF;
  Peer peer;
  const long fd =
      sys_.accept4(pin.fd(), peer.address(), &peer.length, SOCK_NONBLOCK | SOCK_CLOEXEC);
  const int accepted = opened(fd, Mode::kPlain, nullptr, pin.may_linger());
  if (accepted >= 0) peer.store(address);
  return accepted;
}

int Kernel::connect(Handle handle, Address address) {
  Peer peer;
  if (const int error = peer.load(address)) return error;
  Pin pin(handles_, handle);
  return pin ? static_cast<int>(sys_.connect(pin.fd(), peer.address(), peer.length)) : -EBADF;
}

int Kernel::getsockname(Handle handle, Address address) {
  Pin pin(handles_, handle);
  if (!pin) return -EBADF;
  Peer peer;
  const long result = sys_.getsockname(pin.fd(), peer.address(), &peer.length);
  if (result >= 0) peer.store(address);
  return static_cast<int>(result);
}

int Kernel::getpeername(Handle handle, Address address) {
  Pin pin(handles_, handle);
  if (!pin) return -EBADF;
  Peer peer;
  const long result = sys_.getpeername(pin.fd(), peer.address(), &peer.length);
  if (result >= 0) peer.store(address);
  return static_cast<int>(result);
}

int Kernel::recv(Handle handle, Bytes bytes, int64_t offset, int64_t length, int32_t flags) {
  if (!bytes.holds(offset, length)) return -EFAULT;
  Pin pin(handles_, handle);
  if (!pin) return -EBADF;
  return static_cast<int>(sys_.recv(pin.fd(), bytes.data + offset, length, flags | MSG_DONTWAIT));
}

int Kernel::send(Handle handle, Bytes bytes, int64_t offset, int64_t length, int32_t flags) {
  if (!bytes.holds(offset, length)) return -EFAULT;
  Pin pin(handles_, handle);
  if (!pin) return -EBADF;
  return static_cast<int>(
      sys_.send(pin.fd(), bytes.data + offset, length, flags | MSG_DONTWAIT | MSG_NOSIGNAL));
}

int Kernel::recvfrom(Handle handle, Bytes bytes, int64_t offset, int64_t length, int32_t flags,
                     Address address) {
  if (!bytes.holds(offset, length)) return -EFAULT;
  Pin pin(handles_, handle);
  if (!pin) return -EBADF;
  Peer peer;
  const long result = sys_.recvfrom(pin.fd(), bytes.data + offset, length, flags | MSG_DONTWAIT,
                                    peer.address(), &peer.length);
  if (result >= 0) peer.store(address);
  return static_cast<int>(result);
}

int Kernel::sendto(Handle handle, Bytes bytes, int64_t offset, int64_t length, int32_t flags,
                   Address address) {
  if (!bytes.holds(offset, length)) return -EFAULT;
  Peer peer;
  if (const int error = peer.load(address)) return error;
  Pin pin(handles_, handle);
  if (!pin) return -EBADF;
  return static_cast<int>(sys_.sendto(pin.fd(), bytes.data + offset, length,
                                      flags | MSG_DONTWAIT | MSG_NOSIGNAL, peer.address(),
                                      peer.length));
}

int Kernel::recvmsg(Handle handle, Bytes bytes, Iovs iovs, int64_t count, int32_t flags,
                    Address address, Bytes told) {
  Gathered gathered;
  if (const int error = gathered.load(bytes, iovs, count)) return error;
  if (!told.holds(0, sizeof(uint32_t))) return -EFAULT;
  Pin pin(handles_, handle);
  if (!pin) return -EBADF;
  Peer peer;
  msghdr message = gathered.message();
  message.msg_name = peer.address();
  message.msg_namelen = peer.length;
  const long result = sys_.recvmsg(pin.fd(), &message, flags | MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  peer.length = message.msg_namelen;
  const int32_t told_flags = message.msg_flags & ~MSG_CMSG_CLOEXEC;
  std::memcpy(told.data, &told_flags, sizeof(told_flags));
  if (result >= 0) peer.store(address);
  return static_cast<int>(result);
}

int Kernel::sendmsg(Handle handle, Bytes bytes, Iovs iovs, int64_t count, int32_t flags,
                    Address address) {
  Gathered gathered;
  if (const int error = gathered.load(bytes, iovs, count)) return error;
  Peer peer;
  msghdr message = gathered.message();
  if (address.data != nullptr) {
    if (const int error = peer.load(address)) return error;
    message.msg_name = peer.address();
    message.msg_namelen = peer.length;
  }
  Pin pin(handles_, handle);
  if (!pin) return -EBADF;
  return static_cast<int>(sys_.sendmsg(pin.fd(), &message, flags | MSG_DONTWAIT | MSG_NOSIGNAL));
}

int Kernel::shutdown(Handle handle, int32_t how) {
  Pin pin(handles_, handle);
  return pin ? static_cast<int>(sys_.shutdown(pin.fd(), how)) : -EBADF;
}

int Kernel::getsockopt(Handle handle, int32_t level, int32_t name, Bytes bytes, int64_t offset,
                       int64_t length) {
  if (!bytes.holds(offset, length)) return -EFAULT;
  if (length > INT32_MAX) return -EINVAL;
  Pin pin(handles_, handle);
  if (!pin) return -EBADF;
  auto size = static_cast<socklen_t>(length);
  const long result = sys_.getsockopt(pin.fd(), level, name, bytes.data + offset, &size);
  return static_cast<int>(result < 0 ? result : size);
}

int Kernel::setsockopt(Handle handle, int32_t level, int32_t name, Bytes bytes, int64_t offset,
                       int64_t length) {
  if (!bytes.holds(offset, length)) return -EFAULT;
  if (length > INT32_MAX) return -EINVAL;
  Pin pin(handles_, handle);
  if (!pin) return -EBADF;
  const auto size = static_cast<socklen_t>(length);
  if (level == SOL_SOCKET && name == SO_LINGER) pin.set_lingers();
  return static_cast<int>(sys_.setsockopt(pin.fd(), level, name, bytes.data + offset, size));
}

}  // namespace sandpoll
