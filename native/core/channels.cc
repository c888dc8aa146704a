/** Messages that carry descriptors: `unix(7)`, SOCK_SEQPACKET and SCM_RIGHTS. */

#include <cerrno>
#include <cstring>

#include "gather.h"
#include "kernel.h"

namespace sandpoll {

namespace {

/** In front of every message. */
struct Envelope {
  /** The sender's, not looked into here. */
  uint32_t header;
  /** The `Mode` of the descriptor that comes with it. */
  uint32_t mode;
};

/** `ChannelInfo` of the port. */
struct Info {
  uint32_t header;
  int32_t handle;
  uint32_t flags;
};

/** Room for one descriptor and no second, in SCM_RIGHTS. */
union Control {
  cmsghdr header;
  uint8_t bytes[CMSG_LEN(sizeof(int))];

  void attach_to(msghdr& message) {
    message.msg_control = bytes;
    message.msg_controllen = sizeof(bytes);
  }
};

void put(Control& control, int fd) {
  control.header.cmsg_level = SOL_SOCKET;
  control.header.cmsg_type = SCM_RIGHTS;
  control.header.cmsg_len = sizeof(control.bytes);
  std::memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
}

/** The descriptor that came with the message, or −1. */
int taken_from(const Control& control, const msghdr& message) {
  if (message.msg_controllen < sizeof(control.bytes)) return -1;
  if (control.header.cmsg_level != SOL_SOCKET || control.header.cmsg_type != SCM_RIGHTS) return -1;
  int fd;
  std::memcpy(&fd, CMSG_DATA(&control.header), sizeof(fd));
  return fd;
}

/** A signal descriptor and a lookup are more than their descriptors, and stay in their session. */
bool can_pass(Mode mode) { return mode != Mode::kSignal && mode != Mode::kLookup; }

Mode mode_of(const Envelope& envelope) {
  const auto mode = static_cast<Mode>(envelope.mode);
  return envelope.mode <= static_cast<uint32_t>(Mode::kShared) && can_pass(mode) ? mode
                                                                                 : Mode::kPlain;
}

}  // namespace

int Kernel::channel_send(Handle handle, Bytes bytes, Iovs iovs, int64_t count, uint32_t header,
                         Handle passed) {
  Gathered gathered;
  if (const int error = gathered.load(bytes, iovs, count, 1)) return error;
  Pin pin(handles_, handle);
  Pin gift(handles_, passed);
  if (!pin || (!gift && passed != -1)) return -EBADF;
  Envelope envelope = {header, 0};
  gathered.iovs[0] = {&envelope, sizeof(envelope)};
  msghdr message = gathered.message();
  Control control;
  if (gift) {
    if (!can_pass(gift.mode())) return -EINVAL;
    gift.set_passed();
    envelope.mode = static_cast<uint32_t>(gift.mode());
    put(control, gift.fd());
    control.attach_to(message);
  }
  const long result = sys_.sendmsg(pin.fd(), &message, MSG_DONTWAIT | MSG_NOSIGNAL);
  return static_cast<int>(result < 0 ? result : result - static_cast<long>(sizeof(envelope)));
}

int Kernel::channel_recv(Handle handle, Bytes bytes, Iovs iovs, int64_t count, Bytes info) {
  Gathered gathered;
  if (const int error = gathered.load(bytes, iovs, count, 1)) return error;
  if (!info.holds(0, sizeof(Info))) return -EFAULT;
  Pin pin(handles_, handle);
  if (!pin) return -EBADF;
  Envelope envelope = {};
  gathered.iovs[0] = {&envelope, sizeof(envelope)};
  msghdr message = gathered.message();
  Control control;
  control.attach_to(message);
  const long result = sys_.recvmsg(pin.fd(), &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (result < 0) return static_cast<int>(result);
  const int fd = taken_from(control, message);
  if (result < static_cast<long>(sizeof(envelope))) {
    if (fd >= 0) sys_.close(fd);
    return result == 0 ? -EPIPE : -EPROTO;
  }
  Info told = {envelope.header, -1, static_cast<uint32_t>(message.msg_flags)};
  told.flags &= ~static_cast<uint32_t>(MSG_CMSG_CLOEXEC);
  if (fd >= 0) {
    const Handle received = opened(fd, mode_of(envelope));
    if (received == -ECANCELED) return received;
    told.handle = received < 0 ? -1 : received;
    if (received < 0) told.flags |= MSG_CTRUNC;
    if (Pin gift(handles_, received); gift) gift.set_passed();
  }
  std::memcpy(info.data, &told, sizeof(told));
  return static_cast<int>(result - static_cast<long>(sizeof(envelope)));
}

}  // namespace sandpoll
